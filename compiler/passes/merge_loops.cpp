// Merges a loop or branch into another one that computes all of it, and more.
//
//   1. Of two scans of equal rounds, two whiles or two conds of one predicate, the values of both are numbered: equal
//      numbers for slices and invariants that are one operand, for carried values that begin as one, and for nodes of
//      one op on equal numbers.
//   2. Carried values whose next values differ in number are told apart, and all is numbered again, until nothing
//      changes. What has equal numbers then is equal in all rounds, by induction.
//   3. The first is part of the second where each of its results has its number in the second: as a result there, or as
//      a value of its region, which becomes one more result. Where all that a loop carries is there, what it emits may
//      be missing: its nodes move over. A while's conditions must be equal too.
//   4. The second must not depend on the first. It takes over the first one's uses; what stands between them and reads
//      those goes behind the second.
//
//   %h = scan(%a, %w) (…) { %n = f(…) yield %n }
//   %y = g(%h)
//   %k, %t = scan(%a, %da, %w) (…) { %n = f(…) … yield %n, %m }
//   → %k, %t = scan(%a, %da, %w) (…) { %n = f(…) … yield %n, %m }
//     %y = g(%k)
//
// So the forward mode of a loop, which carries values and tangents, gives the values too. The pass follows
// hoist_from_scan: a loop that has left another one, while what computes more of it could not, stays outside.
#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "compiler/passes/pass.h"
#include "compiler/passes/same.h"
#include "ir/op.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

// A loop or branch with its values' numbers.
struct Numbered {
  const Node* node;
  Wiring wiring;
  std::vector<int> groups;  // by carried value: those of one group may be equal

  Numbered(const Node& node, const Wiring& wiring) : node(&node), wiring(wiring), groups(wiring.carried, 0) {}
};

enum class Part : std::uint8_t { carried, sliced, invariant };

// Numbers of the values inside of two nodes.
class Numbers {
 public:
  Numbers(Numbered& a, Numbered& b) : loops_{&a, &b} {
    do number();
    while (split());
  }

  int of(const Value* value) const { return numbers_.at(value); }

 private:
  void number() {
    numbers_.clear();
    parameters_.clear();
    nodes_.clear();
    next_ = 0;
    for (const Numbered* loop : loops_) {
      for (const auto& region : loop->node->regions) {
        for (const auto& parameter : region->parameters) number_parameter(*loop, *parameter);
        for (const auto& node : region->nodes) number_node(*node);
      }
    }
  }

  void number_parameter(const Numbered& loop, const Value& parameter) {
    const std::size_t operand = static_cast<std::size_t>(parameter.index) + loop.wiring.leading;
    const Part part = operand < loop.wiring.first_sliced()      ? Part::carried
                      : operand < loop.wiring.first_invariant() ? Part::sliced
                                                                : Part::invariant;
    const int group = part == Part::carried ? loop.groups[operand] : 0;
    const auto [place, is_new] = parameters_.emplace(std::tuple(part, loop.node->operands[operand], group), next_);
    if (is_new) ++next_;
    numbers_[&parameter] = place->second;
  }

  void number_node(const Node& node) {
    std::size_t key = hash_but_operands(node);
    for (const Value* operand : node.operands) key = mix(key, static_cast<std::size_t>(of(operand)));
    const auto equal = [&](const Node& other) {
      return std::equal(node.operands.begin(), node.operands.end(), other.operands.begin(), other.operands.end(),
                        [&](const Value* x, const Value* y) { return of(x) == of(y); }) &&
             same_but_operands(node, other);
    };
    const auto [first, last] = nodes_.equal_range(key);
    const auto found = std::find_if(first, last, [&](const auto& entry) { return equal(*entry.second); });
    for (std::size_t i = 0; i < node.results.size(); ++i)
      numbers_[node.result(i)] = found == last ? next_++ : of(found->second->result(i));
    if (found == last) nodes_.emplace(key, &node);
  }

  // Tells carried values apart by what they become; says whether there are more groups now.
  bool split() {
    std::map<std::tuple<const Value*, int, int>, int> groups;
    const std::size_t before = group_count_;
    for (Numbered* loop : loops_) {
      for (std::size_t i = 0; i < loop->groups.size(); ++i) {
        const int next = of(loop->node->regions.back()->results[i]);
        const auto number = static_cast<int>(groups.size());
        loop->groups[i] =
            groups.emplace(std::tuple(loop->node->operands[i], loop->groups[i], next), number).first->second;
      }
    }
    group_count_ = groups.size();
    return group_count_ > before;
  }

