// Parses the text form of graphs, through the same builder that everybody uses.
#include <unordered_map>

#include "ir/op.h"
#include "ir/text.h"
#include "ir/token_cursor.h"

namespace gradc {

namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : tokens_(text, file) {}

  std::unique_ptr<Module> module() {
    auto module = std::make_unique<Module>();
    if (tokens_.take("module")) {
      tokens_.expect("@");
      module->name = tokens_.identifier("the module's name");
    }
    while (!tokens_.at_end()) function(*module);
    return module;
  }

 private:
  void function(Module& module) {
    tokens_.expect("func");
    tokens_.expect("@");
    Location at = tokens_.location();
    std::string name = tokens_.identifier("the function's name");
    if (module.function(name)) tokens_.fail(at, "a second function `" + name + "`");
    Function& function = module.add_function(name);
    values_.clear();
    tokens_.expect("(");
    if (!tokens_.take(")")) {
      do parameter(function);
      while (tokens_.take(","));
      tokens_.expect(")");
    }
    results(function);
    tokens_.expect("{");
    body(function.body, "return");
    if (function.body.results.size() != function.results.size())
      tokens_.fail("`" + name + "` declares " + std::to_string(function.results.size()) + " results and returns " +
                   std::to_string(function.body.results.size()));
  }

  Role role() {
    for (Role role : {Role::data, Role::state, Role::scalar})
      if (tokens_.take(name_of(role))) return role;
    return Role::data;
  }

  void parameter(Function& function) {
    Parameter parameter;
    parameter.role = role();
    parameter.location = tokens_.location();
    tokens_.expect("%");
    parameter.name = tokens_.identifier("the parameter's name");
    tokens_.expect(":");
    Type parsed = type();
    if (tokens_.take("=")) {
      bool is_integer = false;
      std::int64_t integer = 0;
      parameter.preset = tokens_.number(is_integer, integer);
    }
    if (tokens_.take("in")) {
      tokens_.expect("[");
      parameter.lower = tokens_.integer();
      tokens_.expect(",");
      parameter.upper = tokens_.integer();
      tokens_.expect(")");
    }
    Locations given = locations();
    if (!given.empty()) parameter.location = given[0];
    std::string name = parameter.name;
    define(name, function.add_parameter(std::move(parameter), parsed));
  }

  void results(Function& function) {
    tokens_.expect("->");
    tokens_.expect("(");
    if (tokens_.take(")")) return;
    do {
      Role kind = role();
      tokens_.take("%");
      function.results.push_back({tokens_.identifier("the result's name"), kind});
    } while (tokens_.take(","));
    tokens_.expect(")");
  }

  Type type() {
    Location at = tokens_.location();
    std::string text = tokens_.identifier("a type, as in f32[N,784]");
    tokens_.expect("[");
    text += "[" + std::string(tokens_.until("]")) + "]";
    tokens_.expect("]");
    TypeParseError error;
    std::optional<Type> parsed = parse_type(text, &error);
    if (!parsed) {
      at.column += static_cast<std::uint32_t>(error.offset);
      tokens_.fail(at, error.message);
    }
    return *parsed;
  }

  void define(const std::string& name, Value* value) {
    if (!values_.emplace(name, value).second) tokens_.fail("`%" + name + "` is defined twice");
  }

  Value* value() {
    tokens_.expect("%");
    Location at = tokens_.location();
    std::string name = tokens_.identifier("a value's name");
    auto found = values_.find(name);
    if (found == values_.end()) {
      std::vector<std::string> known;
      for (const auto& [other, ignored] : values_) known.push_back(other);
      tokens_.fail(at, "`%" + name + "` is not defined here" + suggest(name, known));
    }
    return found->second;
  }

  void body(Region& region, std::string_view end) {
    while (!tokens_.take(end)) node(region);
    if (tokens_.looking_at("%")) {
      do region.results.push_back(value());
      while (tokens_.take(","));
    }
    tokens_.expect("}");
  }

  void node(Region& region) {
    Location at = tokens_.location();
    std::vector<std::string> names;
    if (tokens_.looking_at("%")) {
      do {
        tokens_.expect("%");
        names.push_back(tokens_.identifier("the result's name"));
      } while (tokens_.take(","));
      tokens_.expect("=");
    }
    Location op_at = tokens_.location();
    std::string op_name = tokens_.identifier("an op's name");
    const Op* op = Registry::get().find(op_name);
    if (!op) tokens_.fail(op_at, "unknown op `" + op_name + "`" + suggest(op_name, Registry::get().names(true)));
    tokens_.expect("(");
    std::vector<Value*> operands;
    if (!tokens_.take(")")) {
      do operands.push_back(value());
      while (tokens_.take(","));
      tokens_.expect(")");
    }
    Attributes given = attributes();
    std::vector<std::unique_ptr<Region>> regions;
    while (tokens_.looking_at("(")) regions.push_back(inner_region());
    std::vector<Type> types;
    if (tokens_.take(":")) {
      do types.push_back(type());
      while (tokens_.take(","));
    }
    Builder builder(region);
    builder.locations = locations();
    if (builder.locations.empty()) builder.locations = {op_at};
    const std::size_t before = region.nodes.size();
    std::vector<Value*> results = builder.make(*op, operands, std::move(given), std::move(regions));
    if (region.nodes.size() != before + 1) tokens_.fail(op_at, op_name + ": the operands' shapes differ");
    name_results(at, op_name, names, types, results);
  }

