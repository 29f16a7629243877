// The reference of all ops, written from the registry.
#include "ir/ops_doc.h"

#include <algorithm>

#include "ir/known_as.h"

namespace gradc {

namespace {

std::string kind_sentence(const Op& op) {
  switch (op.kind) {
    case Kind::elementwise:
      return "Elementwise; operands broadcast by NumPy's rule.";
    case Kind::linear:
      return op.linear_in.size() > 1 ? "Linear in each float operand." : "Linear.";
    case Kind::composite:
      return "A composite of other ops.";
    case Kind::general:
      return "";
  }
  return "";
}

std::string gradient_sentence(const Op& op) {
  if (!op.no_derivative.empty()) return "No derivative: " + op.no_derivative + ".";
  if (op.constant_gradient) return "Derivative: 0 wherever there is one.";
  if (op.kind == Kind::composite && op.vjp) return "Its gradient is its own.";
  return "";
}

// "Results: `values`, `index`; y.values and y.index of a node y, the first where none is named."
std::string results_sentence(const Op& op) {
  if (op.results.size() < 2) return "";
  std::string names, places;
  for (const std::string& result : op.results) {
    names += (names.empty() ? "`" : ", `") + result + "`";
    places += (places.empty() ? "`y." : ", `y.") + result + "`";
  }
  return "Results: " + names + "; of a node `y` they are " + places + ".";
}

std::string entry(const Op& op) {
  std::string text = "### `" + signature(op) + "`\n\n" + op.doc + "\n";
  if (!op.spelling.empty()) text += "In expressions: `" + op.spelling + "`.\n";
  if (const std::string others = other_names(op.name); !others.empty()) text += "Elsewhere: " + others + ".\n";
  for (const std::string& sentence : {kind_sentence(op), gradient_sentence(op), results_sentence(op)})
    if (!sentence.empty()) text += sentence + "\n";
  text += "\n";
  for (const OperandSpec& operand : op.operands)
    text += "- `" + operand.name + "`" + (operand.variadic ? " (any number)" : "") + ": " + operand.doc + "\n";
  for (const AttributeSpec& attribute : op.attributes)
    text += "- `" + attribute.name + "`, " + std::string(name_of(attribute.kind)) +
            (attribute.preset ? ", default `" + str(*attribute.preset) + "`" : "") + ": " + attribute.doc + "\n";
  return text + (text.back() == '\n' && text[text.size() - 2] == '\n' ? "" : "\n");
}

std::string section(const std::string& title, const std::vector<const Op*>& ops) {
  std::string text = "## " + title + "\n\n";
  for (const Op* op : ops) text += entry(*op);
  return text;
}

}  // namespace

std::string signature(const Op& op) {
  std::string text = op.name + "(", separator;
  for (const OperandSpec& operand : op.operands) {
    text += separator + operand.name + (operand.variadic ? "…" : "");
    separator = ", ";
  }
  for (const AttributeSpec& attribute : op.attributes) {
    text += separator + attribute.name + (attribute.preset ? "=" + str(*attribute.preset) : "");
    separator = ", ";
  }
  return text + ")";
}

std::string ops_markdown() {
  std::map<std::string, std::vector<const Op*>> families;
  std::vector<const Op*> internal;
  for (const Op* op : Registry::get().all()) (op->internal ? internal : families[op->family]).push_back(op);
  std::string text =
      "# Ops\n\nWritten from the registry by `gradc ops --markdown`. An attribute without a default must be given. "
      "Specs "
      "and expressions use\nthe names of operands and attributes as they stand here.\n\n";
  for (const auto& [family, ops] : families) text += section(family, ops);
  text += section("Internal: made by passes and derivatives", internal);
  text.pop_back();  // one newline at the end
  return text;
}

}  // namespace gradc
