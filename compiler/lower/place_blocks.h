// Offsets of blocks that live for a while each, in as little memory as possible.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/lower/lifetimes.h"

namespace gradc {

// Every buffer of the workspace begins at a multiple of this.
constexpr std::int64_t kAlignment = 64;
constexpr std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Block {
  std::int64_t bytes = 0;  // aligned
  Lifetime lifetime;
  std::int64_t offset = -1;
};

// The most bytes that live at one time: no placement needs less.
std::int64_t most_living(const std::vector<Block>& blocks);

// Gives every block an offset such that no two that live at the same time overlap; the bytes from 0 to the end of the
// highest. Several orders of first fit; the best is improved, up to some effort, until it is near the bound. The same
// blocks are always placed in the same way.
std::int64_t place(std::vector<Block>& blocks);

}  // namespace gradc
