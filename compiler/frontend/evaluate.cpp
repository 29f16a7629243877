// Evaluation of expressions: operators and functions are the registry's ops, numbers fold at once.
#include "compiler/frontend/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "compiler/frontend/custom.h"
#include "compiler/frontend/modes.h"
#include "ir/known_as.h"

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

std::string Scope::advice(std::string_view unknown) const {
  for (const Scope* scope = this; scope; scope = scope->outer)
    if (auto found = scope->within.find(unknown); found != scope->within.end())
      return "; it stands inside of `" + found->second + "`, whose results alone are known here";
  std::string advice = suggest(unknown, all_names());
  for (const Scope* scope = this; scope && advice.empty(); scope = scope->outer)
    if (!scope->rule.empty()) advice = "; " + scope->rule;
  return advice;
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
    case Syntax::Kind::index:
      return index(syntax);
    case Syntax::Kind::member:
      return member(syntax);
    case Syntax::Kind::range:
    case Syntax::Kind::absent:
    case Syntax::Kind::ellipsis:
    case Syntax::Kind::new_axis:
      break;  // items of an index only
  }
  internal_error("syntax kind");
}

Operand Evaluator::one(const Syntax& syntax) {
  Operand operand = evaluate(syntax);
  if (!operand.several) return operand;
  std::string what = print(syntax, [](const Syntax& name) { return name.text; });
  throw UserError(locate_(syntax.begin), several_results(*operand.value->node, what));
}

Operand Evaluator::index(const Syntax& syntax) {
  Operand base(0.0);
  std::vector<IndexItem> items;
  Mistakes mistakes;
  mistakes.watch([&] {
    base = evaluate(*syntax.children[0]);
    if (!base.value) fail(syntax, "a number has no elements to choose by an index");
  });
  for (std::size_t i = 1; i < syntax.children.size(); ++i)
    mistakes.watch([&] { items.push_back(index_item(*syntax.children[i])); });
  mistakes.rethrow();
  if (!base.several) return index_value(model_, base.value, items, locate_(syntax.offset));
  const Node& node = *base.value->node;
  std::int64_t count = std::ssize(node.results), wanted = items[0].number;
  if (items.size() != 1 || items[0].kind != IndexItem::Kind::integer)
    fail(syntax, several_results(node, print(*syntax.children[0], [](const Syntax& name) { return name.text; })));
  if (wanted < -count || wanted >= count)
    throw UserError(items[0].location, node.op->name + " has " + std::to_string(count) + " results, there is no [" +
                                           std::to_string(wanted) + "]");
  return node.result(static_cast<std::size_t>(wanted < 0 ? wanted + count : wanted));
}

IndexItem Evaluator::index_item(const Syntax& syntax) {
  IndexItem item;
  item.location = locate_(syntax.begin);
  auto integer = [&](const Syntax& at, double n) {
    if (std::floor(n) != n || std::abs(n) > 9007199254740992.0)
      throw UserError(locate_(at.begin), "an index" + not_an_integer(n));
    return static_cast<std::int64_t>(n);
  };
  auto bound = [&](const Syntax& at) -> std::optional<std::int64_t> {
    if (at.kind == Syntax::Kind::absent) return std::nullopt;
    return integer(at, number(at));
  };
  switch (syntax.kind) {
    case Syntax::Kind::ellipsis:
      item.kind = IndexItem::Kind::ellipsis;
      break;
    case Syntax::Kind::new_axis:
      item.kind = IndexItem::Kind::new_axis;
      break;
    case Syntax::Kind::range:
      item.kind = IndexItem::Kind::range;
      item.start = bound(*syntax.children[0]);
      item.stop = bound(*syntax.children[1]);
      item.step = bound(*syntax.children[2]).value_or(1);
      break;
    default: {
      Operand operand = one(syntax);
      item.kind = operand.value ? IndexItem::Kind::value : IndexItem::Kind::integer;
      item.value = operand.value;
      if (!operand.value) item.number = integer(syntax, operand.number);
    }
  }
  return item;
}

Operand Evaluator::member(const Syntax& syntax) {
  Operand base = evaluate(*syntax.children[0]);
  std::string what = print(*syntax.children[0], [](const Syntax& name) { return name.text; });
  if (!base.several) fail(syntax, "`" + what + "` is one value, without a result named `" + syntax.text + "`");
  const Node& node = *base.value->node;
  const std::vector<std::string>& names = node.op->results;
  if (names.size() != node.results.size()) fail(syntax, several_results(node, what));
  auto found = std::find(names.begin(), names.end(), syntax.text);
  if (found == names.end())
    fail(syntax, node.op->name + " has no result `" + syntax.text + "`" + suggest_or_list(syntax.text, names));
  return node.result(static_cast<std::size_t>(found - names.begin()));
}

Value* Evaluator::value(const Syntax& syntax) {
  Operand operand = one(syntax);
  return operand.value ? operand.value : model_.at(locate_(syntax.offset)).constant(DType::f32, operand.number);
}

