// Drops what nobody reads: nodes, and the values that loops and branches carry, slice, read and emit. No op has
// effects, so that is all they are for.
//
//   1. Nodes are visited last to first; what the region's results read is alive. A node with a live result is kept.
//   2. Of a loop or branch that is kept, a yield is alive where its result is, and a parameter where a live yield reads
//      it. A live parameter that is carried keeps its yield alive: a fixpoint. The rest is dropped, so that a chain of
//      carried values that feeds itself only goes away.
//   3. Until a round changes nothing, since what regions read less of may let more go.
#include <algorithm>
#include <unordered_set>

#include "compiler/passes/pass.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

using Live = std::unordered_set<const Value*>;

bool is_live(const Node& node, const Live& live) {
  for (const auto& result : node.results) {
    if (live.contains(result.get())) return true;
  }
  return false;
}

// What the marked yields of a region need.
Live needs(const Region& region, const std::vector<bool>& yields) {
  Live live;
  for (std::size_t i = 0; i < region.results.size(); ++i) {
    if (yields[i]) live.insert(region.results[i]);
  }
  for (auto node = region.nodes.rbegin(); node != region.nodes.rend(); ++node) {
    if (is_live(**node, live)) live.insert((*node)->operands.begin(), (*node)->operands.end());
  }
  return live;
}

// Marks the operands whose parameters are read, given the results that are.
std::vector<bool> read_operands(const Node& node, const Wiring& wiring, const std::vector<bool>& results) {
  std::vector<bool> read(node.operands.size(), false);
  for (std::size_t i = 0; i < wiring.leading; ++i) read[i] = true;
  for (std::size_t r = 0; r < node.regions.size(); ++r) {
    const Region& region = *node.regions[r];
    const Live live =
        needs(region, yields_results(*node.op, r) ? results : std::vector<bool>(region.results.size(), true));
    for (std::size_t i = wiring.leading; i < read.size(); ++i) {
      if (live.contains(region.parameters[i - wiring.leading].get())) read[i] = true;
    }
  }
  return read;
}

bool prune(Node& node, const Live& live) {
  const std::optional<Wiring> wiring = wiring_of(node);
  if (!wiring) return false;
  std::vector<bool> results, operands;
  for (const auto& result : node.results) results.push_back(live.contains(result.get()));
  for (bool changed = true; changed;) {
    changed = false;
    operands = read_operands(node, *wiring, results);
    for (std::size_t i = 0; i < wiring->carried; ++i) {
      if (operands[i] && !results[i]) results[i] = changed = true;
      operands[i] = results[i];
    }
  }
  const auto all = [](const std::vector<bool>& marks) {
    return std::find(marks.begin(), marks.end(), false) == marks.end();
  };
  if (all(operands) && all(results)) return false;
  keep_marked(node, operands, results);
  return true;
}

bool sweep(Region& region) {
  Live live(region.results.begin(), region.results.end());
  bool changed = false;
  for (std::size_t i = region.nodes.size(); i-- > 0;) {
    Node& node = *region.nodes[i];
    if (!is_live(node, live)) {
      region.nodes[i].reset();
      changed = true;
      continue;
    }
    changed |= prune(node, live);
    live.insert(node.operands.begin(), node.operands.end());
    for (const auto& inner : node.regions) changed |= sweep(*inner);
  }
  std::erase(region.nodes, nullptr);
  return changed;
}

}  // namespace

bool eliminate_dead_code(Function& function, const Options&) {
  bool changed = false;
  while (sweep(function.body)) changed = true;
  return changed;
}

}  // namespace gradc
