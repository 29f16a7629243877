// Rules over scan, while and cond: what is no loop, and what need not be carried, sliced, handed in or emitted.
#include <algorithm>
#include <iterator>

#include "compiler/passes/match.h"
#include "compiler/passes/simplify.h"
#include "ir/op.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

using Results = std::optional<std::vector<Value*>>;

constexpr std::int64_t kSunkElements = 64;

// Literals that a region may hold as well: small ones, and broadcasts of them.
bool is_literal(const Value* value) {
  const Node* spread = made_by(value, "broadcast");
  const Node* node = made_by(spread ? spread->operands[0] : value, "constant");
  return node && node->result()->type.elements() <= kSunkElements;
}

// A copy of a literal through the builder.
Value* copied(Builder& builder, const Value* literal) {
  ValueMap map;
  if (const Node* spread = made_by(literal, "broadcast")) builder.clone(*spread->operands[0]->node, map);
  builder.clone(*literal->node, map);
  return map.at(literal);
}

// The region's nodes on `arguments`.
std::vector<Value*> written(Builder& builder, const Region& region, const std::vector<Value*>& arguments) {
  ValueMap map;
  for (std::size_t i = 0; i < arguments.size(); ++i) map[region.parameters[i].get()] = arguments[i];
  for (const auto& node : region.nodes) builder.clone(*node, map);
  std::vector<Value*> results;
  for (const Value* value : region.results) results.push_back(map.at(value));
  return results;
}

// cond(true, x…) { f } { g } = f(x…)
Results chosen_branch(Builder& builder, const Node& node) {
  if (node.op->name != "cond") return std::nullopt;
  const std::optional<double> predicate = uniform(node.operands[0]);
  if (!predicate) return std::nullopt;
  const std::vector<Value*> arguments(node.operands.begin() + 1, node.operands.end());
  return written(builder, *node.regions[*predicate != 0 ? 0 : 1], arguments);
}

// A scan of one round is its region, one of no rounds what it began with.
Results few_rounds(Builder& builder, const Node& node, const Wiring& wiring) {
  if (node.op->name != "scan" || !rounds_of(node).is_static() || rounds_of(node).factor > 1) return std::nullopt;
  std::vector<Value*> results;
  if (rounds_of(node) == Dim(0)) {
    for (std::size_t i = 0; i < node.results.size(); ++i)
      results.push_back(i < wiring.carried ? node.operands[i] : builder.full(node.result(i)->type, 0));
    return results;
  }
  std::vector<Value*> arguments = node.operands;
  for (std::size_t i = wiring.first_sliced(); i < wiring.first_invariant(); ++i) {
    const Shape& shape = arguments[i]->type.shape;
    arguments[i] = builder.one("reshape", {arguments[i]}, {{"shape", Shape(shape.begin() + 1, shape.end())}});
  }
  results = written(builder, *node.regions[0], arguments);
  for (std::size_t i = wiring.carried; i < results.size(); ++i)
    results[i] = builder.one("reshape", {results[i]}, {{"shape", node.result(i)->type.shape}});
  return results;
}

// Rewires a node that stays.
class Rewiring {
 public:
  Rewiring(Builder& builder, Node& node, const Wiring& wiring) : builder_(builder), node_(node), wiring_(wiring) {}

  Results run() {
    find_known_results();
    find_sunk();
    const auto is_set = [](const Value* value) { return value != nullptr; };
    const bool any = std::any_of(known_.begin(), known_.end(), is_set) ||
                     std::any_of(kept_.begin(), kept_.end(), [](bool b) { return b; }) ||
                     std::any_of(sunk_.begin(), sunk_.end(), is_set) ||
                     std::any_of(spread_.begin(), spread_.end(), is_set);
    if (!any) return std::nullopt;
    parts_ = take_apart(node_);
    drop_yields();
    rewire_inputs();
    const std::vector<Value*> made = put_together(builder_, std::move(parts_));
    std::size_t next = 0;
    for (Value*& value : known_)
      if (!value) value = made[next++];
    return known_;
  }

 private:
  const Value* parameter(std::size_t region, std::size_t operand) const {
    return node_.regions[region]->parameters[operand - wiring_.leading].get();
  }

  // The operand whose parameter every region yields as result i, or none.
  std::optional<std::size_t> yielded_operand(std::size_t i) const {
    std::optional<std::size_t> found;
    for (std::size_t r = 0; r < node_.regions.size(); ++r) {
      if (!yields_results(*node_.op, r)) continue;
      const Value* value = node_.regions[r]->results[i];
      if (value->node) return std::nullopt;
      const std::size_t operand = static_cast<std::size_t>(value->index) + wiring_.leading;
      if (found && *found != operand) return std::nullopt;
      found = operand;
    }
    return found;
  }

