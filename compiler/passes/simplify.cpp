// Algebraic rewrites that give the same bits for every input, NaN, infinities and -0 included.
//
//   1. The rules of both families are sorted by the op they look at.
//   2. Nodes are visited in order; the first rule that applies replaces the node.
//   3. Until a round changes nothing. Every rule makes the graph smaller, or moves a broadcast toward the results, or
//      replaces an op by a cheaper one, so that this ends.
//
//   %a = transpose(%x) {permutation = [1, 0]}
//   %b = transpose(%a) {permutation = [1, 0]}   →   %b = %x
#include "compiler/passes/simplify.h"

#include <map>

#include "compiler/passes/match.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/op.h"

namespace gradc {

namespace {

using Rules = std::map<std::string_view, std::vector<SimplifyRule>>;

const Rules& rules() {
  static const Rules table = [] {
    Rules result;
    for (const auto* family : {&arithmetic_rules(), &contraction_rules(), &movement_rules()}) {
      for (const SimplifyRule& rule : *family) result[rule.op].push_back(rule);
    }
    return result;
  }();
  return table;
}

Value* first_result(const std::vector<SimplifyRule>& rules, Builder& builder, const Node& node) {
  for (const SimplifyRule& rule : rules) {
    if (Value* value = rule.apply(builder, node)) return value;
  }
  return nullptr;
}

// stop_gradient(x) = x: nothing is left to differentiate
std::optional<std::vector<Value*>> drop_stop(Builder&, Node& node) {
  if (node.op->name != "stop_gradient") return std::nullopt;
  return std::vector<Value*>{node.operands[0]};
}

std::optional<std::vector<Value*>> simplify_node(Builder& builder, Node& node) {
  if (!node.regions.empty()) return simplify_loop(builder, node);
  if (node.results.size() != 1) return std::nullopt;
  const auto own = rules().find(node.op->name);
  Value* value = own == rules().end() ? nullptr : first_result(own->second, builder, node);
  if (!value) value = first_result(rules().at(""), builder, node);
  if (!value) return std::nullopt;
  return std::vector<Value*>{value};
}

// Rules that need their operand to have no other use.
bool simplify_single_uses(Function& function) {
  const std::unordered_map<const Value*, int> uses = count_uses(function.body);
  return rewrite(function.body, [&](Builder& builder, Node& node) -> std::optional<std::vector<Value*>> {
    if (node.op->name != "transpose") return std::nullopt;
    const auto found = uses.find(node.operands[0]);
    if (found == uses.end() || found->second != 1) return std::nullopt;
    Value* value = transpose_of_dot(builder, node);
    return value ? std::optional(std::vector<Value*>{value}) : std::nullopt;
  });
}

}  // namespace

bool simplify(Function& function, const Options& options) {
  if (is_to_be_differentiated(function, options)) return false;
  bool changed = rewrite(function.body, drop_stop);
  while (rewrite(function.body, simplify_node) || simplify_single_uses(function)) {
    eliminate_dead_code(function, options);
    changed = true;
  }
  return changed;
}

}  // namespace gradc
