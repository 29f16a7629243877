// The modes of differentiation of the C++ API.
#include "compiler/frontend/cpp_access.h"
#include "compiler/frontend/custom.h"
#include "compiler/frontend/modes.h"

namespace gradc {
inline namespace api {

namespace {

using Arguments = std::vector<std::vector<Expr>>;

std::vector<Expr> apply(std::string_view name, const Arguments& arguments, Place place) {
  const Location at = location_of(place);
  std::vector<Expr> all;
  for (const std::vector<Expr>& argument : arguments) all.insert(all.end(), argument.begin(), argument.end());
  ModelBuilder& model = model_of(all, name, at);
  ModeArguments operands;
  for (const std::vector<Expr>& argument : arguments) {
    operands.emplace_back();
    for (const Expr& expr : argument) operands.back().push_back(operand_of(expr, model, at));
  }
  std::vector<Expr> results;
  for (Value* value : apply_mode(model, *find_mode(name), operands, at)) results.emplace_back(model, value);
  return results;
}

}  // namespace

Expr grad(const Expr& output, const Expr& wrt, Place at) { return apply("grad", {{output}, {wrt}}, at)[0]; }

std::vector<Expr> grad(const Expr& output, const std::vector<Expr>& wrt, Place at) {
  return apply("grad", {{output}, wrt}, at);
}

Expr vjp(const Expr& y, const Expr& wrt, const Expr& cotangent, Place at) {
  return apply("vjp", {{y}, {wrt}, {cotangent}}, at)[0];
}

std::vector<Expr> vjp(const Expr& y, const std::vector<Expr>& wrt, const Expr& cotangent, Place at) {
  return apply("vjp", {{y}, wrt, {cotangent}}, at);
}

Expr jvp(const Expr& y, const Expr& wrt, const Expr& tangent, Place at) {
  return apply("jvp", {{y}, {wrt}, {tangent}}, at)[0];
}

Expr jvp(const Expr& y, const std::vector<Expr>& wrt, const std::vector<Expr>& tangents, Place at) {
  return apply("jvp", {{y}, wrt, tangents}, at)[0];
}

Expr hvp(const Expr& output, const Expr& wrt, const Expr& vector, Place at) {
  return apply("hvp", {{output}, {wrt}, {vector}}, at)[0];
}

Expr jacobian(const Expr& y, const Expr& wrt, Place at) { return apply("jacobian", {{y}, {wrt}}, at)[0]; }
Expr hessian(const Expr& output, const Expr& wrt, Place at) { return apply("hessian", {{output}, {wrt}}, at)[0]; }

Expr custom_vjp(
    const std::vector<Expr>& operands, const std::function<Expr(const std::vector<Expr>& operands)>& body,
    const std::function<std::vector<Expr>(const std::vector<Expr>& operands, Expr result, Expr cotangent)>& vjp,
    Place place) {
  const Location at = location_of(place);
  ModelBuilder& model = model_of(operands, "custom_vjp", at);
  CustomRequest request{"custom_vjp", {}, at};
  for (const Expr& operand : operands) request.operands.push_back({operand.name(), operand_of(operand, model, at), at});
  auto wrapped = [&](const LoopValues& values) {
    std::vector<Expr> exprs;
    for (Value* value : values) exprs.emplace_back(model, value);
    return exprs;
  };
  Value* made = custom(
      model, request,
      [&](const LoopValues& values) { return LoopValue{"", operand_of(body(wrapped(values)), model, at), at}; },
      [&](const LoopValues& values, Value* result, Value* cotangent) {
        std::vector<LoopValue> found;
        for (const Expr& expr : vjp(wrapped(values), Expr(model, result), Expr(model, cotangent)))
          found.push_back({"", operand_of(expr, model, at), at});
        return found;
      });
  return {model, made};
}

}  // namespace api
}  // namespace gradc
