// The cheapest way to hand values from the early part of a region to the late part.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// More than anything that is to be paid; a few thousand of it can be added.
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max() / 4096;

struct CutCosts {
  std::function<std::int64_t(const Value*)> keep;      // of a value, until the late part has read it
  std::function<std::int64_t(const Node*)> recompute;  // of a node, for the late part
};

struct Cut {
  std::vector<const Value*> kept;       // in order of their producers
  std::vector<const Node*> recomputed;  // in the region's order
  std::int64_t cost = 0;                // of both; kNever or more: there is no way
};

// The nodes are in two parts, and no early one reads what a late one makes. Every early value that the late part reads
// is kept, or its producer is run again for the late part, on values that are kept or made anew themselves. The
// region's parameters are there for everybody. Of the cheapest ways, the one that recomputes least.
Cut cheapest_cut(const Region& region, const std::function<bool(const Node*)>& is_late, const CutCosts& costs);

}  // namespace gradc
