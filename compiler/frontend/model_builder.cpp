// Declarations and nodes of a model; its programs are written in programs.cpp.
#include "compiler/frontend/model_builder.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "compiler/frontend/json.h"

namespace gradc {

const ProgramInfo* ModelGraph::program(const std::string& wanted) const {
  for (const ProgramInfo& program : programs)
    if (program.name == wanted) return &program;
  return nullptr;
}

bool matches(std::string_view glob, std::string_view name) {
  std::size_t g = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = n;
    } else if (g < glob.size() && glob[g] == name[n]) {
      ++g, ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

std::vector<std::string> result_names(const Node& node) {
  std::vector<std::string> names;
  const std::vector<std::string>& given = node.op->results;
  for (std::size_t i = 0; i < node.results.size(); ++i)
    names.push_back(given.size() == node.results.size() ? "." + given[i] : "[" + std::to_string(i) + "]");
  return names;
}

std::string several_results(const Node& node, const std::string& what) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> names = result_names(node);
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) list += (i ? ", " : "") + what + names[i];
  if (names.size() > kShown) list += ", … " + what + names.back();
  return node.op->name + " has " + std::to_string(names.size()) + " results; choose one: " + list;
}

ModelBuilder::ModelBuilder(std::string name) : name_(std::move(name)), builder_(region_) {
  key_ = region_.add_parameter({DType::u32, {2}}, "key");
  step_ = region_.add_parameter({DType::i64, {}}, "step");
}

// ---- declarations ----

void ModelBuilder::check_new_name(const std::string& name, const Location& at) const {
  Value* taken = find_input(name);
  if (!taken) taken = find_state(name);
  if (!taken) return;
  Diagnostic error{Severity::error, at, "`" + name + "` is declared twice", {}};
  if (taken == step_ || taken == key_)
    error.message = "`" + name + "` is kept for the state of every training";
  else
    error.notes.push_back({Severity::note, location_of(taken), "first declared here", {}});
  throw UserError(std::move(error));
}

Value* ModelBuilder::add_input(const std::string& name, Type type, const Location& at) {
  check_new_name(name, at);
  Value* value = region_.add_parameter(std::move(type), name);
  declared_[value] = at;
  inputs_.push_back(value);
  return value;
}

Value* ModelBuilder::declare_state(const std::string& path, Type type, Initializer initializer, StateEntry::Kind kind,
                                   const Location& at) {
  check_new_name(path, at);
  std::optional<Dim> count = element_count(type.shape);
  if (!is_static(type.shape))
    throw UserError(at,
                    "parameter `" + path + "` has the open dimension in " + type.str() + "; its shape must be numbers");
  std::int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(count->factor, 2 * byte_size(type.dtype), &bytes))
    throw UserError(at, "parameter `" + path + "` has more elements than 64 bits can count: " + type.str());
  std::string wrong = complete(initializer, type);
  if (!wrong.empty()) throw UserError(at, "parameter `" + path + "`: " + wrong);
  Value* value = region_.add_parameter(std::move(type), path);
  declared_[value] = at;
  state_index_[path] = states_.size();
  states_.push_back({path, std::move(initializer), value, kind, at, nullptr, nullptr});
  return value;
}

Value* ModelBuilder::add_parameter(const std::string& path, Type type, Initializer initializer, const Location& at) {
  return declare_state(path, std::move(type), std::move(initializer), StateEntry::Kind::parameter, at);
}

Value* ModelBuilder::add_statistic(const std::string& path, Type type, Initializer initializer, const Location& at) {
  return declare_state(path, std::move(type), std::move(initializer), StateEntry::Kind::statistic, at);
}

void ModelBuilder::update_statistic(Value* statistic, Value* next, Value* owner) {
  if (inside_region())
    throw UserError(location_of(owner), "`" + statistic->name +
                                            "` is a running statistic, which can't be updated inside a loop or a "
                                            "branch; use layer_norm or group_norm, which need none");
  DeclaredState& state = states_[state_index_.at(statistic->name)];
  state.next = next;
  state.owner = owner;
}

Value* ModelBuilder::find_input(std::string_view name) const {
  for (Value* input : inputs_)
    if (input->name == name) return input;
  return nullptr;
}

Value* ModelBuilder::find_state(std::string_view name) const {
  if (name == "key") return key_;
  if (name == "step") return step_;
  auto found = state_index_.find(std::string(name));
  return found == state_index_.end() ? nullptr : states_[found->second].value;
}

std::vector<std::string> ModelBuilder::parameter_names() const {
  std::vector<std::string> names;
  for (const DeclaredState& state : states_)
    if (state.kind == StateEntry::Kind::parameter) names.push_back(state.name);
  return names;
}

Value* ModelBuilder::step() { return step_; }
Value* ModelBuilder::key() { return key_; }

Value* ModelBuilder::next_key() {
  Value* key = key_of_round(key_);
  Value* own = builder_.constant(Tensor::of({DType::u32, {2}}, {0, static_cast<double>(++random_ops_)}));
  return builder_.one("add", {key, own});
}