  // h' = h: h is not carried, its last value is its first. An emitted slice: the sliced operand. An emitted invariant
  // or literal: its broadcast. A branch's operand, where both yield it.
  void find_known_results() {
    known_.assign(node_.results.size(), nullptr);
    kept_.assign(wiring_.carried, false);
    for (std::size_t i = 0; i < known_.size(); ++i) {
      const std::optional<std::size_t> operand = yielded_operand(i);
      const Value* yield = node_.regions.back()->results[i];
      if (i < wiring_.carried) {
        kept_[i] = operand == i;
        if (kept_[i]) known_[i] = node_.operands[i];
      } else if (operand && *operand >= wiring_.first_invariant()) {
        known_[i] = stack(i, node_.operands[*operand]);
      } else if (operand && *operand >= wiring_.first_sliced()) {
        known_[i] = node_.operands[*operand];
      } else if (node_.regions.size() == 1 && is_literal(yield)) {
        known_[i] = stack(i, copied(builder_, yield));
      }
    }
  }

  // A value that is the same in all rounds, as result i.
  Value* stack(std::size_t i, Value* value) { return builder_.broadcast_to(value, node_.result(i)->type.shape); }

  // Invariants that regions may hold themselves; slices that are one value in all rounds.
  void find_sunk() {
    sunk_.assign(node_.operands.size(), nullptr);
    spread_.assign(node_.operands.size(), nullptr);
    for (std::size_t i = wiring_.first_sliced(); i < node_.operands.size(); ++i) {
      if (i < wiring_.first_invariant())
        spread_[i] = one_round(node_.operands[i]);
      else if (is_literal(node_.operands[i]))
        sunk_[i] = node_.operands[i];
    }
  }

  Value* one_round(const Value* sliced) {
    const Node* spread = made_by(sliced, "broadcast");
    if (!spread) return nullptr;
    IntList dims = spread->attributes.ints("dims");
    if (!dims.empty() && dims[0] == 0) return nullptr;
    for (std::int64_t& dim : dims) --dim;
    const Shape shape(sliced->type.shape.begin() + 1, sliced->type.shape.end());
    if (shape == spread->operands[0]->type.shape) return spread->operands[0];
    return builder_.one("broadcast", {spread->operands[0]}, {{"shape", shape}, {"dims", dims}});
  }

  void drop_yields() {
    for (std::size_t r = 0; r < parts_.regions.size(); ++r) {
      if (!yields_results(*parts_.op, r)) continue;
      std::vector<Value*>& yields = parts_.regions[r]->results;
      std::size_t next = 0;
      std::erase_if(yields, [&](const Value*) { return known_[next++] != nullptr; });
    }
  }

  void rewire_inputs() {
    std::vector<LoopParts::Input> carried, sliced, invariant;
    std::size_t i = wiring_.leading;
    for (LoopParts::Input& input : parts_.carried) (kept_[i++] ? invariant : carried).push_back(std::move(input));
    for (LoopParts::Input& input : parts_.sliced) {
      if (spread_[i]) input.operand = spread_[i];
      (spread_[i++] ? invariant : sliced).push_back(std::move(input));
    }
    for (LoopParts::Input& input : parts_.invariant) {
      if (sunk_[i++])
        sink(input);
      else
        invariant.push_back(std::move(input));
    }
    parts_.carried = std::move(carried);
    parts_.sliced = std::move(sliced);
    parts_.invariant = std::move(invariant);
  }

  void sink(const LoopParts::Input& input) {
    for (std::size_t r = 0; r < parts_.regions.size(); ++r) {
      Region& region = *parts_.regions[r];
      std::vector<std::unique_ptr<Node>> nodes = std::move(region.nodes);
      region.nodes.clear();
      Builder inside(region);
      Value* literal = copied(inside, input.operand);
      std::move(nodes.begin(), nodes.end(), std::back_inserter(region.nodes));
      replace_uses(region, {{input.parameters[r].get(), literal}});
    }
  }

  Builder& builder_;
  Node& node_;
  const Wiring wiring_;
  LoopParts parts_;
  std::vector<Value*> known_;   // what stands for a result, where the loop need not make it
  std::vector<bool> kept_;      // carried values that never change
  std::vector<Value*> sunk_;    // by operand: literals
  std::vector<Value*> spread_;  // by operand: what all slices are
};

}  // namespace

std::optional<std::vector<Value*>> simplify_loop(Builder& builder, Node& node) {
  const std::optional<Wiring> wiring = wiring_of(node);
  if (!wiring) return std::nullopt;
  if (Results results = chosen_branch(builder, node)) return results;
  if (Results results = few_rounds(builder, node, *wiring)) return results;
  return Rewiring(builder, node, *wiring).run();
}

}  // namespace gradc
