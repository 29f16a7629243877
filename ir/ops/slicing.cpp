// Slices whose place is a value of the graph, and cutting into pieces.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

Term cut(Term x, std::size_t axis, std::int64_t start, std::int64_t limit) {
  IntList starts(x.rank(), 0), limits = sizes(x.shape());
  starts[axis] = start;
  limits[axis] = limit;
  return apply("slice", {x}, {{"start", starts}, {"limit", limits}});
}

std::size_t axis_of(const Call& call) {
  return static_cast<std::size_t>(normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank()));
}

// ---- split ----

// The sizes of the pieces: as given, or as many equal ones.
IntList piece_sizes(const Call& call) {
  const Type& x = call.operand(0);
  std::size_t axis = axis_of(call);
  const Dim& dim = x.shape[axis];
  const IntList& given = call.attributes.ints("sizes");
  std::int64_t parts = call.attributes.integer("parts");
  const std::string where = "dimension " + std::to_string(axis) + " of " + x.str();
  if (!dim.is_static()) call.fail(where + " must be bound to a size first");
  if (given.empty() == (parts == 0)) call.fail("takes one of `parts` and `sizes`");
  if (given.empty()) {
    if (parts < 1) call.fail("`parts` must be at least 1, got " + std::to_string(parts));
    if (parts > 4096) call.fail("cuts into 4096 parts at most, got " + std::to_string(parts));
    if (dim.factor % parts != 0) call.fail("can't cut " + where + " into " + std::to_string(parts) + " equal parts");
    return IntList(static_cast<std::size_t>(parts), dim.factor / parts);
  }
  std::int64_t sum = 0;
  for (std::int64_t size : given) {
    if (size < 0) call.fail("`sizes` must not be negative, got " + str(Attribute(given)));
    if (__builtin_add_overflow(sum, size, &sum)) call.fail("the sum of `sizes` overflows");
  }
  if (sum != dim.factor)
    call.fail("`sizes` " + str(Attribute(given)) + " add up to " + std::to_string(sum) + ", not to " + where);
  return given;
}

Types infer_split(const Call& call) {
  std::size_t axis = axis_of(call);
  Types result;
  for (std::int64_t size : piece_sizes(call)) {
    result.push_back(call.operand(0));
    result.back().shape[axis] = Dim(size);
  }
  return result;
}

Terms compose_split(Builder&, const Call& call, std::span<const Term> x) {
  std::size_t axis = axis_of(call);
  Terms pieces;
  std::int64_t start = 0;
  for (std::int64_t size : piece_sizes(call)) {
    pieces.push_back(cut(x[0], axis, start, start + size));
    start += size;
  }
  return pieces;
}

void register_split(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t parts, IntList sizes, std::int64_t axis) {
    std::vector<Type> operands = types({type});
    bool differentiable = is_float(operands[0].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"parts", parts}, {"sizes", std::move(sizes)}, {"axis", axis}},
                  .differentiable = differentiable};
  };
  registry.add(
      {.name = "split",
       .doc = "x cut into pieces along a dimension, a result for each, `y[0]`, `y[1]` and so on: equal "
              "`parts`, or pieces of `sizes`.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"}},
       .attributes = {{"parts", AttributeKind::integer, "how many equal pieces; 0: `sizes` says", std::int64_t{0}},
                      {"sizes", AttributeKind::int_list, "the sizes of the pieces; empty: `parts` says", IntList{}},
                      {"axis", AttributeKind::integer, "the dimension to cut", std::int64_t{0}}},
       .infer = infer_split,
       .compose = compose_split,
       .samples = {sample("f64[6]", 3, {}, 0), sample("f64[2,5]", 0, {2, 0, 3}, 1), sample("f32[7,3,2]", 0, {1, 6}, 0),
                   sample("f64[2,3]", 1, {}, -1), sample("f64[0,2]", 2, {}, 0), sample("i32[4,2]", 2, {}, 1)}});
}

// ---- dynamic_slice, dynamic_update_slice ----
//
// `start` holds a place for each dimension in `axis`; places are moved so that
// the slice lies inside.

struct Placed {
  IntList axes, sizes;
};

