// Building, copying and walking graphs.
#include "ir/graph.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

std::string_view name_of(Role role) {
  constexpr std::string_view names[] = {"data", "state", "scalar"};
  return names[static_cast<int>(role)];
}

Value* Region::add_parameter(Type type, std::string name) {
  auto value = std::make_unique<Value>();
  value->type = std::move(type);
  value->name = std::move(name);
  value->region = this;
  value->index = static_cast<int>(parameters.size());
  parameters.push_back(std::move(value));
  return parameters.back().get();
}

Value* Function::add_parameter(Parameter parameter, Type type) {
  Value* value = body.add_parameter(std::move(type), parameter.name);
  parameters.push_back(std::move(parameter));
  return value;
}

void Function::add_result(FunctionResult result, Value* value) {
  results.push_back(std::move(result));
  body.results.push_back(value);
}

Value* Function::parameter(std::string_view wanted) const {
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].name == wanted) return body.parameters[i].get();
  return nullptr;
}

Function& Module::add_function(std::string function_name) {
  functions.push_back(std::make_unique<Function>());
  functions.back()->name = std::move(function_name);
  return *functions.back();
}

Function* Module::function(std::string_view wanted) const {
  for (const auto& function : functions)
    if (function->name == wanted) return function.get();
  return nullptr;
}

// ---- Builder ----

namespace {

Diagnostic call_diagnostic(const Op& op, const CallError& error, const std::vector<Value*>& operands,
                           const Locations& locations) {
  Diagnostic diagnostic;
  if (!locations.empty()) diagnostic.location = locations.front();
  diagnostic.message = op.name + ": " + error.message;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Value* value = operands[i];
    if (!value->node || value->node->locations.empty() || value->node->locations.front() == diagnostic.location)
      continue;
    std::string name = value->name.empty() ? "operand " + std::to_string(i + 1) : "`" + value->name + "`";
    diagnostic.notes.push_back({Severity::note, value->node->locations.front(), name + " is " + value->type.str(), {}});
  }
  return diagnostic;
}

// The shape both fit by NumPy's rule, or nullopt.
std::optional<Shape> broadcast_shape(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const Dim* x = i < a.size() ? &a[a.size() - 1 - i] : nullptr;
    const Dim* y = i < b.size() ? &b[b.size() - 1 - i] : nullptr;
    const Dim one(1);
    Dim& dim = result[result.size() - 1 - i];
    if (!x || (y && *x == one))
      dim = *y;
    else if (!y || *y == one || *x == *y)
      dim = *x;
    else
      return std::nullopt;
  }
  return result;
}

}  // namespace

std::vector<Value*> Builder::make(std::string_view name, std::vector<Value*> operands, Attributes attributes) {
  const Op* op = Registry::get().find(name);
  if (!op) internal_error("no op is named `" + std::string(name) + "`");
  return make(*op, std::move(operands), std::move(attributes));
}

std::vector<Value*> Builder::make(const Op& op, std::vector<Value*> operands, Attributes attributes,
                                  std::vector<std::unique_ptr<Region>> regions) {
  try {
    if (op.kind == Kind::elementwise && operands.size() > 1) {
      Shape shape = operands[0]->type.shape;
      bool fits = true;
      for (Value* operand : operands) {
        std::optional<Shape> joined = broadcast_shape(shape, operand->type.shape);
        fits = fits && joined;
        if (joined) shape = *joined;
      }
      if (fits)
        for (Value*& operand : operands) operand = broadcast_to(operand, shape);
    }
    attributes = with_defaults(op, attributes);
    close_regions(regions, operands);
    std::vector<Type> types = infer_types(op, operands, attributes, regions);
    auto node = std::make_unique<Node>();
    node->op = &op;
    node->operands = std::move(operands);
    node->attributes = std::move(attributes);
    node->regions = std::move(regions);
    node->locations = locations;
    node->parent = region_;
    for (auto& inner : node->regions) inner->owner = node.get();
    std::vector<Value*> results;
    for (std::size_t i = 0; i < types.size(); ++i) {
      auto value = std::make_unique<Value>();
      value->type = std::move(types[i]);
      value->node = node.get();
      value->region = region_;
      value->index = static_cast<int>(i);
      results.push_back(value.get());
      node->results.push_back(std::move(value));
    }
    region_->nodes.push_back(std::move(node));
    return results;
  } catch (const CallError& error) {
    throw UserError(call_diagnostic(op, error, operands, locations));
  }
}

