// Asking for a row's memory while the row before it is computed.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

constexpr std::int64_t kLine = 64;  // bytes of a cache line

// What a loop asks for beside its own work, in each of its rounds: an element, and those of the lanes after it.
struct Ahead {
  int buffer = -1;
  DType type = DType::f32;
  Affine element;
  bool written = false;
};

// By loop. A hint to the machine alone: results are the same without, and a place outside of the buffer is no fault.
std::map<const Instr*, std::vector<Ahead>> rows_ahead(const KernelProgram& program, const Kernel& kernel);

}  // namespace gradc::codegen