void check_start(const Call& call, std::size_t operand, std::size_t count) {
  const Type& start = call.operand(operand);
  if (!is_integer(start.dtype)) call.fail("`start` must be an integer, got " + start.str());
  bool fits = (start.rank() == 0 && count == 1) || start.shape == Shape{Dim(static_cast<std::int64_t>(count))};
  if (!fits)
    call.fail("`start` must be a number for each of " + std::to_string(count) + " dimensions in `axis`, got " +
              start.str());
}

// In the order given, not sorted: `start` stands beside them.
IntList given_axes(const Call& call, std::size_t rank) {
  const IntList& given = call.attributes.ints("axis");
  if (given.empty()) call.fail("`axis` must name a dimension");
  normal_axes(call, given, rank);  // within bounds, and no axis twice
  IntList axes;
  for (std::int64_t axis : given) axes.push_back(normal_axis(call, axis, rank));
  return axes;
}

Placed placed_slice(const Call& call) {
  const Type& x = call.operand(0);
  Placed placed{given_axes(call, x.rank()), call.attributes.ints("size")};
  if (placed.sizes.size() != placed.axes.size())
    call.fail("`size` and `axis` must have as many entries, got " + str(Attribute(placed.sizes)) + " and " +
              str(Attribute(call.attributes.ints("axis"))));
  for (std::size_t i = 0; i < placed.axes.size(); ++i) {
    const Dim& dim = x.shape[static_cast<std::size_t>(placed.axes[i])];
    const std::string where = "dimension " + std::to_string(placed.axes[i]) + " of " + x.str();
    if (!dim.is_static()) call.fail(where + " must be bound to a size first");
    if (placed.sizes[i] < 0 || placed.sizes[i] > dim.factor)
      call.fail("can't take " + std::to_string(placed.sizes[i]) + " elements of " + where);
  }
  check_start(call, 1, placed.axes.size());
  return placed;
}

Types infer_dynamic_slice(const Call& call) {
  Placed placed = placed_slice(call);
  Type result = call.operand(0);
  for (std::size_t i = 0; i < placed.axes.size(); ++i)
    result.shape[static_cast<std::size_t>(placed.axes[i])] = Dim(placed.sizes[i]);
  return {result};
}

// Where the slice begins in one dimension, so that `size` elements of `extent`
// fit; i64[].
Term first_place(Term start, std::size_t i, std::int64_t extent, std::int64_t size) {
  if (start.rank() == 1)
    start = reshape(cut(start, 0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1), {});
  return apply("clip", {cast(start, DType::i64)}, {{"low", 0.0}, {"high", static_cast<double>(extent - size)}});
}

// A run of `size` places from `first`.
Term run_from(Term first, std::int64_t size) {
  return iota(first.builder(), DType::i64, {Dim(size)}, 0) + broadcast(first, {Dim(size)});
}

Terms compose_dynamic_slice(Builder& builder, const Call& call, std::span<const Term> x) {
  Placed placed = placed_slice(call);
  Type type = call.op.infer(call)[0];
  if (type.elements() == 0) return {builder.term(builder.full(type, 0))};
  Term result = x[0];
  for (std::size_t i = 0; i < placed.axes.size(); ++i) {
    std::int64_t extent = call.operand(0).shape[static_cast<std::size_t>(placed.axes[i])].factor;
    if (placed.sizes[i] == extent) continue;
    Term index = run_from(first_place(x[1], i, extent, placed.sizes[i]), placed.sizes[i]);
    result = apply("gather", {result, index}, {{"axis", placed.axes[i]}});
  }
  return {result};
}

Placed placed_update(const Call& call) {
  const Type &x = call.operand(0), &update = call.operand(1);
  Placed placed{given_axes(call, x.rank()), {}};
  bool fits = update.dtype == x.dtype && update.rank() == x.rank();
  Shape wanted = x.shape;
  for (std::int64_t axis : placed.axes) {
    std::size_t d = static_cast<std::size_t>(axis);
    if (!fits) break;
    if (!x.shape[d].is_static() || !update.shape[d].is_static())
      call.fail("dimension " + std::to_string(d) + " of " + x.str() + " and " + update.str() +
                " must be bound to sizes first");
    fits = update.shape[d].factor <= x.shape[d].factor;
    wanted[d] = update.shape[d];
    placed.sizes.push_back(update.shape[d].factor);
  }
  if (!fits || update.shape != wanted)
    call.fail(
        "`update` must fit into `x`, and have its dtype and its other "
        "dimensions than those in `axis`, got " +
        update.str() + " and " + x.str());
  check_start(call, 2, placed.axes.size());
  return placed;
}

