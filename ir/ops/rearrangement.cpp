// Movement made of other movement: dimensions of size 1, stacking, tiling, rolling, padding by copies, picking along an
// axis.
#include <algorithm>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

using Sizes = std::vector<std::int64_t>;

// ---- pieces ----

const Shape& given_shape(const Call& call) { return call.operand(0).shape; }

Shape result_shape(const Call& call) { return call.op.infer(call)[0].shape; }

Terms compose_reshape(Builder&, const Call& call, std::span<const Term> x) {
  return {reshape(x[0], result_shape(call))};
}

// Elements [start, limit) along an axis.
Term cut(Term x, std::size_t axis, std::int64_t start, std::int64_t limit) {
  IntList starts(x.rank(), 0), limits = sizes(x.shape());
  starts[axis] = start;
  limits[axis] = limit;
  return apply("slice", {x}, {{"start", starts}, {"limit", limits}});
}

Term joined(std::vector<Term> pieces, std::size_t axis) {
  return apply("concatenate", std::move(pieces), {{"axis", static_cast<std::int64_t>(axis)}});
}

std::size_t position(const Call& call, std::int64_t axis, std::size_t rank) {
  return static_cast<std::size_t>(normal_axis(call, axis, rank));
}

Sample moved_sample(std::string_view from, Attributes attributes) {
  std::vector<Type> operands = types({from});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands), .attributes = std::move(attributes), .differentiable = differentiable};
}

// ---- squeeze, expand_dims, expand ----

Types infer_squeeze(const Call& call) {
  const IntList& named = call.attributes.ints("axis");
  const Shape& shape = given_shape(call);
  IntList axes = normal_axes(call, named, shape.size());
  Type result{call.operand(0).dtype, {}};
  for (std::size_t d = 0; d < shape.size(); ++d) {
    bool dropped = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(d));
    if (dropped && !named.empty() && shape[d] != Dim(1))
      call.fail("dimension " + std::to_string(d) + " of " + call.operand(0).str() + " is not 1");
    if (!dropped || shape[d] != Dim(1)) result.shape.push_back(shape[d]);
  }
  return {result};
}

Types infer_expand_dims(const Call& call) {
  const IntList& named = call.attributes.ints("axis");
  const Shape& shape = given_shape(call);
  if (named.empty()) call.fail("`axis` must name a dimension of the result");
  std::size_t rank = shape.size() + named.size();
  IntList axes = normal_axes(call, named, rank);
  Type result{call.operand(0).dtype, shape};
  for (std::int64_t axis : axes) result.shape.insert(result.shape.begin() + axis, Dim(1));
  return {result};
}

Types infer_expand(const Call& call) {
  const Shape &from = given_shape(call), &to = call.attributes.shape("shape");
  check_shape(call, to);
  bool fits = from.size() <= to.size();
  for (std::size_t i = 0; fits && i < from.size(); ++i)
    fits = from[i] == Dim(1) || from[i] == to[to.size() - from.size() + i];
  if (!fits) call.fail("can't stretch " + call.operand(0).str() + " to " + str(to));
  return {{call.operand(0).dtype, to}};
}

void register_sizes_of_one(Registry& registry) {
  registry.add(
      {.name = "squeeze",
       .doc = "x without dimensions of size 1.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"}},
       .attributes = {{"axis", AttributeKind::int_list, "the dimensions to drop; empty: all of size 1", IntList{}}},
       .infer = infer_squeeze,
       .compose = compose_reshape,
       .samples = {moved_sample("f64[1,3,1]", {}), moved_sample("f64[1,3,1]", {{"axis", IntList{-1}}}),
                   moved_sample("f32[7,1,5]", {{"axis", IntList{1}}}), moved_sample("f64[2,3]", {}),
                   moved_sample("f64[]", {}), moved_sample("i32[1,0]", {})}});

  registry.add(
      {.name = "expand_dims",
       .doc = "x with new dimensions of size 1.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"}},
       .attributes = {{"axis", AttributeKind::int_list, "the new dimensions, as the result counts them", {}}},
       .infer = infer_expand_dims,
       .compose = compose_reshape,
       .samples = {moved_sample("f64[3]", {{"axis", IntList{0}}}), moved_sample("f64[2,3]", {{"axis", IntList{-1, 1}}}),
                   moved_sample("f32[5,7]", {{"axis", IntList{1}}}), moved_sample("f64[]", {{"axis", IntList{0, 1}}}),
                   moved_sample("i32[0]", {{"axis", IntList{1}}})}});

  registry.add(
      {.name = "expand",
       .doc = "x stretched to a shape by NumPy's rule of broadcasting.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"}},
       .attributes = {{"shape", AttributeKind::shape, "shape of the result", {}}},
       .infer = infer_expand,
       .compose = [](Builder&, const Call& call,
                     std::span<const Term> x) { return Terms{broadcast(x[0], result_shape(call))}; },
       .samples = {moved_sample("f64[3]", {{"shape", Shape{2, 3}}}), moved_sample("f64[2,1]", {{"shape", Shape{2, 5}}}),
                   moved_sample("f32[7,1,3]", {{"shape", Shape{2, 7, 4, 3}}}),
                   moved_sample("f64[]", {{"shape", Shape{3}}}), moved_sample("f64[2]", {{"shape", Shape{2}}}),
                   moved_sample("i32[1]", {{"shape", Shape{0}}})}});
}

