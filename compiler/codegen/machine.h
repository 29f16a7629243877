// LLVM's view of a target, and the way from an LLVM module to an object file or assembly.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "ir/target.h"

namespace gradc::codegen {

// Registers the host's code generator with LLVM, once; before anything that looks a target up.
void initialise_llvm();
std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, int optimize);
// Sets triple and data layout; then the passes of the level.
void optimize_module(llvm::Module& module, llvm::TargetMachine& machine, int optimize);
std::vector<std::byte> emit_machine_code(llvm::Module& module, llvm::TargetMachine& machine, bool assembly);

}  // namespace gradc::codegen
