// Normalisations: of the elements of an example, of groups of channels, of neighbouring channels, of a value's length.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

void check_float(const Call& call) {
  if (!is_float(call.operand(0).dtype)) call.fail("`x` must be a float, got " + call.operand(0).str());
}

void check_epsilon(const Call& call) {
  double epsilon = call.attributes.number("epsilon");
  if (!(epsilon >= 0)) call.fail("`epsilon` must not be negative, got " + str(Attribute(epsilon)));
}

Term average(Term x, const IntList& axes) { return apply("mean", {x}, {{"axis", axes}, {"keep", true}}); }

AttributeSpec epsilon_attribute() {
  return {"epsilon", AttributeKind::number, "added to the variance, so that a constant has a result", 1e-5};
}

// ---- standardize:  y = c r with c = x - mean x, r = 1 / √(mean c² + ε)
//      dy = r (dx - mean dx - y mean(y dx)),  its own transpose

IntList axes_of(const Call& call) { return normal_axes(call, call.attributes.ints("axis"), call.operand(0).rank()); }

Types infer_standardize(const Call& call) {
  check_float(call);
  check_epsilon(call);
  axes_of(call);
  return {call.operand(0)};
}

Term centered(Term x, const IntList& axes) { return x - average(x, axes); }

Term inverse_deviation(const Call& call, Term c) {
  return apply("rsqrt", {average(apply("square", {c}), axes_of(call)) + call.attributes.number("epsilon")});
}

Terms compose_standardize(Builder&, const Call& call, std::span<const Term> x) {
  Term c = centered(x[0], axes_of(call));
  return {c * inverse_deviation(call, c)};
}

Terms standardize_derivative(const Derivation& d, std::span<const Term> t) {
  IntList axes = axes_of(d.call);
  Term r = inverse_deviation(d.call, centered(d.x(), axes));
  return {r * (centered(t[0], axes) - d.y() * average(d.y() * t[0], axes))};
}

void register_standardize(Registry& registry) {
  auto sample = [](std::string_view type, IntList axis, double epsilon) {
    return Sample{.operands = types({type}), .attributes = {{"axis", std::move(axis)}, {"epsilon", epsilon}}};
  };
  registry.add(
      {.name = "standardize",
       .doc = "(x - mean) / √(variance + epsilon), with mean and variance over dimensions: what the layer `layer_norm` "
              "scales "
              "and shifts (Ba et al. 2016).",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .attributes = {{"axis", AttributeKind::int_list, "the dimensions to normalise over; empty: all", IntList{-1}},
                      epsilon_attribute()},
       .infer = infer_standardize,
       .compose = compose_standardize,
       .vjp = standardize_derivative,
       .jvp = standardize_derivative,
       .samples = {sample("f64[2,5]", {-1}, 1e-5), sample("f64[2,3,4]", {1, 2}, 1e-3), sample("f32[7,37]", {1}, 1e-5),
                   sample("f64[3,2]", {0}, 0.5), sample("f64[5]", {}, 1e-5), sample("f64[3,1]", {1}, 1e-5),
                   sample("f64[0,3]", {1}, 1e-5)}});
}

// ---- standardize_groups:  [N, C, …] seen as [N, groups, C / groups, …] ----

Types infer_standardize_groups(const Call& call) {
  check_float(call);
  check_epsilon(call);
  const Type& x = call.operand(0);
  std::int64_t groups = call.attributes.integer("groups");
  if (x.rank() < 2) call.fail("`x` must be [N,C,spatial…], got " + x.str());
  if (groups < 1) call.fail("`groups` must be at least 1, got " + std::to_string(groups));
  if (!x.shape[1].is_static()) call.fail("the channels of " + x.str() + " must be bound to a size first");
  if (x.shape[1].factor % groups != 0)
    call.fail("can't cut the " + x.shape[1].str() + " channels of " + x.str() + " into " + std::to_string(groups) +
              " groups");
  return {x};
}

Terms compose_standardize_groups(Builder&, const Call& call, std::span<const Term> x) {
  std::int64_t groups = call.attributes.integer("groups");
  Shape grouped = x[0].shape();
  grouped[1] = Dim(grouped[1].factor / groups);
  grouped.insert(grouped.begin() + 1, Dim(groups));
  IntList axes;
  for (std::int64_t d = 2; d < std::ssize(grouped); ++d) axes.push_back(d);
  Term y =
      apply("standardize", {reshape(x[0], grouped)}, {{"axis", axes}, {"epsilon", call.attributes.number("epsilon")}});
  return {reshape(y, x[0].shape())};
}

void register_standardize_groups(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t groups) {
    return Sample{.operands = types({type}), .attributes = {{"groups", groups}}};
  };
  registry.add(
      {.name = "standardize_groups",
       .doc = "(x - mean) / √(variance + epsilon), with mean and variance over each group of channels of each "
              "example: what the layers `group_norm` and `instance_norm` scale and shift (Wu and He 2018).",
       .kind = Kind::composite,
       .operands = {{"x", "image [N,C,spatial…]"}},
       .attributes = {{"groups", AttributeKind::integer, "how many groups of channels", {}}, epsilon_attribute()},
       .infer = infer_standardize_groups,
       .compose = compose_standardize_groups,
       .samples = {sample("f64[2,6]", 2), sample("f64[2,4,3]", 2), sample("f32[2,6,5,7]", 3), sample("f64[1,3,2]", 1),
                   sample("f64[2,3,5]", 3), sample("f64[0,2,3]", 1)}});
}