// ---- stack, tile, roll ----

Types infer_stack(const Call& call) {
  if (call.operands.empty()) call.fail("takes at least one operand");
  const Type& first = call.operand(0);
  for (const Type& next : call.operands)
    if (next != first) call.fail("operands differ: " + first.str() + " and " + next.str());
  Type result = first;
  std::size_t axis = position(call, call.attributes.integer("axis"), first.rank() + 1);
  result.shape.insert(result.shape.begin() + static_cast<std::ptrdiff_t>(axis), Dim(std::ssize(call.operands)));
  return {result};
}

Terms compose_stack(Builder&, const Call& call, std::span<const Term> x) {
  std::size_t axis = position(call, call.attributes.integer("axis"), x[0].rank() + 1);
  Shape single = x[0].shape();
  single.insert(single.begin() + static_cast<std::ptrdiff_t>(axis), Dim(1));
  Terms pieces;
  for (Term piece : x) pieces.push_back(reshape(piece, single));
  return {joined(std::move(pieces), axis)};
}

// Repeats and sizes, the shorter of both with ones in front.
struct Tiling {
  IntList repeats;
  Shape shape;
};

Tiling tiling_of(const Call& call) {
  Tiling tiling{call.attributes.ints("repeats"), given_shape(call)};
  while (tiling.repeats.size() < tiling.shape.size()) tiling.repeats.insert(tiling.repeats.begin(), 1);
  while (tiling.shape.size() < tiling.repeats.size()) tiling.shape.insert(tiling.shape.begin(), Dim(1));
  return tiling;
}

Types infer_tile(const Call& call) {
  Tiling tiling = tiling_of(call);
  for (std::size_t d = 0; d < tiling.shape.size(); ++d) {
    if (tiling.repeats[d] < 0)
      call.fail("`repeats` must not be negative, got " + str(Attribute(call.attributes.ints("repeats"))));
    if (__builtin_mul_overflow(tiling.shape[d].factor, tiling.repeats[d], &tiling.shape[d].factor))
      call.fail("the size of dimension " + std::to_string(d) + " overflows");
    if (tiling.shape[d].factor == 0) tiling.shape[d] = Dim(0);
  }
  return {{call.operand(0).dtype, tiling.shape}};
}

// [a, b] → [1, a, 1, b] → [repeats, a, repeats, b] → [repeats * a, repeats * b]
Terms compose_tile(Builder&, const Call& call, std::span<const Term> x) {
  Tiling tiling = tiling_of(call);
  Shape apart, stretched;
  for (std::size_t d = 0; d < tiling.shape.size(); ++d) {
    apart.insert(apart.end(), {Dim(1), tiling.shape[d]});
    stretched.insert(stretched.end(), {Dim(tiling.repeats[d]), tiling.shape[d]});
  }
  return {reshape(broadcast(reshape(x[0], apart), stretched), result_shape(call))};
}

Types infer_roll(const Call& call) {
  const IntList &shift = call.attributes.ints("shift"), &axis = call.attributes.ints("axis");
  if (shift.size() != axis.size())
    call.fail("`shift` and `axis` must have as many entries, got " + str(Attribute(shift)) + " and " +
              str(Attribute(axis)));
  if (!axis.empty()) normal_axes(call, axis, call.operand(0).rank());
  return {call.operand(0)};
}

Terms compose_roll(Builder&, const Call& call, std::span<const Term> x) {
  Term result = x[0];
  for (std::size_t i = 0; i < call.attributes.ints("axis").size(); ++i) {
    std::size_t axis = position(call, call.attributes.ints("axis")[i], result.rank());
    std::int64_t size = result.shape()[axis].factor;
    std::int64_t shift = size == 0 ? 0 : call.attributes.ints("shift")[i] % size;
    if (shift < 0) shift += size;
    if (shift == 0) continue;
    result = joined({cut(result, axis, size - shift, size), cut(result, axis, 0, size - shift)}, axis);
  }
  return {result};
}

