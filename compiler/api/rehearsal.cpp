// Synthetic inputs and the calls of a program on them.
#include "compiler/api/rehearsal.h"

#include <cstring>

#include "compiler/analysis/multiply_adds.h"
#include "compiler/api/run_data.h"
#include "compiler/codegen/watch.h"
#include "compiler/lower/lower.h"
#include "gradc/random.h"
#include "ir/diagnostic.h"

namespace gradc {

CompiledProgram compile_program(const ModelGraph& model, const std::string& program, std::int64_t batch,
                                const Options& options, Watch watch) {
  const std::string names[] = {program};
  CompiledProgram result;
  Options observed = options;
  observed.before = [&](std::string_view pass, const Module& module) {
    if (pass == "fuse") result.multiply_adds = multiply_adds_of(module.functions.front()->body);
    if (options.before) options.before(pass, module);
  };
  observed.observe = [&](std::string_view pass, const Module& module, bool changed) {
    if (pass == "fuse" && watch == Watch::yes)
      result.multiply_adds_by_kernel = multiply_adds_by_kernel(*module.functions.front(), model.state, options);
    if (options.observe) options.observe(pass, module, changed);
  };
  KernelModule kernels =
      compile_to_kernels(programs_of(model, names), model.state, batch_binding(model, batch), observed);
  std::vector<runtime::Executable> loaded =
      watch == Watch::yes ? load_watched(kernels, options.optimize) : load(kernels, options.optimize);
  ensure(loaded.size() == 1, "one program gives one executable");
  result.kernels = std::move(kernels.programs[0]);
  result.executable = std::move(loaded[0]);
  return result;
}

std::int64_t batch_of(const ModelGraph& model, const std::string& program, std::int64_t given) {
  if (given) return given;
  const ProgramInfo* info = model.program(program);
  return info ? info->batch : 1;
}

namespace {

// Reads and writes elements through doubles and integers; T is the dtype's C++ type.
template <class T>
void fill_floats(runtime::Block& block, std::int64_t elements, runtime::Random& random) {
  auto* to = reinterpret_cast<T*>(block.data());
  for (std::int64_t i = 0; i < elements; ++i) to[i] = static_cast<T>(random.uniform());
}

template <class T>
void fill_integers(runtime::Block& block, const runtime::Array& input, runtime::Random& random) {
  const bool declared = input.lower != input.upper;
  const std::int64_t lower = declared ? input.lower : 0, count = declared ? input.upper - input.lower : 2;
  auto* to = reinterpret_cast<T*>(block.data());
  for (std::int64_t i = 0; i < input.elements(); ++i) to[i] = static_cast<T>(lower + random.below(count));
}

runtime::Block draw(const runtime::Array& input, runtime::Random random) {
  runtime::Block block(input.bytes());
  switch (input.dtype) {
    case GRADC_F32:
      fill_floats<float>(block, input.elements(), random);
      break;
    case GRADC_F64:
      fill_floats<double>(block, input.elements(), random);
      break;
    case GRADC_I32:
      fill_integers<std::int32_t>(block, input, random);
      break;
    case GRADC_I64:
      fill_integers<std::int64_t>(block, input, random);
      break;
    case GRADC_U32:
      fill_integers<std::uint32_t>(block, input, random);
      break;
    case GRADC_U8:
    case GRADC_BOOL:
      fill_integers<std::uint8_t>(block, input, random);
      break;
  }
  return block;
}

std::int64_t checked_state_bytes(ModelCompiler& compiler) {
  check_state_fits(compiler.model(), compiler.state());
  return compiler.state().bytes;
}

}  // namespace

Rehearsal::Rehearsal(ModelCompiler& compiler, const CompiledProgram& program, const gradc_context* context,
                     std::int64_t seed)
    : entry_(program.executable.entry),
      context_(context),
      state_(checked_state_bytes(compiler)),
      workspace_(program.executable.workspace_bytes +
                 program.executable.worker_bytes * (context ? context->workers : 1)) {
  const runtime::Executable& init = compiler.executable("init", 1);
  runtime::Runner initialize(init, nullptr);
  initialize.set_integer_scalar(init.scalar("seed"), seed);
  initialize.run({}, {}, state_.data());
  for (const runtime::Array& input : program.executable.inputs)
    inputs_.push_back(draw(input, runtime::Random(static_cast<std::uint64_t>(seed), 1, inputs_.size())));
  for (const runtime::Array& output : program.executable.outputs) outputs_.emplace_back(output.bytes());
  for (runtime::Block& block : inputs_) input_pointers_.push_back(block.data());
  for (runtime::Block& block : outputs_) output_pointers_.push_back(block.data());
}

gradc_dtype float_of(const runtime::Executable& executable, const runtime::StateTable& state) {
  const auto is_float = [](const runtime::Array& array) {
    return array.dtype == GRADC_F32 || array.dtype == GRADC_F64;
  };
  for (const runtime::Array& input : executable.inputs)
    if (is_float(input)) return input.dtype;
  for (const runtime::StateArray& entry : state.entries)
    if (is_float(entry)) return entry.dtype;
  return GRADC_F32;
}

runtime::VectorUnit vector_unit(const Target& target) { return {target.vector_bytes, target.fma}; }

}  // namespace gradc
