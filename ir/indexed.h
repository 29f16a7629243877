// The indexed form: what a regular op computes, as data.
//
//   result[r(i)] = combine over j of body(operand_0[a_0(i, j)], operand_1[a_1(i, j)], …, i, j)
//
// with i over the domain, j over the reduction, and every a_k an affine map with a guard. Broadcast, transpose, slice,
// pad, reduce, dot product, convolution and pooling are all this one form; the interpreter runs it, fusion composes it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/scalar.h"

namespace gradc {

// (Σ coefficients[d] * variable[d] + offset) / divisor. Variables: domain dims, then reduction dims.
// Where the division leaves a remainder, the access is outside, and a point of a reduction is no term at all: gaps of a
// stride are not zeros, which an infinite factor would make NaN.
struct IndexMap {
  std::vector<std::int64_t> coefficients;  // one per variable
  std::int64_t offset = 0;
  std::int64_t divisor = 1;
  friend bool operator==(const IndexMap&, const IndexMap&) = default;
};

struct OperandAccess {
  int operand = 0;              // which operand of the node
  std::vector<IndexMap> index;  // one per operand dimension
  bool guarded = false;         // may fall outside the operand; then `outside` is read
  // May be ±inf. A sum of products may leave a product with an outside of 0 out: where the other factor is not finite,
  // it makes the sum NaN or does not.
  double outside = 0;
};

enum class Combiner : std::uint8_t { none, sum, product, max, min, any, all };
std::string_view name_of(Combiner combiner);
// sum 0, product 1, max -inf or the lowest integer, min the opposite, any false, all true.
ScalarValue identity_of(Combiner combiner, DType type);
// max and min give NaN where either side is NaN; max(-0, +0) is the second.
Scalar combine(ScalarBuilder& builder, Combiner combiner, Scalar a, Scalar b);
ScalarValue combine(Combiner combiner, DType type, ScalarValue a, ScalarValue b);

struct IndexedForm {
  std::vector<std::int64_t> domain;     // parallel dimensions
  std::vector<std::int64_t> reduction;  // reduced dimensions, outer to inner: the order of the interpreter's sum
  std::vector<OperandAccess> accesses;  // argument k of the body is accesses[k]
  ScalarBody body;                      // index d: domain, then reduction variables
  Combiner combiner = Combiner::none;
  std::vector<IndexMap> result;  // one per result dimension, over domain variables; empty: the identity

  std::size_t variables() const { return domain.size() + reduction.size(); }
};

// Maps that are used everywhere.
IndexMap variable(std::size_t variables, std::size_t which, std::int64_t coefficient = 1, std::int64_t offset = 0);
IndexMap constant_index(std::size_t variables, std::int64_t offset);
std::vector<IndexMap> identity_maps(std::size_t variables, std::size_t rank);

}  // namespace gradc
