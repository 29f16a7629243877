// References of the elementary functions in libm, vectorised where libm has vector variants.
#if defined(__linux__)
#include <features.h>
#endif
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 35)
// Lets the compiler use libmvec in loops; within 4 ulp of f64, so next to nothing in f32.
#define GRADC_VECTOR noexcept __attribute__((const, simd("notinbranch")))
extern "C" {
double exp(double) GRADC_VECTOR;
double exp2(double) GRADC_VECTOR;
double expm1(double) GRADC_VECTOR;
double log(double) GRADC_VECTOR;
double log1p(double) GRADC_VECTOR;
double sin(double) GRADC_VECTOR;
double cos(double) GRADC_VECTOR;
double tan(double) GRADC_VECTOR;
double atan(double) GRADC_VECTOR;
double tanh(double) GRADC_VECTOR;
double erf(double) GRADC_VECTOR;
}
#endif
#endif

#include "tests/support/elementary_reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>

#include "tests/support/clones.h"

namespace gradc::test {
namespace {

// ---- f32 ----

#define GRADC_REFERENCE(NAME, EXPRESSION)                                                      \
  GRADC_CLONES void NAME##_narrow(const double* __restrict xs, double* __restrict ys, int n) { \
    for (int i = 0; i < n; ++i) {                                                              \
      const double x = xs[i];                                                                  \
      ys[i] = EXPRESSION;                                                                      \
    }                                                                                          \
  }
// Exponents beyond which f32 is 0 or infinite anyway, but f64 is still ordinary. NaN stays.
inline double ordinary(double x) { return x > 700 ? 700 : x < -700 ? -700 : x; }
inline double quotient(bool negative, double e) { return (negative ? e : 1) / (1 + e); }
// clang-format off
GRADC_REFERENCE(floor, __builtin_floor(x))
GRADC_REFERENCE(ceil, __builtin_ceil(x))
GRADC_REFERENCE(trunc, __builtin_trunc(x))
GRADC_REFERENCE(round, __builtin_nearbyint(x))
GRADC_REFERENCE(exp, ::exp(ordinary(x)))
GRADC_REFERENCE(exp_negative, ::exp(-__builtin_fabs(ordinary(x))))
GRADC_REFERENCE(exp2, ::exp2(ordinary(x)))
GRADC_REFERENCE(expm1, ::expm1(ordinary(x)))
GRADC_REFERENCE(log, ::log(x))
GRADC_REFERENCE(log1p, ::log1p(x))
GRADC_REFERENCE(softplus, (x < 0 ? 0 : x) + ::log1p(::exp(-__builtin_fabs(ordinary(x)))))
GRADC_REFERENCE(sqrt, __builtin_sqrt(x))
GRADC_REFERENCE(rsqrt, 1 / __builtin_sqrt(x))
GRADC_REFERENCE(sin, ::sin(x))
GRADC_REFERENCE(cos, ::cos(x))
GRADC_REFERENCE(tan, ::tan(x))
GRADC_REFERENCE(atan, ::atan(x))
GRADC_REFERENCE(tanh, ::tanh(x))
GRADC_REFERENCE(sigmoid, quotient(x < 0, ::exp(-__builtin_fabs(ordinary(x)))))
GRADC_REFERENCE(erf, ::erf(x))
// clang-format on

// ---- f64 ----

long double softplus_wide(long double x) { return fmaxl(x, 0) + log1pl(expl(-fabsl(x))) + (x != x ? x : 0); }
Scalar exp_of_minus_magnitude(ScalarBuilder& b, Scalar x) {
  return elementary::exp_negative(b, -elementary::abs(b, x));
}
long double exp_of_minus_magnitude_wide(long double x) { return expl(-fabsl(x)); }
long double sigmoid_wide(long double x) { return (x < 0 ? expl(x) : 1) / (1 + expl(-fabsl(x))); }
long double rsqrt_wide(long double x) { return 1 / sqrtl(x); }
long double floor_remainder_wide(long double x, long double y) {
  const long double r = fmodl(x, y);
  if (r == 0) return copysignl(r, y);
  return (r < 0) != (y < 0) ? r + y : r;
}
long double maximum_wide(long double x, long double y) {
  if (x != x || y != y) return x + y;
  return x == y ? (std::signbit(x) ? y : x) : std::max(x, y);
}
long double minimum_wide(long double x, long double y) {
  if (x != x || y != y) return x + y;
  return x == y ? (std::signbit(x) ? x : y) : std::min(x, y);
}

}  // namespace

