// What aot_run.h does, in process: writes the same bytes from the JIT. Arguments: SPEC CPU.
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "aot_data.h"
#include "compiler/api/model_compiler.h"
#include "compiler/frontend/spec.h"

namespace {

using namespace gradc;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

std::vector<Memory> arrays(const std::vector<runtime::Array>& about, std::uint32_t seed) {
  std::vector<Memory> result;
  for (const runtime::Array& array : about) {
    result.emplace_back(aot_memory(array.bytes()));
    aot_fill(result.back().get(), array.dtype, array.bytes(), seed + static_cast<std::uint32_t>(result.size() - 1));
  }
  return result;
}

template <class Pointer>
std::vector<Pointer> pointers(const std::vector<Memory>& memory) {
  std::vector<Pointer> result;
  for (const Memory& block : memory) result.push_back(block.get());
  return result;
}

std::vector<Memory> run(const runtime::Executable& executable, void* state, int times, std::int64_t seed) {
  runtime::Runner runner(executable, nullptr);
  if (executable.scalar("seed") >= 0) runner.set_scalar(executable.scalar("seed"), static_cast<double>(seed));
  const std::vector<Memory> inputs = arrays(executable.inputs, 1);
  std::vector<Memory> outputs = arrays(executable.outputs, 50);
  for (int i = 0; i < times; ++i) runner.run(pointers<const void*>(inputs), pointers<void*>(outputs), state);
  return outputs;
}

int main_of(const std::string& spec, const std::string& cpu) {
  std::stringstream text;
  text << std::ifstream(spec).rdbuf();
  Diagnostics diagnostics;
  std::unique_ptr<ModelGraph> model = load_spec(text.str(), spec, {}, diagnostics);
  if (!model) {
    std::cerr << diagnostics.render();
    return 1;
  }
  Options options;
  options.target = cpu == "native" ? host_target() : *find_target(cpu);
  ModelCompiler compiler(*model, options);
  const std::int64_t batch = model->program("train")->batch;
  const Memory state(aot_memory(compiler.state().bytes));
  run(compiler.executable("init", batch), state.get(), 1, AOT_SEED);
  const runtime::Executable& train = compiler.executable("train", batch);
  const std::vector<Memory> losses = run(train, state.get(), AOT_STEPS, 0);
  aot_write(state.get(), compiler.state().bytes);
  aot_write(losses[0].get(), train.outputs[0].bytes());
  const runtime::Executable& predict = compiler.executable("predict", batch);
  aot_write(run(predict, state.get(), 1, 0)[0].get(), predict.outputs[0].bytes());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return argc == 3 ? main_of(argv[1], argv[2]) : 2; }
