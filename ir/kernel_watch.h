// What a run of a kernel program touches, told as it happens.
#pragma once

#include <cstdint>

#include "ir/kernel.h"

namespace gradc {

class KernelWatch {
 public:
  virtual ~KernelWatch() = default;
  virtual void statement(const Statement& statement) = 0;  // a launch, a copy, or the reading of a flag begins
  virtual void round(std::int64_t round) = 0;              // a parallel round of the kernel begins
  // Views are told as elements of the buffer that they are part of.
  virtual void read(int buffer, std::int64_t element) = 0;
  virtual void write(int buffer, std::int64_t element) = 0;
};

// As interpret() without a watch, which may be null.
void interpret(const KernelProgram& program, const KernelCall& call, KernelWatch* watch);

}  // namespace gradc
