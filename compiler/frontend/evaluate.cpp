// Evaluation of expressions: operators and functions are the registry's ops, numbers fold at once.
#include "compiler/frontend/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace gradc {

const Entry* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->outer)
    if (auto found = scope->names.find(name); found != scope->names.end()) return &found->second;
  return nullptr;
}

std::vector<std::string> Scope::all_names() const {
  std::vector<std::string> all;
  for (const Scope* scope = this; scope; scope = scope->outer)
    for (const auto& [name, entry] : scope->names) all.push_back(name);
  return all;
}

namespace {

std::string not_an_integer(double n) {
  return (std::floor(n) != n ? " must be an integer, got " : " is too large for an integer: ") + number_text(n);
}

// Functions of numbers that fold at once, in f64.
std::optional<double> fold(const std::string& name, const std::vector<double>& x) {
  static const std::map<std::string, double (*)(double)> unary = {
      {"abs", std::fabs}, {"ceil", std::ceil},  {"cos", std::cos}, {"exp", std::exp},   {"floor", std::floor},
      {"log", std::log},  {"round", std::rint}, {"sin", std::sin}, {"sqrt", std::sqrt}, {"tanh", std::tanh}};
  static const std::map<std::string, double (*)(double, double)> binary = {
      {"maximum", std::fmax}, {"minimum", std::fmin}, {"power", std::pow}};
  if (auto f = unary.find(name); f != unary.end() && x.size() == 1) return f->second(x[0]);
  if (auto f = binary.find(name); f != binary.end() && x.size() == 2) return f->second(x[0], x[1]);
  return std::nullopt;
}

std::optional<double> fold_operator(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "/") return a / b;
  if (op == "%") return std::fmod(a, b);
  if (op == "**") return std::pow(a, b);
  return std::nullopt;
}

std::string_view op_of(const std::string& spelling) {
  static const std::map<std::string, std::string_view> ops = {
      {"+", "add"},         {"-", "subtract"}, {"*", "multiply"},       {"/", "divide"},        {"%", "remainder"},
      {"@", "matmul"},      {"**", "power"},   {"==", "equal"},         {"!=", "not_equal"},    {"<", "less"},
      {"<=", "less_equal"}, {">", "greater"},  {">=", "greater_equal"}, {"and", "logical_and"}, {"or", "logical_or"}};
  return ops.at(spelling);
}

std::vector<std::string> attribute_names(const Op& op) {
  std::vector<std::string> names;
  for (const AttributeSpec& spec : op.attributes) names.push_back(spec.name);
  for (const OperandSpec& spec : op.operands) names.push_back(spec.name);
  return names;
}

}  // namespace

void Evaluator::fail(const Syntax& syntax, const std::string& message) const {
  throw UserError(locate_(syntax.offset), message);
}

Operand Evaluator::evaluate(const Syntax& syntax) {
  switch (syntax.kind) {
    case Syntax::Kind::number:
      return syntax.number;
    case Syntax::Kind::name:
      return name(syntax);
    case Syntax::Kind::unary:
      return unary(syntax);
    case Syntax::Kind::binary:
      return binary(syntax);
    case Syntax::Kind::call:
      return call(syntax);
    case Syntax::Kind::boolean:
      return model_.at(locate_(syntax.offset)).constant(DType::boolean, syntax.boolean ? 1 : 0);
    case Syntax::Kind::list:
      fail(syntax, "a list is no value here; it can only be an attribute, as in axis=[1, 2]");
    case Syntax::Kind::string:
      fail(syntax, "a string is no value here; it can only be an attribute");
  }
  internal_error("syntax kind");
}

Value* Evaluator::value(const Syntax& syntax) {
  Operand operand = evaluate(syntax);
  return operand.value ? operand.value : model_.at(locate_(syntax.offset)).constant(DType::f32, operand.number);
}

double Evaluator::number(const Syntax& syntax) {
  Operand operand = evaluate(syntax);
  if (operand.value) {
    std::string what = syntax.kind == Syntax::Kind::name ? "`" + syntax.text + "`" : "this";
    throw UserError(locate_(syntax.begin), what + " is " + operand.value->type.str() + ", where a number is wanted");
  }
  return operand.number;
}

Operand Evaluator::name(const Syntax& syntax) {
  const std::string& text = syntax.text;
  if (const Entry* entry = scope_.find(text)) {
    if (entry->poisoned) throw Poisoned{};
    return entry->operand;
  }
  if (!scope_.prefix.empty())
    if (Value* state = model_.find_state(scope_.prefix + text)) return state;
  if (Value* state = model_.find_state(text)) return state;
  if (text == "pi") return std::numbers::pi;
  if (text == "inf") return std::numeric_limits<double>::infinity();
  std::vector<std::string> names = scope_.all_names();
  for (std::string& parameter : model_.parameter_names()) names.push_back(std::move(parameter));
  if (Registry::get().find(text)) fail(syntax, "`" + text + "` is an op; apply it, as in " + text + "(x)");
  fail(syntax, "unknown name `" + text + "`" + suggest(text, names));
}

