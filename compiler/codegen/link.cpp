// Object file → shared object, by a linker of the system.
#include <llvm/Support/FileSystem.h>
#include <llvm/Support/FileUtilities.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/Program.h>
#include <llvm/Support/raw_ostream.h>

#include "compiler/codegen/build.h"

namespace gradc::codegen {
namespace {

// A file that is removed when it goes out of scope.
struct TemporaryFile {
  explicit TemporaryFile(const char* suffix) {
    if (std::error_code failed = llvm::sys::fs::createTemporaryFile("gradc", suffix, path))
      throw UserError(Location{}, "cannot make a temporary file: " + failed.message());
    remover.setFile(path);
  }
  llvm::SmallString<128> path;
  llvm::FileRemover remover;
};

}  // namespace

std::vector<std::byte> link_shared(const std::vector<std::byte>& object) {
  llvm::ErrorOr<std::string> linker = std::make_error_code(std::errc::no_such_file_or_directory);
  for (const char* name : {"ld.lld", "ld", "cc"}) {
    linker = llvm::sys::findProgramByName(name);
    if (linker) break;
  }
  if (!linker)
    throw UserError(Location{}, "a shared object needs a linker: none of `ld.lld`, `ld` and `cc` is on PATH");
  TemporaryFile in("o"), out("so"), log("log");
  {
    std::error_code failed;
    llvm::raw_fd_ostream file(in.path, failed);
    if (!failed) file.write(reinterpret_cast<const char*>(object.data()), object.size());
    file.close();
    if (failed || file.has_error()) throw UserError(Location{}, "cannot write `" + in.path.str().str() + "`");
  }
  llvm::StringRef args[] = {*linker, "-shared", "-o", out.path, in.path};
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, llvm::StringRef(log.path), llvm::StringRef(log.path)};
  if (llvm::sys::ExecuteAndWait(*linker, args, std::nullopt, redirects) != 0) {
    auto said = llvm::MemoryBuffer::getFile(log.path);
    throw UserError(Location{},
                    "`" + *linker + "` failed: " + (said ? (*said)->getBuffer().trim().str() : "no message"));
  }
  auto linked = llvm::MemoryBuffer::getFile(out.path);
  if (!linked) throw UserError(Location{}, "cannot read `" + out.path.str().str() + "`");
  const auto* first = reinterpret_cast<const std::byte*>((*linked)->getBufferStart());
  return {first, first + (*linked)->getBufferSize()};
}

}  // namespace gradc::codegen
