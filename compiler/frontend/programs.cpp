// Writes a model's programs: each a function that copies what it needs of the model's graph, and the init function.
//
// 1. Mark what the objective, the reports and the outputs need; in evaluation mode a value with a stand-in is followed
//    through that instead.
// 2. Declare parameters in a fixed order: inputs, model state, slots, step and key, scalars.
// 3. Copy the marked nodes in their order.
// 4. Training: add regularisers, take the gradient, let the optimizer update every trained parameter; where gradients
//    are accumulated, only at every k-th step.
#include <algorithm>
#include <unordered_set>

#include "compiler/frontend/model_builder.h"

namespace gradc {

namespace {

// The optimizer's slots of a parameter, then the accumulator. `owner`: the program where there are several that train.
std::vector<std::string> slot_names(const std::string& parameter, const ProgramRequest& request,
                                    const std::string& owner) {
  const std::string prefix = parameter + "." + (owner.empty() ? "" : owner + ".");
  std::vector<std::string> names;
  for (const std::string& slot : request.optimizer.spec->slots(request.optimizer)) names.push_back(prefix + slot);
  if (request.accumulate > 1) names.push_back(prefix + "accumulator");
  return names;
}

std::optional<PlateauRule> plateau_of(const ScheduleChoice& schedule) {
  if (schedule.spec->name != "plateau") return {};
  return PlateauRule{schedule.number("factor"), static_cast<std::int64_t>(schedule.number("patience")),
                     static_cast<std::int64_t>(schedule.number("cooldown")), schedule.number("threshold")};
}

bool any_matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return matches(glob, name); });
}

}  // namespace

class ProgramWriter {
 public:
  ProgramWriter(const ModelBuilder& model, const ProgramRequest& request, Function& function)
      : model_(model),
        request_(request),
        function_(function),
        builder_(function.body),
        training_(request.objective != nullptr) {}

  // The trained parameters of a training program: those its objective depends on, that it names, that are not frozen.
  std::vector<const DeclaredState*> trained() {
    mark(request_.objective);
    std::vector<const DeclaredState*> result;
    for (const DeclaredState& state : model_.states_) {
      bool named = request_.parameters.empty() || any_matches(request_.parameters, state.name);
      bool frozen = std::any_of(model_.frozen_.begin(), model_.frozen_.end(),
                                [&](const auto& glob) { return matches(glob.first, state.name); });
      if (state.kind == StateEntry::Kind::parameter && is_float(state.value->type.dtype) && named && !frozen &&
          marked_.contains(state.value))
        result.push_back(&state);
    }
    return result;
  }

  // `loss_of`: the training request whose objective an evaluation reports too; null for none.
  ProgramInfo write(const ProgramRequest* loss_of) {
    function_.name = request_.name;
    ProgramInfo info;
    info.name = request_.name;
    info.trains = training_;
    info.epochs = request_.epochs;
    info.batch = request_.batch;
    info.monitor = request_.monitor;
    if (training_)
      if (const auto& schedules = request_.optimizer.schedules; schedules.contains("learning_rate"))
        info.plateau = plateau_of(schedules.find("learning_rate")->second);
    info.location = request_.location;
    const ProgramRequest* objective = training_ ? &request_ : loss_of;
    if (training_) trained_ = trained();
    if (objective) mark(objective->objective);
    for (const auto& report : request_.reports) mark(report.value);
    for (const auto& [name, value] : request_.outputs) mark(value);
    if (objective) mark_regularized(*objective);
    if (training_) mark_statistics();
    declare();
    copy();
    if (objective) {
      loss_ = with_regularizers(*objective, map(objective->objective));
      function_.add_result({"loss", Role::data}, loss_);
      info.loss = "loss";
    }
    for (const auto& [name, value, reduce, boolean, weighted] : request_.reports) {
      builder_.locations = value->node ? value->node->locations : Locations{};
      Value* mapped = map(value);
      if (!is_float(mapped->type.dtype)) mapped = cast(builder_.term(mapped), DType::f32).value();
      function_.add_result({name, Role::data}, mapped);
      info.reports.push_back({name, reduce, boolean, weighted});
    }
    for (const auto& [name, value] : request_.outputs) function_.add_result({name, Role::data}, map(value));
    if (!training_) return info;
    update();
    watch_parameters(info);
    watch_values(info);
    return info;
  }

 private:
  Value* stand_in(Value* value) const {
    if (training_) return value;
    auto found = model_.evaluation_.find(value);
    return found == model_.evaluation_.end() ? value : stand_in(found->second);
  }

