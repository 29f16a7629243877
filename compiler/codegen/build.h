// Kernel module → LLVM modules and object bytes: one way for JIT, cache and files.
#pragma once

#include <llvm/IR/Module.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

// A kernel of a module: (program, kernel).
struct KernelPlace {
  std::size_t program = 0, kernel = 0;
};

// Cuts a module's kernels into at most `parts` lists of about the same work for the compiler. Kernels that share a tile
// tend to stay together, as each part has its own copy.
std::vector<std::vector<KernelPlace>> partition(const KernelModule& module, int parts);

// The whole module; its kernels are internal.
std::unique_ptr<llvm::Module> build_module(const KernelModule& module, llvm::LLVMContext& context);

// One object with all in it.
std::vector<std::byte> object_of(const KernelModule& module, int optimize);
// Objects to be linked together, compiled at once on several threads.
// `watched`: entries tell of every launch (watch.h).
std::vector<std::vector<std::byte>> objects_of(const KernelModule& module, int optimize, bool watched = false);

// An ELF shared object of one object file, by the linker found on PATH (ld.lld, ld, or cc).
std::vector<std::byte> link_shared(const std::vector<std::byte>& object);

}  // namespace gradc::codegen
