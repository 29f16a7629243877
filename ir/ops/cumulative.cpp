// Running sums, products and extremes along a dimension.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

// Elements of a block are combined by one reduction over those before; the
// blocks' totals are cumulated in turn. So the work for each element is this
// constant, and the depth is logarithmic.
constexpr std::int64_t kBlock = 16;

std::int64_t axis_of(const Call& call) {
  return normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank());
}

Types infer_cumulative(const Call& call) {
  const Type& x = call.operand(0);
  if (x.dtype == DType::boolean) call.fail("`x` must be a number, got " + x.str() + "; cast it first");
  axis_of(call);
  return {x};
}

// What a cumulation is made of: the reduction, and the same for two values.
struct Cumulation {
  std::string_view reduction, combine;
};

// What it gives over no elements, which is of every dtype.
Term identity(const Cumulation& c, Term x) {
  return apply(c.reduction, {x.builder().term(x.builder().full({x.dtype(), {0}}, 0))});
}

// x [rows, n]: at (r, i) the reduction of x[r, j] over all j before i, or up to
// it.
Term within(const Cumulation& c, Term x, bool exclusive) {
  Shape shape = {x.shape()[0], x.shape()[1], x.shape()[1]};  // rows, i, j
  Term i = iota(x.builder(), DType::i32, shape, 1), j = iota(x.builder(), DType::i32, shape, 2);
  Term taken = apply(exclusive ? "less" : "less_equal", {j, i});
  Term candidates = select(taken, broadcast_in(x, shape, {0, 2}), identity(c, x));
  return apply(c.reduction, {candidates}, {{"axis", IntList{2}}});
}

Term cumulate(const Cumulation& c, Term x, bool exclusive) {
  std::int64_t rows = x.shape()[0].factor, n = x.shape()[1].factor;
  if (n <= kBlock) return within(c, x, exclusive);
  std::int64_t blocks = (n + kBlock - 1) / kBlock, missing = blocks * kBlock - n;
  Term whole = x;
  if (missing > 0)
    whole = apply("concatenate", {x, broadcast(identity(c, x), {rows, missing})}, {{"axis", std::int64_t{1}}});
  Term parts = reshape(whole, {rows * blocks, kBlock});
  Term totals = reshape(apply(c.reduction, {parts}, {{"axis", IntList{1}}}), {rows, blocks});
  Term before = reshape(cumulate(c, totals, true), {rows * blocks});
  Term result = apply(c.combine, {broadcast_in(before, parts.shape(), {0}), within(c, parts, exclusive)});
  result = reshape(result, {rows, blocks * kBlock});
  return missing == 0 ? result : apply("slice", {result}, {{"limit", IntList{rows, n}}});
}

