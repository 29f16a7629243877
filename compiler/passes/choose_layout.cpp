// Moves convolutions and pooling to channels last, with transposes at the rim of what they form together.
//
//   1. A convolution, a pooling or one of their derivatives in [N, C, spatial…] order becomes the same op in
//      [N, spatial…, C] order: its operands are transposed there, its result is transposed back. Weights stay
//      [O, C/groups, kernel…].
//   2. A transpose back ("moved": its operand is the value in channels-last order) sinks below elementwise ops,
//      reductions, concatenations, slices, pads and broadcasts, as long as that makes no more transposes.
//   3. Where it meets a transpose to channels last, both vanish; a broadcast (a bias) is made in the new order at once.
//
//   %a = convolution(%x, %w)           %t = transpose(%x) {permutation = [0, 2, 3, 1]}
//   %b = relu(%a)                  →   %a = convolution(%t, %w) {channels_last = true}
//   %c = convolution(%b, %v)           %b = relu(%a)
//                                      %d = convolution(%b, %v) {channels_last = true}
//                                      %c = transpose(%d) {permutation = [0, 3, 1, 2]}
//
// Parameters and results of a function keep their order. A second run finds nothing to do.
#include <algorithm>
#include <map>
#include <set>

#include "compiler/passes/match.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/simplify.h"
#include "ir/op.h"

