// Forward mode of scan, while and cond, and the reverse mode of while. A tangent is a node of the same kind whose
// regions hold the primal nodes and their tangents.
#include <algorithm>
#include <deque>

#include "ir/ops/entry.h"
#include "ir/ops/loop.h"

namespace gradc {

namespace {

Node& node_of(const Derivation& d) { return *d.y().value()->node; }

Term written(Builder& builder, Term term, const Type& type) {
  return term ? term : builder.term(builder.full(type, 0));
}

std::size_t count(const Node& node, std::string_view attribute) {
  return static_cast<std::size_t>(node.attributes.integer(attribute));
}

std::vector<Value*> values(const Terms& terms) {
  std::vector<Value*> result;
  for (const Term& term : terms)
    if (term) result.push_back(term.value());
  return result;
}

using Regions = std::vector<std::unique_ptr<Region>>;

// ---- forward mode of loops ----

// A region with parameters for operands and for the tangents of some of them, in groups: carried values, their
// tangents, then slices, then invariants likewise.
struct Dual {
  std::unique_ptr<Region> region = std::make_unique<Region>();
  Builder builder{*region};
  Terms arguments, tangents;  // one an operand; null tangents are zero

  // `groups` are where the groups of operands end.
  Dual(const Region& from, const std::vector<bool>& active, std::initializer_list<std::size_t> groups)
      : arguments(active.size()), tangents(active.size()) {
    std::size_t first = 0;
    for (const std::size_t end : groups) {
      for (std::size_t i = first; i < end; ++i) arguments[i] = add(*from.parameters[i]);
      for (std::size_t i = first; i < end; ++i)
        if (active[i]) tangents[i] = add(*from.parameters[i]);
      first = end;
    }
  }

  Term add(const Value& like) { return builder.term(region->add_parameter(like.type, like.name)); }
};

// The forward mode of a loop whose first operands are carried: scan, or while with its body.
class LoopForward {
 public:
  LoopForward(const Derivation& d, std::span<const Term> tangents, std::size_t body, std::size_t sliced)
      : d_(d),
        node_(node_of(d)),
        body_(*node_.regions[body]),
        carried_(count(node_, "carried")),
        inputs_(carried_ + sliced),
        tangents_(tangents.begin(), tangents.end()) {
    for (const Term& tangent : tangents_) active_.push_back(bool(tangent));
    while (spread()) continue;
    finish_body();
  }

  Terms run(Regions regions) {
    Attributes attributes = node_.attributes;
    const auto tangents = std::count(active_.begin(), active_.begin() + static_cast<std::ptrdiff_t>(carried_), true);
    attributes.set("carried", static_cast<std::int64_t>(carried_) + tangents);
    if (attributes.has("sliced")) {
      const auto slices = std::count(active_.begin() + static_cast<std::ptrdiff_t>(carried_),
                                     active_.begin() + static_cast<std::ptrdiff_t>(inputs_), true);
      attributes.set("sliced", attributes.integer("sliced") + slices);
    }
    regions.push_back(std::move(dual_->region));
    const std::vector<Value*> results =
        d_.builder.make(*node_.op, operands(), std::move(attributes), std::move(regions));
    Terms found(node_.results.size());
    std::size_t next = carried_;
    for (std::size_t i = 0; i < carried_; ++i)
      if (active_[i]) found[i] = d_.builder.term(results[next++]);
    next += found.size() - carried_;
    for (std::size_t i = carried_; i < found.size(); ++i)
      if (emitted_[i]) found[i] = d_.builder.term(results[next++]);
    return found;
  }

  // A region over the same operands that yields what `from` yields, without tangents.
  std::unique_ptr<Region> without_tangents(const Region& from) const {
    Dual dual(from, active_, {carried_, inputs_, active_.size()});
    for (const Term& result : d_.regions->write(dual.builder, from, dual.arguments))
      dual.region->results.push_back(result.value());
    return std::move(dual.region);
  }