void register_repetition(Registry& registry) {
  registry.add(
      {.name = "stack",
       .doc = "The operands one after another along a new dimension.",
       .kind = Kind::composite,
       .operands = {{"x", "values of the same type", true}},
       .attributes = {{"axis", AttributeKind::integer, "the new dimension, as the result counts it", std::int64_t{0}}},
       .infer = infer_stack,
       .compose = compose_stack,
       .samples = {
           {.operands = types({"f64[3]", "f64[3]"})},
           {.operands = types({"f64[2,3]", "f64[2,3]", "f64[2,3]"}), .attributes = {{"axis", std::int64_t{-1}}}},
           {.operands = types({"f32[5,7]", "f32[5,7]"}), .attributes = {{"axis", std::int64_t{1}}}},
           {.operands = types({"f64[]"})},
           {.operands = types({"i32[0]", "i32[0]"}), .differentiable = false}}});

  registry.add(
      {.name = "tile",
       .doc = "x repeated along its dimensions (numpy.tile); fewer repeats than dimensions are for the last.",
       .kind = Kind::composite,
       .operands = {{"x", "any value"}},
       .attributes = {{"repeats", AttributeKind::int_list, "how often along each dimension", {}}},
       .infer = infer_tile,
       .compose = compose_tile,
       .samples = {
           moved_sample("f64[3]", {{"repeats", IntList{2}}}), moved_sample("f64[2,3]", {{"repeats", IntList{2}}}),
           moved_sample("f32[5,3]", {{"repeats", IntList{3, 1}}}), moved_sample("f64[2]", {{"repeats", IntList{3, 2}}}),
           moved_sample("f64[]", {{"repeats", IntList{}}}), moved_sample("i32[2,2]", {{"repeats", IntList{0, 1}}})}});

  registry.add({.name = "roll",
                .doc = "x with its elements moved along dimensions; what leaves at one end comes in at the other.",
                .kind = Kind::composite,
                .operands = {{"x", "any value"}},
                .attributes = {{"shift", AttributeKind::int_list, "by how many, towards higher indices", {}},
                               {"axis", AttributeKind::int_list, "the dimension that each shift is for", {}}},
                .infer = infer_roll,
                .compose = compose_roll,
                .samples = {moved_sample("f64[5]", {{"shift", IntList{2}}, {"axis", IntList{0}}}),
                            moved_sample("f64[2,3]", {{"shift", IntList{-1, 1}}, {"axis", IntList{1, 0}}}),
                            moved_sample("f32[5,7]", {{"shift", IntList{9}}, {"axis", IntList{-1}}}),
                            moved_sample("f64[3]", {{"shift", IntList{3}}, {"axis", IntList{0}}}),
                            moved_sample("f64[0]", {{"shift", IntList{1}}, {"axis", IntList{0}}}),
                            moved_sample("i32[3]", {{"shift", IntList{}}, {"axis", IntList{}}})}});
}

// ---- pad_reflect, pad_edge ----

struct Margins {
  IntList low, high;
};

Margins margins_of(const Call& call) {
  std::size_t rank = call.operand(0).rank();
  return {filled_list(call, "low", rank, 0), filled_list(call, "high", rank, 0)};
}

// A reflection repeats no outermost element, so it needs one more than it copies.
Types infer_copied_padding(const Call& call, bool reflects) {
  Type result = call.operand(0);
  Margins m = margins_of(call);
  for (std::size_t d = 0; d < result.rank(); ++d) {
    std::int64_t low = m.low[d], high = m.high[d], sum = 0;
    Dim& dim = result.shape[d];
    if (low == 0 && high == 0) continue;
    const std::string where = "dimension " + std::to_string(d) + " of " + call.operand(0).str();
    if (std::min(low, high) < 0) call.fail("padding must not be negative, got " + std::to_string(std::min(low, high)));
    if (!dim.is_static()) call.fail("can't pad " + where + ", whose size is not known before it is bound");
    if (dim.factor == 0) call.fail(where + " is empty: there is nothing to copy");
    if (reflects && std::max(low, high) >= dim.factor)
      call.fail("padding " + std::to_string(std::max(low, high)) + " must be below the size of " + where);
    if (__builtin_add_overflow(low, high, &sum) || __builtin_add_overflow(sum, dim.factor, &dim.factor))
      call.fail("the padded size of " + where + " overflows");
  }
  return {result};
}

