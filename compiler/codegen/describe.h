// What callers must know of a kernel program, in the runtime's words; needs no LLVM.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gradc/executable.h"
#include "ir/kernel.h"

namespace gradc::codegen {

// A C identifier: every other character becomes `_`.
std::string identifier(const std::string& name);
// "<module>_<program>", the symbol of the entry.
std::string entry_symbol(const KernelModule& module, const KernelProgram& program);

std::int64_t scalars_bytes(const KernelProgram& program);
std::vector<std::byte> scalar_defaults(const KernelProgram& program);

runtime::Array describe(const KernelParameter& parameter);
// All but entry and code.
runtime::Executable describe(const KernelProgram& program);

}  // namespace gradc::codegen
