// Whether calls of a kind are faster shared among workers or serial, which the times of a few of them say.
//
// What a message between cores costs, and what it costs to read what another core has written, changes by tenfold
// between machines, and on some from one minute to the next; what a call is worth, nobody has told the pool. But a
// program makes the same calls in every step. Each kind of call has a period of visits: first some that are shared,
// then as many serial ones, then calls in the way whose median was better. All kinds of a step are tried at once, so
// that each way is seen at its best: workers awake where calls are shared, data in one cache where they are not.
//
// A trial lasts from the beginning of its call to that of the next call, whatever its kind: what the caller does
// between them takes longer where it reads what other cores have just written.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "gradc/abi.h"

namespace gradc::runtime {

class Habits {
 public:
  static constexpr std::size_t kTrials = 7;       // in each way; a rare interruption is not the median
  static constexpr std::uint32_t kPeriod = 2048;  // visits: trials make up less than a hundredth
  static constexpr double kLong = 100;            // microseconds of a call that is shared without a serial trial

  // Whether the call that begins is to be shared. `now()`: a time in microseconds, asked for only where a trial begins
  // or ends.
  template <class Now>
  bool share(gradc_piece kind, Now now) {
    Habit& habit = habits_[place(kind)];
    const bool known = habit.kind == kind;
    if (trial_ || !known || !habit.settled) {
      const double time = now();
      if (trial_) trial_->learn(time - began_);
      began_ = time;
    }
    if (!known) {
      habit = {};
      habit.kind = kind;
    }
    trial_ = habit.settled ? nullptr : &habit;
    return habit.visit_as_shared();
  }

 private:
  using Times = std::array<double, kTrials>;

  static double median(Times times) {
    std::nth_element(times.begin(), times.begin() + kTrials / 2, times.end());
    return times[kTrials / 2];
  }

  struct Habit {
    gradc_piece kind = nullptr;
    bool settled = false;     // for this period
    bool shared = true;       // which way was better
    std::uint32_t visit = 0;  // of the period
    Times times{};            // of shared calls, then of serial ones
    double when_shared = 0;   // the median

    bool visit_as_shared() {
      const bool way = settled ? shared : visit < kTrials;
      if (++visit == kPeriod) {
        visit = 0;
        settled = false;
      }
      return way;
    }
    void learn(double time) {  // of the visit before, a trial
      times[(visit - 1) % kTrials] = time;
      if (visit == kTrials) {
        when_shared = median(times);
        if (when_shared > kLong) settle(true);
      } else if (visit == 2 * kTrials) {
        settle(when_shared < median(times));
      } else if (visit > kTrials && time > 2 * when_shared) {
        settle(true);
      }
    }
    void settle(bool as_shared) {
      shared = as_shared;
      settled = true;
    }
  };

  static constexpr unsigned kBits = 10;  // kinds that share a place start over in turn, with shared calls

  static std::size_t place(gradc_piece kind) {
    return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(kind) * std::uint64_t{0x9e3779b97f4a7c15} >>
                                    (64 - kBits));
  }

  std::vector<Habit> habits_ = std::vector<Habit>(std::size_t{1} << kBits);
  Habit* trial_ = nullptr;  // that of the last call, where it was one
  double began_ = 0;
};

}  // namespace gradc::runtime
