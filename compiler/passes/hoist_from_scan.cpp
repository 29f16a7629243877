// Moves out of scans what does not depend on what they carry, so that a loop keeps its recurrence only.
//
//   Of the values of a round, invariant ones depend on invariants only, stackable ones on slices too, the rest on what
//   is carried.
//   1. Products of a stackable value with an invariant one become one product before the loop, whose slices it takes.
//      What is invariant, and more than a literal or its broadcast, moves before the loop.
//   2. Sums over the rounds: where a carried value is only added to, its last value is the first and the sum of what is
//      added; of a product, one product that contracts the rounds as well; of a sum, one sum. What they read is emitted
//      where it does not follow from slices and emissions.
//   3. Products of an invariant with a carried value that lead to emissions only, and all that follows from them, are
//      computed from emissions after the loop.
//   4. Emissions that are stackable are computed beside the loop.
//   Of a while, whose rounds nobody knows beforehand, what is invariant moves before the loop.
//   Dead code goes, and all that again until nothing changes.
//
//   %y = scan(%h, %x, %w, %u) …  %a = dot(%x_t, %w)  %b = dot(%h_t, %u)  %c = add(%a, %b) …
//   → %z = dot(%x, %w)  %y = scan(%h, %z, %u) …  %b = dot(%h_t, %u)  %c = add(%z_t, %b) …
//
// Nothing gets larger than what the loop stacks anyway, but for products. Sums over the rounds are taken in another
// order, so the pass runs at every level of optimisation.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "compiler/passes/match.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stack_rounds.h"
#include "ir/op.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

enum class Level : std::uint8_t { invariant, stackable, carried };

// As cheap in every round as once.
bool is_free(const Node& node) {
  return node.operands.empty() || node.op->name == "broadcast" || node.op->irregular == Irregular::reshape;
}

bool is_movement(const Node& node) {
  return node.operands.size() == 1 && (node.op->name == "transpose" || is_free(node));
}

std::int64_t bytes(const Value* value) { return value->type.elements() * byte_size(value->type.dtype); }

// What a scan's region says about its values.
class Facts {
 public:
  Facts(const Node& node, const Wiring& wiring) {
    const Region& body = *node.regions[0];
    for (std::size_t i = 0; i < body.parameters.size(); ++i) {
      const Level level = i < wiring.carried             ? Level::carried
                          : i < wiring.first_invariant() ? Level::stackable
                                                         : Level::invariant;
      levels_[body.parameters[i].get()] = level;
      if (level == Level::stackable) stacked_bytes_ += bytes(body.parameters[i].get());
    }
    for (const auto& inner : body.nodes) {
      Level level = Level::invariant;
      for (const Value* operand : inner->operands) level = std::max(level, levels_.at(operand));
      for (const auto& result : inner->results) levels_[result.get()] = level;
    }
    for (std::size_t i = 0; i < body.results.size(); ++i) {
      if (i < wiring.carried)
        recurrent_.insert(body.results[i]);
      else
        stacked_bytes_ += bytes(body.results[i]);
    }
    for (auto inner = body.nodes.rbegin(); inner != body.nodes.rend(); ++inner)
      if (is_recurrent(**inner)) recurrent_.insert((*inner)->operands.begin(), (*inner)->operands.end());
    uses_ = count_uses(body);
  }

  Level level(const Value* value) const { return levels_.at(value); }
  int uses(const Value* value) const {
    const auto found = uses_.find(value);
    return found == uses_.end() ? 0 : found->second;
  }
  // Whether a carried value depends on the node.
  bool is_recurrent(const Node& node) const {
    return std::any_of(node.results.begin(), node.results.end(),
                       [&](const auto& result) { return recurrent_.contains(result.get()); });
  }
  // A product of a value of this level with an invariant one.
  bool is_product(const Node& node, Level of) const {
    if (!node.op->expensive || node.operands.size() != 2) return false;
    const Level a = level(node.operands[0]), b = level(node.operands[1]);
    return std::max(a, b) == of && std::min(a, b) == Level::invariant && can_stack(node, {a == of, b == of});
  }
  // What a round slices and emits.
  std::int64_t stacked_bytes() const { return stacked_bytes_; }