  Numbered* loops_[2];
  std::unordered_map<const Value*, int> numbers_;
  std::map<std::tuple<Part, const Value*, int>, int> parameters_;
  std::unordered_multimap<std::size_t, const Node*> nodes_;
  int next_ = 0;
  std::size_t group_count_ = 0;
};

// What is the same for two loops if one is to be part of the other: all attributes but how much they carry and slice.
bool run_alike(const Node& a, const Node& b, const Wiring& wiring) {
  if (a.op != b.op || !std::equal(a.operands.begin(), a.operands.begin() + static_cast<std::ptrdiff_t>(wiring.leading),
                                  b.operands.begin()))
    return false;
  if (a.attributes.has("length") && rounds_of(a) != rounds_of(b)) return false;
  return std::all_of(a.attributes.begin(), a.attributes.end(), [&](const auto& entry) {
    const auto& [name, value] = entry;
    return name == "carried" || name == "sliced" || name == "length" || *b.attributes.find(name) == value;
  });
}

// Finds the results of one loop in another.
class Containment {
 public:
  Containment(const Node& part, Node& whole, const Wiring& wiring)
      : part_(part, wiring), whole_node_(whole), whole_(whole, *wiring_of(whole)), numbers_(part_, whole_) {
    for (const auto& region : whole.regions) {
      std::unordered_map<int, Value*>& values = values_.emplace_back();
      for (const auto& parameter : region->parameters) values.emplace(numbers_.of(parameter.get()), parameter.get());
      for (const auto& node : region->nodes)
        for (const auto& result : node->results) values.emplace(numbers_.of(result.get()), result.get());
    }
  }

  // Whether all of them are there, or follow there from what is.
  bool holds() {
    for (std::size_t r = 0; r < part_.node->regions.size(); ++r) {
      if (yields_results(*part_.node->op, r)) continue;
      if (numbers_.of(part_.node->regions[r]->results[0]) != numbers_.of(whole_node_.regions[r]->results[0]))
        return false;
    }
    for (std::size_t i = 0; i < part_.node->results.size(); ++i)
      if (!find(i)) return false;
    return find_movers();
  }

  // What stands for each result; the whole gives those too that it does not yet.
  std::vector<Value*> results() {
    move_over();
    std::vector<Value*> found;
    std::map<std::vector<Value*>, Value*> made;
    for (Place& place : places_) {
      if (place.missing) place.yields = {moved_.at(place.missing)};
      if (place.yields.empty()) {
        found.push_back(whole_node_.result(place.result));
        continue;
      }
      Value*& result = made[place.yields];
      if (!result) result = add_result(whole_node_, place.yields);
      found.push_back(result);
    }
    return found;
  }

 private:
  // A result of the whole; or what its regions have to yield for one; or what the part yields and the whole lacks.
  struct Place {
    std::size_t result = 0;
    std::vector<Value*> yields = {};
    const Value* missing = nullptr;
  };

  // The numbers of a result in the regions that yield it.
  std::vector<int> key(const Numbered& loop, std::size_t i) const {
    std::vector<int> result;
    if (i < loop.wiring.carried) return {numbers_.of(loop.node->regions[0]->parameters[i].get())};
    for (std::size_t r = 0; r < loop.node->regions.size(); ++r)
      if (yields_results(*loop.node->op, r)) result.push_back(numbers_.of(loop.node->regions[r]->results[i]));
    return result;
  }

  bool find(std::size_t i) {
    const bool carried = i < part_.wiring.carried;
    const std::vector<int> wanted = key(part_, i);
    const std::size_t first = carried ? 0 : whole_.wiring.carried;
    const std::size_t end = carried ? whole_.wiring.carried : whole_node_.results.size();
    for (std::size_t j = first; j < end; ++j) {
      if (key(whole_, j) != wanted) continue;
      places_.push_back({j});
      return true;
    }
    if (carried) return false;
    std::vector<Value*> yields;
    for (std::size_t r = 0; r < wanted.size(); ++r)
      if (Value* value = value_of(r, wanted[r])) yields.push_back(value);
    if (yields.size() == wanted.size()) {
      places_.push_back({0, std::move(yields)});
      return true;
    }
    const Value* missing = part_.node->regions[0]->results[i];
    if (part_.wiring.carried == 0 || !missing->node) return false;
    places_.push_back({0, {}, missing});
    missing_.insert(missing);
    return true;
  }

