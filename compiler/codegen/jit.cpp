// Kernel modules compiled and loaded in this process through ORC; the code lives as long as an executable of it.
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/Error.h>
#include <llvm/Support/MemoryBuffer.h>

#include "compiler/codegen/build.h"
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/describe.h"

namespace gradc {
namespace {

template <class T>
T must(llvm::Expected<T> result) {
  if (!result) internal_error("jit: " + llvm::toString(result.takeError()));
  return std::move(*result);
}

}  // namespace

std::vector<runtime::Executable> load(const KernelModule& module, int optimize) {
  std::vector<std::vector<std::byte>> objects = codegen::objects_of(module, optimize);
  auto machine = must(llvm::orc::JITTargetMachineBuilder::detectHost());
  std::shared_ptr<llvm::orc::LLJIT> jit =
      must(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create());
  for (const std::vector<std::byte>& object : objects) {
    llvm::StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
    if (llvm::Error failed = jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(bytes, module.name)))
      internal_error("jit: " + llvm::toString(std::move(failed)));
  }
  std::vector<runtime::Executable> executables;
  for (const KernelProgram& program : module.programs) {
    runtime::Executable executable = codegen::describe(program);
    executable.entry = must(jit->lookup(codegen::entry_symbol(module, program))).toPtr<gradc_entry>();
    executable.code = jit;
    executables.push_back(std::move(executable));
  }
  return executables;
}

}  // namespace gradc
