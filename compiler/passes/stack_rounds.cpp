// One table of rules: an op over all rounds in terms of ops.
#include "compiler/passes/stack_rounds.h"

#include <algorithm>
#include <map>

#include "ir/op.h"

namespace gradc {

namespace {

// What a rule sees: the node, and its operands outside, those that differ from round to round with rounds first.
struct Stacking {
  Builder& builder;
  const Node& node;
  const std::vector<Rounds>& operands;
  const Dim& rounds;

  const Attributes& attributes() const { return node.attributes; }
  Shape with_rounds(const Shape& shape) const {
    Shape result{rounds};
    result.insert(result.end(), shape.begin(), shape.end());
    return result;
  }
  // The operand with rounds first, in any case.
  Value* stacked(std::size_t i) const {
    const Rounds& operand = operands[i];
    return operand.stacked ? operand.value
                           : builder.broadcast_to(operand.value, with_rounds(operand.value->type.shape));
  }
  std::vector<Value*> all_stacked() const {
    std::vector<Value*> result;
    for (std::size_t i = 0; i < operands.size(); ++i) result.push_back(stacked(i));
    return result;
  }
  Value* make(std::vector<Value*> values, const Attributes& changed) const {
    Attributes all = node.attributes;
    for (const auto& [name, value] : changed) all.set(name, value);
    return builder.make(*node.op, std::move(values), std::move(all))[0];
  }
};

IntList shifted(IntList dims) {
  for (std::int64_t& dim : dims) ++dim;
  return dims;
}

IntList led_by(std::int64_t first, IntList list) {
  list.insert(list.begin(), first);
  return list;
}

// x with dimension `from` first.
Value* with_first(Builder& builder, Value* x, std::size_t from) {
  if (from == 0) return x;
  IntList permutation{static_cast<std::int64_t>(from)};
  for (std::size_t d = 0; d < x->type.rank(); ++d)
    if (d != from) permutation.push_back(static_cast<std::int64_t>(d));
  return builder.one("transpose", {x}, {{"permutation", permutation}});
}

Value* stack_elementwise(const Stacking& s) { return s.make(s.all_stacked(), {}); }

Value* stack_broadcast(const Stacking& s) {
  return s.make({s.stacked(0)}, {{"shape", s.with_rounds(s.attributes().shape("shape"))},
                                 {"dims", led_by(0, shifted(s.attributes().ints("dims")))}});
}

Value* stack_reshape(const Stacking& s) {
  return s.make({s.stacked(0)}, {{"shape", s.with_rounds(s.node.result()->type.shape)}});
}

Value* stack_transpose(const Stacking& s) {
  return s.make({s.stacked(0)}, {{"permutation", led_by(0, shifted(s.attributes().ints("permutation")))}});
}

// Lists of dimensions, empty for all: reductions and reversal.
Value* stack_over_axes(const Stacking& s) {
  const IntList axes = normal_axes(call_of(s.node), s.attributes().ints("axis"), s.node.operands[0]->type.rank());
  return axes.empty() ? s.stacked(0) : s.make({s.stacked(0)}, {{"axis", shifted(axes)}});
}

// One entry a dimension, or none.
Value* stack_slice(const Stacking& s) {
  Attributes changed;
  const std::pair<const char*, std::int64_t> firsts[] = {{"start", 0}, {"limit", s.rounds.factor}, {"stride", 1}};
  for (const auto& [name, first] : firsts)
    if (!s.attributes().ints(name).empty()) changed.set(name, led_by(first, s.attributes().ints(name)));
  return s.make({s.stacked(0)}, changed);
}

Value* stack_pad(const Stacking& s) {
  Attributes changed;
  for (const char* name : {"low", "high", "interior"})
    if (!s.attributes().ints(name).empty()) changed.set(name, led_by(0, s.attributes().ints(name)));
  return s.make({s.stacked(0)}, changed);
}

Value* stack_concatenate(const Stacking& s) {
  const std::int64_t axis = normal_axis(call_of(s.node), s.attributes().integer("axis"), s.node.result()->type.rank());
  return s.make(s.all_stacked(), {{"axis", axis + 1}});
}

Value* stack_one_hot(const Stacking& s) { return s.make({s.stacked(0)}, {}); }

// Rounds are a free dimension of the one side that has them, a batch dimension where both do.
Value* stack_dot(const Stacking& s) {
  const bool a = s.operands[0].stacked, b = s.operands[1].stacked;
  const Attributes& given = s.attributes();
  const auto side = [&](const char* name, bool moved) { return moved ? shifted(given.ints(name)) : given.ints(name); };
  IntList batch_a = side("batch_a", a), batch_b = side("batch_b", b);
  const std::size_t batch = batch_a.size();
  if (a && b) {
    batch_a = led_by(0, batch_a);
    batch_b = led_by(0, batch_b);
  }
  Value* product = s.make({s.operands[0].value, s.operands[1].value}, {{"contract_a", side("contract_a", a)},
                                                                       {"contract_b", side("contract_b", b)},
                                                                       {"batch_a", batch_a},
                                                                       {"batch_b", batch_b}});
  if (a && b) return product;
  const std::size_t free_a = s.node.operands[0]->type.rank() - batch - given.ints("contract_a").size();
  return with_first(s.builder, product, a ? batch : batch + free_a);
}

bool can_stack_gather(const std::vector<bool>& stacked) { return !(stacked[0] && stacked[1]); }

// The index's dimensions stand where the axis was; rounds are the first of them.
Value* stack_gather(const Stacking& s) {
  const std::int64_t axis =
      normal_axis(call_of(s.node), s.attributes().integer("axis"), s.node.operands[0]->type.rank());
  if (s.operands[0].stacked) return s.make({s.operands[0].value, s.operands[1].value}, {{"axis", axis + 1}});
  Value* picked = s.make({s.operands[0].value, s.operands[1].value}, {{"axis", axis}});
  return with_first(s.builder, picked, static_cast<std::size_t>(axis));
}

bool can_stack_images(const std::vector<bool>& stacked) { return stacked[0] && (stacked.size() == 1 || !stacked[1]); }

// Ops over a batch of images, the first dimension: rounds and batch are one dimension.
Value* stack_images(const Stacking& s) {
  std::vector<Value*> operands;
  for (const Rounds& operand : s.operands) operands.push_back(operand.value);
  Shape joined(operands[0]->type.shape.begin() + 1, operands[0]->type.shape.end());
  joined[0] = Dim(joined[0].factor * s.rounds.factor);
  operands[0] = s.builder.one("reshape", {operands[0]}, {{"shape", joined}});
  Attributes changed;
  if (s.attributes().has("shape")) {
    Shape shape = s.attributes().shape("shape");
    shape[0] = joined[0];
    changed.set("shape", shape);
  }
  Value* result = s.make(operands, changed);
  return s.builder.one("reshape", {result}, {{"shape", s.with_rounds(s.node.result()->type.shape)}});
}

struct Rule {
  Value* (*apply)(const Stacking&);
  bool (*fits)(const std::vector<bool>& stacked) = nullptr;  // null: always
};

const Rule* rule_of(const Node& node) {
  static const Rule elementwise{stack_elementwise};
  static const std::map<std::string_view, Rule> table = {
      {"all", {stack_over_axes}},
      {"any", {stack_over_axes}},
      {"broadcast", {stack_broadcast}},
      {"concatenate", {stack_concatenate}},
      {"convolution", {stack_images, can_stack_images}},
      {"convolution_input_gradient", {stack_images, can_stack_images}},
      {"dot", {stack_dot}},
      {"gather", {stack_gather, can_stack_gather}},
      {"max", {stack_over_axes}},
      {"max_pool", {stack_images, can_stack_images}},
      {"min", {stack_over_axes}},
      {"one_hot", {stack_one_hot}},
      {"pad", {stack_pad}},
      {"product", {stack_over_axes}},
      {"reshape", {stack_reshape}},
      {"reverse", {stack_over_axes}},
      {"slice", {stack_slice}},
      {"sum", {stack_over_axes}},
      {"sum_pool", {stack_images, can_stack_images}},
      {"transpose", {stack_transpose}},
  };
  if (node.op->kind == Kind::elementwise) return &elementwise;
  const auto found = table.find(node.op->name);
  return found == table.end() ? nullptr : &found->second;
}

}  // namespace

bool can_stack(const Node& node, const std::vector<bool>& stacked) {
  const Rule* rule = rule_of(node);
  return rule && (!rule->fits || rule->fits(stacked));
}

Value* stack_rounds(Builder& builder, const Node& node, const std::vector<Rounds>& operands, const Dim& rounds) {
  return rule_of(node)->apply({builder, node, operands, rounds});
}

namespace {

enum class Follows : std::uint8_t { no, same, stacked };

class Following {
 public:
  using Given = std::function<bool(const Value*)>;
  using Allowed = std::function<bool(const Node&)>;

