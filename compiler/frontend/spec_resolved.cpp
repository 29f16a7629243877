// The resolved spec: every default, block, copy and variable written out. Loading it gives the same model.
#include <cmath>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

std::string to_json(const Json& json) {
  std::string text;
  switch (json.kind) {
    case Json::Kind::null:
      return "null";
    case Json::Kind::boolean:
      return json.boolean ? "true" : "false";
    case Json::Kind::number:
      return json.text;
    case Json::Kind::string:
      return quote_json(json.text);
    case Json::Kind::array:
      for (const Json& item : json.items) text += (text.empty() ? "" : ", ") + to_json(item);
      return "[" + text + "]";
    case Json::Kind::object:
      for (const JsonMember& member : json.members)
        text += (text.empty() ? "" : ", ") + quote_json(member.key) + ": " + to_json(member.value);
      return "{ " + text + " }";
  }
  internal_error("json kind");
}

namespace {

std::string number_json(double number) {
  return std::isfinite(number) ? number_text(number) : quote_json(number < 0 ? "-inf" : "inf");
}

std::string list_json(const IntList& list) {
  std::string text;
  for (std::int64_t item : list) text += (text.empty() ? "" : ", ") + std::to_string(item);
  return "[" + text + "]";
}

struct ToJson {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_json(value); }
  std::string operator()(const std::string& value) const { return quote_json(value); }
  std::string operator()(const IntList& value) const { return list_json(value); }
  std::string operator()(const Initializer& value) const {
    if (!value.literal) return quote_json(str(value));
    if (!value.file.empty())
      return "{ \"file\": " + quote_json(value.file) +
             (value.array.empty() ? "" : ", \"name\": " + quote_json(value.array)) + " }";
    std::size_t at = 0;
    return nested(*value.literal, 0, at);
  }
  std::string operator()(DType value) const { return quote_json(name_of(value)); }
  std::string operator()(const Shape& value) const {
    std::string text;
    for (const Dim& dim : value)
      text += (text.empty() ? "" : ", ") + (dim.is_static() ? std::to_string(dim.factor) : quote_json(dim.str()));
    return "[" + text + "]";
  }
  std::string operator()(const Literal&) const { internal_error("a literal is no attribute of a spec"); }

  static std::string nested(const Tensor& tensor, std::size_t level, std::size_t& at) {
    if (level == tensor.type().rank()) return number_json(tensor.get(static_cast<std::int64_t>(at++)));
    std::string text;
    for (std::int64_t i = 0; i < tensor.type().shape[level].factor; ++i)
      text += (i ? ", " : "") + nested(tensor, level + 1, at);
    return "[" + text + "]";
  }
};

}  // namespace

std::string to_json(const LayerValue& value) { return std::visit(ToJson{}, value); }
std::string to_json(const Attribute& value) { return std::visit(ToJson{}, value); }

// How the resolved text names a value. A node without a name gets one where it is needed.
std::string SpecReader::reference_to(const Value* value, const std::string& spelled) {
  if (auto found = references_.find(value); found != references_.end()) return found->second;
  for (std::size_t level = 0; level <= outer_graphs_.size(); ++level) {
    std::vector<ResolvedNode>& graph = level == outer_graphs_.size() ? resolved_.graph : outer_graphs_[level];
    for (std::size_t i = 0; i < graph.size(); ++i) {
      if (graph[i].value != value) continue;
      std::string fresh = "_node" + (level ? std::to_string(level) + "_" : "") + std::to_string(i);
      if (graph[i].name.empty()) graph[i].name = fresh;
      return references_[value] = graph[i].name;
    }
  }
  return spelled;
}

// The same of a node with several results.
std::string SpecReader::reference_to_several(const Node& node) {
  if (auto found = several_.find(&node); found != several_.end()) return found->second;
  return several_[&node] = reference_to(node.result(), node.op->name);
}

std::string SpecReader::print_resolved(const Syntax& syntax, const Scope& scope) {
  return print(syntax, [&](const Syntax& name) -> std::string {
    if (const Entry* entry = scope.find(name.text); entry && entry->operand.several) {
      auto found = several_.find(entry->operand.value->node);
      return found == several_.end() ? name.text : found->second;
    }
    if (const Entry* entry = scope.find(name.text))
      return entry->operand.value ? reference_to(entry->operand.value, name.text) : number_text(entry->operand.number);
    for (const Scope* around = &scope; around; around = around->outer)
      if (const Value* state = around->prefix.empty() ? nullptr : model_->find_state(around->prefix + name.text))
        return state->name;
    return name.text;
  });
}

// The operand that a node takes from the one before it: left out where the text before it is that one.
void SpecReader::resolve_previous(ResolvedNode& node, const std::string& operand, Value* before) {
  if (!resolved_.graph.empty() && resolved_.graph.back().value == before) return;
  node.members.emplace_back(operand, quote_json(reference_to(before, before->name)));
}

std::string SpecReader::resolved_node(const ResolvedNode& node) {
  std::string line = node.name.empty() ? "" : "\"name\": " + quote_json(node.name);
  for (const auto& [key, value] : node.members) line += (line.empty() ? "" : ", ") + quote_json(key) + ": " + value;
  return "{ " + line + " }";
}

std::string SpecReader::resolved_text(const ModelGraph& model) const {
  std::string text = "{\n  \"gradc\": 1,\n  \"name\": " + quote_json(model_->name());
  auto object = [&](const std::string& key, const std::vector<std::pair<std::string, std::string>>& members) {
    if (members.empty()) return;
    text += ",\n  " + quote_json(key) + ": {";
    for (std::size_t i = 0; i < members.size(); ++i)
      text += (i ? ",\n    " : "\n    ") + quote_json(members[i].first) + ": " + members[i].second;
    text += "\n  }";
  };
  auto list = [&](const std::string& key, const std::vector<std::string>& items) {
    if (items.empty()) return;
    text += ",\n  " + quote_json(key) + ": [";
    for (std::size_t i = 0; i < items.size(); ++i) text += (i ? ",\n    " : "\n    ") + items[i];
    text += "\n  ]";
  };
  std::vector<std::string> nodes;
  for (const ResolvedNode& node : resolved_.graph) {
    nodes.push_back(resolved_node(node));
  }
  object("variables", resolved_.variables);
  object("inputs", resolved_.inputs);
  object("parameters", resolved_.parameters);
  object("constants", resolved_.constants);
  object("functions", resolved_.functions);
  list("graph", nodes);
  object("outputs", resolved_.outputs);
  list("regularize", resolved_.regularize);
  list("freeze", resolved_.freeze);
  object("programs", resolved_.programs);
  std::vector<std::string> plan;
  for (const PlanStage& stage : model.plan) plan.push_back(resolved_stage(stage));
  list("plan", plan);
  if (!resolved_.sample.empty()) text += ",\n  \"sample\": " + resolved_.sample;
  if (!resolved_.data.empty()) text += ",\n  \"data\": " + resolved_.data;
  return text + "\n}\n";
}

}  // namespace gradc