Operand Evaluator::apply(std::string_view op, std::vector<Operand> operands, const Syntax& syntax) {
  const Op* found = Registry::get().find(op);
  if (!found) fail(syntax, "the op `" + std::string(op) + "` is not in this build");
  return model_.apply(*found, operands, {}, locate_(syntax.offset))[0];
}

Operand Evaluator::unary(const Syntax& syntax) {
  Operand x = evaluate(*syntax.children[0]);
  if (syntax.text == "not") return apply("logical_not", {x}, syntax);
  return x.value ? apply("negate", {x}, syntax) : Operand(-x.number);
}

Operand Evaluator::binary(const Syntax& syntax) {
  Operand a = evaluate(*syntax.children[0]);
  Operand b = evaluate(*syntax.children[1]);
  if (!a.value && !b.value)
    if (std::optional<double> folded = fold_operator(syntax.text, a.number, b.number)) return *folded;
  if (syntax.text == "**" && !b.value && b.number == 2) return apply("square", {a}, syntax);
  return apply(op_of(syntax.text), {a, b}, syntax);
}

Operand Evaluator::call(const Syntax& syntax) {
  if (auto function = functions_.find(syntax.text); function != functions_.end())
    return call_function(function->second, syntax);
  if (syntax.text == "grad") return call_grad(syntax);
  const Op* op = Registry::get().find(syntax.text);
  if (op && !op->internal) return call_op(*op, syntax);
  std::vector<std::string> names = Registry::get().names();
  for (const auto& [name, function] : functions_) names.push_back(name);
  names.push_back("grad");
  fail(syntax, "unknown function `" + syntax.text + "`" + suggest(syntax.text, names));
}

Operand Evaluator::call_op(const Op& op, const Syntax& syntax) {
  std::vector<Operand> operands;
  for (const SyntaxPtr& child : syntax.children) operands.push_back(evaluate(*child));
  Attributes attributes;
  for (const SyntaxKeyword& keyword : syntax.keywords) {
    Syntax place;
    place.offset = keyword.offset;
    if (const AttributeSpec* spec = op.attribute(keyword.name)) {
      attributes.set(keyword.name, attribute(*keyword.value, *spec, op.name));
      continue;
    }
    auto operand = std::find_if(op.operands.begin(), op.operands.end(),
                                [&](const OperandSpec& spec) { return spec.name == keyword.name; });
    if (operand == op.operands.end())
      fail(place, op.name + ": unknown argument `" + keyword.name + "`" + suggest(keyword.name, attribute_names(op)));
    if (operand - op.operands.begin() != static_cast<std::ptrdiff_t>(operands.size()))
      fail(place,
           op.name + ": `" + keyword.name + "` must be operand " + std::to_string(operand - op.operands.begin() + 1));
    operands.push_back(evaluate(*keyword.value));
  }
  std::vector<double> numbers;
  for (const Operand& operand : operands)
    if (!operand.value) numbers.push_back(operand.number);
  if (numbers.size() == operands.size() && !operands.empty() && attributes.empty())
    if (std::optional<double> folded = fold(op.name, numbers)) return *folded;
  return model_.apply(op, operands, std::move(attributes), locate_(syntax.offset))[0];
}

Operand Evaluator::call_function(const UserFunction& function, const Syntax& syntax) {
  if (syntax.children.size() != function.operands.size())
    fail(syntax, "`" + function.name + "` takes " + std::to_string(function.operands.size()) + " operands, got " +
                     std::to_string(syntax.children.size()));
  if (!active_.insert(function.name).second) fail(syntax, "function `" + function.name + "` calls itself");
  Scope inner;
  inner.outer = &globals_;
  for (std::size_t i = 0; i < function.operands.size(); ++i)
    inner.names[function.operands[i]] = {evaluate(*syntax.children[i])};
  std::vector<std::string> names;
  for (const auto& [name, preset] : function.arguments) {
    inner.names[name] = {Operand(preset)};
    names.push_back(name);
  }
  for (const SyntaxKeyword& keyword : syntax.keywords) {
    Syntax place;
    place.offset = keyword.offset;
    if (!std::count(names.begin(), names.end(), keyword.name))
      fail(place, function.name + ": unknown argument `" + keyword.name + "`" + suggest(keyword.name, names));
    inner.names[keyword.name] = {Operand(number(*keyword.value))};
  }
  try {
    Evaluator body(model_, inner, globals_, functions_, [&](std::size_t at) { return function.text->inside(at); });
    body.active_ = active_;
    Operand result = body.evaluate(*function.value);
    active_.erase(function.name);
    return result;
  } catch (const UserError& error) {
    Diagnostic diagnostic = error.diagnostics().front();
    diagnostic.notes.push_back({Severity::note, locate_(syntax.offset), "in this use of `" + function.name + "`", {}});
    throw UserError(std::move(diagnostic));
  }
}

