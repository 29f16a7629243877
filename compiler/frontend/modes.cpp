// The modes as `gradient` and `tangent` nodes, which the pass `grad` writes out.
//
//   grad(f, w)       = Jᵀ · 1                     vjp(y, w, u) = Jᵀ · u              jvp(y, w, v) = J · v
//   hvp(f, w, v)     = jvp(grad(f, w), w, v)
//   jacobian(y, w)   = a scan over the unit vectors u of y, whose body is vjp(y, w, u): one row a round; or over those
//                      of w with jvp, one column a round, where w has fewer elements
//   hessian(f, w)    = jacobian(grad(f, w), w), by columns
//
// The body of such a scan holds a copy of what lies between w and y.
#include "compiler/frontend/modes.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/frontend/json.h"
#include "compiler/frontend/loops.h"

namespace gradc {

namespace {

// Everything that `output` depends on, each node after what it reads. What a value is in evaluation mode counts as
// read.
std::vector<Node*> ancestors(const ModelBuilder& model, Value* output) {
  std::vector<Node*> order;
  std::unordered_map<const Node*, bool> done;
  std::vector<std::pair<Node*, std::vector<Node*>>> stack;
  auto open = [&](Value* value) {
    if (!value->node || !done.try_emplace(value->node, false).second) return;
    std::vector<Node*> reads;
    for (Value* operand : value->node->operands) {
      if (operand->node) reads.push_back(operand->node);
      if (Value* other = model.evaluated(operand); other && other->node) reads.push_back(other->node);
    }
    stack.emplace_back(value->node, std::move(reads));
  };
  open(output);
  if (Value* other = model.evaluated(output)) open(other);
  while (!stack.empty()) {
    if (stack.back().second.empty()) {
      order.push_back(stack.back().first);
      stack.pop_back();
      continue;
    }
    Node* next = stack.back().second.back();
    stack.back().second.pop_back();
    open(next->result());
  }
  return order;
}

// The nodes between wrt and output.
std::vector<Node*> between(const ModelBuilder& model, Value* output, std::span<Value* const> wrt) {
  std::unordered_map<const Value*, bool> depends;
  for (Value* value : wrt) depends[value] = true;
  std::vector<Node*> path;
  for (Node* node : ancestors(model, output)) {
    bool on_path = std::any_of(node->operands.begin(), node->operands.end(), [&](const Value* operand) {
      const Value* other = model.evaluated(operand);
      return depends[operand] || (other && depends[other]);
    });
    if (!on_path) continue;
    path.push_back(node);
    for (const auto& result : node->results) depends[result.get()] = true;
  }
  return path;
}

std::string described(const Value& value, const std::string& otherwise) {
  return value.name.empty() ? otherwise : "`" + value.name + "`";
}

// Arguments of a mode, checked.
class Request {
 public:
  Request(ModelBuilder& model, const Mode& mode, const ModeArguments& arguments, const Location& at)
      : model_(model), mode_(mode), arguments_(arguments), at_(at) {
    if (arguments.size() != mode.arguments.size())
      fail("takes " + std::to_string(mode.arguments.size()) + " arguments, as in " + mode.example + ", got " +
           std::to_string(arguments.size()));
  }

  Value* output(bool scalar) const {
    Value* value = one(0);
    if (!is_float(value->type.dtype))
      fail(described(*value, "what is differentiated") + " must be a float, got " + value->type.str());
    if (scalar && value->type.rank() != 0)
      fail(described(*value, "what is differentiated") + " must be a scalar, got " + value->type.str() +
           "; take its sum or mean" + (mode_.name == "grad" ? ", or give its cotangent to vjp" : ""));
    return value;
  }

  std::vector<Value*> wrt() const {
    std::vector<Value*> values;
    for (const Operand& operand : arguments_[1]) {
      if (!operand.value) fail("can't differentiate by the number " + number_text(operand.number));
      if (!is_float(operand.value->type.dtype))
        fail("can't differentiate by " + described(*operand.value, "a value") + ", which is " +
             operand.value->type.str() + " and no float");
      values.push_back(operand.value);
    }
    if (values.empty()) fail("is given nothing to differentiate by");
    return values;
  }