 private:
  std::unordered_map<const Value*, Level> levels_;
  std::unordered_map<const Value*, int> uses_;
  std::unordered_set<const Value*> recurrent_;  // what carried values depend on
  std::int64_t stacked_bytes_ = 0;
};

// Values that the loop emits, or is to emit.
struct Emitted {
  std::unordered_set<const Value*> all;
  std::vector<Value*> fresh;  // of these, the new ones

  void add(Value* value) {
    if (all.insert(value).second) fresh.push_back(value);
  }
  void remove(const std::unordered_set<const Value*>& values) {
    for (const Value* value : values) all.erase(value);
    std::erase_if(fresh, [&](const Value* value) { return values.contains(value); });
  }
};

// carried' = carried + term, where nothing else reads carried.
struct RoundSum {
  std::size_t place = 0;
  Node* addition = nullptr;
  Value* term = nullptr;
};

class ScanHoister {
 public:
  ScanHoister(Builder& builder, Node& node, const Wiring& wiring)
      : builder_(builder),
        node_(node),
        wiring_(wiring),
        body_(node.regions[0].get()),
        yields_(body_->results),
        facts_(node, wiring),
        outside_(rounds_of(node)) {
    for (std::size_t i = wiring.carried; i < node.operands.size(); ++i)
      outside_.know(body_->parameters[i].get(), {node.operands[i], i < wiring.first_invariant()});
    emitted_.all.insert(yields_.begin() + static_cast<std::ptrdiff_t>(wiring.carried), yields_.end());
  }

  std::optional<std::vector<Value*>> run() {
    find_early_values();
    find_sums();
    find_late_products();
    find_stackable_emissions();
    if (early_.empty() && sums_.empty() && late_.empty()) return std::nullopt;
    return finish(rebuild());
  }

 private:
  // ---- what is at hand outside ----

  bool is_small(const Node& node, std::int64_t limit) const {
    return !node.op->expensive && std::all_of(node.results.begin(), node.results.end(),
                                              [&](const auto& result) { return bytes(result.get()) <= limit; });
  }

  // Whether the value follows from what is outside, nothing on the way larger than what is stacked anyway.
  bool is_at_hand(const Value* value, const Emitted& emitted) const {
    return outside_.follows(
        value, [&](const Value* leaf) { return emitted.all.contains(leaf) || is_early_.contains(leaf); },
        [&](const Node& node) { return is_small(node, facts_.stacked_bytes()); });
  }

  // Adds what must be emitted so that the values are at hand; false where that is more than `limit` bytes a round.
  bool emit_for(const std::vector<Value*>& values, std::int64_t limit, Emitted& emitted) const {
    std::int64_t added = 0;
    for (Value* value : values) {
      if (is_at_hand(value, emitted)) continue;
      while (value->node && is_movement(*value->node)) value = value->node->operands[0];
      if (emitted.all.contains(value)) continue;
      added += bytes(value);
      emitted.add(value);
    }
    return added <= limit;
  }

  // ---- step 1 ----

  void find_early_values() {
    const auto none = [](const Value*) { return false; };
    for (const auto& node : body_->nodes) {
      if (node->results.empty()) continue;
      if (facts_.is_product(*node, Level::stackable)) {
        const std::int64_t limit = std::max(facts_.stacked_bytes(), bytes(node->result()));
        const auto allowed = [&](const Node& inner) {
          return is_small(inner, limit) || facts_.is_product(inner, Level::stackable);
        };
        if (outside_.follows(node->result(), none, allowed)) add_early(*node);
      } else if (!is_free(*node) && facts_.level(node->result()) == Level::invariant) {
        add_early(*node);
      }
    }
  }

  void add_early(const Node& node) {
    for (const auto& result : node.results) {
      early_.push_back(result.get());
      if (facts_.level(result.get()) == Level::stackable) is_early_.insert(result.get());
    }
  }

  // ---- step 2 ----

