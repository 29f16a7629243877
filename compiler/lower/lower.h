// Fused graph → kernel program.
#pragma once

#include "compiler/pipeline.h"
#include "ir/kernel.h"

namespace gradc {

// The function must be static, differentiated, without composites, and fused. Buffers of the arena have no offset yet.
KernelProgram lower_function(const Function& function, const StateLayout& state, const Options& options);

// Gives every arena and worker buffer its offset: liveness over the entry, updates in place, first fit by size.
void plan_memory(KernelProgram& program);

}  // namespace gradc
