// Rules over `dot`: its dimension numbers take in the transposes around it. The order of the sum stays.
#include <algorithm>
#include <numeric>

#include "compiler/passes/match.h"
#include "compiler/passes/simplify.h"
#include "ir/op.h"

namespace gradc {

namespace {

bool contains(const IntList& list, std::int64_t i) { return std::find(list.begin(), list.end(), i) != list.end(); }

// The dimensions of one side that are neither contracted nor batch, in order.
IntList free_dims(const Node& dot, std::size_t side) {
  const IntList& contract = dot.attributes.ints(side == 0 ? "contract_a" : "contract_b");
  const IntList& batch = dot.attributes.ints(side == 0 ? "batch_a" : "batch_b");
  IntList free;
  for (std::size_t d = 0; d < dot.operands[side]->type.rank(); ++d) {
    const auto dim = static_cast<std::int64_t>(d);
    if (!contains(contract, dim) && !contains(batch, dim)) free.push_back(dim);
  }
  return free;
}

IntList mapped(const IntList& dims, const IntList& through) {
  IntList result;
  for (const std::int64_t dim : dims) result.push_back(through[static_cast<std::size_t>(dim)]);
  return result;
}

// dot(transpose(x), y) = dot(x, y) over x's own dimensions, where the free ones keep their order; so for y
Value* dot_of_transpose(Builder& builder, const Node& node) {
  for (const std::size_t side : {0U, 1U}) {
    const Node* inner = made_by(node.operands[side], "transpose");
    if (!inner) continue;
    const IntList& permutation = inner->attributes.ints("permutation");
    const IntList free = mapped(free_dims(node, side), permutation);
    if (!std::is_sorted(free.begin(), free.end())) continue;
    Attributes attributes = node.attributes;
    for (const std::string name : {side == 0 ? "contract_a" : "contract_b", side == 0 ? "batch_a" : "batch_b"}) {
      attributes.set(name, mapped(node.attributes.ints(name), permutation));
    }
    std::vector<Value*> operands = node.operands;
    operands[side] = inner->operands[0];
    return builder.make(*node.op, operands, attributes)[0];
  }
  return nullptr;
}

}  // namespace

const std::vector<SimplifyRule>& contraction_rules() {
  static const std::vector<SimplifyRule> rules = {{"dot", dot_of_transpose}};
  return rules;
}

// transpose(dot(a, b)) = dot(b, a) where it does nothing but exchange the free dimensions of a and b
Value* transpose_of_dot(Builder& builder, const Node& node) {
  const Node* dot = made_by(node.operands[0], "dot");
  if (!dot) return nullptr;
  const std::size_t batch = dot->attributes.ints("batch_a").size();
  const std::size_t free_a = free_dims(*dot, 0).size(), rank = dot->result()->type.rank();
  IntList exchange(rank);
  std::iota(exchange.begin(), exchange.end(), 0);
  std::rotate(exchange.begin() + static_cast<std::ptrdiff_t>(batch),
              exchange.begin() + static_cast<std::ptrdiff_t>(batch + free_a), exchange.end());
  if (node.attributes.ints("permutation") != exchange) return nullptr;
  const Attributes& a = dot->attributes;
  return builder.one("dot", {dot->operands[1], dot->operands[0]},
                     {{"contract_a", a.ints("contract_b")},
                      {"contract_b", a.ints("contract_a")},
                      {"batch_a", a.ints("batch_b")},
                      {"batch_b", a.ints("batch_a")}});
}

}  // namespace gradc
