// Optimizers of a spec and the schedules of their numbers.
#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const OptimizerSpec& spec : optimizers()) names.push_back(spec.name);
  return names;
}

std::string resolved_schedule(const ScheduleChoice& choice) {
  std::vector<std::pair<std::string, std::string>> shown;
  shown.emplace_back("schedule", quote_json(choice.spec->name));
  for (const ScheduleNumber& number : choice.spec->numbers)
    shown.emplace_back(number.name, number_text(choice.number(number.name)));
  std::string lengths;
  for (double length : choice.length) lengths += (lengths.empty() ? "" : ", ") + number_text(length);
  if (!choice.length.empty())
    shown.emplace_back(choice.in_epochs ? "epochs" : "steps",
                       choice.length.size() == 1 ? lengths : "[" + lengths + "]");
  if (choice.warm_up > 0) {
    const std::string unit = choice.warm_up_in_epochs ? "epochs" : "steps";
    shown.emplace_back("warm_up", "{ " + quote_json(unit) + ": " + number_text(choice.warm_up) + " }");
  }
  return object_text(shown);
}

}  // namespace

std::string SpecReader::resolved_optimizer(const OptimizerChoice& choice) {
  JsonMembers shown = {{"kind", quote_json(choice.spec->name)}};
  for (const Hyperparameter& number : choice.spec->numbers) {
    const auto schedule = choice.schedules.find(number.name);
    shown.emplace_back(number.name, schedule == choice.schedules.end() ? number_text(choice.number(number.name))
                                                                       : resolved_schedule(schedule->second));
  }
  for (const auto& [flag, doc] : choice.spec->flags) shown.emplace_back(flag, choice.flag(flag) ? "true" : "false");
  return object_text(shown);
}

OptimizerChoice SpecReader::read_optimizer(const Json& json) {
  const Json* kind = &json;
  if (json.is(Json::Kind::object)) kind = json.find("kind");
  if (!kind)
    throw UserError(json.location(),
                    "an optimizer needs a `kind`, as in { \"kind\": \"sgd\", \"learning_rate\": 0.01 }");
  const OptimizerSpec* spec = find_optimizer(string_of(*kind, "the optimizer's `kind`"));
  if (!spec)
    throw UserError(kind->location(),
                    "unknown optimizer `" + kind->text + "`" + suggest_or_list(kind->text, optimizer_names()));
  OptimizerChoice choice = default_choice(*spec);
  choice.location = json.location();
  std::vector<std::string> known = {"kind"};
  for (const Hyperparameter& number : spec->numbers) known.push_back(number.name);
  for (const auto& [flag, doc] : spec->flags) known.push_back(flag);
  Mistakes mistakes;
  mistakes.watch([&] {
    if (!check_keys(json, known, spec->name)) throw Poisoned{};
  });
  for (const Hyperparameter& number : spec->numbers)
    if (const Json* given = json.find(number.name))
      mistakes.watch([&] { read_hyperparameter(*given, number, choice); });
  for (const auto& [flag, doc] : spec->flags)
    if (const Json* given = json.find(flag))
      mistakes.watch([&] { choice.flags[flag] = boolean_of(*given, spec->name + ": `" + flag + "`"); });
  mistakes.rethrow();
  if (choice.flags.contains("nesterov") && choice.flag("nesterov") && choice.number("momentum") == 0 &&
      !choice.schedules.contains("momentum"))
    throw UserError(json.find("nesterov")->location(),
                    spec->name + ": `nesterov` looks ahead along the momentum, and `momentum` is 0");
  return choice;
}

