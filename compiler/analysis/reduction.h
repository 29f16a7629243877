// How a reduction is walked: a function of its indexed form, dtype and target alone, so that the order of a sum is too.
#pragma once

#include <vector>

#include "ir/indexed.h"
#include "ir/target.h"

namespace gradc {

struct ReductionPlan {
  bool rows = false;  // lanes run over the last run of the reduction; otherwise over a domain dimension
  int lanes = 1;      // rows: lanes of the accumulator
  int lane = -1;      // not rows: that dimension; -1: none has an extent
  // Reduction variables of extent > 1, outer to inner; the variables of a run are walked as one loop.
  std::vector<std::vector<std::size_t>> runs;
  // A variable cut into `parts` of `length` (the last one shorter where it does not divide): partial results first,
  // then these one after another. -1: none.
  int split = -1;
  std::int64_t parts = 1, length = 0;
};

ReductionPlan plan_reduction(const IndexedForm& form, const std::vector<std::vector<std::int64_t>>& operand_shapes,
                             DType dtype, const Target& target);

// Whether the elements of the operand are the points of the form, one for one: each dimension is a variable and each
// variable a dimension. True of the reductions along axes, false of windows and products.
bool spans_operand(const IndexedForm& form, const OperandAccess& access);

// Whether this variable moves the index, and no other.
bool is_alone(const IndexMap& map, std::size_t variable);

// Whether an operand of so many elements is read so often over the form's points that a copy of it, in another order,
// costs next to nothing.
bool worth_copying(const IndexedForm& form, std::int64_t elements);

// How many elements an access moves by when a variable does; row-major operand of this shape.
std::vector<std::int64_t> linear_coefficients(const OperandAccess& access, const std::vector<std::int64_t>& shape,
                                              std::size_t variables);

}  // namespace gradc
