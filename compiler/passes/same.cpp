// Comparing nodes and the regions in them.
#include "compiler/passes/same.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ir/op.h"

namespace gradc {

namespace {

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

// Whether two regions do the same to their parameters, node by node.
class SameRegions {
 public:
  bool operator()(const Region& a, const Region& b) {
    if (a.parameters.size() != b.parameters.size() || a.nodes.size() != b.nodes.size()) return false;
    for (std::size_t i = 0; i < a.parameters.size(); ++i) {
      if (!pair(*a.parameters[i], *b.parameters[i])) return false;
    }
    for (std::size_t i = 0; i < a.nodes.size(); ++i) {
      if (!same(*a.nodes[i], *b.nodes[i])) return false;
    }
    return paired(a.results, b.results);
  }

 private:
  bool pair(const Value& a, const Value& b) {
    pairs_[&a] = &b;
    return a.type == b.type;
  }

  bool paired(const std::vector<Value*>& a, const std::vector<Value*>& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](const Value* x, const Value* y) { return pairs_.at(x) == y; });
  }

  bool same(const Node& a, const Node& b) {
    if (a.op != b.op || !paired(a.operands, b.operands) || a.results.size() != b.results.size()) return false;
    if (!(a.attributes == b.attributes) || a.regions.size() != b.regions.size()) return false;
    for (std::size_t i = 0; i < a.regions.size(); ++i) {
      if (!(*this)(*a.regions[i], *b.regions[i])) return false;
    }
    for (std::size_t i = 0; i < a.results.size(); ++i) {
      if (!pair(*a.results[i], *b.results[i])) return false;
    }
    return true;
  }

  std::unordered_map<const Value*, const Value*> pairs_;
};

}  // namespace

std::size_t mix(std::size_t seed, std::size_t value) { return (seed ^ value) * 0x9e3779b97f4a7c15ULL + (seed >> 29); }

bool same_but_operands(const Node& a, const Node& b) {
  if (a.op != b.op || a.results.size() != b.results.size()) return false;
  for (std::size_t i = 0; i < a.results.size(); ++i) {
    if (a.results[i]->type != b.results[i]->type) return false;
  }
  if (!(a.attributes == b.attributes) || a.regions.size() != b.regions.size()) return false;
  for (std::size_t i = 0; i < a.regions.size(); ++i) {
    if (!SameRegions()(*a.regions[i], *b.regions[i])) return false;
  }
  return true;
}

std::size_t hash_but_operands(const Node& node) {
  std::size_t seed = std::hash<const void*>()(node.op);
  for (const auto& [name, attribute] : node.attributes) {
    seed = mix(mix(seed, std::hash<std::string>()(name)), hash(attribute));
  }
  return seed;
}

}  // namespace gradc
