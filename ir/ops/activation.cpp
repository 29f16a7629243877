// Activations: scalar formulas, and maxout, which takes the greatest of neighbours.
#include <numbers>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

void register_smooth_steps(Registry& registry) {
  registry.add({.name = "sigmoid",
                .doc = "1 / (1 + e^-x).",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::sigmoid(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * (d.y() * (1 - d.y())); },
                .samples = float_samples(1)});
}

void register_rectifiers(Registry& registry) {
  // A negative zero becomes a positive one; NaN stays.
  registry.add(
      {.name = "relu",
       .doc = "max(x, 0). Subgradient at 0: 0.",
       .kind = Kind::elementwise,
       .operands = {{"x", "any number"}},
       .infer = same_type(Accepts::numbers),
       .body =
           [](ScalarBuilder& b, const Call&, Scalars x) {
             Scalar zero = b.number(x[0].type, 0);
             return b.select(x[0] <= zero, zero, x[0]);
           },
       // of y, so that x need not be kept
       .derivative = [](const Derivation& d, std::size_t, Term t) { return select(greater(d.y(), 0), t, t.like(0)); },
       .samples = number_samples(1)});

  registry.add({.name = "softplus",
                .doc = "log(1 + e^x), a smooth relu.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::softplus(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * apply("sigmoid", {d.x()}); },
                .samples = float_samples(1)});

  registry.add({.name = "leaky_relu",
                .doc = "x above 0, negative_slope * x elsewhere. Subgradient at 0: negative_slope.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .attributes = {{"negative_slope", AttributeKind::number, "slope below 0", 0.01}},
                .infer = same_type(Accepts::floats),
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      return Terms{select(greater(x[0], 0), x[0], x[0] * call.attributes.number("negative_slope"))};
                    },
                .samples = concat(float_samples(1),
                                  {{.operands = types({"f64[5]"}), .attributes = {{"negative_slope", 0.25}}}})});
}

// ---- exponential units:  x above 0, α (e^x - 1) elsewhere ----

// The exponential sees no positive x: it would overflow, and its cotangent of 0 become NaN.
Term exponential_unit(Term x, double alpha) {
  Term below = apply("clip", {x}, {{"high", 0.0}});
  return select(greater(x, 0), x, alpha * apply("expm1", {below}));
}

// Klambauer et al. 2017, appendix: they keep mean 0 and variance 1.
constexpr double kSeluAlpha = 1.6732632423543772848, kSeluScale = 1.0507009873554804934;

void register_exponential_units(Registry& registry) {
  registry.add(
      {.name = "elu",
       .doc = "x above 0, alpha * (e^x - 1) elsewhere (Clevert et al. 2016). Subgradient at 0: alpha.",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .attributes = {{"alpha", AttributeKind::number, "minus the limit at -inf", 1.0}},
       .infer = same_type(Accepts::floats),
       .compose =
           [](Builder&, const Call& call, std::span<const Term> x) {
             return Terms{exponential_unit(x[0], call.attributes.number("alpha"))};
           },
       .samples = concat(float_samples(1), {{.operands = types({"f64[5]"}), .attributes = {{"alpha", 0.5}}}})});

  registry.add(
      {.name = "selu",
       .doc = "1.0507 * elu(x, alpha=1.67326), which keeps mean 0 and variance 1 (Klambauer et al. 2017). "
              "Subgradient at 0: 1.7581, that of the side below.",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .infer = same_type(Accepts::floats),
       .compose = [](Builder&, const Call&,
                     std::span<const Term> x) { return Terms{kSeluScale * exponential_unit(x[0], kSeluAlpha)}; },
       .samples = float_samples(1)});
}

// ---- gated units:  x times a step ----

// x Φ(x), or its form by tanh, x sigmoid(2 √(2/π) (x + 0.044715 x³)): beyond ±30 the sigmoid is 0 or 1 and the cube may
// overflow, so it sees no more.
Term gaussian_unit(Term x, bool approximate) {
  if (!approximate) return 0.5 * x * (apply("erf", {x * (0.5 * std::numbers::sqrt2)}) + 1);
  Term u = apply("clip", {x}, {{"low", -30.0}, {"high", 30.0}});
  double scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  return x * apply("sigmoid", {scale * (u + 0.044715 * (u * u * u))});
}

