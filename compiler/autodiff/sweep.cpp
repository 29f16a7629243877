// The opening of a visit, and the sums of derivatives.
#include "compiler/autodiff/sweep.h"

#include "compiler/autodiff/regions.h"

namespace gradc {

Sweep::Sweep(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt, std::string mode)
    : region_(region), builder_(region), activity_(region, outputs, wrt), mode_(std::move(mode)) {}

Term Sweep::derivative_of(const Value* value) const {
  const auto entry = found_.find(value);
  return entry == found_.end() ? Term{} : entry->second;
}

Value* Sweep::written(Value* value) {
  const Term term = derivative_of(value);
  if (term) return term.value();
  builder_.locations = gradient_of(value->node ? value->node->locations : Locations{});
  return builder_.full(value->type, 0);
}

void Sweep::accumulate(const Value* value, Term derivative) {
  if (!derivative || !activity_.active(value)) return;
  Term& sum = found_[value];
  sum = add(sum, derivative);
}

Sweep::Body Sweep::write_body(const Node& node, const Derivation& derivation) {
  const std::size_t first = region_.nodes.size();
  builder_.locations = node.locations;
  Body body{node.op->compose(builder_, derivation.call, derivation.operands), {}};
  for (std::size_t i = first; i < region_.nodes.size(); ++i) {
    if (activity_.extend(*region_.nodes[i])) body.active.push_back(region_.nodes[i].get());
  }
  builder_.locations = gradient_of(node.locations);
  return body;
}

void Sweep::fail(const Node& node) const {
  const std::string& why = node.op->no_derivative;
  throw UserError(node.locations.empty() ? Location{} : node.locations.front(),
                  node.op->name + ": has no " + mode_ + "-mode derivative" + (why.empty() ? "" : ": " + why));
}

Derivation Sweep::derivation_of(const Node& node, const Call& call) {
  Derivation derivation{builder_, call, {}, {}, {}, &region_calculus()};
  for (Value* operand : node.operands) {
    derivation.operands.emplace_back(builder_, operand);
    derivation.wanted.push_back(activity_.active(operand));
  }
  for (const auto& result : node.results) derivation.results.emplace_back(builder_, result.get());
  return derivation;
}

Term as_derivative_of(const Value& value, Term derivative) {
  if (!derivative || derivative.dtype() == value.type.dtype) return derivative;
  return cast(derivative, value.type.dtype);
}

void check_rule(const Node& node, const Value& value, Term derivative, const char* rule) {
  if (!derivative || derivative.type() == value.type) return;
  internal_error(node.op->name + ": its " + rule + " gives " + derivative.type().str() + " for a value of type " +
                 value.type.str());
}

}  // namespace gradc
