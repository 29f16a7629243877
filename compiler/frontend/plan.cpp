// The plan of training made complete, what is monitored checked, and the confusion matrix as a report.
#include <algorithm>

#include "compiler/frontend/model_builder.h"

namespace gradc {

const std::vector<std::string>& reduce_names() {
  static const std::vector<std::string> names = {"mean", "sum", "max", "min", "sqrt_mean", "exp_mean", "confusion"};
  return names;
}

std::vector<PlanStage> ModelBuilder::complete_plan() const {
  std::vector<PlanStage> plan = plan_;
  std::vector<std::string> trains, names;
  for (const ProgramRequest& request : programs_)
    if (request.objective) trains.push_back(request.name);
  for (PlanStage& stage : plan) {
    std::string joined;
    const ProgramRequest* first = nullptr;
    for (const auto& [name, steps] : stage.turns) {
      auto found = std::find_if(programs_.begin(), programs_.end(),
                                [&, wanted = name](const ProgramRequest& request) { return request.name == wanted; });
      if (found == programs_.end())
        throw UserError(stage.location, "plan: no program is named `" + name + "`" + suggest_or_list(name, trains));
      if (!found->objective)
        throw UserError(stage.location, "plan: the program `" + name + "` does not train: it has no objective");
      if (!first) first = &*found;
      joined += (joined.empty() ? "" : "+") + name;
    }
    if (!first) throw UserError(stage.location, "plan: a stage has no program");
    if (stage.name.empty()) stage.name = joined;
    if (std::count(names.begin(), names.end(), stage.name))
      throw UserError(stage.location, "plan: two stages are named `" + stage.name + "`; give one another `name`");
    names.push_back(stage.name);
    if (!stage.epochs) stage.epochs = first->epochs;
    if (!stage.batch) stage.batch = first->batch;
    if (!stage.monitor) stage.monitor = first->monitor;
    check_monitor(*stage.monitor);
  }
  return plan;
}

void ModelBuilder::check_monitor(const Monitor& monitor) const {
  std::vector<std::string> known = {"loss"};
  for (const ProgramRequest& request : programs_) {
    if (request.objective && trains_several()) known.push_back(request.name + ".loss");
    for (const ProgramRequest::Report& report : request.reports) {
      if (report.reduce == Reduce::confusion) continue;
      known.push_back(report.name);
      if (request.objective && trains_several()) known.push_back(request.name + "." + report.name);
    }
  }
  if (!std::count(known.begin(), known.end(), monitor.metric))
    throw UserError(monitor.location,
                    "monitor: no program reports `" + monitor.metric + "`" + suggest_or_list(monitor.metric, known));
}

namespace {

// The class of each example, i32[N], and the number of classes where it is known.
struct Classes {
  Term index;
  std::int64_t count = 0;
};

Classes classes_of(Term x, const char* what, const Location& at) {
  const Shape& shape = x.shape();
  if (x.rank() == 2 && shape[1].is_static())
    return {apply("argmax", {x}, {{"axis", std::int64_t{1}}}), shape[1].factor};
  if (x.rank() != 1 || is_float(x.dtype()))
    throw UserError(at, "confusion: " + std::string(what) +
                            " must be classes, integers or booleans of [N], or scores " + "of [N, classes]; got " +
                            x.type().str());
  if (x.dtype() == DType::boolean) return {cast(x, DType::i32), 2};
  return {cast(x, DType::i32), 0};
}

}  // namespace

Value* ModelBuilder::weighted(Value* value, Value* weight, const Location& location) {
  const std::string batch = batch_symbol();
  const Type& type = value->type;
  if (type.rank() == 0 || (!batch.empty() && type.shape[0].symbol != batch))
    throw UserError(location, "a weighted report takes a value for each example, its first dimension " +
                                  (batch.empty() ? "the batch" : batch) + "; this one is " + type.str());
  const Shape& narrow = weight->type.shape;
  bool fits = narrow.size() <= type.rank();
  for (std::size_t d = 0; fits && d < narrow.size(); ++d)
    fits = narrow[narrow.size() - 1 - d] == Dim(1) || narrow[narrow.size() - 1 - d] == type.shape[type.rank() - 1 - d];
  if (!fits)
    throw UserError(location, "the weight, " + weight->type.str() + ", does not broadcast to the value, " + type.str());
  Builder& builder = at(location);
  Term v = cast(builder.term(value), DType::f64);
  Term w = broadcast(cast(builder.term(weight), DType::f64), type.shape);
  Term counted = select(gradc::apply("equal", {w, w.like(0)}), w.like(0), w * v);
  const auto sum = [](Term x) { return reshape(reduce_sum(x, {}), {1}); };
  return gradc::apply("concatenate", {sum(counted), sum(w)}, {{"axis", std::int64_t{0}}}).value();
}

Value* ModelBuilder::confusion(Value* predicted, Value* target, std::int64_t classes, const Location& location) {
  Builder& builder = at(location);
  Classes columns = classes_of(builder.term(predicted), "its value", location);
  Classes rows = classes_of(builder.term(target), "its target", location);
  for (std::int64_t count : {columns.count, rows.count})
    if (classes == 0) classes = count;
  if (classes == 0) throw UserError(location, "confusion: say how many `classes` there are");
  for (std::int64_t count : {columns.count, rows.count})
    if (count > classes)
      throw UserError(location, "confusion: a value of " + std::to_string(count) + " classes, and `classes` is " +
                                    std::to_string(classes));
  const auto hot = [&](const Classes& each) {
    return gradc::apply("one_hot", {each.index}, {{"classes", classes}, {"dtype", DType::f32}});
  };
  return gradc::apply("matmul", {transpose(hot(rows), {1, 0}), hot(columns)}).value();
}

}  // namespace gradc
