// What aot_run.h does, in process: writes the same bytes from the JIT. Arguments: SPEC CPU.
#include <fstream>
#include <iostream>
#include <sstream>

#include "aot_data.h"
#include "compiler/api/model_compiler.h"
#include "compiler/frontend/spec.h"

namespace {

using namespace gradc;

std::vector<void*> arrays(const std::vector<runtime::Array>& about, std::uint32_t seed) {
  std::vector<void*> result;
  for (const runtime::Array& array : about) {
    result.push_back(aot_memory(array.bytes()));
    aot_fill(result.back(), array.dtype, array.bytes(), seed + static_cast<std::uint32_t>(result.size() - 1));
  }
  return result;
}

std::vector<void*> run(const runtime::Executable& executable, void* state, int times, std::int64_t seed) {
  runtime::Runner runner(executable, nullptr);
  if (executable.scalar("seed") >= 0) runner.set_scalar(executable.scalar("seed"), static_cast<double>(seed));
  std::vector<void*> inputs = arrays(executable.inputs, 1), outputs = arrays(executable.outputs, 50);
  const std::vector<const void*> read(inputs.begin(), inputs.end());
  for (int i = 0; i < times; ++i) runner.run(read, outputs, state);
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
  void* state = aot_memory(compiler.state().bytes);
  run(compiler.executable("init", batch), state, 1, AOT_SEED);
  const runtime::Executable& train = compiler.executable("train", batch);
  const std::vector<void*> losses = run(train, state, AOT_STEPS, 0);
  aot_write(state, compiler.state().bytes);
  aot_write(losses[0], train.outputs[0].bytes());
  const runtime::Executable& predict = compiler.executable("predict", batch);
  aot_write(run(predict, state, 1, 0)[0], predict.outputs[0].bytes());
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return argc == 3 ? main_of(argv[1], argv[2]) : 2; }
