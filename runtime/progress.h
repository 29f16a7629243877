// What a run says on standard error: a bar with rate and time left on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "gradc/fit.h"

namespace gradc::runtime {

class Progress {
 public:
  // `examples`: of one epoch.
  Progress(bool quiet, std::int64_t epochs, std::int64_t examples);

  void begin_epoch(std::int64_t epoch, std::int64_t done);
  void step(std::int64_t done, double loss);  // examples of this epoch so far
  void end_epoch(const EpochEvent& event);
  void note(const std::string& line);  // a line of its own
  void clear();                        // wipes the bar

 private:
  using Clock = std::chrono::steady_clock;
  void draw(std::int64_t done, double loss, Clock::time_point now);

  bool quiet_, terminal_ = false, escapes_ = false;
  std::int64_t epochs_, examples_, epoch_ = 0;
  std::size_t drawn_ = 0;                 // width of the bar on screen
  std::int64_t run_ = 0, last_done_ = 0;  // examples since start_
  Clock::time_point start_ = Clock::now(), next_ = start_, next_line_ = start_;
};

std::string duration_text(double seconds);  // "0:07", "1:02:03"

}  // namespace gradc::runtime
