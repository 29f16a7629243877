// Signs, classes, rounding to integers, minimum, maximum and remainders: all exact.
#include <cmath>

#include "ir/elementary.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {

Scalar abs(ScalarBuilder& b, Scalar x) {
  if (is_float(x.type)) return with_sign(b, x, b.integer(layout_of(x.type).bits, 0));
  if (!is_signed(x.type)) return x;
  return b.select(x < b.integer(x.type, 0), -x, x);
}

Scalar sign(ScalarBuilder& b, Scalar x) {
  const Scalar zero = b.number(x.type, 0), one = b.number(x.type, 1);
  const Scalar not_negative = b.select(x > zero, one, x);  // 0 and NaN stay
  if (!is_signed(x.type) && !is_float(x.type)) return not_negative;
  return b.select(x < zero, b.number(x.type, -1), not_negative);
}

Scalar copysign(ScalarBuilder& b, Scalar x, Scalar y) { return with_sign(b, x, sign_bit(b, y)); }

Scalar is_nan(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return b.integer(DType::boolean, 0);
  return x != x;
}

Scalar is_finite(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return b.integer(DType::boolean, 1);
  return abs(b, x) < b.number(x.type, kInf);
}

Scalar maximum(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar larger = b.select(x < y, y, x);
  if (!is_float(x.type)) return larger;
  // Equal values differ at most in the sign of zero, and `and` prefers +0. A NaN in x stays by itself.
  const Scalar both = b.bitcast(bits_of(b, x) & bits_of(b, y), x.type);
  return b.select(y != y, y, b.select(x == y, both, larger));
}

Scalar minimum(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar smaller = b.select(y < x, y, x);
  if (!is_float(x.type)) return smaller;
  const Scalar both = b.bitcast(bits_of(b, x) | bits_of(b, y), x.type);
  return b.select(y != y, y, b.select(x == y, both, smaller));
}

// ---- to integers ----

namespace {

// |x| rounded half to even: adding 2^fraction leaves no bits of fraction. Beyond it every float is an integer.
Scalar round_magnitude(ScalarBuilder& b, Scalar magnitude) {
  const double limit = magnitude.type == DType::f32 ? 0x1p23 : 0x1p52;
  return b.select(magnitude < b.number(magnitude.type, limit), (magnitude + limit) - limit, magnitude);
}

}  // namespace

Scalar round(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return x;
  return with_sign(b, round_magnitude(b, abs(b, x)), sign_bit(b, x));
}

Scalar trunc(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return x;
  const Scalar magnitude = abs(b, x);
  const Scalar rounded = round_magnitude(b, magnitude);
  return with_sign(b, b.select(rounded > magnitude, rounded - 1, rounded), sign_bit(b, x));
}

Scalar floor(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return x;
  const Scalar rounded = round(b, x);
  return b.select(rounded > x, rounded - 1, rounded);
}

Scalar ceil(ScalarBuilder& b, Scalar x) {
  if (!is_float(x.type)) return x;
  const Scalar rounded = round(b, x);
  return with_sign(b, b.select(rounded < x, rounded + 1, rounded), sign_bit(b, x));  // ceil(-0.3) is -0
}

// ---- remainders ----

