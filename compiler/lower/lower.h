// Fused graph → kernel program.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "compiler/pipeline.h"
#include "ir/kernel.h"

namespace gradc {

// The function must be static, differentiated, without composites, and fused. Buffers of the arena have no offset yet.
KernelProgram lower_function(const Function& function, const StateLayout& state, const Options& options);

// By kernel: the multiply-adds of the contraction that its tiles compute, by definition (compiler/analysis), shared by
// the kernels of one contraction as they share its tiles. For profiles: lowers again.
std::map<std::string, std::int64_t> multiply_adds_by_kernel(const Function& function, const StateLayout& state,
                                                            const Options& options);

// Gives every arena and worker buffer its offset: liveness over the entry, updates in place, first fit by size.
void plan_memory(KernelProgram& program);

}  // namespace gradc
