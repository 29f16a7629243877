// Activations that are one scalar formula: sigmoid, relu, softplus.
#include "ir/ops/entry.h"

namespace gradc {

void register_activation(Registry& registry) {
  registry.add({.name = "sigmoid",
                .doc = "1 / (1 + e^-x).",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::sigmoid(b, x[0]); },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * (d.y() * (1 - d.y())); },
                .samples = float_samples(1)});

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
}

}  // namespace gradc
