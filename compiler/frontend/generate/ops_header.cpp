// Writes <gradc/ops.h>: every op of the registry, every layer and every optimizer as a C++ function.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <sstream>

#include "compiler/frontend/json.h"
#include "compiler/frontend/layers.h"
#include "ir/op.h"

namespace {

using namespace gradc;

// max_pool2d as MaxPool2d
std::string type_name(const std::string& name) {
  std::string result;
  bool upper = true;
  for (char c : name) {
    if (c != '_') result += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = c == '_';
  }
  return result;
}

std::string number_literal(double number) {
  if (number != number) return "std::numeric_limits<double>::quiet_NaN()";
  if (number > 1.7e308 * 1.05 || number == 1 / 0.0) return "std::numeric_limits<double>::infinity()";
  if (number == -1 / 0.0) return "-std::numeric_limits<double>::infinity()";
  return number_text(number);
}

std::string list_literal(const IntList& list) {
  std::string text;
  for (std::int64_t item : list) text += (text.empty() ? "" : ", ") + std::to_string(item);
  return "{" + text + "}";
}

struct ToLiteral {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_literal(value); }
  std::string operator()(const std::string& value) const { return quote_json(value); }
  std::string operator()(const IntList& value) const { return list_literal(value); }
  std::string operator()(DType value) const {
    return std::string("DType::") + (value == DType::boolean ? "boolean" : std::string(name_of(value)));
  }
  std::string operator()(const Shape& value) const {
    std::string text;
    for (const Dim& dim : value)
      text += (text.empty() ? "" : ", ") + (dim.is_static()
                                                ? std::to_string(dim.factor)
                                                : "Dim(" + std::to_string(dim.factor) + ", \"" + dim.symbol + "\")");
    return "{" + text + "}";
  }
  std::string operator()(const Literal&) const { return "nullptr"; }
  std::string operator()(const Initializer& value) const { return quote_json(str(value)); }
};

std::string type_of(AttributeKind kind) {
  constexpr const char* types[] = {"bool",  "std::int64_t", "double", "std::string",
                                   "DType", "IntList",      "Shape",  "Literal"};
  return types[static_cast<int>(kind)];
}

std::string type_of(LayerAttributeKind kind) {
  constexpr const char* types[] = {"bool", "std::int64_t", "double", "Sizes", "Padding", "Init", "std::string"};
  return types[static_cast<int>(kind)];
}

void document(std::ostream& out, const std::string& doc) { out << "// " << doc << "\n"; }

// Required attributes are arguments, the others members of an options struct.
void write_op(std::ostream& out, const Op& op) {
  const std::string options = type_name(op.name) + "Options";
  std::string members, arguments, attributes;
  for (const OperandSpec& operand : op.operands) {
    bool list = operand.variadic;
    arguments += (arguments.empty() ? "" : ", ") + std::string(list ? "const std::vector<Expr>& " : "const Expr& ") +
                 operand.name;
  }
  if (op.operands.empty()) arguments = "Model& model";
  for (const AttributeSpec& attribute : op.attributes) {
    std::string type = type_of(attribute.kind);
    attributes += (attributes.empty() ? "{\"" : ", {\"") + attribute.name + "\", " +
                  (attribute.preset ? "options." : "") + attribute.name + "}";
    if (attribute.preset)
      members += "  " + type + " " + attribute.name + " = " + std::visit(ToLiteral{}, *attribute.preset) + ";  // " +
                 attribute.doc + "\n";
    else
      arguments += ", " + type + " " + attribute.name;
  }
  if (!members.empty()) {
    out << "struct " << options << " {\n" << members << "};\n";
    arguments += ", const " + options + "& options = {}";
  }
  // Several results: members by name, or a list where their number depends on the call.
  const bool list = op.results.empty(), several = op.results.size() > 1;
  const std::string results = type_name(op.name) + "Results";
  if (several) {
    out << "struct " << results << " {\n  Expr ";
    for (std::size_t i = 0; i < op.results.size(); ++i) out << (i ? ", " : "") << op.results[i];
    out << ";\n};\n";
  }
  document(out, op.doc);
  out << "inline "
      << (list      ? "std::vector<Expr>"
          : several ? results
                    : "Expr")
      << " " << op.name << "(" << arguments << ", Place at = Place::current()) {\n";
  std::string operands;
  for (const OperandSpec& operand : op.operands) operands += (operands.empty() ? "" : ", ") + operand.name;
  if (op.operands.empty())
    operands = "model, ";
  else
    operands = op.variadic() && op.operands.size() == 1 ? operands + ", " : "{" + operands + "}, ";
  std::string call = std::string(op.operands.empty() ? "model, " : "") + "\"" + op.name + "\", " +
                     (op.operands.empty() ? "" : operands) + "{" + attributes + "}, at)";
  if (several) {
    out << "  std::vector<Expr> all = apply_op_all(" << call << ";\n  return {";
    for (std::size_t i = 0; i < op.results.size(); ++i) out << (i ? ", " : "") << "all[" << i << "]";
    out << "};\n}\n\n";
  } else {
    out << "  return " << (list ? "apply_op_all(" : "apply_op(") << call << ";\n}\n\n";
  }
}

