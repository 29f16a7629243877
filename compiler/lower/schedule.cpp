// The order in which a function's nodes are lowered.
#include <algorithm>
#include <map>
#include <set>

#include "compiler/lower/lowering.h"

namespace gradc {

// 1. Every node waits for its operands.
// 2. The node that makes the new value of a state entry also waits for the other readers of the old one, so that it may
//    overwrite it; where the only nodes left wait in this way, the first of them goes ahead (and its result is copied).
// 3. Otherwise the order of the graph is kept.
std::vector<const Node*> schedule(const Function& function) {
  std::map<const Value*, std::vector<const Node*>> readers;
  for (const auto& node : function.body.nodes)
    for (const Value* operand : node->operands) readers[operand].push_back(node.get());
  std::map<const Node*, std::set<const Node*>> polite;  // writer → readers of what it overwrites
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    const Value* value = function.body.results[i];
    const Value* old = function.results[i].role == Role::state ? function.parameter(function.results[i].name) : nullptr;
    if (!old || !value->node) continue;
    for (const Node* reader : readers[old])
      if (reader != value->node) polite[value->node].insert(reader);
  }
  std::vector<const Node*> order;
  std::set<const Node*> done;
  std::vector<const Node*> left;
  for (const auto& node : function.body.nodes) left.push_back(node.get());
  auto ready = [&](const Node* node) {
    return std::all_of(node->operands.begin(), node->operands.end(),
                       [&](const Value* v) { return !v->node || done.contains(v->node); });
  };
  auto waits = [&](const Node* node) {
    auto found = polite.find(node);
    return found != polite.end() && std::any_of(found->second.begin(), found->second.end(),
                                                [&](const Node* reader) { return !done.contains(reader); });
  };
  while (!left.empty()) {
    auto next = std::find_if(left.begin(), left.end(), [&](const Node* n) { return ready(n) && !waits(n); });
    if (next == left.end()) next = std::find_if(left.begin(), left.end(), ready);
    ensure(next != left.end(), "the nodes of a function are in no order");
    done.insert(*next);
    order.push_back(*next);
    left.erase(next);
  }
  return order;
}

}  // namespace gradc
