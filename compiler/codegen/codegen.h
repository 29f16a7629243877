// Kernel programs → native code. The only users of LLVM stand behind this header.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gradc/executable.h"
#include "ir/kernel.h"

namespace gradc {

enum class Emit : std::uint8_t { object, shared_object, llvm, assembly };

// One function for all: JIT, disk cache and AOT. Symbols: <module>_<program>, and what the header needs.
// The bytes are the object file, or text for llvm and assembly.
std::vector<std::byte> emit(const KernelModule& module, Emit what, int optimize);

// The self-contained C header that goes with the object: entry points, sizes, tables of names, shapes and offsets.
std::string emit_header(const KernelModule& module);

// The machine this process runs on, as a target with LLVM's name of the CPU.
Target host_target();

// Compiles in process. One executable a program, in order; they keep the code alive.
std::vector<runtime::Executable> load(const KernelModule& module, int optimize);

// Descriptions for the runtime.
runtime::StateTable state_table(const StateLayout& layout);

}  // namespace gradc
