// The order in which a region's nodes are lowered.
#include <set>

#include "compiler/analysis/liveness.h"
#include "compiler/analysis/order.h"
#include "compiler/lower/lowering.h"

namespace gradc {

namespace {

// Parameters are there already, results go to their destinations, constants are tables; all else takes the workspace.
Residences in_workspace(const Region& region) {
  auto base = [](const Value* value) {
    while (value->node && is_view(*value->node)) value = value->node->operands[0];
    return value;
  };
  std::set<const Value*> elsewhere;
  for (const Value* result : region.results) elsewhere.insert(base(result));
  return [base, elsewhere](const Value* value) -> Residence {
    const Value* at = base(value);
    if (!at->node || at->node->op->irregular == Irregular::constant || elsewhere.contains(at)) return {at, 0};
    return {at, at->type.elements() * byte_size(at->type.dtype)};
  };
}

}  // namespace

Readers readers_in(const Region& region) {
  Readers readers;
  for (const auto& node : region.nodes)
    for (const Value* operand : node->operands) readers[operand].push_back(node.get());
  return readers;
}

// 1. Every node waits for its operands.
// 2. The node that makes a new value also waits for the other readers of the old one, so that it may overwrite it;
// where the only nodes left wait in this way, the first of them goes ahead (and its result is copied).
// 3. Otherwise the order of the graph is kept, but that what frees memory goes ahead and what takes it waits.
std::vector<const Node*> schedule(const Region& region, const std::vector<Destination>& to) {
  const Readers readers = readers_in(region);
  std::vector<Wish> wishes;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const Value* value = region.results[i];
    const auto found = readers.find(to[i].old);
    if (!to[i].old || !value->node || found == readers.end()) continue;
    for (const Node* reader : found->second) wishes.push_back({reader, value->node});
  }
  return Liveness(region, in_workspace(region)).settled(topological_order(region, wishes), wishes);
}

}  // namespace gradc
