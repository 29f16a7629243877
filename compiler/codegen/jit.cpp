// Kernel modules compiled and loaded in this process through ORC; the code lives as long as an executable of it.
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/Error.h>
#include <llvm/Support/MemoryBuffer.h>

#include <chrono>

#include "compiler/codegen/build.h"
#include "compiler/codegen/cache.h"
#include "compiler/codegen/codegen.h"
#include "compiler/codegen/describe.h"
#include "compiler/codegen/machine.h"
#include "compiler/codegen/watch.h"

namespace gradc {
namespace {

template <class T>
T must(llvm::Expected<T> result) {
  if (!result) internal_error("jit: " + llvm::toString(result.takeError()));
  return std::move(*result);
}

constexpr std::chrono::milliseconds kWorthKeeping{30};  // a compilation that took less is not kept on disk

codegen::Objects cached_objects(const KernelModule& module, int optimize, bool watched) {
  std::string key = codegen::cache_key(module, optimize, watched);
  if (std::optional<codegen::Objects> known = codegen::find_cached(key)) return std::move(*known);
  auto start = std::chrono::steady_clock::now();
  codegen::Objects objects(codegen::objects_of(module, optimize, watched));
  if (std::chrono::steady_clock::now() - start >= kWorthKeeping) codegen::store_cached(key, objects);
  return objects;
}

std::vector<runtime::Executable> load(const KernelModule& module, int optimize, bool watched) {
  codegen::initialise_llvm();
  codegen::Objects objects = cached_objects(module, optimize, watched);
  auto machine = must(llvm::orc::JITTargetMachineBuilder::detectHost());
  std::shared_ptr<llvm::orc::LLJIT> jit =
      must(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create());
  for (std::span<const std::byte> object : objects.files) {  // linked, and no longer needed, once the entries are known
    llvm::StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
    if (llvm::Error failed = jit->addObjectFile(llvm::MemoryBuffer::getMemBuffer(bytes, module.name, false)))
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

}  // namespace

std::vector<runtime::Executable> load(const KernelModule& module, int optimize) {
  return load(module, optimize, false);
}

std::vector<runtime::Executable> load_watched(const KernelModule& module, int optimize) {
  return load(module, optimize, true);
}

}  // namespace gradc
