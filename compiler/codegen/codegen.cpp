// Kernel modules to LLVM modules, and on to objects, shared objects, LLVM IR and assembly.
#include "compiler/codegen/codegen.h"

#include <llvm/IR/LLVMContext.h>

#include "compiler/codegen/build.h"
#include "compiler/codegen/describe.h"
#include "compiler/codegen/machine.h"
#include "compiler/codegen/unit.h"

namespace gradc {
namespace codegen {

std::unique_ptr<llvm::Module> build_module(const KernelModule& module, llvm::LLVMContext& context) {
  ensure(!module.programs.empty(), "codegen: a module has programs");
  Unit unit(context, module.name, module.programs.front().target);
  for (const KernelProgram& program : module.programs) {
    ensure(program.target.cpu == unit.target().cpu, "codegen: all programs of a module have one target");
    std::vector<llvm::Function*> kernels;
    for (const Kernel& kernel : program.kernels)
      kernels.push_back(emit_kernel(unit, program, kernel, llvm::GlobalValue::InternalLinkage));
    emit_entry(unit, entry_symbol(module, program), program, kernels);
  }
  return unit.take();
}

std::vector<std::byte> object_of(const KernelModule& module, int optimize) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> built = build_module(module, context);
  auto machine = make_machine(module.programs.front().target, optimize);
  optimize_module(*built, *machine, optimize);
  return emit_machine_code(*built, *machine, false);
}

}  // namespace codegen

std::vector<std::byte> emit(const KernelModule& module, Emit what, int optimize) {
  if (what == Emit::object) return codegen::object_of(module, optimize);
  if (what == Emit::shared_object) return codegen::link_shared(codegen::object_of(module, optimize));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> built = codegen::build_module(module, context);
  auto machine = codegen::make_machine(module.programs.front().target, optimize);
  codegen::optimize_module(*built, *machine, optimize);
  if (what == Emit::assembly) return codegen::emit_machine_code(*built, *machine, true);
  std::string text;
  llvm::raw_string_ostream out(text);
  built->print(out, nullptr);
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

}  // namespace gradc
