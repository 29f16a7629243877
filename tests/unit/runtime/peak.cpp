// Measured peaks: only what holds on a machine under any load.
#include "gradc/peak.h"

#include "tests/support/catch.h"

using namespace gradc::runtime;

#if defined(__x86_64__)
TEST_CASE("every x86-64 has a peak at 16 bytes") {
  // A multiplication and an addition of four floats each take at most some cycles, of at most a few nanoseconds.
  CHECK(measure_peak_gflops(GRADC_F32, {16, false}, 1) > 0.1);
  CHECK(measure_peak_gflops(GRADC_F64, {16, false}, 1) > 0.05);
  CHECK(measure_peak_gflops(GRADC_F32, {16, false}, 2) > 0.1);
}
#endif

TEST_CASE("a vector unit that no machine has gives 0") { CHECK(measure_peak_gflops(GRADC_F32, {128, true}, 1) == 0); }

TEST_CASE("memory has a bandwidth") {
  const double rate = measure_bandwidth(1);
  CHECK(rate > 0.01);
  CHECK(rate < 10000);
}
