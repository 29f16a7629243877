// Model → executables, where they are asked for or ahead.
#include "compiler/api/model_compiler.h"

#include <set>

#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

namespace {

void add_with_callees(const Module& from, const std::string& name, std::set<std::string>& wanted) {
  const Function* function = from.function(name);
  if (!function) internal_error("no function is named @" + name);
  if (!wanted.insert(name).second) return;
  walk(function->body, [&](const Node& node) {
    if (node.op->name == "call") add_with_callees(from, node.attributes.string("callee"), wanted);
  });
}

}  // namespace

std::unique_ptr<Module> programs_of(const ModelGraph& model, std::span<const std::string> names) {
  if (names.empty()) return clone_module(*model.module);
  std::set<std::string> wanted;
  for (const std::string& name : names) add_with_callees(*model.module, name, wanted);
  auto module = std::make_unique<Module>();
  module->name = model.module->name;
  for (const auto& function : model.module->functions)
    if (wanted.contains(function->name)) module->functions.push_back(clone_function(*function));
  return module;
}

Binding batch_binding(const ModelGraph& model, std::int64_t batch) { return {{model.batch_symbol, batch}}; }

std::string chosen_program(const ModelGraph& model, const std::string& name) {
  if (name == "init" || (!name.empty() && model.program(name))) return name;
  std::vector<std::string> known;
  for (const ProgramInfo& program : model.programs) {
    if (name.empty() && program.trains) return program.name;
    known.push_back(program.name);
  }
  if (name.empty() && !known.empty()) return known.front();
  if (name.empty()) throw UserError(model.location, "the model has neither programs nor outputs");
  known.push_back("init");
  throw UserError(Location(), "no program is named `" + name + "`" + suggest_or_list(name, known));
}

ModelCompiler::ModelCompiler(const ModelGraph& model, Options options)
    : model_(model), options_(std::move(options)), state_(state_table(model.state)) {}

ModelCompiler::ModelCompiler(std::shared_ptr<const ModelGraph> model, Options options)
    : owned_(std::move(model)), model_(*owned_), options_(std::move(options)), state_(state_table(model_.state)) {}

ModelCompiler::~ModelCompiler() {
  const std::lock_guard lock(mutex_);
  wanted_.clear();
}

ModelCompiler::Key ModelCompiler::key(std::string_view program, const Binding& binding) const {
  return {std::string(program), program == "init" ? Binding() : binding};
}

const runtime::Executable& ModelCompiler::executable(std::string_view program, std::int64_t batch) {
  return executable(program, batch_binding(model_, batch));
}

const runtime::Executable& ModelCompiler::executable(std::string_view program, const Binding& binding) {
  return executable(key(program, binding));
}

const runtime::Executable& ModelCompiler::executable(const Key& key) {
  return compiled(key).get();  // of a state that the map shares
}

std::shared_future<runtime::Executable> ModelCompiler::compiled(const Key& key) {
  std::promise<runtime::Executable> mine;
  std::unique_lock lock(mutex_);
  const auto [place, first] = executables_.try_emplace(key);
  std::shared_future<runtime::Executable>& kept = place->second;
  if (first) kept = mine.get_future().share();
  std::shared_future<runtime::Executable> result = kept;
  lock.unlock();
  if (first) {
    try {
      mine.set_value(compile(key));
    } catch (...) {
      mine.set_exception(std::current_exception());
    }
  }
  return result;
}

runtime::Executable ModelCompiler::compile(const Key& key) const {
  const std::string names[] = {key.first};
  KernelModule kernels = compile_to_kernels(programs_of(model_, names), model_.state, key.second, options_);
  std::vector<runtime::Executable> loaded = load(kernels, options_.optimize);
  ensure(loaded.size() == 1, "one program gives one executable");
  return std::move(loaded[0]);
}

// On a machine of one core it would only come between, and observers know of one thread.
void ModelCompiler::ahead(std::string_view program, std::int64_t batch) {
  const unsigned cores = std::thread::hardware_concurrency();
  if (cores < 2 || options_.before || options_.observe) return;
  Key next = key(program, batch_binding(model_, batch));
  const std::lock_guard lock(mutex_);
  if (executables_.contains(next)) return;
  wanted_.push_back(std::move(next));
  if (working_ == cores) return;
  ++working_;
  workers_.emplace_back([this] { work_ahead(); });
}

void ModelCompiler::work_ahead() {
  for (;;) {
    Key next;
    {
      const std::lock_guard lock(mutex_);
      if (wanted_.empty()) {
        --working_;
        return;
      }
      next = std::move(wanted_.front());
      wanted_.pop_front();
    }
    compiled(next);
  }
}

}  // namespace gradc