Operand Evaluator::call_grad(const Syntax& syntax) {
  if (syntax.children.size() != 2 || !syntax.keywords.empty())
    fail(syntax, "grad takes a scalar and what to differentiate it by, as in grad(loss, w)");
  Value* output = value(*syntax.children[0]);
  Value* wrt = value(*syntax.children[1]);
  return model_.gradient(output, wrt, locate_(syntax.offset));
}

IntList Evaluator::integers(const Syntax& syntax, const AttributeSpec& spec, const std::string& op) {
  std::vector<const Syntax*> items = {&syntax};
  if (syntax.kind == Syntax::Kind::list) {
    items.clear();
    for (const SyntaxPtr& child : syntax.children) items.push_back(child.get());
  }
  IntList list;
  for (const Syntax* item : items) {
    double n = number(*item);
    if (std::floor(n) != n || std::abs(n) > 9007199254740992.0)
      throw UserError(locate_(item->begin), op + ": `" + spec.name + "`" + not_an_integer(n));
    list.push_back(static_cast<std::int64_t>(n));
  }
  return list;
}

Dim Evaluator::dim(const Syntax& syntax) {
  if (syntax.kind == Syntax::Kind::name && !scope_.find(syntax.text)) return Dim(1, syntax.text);
  if (syntax.kind == Syntax::Kind::binary && syntax.text == "*") {
    const Syntax& right = *syntax.children[1];
    if (right.kind == Syntax::Kind::name && !scope_.find(right.text))
      return Dim(dim(*syntax.children[0]).factor, right.text);
  }
  double n = number(syntax);
  if (std::floor(n) != n || std::abs(n) > 9007199254740992.0)
    throw UserError(locate_(syntax.begin), "a dimension" + not_an_integer(n));
  return Dim(static_cast<std::int64_t>(n));
}

Attribute Evaluator::attribute(const Syntax& syntax, const AttributeSpec& spec, const std::string& op) {
  auto wrong = [&](const std::string& wanted) {
    throw UserError(locate_(syntax.begin), op + ": `" + spec.name + "` must be " + wanted);
  };
  switch (spec.kind) {
    case AttributeKind::boolean:
      if (syntax.kind != Syntax::Kind::boolean) wrong("true or false");
      return syntax.boolean;
    case AttributeKind::integer: {
      if (syntax.kind == Syntax::Kind::list) wrong("one integer");
      return integers(syntax, spec, op)[0];
    }
    case AttributeKind::number:
      return number(syntax);
    case AttributeKind::string:
      if (syntax.kind != Syntax::Kind::string && syntax.kind != Syntax::Kind::name) wrong("a string, as in 'same'");
      return syntax.text;
    case AttributeKind::dtype: {
      std::optional<DType> dtype = dtype_named(syntax.text);
      if (!dtype) wrong("a dtype: f32, f64, i32, i64, u32, u8 or bool");
      return *dtype;
    }
    case AttributeKind::int_list:
      return integers(syntax, spec, op);
    case AttributeKind::shape: {
      Shape shape;
      if (syntax.kind != Syntax::Kind::list) wrong("a list, as in [N, 10]");
      for (const SyntaxPtr& child : syntax.children) shape.push_back(dim(*child));
      return shape;
    }
    case AttributeKind::literal:
      wrong("left to gradc");
  }
  internal_error("attribute kind");
}

Type with_numbers(Type type, const Scope& scope, const Location& at) {
  for (Dim& dim : type.shape) {
    const Entry* entry = dim.is_static() ? nullptr : scope.find(dim.symbol);
    if (!entry || entry->operand.value) continue;
    double n = entry->operand.number;
    std::int64_t size = 0;
    if (std::floor(n) != n || n < 0 || n > 9007199254740992.0)
      throw UserError(at, "`" + dim.symbol + "` is " + number_text(n) + " and stands for a dimension of " + type.str());
    if (__builtin_mul_overflow(dim.factor, static_cast<std::int64_t>(n), &size))
      throw UserError(at, "dimension " + dim.str() + " of " + type.str() + " overflows 64 bits");
    dim = Dim(size);
  }
  std::int64_t bytes = byte_size(type.dtype);  // of one step of every symbol
  for (const Dim& dim : type.shape)
    if (__builtin_mul_overflow(bytes, dim.factor, &bytes))
      throw UserError(at, "the shape of " + type.str() + " has more elements than 64 bits can count");
  return type;
}

}  // namespace gradc