void register_gated_units(Registry& registry) {
  registry.add(
      {.name = "gelu",
       .doc = "x Φ(x), Φ the normal distribution function; approximately x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) "
              "(Hendrycks and Gimpel 2016).",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .attributes = {{"approximate", AttributeKind::boolean, "the form by tanh", false}},
       .infer = same_type(Accepts::floats),
       .compose =
           [](Builder&, const Call& call, std::span<const Term> x) {
             return Terms{gaussian_unit(x[0], call.attributes.boolean("approximate"))};
           },
       .samples = concat(float_samples(1), {{.operands = types({"f64[7]"}), .attributes = {{"approximate", true}}},
                                            {.operands = types({"f32[37]"}), .attributes = {{"approximate", true}}}})});

  registry.add(
      {.name = "silu",
       .doc = "x sigmoid(x), also called swish.",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .infer = same_type(Accepts::floats),
       .compose = [](Builder&, const Call&, std::span<const Term> x) { return Terms{x[0] * apply("sigmoid", {x[0]})}; },
       .samples = float_samples(1)});
}

// ---- without exponentials ----

Term clipped(Term x, double low, double high) { return apply("clip", {x}, {{"low", low}, {"high", high}}); }

void register_rational_steps(Registry& registry) {
  registry.add({.name = "softsign",
                .doc = "x / (1 + |x|).",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&,
                           Scalars x) { return x[0] / (b.number(x[0].type, 1) + elementary::abs(b, x[0])); },
                // 1 / (1 + |x|)², in two steps because the square may overflow
                .derivative =
                    [](const Derivation& d, std::size_t, Term t) {
                      Term s = apply("abs", {d.x()}) + 1;
                      return t / s / s;
                    },
                .samples = float_samples(1)});

  registry.add(
      {.name = "hard_sigmoid",
       .doc = "x / 6 + 1/2 within [-3, 3], 0 below, 1 above. Subgradient at ±3: 1/6.",
       .kind = Kind::composite,
       .operands = {{"x", "a float"}},
       .infer = same_type(Accepts::floats),
       .compose = [](Builder&, const Call&, std::span<const Term> x) { return Terms{clipped(x[0], -3, 3) / 6 + 0.5}; },
       .samples = float_samples(1, -5, 5)});

  registry.add({.name = "hard_tanh",
                .doc = "x within [-1, 1], -1 below, 1 above. Subgradient at ±1: 1.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .compose = [](Builder&, const Call&, std::span<const Term> x) { return Terms{clipped(x[0], -1, 1)}; },
                .samples = float_samples(1)});
}

// ---- maxout:  x[…, n, …] seen as […, n / pieces, pieces, …], the greatest of each group ----

std::size_t maxout_axis(const Call& call) {
  return static_cast<std::size_t>(normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank()));
}

Types infer_maxout(const Call& call) {
  Type result = call.operand(0);
  if (!is_float(result.dtype)) call.fail("`x` must be a float, got " + result.str());
  std::int64_t pieces = call.attributes.integer("pieces");
  if (pieces < 1) call.fail("`pieces` must be at least 1, got " + std::to_string(pieces));
  Dim& size = result.shape[maxout_axis(call)];
  if (size.factor % pieces != 0)
    call.fail("can't cut axis " + std::to_string(maxout_axis(call)) + " of " + call.operand(0).str() +
              " into groups of " + std::to_string(pieces));
  size.factor /= pieces;
  return {result};
}

Terms compose_maxout(Builder&, const Call& call, std::span<const Term> x) {
  Shape grouped = call.op.infer(call)[0].shape;
  std::size_t axis = maxout_axis(call) + 1;
  grouped.insert(grouped.begin() + static_cast<std::ptrdiff_t>(axis), Dim(call.attributes.integer("pieces")));
  return {reduce_max(reshape(x[0], grouped), {static_cast<std::int64_t>(axis)})};
}

void register_maxout(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t pieces, std::int64_t axis) {
    return Sample{.operands = types({type}), .attributes = {{"pieces", pieces}, {"axis", axis}}};
  };
  registry.add({.name = "maxout",
                .doc = "The greatest of each `pieces` neighbours along an axis (Goodfellow et al. 2013). Subgradient: "
                       "evenly among ties.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .attributes = {{"pieces", AttributeKind::integer, "how many neighbours make one element", {}},
                               {"axis", AttributeKind::integer, "the dimension to group", std::int64_t{-1}}},
                .infer = infer_maxout,
                .compose = compose_maxout,
                .samples = {sample("f64[2,6]", 3, -1), sample("f64[4,3]", 2, 0), sample("f32[7,4,5]", 4, 1),
                            sample("f64[3]", 1, 0), sample("f64[0,2]", 2, 1)}});
}

}  // namespace

void register_activation(Registry& registry) {
  register_smooth_steps(registry);
  register_rectifiers(registry);
  register_exponential_units(registry);
  register_gated_units(registry);
  register_rational_steps(registry);
  register_maxout(registry);
}

}  // namespace gradc
