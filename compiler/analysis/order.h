// Orders of a region's nodes, and whether groups of them have one.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// `after` is wished behind `before`; both are of the region.
struct Wish {
  const Node* before = nullptr;
  const Node* after = nullptr;
};

// Every node behind the producers of what it reads. At each place stands, of the nodes whose producers are done, the
// region's first one whose wishes are kept; where none's are, the region's first one. So without wishes a region that
// is in order is returned as it is. InternalError where nodes read each other in a circle.
std::vector<const Node*> topological_order(const Region& region, std::span<const Wish> wishes = {});

// Where a node goes when groups become single nodes: a group's number from 0 on, or one of these.
constexpr int kAlone = -1;   // stays a node by itself
constexpr int kCopied = -2;  // each of its readers has its own copy

// Of the groups and the nodes alone, those that read each other in a circle and so can't be put in order: their nodes,
// in the region's order. Empty: all is well.
std::vector<const Node*> nodes_on_circles(const Region& region, const std::function<int(const Node*)>& group_of);

}  // namespace gradc
