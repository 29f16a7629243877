// Entries that tell of every launch, for profiles. Others carry nothing of it.
#pragma once

#include <vector>

#include "compiler/codegen/codegen.h"
#include "gradc/watch.h"

namespace gradc {

// As load(). The entries must be called with a runtime::WatchedContext.
std::vector<runtime::Executable> load_watched(const KernelModule& module, int optimize);

}  // namespace gradc