  void find_sums() {
    for (std::size_t i = 0; i < wiring_.carried; ++i) {
      Node* addition = made_by(yields_[i], "add");
      const Value* parameter = body_->parameters[i].get();
      if (!addition || facts_.uses(yields_[i]) != 1 || facts_.uses(parameter) != 1) continue;
      const bool first = addition->operands[0] == parameter;
      if (!first && addition->operands[1] != parameter) continue;
      Value* term = addition->operands[first ? 1 : 0];
      std::vector<Value*> reads;
      collect_reads(term, reads);
      Emitted emitted = emitted_;
      if (!emit_for(reads, facts_.stacked_bytes(), emitted)) continue;
      emitted_ = std::move(emitted);
      sums_.push_back({i, addition, term});
    }
  }

  // How the sum of a term over the rounds is taken: of its factors, its operand, its parts, or of itself.
  enum class Form : std::uint8_t { term, sum, product, addition, movement };

  Form form_of(const Value* term) const {
    const Node* node = term->node;
    if (!node || facts_.level(term) == Level::invariant) return Form::term;
    if (node->op->name == "dot") return Form::product;
    if (node->op->name == "add") return Form::addition;
    if (node->op->name == "transpose" || node->op->irregular == Irregular::reshape) return Form::movement;
    // Where the operand would have to be emitted, the smaller sum is emitted instead.
    if (node->op->name == "sum" && is_at_hand(node->operands[0], emitted_)) return Form::sum;
    return Form::term;
  }

  // What must be at hand for the sum; settles the forms.
  void collect_reads(Value* term, std::vector<Value*>& reads) {
    const Form form = forms_[term] = form_of(term);
    if (form == Form::term) {
      reads.push_back(term);
      return;
    }
    for (Value* operand : term->node->operands) {
      if (form == Form::addition || form == Form::movement)
        collect_reads(operand, reads);
      else
        reads.push_back(operand);
    }
  }

  Value* total(Value* term) {
    const auto settled = forms_.find(term);
    const Form form = settled == forms_.end() ? Form::term : settled->second;  // an early value is a parameter by now
    if (form == Form::term) return over_rounds(outside_.stacked(builder_, term));
    const Node& node = *term->node;
    if (form == Form::addition) return builder_.one("add", {total(node.operands[0]), total(node.operands[1])});
    if (form == Form::product) return total_product(node);
    if (form == Form::sum) return total_sum(node);
    Attributes attributes = node.attributes;
    if (attributes.has("shape")) attributes.set("shape", term->type.shape);
    return builder_.make(*node.op, {total(node.operands[0])}, attributes)[0];
  }

  Value* over_rounds(Value* stacked) { return builder_.one("sum", {stacked}, {{"axis", IntList{0}}}); }

  Value* total_sum(const Node& node) {
    IntList axes = normal_axes(call_of(node), node.attributes.ints("axis"), node.operands[0]->type.rank());
    for (std::int64_t& axis : axes) ++axis;
    axes.insert(axes.begin(), 0);
    Value* sum = builder_.one("sum", {outside_.stacked(builder_, node.operands[0])}, {{"axis", axes}});
    const Shape& shape = node.result()->type.shape;
    return sum->type.shape == shape ? sum : builder_.one("reshape", {sum}, {{"shape", shape}});
  }

  // Where both factors differ from round to round, the rounds are contracted, before the rest; where one does, it is
  // summed.
  Value* total_product(const Node& node) {
    const Rounds known[] = {outside_.get(builder_, node.operands[0]), outside_.get(builder_, node.operands[1])};
    const bool both = known[0].stacked && known[1].stacked;
    Attributes attributes = node.attributes;
    std::vector<Value*> factors;
    for (const std::size_t side : {0U, 1U}) {
      factors.push_back(!both && known[side].stacked ? over_rounds(known[side].value) : known[side].value);
      if (!both) continue;
      for (const std::string name : {side == 0 ? "contract_a" : "contract_b", side == 0 ? "batch_a" : "batch_b"}) {
        IntList dims = attributes.ints(name);
        for (std::int64_t& dim : dims) ++dim;
        if (name.starts_with("contract")) dims.insert(dims.begin(), 0);
        attributes.set(name, dims);
      }
    }
    return builder_.make(*node.op, factors, attributes)[0];
  }

