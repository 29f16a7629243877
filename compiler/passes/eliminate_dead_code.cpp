// Drops nodes whose results nobody reads. No op has effects, so that is all a node is for.
//
//   1. Nodes are visited last to first; what the region's results read is alive.
//   2. A node with a live result is kept, and what it reads is alive, captured values of its regions included.
#include <unordered_set>

#include "compiler/passes/pass.h"

namespace gradc {

namespace {

using Live = std::unordered_set<const Value*>;

void mark_reads(const Region& region, Live& live) {
  for (const Value* value : region.results) live.insert(value);
  for (const auto& node : region.nodes) {
    live.insert(node->operands.begin(), node->operands.end());
    for (const auto& inner : node->regions) mark_reads(*inner, live);
  }
}

bool sweep(Region& region, Live& live) {
  for (const Value* value : region.results) live.insert(value);
  bool changed = false;
  for (std::size_t i = region.nodes.size(); i-- > 0;) {
    Node& node = *region.nodes[i];
    bool used = false;
    for (const auto& result : node.results) used |= live.contains(result.get());
    if (!used) {
      region.nodes[i].reset();
      changed = true;
      continue;
    }
    live.insert(node.operands.begin(), node.operands.end());
    for (const auto& inner : node.regions) {
      Live inside;
      changed |= sweep(*inner, inside);
      mark_reads(*inner, live);
    }
  }
  std::erase(region.nodes, nullptr);
  return changed;
}

}  // namespace

bool eliminate_dead_code(Function& function, const Options&) {
  Live live;
  return sweep(function.body, live);
}

}  // namespace gradc
