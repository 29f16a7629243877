// Counting and moving operands, parameters, yields and results together.
#include "ir/ops/wiring.h"

#include "ir/op.h"

namespace gradc {

namespace {

template <class T>
void keep_marked(std::vector<T>& list, const std::vector<bool>& marks, std::size_t first) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i)
    if (marks[first + i]) std::swap(list[kept++], list[i]);
  list.resize(kept);
}

void number(std::vector<std::unique_ptr<Value>>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i]->index = static_cast<int>(i);
}

std::int64_t count(const std::vector<bool>& marks, std::size_t first, std::size_t end) {
  std::int64_t marked = 0;
  for (std::size_t i = first; i < end; ++i) marked += marks[i] ? 1 : 0;
  return marked;
}

std::size_t integer(const Node& node, std::string_view name) {
  return static_cast<std::size_t>(node.attributes.integer(name));
}

}  // namespace

std::optional<Wiring> wiring_of(const Node& node) {
  const std::string& op = node.op->name;
  if (op == "scan") return Wiring{0, integer(node, "carried"), integer(node, "sliced")};
  if (op == "while") return Wiring{0, integer(node, "carried"), 0};
  if (op == "cond") return Wiring{1, 0, 0};
  return std::nullopt;
}

bool yields_results(const Op& op, std::size_t region) { return op.name != "while" || region == 1; }

Dim rounds_of(const Node& scan) { return *most_rounds(scan); }

void keep_marked(Node& node, const std::vector<bool>& operands, const std::vector<bool>& results) {
  const Wiring wiring = *wiring_of(node);
  if (node.attributes.has("length")) node.attributes.set("length", Shape{rounds_of(node)});
  if (node.attributes.has("carried")) node.attributes.set("carried", count(operands, 0, wiring.carried));
  if (node.attributes.has("sliced"))
    node.attributes.set("sliced", count(operands, wiring.first_sliced(), wiring.first_invariant()));
  for (std::size_t r = 0; r < node.regions.size(); ++r) {
    Region& region = *node.regions[r];
    if (yields_results(*node.op, r)) keep_marked(region.results, results, 0);
    keep_marked(region.parameters, operands, wiring.leading);
    number(region.parameters);
  }
  keep_marked(node.operands, operands, 0);
  keep_marked(node.results, results, 0);
  number(node.results);
}

Value* add_result(Node& node, const std::vector<Value*>& yields) {
  std::size_t next = 0;
  for (std::size_t r = 0; r < node.regions.size(); ++r)
    if (yields_results(*node.op, r)) node.regions[r]->results.push_back(yields[next++]);
  auto result = std::make_unique<Value>();
  result->type = yields[0]->type;
  if (node.attributes.has("length")) result->type.shape.insert(result->type.shape.begin(), rounds_of(node));
  result->name = yields[0]->name;
  result->node = &node;
  result->region = node.parent;
  result->index = static_cast<int>(node.results.size());
  node.results.push_back(std::move(result));
  return node.results.back().get();
}

LoopParts take_apart(Node& node) {
  const Wiring wiring = *wiring_of(node);
  LoopParts parts{node.op, node.attributes, {}, {}, {}, {}, {}};
  if (node.attributes.has("length")) parts.attributes.set("length", Shape{rounds_of(node)});
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    if (i < wiring.leading) {
      parts.leading.push_back(node.operands[i]);
      continue;
    }
    LoopParts::Input input{node.operands[i], {}};
    for (const auto& region : node.regions)
      input.parameters.push_back(std::move(region->parameters[i - wiring.leading]));
    auto& list = i < wiring.first_sliced()      ? parts.carried
                 : i < wiring.first_invariant() ? parts.sliced
                                                : parts.invariant;
    list.push_back(std::move(input));
  }
  parts.regions = std::move(node.regions);
  for (const auto& region : parts.regions) region->parameters.clear();
  node.regions.clear();
  return parts;
}

std::vector<Value*> put_together(Builder& builder, LoopParts parts) {
  std::vector<Value*> operands = std::move(parts.leading);
  if (parts.attributes.has("carried")) parts.attributes.set("carried", static_cast<std::int64_t>(parts.carried.size()));
  if (parts.attributes.has("sliced")) parts.attributes.set("sliced", static_cast<std::int64_t>(parts.sliced.size()));
  for (auto* list : {&parts.carried, &parts.sliced, &parts.invariant}) {
    for (LoopParts::Input& input : *list) {
      operands.push_back(input.operand);
      for (std::size_t r = 0; r < parts.regions.size(); ++r)
        parts.regions[r]->parameters.push_back(std::move(input.parameters[r]));
    }
  }
  for (const auto& region : parts.regions) number(region->parameters);
  return builder.make(*parts.op, std::move(operands), std::move(parts.attributes), std::move(parts.regions));
}

LoopParts::Input new_input(const LoopParts& parts, Value* operand, const Type& type) {
  LoopParts::Input input{operand, {}};
  for (const auto& region : parts.regions) {
    auto value = std::make_unique<Value>();
    value->type = type;
    value->name = operand->name;
    value->region = region.get();
    input.parameters.push_back(std::move(value));
  }
  return input;
}

}  // namespace gradc
