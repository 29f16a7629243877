// Order along a dimension: sorting, its permutation, the greatest few; adding
// at an index for every element.
//
// An element's rank is the number of elements that stand before it: one
// reduction over pairs, without branches, stable, and differentiable through
// the permutation. Its work grows with the square of the length.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

std::int64_t axis_of(const Call& call) {
  return normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank());
}

std::int64_t checked_length(const Call& call) {
  const Type& x = call.operand(0);
  if (x.dtype == DType::boolean) call.fail("`x` must be a number, got " + x.str() + "; cast it first");
  const Dim& dim = x.shape[static_cast<std::size_t>(axis_of(call))];
  const std::string where = "dimension " + std::to_string(axis_of(call)) + " of " + x.str();
  if (!dim.is_static()) call.fail(where + " must be bound to a size first");
  if (dim.factor > 0x7fffffff) call.fail(where + " is too long for i32");
  return dim.factor;
}

// x seen as [outer, n, inner] around an axis.
Shape around(Term x, std::int64_t axis) {
  Shape shape = {Dim(1), x.shape()[static_cast<std::size_t>(axis)], Dim(1)};
  for (std::int64_t d = 0; d < std::ssize(x.shape()); ++d)
    if (d != axis) shape[d < axis ? 0 : 2].factor *= x.shape()[static_cast<std::size_t>(d)].factor;
  return shape;
}

Term either(Term a, Term b) { return apply("logical_or", {a, b}); }
Term both(Term a, Term b) { return apply("logical_and", {a, b}); }

// For x [outer, n, inner], at every place the number of places that come before
// it; i32. NaN comes last; what is equal keeps its order.
Term ranks(Term x, bool descending) {
  const Shape& s = x.shape();
  Shape pairs = {s[0], s[1], s[1], s[2]};  // outer, i, j, inner: does j come before i?
  Term i = broadcast_in(x, pairs, {0, 1, 3}), j = broadcast_in(x, pairs, {0, 2, 3});
  Term before = descending ? greater(j, i) : less(j, i), same = equal(j, i);
  if (is_float(x.dtype())) {
    Term nan = apply("is_nan", {x});
    Term i_nan = broadcast_in(nan, pairs, {0, 1, 3}), j_nan = broadcast_in(nan, pairs, {0, 2, 3});
    before = either(before, both(i_nan, apply("logical_not", {j_nan})));
    same = either(same, both(i_nan, j_nan));
  }
  Term earlier = less(iota(x.builder(), DType::i32, pairs, 2), iota(x.builder(), DType::i32, pairs, 1));
  return reduce_sum(cast(either(before, both(same, earlier)), DType::i32), {2});
}

// The inverse of the ranks, in the shape of x: which element stands at each
// place.
Term order_of(Term x, std::int64_t axis, bool descending) {
  Shape shape = around(x, axis);
  Term rank = ranks(reshape(x, shape), descending);
  Term places = iota(x.builder(), DType::i32, shape, 1);
  Term order = apply("scatter_add_along_axis", {rank, places}, {{"axis", std::int64_t{1}}, {"size", shape[1].factor}});
  return reshape(order, x.shape());
}

Term empty_indices(Builder& builder, const Shape& shape) { return builder.term(builder.full({DType::i32, shape}, 0)); }

std::vector<AttributeSpec> sort_attributes() {
  return {{"axis", AttributeKind::integer, "the dimension to sort along", std::int64_t{-1}},
          {"descending", AttributeKind::boolean, "greatest first", false}};
}

Sample sort_sample(std::string_view type, std::int64_t axis, bool descending) {
  std::vector<Type> operands = types({type});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"axis", axis}, {"descending", descending}},
          .differentiable = differentiable};
}

std::vector<Sample> sort_samples() {
  return {sort_sample("f64[5]", 0, false),     sort_sample("f64[3,7]", 1, true),  sort_sample("f64[4,2,3]", 0, false),
          sort_sample("f32[2,37]", -1, false), sort_sample("i32[2,11]", 1, true), sort_sample("u8[7,2]", 0, false),
          sort_sample("f64[1]", 0, true),      sort_sample("f64[2,0]", 1, false)};
}

void register_sort(Registry& registry) {
  registry.add(
      {.name = "argsort",
       .doc = "The indices that put x in order along a dimension "
              "(numpy.argsort, stable); i32. NaN comes last. "
              "The work grows with the square of the length.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = sort_attributes(),
       .infer = [](const Call& call) { return checked_length(call), Types{{DType::i32, call.operand(0).shape}}; },
       .compose =
           [](Builder& builder, const Call& call, std::span<const Term> x) {
             if (x[0].type().elements() == 0) return Terms{empty_indices(builder, x[0].shape())};
             return Terms{order_of(x[0], axis_of(call), call.attributes.boolean("descending"))};
           },
       .constant_gradient = true,
       .samples = sort_samples()});

  registry.add({.name = "sort",
                .doc = "x in order along a dimension; NaN comes last. Its "
                       "gradient goes back to where each element was. "
                       "The work grows with the square of the length.",
                .kind = Kind::composite,
                .operands = {{"x", "any number"}},
                .attributes = sort_attributes(),
                .infer = [](const Call& call) { return checked_length(call), Types{call.operand(0)}; },
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      if (x[0].type().elements() == 0) return Terms{x[0]};
                      std::int64_t axis = axis_of(call);
                      Term order = order_of(x[0], axis, call.attributes.boolean("descending"));
                      return Terms{apply("take_along_axis", {x[0], order}, {{"axis", axis}})};
                    },
                .samples = sort_samples()});
}

// ---- top_k ----

