// Whether two nodes compute the same from the same operands.
#pragma once

#include <cstddef>

#include "ir/graph.h"

namespace gradc {

std::size_t mix(std::size_t seed, std::size_t value);

// One op, equal attributes, results of equal types, regions that do the same node by node.
bool same_but_operands(const Node& a, const Node& b);
// Equal for nodes that are the same.
std::size_t hash_but_operands(const Node& node);

}  // namespace gradc
