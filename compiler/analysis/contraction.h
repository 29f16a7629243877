// Recognises sums of products of two operands by their indexed form: matrix products and all products of a convolution.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/indexed.h"
#include "ir/type.h"

namespace gradc {

// A variable of the form, of extent > 1. Reversed: it runs downwards, so that the first operand is walked upwards.
struct ContractionDim {
  std::size_t variable = 0;
  std::int64_t extent = 1;
  bool reversed = false;
};

// Variables by the operands they move: batch both, m the first access only, n the second only; k are the reduced ones,
// outer to inner as the first access walks memory. That order is the order of the sum.
struct Contraction {
  std::vector<ContractionDim> batch, m, n, k;
};

std::int64_t product(const std::vector<ContractionDim>& dims);
bool contains(const std::vector<ContractionDim>& dims, std::size_t variable);

// Whether the form is a sum, of floats, over products of its two operands: each term is added by one fma.
bool sums_products(const IndexedForm& form, DType dtype);

// None where the form is no such sum, or where the result is so small that it is better reduced in lanes.
std::optional<Contraction> find_contraction(const IndexedForm& form,
                                            const std::vector<std::vector<std::int64_t>>& operand_shapes, DType dtype);

}  // namespace gradc
