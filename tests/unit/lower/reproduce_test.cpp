// A defect inside a pass leaves the graph before it, and the command that repeats it.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compiler/pipeline.h"
#include "ir/diagnostic.h"
#include "ir/text.h"
#include "tests/support/catch.h"

using namespace gradc;

TEST_CASE("a defect in a pass leaves a graph that parses and names the pass") {
  const std::filesystem::path here = std::filesystem::current_path();
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "gradc-reproduce-test";
  std::filesystem::create_directories(folder);
  std::filesystem::current_path(folder);
  Diagnostics diagnostics;
  auto module = parse_module("func @f(data %x: f32[N,2]) -> (data y) {\n  %y = exp(%x) : f32[N,2]\n  return %y\n}\n",
                             "t.gir", diagnostics);
  REQUIRE(module);
  Options options;
  options.target = *find_target("x86-64");
  options.before = [](std::string_view pass, const Module&) {
    if (pass == "fold_constants") throw InternalError("internal error: broken");
  };
  std::string message;
  try {
    compile_to_kernels(std::move(module), {}, {{"N", 3}}, options);
  } catch (const InternalError& error) {
    message = error.what();
  }
  std::filesystem::current_path(here);
  CHECK(message ==
        "internal error: broken; gradc-defect.gir holds the graph before it, repeat with: gradc opt gradc-defect.gir "
        "--pass "
        "fold_constants");
  std::stringstream text;
  text << std::ifstream(folder / "gradc-defect.gir").rdbuf();
  const auto left = parse_module(text.str(), "gradc-defect.gir", diagnostics);
  REQUIRE(left);
  CHECK(print(*left).find("exp(%x) : f32[3,2]") != std::string::npos);
  std::filesystem::remove_all(folder);
}
