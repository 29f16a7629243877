// Comparison, logic and choice: what makes or takes bools.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

// Bits of both kinds: bools are taken as well, false below true.
std::vector<Sample> comparison_samples() {
  return concat(number_samples(2), same_samples(2, {"bool[2,3]", "i32[31]"}, 0, 2));
}

void register_comparisons(Registry& registry) {
  registry.add({.name = "equal",
                .doc = "a == b; false where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any value"}, {"b", "any value"}},
                .infer = comparison(Accepts::all),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] == x[1]; },
                .constant_gradient = true,
                .spelling = "==",
                .samples = comparison_samples()});

  registry.add({.name = "not_equal",
                .doc = "a != b; true where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any value"}, {"b", "any value"}},
                .infer = comparison(Accepts::all),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] != x[1]; },
                .constant_gradient = true,
                .spelling = "!=",
                .samples = comparison_samples()});

  registry.add({.name = "less",
                .doc = "a < b; false where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any number"}, {"b", "any number"}},
                .infer = comparison(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] < x[1]; },
                .constant_gradient = true,
                .spelling = "<",
                .samples = number_samples(2)});

  registry.add({.name = "less_equal",
                .doc = "a <= b; false where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any number"}, {"b", "any number"}},
                .infer = comparison(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] <= x[1]; },
                .constant_gradient = true,
                .spelling = "<=",
                .samples = number_samples(2)});

  registry.add({.name = "greater",
                .doc = "a > b; false where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any number"}, {"b", "any number"}},
                .infer = comparison(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] > x[1]; },
                .constant_gradient = true,
                .spelling = ">",
                .samples = number_samples(2)});

  registry.add({.name = "greater_equal",
                .doc = "a >= b; false where either is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any number"}, {"b", "any number"}},
                .infer = comparison(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] >= x[1]; },
                .constant_gradient = true,
                .spelling = ">=",
                .samples = number_samples(2)});
}

Types float_to_bool(const Call& call) { return comparison(Accepts::floats)(call); }

void register_tests(Registry& registry) {
  registry.add({.name = "is_nan",
                .doc = "Whether x is NaN.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = float_to_bool,
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::is_nan(b, x[0]); },
                .constant_gradient = true,
                .samples = float_samples(1)});

  registry.add({.name = "is_finite",
                .doc = "Whether x is neither infinite nor NaN.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = float_to_bool,
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::is_finite(b, x[0]); },
                .constant_gradient = true,
                .samples = float_samples(1)});
}

std::vector<Sample> bool_samples(std::size_t operands) {
  return same_samples(operands, {"bool[2,3]", "bool[]", "bool[17]", "bool[0]"}, 0, 2);
}

void register_logic(Registry& registry) {
  registry.add({.name = "logical_and",
                .doc = "Whether both hold.",
                .kind = Kind::elementwise,
                .operands = {{"a", "a bool"}, {"b", "a bool"}},
                .infer = same_type(Accepts::booleans),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] & x[1]; },
                .constant_gradient = true,
                .samples = bool_samples(2)});

  registry.add({.name = "logical_or",
                .doc = "Whether one of them holds, or both.",
                .kind = Kind::elementwise,
                .operands = {{"a", "a bool"}, {"b", "a bool"}},
                .infer = same_type(Accepts::booleans),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] | x[1]; },
                .constant_gradient = true,
                .samples = bool_samples(2)});

  registry.add({.name = "logical_xor",
                .doc = "Whether just one of them holds.",
                .kind = Kind::elementwise,
                .operands = {{"a", "a bool"}, {"b", "a bool"}},
                .infer = same_type(Accepts::booleans),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] ^ x[1]; },
                .constant_gradient = true,
                .samples = bool_samples(2)});

  registry.add({.name = "logical_not",
                .doc = "Whether x does not hold.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a bool"}},
                .infer = same_type(Accepts::booleans),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return x[0] ^ b.integer(DType::boolean, 1); },
                .constant_gradient = true,
                .samples = bool_samples(1)});
}

Types infer_select(const Call& call) {
  const Type &condition = call.operand(0), &yes = call.operand(1), &no = call.operand(2);
  if (condition.dtype != DType::boolean) call.fail("`condition` must be a bool, got " + condition.str());
  if (yes.dtype != no.dtype) call.fail("dtypes differ: " + yes.str() + " and " + no.str() + "; cast one of them");
  for (const Type* type : {&yes, &no})
    if (type->shape != condition.shape) call.fail("shapes differ: " + condition.str() + " and " + type->str());
  return {yes};
}

// y = c ? a : b: each side receives the tangent where it is chosen.
Term choice_derivative(const Derivation& d, std::size_t operand, Term t) {
  if (operand == 0) return {};
  return operand == 1 ? select(d.x(0), t, t.like(0)) : select(d.x(0), t.like(0), t);
}

}  // namespace

void register_comparison(Registry& registry) {
  register_comparisons(registry);
  register_tests(registry);
  register_logic(registry);

  registry.add({.name = "select",
                .doc = "a where the condition holds, b elsewhere.",
                .kind = Kind::elementwise,
                .operands = {{.name = "condition", .doc = "a bool", .dtype = DType::boolean},
                             {"a", "value where it holds"},
                             {"b", "value where not"}},
                .infer = infer_select,
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return b.select(x[0], x[1], x[2]); },
                .derivative = choice_derivative,
                .samples = {{.operands = types({"bool[2,3]", "f64[2,3]", "f64[2,3]"})},
                            {.operands = types({"bool[37]", "f32[37]", "f32[37]"})},
                            {.operands = types({"bool[]", "f64[]", "f64[]"})},
                            {.operands = types({"bool[0]", "f64[0]", "f64[0]"})},
                            {.operands = types({"bool[5]", "i32[5]", "i32[5]"}), .differentiable = false},
                            {.operands = types({"bool[5]", "bool[5]", "bool[5]"}), .differentiable = false}}});
}

}  // namespace gradc
