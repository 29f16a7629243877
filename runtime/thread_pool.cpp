// The thread pool behind a context's parallel_for.
//
// A call is published as a ticket: the number of the call in the upper half of one atomic word, the chunks left to take
// in the lower half. A worker takes a chunk by counting the lower half down; the exchange fails where another call has
// begun meanwhile, so a worker that wakes late does nothing, and a call waits only for those that took part in it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "gradc/executable.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace gradc::runtime {

namespace {

constexpr std::int64_t kMostChunks = std::int64_t{1} << 31;
constexpr std::chrono::microseconds kSpin{60};  // a little over the serial stretch between two kernels of a step

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Polls `ready` for kSpin; whether it came true.
template <class Ready>
bool spin_until(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

std::uint32_t call_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket >> 32); }
std::uint32_t chunks_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket); }

// The pool and worker whose piece this thread is running.
thread_local const void* current_pool = nullptr;
thread_local std::int64_t current_worker = 0;

}  // namespace

struct ThreadPool::Shared {
  // The call at hand. Written only while no chunk is left to take.
  std::atomic<gradc_piece> piece{nullptr};
  std::atomic<void*> argument{nullptr};
  std::atomic<std::int64_t> pieces{0}, chunks{0}, chunk{1};

  alignas(64) std::atomic<std::uint64_t> ticket{0};
  alignas(64) std::atomic<std::int64_t> done{0};  // chunks of this call
  alignas(64) std::atomic<int> sleeping{0};
  std::atomic<bool> caller_sleeps{false}, stop{false};

  std::mutex calls;  // one call at a time
  std::mutex sleep;
  std::condition_variable work_came, call_ended;
  std::vector<std::thread> threads;

  ~Shared() {
    stop.store(true);
    {
      const std::lock_guard lock(sleep);
    }
    work_came.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  // Takes one chunk of the call at hand and runs it; false where none is left.
  bool take(std::int64_t worker) {
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    while (chunks_of(seen) != 0) {
      const auto run = piece.load(std::memory_order_acquire);
      void* const with = argument.load(std::memory_order_acquire);
      const std::int64_t all = pieces.load(std::memory_order_acquire);
      const std::int64_t width = chunk.load(std::memory_order_acquire);
      const std::int64_t first = (chunks.load(std::memory_order_acquire) - chunks_of(seen)) * width;
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      const std::int64_t last = all - first < width ? all : first + width;
      for (std::int64_t i = first; i < last; ++i) run(with, i, worker);
      const std::int64_t needed = (all + width - 1) / width;
      if (done.fetch_add(1) + 1 == needed && caller_sleeps.load()) {
        {
          const std::lock_guard lock(sleep);
        }
        call_ended.notify_one();
      }
      return true;
    }
    return false;
  }

  void serve(std::int64_t worker) {
    current_pool = this;
    current_worker = worker;
    const auto ready = [&] { return chunks_of(ticket.load(std::memory_order_acquire)) != 0 || stop.load(); };
    while (!stop.load()) {
      while (take(worker)) {
      }
      if (spin_until(ready)) continue;
      std::unique_lock lock(sleep);
      sleeping.fetch_add(1);
      work_came.wait(lock, [&] { return chunks_of(ticket.load()) != 0 || stop.load(); });
      sleeping.fetch_sub(1);
    }
  }

  void publish(gradc_piece run, void* with, std::int64_t count) {
    const std::int64_t width = (count + kMostChunks - 1) / kMostChunks;
    const std::int64_t needed = (count + width - 1) / width;
    piece.store(run, std::memory_order_release);
    argument.store(with, std::memory_order_release);
    pieces.store(count, std::memory_order_release);
    chunk.store(width, std::memory_order_release);
    chunks.store(needed, std::memory_order_release);
    done.store(0, std::memory_order_relaxed);
    const std::uint64_t number = call_of(ticket.load(std::memory_order_relaxed)) + 1U;
    ticket.store(number << 32 | static_cast<std::uint64_t>(needed));
    if (sleeping.load() > 0) {
      {
        const std::lock_guard lock(sleep);
      }
      work_came.notify_all();
    }
  }

  void call(gradc_piece run, void* with, std::int64_t count) {
    const std::lock_guard one(calls);
    const void* const outer_pool = std::exchange(current_pool, this);
    const std::int64_t outer_worker = std::exchange(current_worker, 0);
    if (count == 1 || threads.empty()) {
      for (std::int64_t i = 0; i < count; ++i) run(with, i, 0);
    } else {
      publish(run, with, count);
      while (take(0)) {
      }
      const std::int64_t needed = chunks.load(std::memory_order_relaxed);
      const auto ended = [&] { return done.load() == needed; };
      if (!spin_until(ended)) {
        std::unique_lock lock(sleep);
        caller_sleeps.store(true);
        call_ended.wait(lock, ended);
        caller_sleeps.store(false);
      }
    }
    current_pool = outer_pool;
    current_worker = outer_worker;
  }

  static void parallel_for(void* pool, gradc_piece piece, void* argument, std::int64_t pieces) {
    if (pieces <= 0) return;
    if (current_pool == pool) {
      const std::int64_t worker = current_worker;
      for (std::int64_t i = 0; i < pieces; ++i) piece(argument, i, worker);
      return;
    }
    static_cast<Shared*>(pool)->call(piece, argument, pieces);
  }
};

ThreadPool::ThreadPool(int workers) : shared_(std::make_unique<Shared>()) {
  workers = std::max(workers, 1);
  for (int worker = 1; worker < workers; ++worker) {
    shared_->threads.emplace_back([shared = shared_.get(), worker] { shared->serve(worker); });
  }
  context_ = {&Shared::parallel_for, shared_.get(), workers};
}

ThreadPool::~ThreadPool() = default;

}  // namespace gradc::runtime
