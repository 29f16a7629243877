// Parses the text form of graphs, through the same builder that everybody uses.
#include <unordered_map>

#include "ir/lexer.h"
#include "ir/op.h"
#include "ir/text.h"

namespace gradc {

namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : lexer_(text, file) {}

  std::unique_ptr<Module> module() {
    auto module = std::make_unique<Module>();
    if (lexer_.take("module")) {
      lexer_.expect("@");
      module->name = lexer_.identifier("the module's name");
    }
    while (!lexer_.at_end()) function(*module);
    return module;
  }

 private:
  void function(Module& module) {
    lexer_.expect("func");
    lexer_.expect("@");
    Location at = lexer_.location();
    std::string name = lexer_.identifier("the function's name");
    if (module.function(name)) lexer_.fail(at, "a second function `" + name + "`");
    Function& function = module.add_function(name);
    values_.clear();
    lexer_.expect("(");
    if (!lexer_.take(")")) {
      do parameter(function);
      while (lexer_.take(","));
      lexer_.expect(")");
    }
    results(function);
    lexer_.expect("{");
    body(function.body, "return");
    if (function.body.results.size() != function.results.size())
      lexer_.fail("`" + name + "` declares " + std::to_string(function.results.size()) + " results and returns " +
                  std::to_string(function.body.results.size()));
  }

  Role role() {
    for (Role role : {Role::data, Role::state, Role::scalar})
      if (lexer_.take(name_of(role))) return role;
    return Role::data;
  }

  void parameter(Function& function) {
    Parameter parameter;
    parameter.role = role();
    parameter.location = lexer_.location();
    lexer_.expect("%");
    parameter.name = lexer_.identifier("the parameter's name");
    lexer_.expect(":");
    Type parsed = type();
    if (lexer_.take("=")) {
      bool is_integer = false;
      std::int64_t integer = 0;
      parameter.preset = lexer_.number(is_integer, integer);
    }
    if (lexer_.take("in")) {
      lexer_.expect("[");
      parameter.lower = lexer_.integer();
      lexer_.expect(",");
      parameter.upper = lexer_.integer();
      lexer_.expect(")");
    }
    Locations given = locations();
    if (!given.empty()) parameter.location = given[0];
    std::string name = parameter.name;
    define(name, function.add_parameter(std::move(parameter), parsed));
  }

  void results(Function& function) {
    lexer_.expect("->");
    lexer_.expect("(");
    if (lexer_.take(")")) return;
    do {
      Role kind = role();
      lexer_.take("%");
      function.results.push_back({lexer_.identifier("the result's name"), kind});
    } while (lexer_.take(","));
    lexer_.expect(")");
  }

  Type type() {
    Location at = lexer_.location();
    std::string text = lexer_.identifier("a type, as in f32[N,784]");
    lexer_.expect("[");
    text += "[" + std::string(lexer_.until(']')) + "]";
    lexer_.expect("]");
    TypeParseError error;
    std::optional<Type> parsed = parse_type(text, &error);
    if (!parsed) {
      at.column += static_cast<std::uint32_t>(error.offset);
      lexer_.fail(at, error.message);
    }
    return *parsed;
  }

  void define(const std::string& name, Value* value) {
    if (!values_.emplace(name, value).second) lexer_.fail("`%" + name + "` is defined twice");
  }

  Value* value() {
    lexer_.expect("%");
    Location at = lexer_.location();
    std::string name = lexer_.identifier("a value's name");
    auto found = values_.find(name);
    if (found == values_.end()) {
      std::vector<std::string> known;
      for (const auto& [other, ignored] : values_) known.push_back(other);
      lexer_.fail(at, "`%" + name + "` is not defined here" + suggest(name, known));
    }
    return found->second;
  }

  void body(Region& region, std::string_view end) {
    while (!lexer_.take(end)) node(region);
    if (lexer_.peek() == '%') {
      do region.results.push_back(value());
      while (lexer_.take(","));
    }
    lexer_.expect("}");
  }

  void node(Region& region) {
    Location at = lexer_.location();
    std::vector<std::string> names;
    if (lexer_.looking_at("%")) {
      do {
        lexer_.expect("%");
        names.push_back(lexer_.identifier("the result's name"));
      } while (lexer_.take(","));
      lexer_.expect("=");
    }
    Location op_at = lexer_.location();
    std::string op_name = lexer_.identifier("an op's name");
    const Op* op = Registry::get().find(op_name);
    if (!op) lexer_.fail(op_at, "unknown op `" + op_name + "`" + suggest(op_name, Registry::get().names(true)));
    lexer_.expect("(");
    std::vector<Value*> operands;
    if (!lexer_.take(")")) {
      do operands.push_back(value());
      while (lexer_.take(","));
      lexer_.expect(")");
    }
    Attributes given = attributes();
    std::vector<std::unique_ptr<Region>> regions;
    while (lexer_.looking_at("(")) regions.push_back(inner_region());
    std::vector<Type> types;
    if (lexer_.take(":")) {
      do types.push_back(type());
      while (lexer_.take(","));
    }
    Builder builder(region);
    builder.locations = locations();
    if (builder.locations.empty()) builder.locations = {op_at};
    const std::size_t before = region.nodes.size();
    std::vector<Value*> results = builder.make(*op, operands, std::move(given), std::move(regions));
    if (region.nodes.size() != before + 1) lexer_.fail(op_at, op_name + ": the operands' shapes differ");
    name_results(at, op_name, names, types, results);
  }

