// The parts of a contraction's lowering: operands brought into the order of its tiles, and the kernels that run them.
#pragma once

#include <string>
#include <vector>

#include "compiler/lower/contract_plan.h"
#include "compiler/lower/lowering.h"

namespace gradc {

// An operand as tiles read it: element base + Σ coefficient * variable of a buffer, without bounds.
struct Panel {
  int buffer = -1;
  std::int64_t base = 0;
  std::vector<std::int64_t> coefficients;  // of form variables, reversed ones already turned
  std::int64_t block = 0;                  // packed: elements from one block of lanes to the next
};

struct ContractionTask {
  const Node* node = nullptr;
  IndexedForm form;
  bool empty = false;  // of terms: the result is zero
  Contraction dims;
  ContractionPlan plan;
  OperandFacts facts[2];

  std::int64_t extent(std::size_t variable) const;
  const Value* operand(int access) const;
};

// The broadcast operand: in place, or a copy of all elements that are read with zeros around.
Panel place_rows_operand(Lowering& lowering, const ContractionTask& task);
// The lanes operand for one kind of blocks: in place, copied as [block][dimension…][lanes], or packed as
// [batch…][outer n…][block][k…][lanes]; zeros behind the last column.
Panel place_lanes_operand(Lowering& lowering, const ContractionTask& task, const Pieces& pieces);

}  // namespace gradc
