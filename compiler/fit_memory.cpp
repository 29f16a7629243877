// Keeping to a memory limit: the ladder of `rematerialize`, climbed until a program fits.
#include <optional>

#include "compiler/lower/memory_use.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rematerialize.h"
#include "compiler/pipeline.h"
#include "ir/diagnostic.h"

namespace gradc {

namespace {

struct Trial {
  std::unique_ptr<Module> module;  // the function alone, rematerialised
  std::int64_t bytes = 0;          // state and workspace, one worker
  Locations fullest;               // of the kernel at the peak
};

void run(std::string_view pass, Module& module, const Options& options) { run_pass(*find_pass(pass), module, options); }

std::unique_ptr<Module> rematerialized(const Function& function, const Options& options) {
  auto module = std::make_unique<Module>();
  module->functions.push_back(clone_function(function));
  run("rematerialize", *module, options);
  run("eliminate_dead_code", *module, options);
  return module;
}

Trial attempt(const Function& function, const StateLayout& state, const Options& options) {
  Trial trial;
  trial.module = rematerialized(function, options);
  const std::unique_ptr<Module> fused = clone_module(*trial.module);
  fuse(*fused, options);
  const KernelProgram program = std::move(lower(*fused, state, options).programs[0]);
  trial.bytes = step_bytes(program, state.bytes);
  const MemoryUse use = memory_use(program);
  if (use.kernel >= 0) trial.fullest = program.kernels[static_cast<std::size_t>(use.kernel)].locations;
  return trial;
}

[[noreturn]] void refuse(const std::string& program, const Trial& best, std::int64_t state, std::int64_t limit) {
  const Location where = best.fullest.empty() ? Location() : best.fullest.front();
  const std::string advice = state > limit ? "; the state alone is over that" : "; a smaller batch needs less";
  throw UserError(where, "the program `" + program + "` needs " + std::to_string(best.bytes) +
                             " bytes of memory at least (state " + std::to_string(state) + ", workspace " +
                             std::to_string(best.bytes - state) + ", the most of it here), --memory-limit allows " +
                             std::to_string(limit) + advice);
}

std::unique_ptr<Module> fitting(const Function& function, const StateLayout& state, const Options& options) {
  std::optional<Trial> best;
  for (int rung = options.rematerialize; rung <= kRematerializeRungs; ++rung) {
    Options at = options;
    at.rematerialize = rung;
    Trial trial = attempt(function, state, at);
    if (options.memory_limit == 0 || trial.bytes <= options.memory_limit) return std::move(trial.module);
    if (!best || trial.bytes < best->bytes) best = std::move(trial);
  }
  refuse(function.name, *best, state.bytes, options.memory_limit);
}

}  // namespace

void fit_memory(Module& module, const StateLayout& state, const Options& options) {
  if (options.memory_limit == 0 && options.rematerialize == 0) return;
  for (auto& function : module.functions) function = std::move(fitting(*function, state, options)->functions[0]);
}

}  // namespace gradc