  Value* value_of(std::size_t region, int number) const {
    const auto found = values_[region].find(number);
    return found == values_[region].end() ? nullptr : found->second;
  }
  Value* there(const Value* value) const { return value_of(0, numbers_.of(value)); }

  // Finds the nodes that make what is missing; says whether all that they read is there.
  bool find_movers() {
    const auto& nodes = part_.node->regions[0]->nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      const auto is_missing = [&](const auto& result) { return missing_.contains(result.get()); };
      if (std::none_of((*node)->results.begin(), (*node)->results.end(), is_missing)) continue;
      movers_.push_back(node->get());
      for (const Value* operand : (*node)->operands) {
        if (there(operand)) continue;
        if (!operand->node) return false;
        missing_.insert(operand);
      }
    }
    return true;
  }

  void move_over() {
    Builder builder(*whole_node_.regions[0]);
    for (auto node = movers_.rbegin(); node != movers_.rend(); ++node) {
      for (const Value* operand : (*node)->operands)
        if (!moved_.contains(operand)) moved_[operand] = there(operand);
      builder.clone(**node, moved_);
    }
  }

  Numbered part_;
  Node& whole_node_;
  Numbered whole_;
  const Numbers numbers_;
  std::vector<std::unordered_map<int, Value*>> values_;  // of the whole, by region and number
  std::vector<Place> places_;
  std::unordered_set<const Value*> missing_;  // of the part
  std::vector<const Node*> movers_;           // last to first
  ValueMap moved_;                            // of the part, in the whole
};

using Nodes = std::vector<std::unique_ptr<Node>>;

// The nodes in [first, end) that depend on the first, which is one of them.
std::unordered_set<const Node*> dependents(const Nodes& nodes, std::size_t first, std::size_t end) {
  std::unordered_set<const Node*> found{nodes[first].get()};
  for (std::size_t i = first + 1; i < end; ++i) {
    const auto depends = [&](const Value* operand) { return operand->node && found.contains(operand->node); };
    if (std::any_of(nodes[i]->operands.begin(), nodes[i]->operands.end(), depends)) found.insert(nodes[i].get());
  }
  return found;
}

// Makes node `part` of the region one with node `whole`, where it is part of it.
bool merge(Region& region, std::size_t part, std::size_t whole) {
  Node &from = *region.nodes[part], &to = *region.nodes[whole];
  const std::optional<Wiring> wiring = wiring_of(from);
  if (!wiring || !run_alike(from, to, *wiring)) return false;
  std::unordered_set<const Node*> late;
  if (part < whole) late = dependents(region.nodes, part, whole + 1);
  if (late.contains(&to)) return false;
  Containment containment(from, to, *wiring);
  if (!containment.holds()) return false;
  const std::vector<Value*> results = containment.results();
  ValueMap replaced;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]->name.empty()) results[i]->name = from.result(i)->name;
    replaced[from.result(i)] = results[i];
  }
  unite(to.locations, from.locations);
  const std::unique_ptr<Node> dropped = std::move(region.nodes[part]);
  late.erase(dropped.get());
  if (part < whole)
    std::stable_partition(region.nodes.begin() + static_cast<std::ptrdiff_t>(part),
                          region.nodes.begin() + static_cast<std::ptrdiff_t>(whole) + 1,
                          [&](const auto& node) { return !late.contains(node.get()); });
  std::erase(region.nodes, nullptr);
  replace_uses(region, replaced);
  return true;
}

bool merge_one(Region& region) {
  for (std::size_t part = 0; part < region.nodes.size(); ++part) {
    if (!wiring_of(*region.nodes[part])) continue;
    for (std::size_t whole = 0; whole < region.nodes.size(); ++whole)
      if (part != whole && merge(region, part, whole)) return true;
  }
  return false;
}

bool merge_in(Region& region) {
  bool changed = false;
  while (merge_one(region)) changed = true;
  for (const auto& node : region.nodes) {
    if (!wiring_of(*node)) continue;
    for (const auto& inner : node->regions) changed |= merge_in(*inner);
  }
  return changed;
}

}  // namespace

bool merge_loops(Function& function, const Options& options) {
  return !is_to_be_differentiated(function, options) && merge_in(function.body);
}

}  // namespace gradc