double Evaluator::number(const Syntax& syntax) {
  Operand operand = one(syntax);
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
  for (const Scope* scope = &scope_; scope; scope = scope->outer)
    if (Value* state = scope->prefix.empty() ? nullptr : model_.find_state(scope->prefix + text)) return state;
  if (Value* state = model_.find_state(text)) return state;
  if (text == "pi") return std::numbers::pi;
  if (text == "inf") return std::numeric_limits<double>::infinity();
  for (std::size_t dot = text.rfind('.'); dot != std::string::npos && dot > 0; dot = text.rfind('.', dot - 1)) {
    const Entry* entry = scope_.find(std::string_view(text).substr(0, dot));
    if (!entry) continue;
    if (entry->poisoned) throw Poisoned{};
    if (entry->operand.several) fail(syntax, several_results(*entry->operand.value->node, text.substr(0, dot)));
  }
  if (Registry::get().find(text)) fail(syntax, "`" + text + "` is an op; apply it, as in " + text + "(x)");
  const std::string advice = scope_.advice(text);
  fail(syntax, "unknown name `" + text + "`" + (advice.empty() ? suggest(text, model_.parameter_names()) : advice));
}

Operand Evaluator::apply(std::string_view op, std::vector<Operand> operands, const Syntax& syntax) {
  const Op* found = Registry::get().find(op);
  if (!found) fail(syntax, "the op `" + std::string(op) + "` is not in this build");
  return model_.apply(*found, operands, {}, locate_(syntax.offset))[0];
}

std::vector<Operand> Evaluator::all(const std::vector<SyntaxPtr>& parts) {
  std::vector<Operand> operands;
  Mistakes mistakes;
  for (const SyntaxPtr& part : parts) mistakes.watch([&] { operands.push_back(one(*part)); });
  mistakes.rethrow();
  return operands;
}

Operand Evaluator::unary(const Syntax& syntax) {
  Operand x = one(*syntax.children[0]);
  if (syntax.text == "not") return apply("logical_not", {x}, syntax);
  return x.value ? apply("negate", {x}, syntax) : Operand(-x.number);
}

Operand Evaluator::binary(const Syntax& syntax) {
  const std::vector<Operand> both = all(syntax.children);
  const Operand &a = both[0], &b = both[1];
  if (!a.value && !b.value)
    if (std::optional<double> folded = fold_operator(syntax.text, a.number, b.number)) return *folded;
  if (syntax.text == "**" && !b.value && b.number == 2) return apply("square", {a}, syntax);
  return apply(op_of(syntax.text), {a, b}, syntax);
}

Operand Evaluator::call(const Syntax& syntax) {
  if (auto function = functions_.find(syntax.text); function != functions_.end())
    return call_function(function->second, syntax);
  if (find_mode(syntax.text)) return call_mode(syntax);
  const Op* op = Registry::get().find(syntax.text);
  if (op && !op->internal) return call_op(*op, syntax);
  std::vector<std::string> names = Registry::get().names();
  for (const auto& [name, function] : functions_) names.push_back(name);
  for (const Mode& mode : modes()) names.push_back(mode.name);
  fail(syntax, "unknown function `" + syntax.text + "`" + suggest_op(syntax.text, names));
}

Operand Evaluator::keyword_operand(const Op& op, const SyntaxKeyword& keyword, std::size_t position) {
  Syntax place;
  place.offset = keyword.offset;
  auto operand = std::find_if(op.operands.begin(), op.operands.end(),
                              [&](const OperandSpec& spec) { return spec.name == keyword.name; });
  if (operand == op.operands.end())
    fail(place,
         op.name + ": unknown argument `" + keyword.name + "`" + suggest_or_list(keyword.name, attribute_names(op)));
  if (operand - op.operands.begin() != static_cast<std::ptrdiff_t>(position))
    fail(place,
         op.name + ": `" + keyword.name + "` must be operand " + std::to_string(operand - op.operands.begin() + 1));
  return one(*keyword.value);
}

Operand Evaluator::call_op(const Op& op, const Syntax& syntax) {
  std::vector<Operand> operands;
  Attributes attributes;
  Mistakes mistakes;
  mistakes.watch([&] { operands = all(syntax.children); });
  std::size_t position = syntax.children.size();
  for (const SyntaxKeyword& keyword : syntax.keywords)
    mistakes.watch([&] {
      if (const AttributeSpec* spec = op.attribute(keyword.name))
        attributes.set(keyword.name, attribute(*keyword.value, *spec, op.name));
      else
        operands.push_back(keyword_operand(op, keyword, position++));
    });
  mistakes.rethrow();
  std::vector<double> numbers;
  for (const Operand& operand : operands)
    if (!operand.value) numbers.push_back(operand.number);
  if (numbers.size() == operands.size() && !operands.empty() && attributes.empty())
    if (std::optional<double> folded = fold(op.name, numbers)) return *folded;
  return Operand(model_.apply(op, operands, std::move(attributes), locate_(syntax.offset)));
}

