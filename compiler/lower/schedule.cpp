// The order in which a region's nodes are lowered.
#include <map>

#include "compiler/analysis/order.h"
#include "compiler/lower/lowering.h"

namespace gradc {

// 1. Every node waits for its operands.
// 2. The node that makes a new value also waits for the other readers of the old one, so that it may overwrite it;
// where the only nodes left wait in this way, the first of them goes ahead (and its result is copied).
// 3. Otherwise the order of the graph is kept.
std::vector<const Node*> schedule(const Region& region, const std::vector<Destination>& to) {
  std::map<const Value*, std::vector<const Node*>> readers;
  for (const auto& node : region.nodes)
    for (const Value* operand : node->operands) readers[operand].push_back(node.get());
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const Value* value = region.results[i];
    if (!to[i].old || !value->node) continue;
    for (const Node* reader : readers[to[i].old]) wishes.push_back({reader, value->node});
  }
  return topological_order(region, wishes);
}

}  // namespace gradc
