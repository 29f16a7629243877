// Elementary functions: exponentials, logarithms, roots, trigonometry, hyperbolic functions.
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
}

}  // namespace gradc
