// Activity: a walk back from the outputs for what they need, a walk forward from `wrt` for what depends on it.
#include "compiler/autodiff/activity.h"

#include <algorithm>

namespace gradc {

namespace {

bool has_derivative(const Value& value) { return is_float(value.type.dtype); }

template <class Visit>
void for_each_read(const Node& node, const Visit& visit) {
  for (Value* operand : node.operands) visit(operand);
  if (node.regions.empty()) return;
  for (Value* captured : captured_values(node)) visit(captured);
}

// The nodes that `outputs` depend on, over operands and captured values.
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
    for_each_read(*node, visit);
  }
  return found;
}

}  // namespace

Activity::Activity(const Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt) {
  for (const Value* value : wrt) {
    if (has_derivative(*value)) active_.insert(value);
  }
  const std::unordered_set<const Node*> needed = producers(outputs);
  std::vector<const Region*> around;  // innermost first
  for (const Region* r = &region; r; r = r->owner ? r->owner->parent : nullptr) around.push_back(r);
  std::reverse(around.begin(), around.end());
  for (const Region* r : around) {
    for (const auto& node : r->nodes) {
      if (needed.contains(node.get()) && extend(*node)) nodes_.push_back(node.get());
    }
  }
}

bool Activity::extend(const Node& node) {
  if (node.op->constant_gradient) return false;
  bool reads_active = false;
  for_each_read(node, [&](const Value* value) { reads_active |= active(value); });
  if (!reads_active) return false;
  bool any = false;
  for (const auto& result : node.results) {
    if (!has_derivative(*result)) continue;
    active_.insert(result.get());
    any = true;
  }
  return any;
}

void fail_without_derivative(const Node& node, const std::string& mode) {
  const std::string& why = node.op->no_derivative;
  throw UserError(node.locations.empty() ? Location{} : node.locations.front(),
                  node.op->name + ": has no " + mode + "-mode derivative" + (why.empty() ? "" : ": " + why));
}

void check_captures(const Node& node, const Activity& activity, const std::string& mode) {
  if (node.regions.empty()) return;
  for (const Value* captured : captured_values(node)) {
    if (activity.active(captured)) fail_without_derivative(node, mode);
  }
}

std::vector<Term> terms(Builder& builder, const std::vector<Value*>& values) {
  std::vector<Term> result;
  result.reserve(values.size());
  for (Value* value : values) result.emplace_back(builder, value);
  return result;
}

std::vector<Term> result_terms(Builder& builder, const Node& node) {
  std::vector<Term> result;
  result.reserve(node.results.size());
  for (const auto& value : node.results) result.emplace_back(builder, value.get());
  return result;
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