// A layer whose result has others beside it, each a member; alone it stands for the first.
void write_layer_of_several(std::ostream& out, const LayerSpec& layer, const std::string& taken,
                            const std::string& operands, const std::string& arguments) {
  const std::string type = type_name(layer.name) + "Results";
  out << "struct " << type << " {\n  Expr result";
  for (const std::string& name : layer.results) out << ", " << name;
  out << ";\n  operator Expr() const { return result; }  // NOLINT: it stands for its result\n};\n";
  document(out, layer.doc);
  out << "inline " << type << " " << layer.name << "(Model& model, const std::string& name, " << taken
      << ", Place at = Place::current()) {\n  std::vector<Expr> all = apply_layer_all(model.builder(), \"" << layer.name
      << "\", name, {" << operands << "}, " << arguments << ", at);\n  return {all[0]";
  for (std::size_t i = 0; i < layer.results.size(); ++i) out << ", all[" << i + 1 << "]";
  out << "};\n}\n\n";
}

// Derived attributes are optional members: what is not given is left to the layer.
void write_layer(std::ostream& out, const LayerSpec& layer) {
  const std::string type = type_name(layer.name), options = type + "Options";
  std::string members, required, given;
  std::string collect;
  for (const LayerAttribute& attribute : layer.attributes) {
    std::string kind = type_of(attribute.kind);
    if (!attribute.preset && attribute.derived.empty()) {
      required += ", const " + kind + "& " + attribute.name;
      given += (given.empty() ? "{\"" : ", {\"") + attribute.name + "\", " + attribute.name + "}";
    } else if (attribute.preset) {
      members += "  " + kind + " " + attribute.name + " = " + std::visit(ToLiteral{}, *attribute.preset) + ";  // " +
                 attribute.doc + "\n";
      given += (given.empty() ? "{\"" : ", {\"") + attribute.name + "\", options." + attribute.name + "}";
    } else {
      members += "  std::optional<" + kind + "> " + attribute.name + " = {};  // " + attribute.doc +
                 "; default: " + attribute.derived + "\n";
      collect += "  if (options." + attribute.name + ") arguments.emplace_back(\"" + attribute.name + "\", *options." +
                 attribute.name + ");\n";
    }
  }
  std::string pass = required;
  if (!members.empty()) {
    std::string optional;
    for (std::size_t i = layer.required_operands(); i < layer.operands.size(); ++i)
      optional += "  std::optional<Expr> " + layer.operands[i].name + " = {};  // " + layer.operands[i].doc + "\n";
    out << "struct " << options << " {\n" << members << optional << "};\n";
    pass += ", const " + options + "& options";
    out << "inline LayerArguments arguments_of_" << layer.name << "(" << pass.substr(2)
        << ") {\n  LayerArguments arguments = {" << given << "};\n"
        << collect << "  return arguments;\n}\n";
    required += ", const " + options + "& options = {}";
  }
  std::string names;
  for (const LayerAttribute& attribute : layer.attributes)
    if (!attribute.preset && attribute.derived.empty()) names += attribute.name + ", ";
  std::string arguments = members.empty() ? "{" + given + "}" : "arguments_of_" + layer.name + "(" + names + "options)";
  std::string operands, taken;
  for (std::size_t i = 0; i < layer.operands.size(); ++i) {
    const std::string& operand = layer.operands[i].name;
    const bool optional = i >= layer.required_operands();
    operands += (operands.empty() ? "" : ", ") + std::string(optional ? "options." : "") + operand;
    if (!optional) taken += (taken.empty() ? "const Expr& " : ", const Expr& ") + operand;
  }
  if (!layer.results.empty()) return write_layer_of_several(out, layer, taken + required, operands, arguments);
  document(out, layer.doc);
  if (layer.owns_parameters) {
    out << "inline Expr " << layer.name << "(Model& model, const std::string& name, " << taken << required
        << ", Place at = Place::current()) {\n  return apply_layer(model.builder(), \"" << layer.name << "\", name, {"
        << operands << "}, " << arguments << ", at);\n}\n";
    if (layer.name != "linear")  // Linear, of <gradc/model.h>, says how long its input is
      out << "class " << type << " : public Layer {\n public:\n  " << type << "(Model& model, const std::string& name"
          << required << ", Place at = Place::current())\n      : Layer(model, \"" << layer.name << "\", name, "
          << arguments << ", at) {}\n};\n";
  } else {
    out << "inline Expr " << layer.name << "(" << taken << required
        << ", Place at = Place::current()) {\n  return apply_layer({" << operands << "}, \"" << layer.name << "\", "
        << arguments << ", at);\n}\n";
  }
  out << "\n";
}