Value* Builder::one(std::string_view op, std::vector<Value*> operands, Attributes attributes) {
  return make(op, std::move(operands), std::move(attributes))[0];
}

Value* Builder::constant(Tensor value) {
  return one("constant", {}, {{"value", Literal(std::make_shared<const Tensor>(std::move(value)))}});
}

Value* Builder::constant(DType dtype, double value) { return constant(Tensor::scalar(dtype, value)); }

Value* Builder::full(const Type& type, double value) { return broadcast_to(constant(type.dtype, value), type.shape); }

Value* Builder::broadcast_to(Value* x, const Shape& shape) {
  if (x->type.shape == shape) return x;
  IntList dims;
  std::size_t lead = shape.size() - std::min(shape.size(), x->type.rank());
  for (std::size_t i = 0; i < x->type.rank(); ++i) dims.push_back(static_cast<std::int64_t>(lead + i));
  return one("broadcast", {x}, {{"shape", shape}, {"dims", dims}});
}

Node* Builder::clone(const Node& from, ValueMap& map) {
  auto mapped = [&](Value* value) {
    auto found = map.find(value);
    return found == map.end() ? value : found->second;
  };
  auto node = std::make_unique<Node>();
  node->op = from.op;
  node->attributes = from.attributes;
  node->locations = from.locations;
  node->parent = region_;
  for (Value* operand : from.operands) node->operands.push_back(mapped(operand));
  for (const auto& result : from.results) {
    auto value = std::make_unique<Value>(*result);
    value->node = node.get();
    value->region = region_;
    map[result.get()] = value.get();
    node->results.push_back(std::move(value));
  }
  for (const auto& inner : from.regions) {
    node->regions.push_back(std::make_unique<Region>());
    node->regions.back()->owner = node.get();
    clone_region(*inner, *node->regions.back(), map);
  }
  region_->nodes.push_back(std::move(node));
  return region_->nodes.back().get();
}

Term Builder::term(Value* value) { return Term(*this, value); }

// ---- Term ----

Term Term::like(double number) const { return builder_->term(builder_->constant(dtype(), number)); }

std::vector<Term> apply_all(std::string_view op, std::vector<Term> operands, Attributes attributes) {
  ensure(!operands.empty(), "apply needs an operand to know the builder");
  Builder& builder = operands[0].builder();
  std::vector<Value*> values;
  for (const Term& operand : operands) values.push_back(operand.value());
  std::vector<Term> results;
  for (Value* value : builder.make(op, std::move(values), std::move(attributes)))
    results.push_back(builder.term(value));
  return results;
}

Term apply(std::string_view op, std::vector<Term> operands, Attributes attributes) {
  return apply_all(op, std::move(operands), std::move(attributes))[0];
}

Term operator+(Term a, Term b) { return apply("add", {a, b}); }
Term operator-(Term a, Term b) { return apply("subtract", {a, b}); }
Term operator*(Term a, Term b) { return apply("multiply", {a, b}); }
Term operator/(Term a, Term b) { return apply("divide", {a, b}); }
Term operator-(Term a) { return apply("negate", {a}); }
Term operator+(Term a, double b) { return a + a.like(b); }
Term operator-(Term a, double b) { return a - a.like(b); }
Term operator-(double a, Term b) { return b.like(a) - b; }
Term operator*(Term a, double b) { return a * a.like(b); }
Term operator*(double a, Term b) { return b.like(a) * b; }
Term operator/(Term a, double b) { return a / a.like(b); }
Term operator/(double a, Term b) { return b.like(a) / b; }

Term add(Term a, Term b) {
  if (!a) return b;
  return b ? a + b : a;
}

Term select(Term condition, Term yes, Term no) { return apply("select", {condition, yes, no}); }
Term cast(Term x, DType to) { return x.dtype() == to ? x : apply("cast", {x}, {{"dtype", to}}); }
Term broadcast(Term x, const Shape& shape) { return x.builder().term(x.builder().broadcast_to(x.value(), shape)); }
Term broadcast_in(Term x, const Shape& shape, const IntList& dims) {
  return apply("broadcast", {x}, {{"shape", shape}, {"dims", dims}});
}
Term reduce_sum(Term x, const IntList& axes, bool keep) { return apply("sum", {x}, {{"axis", axes}, {"keep", keep}}); }
Term reduce_max(Term x, const IntList& axes, bool keep) { return apply("max", {x}, {{"axis", axes}, {"keep", keep}}); }
Term reshape(Term x, const Shape& shape) { return x.shape() == shape ? x : apply("reshape", {x}, {{"shape", shape}}); }
Term transpose(Term x, const IntList& permutation) { return apply("transpose", {x}, {{"permutation", permutation}}); }