Term mirrored(Term x, std::size_t axis) {
  return apply("reverse", {x}, {{"axis", IntList{static_cast<std::int64_t>(axis)}}});
}

Term repeated(Term x, std::size_t axis, std::int64_t times) {
  Shape shape = x.shape();
  shape[axis] = Dim(times);
  return broadcast(x, shape);
}

Terms compose_pad_reflect(Builder&, const Call& call, std::span<const Term> x) {
  Margins m = margins_of(call);
  Term result = x[0];
  for (std::size_t d = 0; d < x[0].rank(); ++d) {
    std::int64_t size = x[0].shape()[d].factor;
    Terms pieces = {result};
    if (m.low[d] > 0) pieces.insert(pieces.begin(), mirrored(cut(result, d, 1, 1 + m.low[d]), d));
    if (m.high[d] > 0) pieces.push_back(mirrored(cut(result, d, size - 1 - m.high[d], size - 1), d));
    if (pieces.size() > 1) result = joined(std::move(pieces), d);
  }
  return {result};
}

Terms compose_pad_edge(Builder&, const Call& call, std::span<const Term> x) {
  Margins m = margins_of(call);
  Term result = x[0];
  for (std::size_t d = 0; d < x[0].rank(); ++d) {
    std::int64_t size = x[0].shape()[d].factor;
    Terms pieces = {result};
    if (m.low[d] > 0) pieces.insert(pieces.begin(), repeated(cut(result, d, 0, 1), d, m.low[d]));
    if (m.high[d] > 0) pieces.push_back(repeated(cut(result, d, size - 1, size), d, m.high[d]));
    if (pieces.size() > 1) result = joined(std::move(pieces), d);
  }
  return {result};
}

void register_padding(Registry& registry) {
  std::vector<AttributeSpec> attributes = {
      {"low", AttributeKind::int_list, "how many before each dimension; empty: none", IntList{}},
      {"high", AttributeKind::int_list, "how many after each dimension; empty: none", IntList{}}};
  std::vector<Sample> samples = {moved_sample("f64[3]", {{"low", IntList{2}}, {"high", IntList{1}}}),
                                 moved_sample("f64[2,3]", {{"low", IntList{1, 0}}, {"high", IntList{0, 2}}}),
                                 moved_sample("f32[1,5,7]", {{"low", IntList{0, 2, 3}}, {"high", IntList{0, 1, 0}}}),
                                 moved_sample("f64[]", {}),
                                 moved_sample("f64[0,3]", {{"low", IntList{0, 1}}}),
                                 moved_sample("i32[5]", {{"high", IntList{4}}})};
  registry.add({.name = "pad_reflect",
                .doc = "x with itself mirrored around it, the outermost elements not repeated (numpy.pad, reflect).",
                .kind = Kind::composite,
                .operands = {{"x", "any value"}},
                .attributes = attributes,
                .infer = [](const Call& call) { return infer_copied_padding(call, true); },
                .compose = compose_pad_reflect,
                .samples = samples});

  registry.add({.name = "pad_edge",
                .doc = "x with its outermost elements repeated around it (numpy.pad, edge).",
                .kind = Kind::composite,
                .operands = {{"x", "any value"}},
                .attributes = attributes,
                .infer = [](const Call& call) { return infer_copied_padding(call, false); },
                .compose = compose_pad_edge,
                .samples = samples});
}

// ---- take_along_axis:  result[…, i, …] = x[…, index[…, i, …], …] ----

// The dimensions of the result: the index's along the axis, elsewhere by NumPy's rule.
Shape picked_shape(const Shape& x, const Shape& index, std::size_t axis) {
  Shape shape = index;
  for (std::size_t d = 0; d < shape.size(); ++d)
    if (d != axis && shape[d] == Dim(1)) shape[d] = x[d];
  return shape;
}

Types infer_take_along_axis(const Call& call) {
  const Type &x = call.operand(0), &index = call.operand(1);
  if (!is_integer(index.dtype)) call.fail("`index` must be an integer, got " + index.str());
  std::size_t axis = position(call, call.attributes.integer("axis"), x.rank());
  bool fits = index.rank() == x.rank();
  for (std::size_t d = 0; fits && d < x.rank(); ++d)
    fits = d == axis || index.shape[d] == x.shape[d] || index.shape[d] == Dim(1) || x.shape[d] == Dim(1);
  if (!fits)
    call.fail("`index` must have the dimensions of `x`, or 1, but for axis " + std::to_string(axis) + ", got " +
              index.str() + " for " + x.str());
  if (x.shape[axis] == Dim(0))
    call.fail("can't pick from axis " + std::to_string(axis) + " of " + x.str() + ", which is empty");
  return {{x.dtype, picked_shape(x.shape, index.shape, axis)}};
}