// ---- local_response_norm:  x (k + alpha / size Σ x²)^-beta, the sum over `size` channels around ----

Types infer_local_response_norm(const Call& call) {
  check_float(call);
  const Type& x = call.operand(0);
  std::int64_t size = call.attributes.integer("size");
  if (x.rank() < 2) call.fail("`x` must be [N,C,spatial…], got " + x.str());
  if (size < 1 || size > 0x7fffffff) call.fail("`size` must be at least 1 and below 2^31, got " + std::to_string(size));
  if (!x.shape[1].is_static()) call.fail("the channels of " + x.str() + " must be bound to a size first");
  if (x.shape[1].factor == 0) call.fail(x.str() + " has no channels");
  return {x};
}

// The channels as rows of an image of one channel, [N, 1, C, rest].
Term around(const Call& call, Term square) {
  std::int64_t size = call.attributes.integer("size"), rest = 1;
  for (std::size_t d = 2; d < square.rank(); ++d) rest *= square.shape()[d].factor;
  Shape rows = {square.shape()[0], Dim(1), square.shape()[1], Dim(rest)};
  Term sum = apply("sum_pool", {reshape(square, rows)},
                   {{"window", IntList{size, 1}},
                    {"stride", IntList{1, 1}},
                    {"low", IntList{size / 2, 0}},
                    {"high", IntList{(size - 1) / 2, 0}}});
  return reshape(sum, square.shape());
}

Terms compose_local_response_norm(Builder& builder, const Call& call, std::span<const Term> x) {
  const Attributes& given = call.attributes;
  if (x[0].type().elements() == 0) return {builder.term(builder.full(x[0].type(), 0))};
  double share = given.number("alpha") / static_cast<double>(given.integer("size"));
  Term base = share * around(call, apply("square", {x[0]})) + given.number("k");
  return {x[0] * apply("power", {base, x[0].like(-given.number("beta"))})};
}

void register_local_response_norm(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t size, double alpha, double beta, double k) {
    return Sample{.operands = types({type}),
                  .attributes = {{"size", size}, {"alpha", alpha}, {"beta", beta}, {"k", k}}};
  };
  registry.add(
      {.name = "local_response_norm",
       .doc =
           "x * (k + alpha / size * Σ x²)^-beta, the sum over `size` neighbouring channels, size / 2 of them before. "
           "AlexNet (Krizhevsky et al. 2012) has k = 2, size = 5, beta = 0.75 and, because it does not divide by the "
           "size, alpha = 5e-4 here.",
       .kind = Kind::composite,
       .operands = {{"x", "image [N,C,spatial…]"}},
       .attributes = {{"size", AttributeKind::integer, "how many channels", {}},
                      {"alpha", AttributeKind::number, "weight of the mean square", 1e-4},
                      {"beta", AttributeKind::number, "exponent", 0.75},
                      {"k", AttributeKind::number, "added to the mean square", 1.0}},
       .infer = infer_local_response_norm,
       .compose = compose_local_response_norm,
       .samples = {sample("f64[2,5]", 3, 0.5, 0.75, 1), sample("f64[2,3,4]", 2, 0.5, 0.5, 2),
                   sample("f32[1,7,3,5]", 5, 1e-4, 0.75, 2), sample("f64[1,2,3]", 5, 1, 1, 1),
                   sample("f64[1,1,1]", 1, 1, 0.75, 1), sample("f64[0,2,3]", 1, 1, 0.75, 1)}});
}

// ---- clip_by_norm:  x min(1, max_norm / ‖x‖) ----

Types infer_clip_by_norm(const Call& call) {
  check_float(call);
  double limit = call.attributes.number("max_norm");
  if (!(limit > 0)) call.fail("`max_norm` must be above 0, got " + str(Attribute(limit)));
  axes_of(call);
  return {call.operand(0)};
}

// The root is taken of what is over the limit only: so zeros have a gradient.
Terms compose_clip_by_norm(Builder&, const Call& call, std::span<const Term> x) {
  double limit = call.attributes.number("max_norm");
  Term square = reduce_sum(apply("square", {x[0]}), axes_of(call), true);
  Term over = greater(apply("sqrt", {square}), limit), one = x[0].like(1);
  return {x[0] * select(over, limit / apply("sqrt", {select(over, square, one)}), one)};
}

void register_clip_by_norm(Registry& registry) {
  auto sample = [](std::string_view type, double limit, IntList axis) {
    return Sample{.operands = types({type}), .attributes = {{"max_norm", limit}, {"axis", std::move(axis)}}};
  };
  registry.add(
      {.name = "clip_by_norm",
       .doc = "x, scaled down to length max_norm where it is longer. Subgradient at that length: 1.",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .attributes = {{"max_norm", AttributeKind::number, "greatest Euclidean length", {}},
                      {"axis", AttributeKind::int_list, "the dimensions that hold a vector; empty: all", IntList{}}},
       .infer = infer_clip_by_norm,
       .compose = compose_clip_by_norm,
       .samples = {sample("f64[2,3]", 0.5, {}), sample("f64[2,3]", 100, {}), sample("f64[5,3]", 1.5, {1}),
                   sample("f32[7,37]", 2, {0}), sample("f64[]", 1, {}), sample("f64[0,3]", 1, {1})}});
}

}  // namespace

void register_normalization(Registry& registry) {
  register_standardize(registry);
  register_standardize_groups(registry);
  register_local_response_norm(registry);
  register_clip_by_norm(registry);
}

}  // namespace gradc