// The axis moved last and all others made one.
Terms compose_cumulative(const Cumulation& c, const Call& call, Term x) {
  if (x.type().elements() == 0) return {x};
  bool exclusive = call.attributes.boolean("exclusive"), reverse = call.attributes.boolean("reverse");
  std::int64_t axis = axis_of(call), rank = static_cast<std::int64_t>(x.rank());
  IntList order;
  for (std::int64_t d = 0; d < rank; ++d)
    if (d != axis) order.push_back(d);
  order.push_back(axis);
  IntList back(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  Term moved = transpose(x, order);
  std::int64_t n = moved.shape().back().factor;
  Term rows = reshape(moved, {x.type().elements() / n, n});
  if (reverse) rows = apply("reverse", {rows}, {{"axis", IntList{1}}});
  Term y = cumulate(c, rows, exclusive);
  if (reverse) y = apply("reverse", {y}, {{"axis", IntList{1}}});
  return {transpose(reshape(y, moved.shape()), back)};
}

// The transpose of a running sum is the running sum from the other end.
Terms sum_vjp(const Derivation& d, std::span<const Term> g) {
  Attributes attributes = d.call.attributes;
  attributes.set("reverse", !attributes.boolean("reverse"));
  return {apply("cumulative_sum", {g[0]}, std::move(attributes))};
}

Terms sum_jvp(const Derivation& d, std::span<const Term> t) {
  return {apply("cumulative_sum", {t[0]}, d.call.attributes)};
}

std::vector<AttributeSpec> cumulative_attributes() {
  return {{"axis", AttributeKind::integer, "the dimension to run along", std::int64_t{-1}},
          {"reverse", AttributeKind::boolean, "run from the end", false},
          {"exclusive", AttributeKind::boolean, "leave an element itself out of its result", false}};
}

std::vector<Sample> cumulative_samples(double low, double high) {
  auto sample = [&](std::string_view type, std::int64_t axis, bool reverse, bool exclusive) {
    return Sample{.operands = types({type}),
                  .attributes = {{"axis", axis}, {"reverse", reverse}, {"exclusive", exclusive}},
                  .low = low,
                  .high = high};
  };
  return {sample("f64[5]", 0, false, false),    sample("f64[2,3]", 0, true, false),
          sample("f64[3,2,2]", 1, false, true), sample("f64[2,19]", -1, true, true),
          sample("f32[37,3]", 0, false, false), sample("f64[2,1]", 1, false, false),
          sample("f64[0,3]", 1, false, false),  sample("f64[3,0]", 1, false, false)};
}

std::vector<Sample> with_integers(std::vector<Sample> samples) {
  samples.push_back({.operands = types({"i32[2,7]"}), .low = -3, .high = 4, .differentiable = false});
  return samples;
}

// Without those whose first results are infinite, of which differences mean nothing.
std::vector<Sample> differentiable_where_finite(std::vector<Sample> samples) {
  for (Sample& sample : samples)
    if (sample.attributes.boolean("exclusive")) sample.differentiable = false;
  return samples;
}

void add_cumulative(Registry& registry, Op op, Cumulation c) {
  op.kind = Kind::composite;
  op.operands = {{"x", "any number"}};
  op.attributes = cumulative_attributes();
  op.infer = [](const Call& call) { return infer_cumulative(call); };
  op.compose = [c](Builder&, const Call& call, std::span<const Term> x) { return compose_cumulative(c, call, x[0]); };
  registry.add(std::move(op));
}

}  // namespace

void register_cumulative(Registry& registry) {
  add_cumulative(registry,
                 {.name = "cumulative_sum",
                  .doc = "The sum of all elements up to each along a dimension "
                         "(numpy.cumsum). Integers wrap.",
                  .vjp = sum_vjp,
                  .jvp = sum_jvp,
                  .samples = with_integers(cumulative_samples(-2, 2))},
                 {"sum", "add"});
  add_cumulative(registry,
                 {.name = "cumulative_product",
                  .doc = "The product of all elements up to each along a "
                         "dimension (numpy.cumprod). Integers wrap. Its "
                         "gradient is right where elements are 0.",
                  .samples = with_integers(cumulative_samples(0.5, 2))},
                 {"product", "multiply"});
  add_cumulative(registry,
                 {.name = "cumulative_max",
                  .doc = "The greatest of all elements up to each along a "
                         "dimension (numpy.maximum.accumulate); NaN from "
                         "the first NaN on. Exclusive, the first is -inf or "
                         "the lowest integer. Subgradient: evenly "
                         "among ties.",
                  .samples = with_integers(differentiable_where_finite(cumulative_samples(-2, 2)))},
                 {"max", "maximum"});
  add_cumulative(registry,
                 {.name = "cumulative_min",
                  .doc = "The smallest of all elements up to each along a "
                         "dimension (numpy.minimum.accumulate); NaN from "
                         "the first NaN on. Exclusive, the first is inf or the "
                         "highest integer. Subgradient: evenly "
                         "among ties.",
                  .samples = with_integers(differentiable_where_finite(cumulative_samples(-2, 2)))},
                 {"min", "minimum"});
}

}  // namespace gradc