 private:
  // Writes the body with tangents; says whether further carried values turned out to have one.
  bool spread() {
    dual_ =
        std::make_unique<Dual>(body_, active_, std::initializer_list<std::size_t>{carried_, inputs_, active_.size()});
    results_ = d_.regions->write(dual_->builder, body_, dual_->arguments);
    derivatives_ = d_.regions->push_forward(dual_->builder, results_, dual_->arguments, dual_->tangents);
    bool changed = false;
    for (std::size_t i = 0; i < carried_; ++i) {
      if (!derivatives_[i] || active_[i]) continue;
      active_[i] = changed = true;
    }
    return changed;
  }

  // Yields: carried values, their tangents, emissions, their tangents.
  void finish_body() {
    std::vector<Value*>& yields = dual_->region->results;
    for (std::size_t i = 0; i < carried_; ++i) yields.push_back(results_[i].value());
    for (std::size_t i = 0; i < carried_; ++i)
      if (active_[i]) yields.push_back(written(dual_->builder, derivatives_[i], results_[i].type()).value());
    for (std::size_t i = carried_; i < results_.size(); ++i) yields.push_back(results_[i].value());
    emitted_.assign(results_.size(), false);
    for (std::size_t i = carried_; i < results_.size(); ++i) {
      emitted_[i] = bool(derivatives_[i]);
      if (emitted_[i]) yields.push_back(derivatives_[i].value());
    }
  }

  std::vector<Value*> operands() const {
    std::vector<Value*> result;
    std::size_t first = 0;
    for (const std::size_t end : {carried_, inputs_, active_.size()}) {
      for (std::size_t i = first; i < end; ++i) result.push_back(d_.x(i).value());
      for (std::size_t i = first; i < end; ++i)
        if (active_[i]) result.push_back(written(d_.builder, tangents_[i], d_.x(i).type()).value());
      first = end;
    }
    return result;
  }

  const Derivation& d_;
  const Node& node_;
  const Region& body_;
  std::size_t carried_, inputs_;  // operands below are carried; carried or sliced
  Terms tangents_;
  std::vector<bool> active_;  // operands with a tangent
  std::unique_ptr<Dual> dual_;
  Terms results_, derivatives_;
  std::vector<bool> emitted_;  // results whose tangent the body emits
};

// ---- while, reverse ----

// The else branch: the carried values as they were.
std::unique_ptr<Region> pass_on(const Region& like, std::size_t carried) {
  auto region = std::make_unique<Region>();
  for (const auto& value : like.parameters) region->add_parameter(value->type, value->name);
  for (std::size_t i = 0; i < carried; ++i) region->results.push_back(region->parameters[i].get());
  return region;
}

std::unique_ptr<Region> copy(const Region& from) {
  auto region = std::make_unique<Region>();
  ValueMap map;
  clone_region(from, *region, map);
  return region;
}

// A while of at most n rounds, made a scan of n rounds in place:
//
//   while(%h, %w) {max_trips = n} (%h, %w) { %c = … yield %c } (%h, %w) { %n = … yield %n }
//   → scan(%h, %w) {length = [n]} (%h, %w) { %c = … %n = cond(%c, %h, %w) { … } { yield %h } yield %n }
void make_scan(Node& node) {
  const std::size_t carried = count(node, "carried");
  auto round = copy(*node.regions[0]);
  Builder builder(*round);
  builder.locations = node.locations;
  std::vector<Value*> operands{round->results[0]};
  for (const auto& value : round->parameters) operands.push_back(value.get());
  Regions branches;
  branches.push_back(copy(*node.regions[1]));
  branches.push_back(pass_on(*round, carried));
  round->results = builder.make(*Registry::get().find("cond"), operands, {}, std::move(branches));
  const Op& scan = *Registry::get().find("scan");
  const Shape length{Dim(node.attributes.integer("max_trips"))};
  node.attributes = with_defaults(
      scan, {{"carried", static_cast<std::int64_t>(carried)}, {"sliced", std::int64_t{0}}, {"length", length}});
  node.op = &scan;
  round->owner = &node;
  node.regions.clear();
  node.regions.push_back(std::move(round));
}

// Whether a carried value with a cotangent comes to depend on a wanted operand.
bool varies(const Derivation& d, const Node& node, std::span<const Term> cotangents) {
  std::vector<bool> varying = d.wanted;
  varying.resize(node.operands.size(), true);
  for (std::size_t round = 0; round <= node.results.size(); ++round) {
    const std::vector<bool> reached = d.regions->reached(*node.regions[1], varying);
    for (std::size_t i = 0; i < reached.size(); ++i) varying[i] = varying[i] || reached[i];
  }
  for (std::size_t i = 0; i < cotangents.size(); ++i)
    if (cotangents[i] && varying[i]) return true;
  return false;
}

// ---- cond, forward ----

// Operands of both branches, then tangents of some, as parameters of a branch to be. Its terms hold its address.
struct Branch {
  std::unique_ptr<Region> region = std::make_unique<Region>();
  Builder builder{*region};
  Terms arguments, tangents;  // tangents: null where it has no parameter

