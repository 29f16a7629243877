// What the elementary functions are made of: constants, polynomials, fields of a float, exact sums and products.
#pragma once

#include <initializer_list>
#include <limits>
#include <vector>

#include "ir/diagnostic.h"
#include "ir/scalar.h"

namespace gradc::elementary {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The layout of a float: f32 has 23 bits of fraction and bias 127, f64 has 52 and 1023.
struct Layout {
  DType bits;    // the integer dtype of the same size
  int fraction;  // bits of fraction
  int bias;
  std::int64_t sign_bit;
  std::int64_t infinity;  // its bits
};
inline Layout layout_of(DType type) {
  if (type == DType::f32) return {DType::i32, 23, 127, std::numeric_limits<std::int32_t>::min(), 0x7f800000};
  ensure(type == DType::f64, "elementary function of a dtype that is no float");
  return {DType::i64, 52, 1023, std::numeric_limits<std::int64_t>::min(), 0x7ff0000000000000};
}

inline Scalar bits_of(ScalarBuilder& b, Scalar x) { return b.bitcast(x, layout_of(x.type).bits); }
inline Scalar shift_right_arithmetic(ScalarBuilder& b, Scalar x, int by) {
  const Scalar args[] = {x, b.integer(x.type, by)};
  return b.emit(Opcode::shift_right_arithmetic, x.type, args);
}
// The sign bit of x, all else zero, as an integer.
inline Scalar sign_bit(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  return bits_of(b, x) & b.integer(layout.bits, layout.sign_bit);
}
// x with its sign flipped where `sign`, a sign bit, is set.
inline Scalar flip_sign(ScalarBuilder& b, Scalar x, Scalar sign) { return b.bitcast(bits_of(b, x) ^ sign, x.type); }
// |x| with the given sign bit.
inline Scalar with_sign(ScalarBuilder& b, Scalar magnitude, Scalar sign) {
  const Layout layout = layout_of(magnitude.type);
  return b.bitcast((bits_of(b, magnitude) & b.integer(layout.bits, ~layout.sign_bit)) | sign, magnitude.type);
}
// 2^n for an integer n of the layout's bits, in the range of normal exponents.
inline Scalar power_of_two(ScalarBuilder& b, Scalar n, DType type) {
  const Layout layout = layout_of(type);
  return b.bitcast((n + layout.bias) << b.integer(layout.bits, layout.fraction), type);
}

// c0 + c1 x + c2 x^2 + …, by Horner's rule.
inline Scalar horner(ScalarBuilder& b, Scalar x, std::initializer_list<double> coefficients) {
  const double* c = coefficients.end();
  Scalar sum = b.number(x.type, *--c);
  while (c != coefficients.begin()) sum = b.fma(sum, x, b.number(x.type, *--c));
  return sum;
}

// The same by pairs, (c0 + c1 x) + x^2 ((c2 + c3 x) + …): half as long a chain, one multiplication more.
inline Scalar horner_of_pairs(ScalarBuilder& b, Scalar x, std::initializer_list<double> coefficients) {
  std::vector<Scalar> pairs;
  for (const double* c = coefficients.begin(); c != coefficients.end();) {
    const Scalar low = b.number(x.type, *c++);
    pairs.push_back(c == coefficients.end() ? low : b.fma(b.number(x.type, *c++), x, low));
  }
  const Scalar square = x * x;
  Scalar sum = pairs.back();
  for (std::size_t i = pairs.size() - 1; i-- > 0;) sum = b.fma(sum, square, pairs[i]);
  return sum;
}

// round(x) as a float and as an integer of the layout's bits, for |x| < 2^(fraction-1): adding 1.5 * 2^fraction leaves
// the integer in the low bits.
struct Rounded {
  Scalar value, integer;
};
inline Rounded round_shifted(ScalarBuilder& b, Scalar shifted, double magic) {
  const Scalar base = b.bitcast(b.number(shifted.type, magic), layout_of(shifted.type).bits);
  return {shifted - magic, bits_of(b, shifted) - base};
}
inline Rounded round_small(ScalarBuilder& b, Scalar x) {
  const double magic = layout_of(x.type).fraction == 23 ? 0x1.8p23 : 0x1.8p52;
  return round_shifted(b, x + magic, magic);
}
// The same of x * factor, of f32, in one instruction less.
inline Rounded round_product_f32(ScalarBuilder& b, Scalar x, double factor) {
  return round_shifted(b, b.fma(x, b.number(DType::f32, factor), b.number(DType::f32, 0x1.8p23)), 0x1.8p23);
}

// A value in two parts, high + low, |low| at most half an ulp of high.
struct Pair {
  Scalar high, low;
};
// a + b exactly (Knuth).
inline Pair two_sum(Scalar x, Scalar y) {
  const Scalar sum = x + y;
  const Scalar y_part = sum - x;
  return {sum, (x - (sum - y_part)) + (y - y_part)};
}
// a + b exactly, |a| >= |b| or a = 0 (Dekker).
inline Pair quick_two_sum(Scalar x, Scalar y) {
  const Scalar sum = x + y;
  return {sum, y - (sum - x)};
}
// The upper half of the significand; the rest is exact too.
inline Scalar upper_half(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  const std::int64_t mask = layout.fraction == 23 ? ~std::int64_t{0xfff} : ~std::int64_t{0x7ffffff};
  return b.bitcast(bits_of(b, x) & b.integer(layout.bits, mask), x.type);
}
// a * b as a pair; exact but for underflow and the last bits of low * low, with or without a fused fma (Dekker).
inline Pair two_product(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar x_high = upper_half(b, x), y_high = upper_half(b, y);
  const Scalar x_low = x - x_high, y_low = y - y_high;
  const Scalar product = x * y;
  const Scalar error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low;
  return {product, error};
}

}  // namespace gradc::elementary