// Picks from x as one row, at Σ over dimensions of index * stride.
Terms compose_take_along_axis(Builder& builder, const Call& call, std::span<const Term> x) {
  std::size_t axis = position(call, call.attributes.integer("axis"), x[0].rank());
  Sizes extents = sizes(x[0].shape()), strides = row_major_strides(extents);
  const Shape shape = picked_shape(x[0].shape(), x[1].shape(), axis);
  const Type type{x[0].dtype(), shape};
  if (type.elements() == 0) return {builder.term(builder.full(type, 0))};
  Term chosen =
      apply("clip", {cast(x[1], DType::i64)}, {{"low", 0.0}, {"high", static_cast<double>(extents[axis] - 1)}});
  Term place = broadcast(chosen * static_cast<double>(strides[axis]), shape);
  for (std::size_t d = 0; d < extents.size(); ++d)
    if (d != axis && extents[d] > 1)
      place = place + iota(builder, DType::i64, shape, static_cast<std::int64_t>(d)) * static_cast<double>(strides[d]);
  return {apply("gather", {reshape(x[0], {Dim(x[0].type().elements())}), place})};
}

void register_picking(Registry& registry) {
  auto sample = [](std::string_view x, std::string_view index, std::int64_t axis, double high) {
    std::vector<Type> operands = types({x, index});
    bool differentiable = is_float(operands[0].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"axis", axis}},
                  .low = 0,
                  .high = high,
                  .differentiable = differentiable};
  };
  registry.add({.name = "take_along_axis",
                .doc =
                    "Picks along an axis, by an index for every element (numpy.take_along_axis); the other dimensions "
                    "broadcast. An index outside is moved to the nearest inside.",
                .kind = Kind::composite,
                .operands = {{"x", "what to pick from"},
                             {.name = "index",
                              .doc = "integers, in the dimensions of x or 1, but for the axis",
                              .dtype = DType::i32}},
                .attributes = {{"axis", AttributeKind::integer, "the dimension to pick along", std::int64_t{-1}}},
                .infer = infer_take_along_axis,
                .compose = compose_take_along_axis,
                .samples = {sample("f64[2,3]", "i32[2,2]", -1, 3), sample("f64[5,3]", "i64[7,3]", 0, 5),
                            sample("f32[2,7,3]", "i32[2,1,3]", 1, 9), sample("f64[5]", "u8[3]", 0, 5),
                            sample("f64[2,3]", "i32[2,0]", 1, 3), sample("i32[3,1]", "i32[3,1]", 1, 1),
                            sample("f64[2,3,5]", "i32[2,4,1]", 1, 3), sample("f64[1,3]", "i32[7,2]", 1, 3)}});
}

// ---- outer ----

Types infer_outer(const Call& call) {
  const Type &a = call.operand(0), &b = call.operand(1);
  if (a.dtype == DType::boolean || a.dtype != b.dtype)
    call.fail("takes numbers of one dtype, got " + a.str() + " and " + b.str());
  if (a.rank() != 1 || b.rank() != 1) call.fail("takes two vectors, got " + a.str() + " and " + b.str());
  return {{a.dtype, {a.shape[0], b.shape[0]}}};
}

void register_outer(Registry& registry) {
  registry.add({.name = "outer",
                .doc = "The products of every element of a with every element of b.",
                .kind = Kind::composite,
                .operands = {{"a", "a vector, the rows"}, {"b", "a vector, the columns"}},
                .infer = infer_outer,
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      Shape shape = result_shape(call);
                      return Terms{broadcast_in(x[0], shape, {0}) * broadcast_in(x[1], shape, {1})};
                    },
                .samples = {{.operands = types({"f64[3]", "f64[2]"})},
                            {.operands = types({"f32[7]", "f32[37]"})},
                            {.operands = types({"f64[1]", "f64[1]"})},
                            {.operands = types({"f64[0]", "f64[3]"})},
                            {.operands = types({"i32[3]", "i32[5]"}), .differentiable = false}}});
}

}  // namespace

void register_rearrangement(Registry& registry) {
  register_sizes_of_one(registry);
  register_repetition(registry);
  register_padding(registry);
  register_picking(registry);
  register_outer(registry);
}

}  // namespace gradc
