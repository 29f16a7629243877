// Targets in LLVM, the passes over a module, and machine code.
#include "compiler/codegen/machine.h"

#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetOptions.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <mutex>

#include "compiler/codegen/codegen.h"

namespace gradc {
namespace codegen {
namespace {

void must_verify(llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  if (llvm::verifyModule(module, &out)) internal_error("codegen: LLVM rejects the module: " + text);
}

}  // namespace

void initialise_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target, int optimize) {
  initialise_llvm();
  std::string triple = target.triple.empty() ? llvm::sys::getDefaultTargetTriple() : target.triple;
  std::string message;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!found) throw UserError(Location{}, "no code generator for target `" + triple + "`");
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  auto level = optimize == 0 ? llvm::CodeGenOptLevel::Less : llvm::CodeGenOptLevel::Default;
  std::unique_ptr<llvm::TargetMachine> machine(
      found->createTargetMachine(triple, target.cpu, "", options, llvm::Reloc::PIC_, llvm::CodeModel::Small, level));
  ensure(machine != nullptr, "codegen: LLVM makes a machine for a target it has");
  return machine;
}

void optimize_module(llvm::Module& module, llvm::TargetMachine& machine, int optimize) {
  module.setTargetTriple(machine.getTargetTriple().str());
  module.setDataLayout(machine.createDataLayout());
  must_verify(module);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);

  llvm::FunctionPassManager passes;
  passes.addPass(llvm::EarlyCSEPass(false));
  passes.addPass(llvm::InstCombinePass());
  if (optimize > 0) {
    passes.addPass(llvm::SimplifyCFGPass());
    passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
    passes.addPass(llvm::GVNPass());
    passes.addPass(llvm::InstCombinePass());
    passes.addPass(llvm::SimplifyCFGPass());
  }
  passes.addPass(llvm::DCEPass());
  llvm::ModulePassManager all;
  all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  all.run(module, modules);
}

std::vector<std::byte> emit_machine_code(llvm::Module& module, llvm::TargetMachine& machine, bool assembly) {
  llvm::SmallVector<char, 0> code;
  llvm::raw_svector_ostream out(code);
  llvm::legacy::PassManager passes;
  auto kind = assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  ensure(!machine.addPassesToEmitFile(passes, out, nullptr, kind, true),
         "codegen: the machine emits this kind of file");
  passes.run(module);
  const auto* first = reinterpret_cast<const std::byte*>(code.data());
  return {first, first + code.size()};
}

}  // namespace codegen

// The row of the host's CPU; where there is none, the best row that its features allow.
Target host_target() {
  std::string cpu = llvm::sys::getHostCPUName().str();
  if (const Target* known = find_target(cpu)) return *known;
  auto features = llvm::sys::getHostCPUFeatures();
  auto has = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (!features.lookup(name)) return false;
    return true;
  };
  const char* best = "x86-64";
  if (has({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "fma", "bmi2"}))
    best = "x86-64-v4";
  else if (has({"avx2", "fma", "bmi2", "f16c", "movbe", "lzcnt"}))
    best = "x86-64-v3";
  else if (has({"sse4.2", "ssse3", "popcnt"}))
    best = "x86-64-v2";
  const Target* row = find_target(best);
  ensure(row != nullptr, "codegen: the table of targets has x86-64 to x86-64-v4");
  return *row;
}

}  // namespace gradc
