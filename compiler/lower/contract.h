// The parts of a contraction's lowering: operands brought into the order of its tiles, and the kernels that run them.
#pragma once

#include <optional>
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
  bool empty = false;   // of terms: the result is zero
  bool shares = false;  // what it copies, with other parts of the node's form
  Contraction dims;
  ContractionPlan plan;
  OperandFacts facts[2];

  std::int64_t extent(std::size_t variable) const;
  const Value* operand(int access) const;
};

// A dimension of a copy: a dimension of the operand, or the blocks or the columns of its lane dimension.
struct CopyDim {
  enum class Of : std::uint8_t { dim, block, column } of = Of::dim;
  std::size_t dim = 0;
  std::int64_t extent = 1, stored = 1;  // elements written, and those from one to the next of the dimension around
  std::optional<std::size_t> variable;  // the one it belongs to, of several that move the operand's dimension
  std::int64_t step = 1;                // in the operand
};

// The broadcast operand: in place, or a copy of all elements that are read with zeros around, which is not made yet.
struct RowsOperand {
  Panel panel;                // of a copy, without its buffer
  std::vector<CopyDim> copy;  // empty: in place
};
RowsOperand place_rows_operand(Lowering& lowering, const ContractionTask& task);
// Makes the copy before the kernel, where there is none yet.
void copy_rows(Lowering& lowering, const ContractionTask& task, RowsOperand& rows);
// Or a part of it in each round of the kernel's outermost loop, in the worker's scratch, where it is met before it
// leaves the cache: possible where the loop walks the copy's first dimension.
bool is_copied_by_rounds(Lowering& lowering, const ContractionTask& task, const RowsOperand& rows, std::size_t loop);
void reserve_round(Lowering& lowering, const ContractionTask& task, RowsOperand& rows, std::size_t loop);
void copy_round(Lowering& lowering, KernelWriter& writer, Engine& engine, const ContractionTask& task,
                const RowsOperand& rows, const Affine& round);
// The lanes operand for one kind of blocks: in place, copied as [block][dimension…][lanes], or packed as
// [batch…][outer n…][block][k…][lanes]; zeros behind the last column.
Panel place_lanes_operand(Lowering& lowering, const ContractionTask& task, const Pieces& pieces);

}  // namespace gradc
