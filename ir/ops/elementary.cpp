// Elementary functions: exponentials, logarithms, roots, powers, trigonometry, the error function.
#include <numbers>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

void register_exponentials(Registry& registry) {
  registry.add({.name = "exp",
                .doc = "e^x.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::exp(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * d.y(); },
                .samples = float_samples(1)});

  registry.add({.name = "exp_negative",
                .doc = "e^x of what is 0 or less, as after subtracting a maximum.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float, not above 0"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::exp_negative(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * d.y(); },
                .internal = true,
                .samples = float_samples(1, -4, 0)});

  // e^x rather than y + 1, which loses all digits of a large negative x.
  registry.add({.name = "expm1",
                .doc = "e^x - 1, without cancellation near 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::expm1(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * apply("exp", {d.x()}); },
                .samples = float_samples(1)});

  registry.add({.name = "log",
                .doc = "Natural logarithm; -inf at 0, NaN below.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::log(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t / d.x(); },
                .samples = float_samples(1, 0.25, 4)});

  registry.add({.name = "log1p",
                .doc = "log(1 + x), without cancellation near 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::log1p(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t / (d.x() + 1); },
                .samples = float_samples(1, -0.75, 3)});
}

// ∂(a^b)/∂a = b * a^(b-1), and 0 where b = 0 (also at a = 0, where a^-1 is infinite).
// ∂(a^b)/∂b = a^b * log(a), and 0 where a = 0, so that 0^b has a gradient in b.
Term power_derivative(const Derivation& d, std::size_t operand, Term t) {
  Term a = d.x(0), b = d.x(1);
  if (operand == 0) return select(equal(b, 0), t.like(0), t * (b * apply("power", {a, b - 1})));
  Term zero = equal(a, 0);
  return select(zero, t.like(0), t * (d.y() * apply("log", {select(zero, a.like(1), a)})));
}

void register_powers(Registry& registry) {
  registry.add({.name = "sqrt",
                .doc = "Square root, rounded to nearest; NaN below 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return b.sqrt(x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return 0.5 * t / d.y(); },
                .samples = float_samples(1, 0.25, 4)});

  registry.add({.name = "rsqrt",
                .doc = "1 / sqrt(x).",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::rsqrt(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return -0.5 * t * (d.y() / d.x()); },
                .samples = float_samples(1, 0.25, 4)});

  registry.add({.name = "power",
                .doc = "a^b by the rules of C's pow: a negative base takes integer exponents only, x^0 is 1. Gradient "
                       "by a where b = 0, and by b where a = 0: 0.",
                .kind = Kind::elementwise,
                .operands = {{"a", "base"}, {"b", "exponent"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::pow(b, x[0], x[1]); },
                .derivative = power_derivative,
                .spelling = "**",
                .samples = float_samples(2, 0.5, 2)});
}

// With θ = atan2(y, x) and r² = x² + y²: ∂θ/∂y = x/r², ∂θ/∂x = -y/r²; both 0 at the origin.
Term atan2_derivative(const Derivation& d, std::size_t operand, Term t) {
  Term squares = apply("square", {d.x(0)}) + apply("square", {d.x(1)});
  Term safe = select(equal(squares, 0), squares.like(1), squares);
  return operand == 0 ? t * (d.x(1) / safe) : -(t * (d.x(0) / safe));
}

void register_trigonometry(Registry& registry) {
  registry.add({.name = "sin",
                .doc = "Sine of x in radians.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::sin(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * apply("cos", {d.x()}); },
                .samples = float_samples(1, -7, 7)});

  registry.add({.name = "cos",
                .doc = "Cosine of x in radians.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::cos(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return -(t * apply("sin", {d.x()})); },
                .samples = float_samples(1, -7, 7)});

  registry.add({.name = "atan2",
                .doc = "Angle of the point (b, a) in (-π, π]. Gradient at the origin: 0.",
                .kind = Kind::elementwise,
                .operands = {{"a", "ordinate"}, {"b", "abscissa"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::atan2(b, x[0], x[1]); },
                .derivative = atan2_derivative,
                .samples = float_samples(2)});
}

}  // namespace

void register_elementary(Registry& registry) {
  register_exponentials(registry);
  register_powers(registry);
  register_trigonometry(registry);

  // (1 - y)(1 + y) rather than 1 - y², which cancels where y is near ±1.
  registry.add({.name = "tanh",
                .doc = "Hyperbolic tangent.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::tanh(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * ((1 - d.y()) * (d.y() + 1)); },
                .samples = float_samples(1)});

  // erf'(x) = 2/√π · exp(-x²)
  registry.add({.name = "erf",
                .doc = "Error function, 2/√π · ∫ exp(-u²) du from 0 to x.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::erf(b, x[0]); },
                .derivative =
                    [](const Derivation& d, std::size_t, Term t) {
                      return t * (2 * std::numbers::inv_sqrtpi * apply("exp", {-apply("square", {d.x()})}));
                    },
                .samples = float_samples(1)});
}

}  // namespace gradc
