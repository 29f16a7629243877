// Kernel modules to LLVM modules, and on to objects, shared objects, LLVM IR and assembly.
#include "compiler/codegen/codegen.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>
#include <future>
#include <thread>

#include "compiler/codegen/build.h"
#include "compiler/codegen/describe.h"
#include "compiler/codegen/machine.h"
#include "compiler/codegen/unit.h"

namespace gradc {
namespace codegen {
namespace {

constexpr int kMostParts = 4;

const Target& target_of(const KernelModule& module) {
  ensure(!module.programs.empty(), "codegen: a module has programs");
  const Target& target = module.programs.front().target;
  for (const KernelProgram& program : module.programs)
    ensure(program.target.cpu == target.cpu, "codegen: all programs of a module have one target");
  return target;
}

// The kernels of one part; with `entries`, also the entries of all programs. In a module of one part kernels are
// internal, else they are symbols by which the entries of another part find them.
std::unique_ptr<llvm::Module> build_part(const KernelModule& module, llvm::LLVMContext& context,
                                         const std::vector<KernelPlace>& kernels, bool entries, bool alone,
                                         bool watched) {
  Unit unit(context, module.name, target_of(module));
  auto linkage = alone ? llvm::GlobalValue::InternalLinkage : llvm::GlobalValue::ExternalLinkage;
  std::vector<std::vector<llvm::Function*>> functions;
  for (const KernelProgram& program : module.programs) functions.emplace_back(program.kernels.size());
  for (auto [p, k] : kernels)
    functions[p][k] = emit_kernel(unit, module.programs[p], module.programs[p].kernels[k], linkage);
  for (std::size_t p = 0; entries && p < module.programs.size(); ++p) {
    const KernelProgram& program = module.programs[p];
    for (std::size_t k = 0; k < program.kernels.size(); ++k)
      if (!functions[p][k]) functions[p][k] = declare_kernel(unit, program, program.kernels[k], linkage);
    emit_entry(unit, entry_symbol(module, program), program, functions[p], watched);
  }
  return unit.take();
}

std::vector<std::byte> compile(llvm::Module& built, const Target& target, int optimize) {
  auto machine = make_machine(target, optimize);
  optimize_module(built, *machine, optimize);
  return emit_machine_code(built, *machine, false);
}

}  // namespace

std::unique_ptr<llvm::Module> build_module(const KernelModule& module, llvm::LLVMContext& context) {
  return build_part(module, context, partition(module, 1).front(), true, true, false);
}

std::vector<std::byte> object_of(const KernelModule& module, int optimize) {
  llvm::LLVMContext context;
  return compile(*build_module(module, context), target_of(module), optimize);
}

std::vector<std::vector<std::byte>> objects_of(const KernelModule& module, int optimize, bool watched) {
  int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::vector<KernelPlace>> parts = partition(module, std::min(cores, kMostParts));
  auto object = [&](std::size_t i) {
    llvm::LLVMContext context;
    return compile(*build_part(module, context, parts[i], i == 0, parts.size() == 1, watched), target_of(module),
                   optimize);
  };
  std::vector<std::future<std::vector<std::byte>>> others;
  for (std::size_t i = 1; i < parts.size(); ++i) others.push_back(std::async(std::launch::async, object, i));
  std::vector<std::vector<std::byte>> objects = {object(0)};
  for (auto& other : others) objects.push_back(other.get());
  return objects;
}

}  // namespace codegen

std::vector<std::byte> emit(const KernelModule& module, Emit what, int optimize) {
  if (what == Emit::object) return codegen::object_of(module, optimize);
  if (what == Emit::shared_object) return codegen::link_shared(codegen::object_of(module, optimize));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> built = codegen::build_module(module, context);
  auto machine = codegen::make_machine(codegen::target_of(module), optimize);
  codegen::optimize_module(*built, *machine, optimize);
  if (what == Emit::assembly) return codegen::emit_machine_code(*built, *machine, true);
  std::string text;
  llvm::raw_string_ostream out(text);
  built->print(out, nullptr);
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

}  // namespace gradc