  void name_results(const Location& at, const std::string& op, const std::vector<std::string>& names,
                    const std::vector<Type>& types, const std::vector<Value*>& results) {
    if (names.size() != results.size())
      lexer_.fail(at, op + " has " + std::to_string(results.size()) + " results, " + std::to_string(names.size()) +
                          " are named");
    for (std::size_t i = 0; i < types.size(); ++i)
      if (i >= results.size() || types[i] != results[i]->type)
        lexer_.fail(at, op + ": the result is " + (i < results.size() ? results[i]->type.str() : "nothing") +
                            ", the text says " + types[i].str());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!std::isdigit(static_cast<unsigned char>(names[i][0]))) results[i]->name = names[i];
      define(names[i], results[i]);
    }
  }

  std::unique_ptr<Region> inner_region() {
    auto region = std::make_unique<Region>();
    std::unordered_map<std::string, Value*> outer = values_;
    lexer_.expect("(");
    if (!lexer_.take(")")) {
      do {
        lexer_.expect("%");
        std::string name = lexer_.identifier("the parameter's name");
        lexer_.expect(":");
        bool numbered = std::isdigit(static_cast<unsigned char>(name[0]));
        define(name, region->add_parameter(type(), numbered ? "" : name));
      } while (lexer_.take(","));
      lexer_.expect(")");
    }
    lexer_.expect("{");
    body(*region, "yield");
    values_ = std::move(outer);
    return region;
  }

  Attributes attributes() {
    Attributes result;
    if (!lexer_.take("{") || lexer_.take("}")) return result;
    do {
      Location at = lexer_.location();
      std::string name = lexer_.identifier("an attribute's name");
      if (result.has(name)) lexer_.fail(at, "attribute `" + name + "` is given twice");
      lexer_.expect("=");
      result.set(name, attribute());
    } while (lexer_.take(","));
    lexer_.expect("}");
    return result;
  }

  Attribute attribute() {
    if (lexer_.take("true")) return true;
    if (lexer_.take("false")) return false;
    if (lexer_.peek() == '"') return lexer_.string();
    if (lexer_.take("[")) return int_list();
    if (lexer_.take("shape")) {
      lexer_.expect("[");
      return shape();
    }
    if (lexer_.take("dense")) return literal();
    if (lexer_.looking_at_number()) {
      bool is_integer = false;
      std::int64_t integer = 0;
      double number = lexer_.number(is_integer, integer);
      return is_integer ? Attribute(integer) : Attribute(number);
    }
    Location at = lexer_.location();
    std::string word = lexer_.identifier("an attribute's value");
    std::optional<DType> dtype = dtype_named(word);
    if (!dtype) lexer_.fail(at, "`" + word + "` is no attribute value");
    return *dtype;
  }

  IntList int_list() {
    IntList list;
    if (lexer_.take("]")) return list;
    do list.push_back(lexer_.integer());
    while (lexer_.take(","));
    lexer_.expect("]");
    return list;
  }

  Shape shape() {
    Shape shape;
    if (lexer_.take("]")) return shape;
    do {
      if (!lexer_.looking_at_number()) {
        shape.push_back(Dim(1, lexer_.identifier("a dimension")));
        continue;
      }
      Dim dim(lexer_.integer());
      if (lexer_.take("*")) dim.symbol = lexer_.identifier("a symbol");
      shape.push_back(dim);
    } while (lexer_.take(","));
    lexer_.expect("]");
    return shape;
  }

  // dense<f32[3]: 1, 2, 3>; a single value stands for all.
  Literal literal() {
    lexer_.expect("<");
    Location at = lexer_.location();
    Type parsed = type();
    if (!is_static(parsed.shape)) lexer_.fail(at, "a literal of the symbolic type " + parsed.str());
    lexer_.expect(":");
    std::vector<double> numbers;
    std::vector<std::int64_t> integers;
    while (!lexer_.looking_at(">")) {
      if (!numbers.empty()) lexer_.expect(",");
      bool is_integer = false;
      integers.push_back(0);
      numbers.push_back(lexer_.number(is_integer, integers.back()));
    }
    lexer_.expect(">");
    const std::int64_t count = parsed.elements();
    if (numbers.size() != 1 && static_cast<std::int64_t>(numbers.size()) != count)
      lexer_.fail(at, "a literal of " + parsed.str() + " with " + std::to_string(numbers.size()) + " values");
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
    if (!lexer_.take("loc")) return result;
    lexer_.expect("(");
    do {
      bool gradient = lexer_.take("gradient");
      std::string file = lexer_.string();
      lexer_.expect(":");
      std::int64_t line = lexer_.integer();
      lexer_.expect(":");
      std::int64_t column = lexer_.integer();
      Location at = make_location(file, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(column));
      at.gradient = gradient;
      unite(result, {at});
    } while (lexer_.take(","));
    lexer_.expect(")");
    return result;
  }

  Lexer lexer_;
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
