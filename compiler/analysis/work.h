// What it takes to compute a node once more.
#pragma once

#include <cstdint>

#include "ir/graph.h"

namespace gradc {

enum class Effort : std::uint8_t {
  none,         // movement, constants: every kernel reads through them
  elementwise,  // a few operations an element of the result, lookups included
  reduction,    // sums, pooling, scattered sums: the operands are read as a whole
  random,       // elementwise, and costly by its entry
  product,      // costly by its entry, and a sum: products, convolutions
  region,       // loops, branches, and what is not static: not to be repeated
};

struct Work {
  Effort effort = Effort::region;
  std::int64_t operations = 0;  // scalar ones, of all elements
};

// The node's types must be static.
Work work_of(const Node& node);

}  // namespace gradc
