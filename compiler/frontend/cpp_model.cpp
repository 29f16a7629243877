// The C++ API over the model builder.
#include "gradc/model.h"

#include <algorithm>

#include "compiler/frontend/cpp_access.h"
#include "compiler/frontend/evaluate.h"
#include "compiler/frontend/indexing.h"
#include "compiler/frontend/layers.h"
#include "compiler/frontend/model_builder.h"

namespace gradc {

Location location_of(Place at) {
  std::string file = at.file_name();
  if (std::size_t slash = file.rfind('/'); slash != std::string::npos) file.erase(0, slash + 1);
  return make_location(std::move(file), at.line(), 0);
}

ModelBuilder& model_of(const std::vector<Expr>& operands, std::string_view op, const Location& at) {
  ModelBuilder* model = nullptr;
  for (const Expr& operand : operands) {
    if (!operand.model()) continue;
    if (model && operand.model() != model)
      throw UserError(at, std::string(op) + ": its operands are of two models, `" + model->name() + "` and `" +
                              operand.model()->name() + "`");
    model = operand.model();
  }
  if (!model)
    throw UserError(at, std::string(op) + ": one of its operands must be a value of a model, all are numbers");
  return *model;
}

Operand operand_of(const Expr& expr, const ModelBuilder& model, const Location& at) {
  if (!expr.value()) return expr.number();
  if (expr.model() != &model)
    throw UserError(at, "the expression is of the model `" + expr.model()->name() + "`, not of `" + model.name() + "`");
  return expr.value();
}

Value* value_of(const Expr& expr, ModelBuilder& model, const Location& at) {
  Operand operand = operand_of(expr, model, at);
  return operand.value ? operand.value : model.at(at).constant(DType::f32, operand.number);
}

inline namespace api {

namespace {

const Op& find_op(std::string_view name, const Location& at) {
  const Op* op = Registry::get().find(name);
  if (op && !op->internal) return *op;
  throw UserError(at, "unknown op `" + std::string(name) + "`" + suggest(name, Registry::get().names()));
}

Expr binary(std::string_view op, const Located& a, const Located& b) {
  return apply_op(op, {a.expr, b.expr}, {}, a.place);
}

void check_name(const std::string& name, const Location& at) {
  if (!is_path(name)) throw UserError(at, "`" + name + "` is no name: a letter or _, then letters, digits and _");
}

Initializer initializer_of(const Init& init, const Shape* shape, const Location& at) {
  if (init.text.empty()) {
    Shape flat = {static_cast<std::int64_t>(init.elements.size())};
    Shape wanted = shape && is_static(*shape) && element_count(*shape) == element_count(flat) ? *shape : flat;
    Initializer literal;
    literal.literal = std::make_shared<const Tensor>(Tensor::of({DType::f64, wanted}, init.elements));
    return literal;
  }
  try {
    SyntaxPtr syntax = parse_expression(init.text);
    ModelBuilder scratch("initializer");
    Scope nothing;
    Functions none;
    Evaluator evaluator(scratch, nothing, nothing, none, [&](std::size_t) { return at; });
    if (syntax->kind != Syntax::Kind::name && syntax->kind != Syntax::Kind::call)
      return initializer("constant", {evaluator.number(*syntax)});
    Initializer result = initializer(syntax->text);
    for (const SyntaxPtr& argument : syntax->children) result.arguments.push_back(evaluator.number(*argument));
    return result;
  } catch (const ExpressionError& error) {
    throw UserError(at, "initialiser \"" + init.text + "\": " + error.what());
  }
}

ScheduleChoice schedule_of(const Schedule& given, const Location& at) {
  ScheduleChoice choice;
  std::vector<std::string> names;
  for (const ScheduleSpec& spec : schedules()) names.push_back(spec.name);
  choice.spec = find_schedule(given.kind);
  if (!choice.spec) throw UserError(at, "unknown schedule `" + given.kind + "`" + suggest_or_list(given.kind, names));
  std::vector<std::string> known;
  for (const ScheduleNumber& number : choice.spec->numbers) known.push_back(number.name);
  for (const auto& [number, value] : given.numbers) {
    if (std::find(known.begin(), known.end(), number) == known.end())
      throw UserError(at, given.kind + " has no number `" + number + "`" + suggest_or_list(number, known));
    choice.numbers[number] = value;
  }
  if (!given.epochs.empty() && !given.steps.empty()) throw UserError(at, given.kind + " has both epochs and steps");
  if (given.warm_up_epochs > 0 && given.warm_up_steps > 0)
    throw UserError(at, given.kind + " has a warm-up in both epochs and steps");
  choice.in_epochs = given.steps.empty();
  choice.length = choice.in_epochs ? given.epochs : given.steps;
  choice.warm_up_in_epochs = given.warm_up_steps == 0;
  choice.warm_up = choice.warm_up_in_epochs ? given.warm_up_epochs : given.warm_up_steps;
  if (std::string wrong = complete(choice); !wrong.empty()) throw UserError(at, wrong);
  return choice;
}

struct ToLayerValue {
  const LayerAttribute& attribute;
  const Location& at;

  LayerValue operator()(bool value) const { return value; }
  LayerValue operator()(std::int64_t value) const { return value; }
  LayerValue operator()(double value) const { return value; }
  LayerValue operator()(const Sizes& value) const { return value.list; }
  LayerValue operator()(const Padding& value) const {
    if (const std::string* text = std::get_if<std::string>(&value.value)) return *text;
    return std::get<IntList>(value.value);
  }
  LayerValue operator()(const Init& value) const { return initializer_of(value, nullptr, at); }
};

}  // namespace

// ---- expressions ----

const Type& Expr::type() const {
  if (!value_) throw UserError(Location(), "a number has no type before it stands beside a value");
  return value_->type;
}

const std::string& Expr::name() const {
  static const std::string none;
  return value_ ? value_->name : none;
}

Expr Expr::named(const std::string& name) const {
  if (value_ && value_->node) value_->name = name;
  return *this;
}

std::vector<Expr> apply_op_all(std::string_view name, const std::vector<Expr>& operands, Attributes attributes,
                               Place place) {
  Location at = location_of(place);
  const Op& op = find_op(name, at);
  ModelBuilder& model = model_of(operands, name, at);
  std::vector<Operand> values;
  for (const Expr& operand : operands) values.push_back(operand_of(operand, model, at));
  std::vector<Expr> results;
  for (Value* result : model.apply(op, values, std::move(attributes), at)) results.emplace_back(model, result);
  return results;
}

Expr apply_op(std::string_view name, const std::vector<Expr>& operands, Attributes attributes, Place place) {
  std::vector<Expr> results = apply_op_all(name, operands, std::move(attributes), place);
  if (results.size() != 1)
    throw UserError(location_of(place), std::string(name) + " has " + std::to_string(results.size()) +
                                            " results; apply_op_all hands out all");
  return results[0];
}

namespace {

IndexItem item_of(const Index& index, ModelBuilder& model) {
  IndexItem item;
  item.location = location_of(index.place);
  switch (index.kind) {
    case Index::Kind::number:
      item.kind = IndexItem::Kind::integer;
      item.number = index.number;
      break;
    case Index::Kind::value:
      item.kind = IndexItem::Kind::value;
      item.value = value_of(index.value, model, item.location);
      break;
    case Index::Kind::range:
      item.kind = IndexItem::Kind::range;
      item.start = index.range.start;
      item.stop = index.range.stop;
      item.step = index.range.step;
      break;
    case Index::Kind::ellipsis:
      item.kind = IndexItem::Kind::ellipsis;
      break;
    case Index::Kind::new_axis:
      item.kind = IndexItem::Kind::new_axis;
      break;
  }
  return item;
}

}  // namespace

Expr Expr::operator[](const Index& item) const { return (*this)[{item}]; }

Expr Expr::operator[](std::initializer_list<Index> items) const {
  Location at = items.size() == 0 ? Location() : location_of(items.begin()->place);
  if (!value_) throw UserError(at, "a number has no elements to choose by an index");
  std::vector<IndexItem> list;
  for (const Index& index : items) list.push_back(item_of(index, *model_));
  return {*model_, index_value(*model_, value_, list, at)};
}

Expr apply_op(Model& model, std::string_view name, Attributes attributes, Place place) {
  Location at = location_of(place);
  return {model.builder(), model.builder().apply(find_op(name, at), {}, std::move(attributes), at)[0]};
}

Expr operator+(const Located& a, const Located& b) { return binary("add", a, b); }
Expr operator-(const Located& a, const Located& b) { return binary("subtract", a, b); }
Expr operator*(const Located& a, const Located& b) { return binary("multiply", a, b); }
Expr operator/(const Located& a, const Located& b) { return binary("divide", a, b); }
Expr operator%(const Located& a, const Located& b) { return binary("remainder", a, b); }
Expr operator-(const Located& a) { return apply_op("negate", {a.expr}, {}, a.place); }
Expr operator==(const Located& a, const Located& b) { return binary("equal", a, b); }
Expr operator!=(const Located& a, const Located& b) { return binary("not_equal", a, b); }
Expr operator<(const Located& a, const Located& b) { return binary("less", a, b); }
Expr operator<=(const Located& a, const Located& b) { return binary("less_equal", a, b); }
Expr operator>(const Located& a, const Located& b) { return binary("greater", a, b); }
Expr operator>=(const Located& a, const Located& b) { return binary("greater_equal", a, b); }
Expr operator&&(const Located& a, const Located& b) { return binary("logical_and", a, b); }
Expr operator||(const Located& a, const Located& b) { return binary("logical_or", a, b); }
Expr operator!(const Located& a) { return apply_op("logical_not", {a.expr}, {}, a.place); }

// ---- programs ----

const std::string& Program::name() const { return model_->programs()[index_].name; }

Program& Program::report(const std::string& name, const Expr& value, const std::string& reduce, Place place) {
  Location at = location_of(place);
  const auto& names = reduce_names();
  const auto found = std::find(names.begin(), names.end() - 1, reduce);
  if (found == names.end() - 1)
    throw UserError(at, "unknown reduction `" + reduce + "`" + suggest_or_list(reduce, names));
  Value* each = value_of(value, *model_, at);
  add_report({name, each, static_cast<Reduce>(found - names.begin()), each->type.dtype == DType::boolean}, at);
  return *this;
}

Program& Program::report_weighted(const std::string& name, const Expr& value, const Expr& weight, Place place) {
  Location at = location_of(place);
  Value* each = value_of(value, *model_, at);
  Value* sums = model_->weighted(each, value_of(weight, *model_, at), at);
  add_report({name, sums, Reduce::mean, each->type.dtype == DType::boolean, true}, at);
  return *this;
}

Program& Program::report_confusion(const std::string& name, const Expr& value, const Expr& target, std::int64_t classes,
                                   Place place) {
  Location at = location_of(place);
  Value* counts = model_->confusion(value_of(value, *model_, at), value_of(target, *model_, at), classes, at);
  add_report({name, counts, Reduce::confusion}, at);
  return *this;
}

void Program::add_report(ReportRequest report, const Location& at) {
  check_name(report.name, at);
  for (const ReportRequest& other : model_->programs()[index_].reports)
    if (other.name == report.name)
      throw UserError(at, "program `" + this->name() + "` reports `" + report.name + "` twice");
  ProgramRequest request = model_->program(index_);
  request.reports.push_back(std::move(report));
  model_->check_program(request);
  model_->program(index_) = std::move(request);
}

Program& Program::monitor(const std::string& metric, std::int64_t patience, std::optional<bool> highest) {
  model_->program(index_).monitor = {metric, highest, patience, model_->programs()[index_].location};
  return *this;
}

Program& Program::only(std::vector<std::string> globs) {
  model_->program(index_).parameters = std::move(globs);
  return *this;
}

Program& Program::epochs(std::int64_t count) {
  model_->program(index_).epochs = count;
  return *this;
}

Program& Program::accumulate(std::int64_t batches) {
  if (batches < 1)
    throw UserError(model_->programs()[index_].location,
                    "program `" + name() + "` can't accumulate over " + std::to_string(batches) + " batches");
  model_->program(index_).accumulate = batches;
  return *this;
}

Program& Program::batch(std::int64_t size) {
  model_->program(index_).batch = size;
  return *this;
}

// ---- models ----

Model::Model(const std::string& name) : builder_(std::make_unique<ModelBuilder>(name)) {
  if (!is_identifier(name))
    throw UserError(Location(), "`" + name + "` is no name of a model: a letter or _, then letters, digits and _");
}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Expr Model::input(const std::string& name, DType dtype, Shape shape, Place place) {
  Location at = location_of(place);
  check_name(name, at);
  return {*builder_, builder_->add_input(name, {dtype, std::move(shape)}, at)};
}

Expr Model::parameter(const std::string& name, DType dtype, Shape shape, const Init& init, Place place) {
  Location at = location_of(place);
  check_name(name, at);
  Initializer start = initializer_of(init, &shape, at);
  return {*builder_, builder_->add_parameter(name, {dtype, std::move(shape)}, std::move(start), at)};
}

Expr Model::constant(DType dtype, Shape shape, const std::vector<double>& elements, Place place) {
  Location at = location_of(place);
  Type type{dtype, std::move(shape)};
  if (!is_static(type.shape) || element_count(type.shape) != Dim(static_cast<std::int64_t>(elements.size())))
    throw UserError(at, "a constant of " + type.str() + " is given " + std::to_string(elements.size()) + " elements");
  return {*builder_, builder_->at(at).constant(Tensor::of(type, elements))};
}

void Model::output(const std::string& name, const Expr& value, Place place) {
  Location at = location_of(place);
  check_name(name, at);
  if (!predict_) {
    ProgramRequest request;
    request.name = "predict";
    request.location = at;
    builder_->add_program(std::move(request));
    predict_ = builder_->programs().size() - 1;
  }
  auto& outputs = builder_->program(*predict_).outputs;
  for (const auto& [other, taken] : outputs)
    if (other == name) throw UserError(at, "output `" + name + "` is given twice");
  outputs.emplace_back(name, value_of(value, *builder_, at));
}

Program Model::add_program(const std::string& name, const Expr& objective, bool maximize, const Optimizer& optimizer,
                           Place place) {
  Location at = location_of(place);
  check_name(name, at);
  const OptimizerSpec* spec = find_optimizer(optimizer.kind);
  ensure(spec, "an optimizer of the C++ API is not in the table");
  ProgramRequest request;
  request.name = name;
  request.location = at;
  request.objective = value_of(objective, *builder_, at);
  request.maximize = maximize;
  request.optimizer = default_choice(*spec);
  request.optimizer.location = at;
  for (const auto& [number, rate] : optimizer.numbers) {
    request.optimizer.numbers[number] = rate.number;
    if (!rate.schedule) continue;
    ScheduleChoice schedule = schedule_of(*rate.schedule, at);
    if (schedule.spec->name == "plateau" && number != "learning_rate")
      throw UserError(at, "`" + number + "` can't follow `plateau`, only `learning_rate` can");
    request.optimizer.numbers[number] = schedule.number(schedule.spec->base);
    request.optimizer.schedules.emplace(number, std::move(schedule));
  }
  for (const Hyperparameter& number : spec->numbers)
    if (std::string wrong = wrong_number(*spec, number, request.optimizer.number(number.name)); !wrong.empty())
      throw UserError(at, wrong);
  for (const auto& [flag, value] : optimizer.flags) request.optimizer.flags[flag] = value;
  builder_->add_program(std::move(request));
  return {*builder_, builder_->programs().size() - 1};
}

Program Model::minimize(const std::string& name, const Expr& objective, const Optimizer& optimizer, Place at) {
  return add_program(name, objective, false, optimizer, at);
}

Program Model::maximize(const std::string& name, const Expr& objective, const Optimizer& optimizer, Place at) {
  return add_program(name, objective, true, optimizer, at);
}

Program Model::evaluate(const std::string& name, const std::string& report, const Expr& value, Place place) {
  Location at = location_of(place);
  check_name(name, at);
  ProgramRequest request;
  request.name = name;
  request.location = at;
  Value* each = value_of(value, *builder_, at);
  request.reports.push_back({report, each, Reduce::mean, each->type.dtype == DType::boolean});
  builder_->add_program(std::move(request));
  return {*builder_, builder_->programs().size() - 1};
}

void Model::regularize(const std::string& glob, double l1, double l2, Place place) {
  Location at = location_of(place);
  if (!(l1 >= 0 && l2 >= 0)) throw UserError(at, "a regulariser must not be negative");
  builder_->regularize({l1, l2, {glob}, at});
}

void Model::plan(const std::vector<TrainStage>& stages, Place place) {
  for (const TrainStage& given : stages) {
    PlanStage stage;
    stage.location = location_of(place);
    stage.name = given.name;
    stage.turns = given.alternate;
    if (!given.program.empty()) stage.turns.emplace_back(given.program, 1);
    if (!given.program.empty() && !given.alternate.empty())
      throw UserError(stage.location, "plan: a stage has either `program` or `alternate`");
    for (const auto& [program, steps] : stage.turns)
      if (steps < 1)
        throw UserError(stage.location,
                        "plan: `" + program + "` takes " + std::to_string(steps) + " steps, at least 1");
    if (given.epochs > 0) stage.epochs = given.epochs;
    if (given.batch > 0) stage.batch = given.batch;
    builder_->plan(std::move(stage));
  }
}

void Model::watch(const std::string& glob) { builder_->watch(glob); }

void Model::freeze(const std::string& glob, Place place) { builder_->freeze(glob, location_of(place)); }

std::unique_ptr<ModelGraph> Model::graph() const { return builder_->graph(); }

// ---- layers ----

namespace {

using OptionalExprs = std::vector<std::optional<Expr>>;

// The layer's own result, then those with names.
std::vector<Expr> call_layer(ModelBuilder& model, std::string_view layer, const std::string& name,
                             const OptionalExprs& operands, const LayerArguments& arguments, bool shared,
                             const Location& at) {
  const LayerSpec* spec = find_layer(layer);
  ensure(spec, "a layer of the C++ API is not in the table");
  if (!name.empty()) check_name(name, at);
  if (operands.size() > spec->operands.size() || operands.size() < spec->required_operands())
    throw UserError(at, spec->name + ": takes " + std::to_string(spec->required_operands()) +
                            (spec->optional_operands ? " to " + std::to_string(spec->operands.size()) : "") +
                            " operands, got " + std::to_string(operands.size()));
  LayerCall call{model, *spec, name, name, {}, {}, at, {}, shared};
  for (const std::optional<Expr>& operand : operands)
    call.operands.push_back(operand ? value_of(*operand, model, at) : nullptr);
  for (const auto& [key, value] : arguments) {
    const LayerAttribute* attribute = spec->attribute(key);
    ensure(attribute, "a layer of the C++ API is given an attribute that is not in the table");
    call.attributes.emplace(key, std::visit(ToLayerValue{*attribute, at}, value));
  }
  std::vector<Expr> results = {Expr(model, build_layer(call))};
  for (const auto& [result, value] : call.results) results.emplace_back(model, value);
  return results;
}

OptionalExprs all_given(const std::vector<Expr>& operands) { return {operands.begin(), operands.end()}; }

}  // namespace

struct Layer::Data {
  ModelBuilder* model;
  std::string layer, name;
  LayerArguments arguments;
  bool built = false;
};

Layer::Layer(Model& model, std::string_view layer, const std::string& name, LayerArguments arguments, Place at)
    : data_(std::make_shared<Data>(Data{&model.builder(), std::string(layer), name, std::move(arguments), false})) {
  check_name(name, location_of(at));
}

Expr Layer::operator()(const std::vector<Expr>& operands, Place at) {
  Expr result = call_layer(*data_->model, data_->layer, data_->name, all_given(operands), data_->arguments,
                           data_->built, location_of(at))[0];
  data_->built = true;
  return result;
}

Expr apply_layer(ModelBuilder& model, std::string_view layer, const std::string& name,
                 const std::vector<Expr>& operands, const LayerArguments& arguments, Place at) {
  return call_layer(model, layer, name, all_given(operands), arguments, false, location_of(at))[0];
}

Expr apply_layer(const std::vector<Expr>& operands, std::string_view layer, const LayerArguments& arguments,
                 Place place) {
  Location at = location_of(place);
  return call_layer(model_of(operands, layer, at), layer, "", all_given(operands), arguments, false, at)[0];
}

std::vector<Expr> apply_layer_all(ModelBuilder& model, std::string_view layer, const std::string& name,
                                  const OptionalExprs& operands, const LayerArguments& arguments, Place at) {
  return call_layer(model, layer, name, operands, arguments, false, location_of(at));
}

Expr Linear::operator()(const Expr& x, Place at) {
  const Shape* shape = x.value() ? &x.shape() : nullptr;
  if (!shape || shape->empty() || shape->back() != Dim(in_))
    throw UserError(location_of(at), "linear: takes values whose last dimension is " + std::to_string(in_) + ", got " +
                                         (shape ? x.type().str() : "a number"));
  return layer_(x, at);
}

}  // namespace api
}  // namespace gradc