std::span<const Unary> unary_functions() {
#define GRADC_UNARY(NAME, WIDE, F32, F64) {#NAME, elementary::NAME, NAME##_narrow, WIDE, F32, F64}
  static const Unary functions[] = {
      GRADC_UNARY(floor, floorl, 0, 0),
      GRADC_UNARY(ceil, ceill, 0, 0),
      GRADC_UNARY(trunc, truncl, 0, 0),
      GRADC_UNARY(round, nearbyintl, 0, 0),
      GRADC_UNARY(exp, expl, 1.1, 1),
      GRADC_UNARY(exp2, exp2l, 1.1, 1.1),
      GRADC_UNARY(expm1, expm1l, 1.7, 1.6),
      GRADC_UNARY(log, logl, 0.9, 0.9),
      {"exp_negative", exp_of_minus_magnitude, exp_negative_narrow, exp_of_minus_magnitude_wide, 1.7, 1},
      GRADC_UNARY(log1p, log1pl, 0.9, 1.5),
      GRADC_UNARY(softplus, softplus_wide, 1.8, 1.8),
      GRADC_UNARY(sqrt, sqrtl, 0.501, 0.501),
      GRADC_UNARY(rsqrt, rsqrt_wide, 1.6, 1.6),
      GRADC_UNARY(sin, sinl, 1.7, 0.9),
      GRADC_UNARY(cos, cosl, 1.7, 0.9),
      GRADC_UNARY(tan, tanl, 1.6, 1.6),
      GRADC_UNARY(atan, atanl, 1.6, 1.9),
      GRADC_UNARY(tanh, tanhl, 1.4, 1.4),
      GRADC_UNARY(sigmoid, sigmoid_wide, 1.9, 1.4),
      GRADC_UNARY(erf, erfl, 1.3, 1.3),
  };
  return functions;
}

std::span<const Binary> binary_functions() {
  static const Binary functions[] = {
      {"pow", elementary::pow, powl, 0.52, 0.75},
      {"atan2", elementary::atan2, atan2l, 1.6, 1.9},
      {"remainder", elementary::remainder, fmodl, 0, 0},
      {"floor_remainder", elementary::floor_remainder, floor_remainder_wide, 0.501, 0.501},
      {"copysign", elementary::copysign, copysignl, 0, 0},
      {"maximum", elementary::maximum, maximum_wide, 0, 0},
      {"minimum", elementary::minimum, minimum_wide, 0, 0},
  };
  return functions;
}

// ---- errors ----

namespace {

template <class T, class Wide>
double error_of(T got, Wide exact) {
  using Limits = std::numeric_limits<T>;
  if (exact != exact || got != got) return (exact != exact) == (got != got) ? 0 : INFINITY;
  if (std::signbit(got) != std::signbit(exact)) return INFINITY;
  const Wide limit = std::ldexp(Wide{1}, Limits::max_exponent);
  const Wide value = std::isinf(got) ? limit : std::abs(static_cast<Wide>(got));
  const Wide bounded = std::min(std::abs(exact), limit);
  int exponent = 0;  // bounded = f * 2^exponent, f in [1/2, 1)
  std::frexp(bounded, &exponent);
  if (bounded == 0) exponent = Limits::min_exponent;
  exponent = std::clamp(exponent, Limits::min_exponent, Limits::max_exponent);
  return static_cast<double>(std::ldexp(std::abs(value - bounded), Limits::digits - exponent));
}

// The largest error in ulp as error_of gives it, but for signs and NaN that differ: those count as `others`. Written
// for vectors: a maximum of doubles that are not negative is one of their bits.
struct Quick {
  double ulp;
  bool others;
};
GRADC_CLONES Quick quick_errors(const float* got, const double* exact, int n) {
  std::int64_t worst = 0, others = 0;
  for (int i = 0; i < n; ++i) {
    const double g = __builtin_fabs(static_cast<double>(got[i])), e = __builtin_fabs(exact[i]);
    const double bounded_g = g > 0x1p128 ? 0x1p128 : g, bounded_e = e > 0x1p128 ? 0x1p128 : e;
    const std::int64_t bits = std::bit_cast<std::int64_t>(bounded_e);
    const std::int64_t field = bits >> 52;
    const std::int64_t normal = field < 1023 - 126 ? 1023 - 126 : field > 1023 + 127 ? 1023 + 127 : field;
    const double per_ulp = std::bit_cast<double>((1023 + 1023 + 23 - normal) << 52);
    const std::int64_t error = std::bit_cast<std::int64_t>(__builtin_fabs(bounded_g - bounded_e) * per_ulp);
    const std::int64_t signs =
        (std::bit_cast<std::int64_t>(static_cast<double>(got[i])) ^ std::bit_cast<std::int64_t>(exact[i])) >> 63;
    const std::int64_t got_nan = g != g ? -1 : 0, exact_nan = e != e ? -1 : 0;
    others |= (got_nan ^ exact_nan) | (signs & ~got_nan);
    const std::int64_t counted = error & ~got_nan;
    worst = counted > worst ? counted : worst;
  }
  return {std::bit_cast<double>(worst), others != 0};
}

}  // namespace

double ulp_error(float got, double exact) { return error_of(got, exact); }
double ulp_error(double got, long double exact) { return error_of(got, exact); }

std::string Worst::str() const {
  char text[120];
  std::snprintf(text, sizeof text, "%.4f ulp at %a, %a", ulp, x, y);
  return text;
}

void see_f32(Worst& worst, const Unary& function, const float* x, const float* got, int n) {
  constexpr int kBlock = 512;
  double wide[kBlock], exact[kBlock];
  for (int first = 0; first < n; first += kBlock) {
    const int count = std::min(kBlock, n - first);
    for (int i = 0; i < count; ++i) wide[i] = x[first + i];
    function.narrow(wide, exact, count);
    const Quick quick = quick_errors(got + first, exact, count);
    if (!quick.others && quick.ulp <= worst.ulp) continue;
    for (int i = 0; i < count; ++i) worst.see(ulp_error(got[first + i], exact[i]), x[first + i]);
  }
}

}  // namespace gradc::test