void write_optimizer(std::ostream& out, const OptimizerSpec& spec) {
  const std::string options = type_name(spec.name) + "Options";
  out << "struct " << options << " {\n";
  for (const Hyperparameter& number : spec.numbers)
    out << "  Rate " << number.name << " = " << number_literal(number.preset) << ";  // " << number.doc << "\n";
  for (const auto& [flag, doc] : spec.flags) out << "  bool " << flag << " = false;  // " << doc << "\n";
  out << "};\n";
  document(out, spec.doc);
  out << "inline Optimizer " << spec.name << "(const " << options << "& options = {}) {\n  return {\"" << spec.name
      << "\", {";
  for (std::size_t i = 0; i < spec.numbers.size(); ++i)
    out << (i ? ", " : "") << "{\"" << spec.numbers[i].name << "\", options." << spec.numbers[i].name << "}";
  out << "}, {";
  for (std::size_t i = 0; i < spec.flags.size(); ++i)
    out << (i ? ", " : "") << "{\"" << spec.flags[i].first << "\", options." << spec.flags[i].first << "}";
  out << "}};\n}\n\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: gradc_ops_header FILE\n";
    return 1;
  }
  std::ostringstream out;
  out << "// Ops, layers and optimizers as functions. Generated from the registry; do not edit.\n#pragma once\n\n"
         "#include <limits>\n\n#include \"gradc/model.h\"\n\nnamespace gradc {\ninline namespace api {\n\n";
  for (const Op* op : Registry::get().all())
    if (!op->internal && !find_layer(op->name)) write_op(out, *op);
  for (const LayerSpec& layer : layers()) write_layer(out, layer);
  for (const OptimizerSpec& spec : optimizers()) write_optimizer(out, spec);
  out << "}  // namespace api\n}  // namespace gradc\n";
  std::ofstream file(argv[1], std::ios::binary);
  file << out.str();
  return file.flush() ? 0 : 1;
}
