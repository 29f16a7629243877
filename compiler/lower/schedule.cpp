// The order in which a function's nodes are lowered.
#include <map>

#include "compiler/analysis/order.h"
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
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    const Value* value = function.body.results[i];
    const Value* old = function.results[i].role == Role::state ? function.parameter(function.results[i].name) : nullptr;
    if (!old || !value->node) continue;
    for (const Node* reader : readers[old]) wishes.push_back({reader, value->node});
  }
  return topological_order(function.body, wishes);
}

}  // namespace gradc
