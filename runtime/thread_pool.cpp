// The thread pool behind a context's parallel_for.
//
// A call's pieces are cut into chunks, and each worker has a share of neighbouring ones, the same in every call of a
// kind: what a kernel wrote, the next finds in the cache of its own core. A share is one atomic word: the number of the
// call, its first chunk that is left, and the end. Its owner takes from the front; who has none left takes from the end
// of another's. The exchange fails where another call has begun meanwhile, so a worker that wakes late does nothing,
// and a call waits only for those that took part in it.
//
// A system that wakes a thread on the CPU of who wakes it can leave both there, each in the other's way, while another
// CPU idles. So a worker that finds itself on the CPU of the caller, or of a worker before it, moves away, to any of
// those that the process may use.
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
#if defined(__linux__)
#include <sched.h>
#endif

namespace gradc::runtime {

namespace {

constexpr std::int64_t kMostChunks = 0xffff;    // of all workers together
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

// The chunks of a call that one worker is to take, or what is left of them.
struct Share {
  std::uint32_t call;
  std::uint16_t begin, end;

  explicit Share(std::uint64_t word)
      : call(static_cast<std::uint32_t>(word >> 32)),
        begin(static_cast<std::uint16_t>(word >> 16)),
        end(static_cast<std::uint16_t>(word)) {}
  Share(std::uint32_t of, std::int64_t first, std::int64_t last)
      : call(of), begin(static_cast<std::uint16_t>(first)), end(static_cast<std::uint16_t>(last)) {}

  std::uint64_t word() const { return std::uint64_t{call} << 32 | std::uint64_t{begin} << 16 | std::uint64_t{end}; }
  bool empty() const { return begin >= end; }
};

struct alignas(64) Slot {
  std::atomic<std::uint64_t> share{0};
  std::atomic<int> cpu{-1};  // where its worker last was when a call came
};

#if defined(__linux__)
class Places {
 public:
  Places() { known_ = sched_getaffinity(0, sizeof allowed_, &allowed_) == 0; }

  static int here() { return sched_getcpu(); }

  // Moves the thread that calls to a CPU that none of the slots before `worker` is on, where there is one.
  void leave(const std::vector<Slot>& slots, std::size_t worker) const {
    if (!known_) return;
    cpu_set_t free = allowed_;
    for (std::size_t i = 0; i < worker; ++i) {
      const int taken = slots[i].cpu.load(std::memory_order_relaxed);
      if (taken >= 0 && taken < CPU_SETSIZE) CPU_CLR(taken, &free);
    }
    if (CPU_COUNT(&free) > 0) sched_setaffinity(0, sizeof free, &free);
  }

 private:
  cpu_set_t allowed_{};
  bool known_ = false;
};
#else
class Places {
 public:
  static int here() { return -1; }
  void leave(const std::vector<Slot>&, std::size_t) const {}
};
#endif

// The pool and worker whose piece this thread is running.
thread_local const void* current_pool = nullptr;
thread_local std::int64_t current_worker = 0;

}  // namespace

struct ThreadPool::Shared {
  // The call at hand. Written only while no share has chunks left.
  std::atomic<gradc_piece> piece{nullptr};
  std::atomic<void*> argument{nullptr};
  std::atomic<std::int64_t> pieces{0}, chunks{0};

  const Places places;                               // of the thread that made the pool
  std::vector<Slot> slots;                           // of the workers, the calling thread's first
  alignas(64) std::atomic<std::uint32_t> number{0};  // of the last call
  alignas(64) std::atomic<std::int64_t> done{0};     // chunks of this call
  alignas(64) std::atomic<int> sleeping{0};
  std::atomic<bool> caller_sleeps{false}, stop{false};

  std::mutex calls;  // one call at a time
  std::mutex sleep;
  std::condition_variable work_came, call_ended;
  std::vector<std::thread> threads;

  explicit Shared(int workers) : slots(static_cast<std::size_t>(workers)) {}

