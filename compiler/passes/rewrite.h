// The walk that most passes are made of: nodes in order, each kept or replaced by what a rule appends.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// The results that stand for the node's own, or nothing to keep it. What the rule appends through the builder comes
// right before the node's place; the builder's locations are the node's. The node's operands are rewritten already,
// and the node stays valid until the walk ends.
using Rule = std::function<std::optional<std::vector<Value*>>(Builder& builder, Node& node)>;

// Walks the region and the regions inside it. A replacement without a name takes the name of what it replaces.
// Returns whether a rule replaced anything. Nodes that a rule appends are not visited.
bool rewrite(Region& region, const Rule& rule);

// Follows `replacements` to the value that finally stands for `value`.
Value* resolve(const ValueMap& replacements, Value* value);

}  // namespace gradc
