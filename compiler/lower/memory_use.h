// What a planned program holds in its arena at the fullest moment of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.h"

namespace gradc {

struct MemoryUse {
  int statements = 0;            // of the entry
  std::int64_t most = 0;         // bytes that live at the peak: no placement of these buffers needs less
  int peak = -1;                 // the number of the statement where that is; -1: the arena is empty
  int kernel = -1;               // the one that runs there; -1: a copy, a loop or a branch
  std::vector<int> living;       // the arena's buffers that live there, largest first
  std::int64_t most_values = 0;  // the same for values alone, without the copies that contractions read
  int values_peak = -1;
};

MemoryUse memory_use(const KernelProgram& program);

// What a step takes with one worker: the model's state and the workspace. UserError where it is over what 64 bits can
// address.
std::int64_t step_bytes(const KernelProgram& program, std::int64_t state);

}  // namespace gradc
