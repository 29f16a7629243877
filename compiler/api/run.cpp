// States, calls and the training loop of the C++ API.
#include "gradc/run.h"

#include <cstring>
#include <set>

#include "compiler/api/model_compiler.h"
#include "compiler/api/run_data.h"
#include "gradc/safetensors.h"
#include "ir/diagnostic.h"

namespace gradc {

inline namespace api {

namespace {

Location location_of(Place at) { return make_location(at.file_name(), at.line(), at.column()); }

std::shared_ptr<ModelCompiler> compiler_of(const Model& model, const CompileOptions& given) {
  Options options;
  options.optimize = given.optimize;
  options.target = host_target();
  if (given.cpu != "native") {
    const Target* target = find_target(given.cpu);
    if (!target) throw UserError(Location(), "the CPU `" + given.cpu + "` is unknown");
    options.target = *target;
  }
  return std::make_shared<ModelCompiler>(std::shared_ptr<const ModelGraph>(model.graph()), std::move(options));
}

Type type_of(const runtime::Array& array) { return {static_cast<DType>(array.dtype), shape_of(array.shape)}; }

Tensor tensor_at(const runtime::Array& array, const std::byte* from) {
  Tensor tensor(type_of(array));
  std::memcpy(tensor.data(), from, static_cast<std::size_t>(tensor.bytes()));
  return tensor;
}

}  // namespace

// ---- State ----

struct State::Data {
  std::shared_ptr<ModelCompiler> compiler;
  runtime::Block block;
  std::unique_ptr<runtime::ThreadPool> pool;
  std::map<const runtime::Executable*, std::unique_ptr<runtime::Runner>> runners;
  std::vector<std::shared_ptr<ModelCompiler>> kept;  // own the executables of `runners`
  std::set<std::string> measured;                    // inputs whose statistics are set

  const runtime::StateArray& entry(std::string_view name) const {
    if (const runtime::StateArray* found = compiler->state().find(name)) return *found;
    std::vector<std::string> names;
    for (const runtime::StateArray& array : compiler->state().entries) names.push_back(array.name);
    throw UserError(Location(), "the state has no entry `" + std::string(name) + "`" + suggest_or_list(name, names));
  }
};

State::State(std::shared_ptr<ModelCompiler> compiler, std::int64_t seed) : data_(std::make_unique<Data>()) {
  data_->compiler = std::move(compiler);
  data_->block = runtime::Block(data_->compiler->state().bytes);
  const runtime::Executable& init = data_->compiler->executable("init", 1);
  runtime::Runner runner(init, nullptr);
  runner.set_scalar(init.scalar("seed"), static_cast<double>(seed));
  runner.run({}, {}, data_->block.data());
}

State::~State() = default;
State::State(State&&) noexcept = default;
State& State::operator=(State&&) noexcept = default;

std::vector<std::string> State::names() const {
  std::vector<std::string> names;
  for (const runtime::StateArray& array : data_->compiler->state().entries) names.push_back(array.name);
  return names;
}

Tensor State::get(std::string_view name) const {
  const runtime::StateArray& entry = data_->entry(name);
  return tensor_at(entry, data_->block.data() + entry.offset);
}

void State::set(std::string_view name, const Tensor& value) {
  const runtime::StateArray& entry = data_->entry(name);
  if (value.type() != type_of(entry))
    throw UserError(Location(),
                    "`" + std::string(name) + "` is " + type_of(entry).str() + ", got " + value.type().str());
  std::memcpy(data_->block.data() + entry.offset, value.data(), static_cast<std::size_t>(value.bytes()));
  for (const InputStatistics& each : data_->compiler->model().input_statistics)
    if (name == each.mean || name == each.deviation) data_->measured.insert(each.input);
}

void State::save(const std::string& path) const {
  runtime::save_state(path, data_->compiler->state(), data_->block.data(), {});
}

void State::load(const std::string& path) {
  runtime::load_weights(runtime::SafeTensors::read(path), data_->compiler->state(), data_->block.data(),
                        runtime::Match::strict);
  for (const InputStatistics& each : data_->compiler->model().input_statistics) data_->measured.insert(each.input);
}

runtime::Block& State::block() { return data_->block; }

State Model::init(std::int64_t seed) const { return State(compiler_of(*this, {}), seed); }

// ---- Result ----

float Result::loss() const {
  if (loss_.empty()) throw UserError(Location(), "this program has no objective, so its result has no loss");
  return static_cast<float>(outputs_.find(loss_)->second.get(0));
}

const Tensor& Result::operator[](std::string_view name) const {
  auto found = outputs_.find(name);
  if (found != outputs_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, value] : outputs_) names.push_back(known);
  throw UserError(Location(), "the result has no output `" + std::string(name) + "`" + suggest_or_list(name, names));
}

// ---- Executable ----

namespace {

// One call: which feed is which input, and the binding of symbols that follows.
class CallPlan {
 public:
  CallPlan(const Function& function, Feeds feeds, Place at) : function_(function), at_(location_of(at)) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < function.parameters.size(); ++i)
      if (function.parameters[i].role == Role::data) {
        names.push_back(function.parameters[i].name);
        inputs_.push_back(i);
      }
    chosen_.assign(inputs_.size(), nullptr);
    for (const auto& [name, feed] : feeds) place(name, feed, names);
    for (std::size_t k = 0; k < inputs_.size(); ++k)
      if (!chosen_[k]) fail("the input `" + names[k] + "` (" + type(k).str() + ") is missing");
    for (std::size_t k = 0; k < inputs_.size(); ++k) check(k);
  }

