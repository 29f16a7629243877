// Asking for a row's memory while the row before it is computed.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

constexpr std::int64_t kLine = 64;  // bytes of a cache line

// What a loop asks for beside its own work, of the next parallel round: the place of every round of the loop.
struct Ahead {
  int buffer = -1;
  DType type = DType::f32;
  std::int64_t offset = 0, step = 0;  // element offset + step * parallel round + loop round
  bool written = false;
};

// By loop. A hint to the machine alone: results are the same without, and a place outside of the buffer is no fault.
std::map<const Instr*, std::vector<Ahead>> rows_ahead(const KernelProgram& program, const Kernel& kernel);

}  // namespace gradc::codegen
