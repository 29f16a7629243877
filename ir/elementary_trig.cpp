// sin, cos and tan: minimax polynomials on [-pi/4, pi/4] (tests/golden/elementary_coefficients.sollya) after the
// reduction of elementary_angle.h; sin and cos of ordinary f32 after a shorter one.
#include "ir/elementary.h"
#include "ir/elementary_angle.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {
namespace {

// sin(r) = r + r^3 s(r^2), relative error 2^-32 and 2^-62; the low part of the result is small, not normalised.
Pair sin_of(ScalarBuilder& b, Pair r) {
  const bool f32 = r.high.type == DType::f32;
  const Scalar z = r.high * r.high;
  const Scalar s =
      f32 ? horner(b, z, {-0x1.555556p-3, 0x1.11115cp-7, -0x1.a04034p-13, 0x1.75d936p-19})
          : horner(b, z,
                   {-0x1.5555555555555p-3, 0x1.111111111109bp-7, -0x1.a01a01a00a803p-13, 0x1.71de3a4514b77p-19,
                    -0x1.ae6443b184179p-26, 0x1.61189de36485cp-33, -0x1.a7408874ebf17p-41});
  const Scalar slope = b.fma(z, b.number(z.type, -0.5), b.number(z.type, 1));  // of sin, for the low part of r
  return {r.high, b.fma(r.high * z, s, r.low * slope)};
}

// cos(r) = 1 - r^2/2 + r^4 c(r^2), relative error 2^-33 and 2^-64.
Pair cos_of(ScalarBuilder& b, Pair r) {
  const bool f32 = r.high.type == DType::f32;
  const Scalar z = r.high * r.high;
  const Scalar c = f32 ? horner(b, z, {0x1.55554ap-5, -0x1.6c0c2ep-10, 0x1.99eab8p-16})
                       : horner(b, z,
                                {0x1.555555555554cp-5, -0x1.6c16c16c15218p-10, 0x1.a01a019cbe19dp-16,
                                 -0x1.27e4f81167081p-22, 0x1.1ee9f033656fap-29, -0x1.8fb080bca7be3p-37});
  const Pair sum = quick_two_sum(b.number(z.type, 1), z * -0.5);
  return {sum.high, b.fma(z * z, c, sum.low - r.high * r.low)};
}

Scalar bit(ScalarBuilder& b, Scalar integer, std::int64_t mask) {
  return (integer & b.integer(integer.type, mask)) != b.integer(integer.type, 0);
}

// sin of the reduced angle plus `turn` quarters.
Scalar sin_at(ScalarBuilder& b, const ReducedAngle& a, int turn) {
  const Layout layout = layout_of(a.r.high.type);
  const Pair s = sin_of(b, a.r), c = cos_of(b, a.r);
  const Scalar quarter = turn == 0 ? a.quarter : a.quarter + turn;
  const Scalar value = b.select(bit(b, quarter, 1), c.high + c.low, s.high + s.low);
  const int to_sign = layout.bits == DType::i32 ? 30 : 62;  // bit 1 tells the sign
  const Scalar sign = (quarter << b.integer(layout.bits, to_sign)) & b.integer(layout.bits, layout.sign_bit);
  return flip_sign(b, value, sign);
}

// sin/cos, or -cos/sin in the odd quarters; the quotient of two pairs.
Scalar tan_at(ScalarBuilder& b, const ReducedAngle& a) {
  const Pair sin = sin_of(b, a.r), cos = cos_of(b, a.r);
  const Pair s = quick_two_sum(sin.high, sin.low), c = quick_two_sum(cos.high, cos.low);
  const Scalar odd = bit(b, a.quarter, 1);
  const Pair top{b.select(odd, -c.high, s.high), b.select(odd, -c.low, s.low)};
  const Pair bottom{b.select(odd, s.high, c.high), b.select(odd, s.low, c.low)};
  const Scalar q = top.high / bottom.high;
  return q + b.fma(-q, bottom.low, top.low) / bottom.high;
}

template <class F>
Scalar of_angle(ScalarBuilder& b, Scalar x, F f) {
  const Scalar huge = abs(b, x) > b.number(x.type, greatest_ordinary_angle(x.type));
  return b.rarely(huge, f(b, reduce_angle(b, x)),
                  [&](ScalarBuilder& inner) { return f(inner, reduce_huge_angle(inner, x)); });
}

// |x| = n pi/2 + r, |r| <= pi/4, for n of 11 bits. pi/2 in parts (Cody and Waite) of 13, 11, 11 and 24 bits: n times
// each of the first three is exact, and so are the first two differences. What the third rounds off is kept: r is
// rounded once.
struct ShortAngle {
  Scalar n, r;
};
ShortAngle reduce_f32(ScalarBuilder& b, Scalar magnitude) {
  const auto number = [&](double value) { return b.number(DType::f32, value); };
  const Rounded n = round_product_f32(b, magnitude, 0x1.45f306dc9c883p-1);
  const Scalar minus = -n.value, p3 = number(0x1.444p-24);
  const Scalar s2 = b.fma(minus, number(0x1.f68p-13), b.fma(minus, number(0x1.921p+0), magnitude));
  const Scalar s3 = b.fma(minus, p3, s2);
  const Scalar e3 = b.fma(minus, p3, s2 - s3);
  return {n.integer, s3 + b.fma(minus, number(0x1.68c234p-39), e3)};
}

// sin of |x| plus `turn` quarters. Odd quarters take 1 + r^2 p(r^2), the others r + r^3 p(r^2): one evaluation, of
// which the numbers are chosen; the polynomials are those of cos_of and sin_of.
Scalar sin_f32(ScalarBuilder& b, Scalar magnitude, int turn) {
  const ShortAngle angle = reduce_f32(b, magnitude);
  const Scalar quarter = turn == 0 ? angle.n : angle.n + turn;
  const Scalar odd = bit(b, quarter, 1), z = angle.r * angle.r;
  const auto choose = [&](double cos, double sin) {
    return b.select(odd, b.number(z.type, cos), b.number(z.type, sin));
  };
  const Scalar low = b.fma(choose(0x1.55554ap-5, 0x1.11115cp-7), z, choose(-0.5, -0x1.555556p-3));
  const Scalar high = b.fma(choose(0x1.99eab8p-16, 0x1.75d936p-19), z, choose(-0x1.6c0c2ep-10, -0x1.a04034p-13));
  const Scalar base = b.select(odd, b.number(z.type, 1), angle.r);
  const Scalar value = b.fma(base * z, b.fma(high, z * z, low), base);
  const Scalar sign = (quarter << b.integer(DType::i32, 30)) & b.integer(DType::i32, layout_of(DType::f32).sign_bit);
  return flip_sign(b, value, sign);
}

// `usual`, or what the reduction of huge angles makes of x.
Scalar unless_huge_f32(ScalarBuilder& b, Scalar x, Scalar usual, int turn) {
  const Scalar huge = abs(b, x) > b.number(x.type, greatest_ordinary_angle(x.type));
  return b.rarely(huge, usual, [&](ScalarBuilder& inner) { return sin_at(inner, reduce_huge_angle(inner, x), turn); });
}

}  // namespace

Scalar sin(ScalarBuilder& b, Scalar x) {
  if (x.type == DType::f32) return unless_huge_f32(b, x, flip_sign(b, sin_f32(b, abs(b, x), 0), sign_bit(b, x)), 0);
  const Scalar result = of_angle(b, x, [](ScalarBuilder& s, const ReducedAngle& a) { return sin_at(s, a, 0); });
  return b.select(x == b.number(x.type, 0), x, result);
}

Scalar cos(ScalarBuilder& b, Scalar x) {
  if (x.type == DType::f32) return unless_huge_f32(b, x, sin_f32(b, abs(b, x), 1), 1);
  return of_angle(b, x, [](ScalarBuilder& s, const ReducedAngle& a) { return sin_at(s, a, 1); });
}

Scalar tan(ScalarBuilder& b, Scalar x) {
  const Scalar result = of_angle(b, x, [](ScalarBuilder& s, const ReducedAngle& a) { return tan_at(s, a); });
  return b.select(x == b.number(x.type, 0), x, result);
}

}  // namespace gradc::elementary
