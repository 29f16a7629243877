// Reverse mode of a cond: another cond, of the same predicate.
//
//   1. For each branch a joint region: the branch's nodes, then their reverse sweep.
//   2. What the sweep reads of the branch's nodes is a residual. What follows cheaply from operands is computed again.
//      The rest the branch yields: the cond is extended in place by further results, which branches share where types
//      are equal; a branch that has nothing for one yields zeros.
//   3. The reverse cond takes operands that a sweep reads, the results' cotangents and the residuals.
//
//   %y = cond(%p, %x, %w) (…) { … } (…) { … }   →  %y, %r = cond(%p, %x, %w) (…) { … } (…) { … }
//   %dx, %dw = vjp of %y                           %dx, %dw = cond(%p, %w, %dy, %r) (…) { … } (…) { … }
#include <algorithm>
#include <deque>
#include <set>

#include "ir/ops/entry.h"
#include "ir/ops/loop.h"
#include "ir/ops/residuals.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

// The nodes of a branch, then their sweep. Its terms hold its address.
struct Joint {
  std::unique_ptr<Region> region = std::make_unique<Region>();
  Builder builder{*region};
  std::size_t operands, nodes;  // parameters and nodes of the branch
  Terms results, gradients;     // gradients: one an operand of the branch

  Joint(const Derivation& d, const Region& branch, std::span<const Term> cotangents)
      : operands(branch.parameters.size()) {
    Terms arguments, seeds(cotangents.size()), wrt;
    for (const auto& value : branch.parameters) arguments.push_back(add(value->type, value->name));
    results = d.regions->write(builder, branch, arguments);
    nodes = region->nodes.size();
    for (std::size_t i = 0; i < cotangents.size(); ++i)
      if (cotangents[i]) seeds[i] = add(cotangents[i].type(), "");
    const auto wanted = [&](std::size_t i) { return d.wanted.empty() || d.wanted[i + 1]; };
    for (std::size_t i = 0; i < operands; ++i)
      if (wanted(i)) wrt.push_back(arguments[i]);
    const Terms found = d.regions->pull_back(builder, results, seeds, wrt);
    gradients.resize(operands);
    for (std::size_t i = 0, next = 0; i < operands; ++i)
      if (wanted(i)) gradients[i] = found[next++];
  }

  Term add(const Type& type, const std::string& name) { return builder.term(region->add_parameter(type, name)); }
};

// A result of the forward cond that the reverse one may read: what each branch yields for it, null where it has
// nothing.
struct Slot {
  Type type;
  Value* yields[2] = {nullptr, nullptr};
  bool read = false;
};

class CondReverse {
 public:
  CondReverse(const Derivation& d, std::span<const Term> cotangents)
      : d_(d), node_(*d.y().value()->node), cotangents_(cotangents) {}

  Terms run() {
    Terms found(node_.operands.size());
    for (const auto& region : node_.regions) joints_.emplace_back(d_, *region, cotangents_);
    for (std::size_t i = 0; i + 1 < found.size(); ++i)
      if (joints_[0].gradients[i] || joints_[1].gradients[i]) places_.push_back(i);
    if (places_.empty()) return found;
    find_residuals();
    std::vector<std::unique_ptr<Region>> regions;
    for (std::size_t k = 0; k < 2; ++k) regions.push_back(reverse_region(k));
    extend_forward();
    const std::vector<Value*> results = d_.builder.make(*node_.op, operands(), {}, std::move(regions));
    for (std::size_t k = 0; k < places_.size(); ++k) found[places_[k] + 1] = d_.builder.term(results[k]);
    return found;
  }