  // ---- step 3 ----

  void find_late_products() {
    for (const auto& node : body_->nodes)
      if (!facts_.is_recurrent(*node) && facts_.is_product(*node, Level::carried)) try_late(*node);
  }

  // The product and all that follows from it, where every node of that can be stacked.
  void try_late(const Node& product) {
    const std::int64_t limit = std::max(facts_.stacked_bytes(), bytes(product.result()));
    std::unordered_set<const Value*> made{product.result()};
    std::vector<Value*> reads = product.operands;
    for (const auto& node : body_->nodes) {
      const auto is_made = [&](const Value* operand) { return made.contains(operand); };
      if (std::none_of(node->operands.begin(), node->operands.end(), is_made)) continue;
      if (!can_be_late(*node, limit)) return;
      std::copy_if(node->operands.begin(), node->operands.end(), std::back_inserter(reads),
                   [&](const Value* operand) { return !is_made(operand); });
      made.insert(node->result());
    }
    Emitted emitted = emitted_;
    emitted.remove(made);
    std::int64_t dropped = 0;
    for (const Value* value : emitted_.all)
      if (made.contains(value)) dropped += bytes(value);
    if (dropped == 0 || !emit_for(reads, dropped, emitted)) return;
    emitted_ = std::move(emitted);
    for (std::size_t i = wiring_.carried; i < yields_.size(); ++i)
      if (made.contains(yields_[i])) late_.insert(i);
  }

  bool can_be_late(const Node& node, std::int64_t limit) const {
    if (!node.regions.empty() || node.results.size() != 1 || bytes(node.result()) > limit) return false;
    std::vector<bool> stacked;
    for (const Value* operand : node.operands) stacked.push_back(facts_.level(operand) != Level::invariant);
    return can_stack(node, stacked);
  }

  // ---- step 4 ----

  void find_stackable_emissions() {
    const auto none = [](const Value*) { return false; };
    const auto small = [&](const Node& node) { return is_small(node, facts_.stacked_bytes()); };
    for (std::size_t i = wiring_.carried; i < yields_.size(); ++i) {
      const bool computed = yields_[i]->node && facts_.level(yields_[i]) != Level::carried;
      if (computed && outside_.follows(yields_[i], none, small)) late_.insert(i);
    }
  }

  // ---- the loop that stays, and what comes before and after it ----

  bool is_sum(std::size_t place) const {
    return std::any_of(sums_.begin(), sums_.end(), [&](const RoundSum& sum) { return sum.place == place; });
  }
  bool is_dropped(std::size_t result) const { return is_sum(result) || late_.contains(result); }

  std::vector<Value*> rebuild() {
    std::vector<Rounds> before;
    for (Value* value : early_) before.push_back(outside_.get(builder_, value));
    LoopParts parts = take_apart(node_);
    ValueMap replaced;
    for (std::size_t k = 0; k < early_.size(); ++k) {
      auto& list = before[k].stacked ? parts.sliced : parts.invariant;
      list.push_back(new_input(parts, before[k].value, early_[k]->type));
      Value* parameter = list.back().parameters[0].get();
      outside_.know(parameter, before[k]);
      replaced[early_[k]] = parameter;
    }
    drop_sums(parts);
    replace_uses(*body_, replaced);
    std::size_t next = 0;
    std::erase_if(body_->results, [&](const Value*) { return is_dropped(next++); });
    body_->results.insert(body_->results.end(), emitted_.fresh.begin(), emitted_.fresh.end());
    return put_together(builder_, std::move(parts));
  }

  void drop_sums(LoopParts& parts) {
    std::size_t next = 0;
    std::erase_if(parts.carried, [&](const LoopParts::Input&) { return is_sum(next++); });
    for (const RoundSum& sum : sums_)
      std::erase_if(body_->nodes, [&](const auto& node) { return node.get() == sum.addition; });
  }

