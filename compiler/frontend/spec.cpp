// Loads a spec: overrides, then section by section in the order in which they depend on each other.
#include "compiler/frontend/spec.h"

#include <algorithm>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

const std::vector<std::string> kSections = {
    "gradc",   "name",       "inputs", "parameters", "constants", "variables",   "functions", "blocks", "graph",
    "outputs", "regularize", "freeze", "programs",   "data",      "description", "$schema",   "plan",   "sample"};

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (true) {
    std::size_t dot = path.find('.', start);
    parts.push_back(path.substr(start, dot - start));
    if (dot == std::string::npos) return parts;
    start = dot + 1;
  }
}

// An element of a list by its index or by its "name".
Json* item_of(Json& list, const std::string& part) {
  for (Json& item : list.items)
    if (const Json* name = item.find("name"); name && name->is(Json::Kind::string) && name->text == part) return &item;
  if (!part.empty() && part.size() < 10 &&
      std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }))
    if (std::size_t index = std::stoul(part); index < list.items.size()) return &list.items[index];
  return nullptr;
}

std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const JsonMember& member : json.members) keys.push_back(member.key);
  return keys;
}

// Sets what stands at `path` to `value`. The last part of the path may be a new key of an object.
void override_value(Json& root, const std::string& path, Json value, Diagnostics& diagnostics) {
  Json* at = &root;
  std::vector<std::string> parts = split_path(path);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Json* next = at->is(Json::Kind::array) ? item_of(*at, parts[i]) : at->find(parts[i]);
    bool last = i + 1 == parts.size();
    if (!next && last && at->is(Json::Kind::object)) {
      JsonMember member;
      member.key = parts[i];
      member.value = std::move(value);
      at->members.push_back(std::move(member));
      return;
    }
    if (!next) {
      diagnostics.error(value.location(), "the spec has no `" + parts[i] + "` there" + suggest(parts[i], keys_of(*at)));
      return;
    }
    at = next;
  }
  *at = std::move(value);
}

// A value of the command line: JSON where it is some, else a string.
Json value_of(const std::string& path, const std::string& text) {
  Diagnostics ignored;
  std::string file = "--set " + path;
  if (auto json = parse_json(text, file, ignored)) return std::move(*json);
  auto quoted = parse_json(quote_json(text), file, ignored);
  ensure(quoted.has_value(), "a quoted string is JSON");
  return std::move(*quoted);
}

}  // namespace

std::unique_ptr<ModelGraph> load_spec(const std::string& text, const std::string& file, const SpecOptions& options,
                                      Diagnostics& diagnostics) {
  diagnostics.add_source(file, text);
  std::optional<Json> root = parse_json(text, file, diagnostics);
  if (!root) return nullptr;
  if (!root->is(Json::Kind::object)) {
    diagnostics.error(root->location(), "a spec must be an object, got " + root->describe());
    return nullptr;
  }
  for (const auto& [path, value] : options.set) {
    Json given = value_of(path, value);
    diagnostics.add_source("--set " + path, given.source->text);
    override_value(*root, path, std::move(given), diagnostics);
  }
  if (diagnostics.has_errors()) return nullptr;
  return SpecReader(*root, options, diagnostics).read();
}

