// The inputs of a spec, and the pipeline of each from the data to the graph.
#include <algorithm>

#include "compiler/frontend/input_pipeline.h"
#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

std::vector<std::string> step_names() {
  std::vector<std::string> names;
  for (const InputStepSpec& step : input_steps()) names.push_back(step.name);
  return names;
}

std::string list_text(const IntList& list) {
  std::string text;
  for (std::int64_t item : list) text += (text.empty() ? "" : ", ") + std::to_string(item);
  return list.size() == 1 ? text : "[" + text + "]";
}

std::string value_text(const InputStep& step) {
  switch (step.spec->kind) {
    case InputStepKind::extent:
    case InputStepKind::direction:
      return quote_json(step.word);
    case InputStepKind::classes:
    case InputStepKind::side:
      return std::to_string(step.size);
    case InputStepKind::pixels:
      return list_text(step.pixels);
    case InputStepKind::number:
      return number_text(step.number);
  }
  internal_error("kind of an input step");
}

std::string text_of(const InputStep& step) {
  std::string text = "{ " + quote_json(step.spec->name) + ": " + value_text(step), names;
  for (const std::string& name : step.with) names += (names.empty() ? "" : ", ") + quote_json(name);
  return text + (names.empty() ? "" : ", \"with\": [" + names + "]") + " }";
}

}  // namespace

// { "shift": 2 }: one key that names the step; mixup has `with` besides.
InputStep SpecReader::read_input_step(const Json& json, const std::string& what) {
  if (!json.is(Json::Kind::object) || json.members.empty())
    throw UserError(json.location(), what + ": a step is an object such as { \"shift\": 2 }, got " + json.describe());
  const JsonMember* chosen = nullptr;
  for (const JsonMember& member : json.members)
    if (!chosen && member.key != "with") chosen = &member;
  if (!chosen) chosen = json.members.data();
  InputStep step;
  step.location = chosen->location();
  step.spec = find_input_step(chosen->key);
  if (!step.spec)
    throw UserError(step.location,
                    what + ": unknown step `" + chosen->key + "`" + suggest_or_list(chosen->key, step_names()));
  const std::string name = step.spec->name;
  std::vector<std::string> known = {name};
  if (name == "mixup") known.emplace_back("with");
  for (const JsonMember& member : json.members)
    if (!std::count(known.begin(), known.end(), member.key) && find_input_step(member.key))
      throw UserError(member.location(), what + ": `" + member.key + "` is a step of its own, after `" + name +
                                             "`: { \"" + name + "\": … }, { \"" + member.key + "\": … }");
  if (!check_keys(json, known, what + ": " + name)) throw Poisoned{};
  read_step_value(chosen->value, name, step);
  if (const Json* with = json.find("with")) step.with = strings_of(*with, name + ": `with`");
  return step;
}

void SpecReader::read_step_value(const Json& json, const std::string& name, InputStep& step) {
  switch (step.spec->kind) {
    case InputStepKind::extent:
    case InputStepKind::direction:
      step.word = string_of(json, name);
      if (!std::count(step.spec->words.begin(), step.spec->words.end(), step.word))
        throw UserError(json.location(),
                        name + ": unknown word `" + step.word + "`" + suggest_or_list(step.word, step.spec->words));
      return;
    case InputStepKind::classes:
    case InputStepKind::side:
      step.size = integer_of(json, globals_, name, 1);
      if (step.size > (std::int64_t{1} << 30)) throw UserError(json.location(), name + " must be less than 2^30");
      return;
    case InputStepKind::pixels:
      if (json.is(Json::Kind::array)) {
        for (const Json& item : json.items) step.pixels.push_back(integer_of(item, globals_, name, 0));
        if (step.pixels.empty()) throw UserError(json.location(), name + " is an empty list");
      } else {
        step.pixels = {integer_of(json, globals_, name, 0)};
      }
      return;
    case InputStepKind::number:
      step.number = number_of(json, globals_, name);
      if (!(step.number > 0 && step.number <= 1e6))
        throw UserError(json.location(),
                        name + " must be greater than 0 and at most 1e6, got " + number_text(step.number));
  }
}

