// The calculus of regions: the sweeps, on terms of a builder's region.
#include "compiler/autodiff/regions.h"

#include "compiler/autodiff/activity.h"
#include "compiler/autodiff/autodiff.h"

namespace gradc {

namespace {

std::vector<Value*> values(std::span<const Term> terms) {
  std::vector<Value*> result;
  for (const Term& term : terms) result.push_back(term.value());
  return result;
}

std::vector<Term> terms(Builder& builder, const std::vector<Value*>& values) {
  std::vector<Term> result;
  for (Value* value : values) result.push_back(value ? builder.term(value) : Term{});
  return result;
}

// Appends a copy of the node; a composite without rules of its own becomes its body, all the way down.
void write_node(Builder& builder, const Node& node, ValueMap& map) {
  if (node.op->kind != Kind::composite || node.op->vjp || node.op->jvp) {
    builder.clone(node, map);
    return;
  }
  Region body;
  Builder inner(body);
  inner.locations = node.locations;
  std::vector<Term> operands;
  ValueMap from_body;
  for (Value* operand : node.operands) {
    operands.push_back(inner.term(body.add_parameter(operand->type, operand->name)));
    from_body[operands.back().value()] = map.at(operand);
  }
  const std::vector<Term> results = node.op->compose(inner, call_of(node), operands);
  for (const auto& made : body.nodes) write_node(builder, *made, from_body);
  for (std::size_t i = 0; i < results.size(); ++i) {
    Value* result = from_body.at(results[i].value());
    if (result->name.empty()) result->name = node.results[i]->name;
    map[node.result(i)] = result;
  }
}

class Calculus : public RegionCalculus {
 public:
  std::vector<Term> write(Builder& builder, const Region& region, std::span<const Term> arguments) const override {
    ensure(arguments.size() == region.parameters.size(), "a region is written on one argument a parameter");
    ValueMap map;
    for (std::size_t i = 0; i < arguments.size(); ++i) map[region.parameters[i].get()] = arguments[i].value();
    for (const auto& node : region.nodes) write_node(builder, *node, map);
    std::vector<Term> results;
    for (const Value* result : region.results) results.push_back(builder.term(map.at(result)));
    return results;
  }

  std::vector<Term> pull_back(Builder& builder, std::span<const Term> outputs, std::span<const Term> cotangents,
                              std::span<const Term> wrt) const override {
    return terms(builder, gradc::pull_back(builder.region(), values(outputs), values(cotangents), values(wrt)));
  }

  std::vector<Term> push_forward(Builder& builder, std::span<const Term> outputs, std::span<const Term> wrt,
                                 std::span<const Term> tangents) const override {
    return terms(builder, gradc::push_forward(builder.region(), values(outputs), values(wrt), values(tangents)));
  }

  std::vector<bool> reached(const Region& region, const std::vector<bool>& from) const override {
    std::vector<Value*> wrt;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (from[i]) wrt.push_back(region.parameters[i].get());
    }
    const Activity activity(region, region.results, wrt);
    std::vector<bool> result;
    for (const Value* value : region.results) result.push_back(activity.active(value));
    return result;
  }
};

}  // namespace

const RegionCalculus& region_calculus() {
  static const Calculus calculus;
  return calculus;
}

}  // namespace gradc
