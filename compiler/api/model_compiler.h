// Compiles the programs of a model on demand: one native executable for each program and binding, kept.
#pragma once

#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
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
  ~ModelCompiler();  // waits for what is being compiled ahead, and leaves the rest

  const ModelGraph& model() const { return model_; }

  // Thread-safe; compiles at the first call, on the thread of the caller: others that ask for the same wait for it, all
  // else goes on beside it. `init` does not depend on the batch. What can't be compiled throws the same error each
  // time.
  const runtime::Executable& executable(std::string_view program, std::int64_t batch);
  const runtime::Executable& executable(std::string_view program, const Binding& binding);
  // Compiles what will be asked for on threads of its own, as many at once as there are cores. An error is that of who
  // asks.
  void ahead(std::string_view program, std::int64_t batch);
  const Options& options() const { return options_; }
  const runtime::StateTable& state() const { return state_; }

 private:
  using Key = std::pair<std::string, Binding>;
  Key key(std::string_view program, const Binding& binding) const;
  const runtime::Executable& executable(const Key& key);
  std::shared_future<runtime::Executable> compiled(const Key& key);  // or its error, for who asks
  runtime::Executable compile(const Key& key) const;
  void work_ahead();

  std::shared_ptr<const ModelGraph> owned_;  // null where the caller owns it
  const ModelGraph& model_;
  Options options_;
  runtime::StateTable state_;
  std::mutex mutex_;  // of all below
  std::map<Key, std::shared_future<runtime::Executable>> executables_;
  std::deque<Key> wanted_;             // ahead
  unsigned working_ = 0;               // of the workers
  std::vector<std::jthread> workers_;  // take what is wanted, and are waited for before all else goes
};

}  // namespace gradc