// A number, or the schedule that it follows.
void SpecReader::read_hyperparameter(const Json& json, const Hyperparameter& number, OptimizerChoice& choice) {
  const OptimizerSpec& spec = *choice.spec;
  const std::string what = spec.name + ": `" + number.name + "`";
  double& value = choice.numbers[number.name];
  if (json.is(Json::Kind::object)) {
    ScheduleChoice schedule = read_schedule(json, what);
    value = schedule.number(schedule.spec->base);
    if (schedule.spec->name == "plateau" && number.name != "learning_rate")
      throw UserError(json.location(), what + " can't follow `plateau`, only `learning_rate` can");
    for (const char* end : {"start", "peak", "end"})
      if (auto held = schedule.numbers.find(end); held != schedule.numbers.end())
        if (std::string wrong = wrong_number(spec, number, held->second); !wrong.empty())
          throw UserError(json.location(), wrong + " (`" + end + "` of the schedule)");
    choice.schedules.emplace(number.name, std::move(schedule));
  } else {
    value = number_of(json, globals_, what);
  }
  if (std::string wrong = wrong_number(spec, number, value); !wrong.empty()) throw UserError(json.location(), wrong);
}

// One number, or a list where the schedule takes several.
std::vector<double> SpecReader::read_length(const Json& json, const std::string& what) {
  if (!json.is(Json::Kind::array)) return {number_of(json, globals_, what)};
  std::vector<double> lengths;
  for (const Json& item : json.items) lengths.push_back(number_of(item, globals_, what));
  if (lengths.empty()) throw UserError(json.location(), what + " is an empty list");
  return lengths;
}

ScheduleChoice SpecReader::read_schedule(const Json& json, const std::string& what) {
  std::vector<std::string> names;
  for (const ScheduleSpec& spec : schedules()) names.push_back(spec.name);
  const Json* kind = json.find("schedule");
  if (!kind)
    throw UserError(json.location(), what +
                                         " is a number, or has a `schedule`, as in { \"schedule\": \"cosine\", "
                                         "\"start\": 0.1, \"epochs\": 20 }");
  ScheduleChoice choice;
  choice.spec = find_schedule(string_of(*kind, what + ": `schedule`"));
  if (!choice.spec)
    throw UserError(kind->location(), "unknown schedule `" + kind->text + "`" + suggest_or_list(kind->text, names));
  std::vector<std::string> known = {"schedule", "warm_up"};
  const bool long_one = choice.spec->length != ScheduleSpec::Length::none;
  if (long_one) known.insert(known.end(), {"epochs", "steps"});
  for (const ScheduleNumber& number : choice.spec->numbers) known.push_back(number.name);
  if (!check_keys(json, known, choice.spec->name)) throw Poisoned{};
  for (const ScheduleNumber& number : choice.spec->numbers)
    if (const Json* given = json.find(number.name))
      choice.numbers[number.name] = number_of(*given, globals_, choice.spec->name + ": `" + number.name + "`");
  const auto unit_of = [&](const Json& object, bool& in_epochs, const std::string& whose) -> const Json* {
    const Json *epochs = object.find("epochs"), *steps = object.find("steps");
    if (epochs && steps) throw UserError(object.location(), whose + " has both `epochs` and `steps`");
    in_epochs = epochs != nullptr;
    return epochs ? epochs : steps;
  };
  if (const Json* length = unit_of(json, choice.in_epochs, choice.spec->name); length && long_one)
    choice.length = read_length(*length, choice.spec->name + ": its length");
  if (const Json* warm_up = json.find("warm_up")) {
    const std::string whose = choice.spec->name + ": `warm_up`";
    if (!expect(*warm_up, Json::Kind::object, whose) || !check_keys(*warm_up, {"epochs", "steps"}, whose))
      throw Poisoned{};
    const Json* length = unit_of(*warm_up, choice.warm_up_in_epochs, whose);
    if (!length) throw UserError(warm_up->location(), whose + " needs `epochs` or `steps`");
    choice.warm_up = number_of(*length, globals_, whose);
  }
  if (std::string wrong = complete(choice); !wrong.empty()) throw UserError(json.location(), wrong);
  return choice;
}

}  // namespace gradc
