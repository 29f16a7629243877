// What attributes of movement ops mean, worked out.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ir/op.h"

namespace gradc {

// As a `limit` of `slice`: to the end of the dimension, whatever its size.
inline constexpr std::int64_t kToEnd = std::numeric_limits<std::int64_t>::max();

// One dimension of a slice: elements start, start + stride, … below limit.
struct SliceRange {
  Dim size;  // of the result
  std::int64_t start = 0;
  std::int64_t stride = 1;
};
// The ranges of a `slice`, one a dimension; CallError where they don't fit the operand.
std::vector<SliceRange> slice_ranges(const Call& call);

}  // namespace gradc
