// Straight-line code that repeats itself, each time on what the time before has left: the rounds of random bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ir/scalar.h"

namespace gradc::codegen {

// `times` runs of `length` instructions of a block, one behind the other, alike up to what they read.
struct Repeat {
  struct Operand {
    std::size_t instruction = 0, argument = 0;  // of a run
    std::size_t source = 0;                     // carried: the instruction of the run before that makes it
  };
  std::size_t begin = 0;  // in the block
  std::size_t length = 0, times = 0;
  std::vector<Operand> carried;  // from a run to the next; the first takes them from before
  std::vector<Operand> varying;  // from before the block, another value for each run

  std::size_t end() const { return begin + length * times; }
  std::size_t place(std::size_t time, std::size_t instruction) const { return begin + time * length + instruction; }
};

// Those that are long and frequent enough to be a loop, in order; only values of the last run are read behind it.
// `results` are what is read behind the block.
std::vector<Repeat> repeats(const std::vector<Instr>& block, std::span<const int> results);

}  // namespace gradc::codegen
