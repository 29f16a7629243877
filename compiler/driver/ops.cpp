// gradc ops: ops, layers and initialisers, as a list or one in full.
#include <algorithm>
#include <iostream>

#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/frontend/json.h"
#include "compiler/frontend/layers.h"
#include "ir/known_as.h"
#include "ir/ops_doc.h"

namespace gradc::driver {

namespace {

void print_one(const Op& op) {
  std::cout << signature(op) << "\n\n  " << op.doc << "\n\n";
  for (const OperandSpec& operand : op.operands) std::cout << "  " << operand.name << ": " << operand.doc << "\n";
  for (const AttributeSpec& spec : op.attributes)
    std::cout << "  " << spec.name << " (" << name_of(spec.kind)
              << (spec.preset ? ", default " + str(*spec.preset) : "") << "): " << spec.doc << "\n";
  if (!op.spelling.empty()) std::cout << "  in expressions: " << op.spelling << "\n";
  if (op.results.size() > 1) {
    std::cout << "  results:";
    for (const std::string& result : op.results) std::cout << " " << result;
    std::cout << "; y.NAME of a node y\n";
  }
  if (const std::string others = other_names(op.name); !others.empty()) std::cout << "  elsewhere: " << others << "\n";
  std::cout << "  kind: " << name_of(op.kind) << "; family: " << op.family << "\n";
  if (!op.no_derivative.empty())
    std::cout << "  no derivative: " << op.no_derivative << "\n";
  else if (op.constant_gradient)
    std::cout << "  derivative: zero wherever it exists\n";
}

struct ToText {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return quote_json(value); }
  std::string operator()(const IntList& value) const {
    return value.size() == 1 ? std::to_string(value[0]) : str(Attribute(value));
  }
  std::string operator()(const Initializer& value) const { return str(value); }
};

std::string preset_of(const LayerAttribute& attribute) {
  return attribute.preset ? std::visit(ToText{}, *attribute.preset) : attribute.derived;
}

// "linear(x, units, bias=true, …)"
std::string signature(const LayerSpec& layer) {
  std::string text;
  for (const OperandSpec& operand : layer.operands) text += (text.empty() ? "" : ", ") + operand.name;
  for (const LayerAttribute& attribute : layer.attributes) {
    const bool literal = attribute.preset.has_value();
    text += (text.empty() ? "" : ", ") + attribute.name + (literal ? "=" + preset_of(attribute) : "");
    if (!literal && !attribute.derived.empty()) text += "=…";
  }
  return layer.name + "(" + text + ")";
}

void print_one(const LayerSpec& layer) {
  std::cout << signature(layer) << "\n\n  " << layer.doc << "\n\n";
  for (const OperandSpec& operand : layer.operands) std::cout << "  " << operand.name << ": " << operand.doc << "\n";
  for (const LayerAttribute& attribute : layer.attributes) {
    const std::string preset = preset_of(attribute);
    std::cout << "  " << attribute.name << (preset.empty() ? "" : " (default " + preset + ")") << ": " << attribute.doc
              << "\n";
  }
  std::cout << "  a layer: a node of a spec's graph, not a function in expressions"
            << (layer.owns_parameters ? "; owns parameters and needs a `name`" : "") << "\n";
}

std::string signature(const InitializerSpec& spec) {
  std::string text;
  for (const InitializerArgument& argument : spec.arguments)
    text += (text.empty() ? "" : ", ") + argument.name + (argument.preset ? "=" + number_text(*argument.preset) : "");
  return text.empty() ? spec.name : spec.name + "(" + text + ")";
}

void print_one(const InitializerSpec& spec) {
  std::cout << signature(spec) << "\n\n  " << spec.doc << "\n\n";
  for (const InitializerArgument& argument : spec.arguments)
    std::cout << "  " << argument.name << ": " << argument.doc << "\n";
  std::cout << "  an initialiser: the `init` of a parameter or layer\n";
}

int print_all() {
  std::string family;
  std::vector<const Op*> ops = Registry::get().all();
  std::stable_sort(ops.begin(), ops.end(), [](const Op* a, const Op* b) { return a->family < b->family; });
  for (const Op* op : ops) {
    if (op->internal) continue;
    if (op->family != family) std::cout << (family.empty() ? "" : "\n") << op->family << ":\n";
    family = op->family;
    std::cout << "  " << signature(*op) << "\n";
  }
  std::cout << "\nlayers (nodes of a graph; they may own parameters):\n";
  for (const LayerSpec& layer : layers()) std::cout << "  " << signature(layer) << "\n";
  std::cout << "\ninitialisers:\n";
  for (const InitializerSpec& spec : initializers()) std::cout << "  " << signature(spec) << "\n";
  return kDone;
}

int print_named(const std::string& name) {
  std::vector<std::string> names = Registry::get().names();
  const Op* op = Registry::get().find(name);
  const LayerSpec* layer = find_layer(name);
  const InitializerSpec* initializer = find_initializer(name);
  if (op) print_one(*op);
  if (layer) print_one(*layer);
  if (initializer) print_one(*initializer);
  if (op || layer || initializer) return kDone;
  for (const LayerSpec& spec : layers()) names.push_back(spec.name);
  for (const InitializerSpec& spec : initializers()) names.push_back(spec.name);
  throw UserError(Location(), "no op, layer or initialiser is named `" + name + "`" + suggest_op(name, names));
}

}  // namespace

void add_ops(CLI::App& app, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("ops", "lists the ops, layers and initialisers that specs can use, or describes one");
  command->add_option("NAME", *name, "what to describe");
  auto markdown = std::make_shared<bool>(false);
  command->add_flag("--markdown", *markdown, "write the whole reference, as ir/OPS.md holds it");
  show_examples(*command, {"gradc ops", "gradc ops conv2d"});
  command->callback([name, markdown, &session] {
    session.action = [name, markdown]() -> int {
      if (*markdown) {
        std::cout << ops_markdown();
        return kDone;
      }
      if (name->empty()) return print_all();
      return print_named(*name);
    };
  });
}

}  // namespace gradc::driver
