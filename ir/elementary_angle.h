// Reduction of an angle to [-pi/4, pi/4] and a number of quarter turns.
#pragma once

#include "ir/elementary_pieces.h"

namespace gradc::elementary {

// x = (4 k + quarter) pi/2 + r.high + r.low; quarter is an integer of the layout's bits, its two low bits count.
struct ReducedAngle {
  Scalar quarter;
  Pair r;
};
// Beyond this magnitude reduce_angle no longer holds.
double greatest_ordinary_angle(DType type);
// pi/2 in four parts (Cody and Waite), of which the first three times the quarters are exact.
ReducedAngle reduce_angle(ScalarBuilder& b, Scalar x);
// The product of x and as many bits of 2/pi as matter (Payne and Hanek), in integers. NaN for inf and NaN.
ReducedAngle reduce_huge_angle(ScalarBuilder& b, Scalar x);

}  // namespace gradc::elementary
