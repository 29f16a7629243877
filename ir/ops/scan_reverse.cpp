// Reverse mode of a scan: another scan, in the other direction.
//
//   1. Varying parameters of the region: those of wanted operands, and carried values that come to depend on them.
//   2. A joint region: the region's nodes, then their reverse sweep. Carried values have a cotangent where a result's
//   is
//      given, and where a round gives one to its first value: a fixpoint.
//   3. What the sweep reads of the region's nodes is a residual. Slices and invariants are operands of both scans; what
//      follows from them cheaply, and movements of anything, are computed again. The rest the forward scan emits,
//      beside what it emits already: it is extended in place, by further results.
//   4. The reverse scan carries the cotangents of carried values and the sums of those of invariants, takes residuals,
//      slices and the cotangents of emissions, and emits the cotangents of slices.
//
//   %h, %y = scan(%h0, %x, %w) …          →   %h, %y, %r = scan(%h0, %x, %w) …
//   %dh0, %dx, %dw = vjp of %h, %y            %dh0, %dw, %dx = scan(%dh, %0, %r, %dy, %w) {reverse = true} …
#include <algorithm>

#include "ir/ops/entry.h"
#include "ir/ops/loop.h"
#include "ir/ops/residuals.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

using Places = std::vector<std::size_t>;

class ScanReverse {
 public:
  ScanReverse(const Derivation& d, std::span<const Term> cotangents)
      : d_(d),
        node_(*d.y().value()->node),
        cotangents_(cotangents),
        carried_(static_cast<std::size_t>(node_.attributes.integer("carried"))),
        inputs_(carried_ + static_cast<std::size_t>(node_.attributes.integer("sliced"))),
        length_(node_.attributes.shape("length")) {
    if (length_.empty()) length_ = {node_.operands[carried_]->type.shape[0]};
  }

  Terms run() {
    Terms found(node_.operands.size());
    find_varying();
    while (sweep()) continue;
    if (std::none_of(gradients_.begin(), gradients_.end(), [](const Term& t) { return bool(t); })) return found;
    sort_gradients();
    Residuals residuals(*joint_, carried_, node_.operands.size(), primal_nodes_);
    for (const Term& gradient : gradients_)
      if (gradient) residuals.need(gradient.value());
    std::unique_ptr<Region> region = reverse_region(residuals);
    const std::vector<Value*> stacked = extend_forward(residuals.saved());
    const std::vector<Value*> results = reverse_scan(residuals, stacked, std::move(region));
    std::size_t next = 0;
    for (const Places* places : {&active_, &summed_, &emitted_})
      for (const std::size_t i : *places) found[i] = d_.builder.term(results[next++]);
    return found;
  }

 private:
  const Region& body() const { return *node_.regions[0]; }
  bool wanted(std::size_t i) const { return d_.wanted.empty() || d_.wanted[i]; }

  void find_varying() {
    for (std::size_t i = 0; i < node_.operands.size(); ++i)
      varying_.push_back(wanted(i) && is_float(node_.operands[i]->type.dtype));
    for (bool changed = true; changed;) {
      changed = false;
      const std::vector<bool> reached = d_.regions->reached(body(), varying_);
      for (std::size_t i = 0; i < carried_; ++i) {
        if (!reached[i] || varying_[i]) continue;
        varying_[i] = changed = true;
      }
    }
    for (std::size_t i = 0; i < carried_; ++i)
      if (cotangents_[i] && varying_[i]) active_.push_back(i);
  }

  // Writes the joint region; says whether further carried values turned out to have a cotangent.
  bool sweep() {
    joint_ = std::make_unique<Region>();
    builder_ = std::make_unique<Builder>(*joint_);
    Terms arguments;
    for (const auto& value : body().parameters)
      arguments.push_back(builder_->term(joint_->add_parameter(value->type, value->name)));
    results_ = d_.regions->write(*builder_, body(), arguments);
    primal_nodes_ = joint_->nodes.size();
    seeded_ = active_;
    for (std::size_t i = carried_; i < results_.size(); ++i)
      if (cotangents_[i]) seeded_.push_back(i);
    Terms outputs, seeds, wrt;
    for (const std::size_t i : seeded_) {
      outputs.push_back(results_[i]);
      seeds.push_back(builder_->term(joint_->add_parameter(results_[i].type(), "")));
    }
    for (std::size_t i = 0; i < arguments.size(); ++i)
      if (varying_[i]) wrt.push_back(arguments[i]);
    const Terms found = d_.regions->pull_back(*builder_, outputs, seeds, wrt);
    gradients_.assign(arguments.size(), Term());
    for (std::size_t i = 0, next = 0; i < arguments.size(); ++i)
      if (varying_[i]) gradients_[i] = found[next++];
    return activate();
  }

  bool activate() {
    Places active;
    for (std::size_t i = 0; i < carried_; ++i)
      if (gradients_[i] || std::binary_search(active_.begin(), active_.end(), i)) active.push_back(i);
    std::swap(active, active_);
    return active != active_;
  }

  void sort_gradients() {
    for (std::size_t i = carried_; i < gradients_.size(); ++i) {
      if (!wanted(i)) gradients_[i] = Term();
      if (gradients_[i]) (i < inputs_ ? emitted_ : summed_).push_back(i);
    }
  }

