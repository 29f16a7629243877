// Reverse mode: one sweep from an output back to what it is differentiated by.
//
//   1. Activity finds the nodes between `wrt` and the output.
//   2. The output's cotangent is the seed. Nodes are visited last to first; a visit asks the op's entry for the
//      cotangents of its active operands and adds them to what those have already.
//   3. A composite without a rule of its own has its body written out at the end of the region, and the body's nodes
//      are visited in its place. (Primal values of the body then stand twice; common subexpressions are merged later.)
//
// A null term is a symbolic zero, and is never written out but where the caller asks for its value.
#include <algorithm>

#include "compiler/autodiff/activity.h"
#include "compiler/autodiff/autodiff.h"

namespace gradc {

namespace {

class Reverse {
 public:
  Reverse(Region& region, Value* output, std::span<Value* const> wrt)
      : region_(region), builder_(region), activity_(region, std::span<Value* const>(&output, 1), wrt) {}

  Builder& builder() { return builder_; }

  void run(Value* output, Value* seed) {
    accumulate(output, builder_.term(seed));
    const std::vector<Node*>& nodes = activity_.nodes();
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) visit(**node);
  }

  Value* cotangent(Value* value) {
    const Term found = adjoint(value);
    if (found) return found.value();
    builder_.locations = gradient_of(value->node ? value->node->locations : Locations{});
    return builder_.full(value->type, 0);
  }

 private:
  Term adjoint(const Value* value) const {
    const auto found = adjoints_.find(value);
    return found == adjoints_.end() ? Term{} : found->second;
  }

  void accumulate(const Value* value, Term cotangent) {
    if (!cotangent || !activity_.active(value)) return;
    Term& sum = adjoints_[value];
    sum = add(sum, cotangent);
  }

  void visit(const Node& node) {
    std::vector<Term> cotangents;
    for (const auto& result : node.results) cotangents.push_back(adjoint(result.get()));
    if (std::none_of(cotangents.begin(), cotangents.end(), [](const Term& t) { return bool(t); })) return;
    const Op& op = *node.op;
    if (!op.no_derivative.empty()) fail_without_derivative(node, "reverse");
    check_captures(node, activity_, "reverse");
    const Call call = call_of(node);
    const Derivation derivation{builder_, call, terms(builder_, node.operands), result_terms(builder_, node)};
    builder_.locations = gradient_of(node.locations);
    if (op.vjp) {
      by_vjp(node, derivation, cotangents);
    } else if (op.kind == Kind::elementwise && op.derivative) {
      by_derivative(node, derivation, cotangents[0]);
    } else if (op.kind == Kind::linear && op.transpose) {
      by_transpose(node, derivation, cotangents[0]);
    } else if (op.kind == Kind::composite && op.compose) {
      by_body(node, derivation, cotangents);
    } else {
      fail_without_derivative(node, "reverse");
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
    const std::size_t first = region_.nodes.size();
    builder_.locations = node.locations;
    const std::vector<Term> body = node.op->compose(builder_, derivation.call, derivation.operands);
    std::vector<const Node*> made;
    for (std::size_t i = first; i < region_.nodes.size(); ++i) {
      if (activity_.extend(*region_.nodes[i])) made.push_back(region_.nodes[i].get());
    }
    builder_.locations = gradient_of(node.locations);
    for (std::size_t i = 0; i < body.size(); ++i) accumulate(body[i].value(), cotangents[i]);
    for (auto inner = made.rbegin(); inner != made.rend(); ++inner) visit(**inner);
  }

  Region& region_;
  Builder builder_;
  Activity activity_;
  std::unordered_map<const Value*, Term> adjoints_;
};

Locations locations_of(const Value& value) { return value.node ? value.node->locations : Locations{}; }

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
  Reverse sweep(region, output, wrt);
  sweep.builder().locations = gradient_of(locations_of(*output));
  sweep.run(output, cotangent ? cotangent : sweep.builder().full(output->type, 1));
  std::vector<Value*> result;
  for (Value* value : wrt) result.push_back(sweep.cotangent(value));
  return result;
}

}  // namespace gradc