  void mark(Value* root) {
    std::vector<Value*> open = {root};
    while (!open.empty()) {
      Value* value = stand_in(open.back());
      open.pop_back();
      if (!marked_.insert(value).second || !value->node) continue;
      for (Value* operand : value->node->operands) open.push_back(operand);
      for (Value* captured : captured_values(*value->node)) open.push_back(captured);
    }
  }

  void mark_regularized(const ProgramRequest& objective) {
    for (const DeclaredState* state : regularized(objective)) mark(state->value);
  }

  void mark_statistics() {
    for (const DeclaredState& state : model_.states_)
      if (state.next && marked_.contains(state.owner)) mark(state.next);
  }

  Value* map(Value* value) const {
    auto found = map_.find(stand_in(value));
    ensure(found != map_.end(), "a program reads a value that was not copied");
    return found->second;
  }

  void declare() {
    for (Value* input : model_.inputs_) {
      if (!marked_.contains(input)) continue;
      Parameter parameter;
      parameter.name = input->name;
      parameter.location = model_.location_of(input);
      if (auto range = model_.ranges_.find(input); range != model_.ranges_.end()) parameter.upper = range->second;
      map_[input] = function_.add_parameter(std::move(parameter), input->type);
    }
    for (const DeclaredState& state : model_.states_)
      if (marked_.contains(state.value))
        map_[state.value] = declare_state(state.name, state.value->type, state.location);
    for (const DeclaredState* state : trained_)
      for (const std::string& slot : slot_names(state->name, request_, owner()))
        declare_state(slot, state->value->type, state->location);
    if (marked_.contains(model_.key_)) map_[model_.key_] = declare_state("key", model_.key_->type, {});
    if (training_ || marked_.contains(model_.step_)) map_[model_.step_] = declare_state("step", model_.step_->type, {});
    if (training_ && !owner().empty()) declare_state(model_.counter_of(request_), model_.step_->type, {});
  }

  std::string owner() const { return model_.trains_several() ? request_.name : ""; }

  Value* declare_state(const std::string& name, Type type, const Location& at) {
    Parameter parameter;
    parameter.name = name;
    parameter.role = Role::state;
    parameter.location = at;
    return function_.add_parameter(std::move(parameter), std::move(type));
  }

  void copy() {
    for (const auto& node : model_.region_.nodes) {
      bool wanted = std::any_of(node->results.begin(), node->results.end(),
                                [&](const auto& result) { return marked_.contains(result.get()); });
      if (!wanted) continue;
      for (Value* operand : node->operands) map_[operand] = map(operand);
      for (Value* captured : captured_values(*node)) map_[captured] = map(captured);
      Node& made = *builder_.clone(*node, map_);
      if (!training_ && !made.regions.empty()) evaluate_inside(made);
    }
  }

  // What is another value in evaluation mode, inside of loops and branches.
  void evaluate_inside(Node& node) {
    ValueMap stand_ins;
    for (const auto& [training, evaluation] : model_.evaluation_) {
      if (training->region == &model_.region_) continue;
      auto from = map_.find(training), to = map_.find(stand_in(evaluation));
      if (from != map_.end() && to != map_.end()) stand_ins[from->second] = to->second;
    }
    if (stand_ins.empty()) return;
    for (const auto& region : node.regions) replace_uses(*region, stand_ins);
  }

  // The parameters that a regulariser names, among those that the objective's program trains.
  std::vector<const DeclaredState*> regularized(const ProgramRequest& objective) const {
    if (model_.regularizers_.empty()) return {};
    Function unused;
    std::vector<const DeclaredState*> result;
    for (const DeclaredState* state : ProgramWriter(model_, objective, unused).trained())
      for (const Regularizer& regularizer : model_.regularizers_)
        if (any_matches(regularizer.on, state->name)) {
          result.push_back(state);
          break;
        }
    return result;
  }

  // objective + Σ (l1 Σ|w| + l2 Σw²); a maximised one is diminished.
  Value* with_regularizers(const ProgramRequest& objective, Value* value) {
    Term total = builder_.term(value);
    std::vector<const DeclaredState*> states = regularized(objective);
    for (const Regularizer& regularizer : model_.regularizers_) {
      builder_.locations = {regularizer.location};
      for (const DeclaredState* state : states) {
        if (!any_matches(regularizer.on, state->name)) continue;
        Term w = builder_.term(map(state->value));
        for (auto [strength, op] : {std::pair{regularizer.l1, "abs"}, {regularizer.l2, "square"}}) {
          if (strength == 0) continue;
          Term penalty = cast(reduce_sum(apply(op, {w}), {}), total.dtype()) * strength;
          total = objective.maximize ? total - penalty : total + penalty;
        }
      }
    }
    return total.value();
  }

