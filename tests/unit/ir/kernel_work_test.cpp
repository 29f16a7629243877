// Operations, traffic and launches, counted by hand.
#include "ir/kernel_work.h"

#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

TEST_CASE("work of a loop") {
  const auto p = parse(kSaxpy);
  const KernelWork work = work_of(*p, p->kernels[0]);
  CHECK(work.operations == 15 + 15);  // mul, add
  CHECK(work.tile_multiply_adds == 0);
  CHECK(work.read_bytes == 4 * (15 + 15 + 1));  // x, y, a
  CHECK(work.written_bytes == 4 * 15);
  CHECK(work.bytes() == 4 * 46);
}

TEST_CASE("work of a reduction: accumulators count, maxima and bits do not, a buffer read twice is read once") {
  const auto p = parse(kSoftmax);
  const KernelWork work = work_of(*p, p->kernels[0]);
  CHECK(work.operations == 12 + 12 + 12);      // sub, sum, div
  CHECK(work.read_bytes == 4 * (12 + 12));     // x, t
  CHECK(work.written_bytes == 4 * (12 + 12));  // t, z
  CHECK(work.bytes() == work_of(*p).bytes());
}

TEST_CASE("work of windows: overlapping reads count once") {
  const auto p = parse(kWindow);
  const KernelWork work = work_of(*p);
  CHECK(work.operations == 0);  // integers
  CHECK(work.read_bytes == 4 * 20);
  CHECK(work.written_bytes == 4 * 20);
}

TEST_CASE("work of tiles and copies") {
  const auto p = parse(kProduct);
  const KernelWork first = work_of(*p, p->kernels[0]), again = work_of(*p, p->kernels[1]);
  CHECK(first.operations == 0);
  CHECK(first.tile_multiply_adds == 4 * 8 * 3);
  CHECK(first.read_bytes == 4 * (12 + 24));
  CHECK(first.written_bytes == 4 * 32);
  CHECK(again.tile_multiply_adds == 4 * 8 * 3);
  CHECK(again.read_bytes == 4 * (12 + 24 + 32));  // and what it adds to
  CHECK(work_of(*p).bytes() == first.bytes() + again.bytes() + 2 * 4 * 32);
}

TEST_CASE("launches in loops and branches") {
  const auto p = parse(R"(program @loops {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input go: bool[]
  output y: f32[4]
  buffer @go: bool[1] input 0
  buffer @y: f32[4] output 0
  kernel @fill loop parallel 4 work 4 {
    %0 = constant f32 1
    store f32 %0 to @y[i0 of 4 by 1]
  }
  kernel @grow loop parallel 4 work 4 {
    %0 = load f32 @y[i0 of 4 by 1]
    %1 = add f32 %0, %0
    store f32 %1 to @y[i0 of 4 by 1]
  }
  entry {
    launch @fill
    for t0 < 3 {
      for t1 < 5 {
        launch @grow
      }
      if @go {
        launch @grow
      } else {
        launch @fill
      }
    }
  }
}
)");
  CHECK(launches_of(*p) == std::vector<std::int64_t>{1 + 3, 15 + 3});
  CHECK(work_of(*p).operations == 4 * 18);
  CHECK(work_of(*p).bytes() == 16 * 4 + 32 * 18);
}
