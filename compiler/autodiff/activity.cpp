// Activity: a walk back from the outputs for what they need, a walk forward from `wrt` for what depends on it.
#include "compiler/autodiff/activity.h"

#include "ir/op.h"

namespace gradc {

namespace {

bool has_derivative(const Value& value) { return is_float(value.type.dtype); }

// The nodes that `outputs` depend on.
std::unordered_set<const Node*> producers(std::span<Value* const> outputs) {
  std::unordered_set<const Node*> found;
  std::vector<const Node*> pending;
  const auto visit = [&](const Value* value) {
    if (value->node && found.insert(value->node).second) pending.push_back(value->node);
  };
  for (const Value* output : outputs) visit(output);
  while (!pending.empty()) {
    const Node* node = pending.back();
    pending.pop_back();
    for (const Value* operand : node->operands) visit(operand);
  }
  return found;
}

}  // namespace

Activity::Activity(const Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt) {
  for (const Value* value : wrt) {
    if (has_derivative(*value)) active_.insert(value);
  }
  const std::unordered_set<const Node*> needed = producers(outputs);
  for (const auto& node : region.nodes) {
    if (needed.contains(node.get()) && extend(*node)) nodes_.push_back(node.get());
  }
}

bool Activity::extend(const Node& node) {
  if (node.op->constant_gradient) return false;
  bool reads_active = false;
  for (const Value* operand : node.operands) reads_active |= active(operand);
  if (!reads_active) return false;
  bool any = false;
  for (const auto& result : node.results) {
    if (!has_derivative(*result)) continue;
    active_.insert(result.get());
    any = true;
  }
  return any;
}

}  // namespace gradc