  // A scalar of the call.
  Term scalar(std::string_view name, double preset) {
    Value* taken = model_.find_input(name);
    if (!taken) taken = model_.find_state(name);
    if (taken)
      throw UserError(model_.location_of(taken), "`" + std::string(name) + "` is a number of the optimizer `" +
                                                     request_.optimizer.spec->name + "`; give this another name");
    Value* value = function_.parameter(name);
    if (!value) {
      Parameter parameter;
      parameter.name = std::string(name);
      parameter.role = Role::scalar;
      parameter.preset = preset;
      parameter.location = request_.optimizer.location;
      value = function_.add_parameter(std::move(parameter), {DType::f64, {}});
    }
    return builder_.term(value);
  }

  // A number of the optimizer at this step.
  Term hyperparameter(std::string_view name) {
    const OptimizerChoice& optimizer = request_.optimizer;
    Term& value = hyperparameters_[std::string(name)];
    if (value) return value;
    value = scalar(name, optimizer.number(name));
    if (auto schedule = optimizer.schedules.find(name); schedule != optimizer.schedules.end()) {
      const ScheduleTime time{
          steps_, [this](std::string_view scalar_name, double preset) { return scalar(scalar_name, preset); }};
      value = scheduled(schedule->second, value, time);
    }
    return value;
  }

  void update() {
    if (trained_.empty())
      throw UserError(request_.location, "program `" + request_.name +
                                             "` has nothing to train: its objective depends on no parameter that is "
                                             "named and not frozen");
    builder_.locations.clear();
    if (request_.location.known()) builder_.locations = {request_.location};
    std::vector<Value*> operands = {loss_};
    if (request_.maximize) operands[0] = (-builder_.term(loss_)).value();
    for (const DeclaredState* state : trained_) operands.push_back(map(state->value));
    std::vector<Value*> gradients = builder_.make("gradient", operands);
    if (request_.optimizer.location.known()) builder_.locations = {request_.optimizer.location};
    const std::string counter = model_.counter_of(request_);
    Term step = builder_.term(function_.parameter("step")), own = builder_.term(function_.parameter(counter));
    steps_ = cast(own, DType::f64);
    gradients_ = gradients;
    update(gradients);
    for (const DeclaredState& state : model_.states_)
      if (state.next && marked_.contains(state.owner)) function_.add_result({state.name, Role::state}, map(state.next));
    function_.add_result({"step", Role::state}, (step + 1).value());
    if (counter != "step") function_.add_result({counter, Role::state}, (own + 1).value());
  }

