// Moves the nodes of a region out and back in, one by one, through a rule.
#include "compiler/passes/rewrite.h"

#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

namespace {

class Rewriter {
 public:
  explicit Rewriter(const Rule& rule) : rule_(rule) {}

  bool changed() const { return changed_; }

  void walk(Region& region) {
    std::vector<std::unique_ptr<Node>> nodes = std::move(region.nodes);
    region.nodes.clear();
    region.nodes.reserve(nodes.size());
    for (std::unique_ptr<Node>& node : nodes) visit(region, std::move(node));
    for (Value*& value : region.results) value = resolve(replacements_, value);
  }

 private:
  void visit(Region& region, std::unique_ptr<Node> node) {
    for (Value*& operand : node->operands) operand = resolve(replacements_, operand);
    for (const auto& inner : node->regions) walk(*inner);
    Builder builder(region);
    builder.locations = node->locations;
    const auto replacement = rule_(builder, *node);
    if (!replacement) {
      region.nodes.push_back(std::move(node));
      return;
    }
    changed_ = true;
    ensure(replacement->size() == node->results.size(), "a rule replaces every result");
    for (std::size_t i = 0; i < replacement->size(); ++i) replace(*node->results[i], *(*replacement)[i]);
    dropped_.push_back(std::move(node));
  }

  void replace(const Value& old, Value& value) {
    if (old.type != value.type) {
      internal_error("a rule replaces " + old.type.str() + " by " + value.type.str() +
                     (old.node ? " for " + std::string(old.node->op->name) : std::string()));
    }
    if (value.name.empty()) value.name = old.name;
    replacements_[&old] = &value;
  }

  const Rule& rule_;
  ValueMap replacements_;
  std::vector<std::unique_ptr<Node>> dropped_;  // alive to the end, so that no address is used twice
  bool changed_ = false;
};

}  // namespace

Value* resolve(const ValueMap& replacements, Value* value) {
  for (auto found = replacements.find(value); found != replacements.end(); found = replacements.find(value)) {
    value = found->second;
  }
  return value;
}

bool rewrite(Region& region, const Rule& rule) {
  Rewriter rewriter(rule);
  rewriter.walk(region);
  return rewriter.changed();
}

}  // namespace gradc