  Branch(const Region& from, std::span<const Term> given) : tangents(given.size()) {
    for (const auto& value : from.parameters)
      arguments.push_back(builder.term(region->add_parameter(value->type, value->name)));
    for (std::size_t i = 0; i < given.size(); ++i)
      if (given[i]) tangents[i] = builder.term(region->add_parameter(given[i].type(), ""));
  }
};

}  // namespace

Terms scan_jvp(const Derivation& d, std::span<const Term> tangents) {
  return LoopForward(d, tangents, 0, count(node_of(d), "sliced")).run({});
}

Terms while_jvp(const Derivation& d, std::span<const Term> tangents) {
  LoopForward forward(d, tangents, 1, 0);
  Regions regions;
  regions.push_back(forward.without_tangents(*node_of(d).regions[0]));
  return forward.run(std::move(regions));
}

Terms while_vjp(const Derivation& d, std::span<const Term> cotangents) {
  Node& node = node_of(d);
  if (!varies(d, node, cotangents)) return Terms(node.operands.size());
  if (node.attributes.integer("max_trips") == 0)
    throw UserError(
        node.locations.empty() ? Location{} : node.locations.front(),
        "while: has no reverse-mode derivative without a bound on its rounds; give `max_trips`, or use a scan");
  make_scan(node);
  return scan_vjp(d, cotangents);
}

Terms cond_jvp(const Derivation& d, std::span<const Term> tangents) {
  const Node& node = node_of(d);
  std::deque<Branch> branches;
  std::vector<Terms> derivatives;
  for (const auto& region : node.regions) {
    Branch& branch = branches.emplace_back(*region, tangents.subspan(1));
    const Terms results = d.regions->write(branch.builder, *region, branch.arguments);
    derivatives.push_back(d.regions->push_forward(branch.builder, results, branch.arguments, branch.tangents));
  }
  Terms found(node.results.size());
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (derivatives[0][i] || derivatives[1][i]) places.push_back(i);
  if (places.empty()) return found;
  Regions regions;
  for (std::size_t k = 0; k < branches.size(); ++k) {
    for (const std::size_t i : places)
      branches[k].region->results.push_back(
          written(branches[k].builder, derivatives[k][i], node.result(i)->type).value());
    regions.push_back(std::move(branches[k].region));
  }
  std::vector<Value*> operands = values(d.operands);
  for (const Term& tangent : tangents)
    if (tangent) operands.push_back(tangent.value());
  const std::vector<Value*> results = d.builder.make(d.call.op, operands, {}, std::move(regions));
  for (std::size_t k = 0; k < places.size(); ++k) found[places[k]] = d.builder.term(results[k]);
  return found;
}

}  // namespace gradc
