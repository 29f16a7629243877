// Merges nodes that compute the same: one op, equal attributes, the same operands, equal regions.
//
//   1. Nodes are visited in order; operands are replaced by what they were merged with. A region, which reads nothing
//      from outside, is worked on by itself, before its node is compared.
//   2. A table from a hash of (op, operands, attributes) to the first such node of the region.
//   3. The first stays and takes the other's locations. All ops are pure, random ones included: their counter is an
//      operand.
//   4. Of a loop or branch, operands that are one value are read by one parameter, carried values that start and go on
//      as one are one, and of equal yields one is read. What is left over is dead code.
#include <unordered_map>

#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/same.h"
#include "ir/op.h"
#include "ir/ops/wiring.h"

namespace gradc {

namespace {

using Table = std::unordered_multimap<std::size_t, Node*>;

std::size_t hash(const Node& node) {
  std::size_t seed = hash_but_operands(node);
  for (const Value* operand : node.operands) seed = mix(seed, std::hash<const void*>()(operand));
  return seed;
}

bool same(const Node& a, const Node& b) { return a.operands == b.operands && same_but_operands(a, b); }

Node* find(const Table& table, std::size_t key, const Node& node) {
  const auto [first, last] = table.equal_range(key);
  for (auto entry = first; entry != last; ++entry) {
    if (same(*entry->second, node)) return entry->second;
  }
  return nullptr;
}

class Merger {
 public:
  explicit Merger(const Region& region) : uses_(count_uses(region)) {}

  bool run(Region& region) {
    Table table;
    bool changed = false;
    for (std::unique_ptr<Node>& node : region.nodes) {
      for (Value*& operand : node->operands) operand = resolve(merged_, operand);
      changed |= merge_within(*node);
      const std::size_t key = hash(*node);
      Node* first = find(table, key, *node);
      if (!first) {
        table.emplace(key, node.get());
        continue;
      }
      merge(*first, *node);
      dropped_.push_back(std::move(node));
      changed = true;
    }
    std::erase(region.nodes, nullptr);
    for (Value*& value : region.results) value = resolve(merged_, value);
    return changed;
  }

 private:
  void merge(Node& first, Node& other) {
    unite(first.locations, other.locations);
    for (std::size_t i = 0; i < first.results.size(); ++i) {
      if (first.results[i]->name.empty()) first.results[i]->name = other.results[i]->name;
      merged_[other.results[i].get()] = first.results[i].get();
    }
  }

  // `other` is read no more where anything reads it; says whether anything does.
  bool merge(Value* first, Value* other) {
    if (first == other || merged_.contains(other) || uses_[other] == 0) return false;
    merged_[other] = first;
    return true;
  }

  // ---- step 4 ----

  bool merge_within(Node& node) {
    bool changed = false;
    const std::optional<Wiring> wiring = wiring_of(node);
    if (wiring) changed |= merge_parameters(node, *wiring);
    for (const auto& region : node.regions) changed |= run(*region);
    if (wiring) changed |= merge_results(node, *wiring);
    return changed;
  }

  bool merge_parameters(Node& node, const Wiring& wiring) {
    bool changed = false;
    const auto pass = [&](std::size_t first, std::size_t end) {
      std::unordered_map<const Value*, std::size_t> seen;
      for (std::size_t i = first; i < end; ++i) {
        const auto [earlier, is_new] = seen.emplace(node.operands[i], i);
        if (is_new) continue;
        for (const auto& region : node.regions) {
          changed |= merge(region->parameters[earlier->second - wiring.leading].get(),
                           region->parameters[i - wiring.leading].get());
        }
      }
    };
    pass(wiring.first_sliced(), wiring.first_invariant());
    pass(wiring.first_invariant(), node.operands.size());
    return changed;
  }

  // Whether two results of the node are one value: in each region that yields them, and from the start.
  static bool one_result(const Node& node, const Wiring& wiring, std::size_t a, std::size_t b) {
    if ((a < wiring.carried) != (b < wiring.carried)) return false;
    if (a < wiring.carried && node.operands[a] != node.operands[b]) return false;
    for (std::size_t r = 0; r < node.regions.size(); ++r) {
      const std::vector<Value*>& yields = node.regions[r]->results;
      if (yields_results(*node.op, r) && yields[a] != yields[b]) return false;
    }
    return true;
  }

  bool merge_results(Node& node, const Wiring& wiring) {
    bool changed = false;
    for (std::size_t b = 1; b < node.results.size(); ++b) {
      for (std::size_t a = 0; a < b; ++a) {
        if (!one_result(node, wiring, a, b)) continue;
        changed |= merge(node.result(a), node.result(b));
        for (const auto& region : node.regions) {
          if (b >= wiring.carried || !merge(region->parameters[a].get(), region->parameters[b].get())) continue;
          replace_uses(*region, {{region->parameters[b].get(), region->parameters[a].get()}});
          changed = true;
        }
        break;
      }
    }
    return changed;
  }

  ValueMap merged_;
  std::unordered_map<const Value*, int> uses_;  // before the pass
  std::vector<std::unique_ptr<Node>> dropped_;  // alive to the end, so that no address is used twice
};

}  // namespace

bool eliminate_common_subexpressions(Function& function, const Options& options) {
  return !is_to_be_differentiated(function, options) && Merger(function.body).run(function.body);
}

}  // namespace gradc
