// Handlers of SIGINT and SIGTERM that set a flag once.
#include "interrupt.h"

#include <atomic>
#include <csignal>

namespace gradc::runtime {

namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free);
struct sigaction before[2];

void restore() {
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &before[i], nullptr);
}

void handle(int signal) {
  caught.store(signal);
  restore();  // async-signal-safe: sigaction is
}

}  // namespace

InterruptCatcher::InterruptCatcher(bool enabled) : enabled_(enabled) {
  caught.store(0);
  if (!enabled_) return;
  struct sigaction action{};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &action, &before[i]);
}

InterruptCatcher::~InterruptCatcher() {
  if (enabled_ && caught.load() == 0) restore();
}

int InterruptCatcher::signal() const { return enabled_ ? caught.load() : 0; }

}  // namespace gradc::runtime
