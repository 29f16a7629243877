// What a defect of gradc leaves behind: the graph before the pass that failed, and the command that repeats it.
#pragma once

#include <string>

#include "compiler/pipeline.h"

namespace gradc {

// Compiles a copy of the module once more, up to the failure, and writes the last good graph to gradc-defect.gir in the
// current directory. Returns a sentence that names the file and the `gradc opt` line; "" where it does not fail again
// or the file can't be written.
std::string write_reproducer(const Module& module, const StateLayout& state, const Binding& binding,
                             const Options& options);

}  // namespace gradc
