// What a kernel program does, in numbers: operations, memory traffic, launches. For people and profiles.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/kernel.h"

namespace gradc {

struct KernelWork {
  // One for each addition, subtraction, multiplication, division and square root of floats outside of register tiles,
  // two an fma, as the code has them; slow sides that run rarely do not count.
  std::int64_t operations = 0;
  std::int64_t tile_multiply_adds = 0;  // of register tiles, padding included, also what they leave out of it
  // What must go between the kernel and memory: each element of a buffer that it reads, and each that it writes, once.
  // Workspace of a single worker does not count.
  std::int64_t read_bytes = 0, written_bytes = 0;

  std::int64_t bytes() const { return read_bytes + written_bytes; }
};

// One launch.
KernelWork work_of(const KernelProgram& program, const Kernel& kernel);
// Launches of each kernel in one call. Of a `while` without max_trips one trip counts, of an `if` both sides.
std::vector<std::int64_t> launches_of(const KernelProgram& program);
// One call, copies included.
KernelWork work_of(const KernelProgram& program);

}  // namespace gradc
