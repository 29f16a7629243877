// Counts the multiply-adds of contractions: see multiply_adds.h.
#include "compiler/analysis/multiply_adds.h"

#include "compiler/analysis/contraction.h"
#include "ir/op.h"

namespace gradc {

std::int64_t multiply_adds_of(const Node& node) {
  if (!node.regions.empty() || node.op->irregular != Irregular::none || node.op->kind == Kind::composite) return 0;
  const IndexedForm form = indexed_form(node);
  if (form.combiner != Combiner::sum) return 0;
  std::vector<std::vector<std::int64_t>> shapes;
  for (const Value* operand : node.operands) shapes.push_back(sizes(operand->type.shape));
  if (!find_contraction(form, shapes, node.result()->type.dtype)) return 0;
  std::int64_t terms = 1, divisor = 1;
  for (std::int64_t extent : form.domain) terms *= extent;
  for (std::int64_t extent : form.reduction) terms *= extent;
  for (const OperandAccess& access : form.accesses)
    for (const IndexMap& map : access.index) divisor *= map.divisor;
  return terms / divisor;
}

std::int64_t multiply_adds_of(const Region& region) {
  std::int64_t sum = 0;
  for (const auto& node : region.nodes) {
    sum += multiply_adds_of(*node);
    const std::int64_t rounds = most_rounds(*node).value_or(Dim(1)).factor;
    for (const auto& inner : node->regions) sum += rounds * multiply_adds_of(*inner);
  }
  return sum;
}

}  // namespace gradc