void SpecReader::read_input(const JsonMember& member, PreparedInput& prepared) {
  if (!is_identifier(member.key))
    throw UserError(member.location(), "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
  const std::string what = "input `" + member.key + "`";
  const Json* type_text = &member.value;
  const Json* steps = nullptr;
  if (member.value.is(Json::Kind::object)) {
    if (!check_keys(member.value, {"type", "prepare"}, what)) throw Poisoned{};
    type_text = member.value.find("type");
    steps = member.value.find("prepare");
    if (!type_text) throw UserError(member.location(), what + " needs a `type`, as in \"f32[N,784]\"");
  }
  std::optional<Type> type = read_type(*type_text);
  if (!type) throw Poisoned{};
  prepared.value = model_->add_input(member.key, *type, member.location());
  prepared.type = quote_json(type->str());
  declare(member.key, prepared.value, member.location());
  if (!steps) return;
  if (!expect(*steps, Json::Kind::array, what + ": `prepare`")) throw Poisoned{};
  Value* input = prepared.value;
  for (const Json& item : steps->items) {
    InputStep step = read_input_step(item, what);
    prepared.steps.push_back(text_of(step));
    if (step.spec->name != "mixup") {
      prepared.value = apply_step(*model_, input, step, prepared.value);
    } else if (&item != &steps->items.back()) {
      throw UserError(step.location, what + ": mixup must be the last step, the batch being mixed as a whole");
    } else {
      prepared.mixup = std::move(step);
    }
  }
}

// Mixup joins inputs, so it comes after all of their own steps.
void SpecReader::mix_inputs(PreparedInputs& inputs) {
  for (auto& [name, prepared] : inputs) {
    if (!prepared.mixup) continue;
    guarded([&, &name = name, &prepared = prepared] {
      std::vector<PreparedInput*> mixed = {&prepared};
      for (const std::string& other : prepared.mixup->with) {
        std::vector<std::string> names;
        PreparedInput* found = nullptr;
        for (auto& [known, candidate] : inputs) {
          if (known != name) names.push_back(known);
          if (known == other && known != name) found = &candidate;
        }
        if (!found)
          throw UserError(prepared.mixup->location, "mixup: `with` names `" + other + "`, which is no other input" +
                                                        suggest_or_list(other, names));
        mixed.push_back(found);
      }
      std::vector<Value*> values;
      for (const PreparedInput* input : mixed) {
        if (!input->value) throw Poisoned{};
        values.push_back(input->value);
      }
      values = mix(*model_, *prepared.mixup, values);
      for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i]->value = values[i];
    });
  }
}

void SpecReader::read_inputs() {
  const Json* inputs = section("inputs", Json::Kind::object);
  if (!root_.find("inputs"))
    diagnostics_.error(root_.location(), "a spec needs `inputs`, as in \"inputs\": { \"x\": \"f32[N,784]\" }");
  if (!inputs) return;
  PreparedInputs prepared;
  for (const JsonMember& member : inputs->members) {
    PreparedInput& input = prepared.emplace_back(member.key, PreparedInput{}).second;
    if (!guarded([&] { read_input(member, input); })) input.value = nullptr;
  }
  mix_inputs(prepared);
  for (const auto& [name, input] : prepared) {
    if (!input.value) {
      globals_.names[name] = {Operand(0.0), true};
      continue;
    }
    globals_.names[name] = {Operand(input.value)};
    references_[input.value] = name;
    std::string steps;
    for (const std::string& step : input.steps) steps += (steps.empty() ? "" : ", ") + step;
    resolved_.inputs.emplace_back(
        name, steps.empty() ? input.type : "{ \"type\": " + input.type + ", \"prepare\": [" + steps + "] }");
  }
}

}  // namespace gradc
