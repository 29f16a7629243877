// Compiles the programs of a model on demand: one native executable for each program and binding, kept.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "compiler/codegen/codegen.h"
#include "compiler/frontend/model.h"
#include "compiler/pipeline.h"
#include "gradc/executable.h"

namespace gradc {

// A copy of the named functions of a model and of all that they call; no names: every function.
std::unique_ptr<Module> programs_of(const ModelGraph& model, std::span<const std::string> names);
// The batch symbol bound to `batch`. Other symbols stay free, and bind_symbols says so.
Binding batch_binding(const ModelGraph& model, std::int64_t batch);
// The program a command works on: `name`, or with "" the first that trains, else the first. UserError where there is
// none.
std::string chosen_program(const ModelGraph& model, const std::string& name);

class ModelCompiler {
 public:
  // The model must outlive the compiler.
  ModelCompiler(const ModelGraph& model, Options options);
  ModelCompiler(std::shared_ptr<const ModelGraph> model, Options options);

  const ModelGraph& model() const { return model_; }

  // Thread-safe; compiles at the first call. `init` does not depend on the batch.
  const runtime::Executable& executable(std::string_view program, std::int64_t batch);
  const runtime::Executable& executable(std::string_view program, const Binding& binding);
  const Options& options() const { return options_; }
  const runtime::StateTable& state() const { return state_; }
  double compile_seconds() const { return compile_seconds_; }

 private:
  std::shared_ptr<const ModelGraph> owned_;  // null where the caller owns it
  const ModelGraph& model_;
  Options options_;
  runtime::StateTable state_;
  std::mutex mutex_;
  std::map<std::pair<std::string, Binding>, runtime::Executable> executables_;
  double compile_seconds_ = 0;
};

}  // namespace gradc
