// Reports with their reductions, what is monitored, and the plan of a spec.
#include <algorithm>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

std::vector<ProgramRequest::Report> SpecReader::read_reports(const Json& json, const std::string& what,
                                                             JsonMembers& resolved) {
  std::vector<ProgramRequest::Report> reports;
  if (!expect(json, Json::Kind::object, what)) return reports;
  for (const JsonMember& member : json.members) {
    guarded([&] {
      if (!is_identifier(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      std::string shown;
      ProgramRequest::Report report;
      if (member.value.is(Json::Kind::object)) {
        report = read_reduced(member.value, what + ": `" + member.key + "`", shown);
      } else {
        SyntaxPtr syntax = expression_of(member.value, what + ": `" + member.key + "`");
        report.value = evaluator(member.value, graph_).value(*syntax);
        report.boolean = report.value->type.dtype == DType::boolean;
        shown = quote_json(print_resolved(*syntax, graph_));
      }
      report.name = member.key;
      reports.push_back(report);
      resolved.emplace_back(member.key, shown);
    });
  }
  return reports;
}

namespace {

bool is_mean(Reduce reduce) {
  return reduce == Reduce::mean || reduce == Reduce::sqrt_mean || reduce == Reduce::exp_mean;
}

}  // namespace

// { "value": "square(y - t)", "reduce": "sqrt_mean" }
ProgramRequest::Report SpecReader::read_reduced(const Json& json, const std::string& what, std::string& resolved) {
  ProgramRequest::Report report;
  if (const Json* reduce = json.find("reduce")) {
    const std::string& text = string_of(*reduce, what + ": `reduce`");
    const auto& names = reduce_names();
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end())
      throw UserError(reduce->location(), "unknown reduction `" + text + "`" + suggest_or_list(text, names));
    report.reduce = static_cast<Reduce>(found - names.begin());
  }
  const bool confusion = report.reduce == Reduce::confusion;
  std::vector<std::string> known = {"value", "reduce"};
  if (confusion) known.insert(known.end(), {"target", "classes"});
  if (is_mean(report.reduce)) known.emplace_back("weight");
  if (!check_keys(json, known, what)) throw Poisoned{};
  JsonMembers shown;
  const auto value_at = [&](const char* key) {
    const Json* text = json.find(key);
    if (!text) throw UserError(json.location(), what + " needs `" + key + "`, an expression");
    SyntaxPtr syntax = expression_of(*text, what + ": `" + key + "`");
    shown.emplace_back(key, quote_json(print_resolved(*syntax, graph_)));
    return evaluator(*text, graph_).value(*syntax);
  };
  report.value = value_at("value");
  report.boolean = report.value->type.dtype == DType::boolean;
  if (json.find("weight") && is_mean(report.reduce)) {
    report.value = model_->weighted(report.value, value_at("weight"), json.find("weight")->location());
    report.weighted = true;
  }
  if (confusion) {
    Value* target = value_at("target");
    std::int64_t classes = 0;
    if (const Json* given = json.find("classes")) {
      classes = integer_of(*given, globals_, what + ": `classes`", 1);
      shown.emplace_back("classes", std::to_string(classes));
    }
    report.value = model_->confusion(report.value, target, classes, json.location());
  }
  shown.emplace_back("reduce", quote_json(reduce_names()[static_cast<std::size_t>(report.reduce)]));
  resolved = object_text(shown);
  return report;
}

// `monitor`: a metric, or { "highest": NAME }, { "lowest": NAME }; and `patience`.
Monitor SpecReader::read_monitor(const Json& json, const std::string& what, const Monitor& preset) {
  Monitor monitor = preset;
  monitor.location = json.location();
  if (const Json* given = json.find("monitor")) {
    monitor.location = given->location();
    const Json* name = given;
    monitor.highest.reset();
    if (given->is(Json::Kind::object)) {
      if (!check_keys(*given, {"highest", "lowest"}, what + ": `monitor`")) throw Poisoned{};
      const Json* lowest = given->find("lowest");
      name = given->find("highest");
      if ((name == nullptr) == (lowest == nullptr))
        throw UserError(given->location(), what + ": `monitor` needs either `highest` or `lowest`");
      monitor.highest = name != nullptr;
      if (!name) name = lowest;
    }
    monitor.metric = string_of(*name, what + ": `monitor`");
  }
  if (const Json* patience = json.find("patience"))
    monitor.patience = integer_of(*patience, globals_, what + ": `patience`", 0);
  return monitor;
}

void SpecReader::show_monitor(const Monitor& monitor, JsonMembers& resolved) {
  std::string shown = quote_json(monitor.metric);
  if (monitor.highest) shown = std::string(*monitor.highest ? "{ \"highest\": " : "{ \"lowest\": ") + shown + " }";
  resolved.emplace_back("monitor", shown);
  resolved.emplace_back("patience", std::to_string(monitor.patience));
}

void SpecReader::read_plan() {
  const Json* plan = section("plan", Json::Kind::array);
  if (!plan) return;
  for (const Json& json : plan->items) guarded([&] { read_stage(json); });
}

// { "program": "pretrain", "epochs": 3 } or { "alternate": { "discriminator": 1, "generator": 1 }, "epochs": 10 }
void SpecReader::read_stage(const Json& json) {
  if (!expect(json, Json::Kind::object, "a stage of the plan")) throw Poisoned{};
  const std::string what = "plan";
  const std::vector<std::string> known = {"program", "alternate", "name", "epochs", "batch", "monitor", "patience"};
  if (!check_keys(json, known, what)) throw Poisoned{};
  PlanStage stage;
  stage.location = json.location();
  const Json *program = json.find("program"), *alternate = json.find("alternate");
  if ((program == nullptr) == (alternate == nullptr))
    throw UserError(json.location(),
                    "plan: a stage needs either `program` or `alternate`, as in { \"alternate\": { "
                    "\"discriminator\": 1, \"generator\": 1 }, \"epochs\": 10 }");
  if (program) {
    stage.location = program->location();
    stage.turns.emplace_back(string_of(*program, "plan: `program`"), 1);
  } else {
    if (!expect(*alternate, Json::Kind::object, "plan: `alternate`")) throw Poisoned{};
    for (const JsonMember& member : alternate->members)
      stage.turns.emplace_back(member.key, integer_of(member.value, globals_, "plan: `" + member.key + "`", 1));
  }
  if (const Json* name = json.find("name")) stage.name = string_of(*name, "plan: `name`");
  if (const Json* epochs = json.find("epochs")) stage.epochs = integer_of(*epochs, globals_, "plan: `epochs`", 1);
  if (const Json* batch = json.find("batch")) stage.batch = integer_of(*batch, globals_, "plan: `batch`", 1);
  if (json.find("monitor") || json.find("patience")) {
    Monitor preset;
    for (const ProgramRequest& request : model_->programs())
      if (!stage.turns.empty() && request.name == stage.turns[0].first) preset = request.monitor;
    stage.monitor = read_monitor(json, what, preset);
  }
  model_->plan(std::move(stage));
}

// Of a plan that is complete.
std::string SpecReader::resolved_stage(const PlanStage& stage) {
  JsonMembers shown, turns;
  for (const auto& [program, steps] : stage.turns) turns.emplace_back(program, std::to_string(steps));
  shown.emplace_back("alternate", object_text(turns));
  if (turns.size() == 1 && stage.turns[0].second == 1) shown = {{"program", quote_json(stage.turns[0].first)}};
  shown.emplace_back("name", quote_json(stage.name));
  shown.emplace_back("epochs", std::to_string(*stage.epochs));
  shown.emplace_back("batch", std::to_string(*stage.batch));
  show_monitor(*stage.monitor, shown);
  return object_text(shown);
}

}  // namespace gradc