// Each loop around hashes the key with the round's number, in a domain that no other use of the key has.
Value* ModelBuilder::key_of_round(Value* key) {
  constexpr double kDomain = 0x6c6f6f70;  // "loop"
  auto made_in = std::find_if(entered_.begin(), entered_.end(),
                              [&](const Entered& entered) { return entered.region == key->region; });
  for (auto loop = made_in == entered_.end() ? entered_.begin() : made_in + 1; loop != entered_.end(); ++loop) {
    if (!loop->index) continue;
    Value* domain = builder_.constant(Tensor::of({DType::u32, {2}}, {kDomain, 0}));
    key = builder_.one("random_bits", {builder_.one("add", {key, domain}), loop->index}, {{"shape", Shape{2}}});
  }
  return key;
}

void ModelBuilder::in_evaluation(Value* training, Value* evaluation) {
  // Closing a region must not lose the stand-in, so it has a value of the region itself.
  if (evaluation->region != training->region)
    evaluation = builder_.one("reshape", {evaluation}, {{"shape", evaluation->type.shape}});
  evaluation_[training] = evaluation;
}

Value* ModelBuilder::evaluated(const Value* training) const {
  auto found = evaluation_.find(training);
  return found == evaluation_.end() ? nullptr : found->second;
}

void ModelBuilder::declare_range(Value* value, std::int64_t upper) {
  if (std::find(inputs_.begin(), inputs_.end(), value) == inputs_.end() || !is_integer(value->type.dtype)) return;
  auto [entry, fresh] = ranges_.emplace(value, upper);
  if (!fresh) entry->second = std::min(entry->second, upper);
}

// ---- nodes ----

Builder& ModelBuilder::at(const Location& at) {
  builder_.locations.clear();
  if (at.known()) builder_.locations.push_back(at);
  return builder_;
}

Location ModelBuilder::location_of(const Value* value) const {
  if (value->node) return value->node->locations.empty() ? Location() : value->node->locations.front();
  auto found = declared_.find(value);
  return found == declared_.end() ? Location() : found->second;
}

std::vector<Diagnostic> ModelBuilder::notes_on(std::span<Value* const> operands, const Location& at) const {
  std::vector<Diagnostic> notes;
  std::set<const Value*> noted;
  for (const Value* operand : operands) {
    if (!operand || !noted.insert(operand).second) continue;
    Location from = location_of(operand);
    if (!from.known() || from == at) continue;
    std::string name = operand->name.empty() ? "its operand" : "`" + operand->name + "`";
    notes.push_back({Severity::note, from, name + " is " + operand->type.str() + ", from here", {}});
  }
  return notes;
}

void ModelBuilder::warn(const Location& at, std::string message) {
  warnings_.push_back({Severity::warning, at, std::move(message), {}});
}

namespace {

// Whether a whole number is one of the dtype's.
bool fits_dtype(DType dtype, double number) {
  switch (dtype) {
    case DType::boolean:
      return number == 0 || number == 1;
    case DType::u8:
      return number >= 0 && number <= 255;
    case DType::u32:
      return number >= 0 && number <= 4294967295.0;
    case DType::i32:
      return number >= -2147483648.0 && number <= 2147483647.0;
    default:
      return std::abs(number) <= 9007199254740992.0;
  }
}

}  // namespace

Value* ModelBuilder::constant_beside(double number, DType dtype, const Op& op, const Location& at) {
  if (!is_float(dtype)) {
    if (std::floor(number) != number || !fits_dtype(dtype, number))
      throw UserError(at, op.name + ": " + number_text(number) + " is no " + std::string(name_of(dtype)) +
                              ", as the value beside it is; cast that to a float");
  }
  return builder_.constant(dtype, number);
}

std::vector<Value*> ModelBuilder::values_of(const Op& op, std::span<const Operand> operands, const Location& at) {
  auto own_dtype = [&](std::size_t i) {
    return op.operands.empty() ? std::nullopt : op.operands[std::min(i, op.operands.size() - 1)].dtype;
  };
  std::optional<DType> beside;
  for (std::size_t i = 0; i < operands.size() && !beside; ++i)
    if (operands[i].value && !own_dtype(i)) beside = operands[i].value->type.dtype;
  std::vector<Value*> values;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    DType dtype = own_dtype(i).value_or(beside.value_or(DType::f32));
    values.push_back(operands[i].value ? operands[i].value : constant_beside(operands[i].number, dtype, op, at));
  }
  return values;
}

void ModelBuilder::declare_labels(const Op& op, std::span<Value* const> operands, std::span<Value* const> results) {
  for (std::size_t i = 0; i < op.operands.size(); ++i) {
    if (!op.operands[i].limit) continue;
    Dim limit = op.operands[i].limit(call_of(*results[0]->node));
    if (limit.is_static()) declare_range(operands[i], limit.factor);
  }
}

