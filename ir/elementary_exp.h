// The exponential as other functions use it: reduced to 2^n (1 + r + tail).
#pragma once

#include "ir/elementary_pieces.h"

namespace gradc::elementary {

// q of exp(r) - 1 = r + r^2 q(r) on [-0.347, 0.347]: relative error 2^-30.5 and 2^-64.
Scalar exp_polynomial(ScalarBuilder& b, Scalar r);

// exp(x) = 2^n (1 + r + tail), |r| < 0.35, for |x| up to 2^10 ln 2; the tail is small against r.
struct ReducedExp {
  Rounded n;
  Scalar r, tail;
};
ReducedExp reduce_exp(ScalarBuilder& b, Scalar x);
// exp(x) for x <= 0 or NaN, half an ulp closer than exp_negative: for functions that lose more.
Scalar close_exp_negative(ScalarBuilder& b, Scalar x);

}  // namespace gradc::elementary