  const Binding& binding() const { return binding_; }
  std::vector<const void*> pointers() const {
    std::vector<const void*> result;
    for (const Feed* feed : chosen_) result.push_back(feed->data());
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw UserError(at_, "@" + function_.name + ": " + message);
  }
  const Type& type(std::size_t k) const { return function_.body.parameters[inputs_[k]]->type; }
  const Parameter& parameter(std::size_t k) const { return function_.parameters[inputs_[k]]; }

  void place(std::string_view name, const Feed& feed, const std::vector<std::string>& names) {
    for (std::size_t k = 0; k < names.size(); ++k)
      if (names[k] == name) {
        if (chosen_[k]) fail("the input `" + names[k] + "` is given twice");
        chosen_[k] = &feed;
        return;
      }
    fail("no input is named `" + std::string(name) + "`" + suggest_or_list(name, names));
  }

  void check(std::size_t k) {
    const Feed& feed = *chosen_[k];
    if (feed.dtype() != type(k).dtype)
      fail("`" + parameter(k).name + "` is " + type(k).str() + ", got elements of " +
           std::string(name_of(feed.dtype())));
    std::vector<std::int64_t> shape = feed.shape().empty() ? shape_by_count(k) : feed.shape();
    bool fits = shape.size() == type(k).rank();
    std::int64_t count = 1;
    for (std::size_t d = 0; fits && d < shape.size(); ++d) {
      fits = match(type(k).shape[d], shape[d]);
      count *= shape[d];
    }
    if (!fits || count != feed.elements())
      fail("`" + parameter(k).name + "` is " + type(k).str() + ", got " + std::to_string(feed.elements()) +
           " elements of shape " + str(shape_of(shape)));
    check_range(k);
  }

  // The declared shape with its one symbol solved for.
  std::vector<std::int64_t> shape_by_count(std::size_t k) const {
    std::int64_t known = 1;
    for (const Dim& dim : type(k).shape) known *= dim.factor;
    std::vector<std::int64_t> shape;
    for (const Dim& dim : type(k).shape) {
      if (dim.is_static() || known == 0)
        shape.push_back(dim.factor);
      else
        shape.push_back(dim.factor * (chosen_[k]->elements() / known));
    }
    return shape;
  }

  bool match(const Dim& dim, std::int64_t size) {
    if (dim.is_static()) return dim.factor == size;
    if (size <= 0 || dim.factor == 0 || size % dim.factor != 0) return false;
    auto [known, added] = binding_.emplace(dim.symbol, size / dim.factor);
    return added || known->second == size / dim.factor;
  }

  void check_range(std::size_t k) const {
    const Parameter& declared = parameter(k);
    if (declared.lower == declared.upper || is_float(type(k).dtype)) return;
    const std::byte* bytes = static_cast<const std::byte*>(chosen_[k]->data());
    for (std::int64_t i = 0; i < chosen_[k]->elements(); ++i) {
      ScalarValue value;
      std::memcpy(&value.bits, bytes + i * byte_size(type(k).dtype),
                  static_cast<std::size_t>(byte_size(type(k).dtype)));
      const std::int64_t number = integer_of(type(k).dtype, value);
      if (number < declared.lower || number >= declared.upper)
        fail("`" + declared.name + "`: element " + std::to_string(i) + " is " + std::to_string(number) +
             ", outside of [" + std::to_string(declared.lower) + ", " + std::to_string(declared.upper) + ")");
    }
  }

  const Function& function_;
  Location at_;
  std::vector<std::size_t> inputs_;  // parameters of role data
  std::vector<const Feed*> chosen_;
  Binding binding_;
};

bool same_layout(const runtime::StateTable& a, const runtime::StateTable& b) {
  if (a.bytes != b.bytes || a.entries.size() != b.entries.size()) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i)
    if (a.entries[i].name != b.entries[i].name || a.entries[i].offset != b.entries[i].offset ||
        a.entries[i].dtype != b.entries[i].dtype || a.entries[i].shape != b.entries[i].shape)
      return false;
  return true;
}

void check_state(const State& state, const Executable& executable, Place at) {
  if (!same_layout(state.data().compiler->state(), executable.compiler()->state()))
    throw UserError(location_of(at),
                    "@" + executable.program() +
                        ": the state is of another model, or of this one before programs were added; make "
                        "it with init() after the last program");
}

runtime::Runner& runner_of(State::Data& data, const Executable& executable, const runtime::Executable& code) {
  if (!data.pool && executable.threads() > 1) data.pool = std::make_unique<runtime::ThreadPool>(executable.threads());
  std::unique_ptr<runtime::Runner>& runner = data.runners[&code];
  if (!runner) {
    runner = std::make_unique<runtime::Runner>(code, executable.threads() > 1 ? data.pool.get() : nullptr);
    data.kept.push_back(executable.compiler());
  }
  return *runner;
}

