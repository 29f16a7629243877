// Merges nodes that compute the same: one op, equal attributes, the same operands.
//
//   1. Nodes are visited in order; operands are replaced by what they were merged with.
//   2. A table from a hash of (op, operands, attributes) to the first such node; a region sees the tables around it.
//   3. The first stays and takes the other's locations. All ops are pure, random ones included: their counter is an
//      operand. Nodes with regions are left alone.
#include <string>
#include <unordered_map>

#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/op.h"

namespace gradc {

namespace {

struct Table {
  const Table* outer = nullptr;
  std::unordered_multimap<std::size_t, Node*> nodes;
};

std::size_t mix(std::size_t seed, std::size_t value) { return (seed ^ value) * 0x9e3779b97f4a7c15ULL + (seed >> 29); }

// A short stand-in for an attribute: literals by their first bytes, the rest by their text.
std::size_t hash(const Attribute& attribute) {
  if (const auto* literal = std::get_if<Literal>(&attribute)) {
    const Tensor& tensor = **literal;
    const auto length = static_cast<std::size_t>(std::min<std::int64_t>(tensor.bytes(), 256));
    const std::string_view bytes(reinterpret_cast<const char*>(tensor.data()), length);
    return std::hash<std::string_view>()(bytes);
  }
  return std::hash<std::string>()(str(attribute));
}

std::size_t hash(const Node& node) {
  std::size_t seed = std::hash<const void*>()(node.op);
  for (const Value* operand : node.operands) seed = mix(seed, std::hash<const void*>()(operand));
  for (const auto& [name, attribute] : node.attributes) {
    seed = mix(mix(seed, std::hash<std::string>()(name)), hash(attribute));
  }
  return seed;
}

bool same(const Node& a, const Node& b) {
  if (a.op != b.op || a.operands != b.operands || a.results.size() != b.results.size()) return false;
  for (std::size_t i = 0; i < a.results.size(); ++i) {
    if (a.results[i]->type != b.results[i]->type) return false;
  }
  return a.attributes == b.attributes;
}

Node* find(const Table* table, std::size_t key, const Node& node) {
  for (; table; table = table->outer) {
    const auto [first, last] = table->nodes.equal_range(key);
    for (auto entry = first; entry != last; ++entry) {
      if (same(*entry->second, node)) return entry->second;
    }
  }
  return nullptr;
}

class Merger {
 public:
  bool run(Region& region, const Table* outer) {
    Table table{outer, {}};
    bool changed = false;
    for (std::unique_ptr<Node>& node : region.nodes) {
      for (Value*& operand : node->operands) operand = resolve(merged_, operand);
      if (!node->regions.empty()) {
        for (const auto& inner : node->regions) changed |= run(*inner, &table);
        continue;
      }
      const std::size_t key = hash(*node);
      Node* first = find(&table, key, *node);
      if (!first) {
        table.nodes.emplace(key, node.get());
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

  ValueMap merged_;
  std::vector<std::unique_ptr<Node>> dropped_;  // alive to the end, so that no address is used twice
};

}  // namespace

bool eliminate_common_subexpressions(Function& function, const Options& options) {
  return !is_to_be_differentiated(function, options) && Merger().run(function.body, nullptr);
}

}  // namespace gradc