  Following(const std::unordered_map<const Value*, Rounds>& known, const Given& given, const Allowed& allowed)
      : known_(known), given_(given), allowed_(allowed) {}

  Follows of(const Value* value) {
    const auto known = known_.find(value);
    if (known != known_.end()) return known->second.stacked ? Follows::stacked : Follows::same;
    if (given_(value)) return Follows::stacked;
    if (!value->node) return Follows::no;
    const auto seen = seen_.find(value);
    if (seen != seen_.end()) return seen->second;
    return seen_[value] = of(*value->node);
  }

 private:
  Follows of(const Node& node) {
    std::vector<bool> stacked;
    for (const Value* operand : node.operands) {
      const Follows found = of(operand);
      if (found == Follows::no) return Follows::no;
      stacked.push_back(found == Follows::stacked);
    }
    if (std::find(stacked.begin(), stacked.end(), true) == stacked.end()) return Follows::same;
    return can_stack(node, stacked) && allowed_(node) ? Follows::stacked : Follows::no;
  }

  const std::unordered_map<const Value*, Rounds>& known_;
  const Given& given_;
  const Allowed& allowed_;
  std::unordered_map<const Value*, Follows> seen_;
};

}  // namespace

bool Outside::follows(const Value* inside, const std::function<bool(const Value*)>& given,
                      const std::function<bool(const Node&)>& allowed) const {
  return Following(known_, given, allowed).of(inside) != Follows::no;
}

Rounds Outside::get(Builder& builder, Value* inside) {
  const auto known = known_.find(inside);
  if (known != known_.end()) return known->second;
  if (!inside->node) internal_error("a value outside of a loop follows from known ones");
  const Node& node = *inside->node;
  std::vector<Rounds> operands;
  bool any = false;
  for (Value* operand : node.operands) {
    operands.push_back(get(builder, operand));
    any |= operands.back().stacked;
  }
  const Locations before = std::exchange(builder.locations, node.locations);
  if (any) {
    know(inside, {stack_rounds(builder, node, operands, rounds_), true});
  } else {
    ValueMap map;
    for (std::size_t i = 0; i < operands.size(); ++i) map[node.operands[i]] = operands[i].value;
    builder.clone(node, map);
    for (const auto& result : node.results) know(result.get(), {map.at(result.get()), false});
  }
  builder.locations = before;
  return known_.at(inside);
}

Value* Outside::stacked(Builder& builder, Value* inside) {
  const Rounds found = get(builder, inside);
  if (found.stacked) return found.value;
  Shape shape{rounds_};
  shape.insert(shape.end(), inside->type.shape.begin(), inside->type.shape.end());
  return builder.broadcast_to(found.value, shape);
}

}  // namespace gradc