void set_scalars(runtime::Runner& runner, const runtime::Executable& code, Scalars scalars, Place at) {
  for (std::size_t i = 0; i < code.scalars.size(); ++i) runner.set_scalar(static_cast<int>(i), code.scalars[i].preset);
  for (const auto& [name, value] : scalars) {
    if (code.scalar(name) < 0) {
      std::vector<std::string> names;
      for (const runtime::Array& array : code.scalars) names.push_back(array.name);
      throw UserError(location_of(at), "@" + code.program + ": no scalar is named `" + std::string(name) + "`" +
                                           suggest_or_list(name, names));
    }
    runner.set_scalar(code.scalar(name), value);
  }
}

}  // namespace

Executable::Executable(std::shared_ptr<ModelCompiler> compiler, std::string program, int threads)
    : compiler_(std::move(compiler)), program_(std::move(program)), threads_(threads) {}

Result Executable::operator()(State& state, Feeds feeds, Scalars scalars, Place at) const {
  check_state(state, *this, at);
  const CallPlan plan(*compiler_->model().module->function(program_), feeds, at);
  const runtime::Executable& code = compiler_->executable(program_, plan.binding());
  runtime::Runner& runner = runner_of(state.data(), *this, code);
  set_scalars(runner, code, scalars, at);
  std::map<std::string, Tensor, std::less<>> outputs;
  std::vector<void*> pointers;
  for (const runtime::Array& output : code.outputs)
    pointers.push_back(outputs.emplace(output.name, Tensor(type_of(output))).first->second.data());
  runner.run(plan.pointers(), pointers, state.block().data());
  const ProgramInfo* info = compiler_->model().program(program_);
  return {info ? info->loss : "", std::move(outputs)};
}

Executable compile(const Model& model, const Program& program, const CompileOptions& options) {
  return compile(model, program.name(), options);
}

Executable compile(const Model& model, const std::string& program, const CompileOptions& options) {
  std::shared_ptr<ModelCompiler> compiler = compiler_of(model, options);
  const std::string name = chosen_program(compiler->model(), program);
  return {std::move(compiler), name, options.threads};
}

// ---- training loop ----

runtime::DataSet examples(Feeds feeds, Place at) {
  runtime::DataSet data;
  for (const auto& [name, feed] : feeds) {
    std::vector<std::int64_t> shape = feed.shape();
    if (shape.empty()) shape = {feed.elements()};
    std::int64_t count = 1;
    for (std::int64_t size : shape) count *= size;
    if (count != feed.elements())
      throw UserError(location_of(at), "`" + std::string(name) + "`: the shape " + str(shape_of(shape)) +
                                           " does not hold " + std::to_string(feed.elements()) + " elements");
    runtime::Column column = runtime::make_column(std::string(name), static_cast<gradc_dtype>(feed.dtype()),
                                                  {shape.begin() + 1, shape.end()}, shape[0], "examples()");
    std::memcpy(column.data.data(), feed.data(), static_cast<std::size_t>(feed.elements() * byte_size(feed.dtype())));
    data.add(std::move(column));
  }
  return data;
}

namespace {

// Trains on from where the state is. Statistics that it already has, of an earlier call or of loaded weights, stay.
runtime::FitResult train_on(const Executable& code, State& state, const runtime::FitData& data,
                            runtime::FitOptions& options) {
  std::set<std::string>& measured = state.data().measured;
  std::erase_if(options.statistics, [&](const auto& each) { return measured.contains(each.input); });
  options.threads = code.threads();
  options.initialize = false;
  const std::shared_ptr<ModelCompiler>& compiler = code.compiler();
  options.foresee = [&](std::string_view program, std::int64_t batch) { compiler->ahead(program, batch); };
  runtime::FitResult result = runtime::fit(provider(*compiler), compiler->state(), state.block(), data, options);
  for (const runtime::Array& input : training_inputs(compiler->model(), options)) measured.insert(input.name);
  return result;
}

}  // namespace

runtime::FitResult fit(const Executable& train, State& state, const runtime::FitData& data,
                       runtime::FitOptions options) {
  check_state(state, train, Place::current());
  const ModelGraph& model = train.compiler()->model();
  const ProgramInfo* program = model.program(train.program());
  if (!program || !program->trains) throw UserError(Location(), "`" + train.program() + "` does not train");
  use_program(options, model, *program, Keep::given);
  return train_on(train, state, data, options);
}

runtime::FitResult fit(const Model& model, State& state, const runtime::FitData& data, runtime::FitOptions options,
                       const CompileOptions& compile_options, Place at) {
  const Executable any(compiler_of(model, compile_options), "", compile_options.threads);
  check_state(state, any, at);
  const ModelGraph& graph = any.compiler()->model();
  use_programs(options, graph, location_of(at));
  return train_on(any, state, data, options);
}

}  // namespace api
}  // namespace gradc
