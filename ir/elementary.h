// Elementary functions as scalar bodies: polynomials, range reduction and bit operations over the opcodes of
// ir/scalar.h. No library call stands behind any of them, so they inline, vectorise and fold to the same bits
// everywhere.
//
// Every function takes f32 and f64 and follows C's Annex F on signed zeros, infinities and NaN; denormals are kept.
// Accuracy is in the table of ir/README.md, "Elementary functions".
#pragma once

#include "ir/scalar.h"

namespace gradc::elementary {

// Signs and classes.
Scalar abs(ScalarBuilder& b, Scalar x);   // also integers: INT_MIN stays, u32 and u8 are their own
Scalar sign(ScalarBuilder& b, Scalar x);  // -1, 1, x where x is 0 or NaN; also integers
Scalar copysign(ScalarBuilder& b, Scalar x, Scalar y);
Scalar is_nan(ScalarBuilder& b, Scalar x);     // bool
Scalar is_finite(ScalarBuilder& b, Scalar x);  // bool
// NaN where either is NaN; max(-0, +0) is +0, min is -0. Also integers.
Scalar maximum(ScalarBuilder& b, Scalar x, Scalar y);
Scalar minimum(ScalarBuilder& b, Scalar x, Scalar y);

// To integers; all exact.
Scalar trunc(ScalarBuilder& b, Scalar x);
Scalar floor(ScalarBuilder& b, Scalar x);
Scalar ceil(ScalarBuilder& b, Scalar x);
Scalar round(ScalarBuilder& b, Scalar x);  // half to even
// x - trunc(x / y) * y, exactly: C's fmod, with the sign of x. Integers: opcode rem.
Scalar remainder(ScalarBuilder& b, Scalar x, Scalar y);
// x - floor(x / y) * y with the sign of y: Python's and NumPy's %. Also integers.
Scalar floor_remainder(ScalarBuilder& b, Scalar x, Scalar y);

// Exponentials and logarithms.
Scalar exp(ScalarBuilder& b, Scalar x);
Scalar exp_negative(ScalarBuilder& b, Scalar x);  // exp(x) for x <= 0 or NaN, sooner
Scalar exp2(ScalarBuilder& b, Scalar x);
Scalar expm1(ScalarBuilder& b, Scalar x);
Scalar log(ScalarBuilder& b, Scalar x);
Scalar log1p(ScalarBuilder& b, Scalar x);
Scalar softplus(ScalarBuilder& b, Scalar x);  // log(1 + exp(x))
Scalar sqrt(ScalarBuilder& b, Scalar x);
Scalar rsqrt(ScalarBuilder& b, Scalar x);  // 1 / sqrt(x); of -0: -inf
Scalar pow(ScalarBuilder& b, Scalar x, Scalar y);

// Trigonometric functions.
Scalar sin(ScalarBuilder& b, Scalar x);
Scalar cos(ScalarBuilder& b, Scalar x);
Scalar tan(ScalarBuilder& b, Scalar x);
Scalar atan(ScalarBuilder& b, Scalar x);
Scalar atan2(ScalarBuilder& b, Scalar y, Scalar x);

// Sigmoids.
Scalar tanh(ScalarBuilder& b, Scalar x);
Scalar sigmoid(ScalarBuilder& b, Scalar x);  // 1 / (1 + exp(-x))
Scalar erf(ScalarBuilder& b, Scalar x);

}  // namespace gradc::elementary
