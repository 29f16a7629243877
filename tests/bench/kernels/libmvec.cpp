// glibc's vector functions, called as a compiler would call them: over whole vectors in a loop.
#include "tests/bench/kernels/peers.h"

#if defined(GRADC_BENCH_LIBMVEC) && defined(__x86_64__)

#include <immintrin.h>

#include <memory>

#define GRADC_UNARY(X) \
  X(exp) X(expm1) X(log) X(log1p) X(sin) X(cos) X(tan) X(tanh) X(erf) X(sinh) X(cosh) X(asin) X(acos) X(atan)
#define GRADC_BINARY(X) X(pow) X(atan2)

extern "C" {
#define GRADC_DECLARE(name) __attribute__((target("avx512f"))) __m512 _ZGVeN16v_##name##f(__m512);
GRADC_UNARY(GRADC_DECLARE)
#undef GRADC_DECLARE
#define GRADC_DECLARE(name) __attribute__((target("avx512f"))) __m512 _ZGVeN16vv_##name##f(__m512, __m512);
GRADC_BINARY(GRADC_DECLARE)
#undef GRADC_DECLARE
}

namespace gradc::bench {

namespace {

#define GRADC_LOOP(name)                                                                                           \
  __attribute__((target("avx512f"))) void over_##name(const float* x, const float*, float* y, std::int64_t n) {    \
    for (std::int64_t i = 0; i < n; i += 16) _mm512_storeu_ps(y + i, _ZGVeN16v_##name##f(_mm512_loadu_ps(x + i))); \
  }
GRADC_UNARY(GRADC_LOOP)
#undef GRADC_LOOP
#define GRADC_LOOP(name)                                                                                          \
  __attribute__((target("avx512f"))) void over_##name(const float* x, const float* z, float* y, std::int64_t n) { \
    for (std::int64_t i = 0; i < n; i += 16)                                                                      \
      _mm512_storeu_ps(y + i, _ZGVeN16vv_##name##f(_mm512_loadu_ps(x + i), _mm512_loadu_ps(z + i)));              \
  }
GRADC_BINARY(GRADC_LOOP)
#undef GRADC_LOOP

// 1 / (1 + exp(-x)), as one would write it with libmvec.
__attribute__((target("avx512f"))) void over_sigmoid(const float* x, const float*, float* y, std::int64_t n) {
  const __m512 one = _mm512_set1_ps(1);
  for (std::int64_t i = 0; i < n; i += 16) {
    const __m512 e = _ZGVeN16v_expf(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_loadu_ps(x + i)));
    _mm512_storeu_ps(y + i, _mm512_div_ps(one, _mm512_add_ps(one, e)));
  }
}

using Loop = void (*)(const float*, const float*, float*, std::int64_t);

Loop find_loop(const std::string& function) {
#define GRADC_FIND(name) \
  if (function == #name) return over_##name;
  GRADC_UNARY(GRADC_FIND)
  GRADC_BINARY(GRADC_FIND)
#undef GRADC_FIND
  if (function == "sigmoid") return over_sigmoid;
  if (function == "power") return over_pow;
  return nullptr;
}

}  // namespace

std::vector<Peer> libmvec_peer(const std::string& function, std::int64_t elements, const float* x, const float* y) {
  const Loop loop = find_loop(function);
  if (!loop || !__builtin_cpu_supports("avx512f")) return {};
  const std::shared_ptr<float[]> result(new float[static_cast<std::size_t>(elements)]);
  return {{"libmvec", [=] { loop(x, y, result.get(), elements); }}};
}

}  // namespace gradc::bench

#else

namespace gradc::bench {

std::vector<Peer> libmvec_peer(const std::string&, std::int64_t, const float*, const float*) { return {}; }

}  // namespace gradc::bench

#endif