  // Parameters: cotangents of carried values, sums; residuals, slices, cotangents of emissions; invariants.
  std::unique_ptr<Region> reverse_region(const Residuals& residuals) {
    auto region = std::make_unique<Region>();
    Builder builder(*region);
    builder.locations = gradient_of(node_.locations);
    ValueMap map;
    const auto parameter = [&](const Value* value) {
      return map[value] = region->add_parameter(value->type, value->name);
    };
    const std::size_t first_seed = node_.operands.size();
    for (std::size_t k = 0; k < active_.size(); ++k) parameter(joint_->parameters[first_seed + k].get());
    Terms sums;
    for (const std::size_t i : summed_) sums.push_back(builder.term(region->add_parameter(gradients_[i].type(), "")));
    for (const Value* value : residuals.saved()) parameter(value);
    for (const std::size_t i : residuals.inputs())
      if (i < inputs_) parameter(joint_->parameters[i].get());
    for (std::size_t k = active_.size(); k < seeded_.size(); ++k) parameter(joint_->parameters[first_seed + k].get());
    for (const std::size_t i : residuals.inputs())
      if (i >= inputs_) parameter(joint_->parameters[i].get());
    for (const auto& node : joint_->nodes)
      if (residuals.copied(*node)) builder.clone(*node, map);

    const auto gradient = [&](std::size_t i) { return map.at(gradients_[i].value()); };
    for (const std::size_t i : active_)
      region->results.push_back(gradients_[i] ? gradient(i) : builder.full(node_.operands[i]->type, 0));
    for (std::size_t k = 0; k < summed_.size(); ++k)
      region->results.push_back((sums[k] + builder.term(gradient(summed_[k]))).value());
    for (const std::size_t i : emitted_) region->results.push_back(gradient(i));
    return region;
  }

  // Drops the sweep from the joint region, which becomes the forward one. The stacks of the saved values.
  std::vector<Value*> extend_forward(const std::vector<Value*>& saved) {
    while (joint_->nodes.size() > primal_nodes_) joint_->nodes.pop_back();
    joint_->parameters.resize(node_.operands.size());
    for (const Term& result : results_) joint_->results.push_back(result.value());
    joint_->owner = &node_;
    node_.regions[0] = std::move(joint_);
    const std::vector<Value*>& yields = node_.regions[0]->results;
    std::vector<Value*> stacked;
    for (Value* value : saved) {
      const auto place = std::find(yields.begin() + static_cast<std::ptrdiff_t>(carried_), yields.end(), value);
      stacked.push_back(place == yields.end() ? add_result(node_, {value})
                                              : node_.result(static_cast<std::size_t>(place - yields.begin())));
    }
    return stacked;
  }

  std::vector<Value*> reverse_scan(const Residuals& residuals, const std::vector<Value*>& stacked,
                                   std::unique_ptr<Region> region) {
    Builder& builder = d_.builder;
    std::vector<Value*> operands;
    for (const std::size_t i : active_)
      operands.push_back(cotangents_[i] ? cotangents_[i].value() : builder.full(node_.operands[i]->type, 0));
    for (const std::size_t i : summed_) operands.push_back(builder.full(node_.operands[i]->type, 0));
    const std::size_t carried = operands.size();
    operands.insert(operands.end(), stacked.begin(), stacked.end());
    for (const std::size_t i : residuals.inputs())
      if (i < inputs_) operands.push_back(node_.operands[i]);
    for (std::size_t k = active_.size(); k < seeded_.size(); ++k) operands.push_back(cotangents_[seeded_[k]].value());
    const std::size_t inputs = operands.size();
    for (const std::size_t i : residuals.inputs())
      if (i >= inputs_) operands.push_back(node_.operands[i]);
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(std::move(region));
    return builder.make(*node_.op, std::move(operands),
                        {{"carried", static_cast<std::int64_t>(carried)},
                         {"sliced", static_cast<std::int64_t>(inputs - carried)},
                         {"length", length_},
                         {"reverse", !node_.attributes.boolean("reverse")}},
                        std::move(regions));
  }

  const Derivation& d_;
  Node& node_;
  std::span<const Term> cotangents_;
  std::size_t carried_;  // operands below are carried
  std::size_t inputs_;   // operands below are carried or sliced
  Shape length_;

  std::vector<bool> varying_;         // parameters that depend on a wanted operand
  std::unique_ptr<Region> joint_;     // forward parameters, then seeds; the region's nodes, then their sweep
  std::unique_ptr<Builder> builder_;  // of the joint region
  std::size_t primal_nodes_ = 0;
  Terms results_;    // of the region's nodes, in the joint region
  Terms gradients_;  // of the forward parameters, there
  Places active_;    // carried values with a cotangent
  Places seeded_;    // results with one: active_, then emissions
  Places summed_;    // invariants with a wanted cotangent
  Places emitted_;   // slices with one
};

}  // namespace

Terms scan_vjp(const Derivation& d, std::span<const Term> cotangents) { return ScanReverse(d, cotangents).run(); }

}  // namespace gradc