std::vector<Value*> ModelBuilder::apply(const Op& op, std::span<const Operand> operands, Attributes attributes,
                                        const Location& location) {
  at(location);
  std::vector<Value*> values = values_of(op, operands, location);
  for (std::size_t i = 0; i < std::min(values.size(), op.operands.size()); ++i)
    if (op.operands[i].name == "key" && values[i]->type == key_->type) values[i] = key_of_round(values[i]);
  try {
    std::vector<Value*> results = builder_.make(op, values, std::move(attributes));
    declare_labels(op, values, results);
    return results;
  } catch (const UserError& error) {
    Diagnostic diagnostic = error.diagnostics().front();
    diagnostic.notes = notes_on(values, location);
    throw UserError(std::move(diagnostic));
  }
}

Value* ModelBuilder::apply(std::string_view op, std::vector<Operand> operands, Attributes attributes,
                           const Location& at) {
  const Op* found = Registry::get().find(op);
  ensure(found, "an op of the registry is missing");
  return apply(*found, operands, std::move(attributes), at)[0];
}

void ModelBuilder::enter(Region& region, Value* index, std::int64_t rounds) {
  entered_.push_back({&region, index, rounds});
  Locations locations = builder_.locations;
  builder_ = Builder(region);
  builder_.locations = std::move(locations);
}

void ModelBuilder::leave() {
  entered_.pop_back();
  Locations locations = builder_.locations;
  builder_ = Builder(entered_.empty() ? region_ : *entered_.back().region);
  builder_.locations = std::move(locations);
}

// ---- what a run needs ----

void ModelBuilder::freeze(std::string glob, const Location& at) { frozen_.emplace_back(std::move(glob), at); }
void ModelBuilder::regularize(Regularizer regularizer) { regularizers_.push_back(std::move(regularizer)); }

std::string ModelBuilder::batch_symbol() const {
  for (const Value* input : inputs_)
    if (!input->type.shape.empty() && !input->type.shape[0].is_static()) return input->type.shape[0].symbol;
  return "";
}

void ModelBuilder::check_program(const ProgramRequest& request) const {
  const std::string batch = batch_symbol();
  for (const auto& [name, value, reduce, boolean, weighted] : request.reports) {
    if (name == "loss") throw UserError(request.location, "a report can't be named `loss`, which the objective is");
    if (request.objective && find_state(name))
      throw UserError(request.location, "a report can't be named `" + name + "`, which an entry of the state is");
    const Type& type = value->type;
    if (reduce != Reduce::confusion && !weighted && !batch.empty() && type.rank() > 0 && type.shape[0].symbol != batch)
      throw UserError(request.location, "the report `" + name + "` is " + type.str() +
                                            "; it must be a value per example, with the first dimension " + batch +
                                            ", or a scalar");
  }
  const Value* objective = request.objective;
  if (objective && (objective->type.rank() != 0 || !is_float(objective->type.dtype))) {
    std::string advice = !is_float(objective->type.dtype) ? "cast it" : "take its mean or sum";
    throw UserError(request.location,
                    "an objective must be a scalar float, got " + objective->type.str() + "; " + advice);
  }
}

void ModelBuilder::add_program(ProgramRequest request) {
  if (request.name == "init") throw UserError(request.location, "a program can't be named `init`");
  for (const ProgramRequest& other : programs_)
    if (other.name == request.name) {
      Diagnostic error{Severity::error, request.location, "program `" + request.name + "` is declared twice", {}};
      error.notes.push_back({Severity::note, other.location, "first declared here", {}});
      throw UserError(std::move(error));
    }
  check_program(request);
  programs_.push_back(std::move(request));
}

ModelBuilder::Mark ModelBuilder::mark() const { return {builder_.region().nodes.size(), states_.size()}; }

std::int64_t ModelBuilder::multiply_adds_since(const Mark& since) const {
  std::int64_t total = 0;
  const auto& nodes = builder_.region().nodes;
  for (std::size_t i = since.nodes; i < nodes.size(); ++i)
    if (__builtin_add_overflow(total, multiply_adds(*nodes[i]), &total)) total = INT64_MAX;
  for (const Entered& entered : entered_)
    if (__builtin_mul_overflow(total, entered.rounds, &total)) total = INT64_MAX;
  return total;
}

void ModelBuilder::record(const Mark& since, std::string name, std::string op, Value* output, const Location& at) {
  record(std::move(name), std::move(op), output, multiply_adds_since(since), at);
  for (std::size_t i = since.states; i < states_.size(); ++i)
    if (states_[i].kind == StateEntry::Kind::parameter) layers_.back().parameters += states_[i].value->type.elements();
}

void ModelBuilder::record(std::string name, std::string op, Value* output, std::int64_t multiply_adds,
                          const Location& at) {
  LayerInfo info;
  info.name = std::move(name);
  info.op = std::move(op);
  info.output = output->type;
  info.location = at;
  info.multiply_adds = multiply_adds;
  info.receptive_field = std::max<std::int64_t>(0, field_of(output).extent);
  layers_.push_back(std::move(info));
}

}  // namespace gradc