// Every element reads the update at its distance from the start, or itself
// where that is outside.
Terms compose_dynamic_update_slice(Builder& builder, const Call& call, std::span<const Term> x) {
  Placed placed = placed_update(call);
  if (x[1].type().elements() == 0) return {x[0]};
  Term spread = x[1], inside;
  const Shape& shape = x[0].shape();
  for (std::size_t i = 0; i < placed.axes.size(); ++i) {
    std::int64_t axis = placed.axes[i], size = placed.sizes[i];
    const Dim& extent = shape[static_cast<std::size_t>(axis)];
    Term first = first_place(x[2], i, extent.factor, size);
    Term distance = iota(builder, DType::i64, {extent}, 0) - broadcast(first, {extent});
    Term within = apply("logical_and", {apply("greater_equal", {distance, distance.like(0)}),
                                        less(distance, static_cast<double>(size))});
    spread = apply("gather", {spread, distance}, {{"axis", axis}});
    Term everywhere = broadcast_in(within, shape, {axis});
    inside = inside ? apply("logical_and", {inside, everywhere}) : everywhere;
  }
  return {select(inside, spread, x[0])};
}

void register_dynamic(Registry& registry) {
  auto sample = [](std::initializer_list<std::string_view> operands, Attributes attributes, double high) {
    std::vector<Type> given = types(operands);
    bool differentiable = is_float(given[0].dtype);
    return Sample{.operands = std::move(given),
                  .attributes = std::move(attributes),
                  .low = 0,
                  .high = high,
                  .differentiable = differentiable};
  };
  const AttributeSpec axis = {"axis", AttributeKind::int_list, "the dimensions that `start` is for", IntList{0}};
  registry.add(
      {.name = "dynamic_slice",
       .doc = "The part of x that begins where `start` says. It is moved "
              "inside where it would reach out of x.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"},
                    {"start",
                     "integers, the first element in each dimension "
                     "of `axis`; a scalar for one"}},
       .attributes = {axis, {"size", AttributeKind::int_list, "how many elements in each of these dimensions", {}}},
       .infer = infer_dynamic_slice,
       .compose = compose_dynamic_slice,
       .samples = {sample({"f64[5]", "i32[]"}, {{"size", IntList{2}}}, 4),
                   sample({"f64[4,3]", "i32[2]"}, {{"axis", IntList{0, 1}}, {"size", IntList{2, 2}}}, 4),
                   sample({"f32[2,7,3]", "i64[1]"}, {{"axis", IntList{-2}}, {"size", IntList{4}}}, 6),
                   sample({"f64[3,2]", "i32[2]"}, {{"axis", IntList{1, 0}}, {"size", IntList{2, 1}}}, 3),
                   sample({"f64[3,2]", "i32[]"}, {{"size", IntList{0}}}, 3),
                   sample({"i32[5,2]", "u8[]"}, {{"size", IntList{3}}}, 5)}});

  registry.add(
      {.name = "dynamic_update_slice",
       .doc = "x with a part of it, which begins where `start` says, replaced "
              "by `update`. The part is moved "
              "inside where it would reach out of x.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"},
                    {"update",
                     "what replaces it: x's dtype and dimensions but "
                     "for those in `axis`"},
                    {"start",
                     "integers, the first element in each dimension "
                     "of `axis`; a scalar for one"}},
       .attributes = {axis},
       .infer = [](const Call& call) { return placed_update(call), Types{call.operand(0)}; },
       .compose = compose_dynamic_update_slice,
       .samples = {sample({"f64[5]", "f64[2]", "i32[]"}, {}, 4),
                   sample({"f64[4,3]", "f64[2,2]", "i32[2]"}, {{"axis", IntList{0, 1}}}, 4),
                   sample({"f32[2,7,3]", "f32[2,4,3]", "i64[1]"}, {{"axis", IntList{1}}}, 6),
                   sample({"f64[3,2]", "f64[1,2]", "i32[2]"}, {{"axis", IntList{1, 0}}}, 3),
                   sample({"f64[3]", "f64[0]", "i32[]"}, {}, 3), sample({"i32[5,2]", "i32[3,2]", "u8[]"}, {}, 5)}});
}

}  // namespace

void register_slicing(Registry& registry) {
  register_split(registry);
  register_dynamic(registry);
}

}  // namespace gradc