namespace {

// a * c mod m for 0 <= a, c < m < 2^53: the quotient from f64 is off by at most 2, wrapping arithmetic gives the rest.
Scalar multiply_modulo(ScalarBuilder& b, Scalar a, Scalar c, Scalar m, Scalar m_float) {
  const Scalar zero = b.integer(DType::i64, 0);
  const Scalar quotient = b.convert(b.convert(a, DType::f64) * b.convert(c, DType::f64) / m_float, DType::i64);
  Scalar r = a * c - quotient * m;
  for (int i = 0; i < 2; ++i) r = b.select(r < zero, r + m, r);
  for (int i = 0; i < 2; ++i) r = b.select(r >= m, r - m, r);
  return r;
}

// x = significand * 2^(exponent + constant), significand an i64 and exponent at least 1, for x finite, not negative.
struct Parts {
  Scalar significand, exponent;
};
Parts parts_of(ScalarBuilder& b, Scalar x) {
  const Layout layout = layout_of(x.type);
  const auto integer = [&](std::int64_t value) { return b.integer(DType::i64, value); };
  const Scalar bits = b.convert(bits_of(b, x), DType::i64);
  const Scalar exponent = bits >> integer(layout.fraction);
  const Scalar fraction = bits & integer((std::int64_t{1} << layout.fraction) - 1);
  const Scalar normal = exponent > integer(0);
  const Scalar leading = integer(std::int64_t{1} << layout.fraction);
  return {b.select(normal, fraction | leading, fraction), b.select(normal, exponent, integer(1))};
}

// |x| mod |y| for finite x, y not 0, |x| >= |y|: (mx * 2^(ex - ey) mod my) * 2^ey, the power by repeated squaring.
Scalar long_remainder(ScalarBuilder& b, Scalar x, Scalar y) {
  const Layout layout = layout_of(x.type);
  const auto integer = [&](std::int64_t value) { return b.integer(DType::i64, value); };
  const Parts px = parts_of(b, x), py = parts_of(b, y);
  const Scalar m = py.significand;
  const Scalar m_float = b.convert(m, DType::f64);
  const Scalar shift = px.exponent - py.exponent;
  Scalar power = b.select(m == integer(1), integer(0), integer(1));  // 2^(leading bits of shift) mod m
  for (int bit = layout.bits == DType::i32 ? 8 : 11; bit-- > 0;) {
    power = multiply_modulo(b, power, power, m, m_float);
    const Scalar twice = power + power;
    const Scalar doubled = b.select(twice >= m, twice - m, twice);
    power = b.select(((shift >> integer(bit)) & integer(1)) != integer(0), doubled, power);
  }
  const Scalar r = multiply_modulo(b, px.significand % m, power, m, m_float);
  // The value of y is my * 2^(ey - bias - fraction), so this is r at its scale, in two exact steps.
  const Scalar value = b.convert(r, x.type);
  const Scalar exponent = b.convert(py.exponent, layout.bits);
  const Scalar low = power_of_two(b, exponent - layout.bias, x.type);
  const Scalar tiny = b.number(x.type, std::ldexp(1.0, -layout.fraction));
  return value * tiny * low;
}

}  // namespace

// While the truncated quotient q fits half a significand, q times each half of y is exact, and so is x - q y. Where
// x / y rounds up to an integer, q is one too large and the remainder negative.
Scalar remainder(ScalarBuilder& b, Scalar x, Scalar y) {
  if (!is_float(x.type)) return x % y;
  const Scalar ax = abs(b, x), ay = abs(b, y);
  const Scalar zero = b.number(x.type, 0), inf = b.number(x.type, kInf);
  const Scalar limit = b.number(x.type, x.type == DType::f32 ? 0x1p11 : 0x1p25);
  const Scalar q = trunc(b, ax / ay);
  const Scalar y_high = upper_half(b, ay);
  const Pair difference = two_sum(ax, -(q * y_high));
  const Scalar r = (difference.high - q * (ay - y_high)) + difference.low;
  const Scalar fast = b.select(r < zero, r + ay, r);
  const Scalar valid = (ax < inf) & (ay > zero);  // false for NaN
  const Scalar hard = valid & (ax >= ay) & (ay < inf) & (q >= limit);
  const Scalar some = b.rarely(hard, fast, [&](ScalarBuilder& inner) { return long_remainder(inner, ax, ay); });
  const Scalar magnitude = b.select(ax < ay, ax, some);
  const Scalar defined = valid & (ay == ay);
  return b.select(defined, with_sign(b, magnitude, sign_bit(b, x)), b.number(x.type, kNaN));
}

Scalar floor_remainder(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar zero = b.number(x.type, 0);
  const Scalar r = remainder(b, x, y);
  if (!is_float(x.type) && !is_signed(x.type)) return r;
  const Scalar opposite = (r < zero) != (y < zero);
  if (!is_float(x.type)) return b.select((r != zero) & opposite & (y != zero), r + y, r);
  return b.select(r == zero, with_sign(b, r, sign_bit(b, y)), b.select(opposite, r + y, r));
}

}  // namespace gradc::elementary
