// Calls are shared where that is faster, by a clock that the test moves.
#include "runtime/habits.h"

#include "tests/support/catch.h"

using gradc::runtime::Habits;

namespace {

gradc_piece kind(std::uintptr_t i) { return reinterpret_cast<gradc_piece>(i * 64 + 4096); }

struct Clock {
  Habits habits;
  double time = 0;
  int asked = 0;

  // A call that takes so long, shared or serial, until the next begins; whether it was shared.
  bool call(gradc_piece of, double shared, double serial) {
    const bool way = habits.share(of, [&] {
      ++asked;
      return time;
    });
    time += way ? shared : serial;
    return way;
  }
  // How many of so many calls are shared.
  int calls(int count, gradc_piece of, double shared, double serial) {
    int result = 0;
    for (int i = 0; i < count; ++i) result += call(of, shared, serial);
    return result;
  }
};

constexpr int kPeriod = Habits::kPeriod;
constexpr int kTrials = Habits::kTrials;

}  // namespace

TEST_CASE("calls are made in the faster way, but for a few of a period") {
  Clock slow, fast;
  CHECK(slow.calls(10 * kPeriod, kind(1), 4, 3) == 10 * kTrials);
  CHECK(fast.calls(10 * kPeriod, kind(1), 3, 4) == 10 * (kPeriod - kTrials));
}

TEST_CASE("one serial call is enough where it takes more than twice as long") {
  Clock clock;
  CHECK(clock.calls(10 * kPeriod, kind(1), 3, 7) == 10 * (kPeriod - 1));
}

TEST_CASE("long calls are shared without a trial") {
  Clock clock;
  CHECK(clock.calls(3 * kPeriod, kind(1), 101, 50) == 3 * kPeriod);
}

TEST_CASE("each kind of a step has its own way") {
  Clock clock;
  int shared[2] = {};
  for (int step = 0; step < kPeriod; ++step) {
    shared[0] += clock.call(kind(1), 9, 8);
    shared[1] += clock.call(kind(2), 8, 9);
  }
  CHECK(shared[0] == kTrials);
  CHECK(shared[1] == kPeriod - kTrials);
}

TEST_CASE("when messages become slower or quicker, the way changes within a period") {
  Clock clock;
  clock.calls(kPeriod, kind(1), 3, 4);
  clock.calls(2 * kTrials, kind(1), 5, 4);
  CHECK(clock.calls(kPeriod - 2 * kTrials, kind(1), 5, 4) == 0);
  clock.calls(2 * kTrials, kind(1), 3, 4);
  CHECK(clock.calls(kPeriod - 2 * kTrials, kind(1), 3, 4) == kPeriod - 2 * kTrials);
}

TEST_CASE("a trial that is interrupted does not decide") {
  for (int interrupted = 0; interrupted < 2 * kTrials; ++interrupted) {
    Clock slow;
    for (int i = 0; i < 2 * kTrials; ++i) slow.call(kind(1), i == interrupted ? 4000 : 4, i == interrupted ? 5 : 3);
    CAPTURE(interrupted);
    CHECK(slow.calls(100, kind(1), 4, 3) == 0);
  }
}

TEST_CASE("the clock is read for trials alone") {
  Clock clock;
  clock.calls(kPeriod, kind(1), 4, 3);
  CHECK(clock.asked == 2 * kTrials + 1);
}

TEST_CASE("more kinds than are remembered are shared") {
  Clock clock;
  int shared = 0;
  for (int step = 0; step < 3; ++step)
    for (std::uintptr_t i = 0; i < 5000; ++i) shared += clock.call(kind(i), 4, 3);
  CHECK(shared == 15000);
}
