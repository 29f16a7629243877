// What the elementary functions are measured against: libm, one precision wider, and the error in units in the last
// place of the result.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "ir/elementary.h"

namespace gradc::test {

// |got - exact| in ulp of a result near `exact`; infinite where NaN or the sign of zero differ. Infinity counts as the
// first power of two beyond the largest finite number.
double ulp_error(float got, double exact);
double ulp_error(double got, long double exact);

struct Unary {
  const char* name;
  Scalar (*build)(ScalarBuilder&, Scalar);
  void (*narrow)(const double* x, double* y, int n);  // reference of f32; n is a multiple of 64
  long double (*wide)(long double);                   // reference of f64
  double f32_ulp, f64_ulp;                            // the largest error allowed
};
std::span<const Unary> unary_functions();

struct Binary {
  const char* name;
  Scalar (*build)(ScalarBuilder&, Scalar, Scalar);
  long double (*wide)(long double, long double);
  double f32_ulp, f64_ulp;
};
std::span<const Binary> binary_functions();

struct Worst {
  double ulp = 0;
  double x = 0, y = 0;
  void see(double error, double at, double and_at = 0) {
    if (error > ulp) *this = {error, at, and_at};
  }
  std::string str() const;
};

// The worst of `got` against the reference of f32 at `x`, n of them, n a multiple of 64. Results better than `worst`
// are only glanced at.
void see_f32(Worst& worst, const Unary& function, const float* x, const float* got, int n);

}  // namespace gradc::test
