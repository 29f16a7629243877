// The work of a node, by its entry and its indexed form.
#include "compiler/analysis/work.h"

#include "ir/indexed.h"
#include "ir/op.h"

namespace gradc {

namespace {

std::int64_t operations_of(const std::vector<Instr>& code) {
  std::int64_t sum = 0;
  for (const Instr& instr : code) {
    if (instr.op == Opcode::argument || instr.op == Opcode::constant || instr.op == Opcode::index) continue;
    const bool slow = instr.op == Opcode::div || instr.op == Opcode::sqrt || instr.op == Opcode::rem;
    sum += (slow ? 4 : 1) + operations_of(instr.body);
  }
  return sum;
}

Work regular(const Node& node) {
  const IndexedForm form = indexed_form(node);
  std::int64_t points = 1;
  for (std::int64_t extent : form.domain) points *= extent;
  for (std::int64_t extent : form.reduction) points *= extent;
  const bool sum = !form.reduction.empty();
  const std::int64_t operations = operations_of(form.body.code);
  const bool moves = operations == 0 && !sum && form.result.empty() && form.accesses.size() <= 1;
  if (moves) return {Effort::none, 0};
  if (node.op->expensive) return {sum ? Effort::product : Effort::random, points * (operations + 1)};
  return {sum ? Effort::reduction : Effort::elementwise, points * (operations + 1)};
}

}  // namespace

Work work_of(const Node& node) {
  std::int64_t elements = 0;
  for (const auto& result : node.results) elements += result->type.elements();
  for (const Value* operand : node.operands) elements += operand->type.elements();
  switch (node.op->irregular) {
    case Irregular::constant:
    case Irregular::reshape:
      return {Effort::none, 0};
    case Irregular::gather:
      return {Effort::elementwise, node.result()->type.elements()};
    case Irregular::scatter_add:
      return {Effort::reduction, elements};
    case Irregular::pseudo:
    case Irregular::region:
      return {Effort::region, 0};
    case Irregular::none:
      break;
  }
  const bool is_regular = node.op->kind == Kind::elementwise || node.op->indexed;
  return is_regular ? regular(node) : Work{Effort::region, 0};
}

}  // namespace gradc
