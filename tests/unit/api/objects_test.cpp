// An object that uses every op of the registry, with gradients: at each CPU it needs nothing but memory functions.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "tests/support/catch.h"
#include "tests/unit/api/family_modules.h"

using namespace gradc;

namespace {

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string text;
  char buffer[4096];
  while (std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, count);
  REQUIRE(pclose(pipe) == 0);
  return text;
}

std::set<std::string> undefined_symbols(const std::vector<std::byte>& object) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("gradc-objects-test-" + std::to_string(std::rand()) + ".o");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(object.data()), static_cast<std::streamsize>(object.size()));
  std::istringstream listing(output_of("nm -u " + path.string()));
  std::filesystem::remove(path);
  std::set<std::string> symbols;
  for (std::string kind, name; listing >> kind >> name;) symbols.insert(name);
  return symbols;
}

}  // namespace

TEST_CASE("an object of every op needs nothing but memcpy, memmove and memset") {
  if (std::system("command -v nm >/dev/null") != 0) {
    WARN("skipped: nm is missing");
    return;
  }
  std::map<std::string, FamilyModule> modules = families(2);
  for (const char* cpu : {"x86-64", "haswell", "znver5"}) {
    Options options;
    options.optimize = 1;
    options.target = *find_target(cpu);
    for (const auto& [family, made] : modules) {
      INFO(family << " for " << cpu);
      const KernelModule kernels = compile_to_kernels(clone_module(*made.module), StateLayout{}, {}, options);
      std::set<std::string> symbols = undefined_symbols(emit(kernels, Emit::object, options.optimize));
      for (const char* allowed : {"memcpy", "memmove", "memset"}) symbols.erase(allowed);
      CHECK(symbols == std::set<std::string>{});
    }
  }
}