std::unique_ptr<ModelGraph> SpecReader::read() {
  check_keys(root_, kSections, "spec");
  if (const Json* version = root_.find("gradc"); version && !(version->integral && version->integer == 1))
    diagnostics_.error(version->location(), "this gradc reads specs of version 1, got " + version->describe());
  std::string name = "model";
  guarded([&] {
    if (const Json* given = root_.find("name")) {
      name = string_of(*given, "`name`");
      if (!is_identifier(name))
        throw UserError(given->location(), "`" + name + "` is no name: a letter or _, then letters, digits and _");
    }
  });
  model_ = std::make_unique<ModelBuilder>(name);
  graph_.outer = &globals_;
  read_variables();
  read_inputs();
  read_parameters();
  read_constants();
  read_functions();
  read_blocks();
  Operand last(static_cast<Value*>(nullptr));
  if (const Json* graph = section("graph", Json::Kind::array)) {
    std::vector<BuiltNode> nodes = read_graph(*graph, {graph_, "", "", false, 0}, {});
    if (!nodes.empty()) last = nodes.back().operand;
    poisoned_ = poisoned_ || (!nodes.empty() && nodes.back().poisoned);
  }
  read_outputs(last);
  read_regularize();
  read_freeze();
  read_data();
  read_programs();
  read_plan();
  read_sample();
  if (diagnostics_.has_errors()) return nullptr;
  ensure(!poisoned_, "a mistake in a spec was passed over without a message");
  std::unique_ptr<ModelGraph> model;
  for (const std::string& glob : options_.watch) model_->watch(glob);
  if (!guarded([&] { model = model_->graph(); })) return nullptr;
  model->location = root_.location();
  model->resolved = resolved_text(*model);
  return model;
}

