// Which values a derivative flows through; shared by both modes.
#pragma once

#include <span>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// A value is active where it is a float that depends on one of `wrt` through ops that have a derivative.
class Activity {
 public:
  // Considers the nodes of `region` that `outputs` depend on.
  Activity(const Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt);

  bool active(const Value* value) const { return active_.contains(value); }
  // Active nodes that lead to an output, every node after those it reads.
  const std::vector<Node*>& nodes() const { return nodes_; }
  // Takes in a node made after construction; says whether it is active.
  bool extend(const Node& node);

 private:
  std::unordered_set<const Value*> active_;
  std::vector<Node*> nodes_;
};

}  // namespace gradc
