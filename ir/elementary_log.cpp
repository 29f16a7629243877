// log, log1p, softplus, and the square roots.
//
// log(x): x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), in f32 in [3/4, 3/2); log(1 + f) = f - (f^2 / 2 - p(f)),
// where p is a minimax polynomial in f32 (tests/golden/elementary_coefficients.sollya), fdlibm's s (f^2 / 2 + R(s^2)),
// s = f / (2 + f), in f64; then k ln 2 is added with ln 2 in two parts, the first so short that k times it is exact.
#include "ir/elementary.h"
#include "ir/elementary_exp.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {
namespace {

struct ReducedLog {
  Scalar k;        // integer of the layout's bits
  Scalar scaled;   // x 2^-k = 1 + f
  Scalar shifted;  // k at the place of the exponent
};
// Of a normal positive number.
ReducedLog reduce_log(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  const double least = x.type == DType::f32 ? 0.75 : 0x1.6a09e667f3bcdp-1;
  const Scalar fraction = b.integer(layout.bits, layout.fraction);
  const Scalar bits = bits_of(b, x);
  const Scalar k = shift_right_arithmetic(b, bits - b.bitcast(b.number(x.type, least), layout.bits), layout.fraction);
  const Scalar shifted = k << fraction;
  return {k, b.bitcast(bits - shifted, x.type), shifted};
}

// k ln 2 + log(1 + f), k a float. ln 2 in two parts: fdlibm's e_log.c and e_logf.c.
Scalar finish_log_f32(ScalarBuilder& b, Scalar k, Scalar f) {
  const Scalar square = f * f;
  // (log(1 + f) - f + f^2 / 2) / f^3 on [-1/4, 1/2], relative error of the logarithm 2^-29.
  const Scalar p = horner_of_pairs(b, f,
                                   {0x1.55555ep-2, -0x1.000092p-2, 0x1.9995bp-3, -0x1.550d86p-3, 0x1.24763ap-3,
                                    -0x1.0556bap-3, 0x1.df88a4p-4, -0x1.6fd116p-4, 0x1.2866d2p-5});
  const Scalar low = b.fma(f * square, p, k * 0x1.2fefa2p-17);
  const Scalar tail = b.fma(square, b.number(f.type, -0.5), low);
  return b.fma(k, b.number(f.type, 0x1.62e3p-1), f + tail);
}

Scalar finish_log_f64(ScalarBuilder& b, Scalar k, Scalar f) {
  const Scalar s = f / (f + 2);
  const Scalar z = s * s;
  // Lg1 … Lg7 of fdlibm's e_log.c.
  const Scalar r = z * horner(b, z,
                              {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                               2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                               1.479819860511658591e-01});
  const Scalar half_square = f * f * 0.5;
  const Scalar low = b.fma(s, half_square + r, k * 0x1.a39ef35793c76p-33);
  return b.fma(k, b.number(f.type, 0x1.62e42feep-1), f - (half_square - low));
}

Scalar finish_log(ScalarBuilder& b, Scalar k, Scalar f) {
  const Scalar k_float = b.convert(k, f.type);
  return f.type == DType::f32 ? finish_log_f32(b, k_float, f) : finish_log_f64(b, k_float, f);
}

// The result where x is not between `pole` and infinity: -inf at the pole, NaN below it, inf and NaN as they are.
Scalar with_special_logs(ScalarBuilder& b, Scalar x, double pole, Scalar result) {
  const Scalar least = b.number(x.type, pole), inf = b.number(x.type, kInf);
  const Scalar below = b.select(x == least, -inf, b.number(x.type, kNaN));
  return b.select(x > least, b.select(x < inf, result, inf), below);
}

// For x > -1 and finite. f = x 2^-k + (2^-k - 1), so that nothing of x is lost where 1 + x rounds.
Scalar ordinary_log1p(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  const ReducedLog reduced = reduce_log(b, x + 1);
  const Scalar scaled = b.bitcast(bits_of(b, x) - reduced.shifted, x.type);
  const Scalar greatest = b.integer(layout.bits, layout.bias);  // 2^-bias counts as 0
  const Scalar exponent = b.select(reduced.k > greatest, greatest, reduced.k);
  const Scalar f = scaled + (power_of_two(b, -exponent, x.type) - 1);
  return finish_log(b, reduced.k, f);
}

// Of a normal positive x 2^-`shift`.
Scalar normal_log(ScalarBuilder& b, Scalar x, Scalar shift) {
  const ReducedLog reduced = reduce_log(b, x);
  return finish_log(b, reduced.k - shift, reduced.scaled - 1);
}

Scalar any_log(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  const bool f32 = x.type == DType::f32;
  const Scalar denormal = x < b.number(x.type, f32 ? 0x1p-126 : 0x1p-1022);
  const Scalar normal = b.select(denormal, x * (f32 ? 0x1p23 : 0x1p52), x);
  const Scalar shift = b.select(denormal, b.integer(layout.bits, layout.fraction), b.integer(layout.bits, 0));
  return with_special_logs(b, x, 0, normal_log(b, normal, shift));
}

}  // namespace

Scalar log(ScalarBuilder& b, Scalar x) {
  if (x.type == DType::f64) return any_log(b, x);
  const Scalar usual = (b.number(x.type, 0x1p-126) <= x) & (x < b.number(x.type, kInf));
  return b.rarely(~usual, normal_log(b, x, b.integer(DType::i32, 0)),
                  [&](ScalarBuilder& inner) { return any_log(inner, x); });
}

Scalar log1p(ScalarBuilder& b, Scalar x) {
  const Scalar result = with_special_logs(b, x, -1, ordinary_log1p(b, x));
  return b.select(x == b.number(x.type, 0), x, result);
}

// max(x, 0) + log1p(exp(-|x|)).
Scalar softplus(ScalarBuilder& b, Scalar x) {
  const Scalar zero = b.number(x.type, 0);
  const Scalar positive = b.select(x < zero, zero, x);  // NaN stays
  return positive + ordinary_log1p(b, close_exp_negative(b, -abs(b, x)));
}

Scalar sqrt(ScalarBuilder& b, Scalar x) { return b.sqrt(x); }

Scalar rsqrt(ScalarBuilder& b, Scalar x) { return b.number(x.type, 1) / b.sqrt(x); }

}  // namespace gradc::elementary
