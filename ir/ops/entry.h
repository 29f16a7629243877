// Shorthands that the entries of all op families share: argument types, comparisons of terms, samples.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "ir/elementary.h"
#include "ir/op.h"

namespace gradc {

using Scalars = std::span<const Scalar>;
using Terms = std::vector<Term>;

// Comparisons, result bool. Not operators: `==` of two terms should not look like a test of C++.
Term equal(Term a, Term b);
Term less(Term a, Term b);
Term greater(Term a, Term b);
Term equal(Term a, double b);
Term less(Term a, double b);
Term greater(Term a, double b);

// 0, 1, …, n - 1 along `axis` of `shape`.
Term iota(Builder& builder, DType dtype, const Shape& shape, std::int64_t axis);

// Types from their text: types({"f64[2,3]", "i32[]"}).
std::vector<Type> types(std::initializer_list<std::string_view> texts);

// Samples of an elementwise op of `operands` equal operands: one for each type. Those of integers and bools are not
// differentiable.
std::vector<Sample> same_samples(std::size_t operands, std::initializer_list<std::string_view> types, double low = -2,
                                 double high = 2);
// Samples on all float types, or all number types: matrices, odd and prime lengths, scalars, one element, none.
std::vector<Sample> float_samples(std::size_t operands, double low = -2, double high = 2);
std::vector<Sample> number_samples(std::size_t operands, double low = -2, double high = 2);
std::vector<Sample> concat(std::vector<Sample> a, const std::vector<Sample>& b);

// A list attribute where empty stands for `count` times `preset`; fails where it has another length.
IntList filled_list(const Call& call, std::string_view attribute, std::size_t count, std::int64_t preset);

// The result's sizes, and an operand's; both static.
std::vector<std::int64_t> result_sizes(const Call& call);
std::vector<std::int64_t> operand_sizes(const Call& call, std::size_t operand);

// A form that copies elements: domain is the result, its one access reads operand 0 at `index`.
IndexedForm copying_form(const Call& call, std::vector<IndexMap> index);

// Fails where a dimension is negative.
void check_shape(const Call& call, const Shape& shape);

}  // namespace gradc