Types infer_top_k(const Call& call) {
  std::int64_t n = checked_length(call), k = call.attributes.integer("k");
  if (k < 0 || k > n)
    call.fail("can't take the greatest " + std::to_string(k) + " of dimension " + std::to_string(axis_of(call)) +
              " of " + call.operand(0).str());
  Shape shape = call.operand(0).shape;
  shape[static_cast<std::size_t>(axis_of(call))] = Dim(k);
  return {{call.operand(0).dtype, shape}, {DType::i32, shape}};
}

Terms compose_top_k(Builder& builder, const Call& call, std::span<const Term> x) {
  Types result = infer_top_k(call);
  if (result[0].elements() == 0)
    return {builder.term(builder.full(result[0], 0)), empty_indices(builder, result[1].shape)};
  std::int64_t axis = axis_of(call);
  Term order = order_of(x[0], axis, !call.attributes.boolean("smallest"));
  Term index = apply("slice", {order}, {{"limit", sizes(result[1].shape)}});
  return {apply("take_along_axis", {x[0], index}, {{"axis", axis}}), index};
}

void register_top_k(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t k, std::int64_t axis, bool smallest) {
    std::vector<Type> operands = types({type});
    bool differentiable = is_float(operands[0].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"k", k}, {"axis", axis}, {"smallest", smallest}},
                  .differentiable = differentiable};
  };
  registry.add(
      {.name = "top_k",
       .doc = "The greatest k elements along a dimension, greatest first, and "
              "their indices. Equal ones keep "
              "their order, NaN comes last. The work grows with the square of "
              "the length.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = {{"k", AttributeKind::integer, "how many", {}},
                      {"axis", AttributeKind::integer, "the dimension to search", std::int64_t{-1}},
                      {"smallest", AttributeKind::boolean, "the smallest instead, smallest first", false}},
       .results = {"values", "index"},
       .infer = infer_top_k,
       .compose = compose_top_k,
       .samples = {sample("f64[5]", 2, 0, false), sample("f64[3,7]", 3, 1, true), sample("f64[4,2,3]", 1, 0, false),
                   sample("f32[2,37]", 5, -1, false), sample("i32[2,11]", 4, 1, false), sample("f64[3]", 3, 0, false),
                   sample("f64[2,3]", 0, 1, false)}});
}

// ---- scatter_add_along_axis:  result[…, index[…, i, …], …] += updates[…, i,
// …] ----

Types infer_scatter_along(const Call& call) {
  const Type &index = call.operand(0), &updates = call.operand(1);
  if (!is_integer(index.dtype)) call.fail("`index` must be an integer, got " + index.str());
  if (updates.dtype == DType::boolean) call.fail("`updates` must be numbers, got " + updates.str());
  if (index.shape != updates.shape)
    call.fail("`index` must have the shape of `updates`, got " + index.str() + " and " + updates.str());
  std::int64_t size = call.attributes.integer("size");
  if (size < 0) call.fail("`size` must not be negative, got " + std::to_string(size));
  Type result = updates;
  result.shape[static_cast<std::size_t>(axis_of(call))] = Dim(size);
  return {result};
}

// Adds into one row, at Σ over dimensions of index * stride; an index outside
// becomes one outside of the row.
Terms compose_scatter_along(Builder& builder, const Call& call, std::span<const Term> x) {
  Type result = call.op.infer(call)[0];
  if (result.elements() == 0 || x[1].type().elements() == 0) return {builder.term(builder.full(result, 0))};
  std::size_t axis = static_cast<std::size_t>(axis_of(call));
  std::vector<std::int64_t> strides = row_major_strides(sizes(result.shape));
  Term index = cast(x[0], DType::i64);
  double size = static_cast<double>(result.shape[axis].factor);
  Term inside = both(apply("greater_equal", {index, index.like(0)}), less(index, size));
  Term place = index * static_cast<double>(strides[axis]);
  for (std::size_t d = 0; d < result.shape.size(); ++d)
    if (d != axis)
      place = place +
              iota(builder, DType::i64, x[1].shape(), static_cast<std::int64_t>(d)) * static_cast<double>(strides[d]);
  Term sums = apply("scatter_add", {select(inside, place, place.like(-1)), x[1]}, {{"size", result.elements()}});
  return {reshape(sums, result.shape)};
}

void register_scatter_along(Registry& registry) {
  auto sample = [](std::string_view index, std::string_view updates, std::int64_t axis, std::int64_t size) {
    std::vector<Type> operands = types({index, updates});
    bool differentiable = is_float(operands[1].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"axis", axis}, {"size", size}},
                  .low = 0,
                  .high = static_cast<double>(size + 1),
                  .differentiable = differentiable};
  };
  registry.add({.name = "scatter_add_along_axis",
                .doc = "Zeros, plus every element of `updates` added at its own index "
                       "along a dimension: the transpose of "
                       "take_along_axis. An index outside is dropped.",
                .kind = Kind::composite,
                .operands = {{"index", "integers"}, {"updates", "what to add, in the shape of the index"}},
                .attributes = {{"axis", AttributeKind::integer, "the dimension to add along", std::int64_t{-1}},
                               {"size", AttributeKind::integer, "size of that dimension in the result", {}}},
                .infer = infer_scatter_along,
                .compose = compose_scatter_along,
                .samples = {sample("i32[2,3]", "f64[2,3]", -1, 4), sample("i64[5,3]", "f64[5,3]", 0, 2),
                            sample("i32[2,7,3]", "f32[2,7,3]", 1, 5), sample("u8[5]", "f64[5]", 0, 5),
                            sample("i32[2,0]", "f64[2,0]", 1, 3), sample("i32[3,1]", "i32[3,1]", 1, 1)}});
}

}  // namespace

void register_sorting(Registry& registry) {
  register_sort(registry);
  register_top_k(registry);
  register_scatter_along(registry);
}

}  // namespace gradc
