// What the machine can do, measured: what times of kernels are held against.
#pragma once

#include "gradc/abi.h"

namespace gradc::runtime {

// How a CPU multiplies and adds: the width of its vectors, and whether in one instruction.
struct VectorUnit {
  int bytes = 16;  // 16, 32 or 64
  bool fma = false;
};

// GFLOP/s of multiply-adds between registers, of all threads at once: the best of several short stretches. GRADC_F32 or
// GRADC_F64. A vector unit that the machine does not have, or that this build has no code for, gives 0.
double measure_peak_gflops(gradc_dtype dtype, VectorUnit unit, int threads);

// GB/s of a[i] = b[i] + s * c[i] over arrays far larger than the caches (as in McCalpin's STREAM, without the lines
// that a store reads first), of all threads at once: the best of several passes.
double measure_bandwidth(int threads);

}  // namespace gradc::runtime
