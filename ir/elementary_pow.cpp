// pow: 2^(y log2 |x|), with the logarithm in f64 for f32 and in pairs of f64 for f64, then the cases of C's Annex F.
//
// Coefficients: tests/golden/elementary_coefficients.sollya.
#include "ir/elementary.h"
#include "ir/elementary_exp.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {
namespace {

Scalar f64(ScalarBuilder& b, double value) { return b.number(DType::f64, value); }

// x = 2^k m for x >= 0 finite, m in [sqrt(1/2), sqrt(2)); both f64.
struct Split {
  Scalar k, m;
};
Split split_f64(ScalarBuilder& b, Scalar x) {
  const Scalar denormal = x < f64(b, 0x1p-1022);
  const Scalar bits = bits_of(b, b.select(denormal, x * 0x1p54, x));
  const Scalar root = b.bitcast(f64(b, 0x1.6a09e667f3bcdp-1), DType::i64);
  const Scalar k = shift_right_arithmetic(b, bits - root, 52);
  const Scalar m = b.bitcast(bits - (k << b.integer(DType::i64, 52)), DType::f64);
  return {b.convert(k, DType::f64) - b.select(denormal, f64(b, 54), f64(b, 0)), m};
}

// For x >= 0.
Scalar log2_with_poles(ScalarBuilder& b, Scalar x, Scalar result) {
  const Scalar inf = f64(b, kInf);
  return b.select(x == f64(b, 0), -inf, b.select(x < inf, result, x));  // inf and NaN stay
}

// The product y log2 |x|, with the limits of Annex F where a factor is 0: |x| = 1 to any power but NaN.
Scalar product_or_zero(ScalarBuilder& b, Scalar magnitude, Scalar y, Scalar product) {
  const Scalar unit = (magnitude == b.number(magnitude.type, 1)) & (y == y);
  return b.select(unit, b.number(product.type, 0), product);
}

// |x|^y with its sign; NaN for negative x and y no integer; x^0 and 1^y are 1, even for NaN.
Scalar finish_pow(ScalarBuilder& b, Scalar x, Scalar y, Scalar magnitude) {
  const Layout layout = layout_of(x.type);
  const Scalar zero = b.number(x.type, 0), one = b.number(x.type, 1);
  const Scalar half = y * 0.5;
  const Scalar integer = round(b, y) == y;  // infinities are even integers
  const Scalar odd = integer & (round(b, half) != half);
  const Scalar sign = b.select(odd, sign_bit(b, x), b.integer(layout.bits, 0));
  const Scalar fraction = (x < zero) & (x > b.number(x.type, -kInf)) & ~integer;
  const Scalar result = b.select(fraction, b.number(x.type, kNaN), with_sign(b, magnitude, sign));
  return b.select((y == zero) | (x == one), one, result);
}

// ---- f32 ----

// log2(x), relative error 2^-42: s g(s^2), s = (m - 1) / (m + 1).
Scalar log2_f64(ScalarBuilder& b, Scalar x) {
  const Split split = split_f64(b, x);
  const Scalar s = (split.m - 1) / (split.m + 1);
  const Scalar g = horner(b, s * s,
                          {0x1.71547652b7e85p1, 0x1.ec709dc7c2114p-1, 0x1.2776c0b2db28bp-1, 0x1.a61b5293ee49ep-2,
                           0x1.476e90ac81961p-2, 0x1.239083a5235d7p-2});
  return log2_with_poles(b, x, b.fma(s, g, split.k));
}

Scalar pow_f32(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar magnitude = b.convert(abs(b, x), DType::f64), exponent = b.convert(y, DType::f64);
  const Scalar product = product_or_zero(b, magnitude, exponent, exponent * log2_f64(b, magnitude));
  const Scalar top = f64(b, 200), bottom = f64(b, -200);
  const Scalar bounded = b.select(product > top, top, b.select(product < bottom, bottom, product));
  const Rounded n = round_small(b, bounded);
  // 2^r on [-1/2, 1/2], relative error 2^-33.8.
  const Scalar power = horner(b, bounded - n.value,
                              {1, 0x1.62e42fef7b54p-1, 0x1.ebfbe07ae0184p-3, 0x1.c6b08df4875ep-5, 0x1.3b29f0d5bb3dap-7,
                               0x1.5d872379cf585p-10, 0x1.445e8d555841bp-13, 0x1.00f1506426862p-16});
  return finish_pow(b, x, y, b.convert(power * power_of_two(b, n.integer, DType::f64), DType::f32));
}

// ---- f64 ----

Pair times(ScalarBuilder& b, Pair x, Pair y) {
  const Pair product = two_product(b, x.high, y.high);
  return quick_two_sum(product.high, product.low + (x.high * y.low + x.low * y.high));
}
Pair plus(Pair x, Pair y) {  // |x| >= |y|, or x = 0
  const Pair sum = quick_two_sum(x.high, y.high);
  return quick_two_sum(sum.high, sum.low + (x.low + y.low));
}

// log2(x), relative error about 2^-65: 2 / ln 2 * atanh(s), s = (m - 1) / (m + 1), atanh(s) = s + s z (1/3 + z q(z))
// with z = s^2.
Pair log2_pair(ScalarBuilder& b, Scalar x) {
  const Split split = split_f64(b, x);
  const Scalar f = split.m - 1;
  const Pair d = two_sum(split.m, f64(b, 1));
  const Scalar s_high = f / d.high;
  const Pair back = two_product(b, s_high, d.high);
  const Scalar rest = ((f - back.high) - back.low) - s_high * d.low;
  const Pair s = quick_two_sum(s_high, rest / d.high);
  const Pair z = times(b, s, s);
  // Relative error 2^-54, of a term below 2^-12 of the result.
  const Scalar q = horner(b, z.high,
                          {0x1.999999999999ap-3, 0x1.24924924922e6p-3, 0x1.c71c71c7525f8p-4, 0x1.745d1738b55a2p-4,
                           0x1.3b13ab37476c9p-4, 0x1.1115111583d0ap-4, 0x1.e024b55aa4be2p-5, 0x1.da4110a9497c7p-5});
  const Pair third{f64(b, 0x1.5555555555555p-2), f64(b, 0x1.5555555555555p-56)};
  const Pair p = plus(third, {z.high * q, f64(b, 0)});
  const Pair atanh = plus(s, times(b, times(b, s, z), p));
  const Pair scaled = times(b, atanh, {f64(b, 0x1.71547652b82fep+1), f64(b, 0x1.777d0ffda0d24p-55)});
  return plus({split.k, f64(b, 0)}, scaled);
}

// 2^(high + low) for |high| <= 1100.
Scalar exp2_pair(ScalarBuilder& b, Pair x) {
  const Rounded n = round_small(b, x.high);
  const Pair ln2{f64(b, 0x1.62e42fefa39efp-1), f64(b, 0x1.abc9e3b39803fp-56)};
  const Pair r = times(b, quick_two_sum(x.high - n.value, x.low), ln2);
  const Scalar tail = b.fma(r.high * r.high, exp_polynomial(b, r.high), b.fma(r.low, r.high, r.low));
  const Pair sum = quick_two_sum(f64(b, 1), r.high);
  return b.scale(sum.high + (sum.low + tail), n.value);
}

Scalar pow_f64(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar magnitude = abs(b, x);
  const Pair logarithm = log2_pair(b, magnitude);
  const Scalar estimate = y * log2_with_poles(b, magnitude, logarithm.high);
  const Scalar product = product_or_zero(b, magnitude, y, estimate);
  const Scalar top = f64(b, 1100), bottom = f64(b, -1100);
  const Scalar bounded = b.select(product > top, top, b.select(product < bottom, bottom, product));
  const Scalar inside = (product == bounded) & (logarithm.high != f64(b, 0));
  const Pair precise = two_product(b, y, logarithm.high);
  const Scalar low = b.select(inside, b.fma(y, logarithm.low, precise.low), f64(b, 0));
  return finish_pow(b, x, y, exp2_pair(b, {bounded, low}));
}

}  // namespace

Scalar pow(ScalarBuilder& b, Scalar x, Scalar y) { return x.type == DType::f32 ? pow_f32(b, x, y) : pow_f64(b, x, y); }

}  // namespace gradc::elementary