Operand Evaluator::call_function(const UserFunction& function, const Syntax& syntax) {
  if (!function.value) throw Poisoned{};
  if (syntax.children.size() != function.operands.size())
    fail(syntax, "`" + function.name + "` takes " + std::to_string(function.operands.size()) + " operands, got " +
                     std::to_string(syntax.children.size()));
  std::vector<std::string> names;
  for (const auto& [name, preset] : function.arguments) names.push_back(name);
  std::vector<Operand> operands;
  std::map<std::string, double> arguments;
  Mistakes mistakes;
  mistakes.watch([&] { operands = all(syntax.children); });
  for (const SyntaxKeyword& keyword : syntax.keywords)
    mistakes.watch([&] {
      Syntax place;
      place.offset = keyword.offset;
      if (!std::count(names.begin(), names.end(), keyword.name))
        fail(place, function.name + ": unknown argument `" + keyword.name + "`" + suggest_or_list(keyword.name, names));
      arguments[keyword.name] = number(*keyword.value);
    });
  mistakes.rethrow();
  return apply_function(function, operands, arguments, locate_(syntax.offset));
}

Operand Evaluator::apply_function(const UserFunction& function, const std::vector<Operand>& operands,
                                  const std::map<std::string, double>& arguments, const Location& at) {
  if (active_.contains(function.name)) throw UserError(at, "function `" + function.name + "` calls itself");
  Scope inner;
  inner.outer = &globals_;
  inner.rule = "a function reads its operands, its arguments and variables only";
  for (const auto& [name, preset] : function.arguments) {
    auto given = arguments.find(name);
    inner.names[name] = {Operand(given == arguments.end() ? preset : given->second)};
  }
  auto bind = [&](const LoopValues& values) {
    for (std::size_t i = 0; i < values.size(); ++i) inner.names[function.operands[i]] = {values[i]};
  };
  auto expression = [&](const Syntax& syntax, const Json& text) {
    Evaluator body(model_, inner, globals_, functions_, [&text](std::size_t offset) { return text.inside(offset); });
    body.active_ = active_;
    body.active_.insert(function.name);
    return body.one(syntax);
  };
  try {
    Operand result(0.0);
    if (function.gradient.empty()) {
      for (std::size_t i = 0; i < operands.size(); ++i) inner.names[function.operands[i]] = {operands[i]};
      result = expression(*function.value, *function.text);
    } else {
      CustomRequest request{function.name, {}, at};
      for (std::size_t i = 0; i < operands.size(); ++i)
        request.operands.push_back({function.operands[i], operands[i], at});
      auto body = [&](const LoopValues& values) {
        bind(values);
        return LoopValue{"value", expression(*function.value, *function.text), function.text->location()};
      };
      auto gradient = [&](const LoopValues& values, Value* made, Value* cotangent) {
        bind(values);
        inner.names["result"] = {made};
        inner.names["cotangent"] = {cotangent};
        std::vector<LoopValue> cotangents;
        for (const std::string& operand : function.operands) {
          auto given = function.gradient.find(operand);
          if (given == function.gradient.end()) {
            cotangents.push_back({operand, Operand(0.0), at});  // an integer's, or zero
            continue;
          }
          const auto& [syntax, text] = given->second;
          cotangents.push_back({operand, expression(*syntax, *text), text->location()});
        }
        return cotangents;
      };
      result = custom(model_, request, body, gradient);
    }
    return result;
  } catch (const UserError& error) {
    std::vector<Diagnostic> diagnostics = error.diagnostics();
    for (Diagnostic& diagnostic : diagnostics)
      diagnostic.notes.push_back({Severity::note, at, "in this use of `" + function.name + "`", {}});
    throw UserError(std::move(diagnostics));
  }
}

// grad(f, w), vjp(y, [a, b], [u, v]), …: a list stands for several values.
Operand Evaluator::call_mode(const Syntax& syntax) {
  const Mode& mode = *find_mode(syntax.text);
  std::vector<std::vector<Operand>> arguments;
  Mistakes mistakes;
  auto add = [&](const Syntax& argument) {
    arguments.emplace_back();
    mistakes.watch([&] {
      if (argument.kind != Syntax::Kind::list) return arguments.back().push_back(one(argument));
      arguments.back() = all(argument.children);
    });
  };
  for (const SyntaxPtr& child : syntax.children) add(*child);
  for (const SyntaxKeyword& keyword : syntax.keywords) {
    mistakes.watch([&] {
      Syntax place;
      place.offset = keyword.offset;
      auto found = std::find(mode.arguments.begin(), mode.arguments.end(), keyword.name);
      if (found == mode.arguments.end())
        fail(place,
             mode.name + ": unknown argument `" + keyword.name + "`" + suggest_or_list(keyword.name, mode.arguments));
      if (found - mode.arguments.begin() != std::ssize(arguments))
        fail(place, mode.name + ": `" + keyword.name + "` must be argument " +
                        std::to_string(found - mode.arguments.begin() + 1));
    });
    add(*keyword.value);
  }
  mistakes.rethrow();
  return Operand(apply_mode(model_, mode, arguments, locate_(syntax.offset)));
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