  std::vector<Value*> finish(const std::vector<Value*>& made) {
    std::vector<Value*> results(node_.results.size(), nullptr);
    std::size_t next = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (is_dropped(i)) continue;
      results[i] = made[next++];
      if (i >= wiring_.carried) outside_.know(yields_[i], {results[i], true});
    }
    for (Value* value : emitted_.fresh) outside_.know(value, {made[next++], true});
    for (const std::size_t i : late_) results[i] = outside_.stacked(builder_, yields_[i]);
    for (const RoundSum& sum : sums_) {
      Value* first = node_.operands[sum.place];
      Value* added = total(sum.term);
      results[sum.place] = is_uniform(first, 0) ? added : builder_.one("add", {first, added});
    }
    return results;
  }

  Builder& builder_;
  Node& node_;
  const Wiring wiring_;
  Region* body_;
  const std::vector<Value*> yields_;  // as they were
  const Facts facts_;
  Outside outside_;
  Emitted emitted_;

  std::vector<Value*> early_;                  // values to be computed before the loop
  std::unordered_set<const Value*> is_early_;  // those of them that differ from round to round
  std::vector<RoundSum> sums_;
  std::unordered_map<const Value*, Form> forms_;  // of the terms of sums
  std::set<std::size_t> late_;                    // emissions that are computed outside
};

// What a region of a while computes from invariants alone, but for what is free.
std::vector<Value*> invariant_values(const Region& region, const Wiring& wiring) {
  std::unordered_set<const Value*> invariant;
  for (std::size_t i = wiring.first_invariant(); i < region.parameters.size(); ++i)
    invariant.insert(region.parameters[i].get());
  std::vector<Value*> found;
  for (const auto& node : region.nodes) {
    if (!std::all_of(node->operands.begin(), node->operands.end(), [&](auto* x) { return invariant.contains(x); }))
      continue;
    for (const auto& result : node->results) {
      invariant.insert(result.get());
      if (!is_free(*node)) found.push_back(result.get());
    }
  }
  return found;
}

// Of a while: step 1 for what is invariant, in its condition and in its body.
std::optional<std::vector<Value*>> hoist_from_while(Builder& builder, Node& node, const Wiring& wiring) {
  struct Early {
    std::size_t region;
    Value *inside, *before;
  };
  std::vector<Early> early;
  for (std::size_t r = 0; r < node.regions.size(); ++r) {
    const Region& region = *node.regions[r];
    Outside outside{Dim(1)};
    for (std::size_t i = wiring.first_invariant(); i < region.parameters.size(); ++i)
      outside.know(region.parameters[i].get(), {node.operands[i], false});
    for (Value* value : invariant_values(region, wiring))
      early.push_back({r, value, outside.get(builder, value).value});
  }
  if (early.empty()) return std::nullopt;
  LoopParts parts = take_apart(node);
  std::vector<ValueMap> replaced(parts.regions.size());
  for (const Early& each : early) {
    parts.invariant.push_back(new_input(parts, each.before, each.inside->type));
    replaced[each.region][each.inside] = parts.invariant.back().parameters[each.region].get();
  }
  for (std::size_t r = 0; r < parts.regions.size(); ++r) replace_uses(*parts.regions[r], replaced[r]);
  return put_together(builder, std::move(parts));
}

std::optional<std::vector<Value*>> hoist(Builder& builder, Node& node) {
  const std::optional<Wiring> wiring = wiring_of(node);
  if (!wiring) return std::nullopt;
  if (node.attributes.has("length")) return ScanHoister(builder, node, *wiring).run();
  if (node.attributes.has("max_trips")) return hoist_from_while(builder, node, *wiring);
  return std::nullopt;
}

}  // namespace

bool hoist_from_scan(Function& function, const Options& options) {
  if (is_to_be_differentiated(function, options)) return false;
  bool changed = false;
  while (rewrite(function.body, hoist)) {
    eliminate_dead_code(function, options);
    changed = true;
  }
  return changed;
}

}  // namespace gradc
