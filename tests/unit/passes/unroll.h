// Loops written out as straight graphs: what the derivatives of loops are compared with.
#pragma once

#include "ir/graph.h"

namespace gradc::test {

// Appends the region's nodes on `arguments`; scans become their rounds one after another, whiles with max_trips as many
// conds, and conds a select of both branches. Returns the region's results.
std::vector<Value*> unrolled(Builder& builder, const Region& region, const std::vector<Value*>& arguments);

inline Value* slice_at(Builder& builder, Value* x, std::int64_t t) {
  const Shape shape(x->type.shape.begin() + 1, x->type.shape.end());
  IntList start(x->type.rank(), 0), limit, stride(x->type.rank(), 1);
  for (const Dim& dim : x->type.shape) limit.push_back(dim.factor);
  start[0] = t;
  limit[0] = t + 1;
  Value* slice = builder.one("slice", {x}, {{"start", start}, {"limit", limit}, {"stride", stride}});
  return builder.one("reshape", {slice}, {{"shape", shape}});
}

inline Value* stacked(Builder& builder, const Type& type, const std::vector<Value*>& values) {
  if (values.empty()) return builder.full(type, 0);
  std::vector<Value*> rows;
  for (Value* value : values) {
    Shape shape = value->type.shape;
    shape.insert(shape.begin(), Dim(1));
    rows.push_back(builder.one("reshape", {value}, {{"shape", shape}}));
  }
  return builder.one("concatenate", rows, {{"axis", std::int64_t{0}}});
}

inline std::vector<Value*> unrolled_scan(Builder& builder, const Node& node, const std::vector<Value*>& operands) {
  const auto carried = static_cast<std::size_t>(node.attributes.integer("carried"));
  const auto inputs = carried + static_cast<std::size_t>(node.attributes.integer("sliced"));
  const Shape& length = node.attributes.shape("length");
  const std::int64_t rounds = length.empty() ? operands[carried]->type.shape[0].factor : length[0].factor;
  std::vector<Value*> now = operands;
  std::vector<std::vector<Value*>> emitted(node.results.size());
  for (std::int64_t k = 0; k < rounds; ++k) {
    const std::int64_t t = node.attributes.boolean("reverse") ? rounds - 1 - k : k;
    for (std::size_t i = carried; i < inputs; ++i) now[i] = slice_at(builder, operands[i], t);
    const std::vector<Value*> found = unrolled(builder, *node.regions[0], now);
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i < carried)
        now[i] = found[i];
      else
        emitted[i].push_back(found[i]);
    }
  }
  std::vector<Value*> results(now.begin(), now.begin() + static_cast<std::ptrdiff_t>(carried));
  for (std::size_t i = carried; i < node.results.size(); ++i) {
    if (node.attributes.boolean("reverse")) std::reverse(emitted[i].begin(), emitted[i].end());
    results.push_back(stacked(builder, node.result(i)->type, emitted[i]));
  }
  return results;
}

inline std::vector<Value*> chosen(Builder& builder, Value* predicate, const std::vector<Value*>& yes,
                                  const std::vector<Value*>& no) {
  std::vector<Value*> results;
  for (std::size_t i = 0; i < yes.size(); ++i) results.push_back(builder.one("select", {predicate, yes[i], no[i]}));
  return results;
}

inline std::vector<Value*> unrolled_while(Builder& builder, const Node& node, std::vector<Value*> now) {
  const auto carried = static_cast<std::size_t>(node.attributes.integer("carried"));
  for (std::int64_t k = 0; k < node.attributes.integer("max_trips"); ++k) {
    Value* more = unrolled(builder, *node.regions[0], now)[0];
    const std::vector<Value*> next = chosen(builder, more, unrolled(builder, *node.regions[1], now), now);
    for (std::size_t i = 0; i < carried; ++i) now[i] = next[i];
  }
  now.resize(carried);
  return now;
}

inline std::vector<Value*> unrolled_node(Builder& builder, const Node& node, const std::vector<Value*>& operands) {
  if (node.op->name == "scan") return unrolled_scan(builder, node, operands);
  if (node.op->name == "while") return unrolled_while(builder, node, operands);
  if (node.op->name == "cond") {
    const std::vector<Value*> inner(operands.begin() + 1, operands.end());
    return chosen(builder, operands[0], unrolled(builder, *node.regions[0], inner),
                  unrolled(builder, *node.regions[1], inner));
  }
  return builder.make(*node.op, operands, node.attributes);
}

inline std::vector<Value*> unrolled(Builder& builder, const Region& region, const std::vector<Value*>& arguments) {
  ValueMap map;
  for (std::size_t i = 0; i < arguments.size(); ++i) map[region.parameters[i].get()] = arguments[i];
  for (const auto& node : region.nodes) {
    std::vector<Value*> operands;
    for (Value* operand : node->operands) operands.push_back(map.at(operand));
    const std::vector<Value*> results = unrolled_node(builder, *node, operands);
    for (std::size_t i = 0; i < results.size(); ++i) map[node->result(i)] = results[i];
  }
  std::vector<Value*> results;
  for (Value* result : region.results) results.push_back(map.at(result));
  return results;
}

// A function of the same signature without loops.
inline std::unique_ptr<Function> unrolled(const Function& function) {
  auto made = std::make_unique<Function>();
  made->name = function.name;
  std::vector<Value*> arguments;
  for (std::size_t i = 0; i < function.parameters.size(); ++i)
    arguments.push_back(made->add_parameter(function.parameters[i], function.body.parameters[i]->type));
  Builder builder(made->body);
  const std::vector<Value*> results = unrolled(builder, function.body, arguments);
  for (std::size_t i = 0; i < results.size(); ++i) made->add_result(function.results[i], results[i]);
  return made;
}

}  // namespace gradc::test
