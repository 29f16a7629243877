// erf: a polynomial near 0, 1 - exp(p(|x|)) beyond, after Norbert Juffa's erff.
#include "ir/elementary.h"
#include "ir/elementary_exp.h"
#include "ir/elementary_pieces.h"

namespace gradc::elementary {
namespace {

// Coefficients: tests/golden/elementary_coefficients.sollya.
// (erf(x) - x) / x in x^2: on [0, 0.93], relative error of erf 2^-29.8; on [0, 1], 2^-56.
Scalar near_zero(ScalarBuilder& b, Scalar z) {
  if (z.type == DType::f32)
    return horner(
        b, z,
        {0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d86p-4, -0x1.b805acp-6, 0x1.5480p-8, -0x1.a81be8p-11, 0x1.56a27p-14});
  return horner(
      b, z,
      {0x1.06eba8214db68p-3, -0x1.812746b0379d3p-2, 0x1.ce2f21a0423f9p-4, -0x1.b82ce3126ed85p-6, 0x1.565bcd0b44cedp-8,
       -0x1.c02db381666ddp-11, 0x1.f9a31966139cep-14, -0x1.f4d1584cbb254p-17, 0x1.b9d90924be724p-20,
       -0x1.5ef0a43f7c503p-23, 0x1.f5f34e722a4bdp-27, -0x1.33a5c256c1f1ep-30, 0x1.f32db537ef09dp-35});
}

// (log(1 - erf(x)) + x) / x: on [0.92, 3.95], error of erf 2^-27.4; on [0.99, 5.95], 2^-57.
Scalar far_from_zero(ScalarBuilder& b, Scalar x) {
  if (x.type == DType::f32)
    return horner(b, x,
                  {-0x1.077ac8p-3, -0x1.453088p-1, -0x1.b340fcp-4, 0x1.85b2f8p-6, -0x1.dee7fp-9, 0x1.5578a4p-12,
                   -0x1.829f6cp-17});
  return horner(b, x,
                {-0x1.06ebacc88e79ep-3, -0x1.45f2f8f5be1dbp-1, -0x1.a4f7531e11125p-4, 0x1.3988c41384a52p-6,
                 0x1.8c94d252fbff9p-13, -0x1.b2fdbf115136bp-10, 0x1.1a0093a0c6decp-11, 0x1.12733fb8e10cdp-15,
                 -0x1.eb586068de8edp-14, 0x1.1c6afba1f8c88p-14, -0x1.ab230b53086a6p-16, 0x1.dfdb28e7fdfa3p-18,
                 -0x1.a2d7a481cf91dp-20, 0x1.1d5295808a32dp-22, -0x1.2b0abadf906f5p-25, 0x1.d2cd740803804p-29,
                 -0x1.ff86ac8e844cfp-33, 0x1.5f220638da746p-37, -0x1.c64bf0936a148p-43});
}

}  // namespace

Scalar erf(ScalarBuilder& b, Scalar x) {
  const bool f32 = x.type == DType::f32;
  const Scalar magnitude = abs(b, x);
  const Scalar saturation = b.number(x.type, f32 ? 3.95 : 5.95);  // from here on erf rounds to 1
  const Scalar bounded = b.select(magnitude > saturation, saturation, magnitude);
  const Scalar far = 1 - close_exp_negative(b, b.fma(bounded, far_from_zero(b, bounded), -bounded));
  const Scalar near = b.fma(magnitude, near_zero(b, magnitude * magnitude), magnitude);
  const Scalar result = b.select(magnitude > b.number(x.type, f32 ? 0.925 : 1), far, near);
  return with_sign(b, result, sign_bit(b, x));
}

}  // namespace gradc::elementary