 private:
  void find_residuals() {
    for (std::size_t i = 0; i < node_.results.size(); ++i)
      slots_.push_back({node_.result(i)->type, {joints_[0].results[i].value(), joints_[1].results[i].value()}});
    for (std::size_t k = 0; k < 2; ++k) {
      const Joint& joint = joints_[k];
      Residuals& residuals = residuals_.emplace_back(*joint.region, 0, joint.operands, joint.nodes);
      for (const Term& gradient : joint.gradients)
        if (gradient) residuals.need(gradient.value());
      for (Value* value : residuals.saved()) slot_for(k, value).read = true;
      inputs_.insert(residuals.inputs().begin(), residuals.inputs().end());
    }
  }

  // The slot that has the value from branch k, else one that has nothing from it yet.
  Slot& slot_for(std::size_t k, Value* value) {
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.yields[k] == value; });
    if (found != slots_.end()) return *found;
    const auto open = std::find_if(slots_.begin(), slots_.end(),
                                   [&](const Slot& s) { return !s.yields[k] && s.type == value->type; });
    Slot& slot = open != slots_.end() ? *open : slots_.emplace_back(Slot{value->type});
    slot.yields[k] = value;
    return slot;
  }

  // Parameters: operands that a sweep reads, cotangents, residuals.
  std::unique_ptr<Region> reverse_region(std::size_t k) {
    const Joint& joint = joints_[k];
    auto region = std::make_unique<Region>();
    Builder builder(*region);
    builder.locations = gradient_of(node_.locations);
    ValueMap map;
    const auto parameter = [&](const Value* value) { map[value] = region->add_parameter(value->type, value->name); };
    for (const std::size_t i : inputs_) parameter(joint.region->parameters[i].get());
    for (std::size_t i = joint.operands; i < joint.region->parameters.size(); ++i)
      parameter(joint.region->parameters[i].get());
    for (const Slot& slot : slots_) {
      if (!slot.read) continue;
      Value* made = region->add_parameter(slot.type, slot.yields[k] ? slot.yields[k]->name : "");
      if (slot.yields[k]) map[slot.yields[k]] = made;
    }
    for (const auto& node : joint.region->nodes)
      if (residuals_[k].copied(*node)) builder.clone(*node, map);
    for (const std::size_t i : places_) {
      const Term gradient = joint.gradients[i];
      region->results.push_back(gradient ? map.at(gradient.value()) : builder.full(node_.operands[i + 1]->type, 0));
    }
    return region;
  }

  // Drops the sweeps from the joint regions, which become the forward ones.
  void extend_forward() {
    for (std::size_t k = 0; k < 2; ++k) {
      Joint& joint = joints_[k];
      while (joint.region->nodes.size() > joint.nodes) joint.region->nodes.pop_back();
      joint.region->parameters.resize(joint.operands);
      for (const Term& result : joint.results) joint.region->results.push_back(result.value());
      joint.builder.locations = gradient_of(node_.locations);
      for (Slot& slot : slots_)
        if (!slot.yields[k]) slot.yields[k] = joint.builder.full(slot.type, 0);
      joint.region->owner = &node_;
      node_.regions[k] = std::move(joint.region);
    }
    for (std::size_t i = node_.results.size(); i < slots_.size(); ++i)
      add_result(node_, {slots_[i].yields[0], slots_[i].yields[1]});
  }

  std::vector<Value*> operands() const {
    std::vector<Value*> result{node_.operands[0]};
    for (const std::size_t i : inputs_) result.push_back(node_.operands[i + 1]);
    for (const Term& cotangent : cotangents_)
      if (cotangent) result.push_back(cotangent.value());
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].read) result.push_back(node_.result(i));
    return result;
  }

  const Derivation& d_;
  Node& node_;
  std::span<const Term> cotangents_;
  std::deque<Joint> joints_;
  std::vector<std::size_t> places_;  // operands after the predicate that have a cotangent in a branch
  std::deque<Residuals> residuals_;  // by branch
  std::set<std::size_t> inputs_;     // operands after the predicate that a sweep reads
  std::vector<Slot> slots_;          // the results, then further ones
};

}  // namespace

Terms cond_vjp(const Derivation& d, std::span<const Term> cotangents) { return CondReverse(d, cotangents).run(); }

}  // namespace gradc
