// Peak multiply-add rate and memory bandwidth, measured by loops that do nothing else.
#include "gradc/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gradc::runtime {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr std::int64_t kRounds = 20000;  // of one timed stretch, some tens of microseconds
constexpr int kChains = 12;              // independent sums: more than latency times units needs, fewer than registers

// One loop: runs kRounds rounds of kChains multiply-adds of whole vectors, and gives the lanes of a vector.
using Loop = int (*)();

#if defined(__x86_64__)

// The sums go to 1: x → x / 2 + 1 / 2. They are variables of their own, so that each has a register; `asm` makes them
// values that the compiler knows nothing of.
#define GRADC_PEAK_LOOP(name, features, vector, element, set, madd)                 \
  __attribute__((target(features))) int name() {                                    \
    const vector half = set(element(0.5));                                          \
    vector a = half, b = half, c = half, d = half, e = half, f = half;              \
    vector g = half, h = half, i = half, j = half, k = half, l = half;              \
    for (std::int64_t round = 0; round < kRounds; ++round) {                        \
      a = madd(a), b = madd(b), c = madd(c), d = madd(d), e = madd(e), f = madd(f); \
      g = madd(g), h = madd(h), i = madd(i), j = madd(j), k = madd(k), l = madd(l); \
      asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f));      \
      asm volatile("" : "+x"(g), "+x"(h), "+x"(i), "+x"(j), "+x"(k), "+x"(l));      \
    }                                                                               \
    return static_cast<int>(sizeof(vector) / sizeof(element));                      \
  }
#define GRADC_MADD_PS(x) _mm_add_ps(_mm_mul_ps(x, half), half)
#define GRADC_MADD_PD(x) _mm_add_pd(_mm_mul_pd(x, half), half)
#define GRADC_FMA256_PS(x) _mm256_fmadd_ps(x, half, half)
#define GRADC_FMA256_PD(x) _mm256_fmadd_pd(x, half, half)
#define GRADC_FMA512_PS(x) _mm512_fmadd_ps(x, half, half)
#define GRADC_FMA512_PD(x) _mm512_fmadd_pd(x, half, half)

GRADC_PEAK_LOOP(loop_f32_16, "sse2", __m128, float, _mm_set1_ps, GRADC_MADD_PS)
GRADC_PEAK_LOOP(loop_f64_16, "sse2", __m128d, double, _mm_set1_pd, GRADC_MADD_PD)
GRADC_PEAK_LOOP(loop_f32_32, "avx2,fma", __m256, float, _mm256_set1_ps, GRADC_FMA256_PS)
GRADC_PEAK_LOOP(loop_f64_32, "avx2,fma", __m256d, double, _mm256_set1_pd, GRADC_FMA256_PD)
GRADC_PEAK_LOOP(loop_f32_64, "avx512f", __m512, float, _mm512_set1_ps, GRADC_FMA512_PS)
GRADC_PEAK_LOOP(loop_f64_64, "avx512f", __m512d, double, _mm512_set1_pd, GRADC_FMA512_PD)

Loop find_loop(bool wide, VectorUnit unit) {
  if (unit.bytes == 64 && __builtin_cpu_supports("avx512f")) return wide ? loop_f64_64 : loop_f32_64;
  if (unit.bytes == 32 && unit.fma && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return wide ? loop_f64_32 : loop_f32_32;
  if (unit.bytes == 16 && !unit.fma) return wide ? loop_f64_16 : loop_f32_16;
  return nullptr;
}

#else

Loop find_loop(bool, VectorUnit) { return nullptr; }

#endif

// Runs `measure` on so many threads at once and adds up what they give.
template <class F>
double sum_over_threads(int threads, F measure) {
  std::vector<double> results(static_cast<std::size_t>(threads));
  std::atomic<int> waiting{threads};
  const auto run = [&](std::size_t i) {
    --waiting;
    while (waiting.load() > 0) std::this_thread::yield();
    results[i] = measure();
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < results.size(); ++i) others.emplace_back(run, i);
  run(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (double result : results) sum += result;
  return sum;
}

// The least seconds of many calls within about `budget` seconds.
template <class F>
double least_seconds(double budget, F f) {
  double least = 1e30;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    f();
    least = std::min(least, seconds_since(start));
  } while (seconds_since(begin) < budget);
  return least;
}

}  // namespace

double measure_peak_gflops(gradc_dtype dtype, VectorUnit unit, int threads) {
  const Loop loop = find_loop(dtype == GRADC_F64, unit);
  if (!loop) return 0;
  return sum_over_threads(threads, [&] {
    int lanes = 0;
    const double seconds = least_seconds(0.05, [&] { lanes = loop(); });
    return 2.0 * static_cast<double>(kRounds * kChains * lanes) / seconds * 1e-9;
  });
}

double measure_bandwidth(int threads) {
  return sum_over_threads(threads, [] {
    constexpr std::size_t kElements = std::size_t{12} << 20;  // 96 MB an array
    const auto array = [] { return std::unique_ptr<double[]>(new double[kElements]); };
    const std::unique_ptr<double[]> a = array(), b = array(), c = array();
    std::fill_n(a.get(), kElements, 0.0);
    std::fill_n(b.get(), kElements, 1.0);
    std::fill_n(c.get(), kElements, 2.0);
    const double seconds = least_seconds(0.3, [&] {
      double *to = a.get(), *left = b.get(), *right = c.get();
      for (std::size_t i = 0; i < kElements; ++i) to[i] = left[i] + 0.5 * right[i];
      asm volatile("" : : "r"(to) : "memory");
    });
    return 3.0 * static_cast<double>(kElements * sizeof(double)) / seconds * 1e-9;
  });
}

}  // namespace gradc::runtime
