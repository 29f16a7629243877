// Kernel module → object bytes: one function for JIT, cache and files.
#pragma once

#include <cstddef>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

std::vector<std::byte> object_of(const KernelModule& module, int optimize);
// An ELF shared object of one object file, by the linker found on PATH (ld.lld, ld, or cc).
std::vector<std::byte> link_shared(const std::vector<std::byte>& object);

}  // namespace gradc::codegen