void SpecReader::read_variables() {
  const Json* variables = section("variables", Json::Kind::object);
  if (!variables) return;
  for (const JsonMember& member : variables->members) {
    bool good = guarded([&] {
      if (!is_identifier(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      double n = number_of(member.value, globals_, "variable `" + member.key + "`");
      globals_.names[member.key] = {Operand(n)};
      resolved_.variables.emplace_back(member.key, number_text(n));
    });
    if (!good) globals_.names[member.key] = {Operand(0.0), true};
  }
}

std::optional<Type> SpecReader::read_type(const Json& json) {
  std::optional<Type> type;
  guarded([&] {
    TypeParseError error;
    std::optional<Type> parsed = parse_type(string_of(json, "a type"), &error);
    if (!parsed) throw UserError(json.inside(error.offset), error.message);
    type = with_numbers(*parsed, globals_, json.location());
  });
  return type;
}

void SpecReader::declare(const std::string& name, Value* value, const Location& at) {
  if (const Entry* taken = globals_.find(name); taken && !taken->poisoned && !taken->operand.value)
    throw UserError(at, "`" + name + "` is declared twice: it is a variable too");
  globals_.names[name] = {Operand(value)};
  references_[value] = name;
}

void SpecReader::read_parameters() {
  const Json* parameters = section("parameters", Json::Kind::object);
  if (!parameters) return;
  for (const JsonMember& member : parameters->members) {
    const std::string what = "parameter `" + member.key + "`";
    bool good = guarded([&] {
      if (!is_path(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      const Json* type_text = &member.value;
      const Json* init = nullptr;
      if (member.value.is(Json::Kind::object)) {
        if (!check_keys(member.value, {"type", "init"}, what)) throw Poisoned{};
        type_text = member.value.find("type");
        init = member.value.find("init");
        if (!type_text) throw UserError(member.location(), what + " needs a `type`, as in \"f32[10,784]\"");
      }
      std::optional<Type> type = read_type(*type_text);
      if (!type) throw Poisoned{};
      if (!is_static(type->shape))
        throw UserError(type_text->location(),
                        what + " has the open dimension in " + type->str() + "; its shape must be numbers");
      Initializer start = type->rank() >= 2 ? default_weight() : initializer("zeros");
      if (init) start = initializer_of(*init, &*type, globals_, what);
      std::string shown = start.literal && start.file.empty() ? to_json(*init) : to_json(LayerValue(start));
      declare(member.key, model_->add_parameter(member.key, *type, start, member.location()), member.location());
      resolved_.parameters.emplace_back(member.key,
                                        "{ \"type\": " + quote_json(type->str()) + ", \"init\": " + shown + " }");
    });
    if (!good) globals_.names[member.key] = {Operand(0.0), true};
  }
}

void SpecReader::read_constants() {
  const Json* constants = section("constants", Json::Kind::object);
  if (!constants) return;
  for (const JsonMember& member : constants->members) {
    const std::string what = "constant `" + member.key + "`";
    bool good = guarded([&] {
      if (!is_identifier(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      const Json* elements = &member.value;
      std::optional<Type> type;
      if (member.value.is(Json::Kind::object)) {
        if (!check_keys(member.value, {"type", "value"}, what)) throw Poisoned{};
        elements = member.value.find("value");
        if (!elements) throw UserError(member.location(), what + " needs a `value`");
        if (const Json* given = member.value.find("type")) {
          type = read_type(*given);
          if (!type) throw Poisoned{};
          if (!is_static(type->shape))
            throw UserError(given->location(),
                            what + " has the open dimension in " + type->str() + "; its shape must be numbers");
        }
      }
      if (model_->find_input(member.key) || model_->find_state(member.key))
        throw UserError(member.location(), "`" + member.key + "` is declared twice");
      Tensor tensor = tensor_of(*elements, type, globals_, what);
      std::string shown =
          "{ \"type\": " + quote_json(tensor.type().str()) + ", \"value\": " + to_json(*elements) + " }";
      Value* value = model_->at(member.location()).constant(std::move(tensor));
      value->name = member.key;
      declare(member.key, value, member.location());
      resolved_.constants.emplace_back(member.key, shown);
    });
    if (!good) globals_.names[member.key] = {Operand(0.0), true};
  }
}

// Every operand has a gradient, if any has; 0 says that there is none.
void SpecReader::read_gradient(const Json& json, const std::string& what, UserFunction& function) {
  if (!expect(json, Json::Kind::object, what + ": `gradient`")) throw Poisoned{};
  if (!check_keys(json, function.operands, what + ": `gradient`")) throw Poisoned{};
  for (const std::string& operand : function.operands) {
    const Json* text = json.find(operand);
    if (!text)
      throw UserError(json.location(),
                      what + ": `gradient` lacks `" + operand + "`; \"0\" says that there is none by it");
    if (!text->is(Json::Kind::string))
      throw UserError(text->location(), what + ": the gradient of `" + operand + "` must be an expression in a string");
    function.gradient[operand] = {expression_of(*text, what), text};
  }
}

// Reports names in an expression that nothing declares, whatever the operands are.
void SpecReader::check_names(const Syntax& syntax, const Json& text, const Scope& scope) {
  if (syntax.kind == Syntax::Kind::name) {
    const std::string& name = syntax.text;
    const bool path = name.find('.') != std::string::npos;  // maybe a parameter of a layer that is still to come
    if (path || scope.find(name) || model_->find_state(name) || name == "pi" || name == "inf") return;
    diagnostics_.error(text.inside(syntax.offset), "unknown name `" + name + "`" + scope.advice(name));
    return;
  }
  for (const SyntaxPtr& child : syntax.children) check_names(*child, text, scope);
  const Op* op = syntax.kind == Syntax::Kind::call ? Registry::get().find(syntax.text) : nullptr;
  for (const SyntaxKeyword& keyword : syntax.keywords)
    if (!op || !op->attribute(keyword.name)) check_names(*keyword.value, text, scope);
}

void SpecReader::check_function(const UserFunction& function, const Location& at) {
  const std::string what = "function `" + function.name + "`";
  Scope inner;
  inner.outer = &globals_;
  inner.rule = "a function reads its operands, its arguments and variables only";
  const auto declare = [&](const std::string& name) {
    if (!is_identifier(name)) throw UserError(at, what + ": `" + name + "` is no name of an operand or argument");
    if (!inner.names.emplace(name, Entry{}).second)
      throw UserError(at, what + " has `" + name + "` twice among its operands and arguments");
  };
  if (function.operands.empty()) throw UserError(at, what + " has no operands");
  for (const std::string& operand : function.operands) declare(operand);
  for (const auto& [argument, preset] : function.arguments) declare(argument);
  const std::size_t before = diagnostics_.all().size();
  check_names(*function.value, *function.text, inner);
  for (const char* given : {"result", "cotangent"}) inner.names.emplace(given, Entry{});
  for (const auto& [operand, gradient] : function.gradient) check_names(*gradient.first, *gradient.second, inner);
  if (diagnostics_.all().size() > before) throw Poisoned{};
}

void SpecReader::read_functions() {
  const Json* functions = section("functions", Json::Kind::object);
  if (!functions) return;
  for (const JsonMember& member : functions->members) {
    const std::string what = "function `" + member.key + "`";
    bool good = guarded([&] {
      if (!is_identifier(member.key))
        throw UserError(member.location(),
                        "`" + member.key + "` is no name: a letter or _, then letters, digits and _");
      if (Registry::get().find(member.key) || find_layer(member.key))
        throw UserError(member.location(), "`" + member.key + "` is an op already; functions need names of their own");
      if (!expect(member.value, Json::Kind::object, what)) throw Poisoned{};
      if (!check_keys(member.value, {"operands", "arguments", "value", "gradient"}, what)) throw Poisoned{};
      UserFunction function;
      function.name = member.key;
      function.operands = {"x"};
      if (const Json* operands = member.value.find("operands"))
        function.operands = strings_of(*operands, what + ": `operands`");
      if (const Json* arguments = member.value.find("arguments")) {
        if (!expect(*arguments, Json::Kind::object, what + ": `arguments`")) throw Poisoned{};
        for (const JsonMember& argument : arguments->members)
          function.arguments.emplace_back(argument.key,
                                          number_of(argument.value, globals_, what + ": `" + argument.key + "`"));
      }
      function.text = member.value.find("value");
      if (!function.text || !function.text->is(Json::Kind::string))
        throw UserError(member.location(), what + " needs a `value`, an expression in a string");
      function.value = expression_of(*function.text, what);
      if (const Json* gradient = member.value.find("gradient")) read_gradient(*gradient, what, function);
      check_function(function, member.location());
      functions_.insert_or_assign(member.key, std::move(function));
      resolved_.functions.emplace_back(member.key, to_json(member.value));
    });
    if (!good) functions_[member.key].name = member.key;
  }
}

void SpecReader::read_blocks() {
  const Json* blocks = section("blocks", Json::Kind::object);
  if (!blocks) return;
  for (const JsonMember& member : blocks->members) guarded([&] { read_block(member.key, member.value); });
}

void SpecReader::read_block(const std::string& name, const Json& json) {
  const std::string what = "block `" + name + "`";
  if (!is_identifier(name))
    throw UserError(json.location(), "`" + name + "` is no name: a letter or _, then letters, digits and _");
  if (!expect(json, Json::Kind::object, what)) throw Poisoned{};
  Block block;
  block.operands = {"x"};
  if (!check_keys(json, {"operands", "arguments", "graph", "result"}, what)) throw Poisoned{};
  if (const Json* operands = json.find("operands")) block.operands = strings_of(*operands, what + ": `operands`");
  if (const Json* arguments = json.find("arguments"); arguments && arguments->is(Json::Kind::object)) {
    for (const JsonMember& argument : arguments->members) {
      std::optional<double> preset;
      if (!argument.value.is(Json::Kind::null))
        preset = number_of(argument.value, globals_, what + ": `" + argument.key + "`");
      block.arguments.emplace_back(argument.key, preset);
    }
  } else if (arguments) {
    for (const std::string& argument : strings_of(*arguments, what + ": `arguments`"))
      block.arguments.emplace_back(argument, std::nullopt);
  }
  block.result_text = json.find("result");
  if (block.result_text) block.result = string_of(*block.result_text, what + ": `result`");
  block.graph = json.find("graph");
  if (!block.graph) throw UserError(json.location(), what + " needs a `graph`");
  if (!expect(*block.graph, Json::Kind::array, what + ": `graph`")) throw Poisoned{};
  if (block.graph->items.empty()) throw UserError(block.graph->location(), what + " has an empty graph");
  for (const std::string& operand : block.operands)
    if (!is_identifier(operand))
      throw UserError(json.location(), what + ": `" + operand + "` is no name of an operand");
  for (const auto& [argument, preset] : block.arguments)
    if (!is_identifier(argument))
      throw UserError(json.location(), what + ": `" + argument + "` is no name of an argument");
  blocks_.insert_or_assign(name, std::move(block));
}

}  // namespace gradc