  ~Shared() {
    stop.store(true);
    {
      const std::lock_guard lock(sleep);
    }
    work_came.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  // Takes a chunk of `owner`'s share, from its front or its end, and runs it; false where none is left.
  bool take_of(std::size_t owner, bool front, std::int64_t worker) {
    std::atomic<std::uint64_t>& slot = slots[owner].share;
    std::uint64_t seen = slot.load(std::memory_order_acquire);
    for (;;) {
      const Share share(seen);
      if (share.empty()) return false;
      const auto run = piece.load(std::memory_order_acquire);
      void* const with = argument.load(std::memory_order_acquire);
      const std::int64_t all = pieces.load(std::memory_order_acquire);
      const std::int64_t needed = chunks.load(std::memory_order_acquire);
      const Share left =
          front ? Share(share.call, share.begin + 1, share.end) : Share(share.call, share.begin, share.end - 1);
      if (!slot.compare_exchange_weak(seen, left.word(), std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      const std::int64_t chunk = front ? share.begin : left.end;
      for (std::int64_t i = all * chunk / needed, last = all * (chunk + 1) / needed; i < last; ++i)
        run(with, i, worker);
      if (done.fetch_add(1) + 1 == needed && caller_sleeps.load()) {
        {
          const std::lock_guard lock(sleep);
        }
        call_ended.notify_one();
      }
      return true;
    }
  }

  // Runs chunks until none is left: those of its own share, then others'.
  void work(std::int64_t worker) {
    const auto own = static_cast<std::size_t>(worker);
    while (take_of(own, true, worker)) {
    }
    for (std::size_t i = 1; i < slots.size(); ++i)
      while (take_of((own + i) % slots.size(), false, worker)) {
      }
  }

  void stay_apart(std::size_t worker) {
    const int here = Places::here();
    slots[worker].cpu.store(here, std::memory_order_relaxed);
    for (std::size_t i = 0; i < worker; ++i) {
      if (here < 0 || slots[i].cpu.load(std::memory_order_relaxed) != here) continue;
      places.leave(slots, worker);
      slots[worker].cpu.store(Places::here(), std::memory_order_relaxed);
      return;
    }
  }

  void serve(std::int64_t worker) {
    current_pool = this;
    current_worker = worker;
    std::uint32_t served = 0;
    const auto ready = [&] { return number.load() != served || stop.load(); };
    while (!stop.load()) {
      served = number.load();
      stay_apart(static_cast<std::size_t>(worker));
      work(worker);
      if (spin_until(ready)) continue;
      std::unique_lock lock(sleep);
      sleeping.fetch_add(1);
      work_came.wait(lock, ready);
      sleeping.fetch_sub(1);
    }
  }

  void publish(gradc_piece run, void* with, std::int64_t count) {
    const std::int64_t needed = std::min(count, kMostChunks);
    slots[0].cpu.store(Places::here(), std::memory_order_relaxed);
    piece.store(run, std::memory_order_release);
    argument.store(with, std::memory_order_release);
    pieces.store(count, std::memory_order_release);
    chunks.store(needed, std::memory_order_release);
    done.store(0, std::memory_order_relaxed);
    const std::uint32_t call = number.load(std::memory_order_relaxed) + 1U;
    const auto workers = static_cast<std::int64_t>(slots.size());
    for (std::int64_t w = 0; w < workers; ++w)
      slots[static_cast<std::size_t>(w)].share.store(
          Share(call, needed * w / workers, needed * (w + 1) / workers).word(), std::memory_order_release);
    number.store(call);
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
      work(0);
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

ThreadPool::ThreadPool(int workers) : shared_(std::make_unique<Shared>(std::max(workers, 1))) {
  workers = std::max(workers, 1);
  for (int worker = 1; worker < workers; ++worker) {
    shared_->threads.emplace_back([shared = shared_.get(), worker] { shared->serve(worker); });
  }
  context_ = {&Shared::parallel_for, shared_.get(), workers};
}

ThreadPool::~ThreadPool() = default;

}  // namespace gradc::runtime