namespace gradc {

namespace {

// Ops with a `channels_last` attribute: which operands are in that order, and whether the result is.
struct LayoutOp {
  std::vector<std::size_t> operands;
  bool result;
};

const LayoutOp* layout_op(const Node& node) {
  static const std::map<std::string_view, LayoutOp> table = {
      {"convolution", {{0}, true}},
      {"convolution_input_gradient", {{0}, true}},
      {"convolution_weight_gradient", {{0, 1}, false}},
      {"max_pool", {{0}, true}},
      {"max_pool_gradient", {{0, 1}, true}},
      {"max_pool_index", {{0, 1}, true}},
      {"max_pool_take", {{0, 1}, true}},
      {"sum_pool", {{0}, true}},
      {"sum_pool_gradient", {{0}, true}},
  };
  const auto found = table.find(node.op->name);
  return found == table.end() ? nullptr : &found->second;
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// [N, C, spatial…] → [N, spatial…, C]
IntList to_last(std::size_t rank) {
  IntList permutation{0};
  for (std::size_t d = 2; d < rank; ++d) permutation.push_back(static_cast<std::int64_t>(d));
  permutation.push_back(1);
  return permutation;
}

// [N, spatial…, C] → [N, C, spatial…]
IntList to_first(std::size_t rank) {
  IntList permutation{0, static_cast<std::int64_t>(rank) - 1};
  for (std::size_t d = 1; d + 1 < rank; ++d) permutation.push_back(static_cast<std::int64_t>(d));
  return permutation;
}

Shape permuted(const Shape& shape, const IntList& permutation) {
  Shape result;
  for (const std::int64_t dim : permutation) result.push_back(shape[at(dim)]);
  return result;
}

class Chooser {
 public:
  explicit Chooser(const Function& function) {
    walk(function.body, [&](const Node& node) {
      if (layout_op(node)) ranks_.insert(node.operands[0]->type.rank());
    });
  }

  bool anything_to_do() const { return !ranks_.empty(); }

  std::optional<std::vector<Value*>> apply(Builder& builder, Node& node) {
    if (node.results.size() != 1) return std::nullopt;
    Value* value = layout_op(node) ? move(builder, node) : sink(builder, node);
    return value ? std::optional(std::vector<Value*>{value}) : std::nullopt;
  }

 private:
  // ---- step 1 ----

  Value* move(Builder& builder, const Node& node) {
    if (node.attributes.boolean("channels_last")) return nullptr;
    const LayoutOp& layout = *layout_op(node);
    std::vector<Value*> operands = node.operands;
    for (const std::size_t i : layout.operands) operands[i] = last(builder, operands[i]);
    Attributes attributes = node.attributes;
    attributes.set("channels_last", true);
    if (layout.result && attributes.has("shape")) {
      const Shape shape = attributes.shape("shape");
      attributes.set("shape", permuted(shape, to_last(shape.size())));
    }
    Value* value = builder.make(*node.op, operands, attributes)[0];
    return layout.result ? back(builder, node, value) : value;
  }

  // ---- step 2 ----

  bool is_moved(const Value* value) const {
    const Node* node = made_by(value, "transpose");
    const std::size_t rank = value->type.rank();
    return node && ranks_.contains(rank) && node->attributes.ints("permutation") == to_first(rank);
  }

  // A value that is as cheap in one order as in the other.
  static bool is_free(const Value* value) { return made_by(value, "broadcast") || made_by(value, "constant"); }

  // Whether channels-last operands leave no more transposes than there are. In rank 3 a transpose is its own inverse,
  // and an even exchange could go on forever.
  bool pays(const Node& node) const {
    std::ptrdiff_t gain = 0;
    bool any = false;
    for (const Value* operand : node.operands) {
      if (is_moved(operand)) {
        any = true;
        ++gain;
      } else if (!is_free(operand)) {
        --gain;
      }
    }
    return any && (gain > 0 || (gain == 0 && node.operands[0]->type.rank() > 3));
  }

  Value* sink(Builder& builder, const Node& node) {
    if (node.operands.empty() || !pays(node)) return nullptr;
    if (node.op->kind == Kind::elementwise) return sink_with(builder, node, node.attributes);
    using Sink = Value* (Chooser::*)(Builder&, const Node&);
    static const std::map<std::string_view, Sink> sinks = {
        {"all", &Chooser::sink_reduction},       {"any", &Chooser::sink_reduction},
        {"broadcast", &Chooser::sink_broadcast}, {"concatenate", &Chooser::sink_concatenate},
        {"max", &Chooser::sink_reduction},       {"min", &Chooser::sink_reduction},
        {"pad", &Chooser::sink_lists},           {"product", &Chooser::sink_reduction},
        {"slice", &Chooser::sink_lists},         {"sum", &Chooser::sink_reduction},
    };
    const auto found = sinks.find(node.op->name);
    return found == sinks.end() ? nullptr : (this->*found->second)(builder, node);
  }

  // The node over channels-last operands, transposed back.
  Value* sink_with(Builder& builder, const Node& node, const Attributes& attributes) {
    std::vector<Value*> operands;
    for (Value* operand : node.operands) operands.push_back(last(builder, operand));
    return back(builder, node, builder.make(*node.op, operands, attributes)[0]);
  }

  Value* sink_concatenate(Builder& builder, const Node& node) {
    const std::size_t rank = node.result()->type.rank();
    Attributes attributes = node.attributes;
    const std::int64_t axis = normal_axis(call_of(node), attributes.integer("axis"), rank);
    attributes.set("axis", to_first(rank)[at(axis)]);
    return sink_with(builder, node, attributes);
  }

  // A broadcast that stretches dimensions of size 1 in place.
  Value* sink_broadcast(Builder& builder, const Node& node) {
    const std::size_t rank = node.result()->type.rank();
    if (node.operands[0]->type.rank() != rank) return nullptr;
    const Shape shape = permuted(node.result()->type.shape, to_last(rank));
    return back(builder, node,
                builder.one("broadcast", {last(builder, node.operands[0])},
                            {{"shape", shape}, {"dims", node.attributes.ints("dims")}}));
  }

  // Slices and pads: lists with an entry for each dimension, or none.
  Value* sink_lists(Builder& builder, const Node& node) {
    const IntList order = to_last(node.result()->type.rank());
    Attributes attributes = node.attributes;
    for (const auto& [name, attribute] : node.attributes) {
      const auto* list = std::get_if<IntList>(&attribute);
      if (!list || list->empty()) continue;
      IntList moved;
      for (const std::int64_t dim : order) moved.push_back((*list)[at(dim)]);
      attributes.set(name, moved);
    }
    return sink_with(builder, node, attributes);
  }

  // Over the same dimensions in their new places. Dimensions that are left may still be out of order.
  Value* sink_reduction(Builder& builder, const Node& node) {
    const std::size_t rank = node.operands[0]->type.rank();
    const IntList places = to_first(rank);  // place[d]: where dimension d stands in channels-last order
    IntList axes, left;
    const IntList reduced = normal_axes(call_of(node), node.attributes.ints("axis"), rank);
    for (std::size_t d = 0; d < rank; ++d) {
      const bool is_reduced = std::find(reduced.begin(), reduced.end(), static_cast<std::int64_t>(d)) != reduced.end();
      (is_reduced ? axes : left).push_back(places[d]);
    }
    std::sort(axes.begin(), axes.end());
    Attributes attributes = node.attributes;
    attributes.set("axis", axes);
    Value* value = builder.make(*node.op, {last(builder, node.operands[0])}, attributes)[0];
    return node.attributes.boolean("keep") ? back(builder, node, value) : transposed(builder, value, ranks_of(left));
  }

  // Each entry's place among all of them.
  static IntList ranks_of(const IntList& list) {
    IntList result;
    for (const std::int64_t i : list) {
      result.push_back(std::count_if(list.begin(), list.end(), [&](std::int64_t j) { return j < i; }));
    }
    return result;
  }

  // ---- step 3 ----

  Value* last(Builder& builder, Value* value) {
    Value*& found = last_[{&builder.region(), value}];
    if (!found) found = transposed(builder, value, to_last(value->type.rank()));
    return found;
  }

  // What stands for the node, given its value in channels-last order; the name goes with the work.
  static Value* back(Builder& builder, const Node& node, Value* value) {
    value->name = node.result()->name;
    return builder.one("transpose", {value}, {{"permutation", to_first(value->type.rank())}});
  }

  std::set<std::size_t> ranks_;                                    // of the values of layout ops
  std::map<std::pair<const Region*, const Value*>, Value*> last_;  // values in channels-last order, made so far
};

}  // namespace

bool choose_layout(Function& function, const Options& options) {
  if (is_to_be_differentiated(function, options)) return false;
  Chooser chooser(function);
  if (!chooser.anything_to_do()) return false;
  const bool changed =
      rewrite(function.body, [&](Builder& builder, Node& node) { return chooser.apply(builder, node); });
  if (changed) eliminate_dead_code(function, options);
  return changed;
}

}  // namespace gradc
