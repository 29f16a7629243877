// exp, exp2, expm1, and the sigmoids made of them.
//
// exp(x): n = round(x / ln 2); r = x - n ln 2 with ln 2 in two parts, the first so short that n times it is exact; then
// exp(r) = 1 + (r + r^2 q(r)) with q a minimax polynomial (tests/golden/elementary_coefficients.sollya), scaled by 2^n.
// Where f32 may lose half an ulp more, n = round(16 x / ln 2) / 16: a shorter polynomial, and a factor 2^(n - floor(n))
// from a table of 16.
#include "ir/elementary_exp.h"

#include "ir/elementary.h"

namespace gradc::elementary {
namespace {

// Bounds beyond which the result is 0 or infinite, and ln 2 in two parts (fdlibm's e_expf.c and e_exp.c).
struct ExpConstants {
  double least, greatest, ln2_high, ln2_low, expm1_least, tanh_greatest;
};
ExpConstants exp_constants(DType type) {
  if (type == DType::f32) return {-104, 89, 0x1.62e300p-1, 0x1.2fefa2p-17, -18, 9.1};
  return {-746, 710, 0x1.62e42feep-1, 0x1.a39ef35793c76p-33, -38, 19.5};
}

constexpr double kLn2 = 0x1.62e42fefa39efp-1, kPerLn2 = 0x1.71547652b82fep+0;

Scalar at_most(ScalarBuilder& b, Scalar x, double bound) {  // NaN stays
  const Scalar limit = b.number(x.type, bound);
  return b.select(x > limit, limit, x);
}
Scalar at_least(ScalarBuilder& b, Scalar x, double bound) {
  const Scalar limit = b.number(x.type, bound);
  return b.select(x < limit, limit, x);
}

}  // namespace

Scalar exp_polynomial(ScalarBuilder& b, Scalar r) {
  if (r.type == DType::f32)
    return horner_of_pairs(b, r, {0x1p-1, 0x1.555556p-3, 0x1.5554e2p-5, 0x1.110feep-7, 0x1.6d53b2p-10, 0x1.a273fap-13});
  return horner(b, r,
                {0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555558p-5, 0x1.11111111112ccp-7, 0x1.6c16c16c14ffep-10,
                 0x1.a01a019f489a9p-13, 0x1.a01a01ad7ea9bp-16, 0x1.71de3d389041ap-19, 0x1.27e4cc101eea3p-22,
                 0x1.ae5aa557d7e6p-26, 0x1.1f8be166d70f9p-29, 0x1.6ddb86d0c8a7ap-33});
}

ReducedExp reduce_exp(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Rounded n = round_small(b, x * kPerLn2);
  const Scalar a = b.fma(-n.value, b.number(x.type, k.ln2_high), x);  // exact
  const Scalar low_part = n.value * k.ln2_low;
  const Scalar r = a - low_part;
  const Scalar r_low = (a - r) - low_part;
  return {n, r, b.fma(r * r, exp_polynomial(b, r), r_low)};
}

namespace {

// Of f32, 2^x: 2^floor(n) power exp(r), |r| < ln 2 / 32 and a little, as x - n is r / ln 2.
struct Sixteenths {
  Scalar n, power;
};
Sixteenths round_to_sixteenths(ScalarBuilder& b, Scalar x, double factor) {
  constexpr double kMagic = 0x1.8p19;  // adding it leaves the sixteenths in the low bits
  const Scalar shifted = b.fma(x, b.number(DType::f32, factor), b.number(DType::f32, kMagic));
  return {shifted - kMagic, b.exp2_sixteenths(bits_of(b, shifted))};
}

// q of exp(r) - 1 = r + r^2 q(r) for |r| < 0.0218: absolute error 2^-29.
constexpr std::initializer_list<double> kShortExp = {0x1.000226p-1, 0x1.555768p-3};

// exp(r) - 1 where it is to be added to 1: of f32, error 2^-28.
Scalar beside_one(ScalarBuilder& b, Scalar r) {
  const Scalar q = r.type == DType::f32
                       ? horner_of_pairs(b, r, {0x1p-1, 0x1.55548ep-3, 0x1.5554d8p-5, 0x1.123c06p-7, 0x1.6d5f54p-10})
                       : exp_polynomial(b, r);
  return b.fma(r * r, q, r);
}

// x - n ln 2 with ln 2 in two parts: n times the first is exact. r loses what rounds off; it is small against 1.
Scalar less_ln2(ScalarBuilder& b, Scalar x, Scalar n, double ln2_high, double ln2_low) {
  const Scalar a = b.fma(-n, b.number(x.type, ln2_high), x);  // exact
  return b.fma(-n, b.number(x.type, ln2_low), a);
}
Scalar less_ln2(ScalarBuilder& b, Scalar x, const Sixteenths& rounded) {
  return less_ln2(b, x, rounded.n, 0x1.62ep-1, 0x1.0bfbe8p-15);
}

// power exp(r).
Scalar by_power(ScalarBuilder& b, Scalar power, Scalar r) {
  return b.fma(power, b.fma(r * r, horner(b, r, kShortExp), r), power);
}

Scalar exp_in_bounds(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Scalar n = (x.type == DType::f32 ? round_product_f32(b, x, kPerLn2) : round_small(b, x * kPerLn2)).value;
  return b.scale(beside_one(b, less_ln2(b, x, n, k.ln2_high, k.ln2_low)) + 1, n);
}

}  // namespace

Scalar close_exp_negative(ScalarBuilder& b, Scalar x) {
  return exp_in_bounds(b, at_least(b, x, exp_constants(x.type).least));
}

// Of f32, scaled before the last sum: a shorter chain. Of x > 0 the factor could overflow where the result does not.
Scalar exp_negative(ScalarBuilder& b, Scalar x) {
  const Scalar bounded = at_least(b, x, exp_constants(x.type).least);
  if (x.type == DType::f64) return exp_in_bounds(b, bounded);
  const Sixteenths e = round_to_sixteenths(b, bounded, kPerLn2);
  const Scalar r = less_ln2(b, bounded, e), factor = b.scale(e.power, e.n);
  return b.fma(b.fma(horner(b, r, kShortExp), r, b.number(x.type, 1)), r * factor, factor);
}

Scalar exp(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Scalar bounded = at_least(b, at_most(b, x, k.greatest), k.least);
  if (x.type == DType::f64) return exp_in_bounds(b, bounded);
  const Sixteenths e = round_to_sixteenths(b, bounded, kPerLn2);
  return b.scale(by_power(b, e.power, less_ln2(b, bounded, e)), e.n);
}

Scalar exp2(ScalarBuilder& b, Scalar x) {
  const bool f32 = x.type == DType::f32;
  const Scalar bounded = at_least(b, at_most(b, x, f32 ? 129 : 1025), f32 ? -151 : -1076);
  if (f32) {
    const Sixteenths rounded = round_to_sixteenths(b, bounded, 1);
    return b.scale(by_power(b, rounded.power, (bounded - rounded.n) * kLn2), rounded.n);
  }
  const Rounded n = round_small(b, bounded);
  return b.scale(beside_one(b, (bounded - n.value) * kLn2) + 1, n.value);
}

// 2^n e + (2^n - 1). For the greatest n, 2^n itself would overflow: one factor of 2 is kept for last.
Scalar expm1(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Layout layout = layout_of(x.type);
  const ReducedExp e = reduce_exp(b, at_least(b, at_most(b, x, k.greatest), k.expm1_least));
  const Scalar one = b.integer(layout.bits, 1), zero = b.integer(layout.bits, 0);
  const Scalar extra = b.select(e.n.integer > b.integer(layout.bits, layout.bias), one, zero);
  const Scalar scale = power_of_two(b, e.n.integer - extra, x.type);
  const Scalar result = b.fma(scale, e.r + e.tail, scale - 1) * power_of_two(b, extra, x.type);
  return b.select(x == b.number(x.type, 0), x, result);
}

namespace {

// q = t / d with t = expm1(2 |x|) and d = t + 2. With t_low and d_low, what rounding t and d lost, the exact quotient
// is q + (t_low - q d_low) / d, and 1 / d is (1 - q) / 2.
Scalar tanh_f64(ScalarBuilder& b, Scalar x) {
  const Scalar bounded = at_most(b, abs(b, x), exp_constants(x.type).tanh_greatest);
  const ReducedExp e = reduce_exp(b, bounded + bounded);
  const Scalar scale = power_of_two(b, e.n.integer, x.type);
  const Pair m = quick_two_sum(e.r, e.tail);
  const Scalar t = b.fma(scale, m.high, scale - 1);
  const Scalar t_low = b.fma(scale, m.low, b.fma(scale, m.high, (scale - 1) - t));
  const Pair d = two_sum(b.number(x.type, 2), t);
  const Scalar q = t / d.high;
  const Scalar correction = b.fma(-q, d.low + t_low, t_low);
  const Scalar half = b.number(x.type, 0.5);
  return with_sign(b, b.fma(correction, b.fma(-q, half, half), q), sign_bit(b, x));
}

// A polynomial near 0; beyond, 1 - 1 / (exp(2 |x|) / 2 + 1 / 2) loses little of what its parts round off: exp(2 |x|) is
// 2^n (1 + t), with ln 2 in one part.
Scalar tanh_f32(ScalarBuilder& b, Scalar x) {
  const Scalar magnitude = abs(b, x), z = x * x;
  const Scalar p = horner(b, z, {-0x1.555452p-2, 0x1.10cefcp-3, -0x1.af7d38p-5, 0x1.0d5184p-6});
  const Scalar near = b.fma(magnitude * z, p, magnitude);
  const Scalar bounded = at_most(b, magnitude, exp_constants(x.type).tanh_greatest);
  const Scalar n = round_product_f32(b, bounded, 2 * kPerLn2).value;
  const Scalar r = b.fma(n, b.number(x.type, -kLn2), bounded + bounded);
  const Scalar half = b.scale(b.number(x.type, 0.5), n);
  const Scalar far = 1 - b.number(x.type, 1) / b.fma(half, beside_one(b, r), half + 0.5);
  return with_sign(b, b.select(magnitude < b.number(x.type, 0.55), near, far), sign_bit(b, x));
}

// With e = exp(-|x|) = 2^n m: q = m / d 2^n where x < 0, 1 / d elsewhere, d = 1 + e, so that nothing overflows and
// denormals come out right. What rounding m and d lost corrects the quotient, as in tanh.
Scalar sigmoid_f64(ScalarBuilder& b, Scalar x) {
  const Scalar zero = b.number(x.type, 0), one = b.number(x.type, 1);
  const Scalar negative = x < zero;
  const ReducedExp reduced = reduce_exp(b, at_least(b, -abs(b, x), exp_constants(x.type).least));
  const Pair sum = quick_two_sum(one, reduced.r);
  const Pair m = quick_two_sum(sum.high, sum.low + reduced.tail);
  const Pair d = quick_two_sum(one, b.scale(m.high, reduced.n.value));
  const Scalar q = b.select(negative, m.high, one) / d.high;
  const Scalar error = b.fma(-q, d.low, b.select(negative, m.low, zero));
  const Scalar reciprocal = b.fma(d.high - 1, b.number(x.type, -0.47), b.number(x.type, 0.97));  // of d, within 6 %
  return b.scale(b.fma(error, reciprocal, q), b.select(negative, reduced.n.value, zero));
}

// With e = exp(-|x|) and g = e / (1 + e): e - e g where x < 0, 1 - g elsewhere. What g rounds off counts the less the
// smaller e is.
Scalar sigmoid_f32(ScalarBuilder& b, Scalar x) {
  const Scalar e = close_exp_negative(b, -abs(b, x));
  const Scalar g = e / (e + 1);
  const Scalar top = b.select(x < b.number(x.type, 0), e, b.number(x.type, 1));
  return b.fma(-top, g, top);
}

}  // namespace

Scalar tanh(ScalarBuilder& b, Scalar x) { return x.type == DType::f32 ? tanh_f32(b, x) : tanh_f64(b, x); }

Scalar sigmoid(ScalarBuilder& b, Scalar x) { return x.type == DType::f32 ? sigmoid_f32(b, x) : sigmoid_f64(b, x); }

}  // namespace gradc::elementary