  // With `accumulate` k: a ← a + g; at every k-th step the optimizer takes a / k and a becomes 0, at the others only a
  // changes.
  void update(const std::vector<Value*>& values) {
    const auto k = static_cast<double>(request_.accumulate);
    std::vector<Term> gradients, sums;
    for (Value* value : values) gradients.push_back(builder_.term(value));
    Term updates = steps_ + 1, due;
    if (request_.accumulate > 1) {
      for (std::size_t i = 0; i < trained_.size(); ++i) {
        const std::string accumulator = slot_names(trained_[i]->name, request_, owner()).back();
        sums.push_back(builder_.term(function_.parameter(accumulator)) + gradients[i]);
        gradients[i] = sums[i] / k;
      }
      Term whole = apply("floor", {updates / k});
      due = apply("equal", {whole * k, updates});
      updates = apply("maximum", {whole, whole.like(1)});
    }
    const auto number = [this](std::string_view name) { return hyperparameter(name); };
    gradients = clipped(request_.optimizer, std::move(gradients), number);
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      const DeclaredState& state = *trained_[i];
      std::vector<std::string> names = slot_names(state.name, request_, owner());
      Update update{request_.optimizer, builder_.term(map(state.value)), gradients[i], {}, updates, number};
      for (const std::string& name : names) update.slots.push_back(builder_.term(function_.parameter(name)));
      if (due) update.slots.pop_back();
      std::vector<Term> next = request_.optimizer.spec->update(update), old = update.slots;
      old.insert(old.begin(), update.weight);
      for (std::size_t j = 0; due && j < next.size(); ++j) next[j] = select(due, next[j], old[j]);
      if (due) next.push_back(select(due, sums[i].like(0), sums[i]));
      names.insert(names.begin(), state.name);
      for (std::size_t j = 0; j < names.size(); ++j) function_.add_result({names[j], Role::state}, next[j].value());
    }
  }

  void add_watched(ProgramInfo& info, const std::string& name,
                   const std::vector<std::pair<const char*, Term>>& numbers) {
    WatchedInfo watched{name, "watch." + name, {}};
    std::vector<Term> parts;
    for (const auto& [what, value] : numbers) {
      watched.numbers.emplace_back(what);
      parts.push_back(reshape(cast(value, DType::f64), {1}));
    }
    function_.add_result({watched.result, Role::data},
                         apply("concatenate", parts, {{"axis", std::int64_t{0}}}).value());
    info.watched.push_back(std::move(watched));
  }

  Term norm(Term x) { return apply("sqrt", {cast(reduce_sum(x * x, {}), DType::f64)}); }
  Term zeros(Term x) {
    if (x.rank() == 0) return cast(apply("equal", {x, x.like(0)}), DType::f64);
    return apply("mean", {cast(apply("equal", {x, x.like(0)}), DType::f64)});
  }

  // ‖w‖, ‖∂loss/∂w‖, ‖Δw‖ / ‖w‖, share of zeros
  void watch_parameters(ProgramInfo& info) {
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      const std::string& name = trained_[i]->name;
      if (!any_matches(model_.watches_, name)) continue;
      Term w = builder_.term(map(trained_[i]->value)), size = norm(w);
      Term next;
      for (std::size_t k = 0; k < function_.results.size(); ++k)
        if (function_.results[k].role == Role::state && function_.results[k].name == name)
          next = builder_.term(function_.body.results[k]);
      Term ratio = norm(next - w) / apply("maximum", {size, size.like(1e-30)});
      add_watched(
          info, name,
          {{"norm", size}, {"gradient", norm(builder_.term(gradients_[i]))}, {"update", ratio}, {"zeros", zeros(w)}});
    }
  }

  // ‖x‖, ‖∂loss/∂x‖, share of zeros
  void watch_values(ProgramInfo& info) {
    if (model_.watches_.empty()) return;
    std::vector<Value*> operands = {loss_};
    for (const auto& node : model_.region_.nodes)
      for (const auto& result : node->results)
        if (marked_.contains(result.get()) && !result->name.empty() && is_float(result->type.dtype) &&
            node->op->irregular != Irregular::constant && map(result.get()) != loss_ &&
            any_matches(model_.watches_, result->name))
          operands.push_back(map(result.get()));
    if (operands.size() == 1) return;
    std::vector<Value*> gradients = builder_.make("gradient", operands);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      Term x = builder_.term(operands[i + 1]);
      add_watched(info, operands[i + 1]->name,
                  {{"norm", norm(x)}, {"gradient", norm(builder_.term(gradients[i]))}, {"zeros", zeros(x)}});
    }
  }

  const ModelBuilder& model_;
  const ProgramRequest& request_;
  Function& function_;
  Builder builder_;
  bool training_;
  std::vector<const DeclaredState*> trained_;
  std::vector<Value*> gradients_;  // of the trained parameters
  std::unordered_set<Value*> marked_;
  ValueMap map_;
  Value* loss_ = nullptr;
  Term steps_;                                                // of this program before this one, f64[]
  std::map<std::string, Term, std::less<>> hyperparameters_;  // at this step
};

bool ModelBuilder::trains_several() const {
  return std::count_if(programs_.begin(), programs_.end(), [](const auto& p) { return p.objective != nullptr; }) > 1;
}

std::string ModelBuilder::counter_of(const ProgramRequest& request) const {
  return trains_several() ? request.name + ".step" : "step";
}

StateLayout ModelBuilder::layout() const {
  StateLayout layout;
  std::vector<std::string> counters;
  for (const DeclaredState& state : states_) layout.entries.push_back({state.name, state.value->type, state.kind, 0});
  for (const ProgramRequest& request : programs_) {
    if (!request.objective) continue;
    const std::string owner = trains_several() ? request.name : "", counter = counter_of(request);
    if (Value* taken = find_state(counter); taken && taken != step_)
      throw UserError(location_of(taken),
                      "`" + counter + "` is the name of the step counter of program `" + request.name + "`");
    if (counter != "step") counters.push_back(counter);
    Function unused;
    for (const DeclaredState* state : ProgramWriter(*this, request, unused).trained())
      for (const std::string& slot : slot_names(state->name, request, owner)) {
        if (Value* taken = find_state(slot))
          throw UserError(location_of(taken),
                          "`" + slot + "` is the name of the optimizer's slot of `" + state->name + "`");
        if (!layout.find(slot)) layout.entries.push_back({slot, state->value->type, StateEntry::Kind::slot, 0});
      }
  }
  std::int64_t total = 0;
  for (const StateEntry& entry : layout.entries)
    if (__builtin_add_overflow(total, entry.type.bytes() + 64, &total))
      throw UserError(location_of(find_state(entry.name) ? find_state(entry.name) : step_),
                      "the parameters up to `" + entry.name + "`, which is " + entry.type.str() +
                          ", take more bytes than 64 bits can count");
  layout.entries.push_back({"step", step_->type, StateEntry::Kind::counter, 0});
  for (const std::string& counter : counters)
    layout.entries.push_back({counter, step_->type, StateEntry::Kind::counter, 0});
  layout.entries.push_back({"key", key_->type, StateEntry::Kind::key, 0});
  layout.place();
  return layout;
}

