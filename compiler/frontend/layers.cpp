// The table of layers, and what calls of layers have in common.
#include "compiler/frontend/layers.h"

#include <algorithm>

#include "compiler/frontend/json.h"
#include "compiler/frontend/layer_pieces.h"
#include "compiler/frontend/mistakes.h"

namespace gradc {

const LayerAttribute* LayerSpec::attribute(std::string_view wanted) const {
  for (const LayerAttribute& attribute : attributes)
    if (attribute.name == wanted) return &attribute;
  return nullptr;
}

IntList LayerCall::sizes(std::string_view name, std::size_t rank) const {
  const IntList& list = std::get<IntList>(attributes.find(name)->second);
  if (list.size() == 1) return IntList(rank, list[0]);
  if (list.size() != rank)
    fail(name, "`" + std::string(name) + "` has " + std::to_string(list.size()) + " numbers, there are " +
                   std::to_string(rank) + " spatial dimensions");
  return list;
}

Term LayerCall::parameter(const std::string& suffix, const Type& type, const Initializer& initializer) {
  std::string name = path + "." + suffix;
  Value* value = shared ? model.find_state(name) : nullptr;
  if (value && value->type != type)
    fail("", "shares `" + name + "`, which is " + value->type.str() + "; here it would be " + type.str());
  if (!value) check_literal(type, initializer);
  if (!value) value = model.add_parameter(name, type, initializer, location);
  return model.at(location).term(value);
}

void LayerCall::check_literal(const Type& type, const Initializer& initializer) const {
  if (!initializer.literal) return;
  Initializer given = initializer;
  const std::string wrong = complete(given, type);
  if (wrong.empty()) return;
  for (const auto& [attribute, value] : attributes)
    if (std::get_if<Initializer>(&value) == &initializer) fail(attribute, "`" + attribute + "`: " + wrong);
  fail("", wrong);
}

Term LayerCall::statistic(const std::string& suffix, const Type& type, const Initializer& initializer) {
  std::string name = path + "." + suffix;
  Value* value = shared ? model.find_state(name) : nullptr;
  if (!value) value = model.add_statistic(name, type, initializer, location);
  return model.at(location).term(value);
}

void LayerCall::fail(std::string_view attribute, const std::string& message) const {
  auto place = places.find(attribute);
  Location at = place == places.end() ? location : place->second;
  throw UserError(Diagnostic{Severity::error, at, layer.name + ": " + message, model.notes_on(operands, location)});
}

void LayerCall::warn(std::string_view attribute, const std::string& message) const {
  auto place = places.find(attribute);
  model.warn(place == places.end() ? location : place->second, layer.name + ": " + message);
}

void LayerCall::set_default(const std::string& name, LayerValue value) {
  if (!attributes.contains(name)) attributes.emplace(name, std::move(value));
}

namespace {

std::vector<LayerSpec> make_layers() {
  std::vector<LayerSpec> table;
  add_convolution_layers(table);
  add_dense_layers(table);
  add_normalization_layers(table);
  add_pooling_layers(table);
  add_random_layers(table);
  add_recurrent_layers(table);
  std::sort(table.begin(), table.end(), [](const LayerSpec& a, const LayerSpec& b) { return a.name < b.name; });
  return table;
}

}  // namespace

const std::vector<LayerSpec>& layers() {
  static const std::vector<LayerSpec> table = make_layers();
  return table;
}

const LayerSpec* find_layer(std::string_view name) {
  for (const LayerSpec& spec : layers())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::string wrong_value(const LayerAttribute& attribute, const LayerValue& value) {
  const std::string what = "`" + attribute.name + "` must be ";
  auto below = [&](std::int64_t low, const std::string& wanted) -> std::string {
    const IntList* list = std::get_if<IntList>(&value);
    if (!list)
      return std::get<std::int64_t>(value) < low
                 ? what + wanted + ", got " + std::to_string(std::get<std::int64_t>(value))
                 : "";
    if (list->empty()) return "`" + attribute.name + "` is an empty list";
    for (std::int64_t size : *list)
      if (size < low) return what + wanted + ", got " + std::to_string(size);
    return "";
  };
  switch (attribute.kind) {
    case LayerAttributeKind::choice: {
      const std::string& given = std::get<std::string>(value);
      if (std::count(attribute.choices.begin(), attribute.choices.end(), given) > 0) return "";
      std::string words;
      for (const std::string& word : attribute.choices) words += (words.empty() ? "" : " or ") + word;
      return what + words + ", got `" + given + "`" + suggest(given, attribute.choices);
    }
    case LayerAttributeKind::size:
    case LayerAttributeKind::sizes:
      return below(1, "a positive integer");
    case LayerAttributeKind::padding:
      if (const std::string* text = std::get_if<std::string>(&value))
        return *text == "same" ? "" : what + "sizes or \"same\", got \"" + *text + "\"";
      return below(0, "an integer of 0 or more");
    case LayerAttributeKind::number: {
      double n = std::get<double>(value);
      if (n >= attribute.low && n < attribute.high) return "";
      return what +
             (attribute.high >= 1e300
                  ? number_text(attribute.low) + " or more"
                  : "at least " + number_text(attribute.low) + " and less than " + number_text(attribute.high)) +
             ", got " + number_text(n);
    }
    default:
      return "";
  }
}

void complete_attributes(LayerCall& call) {
  Mistakes mistakes;
  for (const LayerAttribute& attribute : call.layer.attributes)
    mistakes.watch([&] {
      if (auto given = call.attributes.find(attribute.name); given != call.attributes.end()) {
        if (std::string wrong = wrong_value(attribute, given->second); !wrong.empty()) call.fail(attribute.name, wrong);
      } else if (attribute.preset) {
        call.attributes.emplace(attribute.name, *attribute.preset);
      } else if (attribute.derived.empty()) {
        call.fail("", "`" + attribute.name + "` is missing: " + attribute.doc);
      }
    });
  mistakes.rethrow();
}

Value* build_layer(LayerCall& call) {
  const LayerSpec& layer = call.layer;
  if (layer.owns_parameters && call.path.empty())
    throw UserError(call.location, layer.name + " owns parameters and needs a `name`");
  complete_attributes(call);
  ModelBuilder::Mark mark = call.model.mark();
  try {
    Value* result = layer.build(call).value();
    if (result->node && result->name.empty()) result->name = call.name;
    for (const auto& [name, value] : call.results)
      if (value->node && value->name.empty()) value->name = call.name + "." + name;
    call.model.record(mark, call.name, layer.name, result, call.location);
    return result;
  } catch (const UserError& error) {
    Diagnostic diagnostic = error.diagnostics().front();
    if (diagnostic.notes.empty()) diagnostic.notes = call.model.notes_on(call.operands, call.location);
    throw UserError(std::move(diagnostic));
  }
}

}  // namespace gradc
