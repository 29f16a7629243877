// Values of the tree, checked: numbers that may be expressions, attributes, initialisers, tensors.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compiler/frontend/spec_reader.h"

namespace gradc {

namespace {

std::string_view kind_name(Json::Kind kind) {
  constexpr std::string_view names[] = {"null", "true or false", "a number", "a string", "a list", "an object"};
  return names[static_cast<int>(kind)];
}

// The lengths of nested lists, read off the first of each level.
std::vector<std::int64_t> nested_shape(const Json& json) {
  std::vector<std::int64_t> shape;
  for (const Json* at = &json; at->is(Json::Kind::array); at = &at->items[0]) {
    shape.push_back(static_cast<std::int64_t>(at->items.size()));
    if (at->items.empty()) break;
  }
  return shape;
}

}  // namespace

bool SpecReader::check_keys(const Json& object, const std::vector<std::string>& known, const std::string& what) {
  bool good = true;
  for (const JsonMember& member : object.members) {
    if (std::count(known.begin(), known.end(), member.key)) continue;
    constexpr std::size_t kFew = 12;  // that a message can list
    diagnostics_.error(member.location(),
                       what + ": unknown key `" + member.key + "`" +
                           (known.size() <= kFew ? suggest_or_list(member.key, known) : suggest(member.key, known)));
    good = false;
  }
  return good;
}

bool SpecReader::expect(const Json& json, Json::Kind kind, const std::string& what) {
  if (json.kind == kind) return true;
  diagnostics_.error(json.location(), what + " must be " + std::string(kind_name(kind)) + ", got " + json.describe());
  return false;
}

const Json* SpecReader::section(const std::string& name, Json::Kind kind) {
  const Json* json = root_.find(name);
  return json && expect(*json, kind, "`" + name + "`") ? json : nullptr;
}

Evaluator SpecReader::evaluator(const Json& json, const Scope& scope) {
  auto locate = [&json](std::size_t at) { return json.is(Json::Kind::string) ? json.inside(at) : json.location(); };
  return Evaluator(*model_, scope, globals_, functions_, locate);
}

SyntaxPtr SpecReader::expression_of(const Json& json, const std::string& what) {
  if (json.is(Json::Kind::number)) {
    auto syntax = std::make_unique<Syntax>();
    syntax->number = json.number;
    return syntax;
  }
  if (!json.is(Json::Kind::string))
    throw UserError(json.location(), what + " must be an expression in a string, got " + json.describe());
  try {
    return parse_expression(json.text);
  } catch (const ExpressionError& error) {
    throw UserError(json.inside(error.offset), error.what());
  }
}

double SpecReader::number_of(const Json& json, const Scope& scope, const std::string& what) {
  if (json.is(Json::Kind::number)) return json.number;
  if (!json.is(Json::Kind::string))
    throw UserError(json.location(), what + " must be a number, got " + json.describe());
  SyntaxPtr syntax = expression_of(json, what);
  double n = evaluator(json, scope).number(*syntax);
  if (std::isnan(n)) throw UserError(json.location(), what + ": `" + json.text + "` is no number");
  return n;
}

std::int64_t SpecReader::integer_of(const Json& json, const Scope& scope, const std::string& what, std::int64_t low) {
  std::string wanted = low == 1   ? " must be a positive integer"
                       : low == 0 ? " must be an integer of 0 or more"
                                  : " must be an integer";
  if (json.is(Json::Kind::number) && json.integral) {
    if (json.integer < low) throw UserError(json.location(), what + wanted + ", got " + json.text);
    return json.integer;
  }
  if (!json.is(Json::Kind::number) && !json.is(Json::Kind::string))
    throw UserError(json.location(), what + wanted + ", got " + json.describe());
  double n = number_of(json, scope, what);
  std::string got = json.is(Json::Kind::number) ? json.text : number_text(n);
  if (std::abs(n) > 9007199254740992.0) throw UserError(json.location(), what + " is too large: " + got);
  if (std::floor(n) != n || n < static_cast<double>(low))
    throw UserError(json.location(), what + wanted + ", got " + got);
  return static_cast<std::int64_t>(n);
}

const std::string& SpecReader::string_of(const Json& json, const std::string& what) {
  if (!json.is(Json::Kind::string))
    throw UserError(json.location(), what + " must be a string, got " + json.describe());
  return json.text;
}

bool SpecReader::boolean_of(const Json& json, const std::string& what) {
  if (!json.is(Json::Kind::boolean))
    throw UserError(json.location(), what + " must be true or false, got " + json.describe());
  return json.boolean;
}

std::vector<std::string> SpecReader::strings_of(const Json& json, const std::string& what) {
  if (json.is(Json::Kind::string)) return {json.text};
  if (!json.is(Json::Kind::array))
    throw UserError(json.location(), what + " must be a string or a list of strings, got " + json.describe());
  std::vector<std::string> strings;
  for (const Json& item : json.items) strings.push_back(string_of(item, what));
  return strings;
}

Attribute SpecReader::attribute_of(const Json& json, const AttributeSpec& spec, const std::string& op,
                                   const Scope& scope) {
  std::string what = op + ": `" + spec.name + "`";
  switch (spec.kind) {
    case AttributeKind::boolean:
      return boolean_of(json, what);
    case AttributeKind::integer:
      return integer_of(json, scope, what);
    case AttributeKind::number:
      return number_of(json, scope, what);
    case AttributeKind::string:
      return string_of(json, what);
    case AttributeKind::dtype: {
      std::optional<DType> dtype = dtype_named(string_of(json, what));
      if (!dtype)
        throw UserError(json.location(),
                        what + ": unknown dtype `" + json.text + "`" +
                            suggest_or_list(json.text, {"f32", "f64", "i32", "i64", "u32", "u8", "bool"}));
      return *dtype;
    }
    case AttributeKind::int_list: {
      IntList list;
      if (!json.is(Json::Kind::array)) return IntList{integer_of(json, scope, what)};
      for (const Json& item : json.items) list.push_back(integer_of(item, scope, what));
      return list;
    }
    case AttributeKind::shape: {
      Shape shape;
      if (!json.is(Json::Kind::array))
        throw UserError(json.location(), what + " must be a list of dimensions, got " + json.describe());
      for (const Json& item : json.items) {
        SyntaxPtr syntax = expression_of(item, what);
        shape.push_back(item.is(Json::Kind::number) ? Dim(integer_of(item, scope, what))
                                                    : evaluator(item, scope).dim(*syntax));
      }
      return shape;
    }
    case AttributeKind::literal:
      throw UserError(json.location(), what + " can't be given in a spec; use `constants`");
  }
  internal_error("attribute kind");
}

LayerValue SpecReader::layer_value_of(const Json& json, const LayerAttribute& spec, const std::string& layer,
                                      const Scope& scope) {
  std::string what = layer + ": `" + spec.name + "`";
  auto list = [&](std::int64_t low) {
    IntList list;
    if (!json.is(Json::Kind::array)) return IntList{integer_of(json, scope, what, low)};
    if (json.items.empty()) throw UserError(json.location(), what + " is an empty list");
    for (const Json& item : json.items) list.push_back(integer_of(item, scope, what, low));
    return list;
  };
  switch (spec.kind) {
    case LayerAttributeKind::boolean:
      return boolean_of(json, what);
    case LayerAttributeKind::size:
      return integer_of(json, scope, what, 1);
    case LayerAttributeKind::number:
      return number_of(json, scope, what);
    case LayerAttributeKind::sizes:
      return list(1);
    case LayerAttributeKind::padding:
      if (json.is(Json::Kind::string) && json.text == "same") return std::string("same");
      if (json.is(Json::Kind::string) && is_identifier(json.text) && !scope.find(json.text))
        throw UserError(json.location(),
                        what + " must be sizes or \"same\", got " + json.describe() + suggest(json.text, {"same"}));
      return list(0);
    case LayerAttributeKind::choice:
      return string_of(json, what);
    case LayerAttributeKind::initializer:
      return initializer_of(json, nullptr, scope, what);
  }
  internal_error("layer attribute kind");
}

// { "file": "weights.safetensors", "name": "conv1.weight" }
Initializer SpecReader::initializer_from_file(const Json& json, const std::string& what) {
  const Json *file = json.find("file"), *name = json.find("name");
  if (!check_keys(json, {"file", "name"}, what)) throw Poisoned{};
  if (!file) throw UserError(json.location(), what + ": an initialiser that is an object must have `file`");
  Initializer result;
  std::filesystem::path path = string_of(*file, "`file`");
  if (path.is_relative()) path = std::filesystem::absolute(std::filesystem::path(options_.directory) / path);
  result.file = path.lexically_normal().string();
  if (name) result.array = string_of(*name, "`name`");
  if (!options_.read_array) throw UserError(file->location(), what + ": can't read files here");
  try {
    result.literal = std::make_shared<const Tensor>(options_.read_array(result.file, result.array));
  } catch (const UserError& error) {
    throw UserError(file->location(), what + ": " + error.diagnostics().front().message);
  }
  return result;
}

Initializer SpecReader::initializer_of(const Json& json, const Type* type, const Scope& scope,
                                       const std::string& what) {
  Initializer result;
  if (json.is(Json::Kind::number)) return initializer("constant", {json.number});
  if (json.is(Json::Kind::object)) return initializer_from_file(json, what);
  if (json.is(Json::Kind::array)) {
    Type wanted = type ? *type : Type{DType::f64, shape_of(nested_shape(json))};
    result.literal = std::make_shared<const Tensor>(tensor_of(json, wanted, scope, what));
    return result;
  }
  SyntaxPtr syntax = expression_of(json, what);
  if (syntax->kind != Syntax::Kind::name && syntax->kind != Syntax::Kind::call)
    return initializer("constant", {evaluator(json, scope).number(*syntax)});
  const InitializerSpec* spec = find_initializer(syntax->text);
  if (!spec) {
    if (syntax->kind == Syntax::Kind::name && scope.find(syntax->text))
      return initializer("constant", {evaluator(json, scope).number(*syntax)});
    throw UserError(json.inside(syntax->offset), what + ": " + unknown_initializer(syntax->text));
  }
  result.kind = syntax->text;
  for (const SyntaxPtr& child : syntax->children) result.arguments.push_back(evaluator(json, scope).number(*child));
  for (const SyntaxKeyword& keyword : syntax->keywords) {
    std::size_t at = result.arguments.size();
    if (at >= spec->arguments.size() || spec->arguments[at].name != keyword.name) {
      std::vector<std::string> names;
      for (const InitializerArgument& argument : spec->arguments) names.push_back(argument.name);
      throw UserError(json.inside(keyword.offset), what + ": `" + spec->name + "` has no argument `" + keyword.name +
                                                       "` at this place" + suggest_or_list(keyword.name, names));
    }
    result.arguments.push_back(evaluator(json, scope).number(*keyword.value));
  }
  Type any{DType::f32, {1, 1}};  // a shape that every initialiser takes
  std::string wrong = complete(result, type ? *type : any);
  if (!wrong.empty()) throw UserError(json.inside(syntax->offset), what + ": " + wrong);
  return result;
}

namespace {

// Appends the elements of nested lists in order; every list of one level must be of one length.
void flatten(const Json& json, std::size_t level, const std::vector<std::int64_t>& shape,
             std::vector<const Json*>& elements, const std::string& what) {
  if (level == shape.size()) {
    if (json.is(Json::Kind::array)) throw UserError(json.location(), what + ": expected a number here, got a list");
    elements.push_back(&json);
    return;
  }
  if (!json.is(Json::Kind::array))
    throw UserError(json.location(), what + ": expected a list of " + std::to_string(shape[level]) +
                                         " items here, got " + json.describe());
  std::int64_t length = static_cast<std::int64_t>(json.items.size());
  if (shape[level] != length)
    throw UserError(json.location(), what + ": this list has " + std::to_string(length) +
                                         " items, the first of its level " + std::to_string(shape[level]));
  for (const Json& item : json.items) flatten(item, level + 1, shape, elements, what);
}

}  // namespace

Tensor SpecReader::tensor_of(const Json& json, std::optional<Type> type, const Scope& scope, const std::string& what) {
  std::vector<std::int64_t> shape = nested_shape(json);
  std::vector<const Json*> elements;
  flatten(json, 0, shape, elements, what);
  if (!type) type = Type{DType::f32, shape_of(shape)};
  if (type->shape != shape_of(shape))
    throw UserError(json.location(), what + ": the elements are " + Type{type->dtype, shape_of(shape)}.str() +
                                         ", the type is " + type->str());
  Tensor tensor(*type);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const Json& element = *elements[i];
    std::int64_t at = static_cast<std::int64_t>(i);
    if (type->dtype == DType::boolean && element.is(Json::Kind::boolean))
      tensor.set(at, element.boolean ? 1 : 0);
    else if (is_float(type->dtype))
      tensor.set(at, number_of(element, scope, what));
    else
      tensor.set_integer(at, integer_of(element, scope, what));
    if (is_integer(type->dtype) && tensor.get_integer(at) != integer_of(element, scope, what))
      throw UserError(element.location(),
                      what + ": " + element.describe() + " is no " + std::string(name_of(type->dtype)));
  }
  return tensor;
}

}  // namespace gradc
