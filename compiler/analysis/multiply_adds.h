// How many multiply-adds the contractions of a graph are by their definition, whatever code pads or cuts.
#pragma once

#include <cstdint>

#include "ir/graph.h"

namespace gradc {

// Terms of the sum that a contraction is (find_contraction), without those that a strided convolution's input gradient
// finds between the strides. 0: the node is no contraction. Types must be static.
std::int64_t multiply_adds_of(const Node& node);
// Of all nodes, in loops once a round (the most rounds, one where nothing bounds them; of a `cond` both sides).
std::int64_t multiply_adds_of(const Region& region);

}  // namespace gradc
