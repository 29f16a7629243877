// Scalar code of a kernel that comes again, on other operands: the powers of two numbers, for one.
#pragma once

#include <cstddef>
#include <vector>

#include "ir/scalar.h"

namespace gradc::codegen {

// Equal runs of instructions of a block, each with one result; the first is the code of all.
struct Chain {
  struct Call {
    std::size_t begin = 0;      // in the block
    std::vector<int> operands;  // values from before the run, in one order for all calls
    int result = -1;
  };
  std::size_t length = 0;
  std::vector<Call> calls;  // two or more, in order
};

// Those that are long enough to be a function. Instructions of inner blocks belong to no chain.
std::vector<Chain> repeated_chains(const std::vector<Instr>& block);

}  // namespace gradc::codegen
