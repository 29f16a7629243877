// Prints graphs: the text form and Graphviz.
#include "ir/text.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <unordered_map>

#include "ir/op.h"

namespace gradc {

namespace {

bool is_identifier(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

// Gives every value of a function its own name: the hint made an identifier, numbered where it repeats.
class Names {
 public:
  // A parameter's name is part of the function's signature, so it is taken as it is.
  void fix(const Value* value, const std::string& name) {
    taken_.insert(name);
    names_[value] = name;
  }
  const std::string& of(const Value* value) {
    auto found = names_.find(value);
    if (found != names_.end()) return found->second;
    std::string base;
    for (char c : value->name) base += is_identifier(c) ? c : '_';
    std::string name = base;
    if (base.empty() || std::isdigit(static_cast<unsigned char>(base[0]))) name = std::to_string(next_++);
    for (int i = 1; !taken_.insert(name).second; ++i)
      name = base.empty() ? std::to_string(next_++) : base + "_" + std::to_string(i);
    return names_[value] = name;
  }

 private:
  std::unordered_map<const Value*, std::string> names_;
  std::set<std::string> taken_;
  int next_ = 0;
};

std::string location_text(const Locations& locations) {
  std::string text = " loc(";
  for (std::size_t i = 0; i < locations.size(); ++i) {
    const Location& at = locations[i];
    if (i) text += ", ";
    if (at.gradient) text += "gradient ";
    text += str(Attribute(*at.file)) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  }
  return text + ")";
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  std::string function(const Function& function) {
    for (std::size_t i = 0; i < function.parameters.size(); ++i)
      names_.fix(function.body.parameters[i].get(), function.parameters[i].name);
    text_ = "func @" + function.name + "(";
    for (std::size_t i = 0; i < function.parameters.size(); ++i) {
      if (i) text_ += ", ";
      parameter(function.parameters[i], *function.body.parameters[i]);
    }
    text_ += ") -> (";
    for (std::size_t i = 0; i < function.results.size(); ++i)
      text_ += (i ? ", " : "") + std::string(name_of(function.results[i].role)) + " " + function.results[i].name;
    text_ += ") {\n";
    body(function.body, "  ", "return");
    text_ += "}\n";
    return std::move(text_);
  }

 private:
  void parameter(const Parameter& parameter, const Value& value) {
    text_ += std::string(name_of(parameter.role)) + " %" + names_.of(&value) + ": " + value.type.str();
    if (parameter.role == Role::scalar) text_ += " = " + str(Attribute(parameter.preset));
    if (parameter.lower != parameter.upper)
      text_ += " in [" + std::to_string(parameter.lower) + ", " + std::to_string(parameter.upper) + ")";
    if (options_.locations && parameter.location.known()) text_ += location_text({parameter.location});
  }

  void values(const auto& list) {
    for (std::size_t i = 0; i < list.size(); ++i) text_ += (i ? ", %" : "%") + names_.of(&*list[i]);
  }

  void body(const Region& region, const std::string& indent, const char* end) {
    for (const auto& inner : region.nodes) node(*inner, indent);
    text_ += indent + end;
    if (!region.results.empty()) text_ += " ";
    values(region.results);
    text_ += "\n";
  }

  void attributes(const Node& node) {
    std::string list;
    for (const auto& [name, value] : node.attributes) {
      const AttributeSpec* spec = node.op->attribute(name);
      if (!options_.defaults && spec && spec->preset && equal(*spec->preset, value)) continue;
      list += (list.empty() ? "" : ", ") + name + " = " + attribute(value);
    }
    if (!list.empty()) text_ += " {" + list + "}";
  }

  std::string attribute(const Attribute& value) const {
    const Literal* literal = std::get_if<Literal>(&value);
    if (literal && options_.literal_elements >= 0 && (*literal)->elements() > options_.literal_elements) {
      std::string text = str(value);
      if (std::count(text.begin(), text.end(), ',') >= options_.literal_elements)
        return "dense<" + (*literal)->type().str() + ": ...>";
    }
    return str(value);
  }

  void node(const Node& node, const std::string& indent) {
    text_ += indent;
    values(node.results);
    text_ += (node.results.empty() ? "" : " = ") + node.op->name + "(";
    values(node.operands);
    text_ += ")";
    attributes(node);
    for (const auto& region : node.regions) {
      text_ += " (";
      for (std::size_t i = 0; i < region->parameters.size(); ++i)
        text_ += (i ? ", %" : "%") + names_.of(region->parameters[i].get()) + ": " + region->parameters[i]->type.str();
      text_ += ") {\n";
      body(*region, indent + "  ", "yield");
      text_ += indent + "}";
    }
    for (std::size_t i = 0; i < node.results.size(); ++i) text_ += (i ? ", " : " : ") + node.results[i]->type.str();
    if (options_.locations && !node.locations.empty()) text_ += location_text(node.locations);
    text_ += "\n";
  }

  const PrintOptions& options_;
  Names names_;
  std::string text_;
};

std::string dot_quoted(const std::string& text) { return str(Attribute(text)); }

}  // namespace

std::string print(const Function& function, const PrintOptions& options) { return Printer(options).function(function); }

std::string print(const Module& module, const PrintOptions& options) {
  std::string text = module.name.empty() ? "" : "module @" + module.name + "\n\n";
  for (std::size_t i = 0; i < module.functions.size(); ++i)
    text += (i ? "\n" : "") + print(*module.functions[i], options);
  return text;
}

std::string print_dot(const Function& function) {
  Names names;
  std::string text = "digraph " + dot_quoted(function.name) + " {\n  node [shape=box, fontname=\"monospace\"];\n";
  auto id = [&](const Value* value) { return dot_quoted(names.of(value)); };
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Value* value = function.body.parameters[i].get();
    names.fix(value, function.parameters[i].name);
    text += "  " + id(value) +
            " [shape=ellipse, label=" + dot_quoted(function.parameters[i].name + " " + value->type.str()) + "];\n";
  }
  for (const auto& node : function.body.nodes)
    for (const auto& result : node->results) {
      std::string label = node->op->name;
      if (const Attribute* kind = node->attributes.find("kind")) label += " " + std::get<std::string>(*kind);
      text += "  " + id(result.get()) + " [label=" + dot_quoted(label + " " + result->type.str()) + "];\n";
      for (const Value* operand : node->operands) text += "  " + id(operand) + " -> " + id(result.get()) + ";\n";
    }
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    std::string result = dot_quoted("-> " + function.results[i].name);
    text += "  " + result + " [shape=ellipse];\n  " + id(function.body.results[i]) + " -> " + result + ";\n";
  }
  return text + "}\n";
}

}  // namespace gradc