  void name_results(const Location& at, const std::string& op, const std::vector<std::string>& names,
                    const std::vector<Type>& types, const std::vector<Value*>& results) {
    if (names.size() != results.size())
      tokens_.fail(at, op + " has " + std::to_string(results.size()) + " results, " + std::to_string(names.size()) +
                           " are named");
    for (std::size_t i = 0; i < types.size(); ++i)
      if (i >= results.size() || types[i] != results[i]->type)
        tokens_.fail(at, op + ": the result is " + (i < results.size() ? results[i]->type.str() : "nothing") +
                             ", the text says " + types[i].str());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!std::isdigit(static_cast<unsigned char>(names[i][0]))) results[i]->name = names[i];
      define(names[i], results[i]);
    }
  }

  std::unique_ptr<Region> inner_region() {
    auto region = std::make_unique<Region>();
    std::unordered_map<std::string, Value*> outer = values_;
    tokens_.expect("(");
    if (!tokens_.take(")")) {
      do {
        tokens_.expect("%");
        std::string name = tokens_.identifier("the parameter's name");
        tokens_.expect(":");
        bool numbered = std::isdigit(static_cast<unsigned char>(name[0]));
        define(name, region->add_parameter(type(), numbered ? "" : name));
      } while (tokens_.take(","));
      tokens_.expect(")");
    }
    tokens_.expect("{");
    body(*region, "yield");
    values_ = std::move(outer);
    return region;
  }

  Attributes attributes() {
    Attributes result;
    if (!tokens_.take("{") || tokens_.take("}")) return result;
    do {
      Location at = tokens_.location();
      std::string name = tokens_.identifier("an attribute's name");
      if (result.has(name)) tokens_.fail(at, "attribute `" + name + "` is given twice");
      tokens_.expect("=");
      result.set(name, attribute());
    } while (tokens_.take(","));
    tokens_.expect("}");
    return result;
  }

  Attribute attribute() {
    if (tokens_.take("true")) return true;
    if (tokens_.take("false")) return false;
    if (tokens_.looking_at_string()) return tokens_.string();
    if (tokens_.take("[")) return int_list();
    if (tokens_.take("shape")) {
      tokens_.expect("[");
      return shape();
    }
    if (tokens_.take("dense")) return literal();
    if (tokens_.looking_at_number()) {
      bool is_integer = false;
      std::int64_t integer = 0;
      double number = tokens_.number(is_integer, integer);
      return is_integer ? Attribute(integer) : Attribute(number);
    }
    Location at = tokens_.location();
    std::string word = tokens_.identifier("an attribute's value");
    std::optional<DType> dtype = dtype_named(word);
    if (!dtype) tokens_.fail(at, "`" + word + "` is no attribute value");
    return *dtype;
  }

  IntList int_list() {
    IntList list;
    if (tokens_.take("]")) return list;
    do list.push_back(tokens_.integer());
    while (tokens_.take(","));
    tokens_.expect("]");
    return list;
  }

  Shape shape() {
    Shape shape;
    if (tokens_.take("]")) return shape;
    do {
      if (!tokens_.looking_at_number()) {
        shape.push_back(Dim(1, tokens_.identifier("a dimension")));
        continue;
      }
      Dim dim(tokens_.integer());
      if (tokens_.take("*")) dim.symbol = tokens_.identifier("a symbol");
      shape.push_back(dim);
    } while (tokens_.take(","));
    tokens_.expect("]");
    return shape;
  }

  // dense<f32[3]: 1, 2, 3>; a single value stands for all.
  Literal literal() {
    tokens_.expect("<");
    Location at = tokens_.location();
    Type parsed = type();
    if (!is_static(parsed.shape)) tokens_.fail(at, "a literal of the symbolic type " + parsed.str());
    tokens_.expect(":");
    std::vector<double> numbers;
    std::vector<std::int64_t> integers;
    while (!tokens_.looking_at(">")) {
      if (!numbers.empty()) tokens_.expect(",");
      Location here = tokens_.location();
      bool is_integer = false;
      integers.push_back(0);
      numbers.push_back(tokens_.number(is_integer, integers.back()));
      if (!is_integer && !is_float(parsed.dtype))
        tokens_.fail(here, "an element of " + parsed.str() + " is no integer");
    }
    tokens_.expect(">");
    const std::int64_t count = parsed.elements();
    if (numbers.size() != 1 && static_cast<std::int64_t>(numbers.size()) != count)
      tokens_.fail(at, "a literal of " + parsed.str() + " with " + std::to_string(numbers.size()) + " values");
    auto tensor = std::make_shared<Tensor>(parsed);
    for (std::int64_t i = 0; i < count; ++i) {
      std::size_t from = numbers.size() == 1 ? 0 : static_cast<std::size_t>(i);
      if (is_float(parsed.dtype))
        tensor->set(i, numbers[from]);
      else
        tensor->set_integer(i, integers[from]);
    }
    return tensor;
  }

  Locations locations() {
    Locations result;
    if (!tokens_.take("loc")) return result;
    tokens_.expect("(");
    do {
      bool gradient = tokens_.take("gradient");
      std::string file = tokens_.string();
      tokens_.expect(":");
      std::int64_t line = tokens_.integer();
      tokens_.expect(":");
      std::int64_t column = tokens_.integer();
      Location at = make_location(file, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(column));
      at.gradient = gradient;
      unite(result, {at});
    } while (tokens_.take(","));
    tokens_.expect(")");
    return result;
  }

  TokenCursor tokens_;
  std::unordered_map<std::string, Value*> values_;
};

}  // namespace

std::unique_ptr<Module> parse_module(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  diagnostics.add_source(file, std::string(text));
  try {
    return Parser(text, file).module();
  } catch (const ParseFailure& failure) {
    diagnostics.error(failure.location, failure.message);
  } catch (const UserError& error) {
    for (const Diagnostic& diagnostic : error.diagnostics()) diagnostics.append(diagnostic);
  }
  return nullptr;
}

}  // namespace gradc