  Value* one_wrt() const {
    if (arguments_[1].size() != 1) fail("differentiates by one value, not by a list");
    return wrt()[0];
  }

  // Directions, a type each; a number stands for a value full of it.
  std::vector<Value*> directions(const std::vector<Value*>& like) const {
    if (arguments_[2].size() != like.size())
      fail("has " + std::to_string(like.size()) + " values and " + std::to_string(arguments_[2].size()) + " for `" +
           mode_.arguments[2] + "`");
    std::vector<Value*> values;
    for (std::size_t i = 0; i < like.size(); ++i) {
      const Operand& given = arguments_[2][i];
      values.push_back(given.value ? given.value : model_.at(at_).full(like[i]->type, given.number));
      if (values[i]->type != like[i]->type)
        fail("the " + mode_.arguments[2] + " is " + values[i]->type.str() + ", " + described(*like[i], "its value") +
             " is " + like[i]->type.str() + "; they must have one type");
    }
    return values;
  }

  [[noreturn]] void fail(const std::string& message) const { throw UserError(at_, mode_.name + ": " + message); }

 private:
  Value* one(std::size_t i) const {
    if (arguments_[i].size() != 1) fail("`" + mode_.arguments[i] + "` must be one value, not a list");
    const Operand& operand = arguments_[i][0];
    if (!operand.value) fail("`" + mode_.arguments[i] + "` is the number " + number_text(operand.number));
    return operand.value;
  }

