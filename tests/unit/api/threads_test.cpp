// Every program of every example and workload computes the same bits on any number of threads.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "compiler/api/read_array.h"
#include "compiler/api/rehearsal.h"
#include "compiler/codegen/codegen.h"
#include "compiler/frontend/spec.h"
#include "gradc/dataset.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargeState = 16 << 20;  // bytes: beyond, a model is for the slow test

std::vector<fs::path> specs() {
  std::vector<fs::path> found;
  for (const char* folder : {"examples", "tests/bench/workloads"})
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(GRADC_SOURCE_DIR) / folder))
      if (entry.path().extension() == ".json") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::unique_ptr<ModelGraph> read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  SpecOptions options;
  options.directory = path.parent_path().string();
  options.read_array = read_array;
  options.generator_options = runtime::generator_options;
  options.wrong_generator_option = runtime::wrong_generator_option;
  Diagnostics diagnostics;
  std::unique_ptr<ModelGraph> model = load_spec(text.str(), path.string(), options, diagnostics);
  REQUIRE(!diagnostics.has_errors());
  return model;
}

// State and outputs after two steps on synthetic data.
std::vector<std::byte> results(ModelCompiler& compiler, const CompiledProgram& program, int threads) {
  const runtime::ThreadPool pool(threads);
  Rehearsal rehearsal(compiler, program, threads > 1 ? pool.context() : nullptr, 1);
  rehearsal.step();
  rehearsal.step();
  std::vector<std::byte> all(rehearsal.state().data(), rehearsal.state().data() + compiler.state().bytes);
  for (const runtime::Block& output : rehearsal.outputs())
    all.insert(all.end(), output.data(), output.data() + output.bytes());
  return all;
}

void check_all(bool large, std::int64_t most_batch) {
  Options options;
  options.target = host_target();
  int models = 0;
  for (const fs::path& path : specs()) {
    const std::unique_ptr<ModelGraph> model = read(path);
    ModelCompiler compiler(*model, options);
    if ((compiler.state().bytes > kLargeState) != large) continue;
    ++models;
    for (const ProgramInfo& info : model->programs) {
      const CompiledProgram program = compile_program(*model, info.name, std::min(info.batch, most_batch), options);
      const std::vector<std::byte> one = results(compiler, program, 1);
      for (const int threads : {2, 3, 7}) {
        CAPTURE(path.string(), info.name, threads);
        CHECK((results(compiler, program, threads) == one));  // not printed: megabytes
      }
    }
  }
  CHECK(models > 0);
}

}  // namespace

TEST_CASE("examples compute the same bits on any number of threads") { check_all(false, 64); }

TEST_CASE("large networks compute the same bits on any number of threads", "[slow]") { check_all(true, 4); }