// ---- copies and walks ----

void clone_region(const Region& from, Region& to, ValueMap& map) {
  for (const auto& parameter : from.parameters)
    map[parameter.get()] = to.add_parameter(parameter->type, parameter->name);
  Builder builder(to);
  for (const auto& node : from.nodes) builder.clone(*node, map);
  for (Value* result : from.results) {
    auto found = map.find(result);
    to.results.push_back(found == map.end() ? result : found->second);
  }
}

std::unique_ptr<Function> clone_function(const Function& function) {
  auto copy = std::make_unique<Function>();
  copy->name = function.name;
  copy->parameters = function.parameters;
  copy->results = function.results;
  ValueMap map;
  clone_region(function.body, copy->body, map);
  return copy;
}

std::unique_ptr<Module> clone_module(const Module& module) {
  auto copy = std::make_unique<Module>();
  copy->name = module.name;
  for (const auto& function : module.functions) copy->functions.push_back(clone_function(*function));
  return copy;
}

void walk(const Region& region, const std::function<void(const Node&)>& visit) {
  for (const auto& node : region.nodes) {
    visit(*node);
    for (const auto& inner : node->regions) walk(*inner, visit);
  }
}

void replace_uses(Region& region, const ValueMap& map) {
  auto replace = [&](Value*& value) {
    // Follows chains a → b → c, so that a map may be filled in any order.
    for (auto found = map.find(value); found != map.end() && found->second != value; found = map.find(value))
      value = found->second;
  };
  for (const auto& node : region.nodes) {
    for (Value*& operand : node->operands) replace(operand);
    for (const auto& inner : node->regions) replace_uses(*inner, map);
  }
  for (Value*& result : region.results) replace(result);
}

namespace {
void count_into(const Region& region, std::unordered_map<const Value*, int>& uses) {
  for (const auto& node : region.nodes) {
    for (const Value* operand : node->operands) ++uses[operand];
    for (const auto& inner : node->regions) count_into(*inner, uses);
  }
  for (const Value* result : region.results) ++uses[result];
}

void collect_captured(const Region& region, std::unordered_set<const Region*>& inside,
                      std::unordered_set<const Value*>& seen, std::vector<Value*>& captured) {
  inside.insert(&region);
  auto note = [&](Value* value) {
    if (!inside.contains(value->region) && seen.insert(value).second) captured.push_back(value);
  };
  for (const auto& node : region.nodes) {
    for (Value* operand : node->operands) note(operand);
    for (const auto& inner : node->regions) collect_captured(*inner, inside, seen, captured);
  }
  for (Value* result : region.results) note(result);
}
}  // namespace

std::unordered_map<const Value*, int> count_uses(const Region& region) {
  std::unordered_map<const Value*, int> uses;
  count_into(region, uses);
  return uses;
}

namespace {
std::vector<Value*> captured_values(const std::vector<std::unique_ptr<Region>>& regions) {
  std::unordered_set<const Region*> inside;
  std::unordered_set<const Value*> seen;
  std::vector<Value*> captured;
  for (const auto& region : regions) collect_captured(*region, inside, seen, captured);
  return captured;
}

void insert_constants(Region& region, const std::vector<Value*>& constants) {
  if (constants.empty()) return;
  Region front;
  Builder builder(front);
  ValueMap map;
  for (const Value* constant : constants) builder.clone(*constant->node, map);
  for (const auto& node : front.nodes) {
    node->parent = &region;
    for (const auto& value : node->results) value->region = &region;
  }
  std::move(region.nodes.begin(), region.nodes.end(), std::back_inserter(front.nodes));
  region.nodes = std::move(front.nodes);
  replace_uses(region, map);
}
}  // namespace

std::vector<Value*> captured_values(const Node& node) { return captured_values(node.regions); }

void close_regions(std::vector<std::unique_ptr<Region>>& regions, std::vector<Value*>& operands) {
  std::vector<Value*> constants, others;
  for (Value* value : captured_values(regions)) {
    const bool constant = value->node && value->node->op->irregular == Irregular::constant;
    (constant ? constants : others).push_back(value);
  }
  for (const auto& region : regions) {
    insert_constants(*region, constants);
    ValueMap map;
    for (Value* value : others) map[value] = region->add_parameter(value->type, value->name);
    if (!map.empty()) replace_uses(*region, map);
  }
  operands.insert(operands.end(), others.begin(), others.end());
}

}  // namespace gradc