  ModelBuilder& model_;
  const Mode& mode_;
  const ModeArguments& arguments_;
  const Location& at_;
};

std::vector<Value*> gradient(ModelBuilder& model, Value* output, Value* cotangent, const std::vector<Value*>& wrt,
                             const Location& at) {
  std::vector<Value*> operands = {brought_inside(model, output, wrt)};
  if (cotangent) operands.push_back(cotangent);
  operands.insert(operands.end(), wrt.begin(), wrt.end());
  return model.at(at).make("gradient", operands, {{"cotangent", cotangent != nullptr}});
}

Value* tangent(ModelBuilder& model, Value* output, const std::vector<Value*>& wrt, const std::vector<Value*>& tangents,
               const Location& at) {
  std::vector<Value*> operands = {brought_inside(model, output, wrt)};
  operands.insert(operands.end(), wrt.begin(), wrt.end());
  operands.insert(operands.end(), tangents.begin(), tangents.end());
  return model.at(at).one("tangent", operands, {{"wrt", std::ssize(wrt)}});
}

// 1 at the element number `index` of a value of this type, else 0.
Value* unit_vector(Builder& builder, const Type& type, Value* index) {
  Term flat =
      builder.term(builder.one("iota", {}, {{"shape", Shape{*element_count(type.shape)}}, {"dtype", DType::i64}}));
  Term hit = apply("equal", {flat, builder.term(index)});
  return reshape(cast(hit, type.dtype), type.shape).value();
}

// Rows, or where w has fewer elements columns: [elements of the one, …shape of the other].
Value* jacobian(ModelBuilder& model, const Request& request, Value* y, Value* w, const Location& at) {
  std::optional<Dim> rows = element_count(y->type.shape), columns = element_count(w->type.shape);
  if (!rows || !columns) request.fail("the Jacobian has more elements than 64 bits can count");
  if (!rows->is_static() && !columns->is_static())
    request.fail("the Jacobian of " + y->type.str() + " by " + w->type.str() +
                 " has two open dimensions; sum one of them away");
  const bool by_columns = columns->is_static() && (!rows->is_static() || columns->factor <= rows->factor);
  ScanRequest scan_request;
  scan_request.length = by_columns ? *columns : *rows;
  scan_request.at = at;
  auto body = [&](const std::vector<Value*>&, const std::vector<Value*>&, Value* index) {
    Builder& builder = model.at(at);
    Value* found = by_columns ? tangent(model, y, {w}, {unit_vector(builder, w->type, index)}, at)
                              : gradient(model, y, unit_vector(builder, y->type, index), {w}, at)[0];
    return LoopStep{{}, {{"row", found, at}}};
  };
  Term stacked = model.at(at).term(scan(model, scan_request, body).emitted[0]);
  if (by_columns) {
    IntList permutation;
    for (std::size_t d = 1; d < stacked.rank(); ++d) permutation.push_back(static_cast<std::int64_t>(d));
    permutation.push_back(0);
    stacked = transpose(stacked, permutation);
  }
  Shape shape = y->type.shape;
  shape.insert(shape.end(), w->type.shape.begin(), w->type.shape.end());
  return reshape(stacked, shape).value();
}

void warn_of_independence(ModelBuilder& model, const Mode& mode, Value* output, const std::vector<Value*>& wrt,
                          const Location& at) {
  for (Value* value : wrt)
    if (output != value && between(model, output, std::span<Value* const>(&value, 1)).empty())
      model.warn(at, mode.name + ": " + described(*output, "what is differentiated") + " does not depend on " +
                         described(*value, "the value") + ", so the derivative is zero");
}

}  // namespace

Value* brought_inside(ModelBuilder& model, Value* output, std::span<Value* const> wrt) {
  Builder& builder = model.builder();
  std::vector<Node*> path = between(model, output, wrt);
  bool outside = std::any_of(path.begin(), path.end(),
                             [&](const Node* node) { return node->result()->region != &builder.region(); });
  if (!outside) return output;
  std::unordered_set<const Node*> on_path(path.begin(), path.end());
  ValueMap map;
  std::vector<std::pair<Value*, Value*>> waiting;  // copies, and what their originals are in evaluation mode
  for (const Node* node : path) {
    builder.clone(*node, map);
    for (const auto& result : node->results)
      if (Value* other = model.evaluated(result.get())) waiting.emplace_back(map.at(result.get()), other);
    std::erase_if(waiting, [&](const auto& pair) {
      auto copy = map.find(pair.second);
      if (copy == map.end() && on_path.contains(pair.second->node)) return false;
      model.in_evaluation(pair.first, copy == map.end() ? pair.second : copy->second);
      return true;
    });
  }
  auto found = map.find(output);
  return found == map.end() ? output : found->second;
}

const std::vector<Mode>& modes() {
  static const std::vector<Mode> table = {
      {"grad", {"f", "wrt"}, "grad(loss, w)"},          {"vjp", {"y", "wrt", "cotangent"}, "vjp(y, x, u)"},
      {"jvp", {"y", "wrt", "tangent"}, "jvp(y, x, v)"}, {"hvp", {"f", "wrt", "vector"}, "hvp(loss, w, v)"},
      {"jacobian", {"y", "wrt"}, "jacobian(y, x)"},     {"hessian", {"f", "wrt"}, "hessian(loss, w)"},
  };
  return table;
}

const Mode* find_mode(std::string_view name) {
  for (const Mode& mode : modes())
    if (mode.name == name) return &mode;
  return nullptr;
}

std::vector<Value*> apply_mode(ModelBuilder& model, const Mode& mode, const ModeArguments& arguments,
                               const Location& at) {
  const Request request(model, mode, arguments, at);
  const std::string& name = mode.name;
  Value* output = request.output(name == "grad" || name == "hvp" || name == "hessian");
  std::vector<Value*> wrt = request.wrt();
  warn_of_independence(model, mode, output, wrt, at);
  if (name == "grad") return gradient(model, output, nullptr, wrt, at);
  if (name == "vjp") return gradient(model, output, request.directions({output})[0], wrt, at);
  if (name == "jvp") return {tangent(model, output, wrt, request.directions(wrt), at)};
  Value* by = request.one_wrt();
  if (name == "jacobian") return {jacobian(model, request, output, by, at)};
  Value* slope = gradient(model, output, nullptr, {by}, at)[0];
  if (name == "hessian") return {jacobian(model, request, slope, by, at)};
  return {tangent(model, slope, {by}, request.directions({by}), at)};
}

}  // namespace gradc
