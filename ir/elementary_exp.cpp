// exp, exp2, expm1, and the sigmoids made of them.
//
// exp(x): n = round(x / ln 2); r = x - n ln 2 with ln 2 in two parts, the first so short that n times it is exact; then
// exp(r) = 1 + (r + r^2 q(r)) with q a minimax polynomial (tests/golden/elementary_coefficients.sollya), scaled by 2^n.
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
    return horner(b, r, {0x1p-1, 0x1.555556p-3, 0x1.5554e2p-5, 0x1.110feep-7, 0x1.6d53b2p-10, 0x1.a273fap-13});
  return horner(b, r,
                {0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555558p-5, 0x1.11111111112ccp-7, 0x1.6c16c16c14ffep-10,
                 0x1.a01a019f489a9p-13, 0x1.a01a01ad7ea9bp-16, 0x1.71de3d389041ap-19, 0x1.27e4cc101eea3p-22,
                 0x1.ae5aa557d7e6p-26, 0x1.1f8be166d70f9p-29, 0x1.6ddb86d0c8a7ap-33});
}

ReducedExp reduce_exp(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Rounded n = round_small(b, x * 0x1.71547652b82fep+0);
  const Scalar a = b.fma(-n.value, b.number(x.type, k.ln2_high), x);  // exact
  const Scalar low_part = n.value * k.ln2_low;
  const Scalar r = a - low_part;
  const Scalar r_low = (a - r) - low_part;
  return {n, r, b.fma(r * r, exp_polynomial(b, r), r_low)};
}

// r loses what rounds off; it is small against 1.
Scalar exp_negative(ScalarBuilder& b, Scalar x) {
  const ExpConstants k = exp_constants(x.type);
  const Scalar bounded = at_least(b, x, k.least);
  const Scalar n = round_small(b, bounded * 0x1.71547652b82fep+0).value;
  const Scalar a = b.fma(-n, b.number(x.type, k.ln2_high), bounded);  // exact
  const Scalar r = b.fma(-n, b.number(x.type, k.ln2_low), a);
  return b.scale(b.fma(r * r, exp_polynomial(b, r), r) + 1, n);
}

Scalar exp(ScalarBuilder& b, Scalar x) { return exp_negative(b, at_most(b, x, exp_constants(x.type).greatest)); }

Scalar exp2(ScalarBuilder& b, Scalar x) {
  const bool f32 = x.type == DType::f32;
  const Scalar bounded = at_least(b, at_most(b, x, f32 ? 129 : 1025), f32 ? -151 : -1076);
  const Rounded n = round_small(b, bounded);
  const Scalar r = (bounded - n.value) * 0x1.62e42fefa39efp-1;
  return b.scale(b.fma(r * r, exp_polynomial(b, r), r) + 1, n.value);
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

// A polynomial near 0; beyond, 1 - 2 / (exp(2 |x|) + 1) loses little of what its parts round off.
Scalar tanh_f32(ScalarBuilder& b, Scalar x) {
  const Scalar magnitude = abs(b, x), z = x * x;
  const Scalar p = horner(b, z, {-0x1.555528p-2, 0x1.1105cp-3, -0x1.b81fb2p-5, 0x1.51bef8p-6, -0x1.753272p-8});
  const Scalar near = b.fma(magnitude * z, p, magnitude);
  const Scalar bounded = at_most(b, magnitude, exp_constants(x.type).tanh_greatest);
  const Scalar far = 1 - b.number(x.type, 2) / (exp_negative(b, bounded + bounded) + 1);
  return with_sign(b, b.select(magnitude < b.number(x.type, 0.6), near, far), sign_bit(b, x));
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

// With e = exp(-|x|): e / (1 + e) where x < 0, 1 / (1 + e) elsewhere, corrected for the rounding of 1 + e alone.
Scalar sigmoid_f32(ScalarBuilder& b, Scalar x) {
  const Scalar one = b.number(x.type, 1);
  const Scalar e = exp_negative(b, -abs(b, x));
  const Pair d = quick_two_sum(one, e);
  const Scalar q = b.select(x < b.number(x.type, 0), e, one) / d.high;
  const Scalar reciprocal = b.fma(e, b.number(x.type, -0.47), b.number(x.type, 0.97));  // of d, within 6 %
  return b.fma(-q * d.low, reciprocal, q);
}

}  // namespace

Scalar tanh(ScalarBuilder& b, Scalar x) { return x.type == DType::f32 ? tanh_f32(b, x) : tanh_f64(b, x); }

Scalar sigmoid(ScalarBuilder& b, Scalar x) { return x.type == DType::f32 ? sigmoid_f32(b, x) : sigmoid_f64(b, x); }

}  // namespace gradc::elementary
