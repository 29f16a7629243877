// atan and atan2: the quotient is brought into [0, 1] in f32 and [-1/3, 1/2] in f64, a minimax polynomial
// (tests/golden/elementary_coefficients.sollya) gives its arc, and a number of eighths of a turn is added.
#include "ir/elementary.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {
namespace {

// atan(t) = t + t^3 p(t^2): on [0, 1], relative error 2^-27; on [-1/2, 1/2], 2^-65.
Scalar arc_of(ScalarBuilder& b, Scalar t) {
  const Scalar z = t * t;
  const Scalar p =
      t.type == DType::f32
          ? horner(b, z,
                   {-0x1.555526p-2, 0x1.998d1cp-3, -0x1.23f38ap-3, 0x1.bee108p-4, -0x1.5387e4p-4, 0x1.cbbbcep-5,
                    -0x1.e253b2p-6, 0x1.486234p-7, -0x1.a3d1cap-10})
          : horner(b, z,
                   {-0x1.5555555555555p-2, 0x1.999999999989ap-3, -0x1.249249248a8bap-3, 0x1.c71c71c35e887p-4,
                    -0x1.745d16bc419e1p-4, 0x1.3b13a45c268d7p-4, -0x1.11103cf89b1e6p-4, 0x1.e1ce76c0caf15p-5,
                    -0x1.ae83775c7592cp-5, 0x1.82181282dc56p-5, -0x1.52067f7d444e8p-5, 0x1.0c1cb8072366dp-5,
                    -0x1.488741e06779fp-6, 0x1.b800376357e0fp-8});
  return b.fma(t * z, p, t);
}

// The angle of (x, y), both not negative, in [0, pi/2]; mirrored to [pi/2, pi] where `left`. In eighths of a turn:
// steps * pi/4 + arc or steps * pi/4 - arc.
Scalar angle_of(ScalarBuilder& b, Scalar y, Scalar x, Scalar left) {
  const auto number = [&](double value) { return b.number(x.type, value); };
  const Scalar both_infinite = (x == y) & (x == number(kInf));
  const Scalar steep = y > x;
  Scalar small = b.select(both_infinite, number(1), b.select(steep, x, y));
  Scalar large = b.select(both_infinite, number(1), b.select(steep, y, x));
  Scalar steps = b.select(steep, number(2), number(0));
  steps = b.select(left, 4 - steps, steps);
  const Scalar backward = steep != left;  // the angle grows where the quotient falls
  if (x.type == DType::f64) {
    // atan(t) = pi/4 + atan((t - 1) / (t + 1)) above 1/2.
    const Scalar scale = b.select(large > number(0x1p1000), number(0.5), number(1));  // against overflow of the sum
    small = small * scale;
    large = large * scale;
    const Scalar above = small > large * 0.5;
    const Scalar difference = small - large, sum = small + large;
    small = b.select(above, difference, small);
    large = b.select(above, sum, large);
    const Scalar step = b.select(backward, number(-1), number(1));
    steps = steps + b.select(above, step, number(0));
  }
  const Scalar t = b.select(large == number(0), small, small / large);
  const Scalar arc = arc_of(b, t);
  const bool f32 = x.type == DType::f32;
  // pi/4 in two parts; the first times 0 … 4 is exact.
  const Scalar high = steps * (f32 ? 0x1.921fb6p-1 : 0x1.921fb54442d18p-1);
  const Scalar low = steps * (f32 ? -0x1.777a5cp-26 : 0x1.1a62633145c07p-55);
  return high + (b.select(backward, -arc, arc) + low);
}

}  // namespace

Scalar atan(ScalarBuilder& b, Scalar x) {
  const Scalar right = b.integer(DType::boolean, 0);
  return with_sign(b, angle_of(b, abs(b, x), b.number(x.type, 1), right), sign_bit(b, x));
}

Scalar atan2(ScalarBuilder& b, Scalar y, Scalar x) {
  const Layout layout = layout_of(x.type);
  const Scalar left = sign_bit(b, x) != b.integer(layout.bits, 0);
  return with_sign(b, angle_of(b, abs(b, y), abs(b, x), left), sign_bit(b, y));
}

}  // namespace gradc::elementary
