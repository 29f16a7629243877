// Reverse mode: one sweep from the outputs back to what they are differentiated by.
//
//   1. Activity finds the nodes between `wrt` and the outputs.
//   2. The outputs' cotangents are the seeds. Nodes are visited last to first; a visit asks the op's entry for the
//      cotangents of its active operands and adds them to what those have already.
//   3. A composite without a rule of its own has its body written out at the end of the region, and the body's nodes
//      are visited in its place. (Primal values of the body then stand twice; common subexpressions are merged later.)
//
// A null term is a symbolic zero, and is never written out but where the caller asks for its value.
#include <algorithm>

#include "compiler/autodiff/autodiff.h"
#include "compiler/autodiff/sweep.h"

namespace gradc {

namespace {

Locations locations_of(const Value& value) { return value.node ? value.node->locations : Locations{}; }

class Reverse : public Sweep {
 public:
  Reverse(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt)
      : Sweep(region, outputs, wrt, "reverse") {}

  void run() {
    const std::vector<Node*>& nodes = activity_.nodes();
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) visit(**node);
  }

  Value* ones(const Value& output) {
    builder_.locations = gradient_of(locations_of(output));
    return builder_.full(output.type, 1);
  }

  void seed(const Value* output, Value* cotangent) { accumulate(output, builder_.term(cotangent)); }

 private:
  void visit(const Node& node) {
    std::vector<Term> cotangents;
    for (const auto& result : node.results) cotangents.push_back(derivative_of(result.get()));
    if (std::none_of(cotangents.begin(), cotangents.end(), [](const Term& t) { return bool(t); })) return;
    open(node, [&](const Derivation& derivation) { by_rule(node, derivation, cotangents); });
  }

  void by_rule(const Node& node, const Derivation& derivation, const std::vector<Term>& cotangents) {
    const Op& op = *node.op;
    if (op.vjp) {
      by_vjp(node, derivation, cotangents);
    } else if (op.kind == Kind::elementwise && op.derivative) {
      by_derivative(node, derivation, cotangents[0]);
    } else if (op.kind == Kind::linear && op.transpose) {
      by_transpose(node, derivation, cotangents[0]);
    } else if (op.kind == Kind::composite && op.compose) {
      by_body(node, derivation, cotangents);
    } else {
      fail(node);
    }
  }

  void by_vjp(const Node& node, const Derivation& derivation, const std::vector<Term>& cotangents) {
    const std::vector<Term> found = node.op->vjp(derivation, cotangents);
    ensure(found.size() == node.operands.size(), "a vjp gives a cotangent for every operand");
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (!activity_.active(node.operands[i])) continue;
      check_rule(node, *node.operands[i], found[i], "vjp");
      accumulate(node.operands[i], found[i]);
    }
  }

  void by_derivative(const Node& node, const Derivation& derivation, Term cotangent) {
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      if (!activity_.active(node.operands[i])) continue;
      const Term found = as_derivative_of(*node.operands[i], node.op->derivative(derivation, i, cotangent));
      check_rule(node, *node.operands[i], found, "derivative");
      accumulate(node.operands[i], found);
    }
  }

  void by_transpose(const Node& node, const Derivation& derivation, Term cotangent) {
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      if (!activity_.active(node.operands[i])) continue;
      const Term found = node.op->transpose(derivation, i, cotangent);
      check_rule(node, *node.operands[i], found, "transpose");
      accumulate(node.operands[i], found);
    }
  }

  void by_body(const Node& node, const Derivation& derivation, const std::vector<Term>& cotangents) {
    const Body body = write_body(node, derivation);
    for (std::size_t i = 0; i < body.results.size(); ++i) accumulate(body.results[i].value(), cotangents[i]);
    for (auto inner = body.active.rbegin(); inner != body.active.rend(); ++inner) visit(**inner);
  }
};

void check_request(const Value& output, const Value* cotangent, std::span<Value* const> wrt) {
  const Locations at = locations_of(output);
  const Location where = at.empty() ? Location{} : at.front();
  if (!is_float(output.type.dtype)) {
    throw UserError(where, "gradient: the output is " + output.type.str() + "; only floats have a gradient");
  }
  if (!cotangent && output.type.rank() != 0) {
    throw UserError(where, "gradient: the output must be a scalar, not " + output.type.str() +
                               "; reduce it (sum or mean), or give its cotangent");
  }
  if (cotangent && cotangent->type != output.type) {
    throw UserError(where, "gradient: the cotangent is " + cotangent->type.str() + ", the output " + output.type.str() +
                               "; they must have one type");
  }
  for (const Value* value : wrt) {
    if (is_float(value->type.dtype)) continue;
    throw UserError(where, "gradient: " + (value->name.empty() ? "a value" : "`" + value->name + "`") + " is " +
                               value->type.str() + "; only floats have a gradient");
  }
}

}  // namespace

std::vector<Value*> reverse(Region& region, Value* output, Value* cotangent, std::span<Value* const> wrt) {
  check_request(*output, cotangent, wrt);
  Reverse sweep(region, std::span<Value* const>(&output, 1), wrt);
  sweep.seed(output, cotangent ? cotangent : sweep.ones(*output));
  sweep.run();
  std::vector<Value*> result;
  for (Value* value : wrt) result.push_back(sweep.written(value));
  return result;
}

std::vector<Value*> pull_back(Region& region, std::span<Value* const> outputs, std::span<Value* const> cotangents,
                              std::span<Value* const> wrt) {
  ensure(outputs.size() == cotangents.size(), "reverse mode takes one cotangent for every output");
  Reverse sweep(region, outputs, wrt);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (cotangents[i]) sweep.seed(outputs[i], cotangents[i]);
  }
  sweep.run();
  std::vector<Value*> result;
  for (const Value* value : wrt) result.push_back(sweep.derivative_of(value).value());
  return result;
}

}  // namespace gradc
