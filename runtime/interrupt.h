// SIGINT and SIGTERM as a question asked between two steps.
#pragma once

namespace gradc::runtime {

// While it lives (and is enabled), the first such signal is only remembered; the next one acts as it did before.
class InterruptCatcher {
 public:
  explicit InterruptCatcher(bool enabled);
  ~InterruptCatcher();
  InterruptCatcher(const InterruptCatcher&) = delete;
  InterruptCatcher& operator=(const InterruptCatcher&) = delete;
  int signal() const;  // the one that came, or 0

 private:
  bool enabled_;
};

}  // namespace gradc::runtime
