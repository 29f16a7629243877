// The table of layers: compositions over registry ops that may own parameters. JSON, C++, schema and docs walk it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "compiler/frontend/model_builder.h"

namespace gradc {

enum class LayerAttributeKind : std::uint8_t {
  boolean,
  size,         // an integer, 1 or more
  number,       // a number
  sizes,        // a size, or a list with one for each spatial dimension
  padding,      // an integer of 0 or more, a list of them, or "same"
  initializer,  // "normal(0, 1)"
  choice,       // one of some words
};

// One value for all kinds: sizes and padding are lists, "same" is a string.
using LayerValue = std::variant<bool, std::int64_t, double, std::string, IntList, Initializer>;

struct LayerAttribute {
  std::string name;
  LayerAttributeKind kind;
  std::string doc;
  std::optional<LayerValue> preset;   // none: must be given, or `derived` says what it is then
  std::string derived;                // "the window": what stands in where it is not given
  double low = -1e300, high = 1e300;  // number: bounds, the upper one exclusive
  std::vector<std::string> choices = {};
};

struct LayerSpec;

// A layer applied. Attributes are complete but for the derived ones.
struct LayerCall {
  ModelBuilder& model;
  const LayerSpec& layer;
  std::string name;              // of its result; may be empty
  std::string path;              // prefix of its parameters; "" where it owns none
  std::vector<Value*> operands;  // null where one of the optional ones is not given
  std::map<std::string, LayerValue, std::less<>> attributes;
  Location location;
  std::map<std::string, Location, std::less<>> places;       // of attributes, where known
  bool shared = false;                                       // parameters exist already
  std::vector<std::pair<std::string, Value*>> results = {};  // beside the layer's own, as LayerSpec::results

  Term x(std::size_t i = 0) { return model.at(location).term(operands[i]); }
  bool has(std::string_view name) const { return attributes.find(name) != attributes.end(); }
  bool boolean(std::string_view name) const { return std::get<bool>(attributes.find(name)->second); }
  std::int64_t size(std::string_view name) const { return std::get<std::int64_t>(attributes.find(name)->second); }
  double number(std::string_view name) const { return std::get<double>(attributes.find(name)->second); }
  IntList sizes(std::string_view name, std::size_t rank) const;  // one number stands for all dimensions
  const Initializer& init(std::string_view name) const { return std::get<Initializer>(attributes.find(name)->second); }

  // The parameter path.suffix, made or, where shared, found.
  Term parameter(const std::string& suffix, const Type& type, const Initializer& initializer);
  void check_literal(const Type& type, const Initializer& initializer) const;  // that given elements fit the type
  Term statistic(const std::string& suffix, const Type& type, const Initializer& initializer);
  // UserError / warning at the attribute's place ("" or unknown: the layer's), with notes on the operands.
  [[noreturn]] void fail(std::string_view attribute, const std::string& message) const;
  void warn(std::string_view attribute, const std::string& message) const;
  void set_default(const std::string& name, LayerValue value);  // where it is not given; shows in --resolved
};

struct LayerSpec {
  std::string name;
  std::string doc;
  std::vector<OperandSpec> operands;
  std::vector<LayerAttribute> attributes;
  bool owns_parameters = false;
  std::function<Term(LayerCall&)> build;
  std::size_t optional_operands = 0;      // how many of the last may be left out
  std::vector<std::string> results = {};  // names of what it yields beside its own result: `name.h`

  std::size_t required_operands() const { return operands.size() - optional_operands; }
  const LayerAttribute* attribute(std::string_view name) const;
};

const std::vector<LayerSpec>& layers();  // sorted by name
const LayerSpec* find_layer(std::string_view name);

// What is wrong with a value of an attribute, or "".
std::string wrong_value(const LayerAttribute& attribute, const LayerValue& value);
// Fills in defaults. UserError where attributes are wrong or missing, with all of them.
void complete_attributes(LayerCall& call);
// Builds it: checks that it has a name if it needs one, fills defaults, records the summary's row.
Value* build_layer(LayerCall& call);

}  // namespace gradc
