// Outputs, programs and regularisers of a spec.
#include <algorithm>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

std::string object_text(const JsonMembers& members) {
  std::string text;
  for (const auto& [key, value] : members) text += (text.empty() ? "" : ", ") + quote_json(key) + ": " + value;
  return "{ " + text + " }";
}

std::string list_text(const std::vector<std::string>& strings) {
  std::string text;
  for (const std::string& string : strings) text += (text.empty() ? "" : ", ") + quote_json(string);
  return "[" + text + "]";
}

std::vector<std::pair<std::string, Value*>> SpecReader::read_results(
    const Json& json, const std::string& what, std::vector<std::pair<std::string, std::string>>& resolved) {
  std::vector<std::pair<std::string, Value*>> results;
  if (!expect(json, Json::Kind::object, what)) return results;
  for (const JsonMember& member : json.members) {
    guarded([&] {
      if (!is_identifier(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      SyntaxPtr syntax = expression_of(member.value, what + ": `" + member.key + "`");
      results.emplace_back(member.key, evaluator(member.value, graph_).value(*syntax));
      resolved.emplace_back(member.key, quote_json(print_resolved(*syntax, graph_)));
    });
  }
  return results;
}

// What is handed out where nothing says what: the last node, all its results where it has several.
std::vector<std::pair<std::string, Value*>> SpecReader::last_node(const Operand& last) {
  std::vector<std::pair<std::string, Value*>> outputs;
  const auto add = [&](std::string name, Value* value, const std::string& reference) {
    if (!is_identifier(name) || model_->find_input(name)) name = "output";
    outputs.emplace_back(name, value);
    resolved_.outputs.emplace_back(name, quote_json(reference));
  };
  if (!last.several) {
    add(last.value->name, last.value, reference_to(last.value, ""));
    return outputs;
  }
  const Node& node = *last.value->node;
  const std::string name = reference_to_several(node);
  const std::vector<std::string> spelled = result_names(node);
  for (std::size_t i = 0; i < spelled.size(); ++i) {
    const bool named = spelled[i][0] == '.';
    const std::string own = named ? spelled[i].substr(1) : std::to_string(i);
    add(named && !model_->find_input(own) ? own : "output_" + own, node.result(i), name + spelled[i]);
  }
  return outputs;
}

void SpecReader::read_outputs(Operand last) {
  ProgramRequest predict;
  predict.name = "predict";
  if (const Json* outputs = root_.find("outputs")) {
    predict.location = outputs->location();
    predict.outputs = read_results(*outputs, "`outputs`", resolved_.outputs);
  } else if (last.value) {
    predict.outputs = last_node(last);
  }
  if (predict.outputs.empty()) return;
  predict.batch = batch_;
  guarded([&] { model_->add_program(std::move(predict)); });
}

void SpecReader::read_regularize() {
  const Json* list = section("regularize", Json::Kind::array);
  if (!list) return;
  for (const Json& json : list->items) {
    guarded([&] {
      if (!expect(json, Json::Kind::object, "a regulariser") || !check_keys(json, {"l1", "l2", "on"}, "regularize"))
        throw Poisoned{};
      Regularizer regularizer;
      regularizer.location = json.location();
      for (auto [key, strength] : {std::pair{"l1", &regularizer.l1}, {"l2", &regularizer.l2}}) {
        const Json* given = json.find(key);
        if (!given) continue;
        *strength = number_of(*given, globals_, "regularize: `" + std::string(key) + "`");
        if (*strength < 0)
          throw UserError(given->location(),
                          "regularize: `" + std::string(key) + "` is negative: " + number_text(*strength));
      }
      if (!json.find("l1") && !json.find("l2")) throw UserError(json.location(), "regularize: give `l1` or `l2`");
      regularizer.on = {"*"};
      if (const Json* on = json.find("on")) {
        regularizer.on = strings_of(*on, "regularize: `on`");
        regularizer.location = on->location();
      }
      resolved_.regularize.push_back(object_text({{"l1", number_text(regularizer.l1)},
                                                  {"l2", number_text(regularizer.l2)},
                                                  {"on", list_text(regularizer.on)}}));
      model_->regularize(std::move(regularizer));
    });
  }
}

void SpecReader::read_freeze() {
  const Json* freeze = root_.find("freeze");
  if (!freeze) return;
  guarded([&] {
    const std::vector<std::string> globs = strings_of(*freeze, "`freeze`");
    for (std::size_t i = 0; i < globs.size(); ++i) {
      const std::string& glob = globs[i];
      model_->freeze(glob, freeze->items.empty() ? freeze->location() : freeze->items[i].location());
      resolved_.freeze.push_back(quote_json(glob));
    }
  });
}

void SpecReader::read_programs() {
  const Json* programs = section("programs", Json::Kind::object);
  if (!programs) return;
  for (const JsonMember& member : programs->members) guarded([&] { read_program(member); });
}

void SpecReader::read_program(const JsonMember& member) {
  const std::string what = "program `" + member.key + "`";
  if (!is_identifier(member.key))
    throw UserError(member.location(), "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
  if (member.key == "predict" || member.key == "sample")
    throw UserError(member.location(), "`" + member.key + "` is made from `" +
                                           (member.key == "sample" ? "sample" : "outputs") +
                                           "`; give the program another name");
  if (!expect(member.value, Json::Kind::object, what)) throw Poisoned{};
  const Json& json = member.value;
  const Json *minimize = json.find("minimize"), *maximize = json.find("maximize");
  bool trains = minimize || maximize;
  const std::vector<std::string> of_training = {"optimizer",  "accumulate", "epochs",
                                                "parameters", "monitor",    "patience"};
  std::vector<std::string> known = {"report", "batch", "minimize", "maximize"};
  known.insert(known.end(), of_training.begin(), of_training.end());
  if (!trains) {
    if (!check_keys(json, known, what)) throw Poisoned{};
    for (const std::string& key : of_training)
      if (const JsonMember* given = json.member(key))
        throw UserError(given->location(), what + " has `" + key + "` and nothing to `minimize` or `maximize`");
  }
  if (minimize && maximize) throw UserError(json.location(), what + " has both `minimize` and `maximize`");
  ProgramRequest request;
  request.name = member.key;
  request.location = member.location();
  request.batch = batch_;
  JsonMembers shown;
  Mistakes mistakes;
  mistakes.watch([&] {
    if (!check_keys(json, known, what)) throw Poisoned{};
  });
  if (trains) mistakes.watch([&] { read_objective(json, what, request, shown); });
  mistakes.watch([&] {
    if (const Json* batch = json.find("batch")) request.batch = integer_of(*batch, globals_, what + ": `batch`", 1);
  });
  if (const Json* report = json.find("report")) {
    JsonMembers reports;
    request.reports = read_reports(*report, what + ": `report`", reports);
    shown.emplace_back("report", object_text(reports));
  }
  mistakes.rethrow();
  if (!trains && !json.find("report"))
    throw UserError(member.location(), what + " needs `minimize`, `maximize` or `report`");
  shown.emplace_back("batch", std::to_string(request.batch));
  resolved_.programs.emplace_back(member.key, object_text(shown));
  model_->add_program(std::move(request));
}

// What a program that trains says besides its reports.
void SpecReader::read_objective(const Json& json, const std::string& what, ProgramRequest& request,
                                JsonMembers& shown) {
  const Json *minimize = json.find("minimize"), *objective = minimize ? minimize : json.find("maximize");
  request.maximize = !minimize;
  request.optimizer.location = request.location;
  request.location = objective->location();
  Mistakes mistakes;
  mistakes.watch([&] {
    SyntaxPtr syntax = expression_of(*objective, what + ": the objective");
    request.objective = evaluator(*objective, graph_).value(*syntax);
    shown.emplace_back(minimize ? "minimize" : "maximize", quote_json(print_resolved(*syntax, graph_)));
  });
  mistakes.watch([&] {
    const Location at = request.optimizer.location;
    request.optimizer = default_choice(*find_optimizer("sgd"));
    request.optimizer.location = at;
    if (const Json* given = json.find("optimizer")) request.optimizer = read_optimizer(*given);
    shown.emplace_back("optimizer", resolved_optimizer(request.optimizer));
  });
  const auto count = [&](const char* key, std::int64_t& number) {
    mistakes.watch([&] {
      if (const Json* given = json.find(key)) number = integer_of(*given, globals_, what + ": `" + key + "`", 1);
      shown.emplace_back(key, std::to_string(number));
    });
  };
  count("epochs", request.epochs);
  count("accumulate", request.accumulate);
  mistakes.watch([&] {
    request.monitor = read_monitor(json, what, {});
    show_monitor(request.monitor, shown);
  });
  mistakes.watch([&] {
    const Json* globs = json.find("parameters");
    if (!globs) return;
    request.parameters = strings_of(*globs, what + ": `parameters`");
    request.parameters_location = globs->location();
    shown.emplace_back("parameters", list_text(request.parameters));
  });
  mistakes.rethrow();
}

}  // namespace gradc