// The key is the seed's two halves. Each draw of a parameter takes the next random stream of the key.
void ModelBuilder::write_init(Module& module, const StateLayout& state) const {
  Function& init = module.add_function("init");
  Parameter parameter;
  parameter.name = "seed";
  parameter.role = Role::scalar;
  Builder builder(init.body);
  Term seed = builder.term(init.add_parameter(std::move(parameter), {DType::i64, {}}));
  auto half = [&](Term word) { return reshape(cast(word, DType::u32), {1}); };
  Term key = gradc::apply("concatenate", {half(seed), half(seed / 4294967296.0)}, {{"axis", std::int64_t{0}}});
  std::int64_t stream = 0;
  for (const StateEntry& entry : state.entries) {
    Value* value = nullptr;
    auto declared = state_index_.find(entry.name);
    if (entry.kind == StateEntry::Kind::key)
      value = key.value();
    else if (declared == state_index_.end())
      value = builder.full(entry.type, 0);
    else {
      const DeclaredState& own = states_[declared->second];
      builder.locations = own.location.known() ? Locations{own.location} : Locations{};
      value = draw(builder, own.initializer, entry.type, key.value(), stream);
      builder.locations.clear();
    }
    init.add_result({entry.name, Role::state}, value);
  }
}

void ModelBuilder::check_globs() const {
  constexpr std::size_t kFew = 12;  // that a message can list
  std::vector<std::string> names = parameter_names();
  auto check = [&](const std::string& glob, const Location& at) {
    if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return matches(glob, name); }))
      throw UserError(at, "`" + glob + "` matches no parameter" +
                              (names.size() <= kFew ? suggest_or_list(glob, names) : suggest(glob, names)));
  };
  for (const auto& [glob, at] : frozen_) check(glob, at);
  std::vector<std::string> watchable = names;
  for (const auto& node : region_.nodes)
    for (const auto& result : node->results)
      if (!result->name.empty() && is_float(result->type.dtype)) watchable.push_back(result->name);
  for (const std::string& glob : watches_)
    if (std::none_of(watchable.begin(), watchable.end(), [&](const auto& name) { return matches(glob, name); }))
      throw UserError(Location(),
                      "--watch: `" + glob + "` matches no parameter and no named value" + suggest(glob, watchable));
  for (const Regularizer& regularizer : regularizers_)
    for (const std::string& glob : regularizer.on) check(glob, regularizer.location);
  for (const ProgramRequest& request : programs_)
    for (const std::string& glob : request.parameters)
      check(glob, request.parameters_location.known() ? request.parameters_location : request.location);
}

std::unique_ptr<ModelGraph> ModelBuilder::graph() const {
  check_globs();
  auto model = std::make_unique<ModelGraph>();
  model->name = name_;
  model->module = std::make_unique<Module>();
  model->module->name = name_;
  model->layers = layers_;
  model->data = data_;
  model->input_statistics = input_statistics_;
  model->sample_stop = sample_stop_;
  model->warnings = warnings_;
  if (const std::string symbol = batch_symbol(); !symbol.empty()) model->batch_symbol = symbol;
  model->state = layout();
  write_init(*model->module, model->state);
  const ProgramRequest* training = nullptr;
  for (const ProgramRequest& request : programs_)
    if (request.objective && (!trains_several() || request.name == "train")) training = &request;
  for (const ProgramRequest& request : programs_) {
    bool evaluates = !request.objective && !request.reports.empty();
    ProgramWriter writer(*this, request, model->module->add_function(request.name));
    model->programs.push_back(writer.write(evaluates ? training : nullptr));
  }
  for (const ProgramRequest& request : programs_) check_monitor(request.monitor);
  model->plan = complete_plan();
  return model;
}

}  // namespace gradc
