// The thread pool behind a context's parallel_for.
//
// A call's pieces are cut into chunks, and each of its workers has a share of neighbouring ones, the same in every call
// of a kind: what a kernel wrote, the next finds in the cache of its own core. A small call takes as long as cache
// lines take to travel between cores, so what a worker and its caller have to say to each other lies in two lines:
//
// - The caller writes a worker's mail: piece, argument and pieces, and last the word that the worker waits for, the
//   number of the call and its chunks. Each worker's share follows from these.
// - A worker's account is the number of the last call that somebody took chunks of this share in, with what is left of
//   it, and how many chunks of a call the worker has run. Where the number is an older one, the share is whole.
//
// A share's owner takes from its front; who has none left takes from the end of another's. A chunk is taken by an
// exchange that fails where anybody else has taken one, and never succeeds for a call that has ended, since all its
// shares are empty or of a later number then. So a worker that comes late does nothing, even if it has read a mail that
// is half overwritten: what it read is that of the call wherever a chunk of the call was left to take afterwards. The
// call has ended when the workers have run all chunks together, and it waits only for those that took part in it.
//
// Where a call is faster without all this, which its habits say, the caller runs the same pieces alone.
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
#include "runtime/habits.h"

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
constexpr std::size_t kLine = 128;              // what one core takes from another at once: a cache line, or a pair
constexpr std::uint32_t kFirstCall = 0xffffff00U;
constexpr std::uint32_t kRenewal = 1U << 20U;  // calls

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
  std::chrono::steady_clock::time_point end;
  for (bool first = true;; first = false) {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
    const auto now = std::chrono::steady_clock::now();
    if (first) end = now + kSpin;
    if (now >= end) return ready();
  }
}

std::uint64_t word(std::uint32_t call, std::int64_t high, std::int64_t low) {
  return std::uint64_t{call} << 32 | static_cast<std::uint64_t>(high) << 16 | static_cast<std::uint64_t>(low);
}
std::uint32_t call_of(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }
std::int64_t high_of(std::uint64_t word) { return static_cast<std::int64_t>(word >> 16 & 0xffff); }
std::int64_t low_of(std::uint64_t word) { return static_cast<std::int64_t>(word & 0xffff); }

struct Call {
  std::uint32_t number;
  std::int64_t chunks;  // [0, chunks), cut evenly into shares of `workers` workers, at least one each
  std::int64_t workers;
  gradc_piece piece;
  void* argument;
  std::int64_t pieces;

  std::int64_t share(std::int64_t worker) const { return chunks * worker / workers; }  // where it begins
  void run(std::int64_t chunk, std::int64_t worker) const {
    for (std::int64_t i = pieces * chunk / chunks, last = pieces * (chunk + 1) / chunks; i < last; ++i)
      piece(argument, i, worker);
  }
};

// What the caller writes and the worker reads.
struct alignas(kLine) Mail {
  std::atomic<std::uint64_t> call{word(kFirstCall, 0, 0)};  // number, 0, chunks; written last
  std::atomic<gradc_piece> piece{nullptr};
  std::atomic<void*> argument{nullptr};
  std::atomic<std::int64_t> pieces{0};
  std::atomic<bool> asleep{false};  // written by the worker
};

// What the worker writes and others read.
struct alignas(kLine) Account {
  std::atomic<std::uint64_t> left{word(kFirstCall, 0, 0)};  // call, first chunk that is left, end
  std::atomic<std::uint64_t> done{word(kFirstCall, 0, 0)};  // call, 0, chunks that this worker has run
  std::atomic<int> cpu{-1};                                 // where the worker last was when a call came
};

struct Slot {
  Mail mail;
  Account account;
  std::condition_variable work_came;
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
      const int taken = slots[i].account.cpu.load(std::memory_order_relaxed);
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
  const Places places;      // of the thread that made the pool
  std::vector<Slot> slots;  // of the workers, the calling thread's first

  std::mutex calls;                   // one call at a time
  std::uint32_t number = kFirstCall;  // of the last call
  Habits habits;

  std::atomic<bool> caller_sleeps{false}, stop{false};
  std::mutex sleep;
  std::condition_variable call_ended;
  std::vector<std::thread> threads;

  explicit Shared(int workers) : slots(static_cast<std::size_t>(workers)) {}

  ~Shared() {
    stop.store(true);
    {
      const std::lock_guard lock(sleep);
    }
    for (Slot& slot : slots) slot.work_came.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  Slot& slot(std::int64_t worker) { return slots[static_cast<std::size_t>(worker)]; }

  // Takes a chunk of `owner`'s share, from its front or its end; -1 where none is left.
  std::int64_t take(const Call& call, std::int64_t owner, bool front) {
    std::atomic<std::uint64_t>& left = slot(owner).account.left;
    std::uint64_t seen = left.load(std::memory_order_acquire);
    for (;;) {
      std::int64_t begin = high_of(seen), end = low_of(seen);
      if (call_of(seen) != call.number) {
        if (static_cast<std::int32_t>(call_of(seen) - call.number) > 0) return -1;
        begin = call.share(owner);
        end = call.share(owner + 1);
      }
      if (begin >= end) return -1;
      const std::int64_t chunk = front ? begin++ : --end;
      if (left.compare_exchange_weak(seen, word(call.number, begin, end), std::memory_order_acq_rel,
                                     std::memory_order_acquire))
        return chunk;
    }
  }

  // Runs chunks until none is left: those of its own share, then others'. `ran`: how many it has run before.
  void work(const Call& call, std::int64_t worker, std::int64_t ran) {
    std::atomic<std::uint64_t>& done = slot(worker).account.done;
    for (std::int64_t i = 0; i < call.workers; ++i) {
      const std::int64_t owner = (worker + i) % call.workers;
      for (std::int64_t chunk; (chunk = take(call, owner, i == 0)) >= 0;) {
        call.run(chunk, worker);
        done.store(word(call.number, 0, ++ran));
      }
    }
  }

  bool ended(const Call& call) const {
    std::int64_t ran = 0;
    for (std::int64_t w = 0; w < call.workers; ++w) {
      const std::uint64_t done = slots[static_cast<std::size_t>(w)].account.done.load();
      if (call_of(done) == call.number) ran += low_of(done);
    }
    return ran == call.chunks;
  }

  void stay_apart(std::size_t worker) {
    const int here = Places::here();
    slots[worker].account.cpu.store(here, std::memory_order_relaxed);
    for (std::size_t i = 0; i < worker; ++i) {
      if (here < 0 || slots[i].account.cpu.load(std::memory_order_relaxed) != here) continue;
      places.leave(slots, worker);
      slots[worker].account.cpu.store(Places::here(), std::memory_order_relaxed);
      return;
    }
  }

  Call read(const Mail& mail) const {
    const std::uint64_t came = mail.call.load(std::memory_order_acquire);
    const std::int64_t chunks = low_of(came);
    return {call_of(came),
            chunks,
            std::min(chunks, static_cast<std::int64_t>(slots.size())),
            mail.piece.load(std::memory_order_relaxed),
            mail.argument.load(std::memory_order_relaxed),
            mail.pieces.load(std::memory_order_relaxed)};
  }

  void serve(std::int64_t worker) {
    current_pool = this;
    current_worker = worker;
    Mail& mail = slot(worker).mail;
    std::uint32_t served = kFirstCall;
    const auto ready = [&] { return call_of(mail.call.load()) != served || stop.load(); };
    for (;;) {
      if (!spin_until(ready)) {
        std::unique_lock lock(sleep);
        mail.asleep.store(true);
        slot(worker).work_came.wait(lock, ready);
        mail.asleep.store(false);
      }
      if (stop.load()) return;
      const Call call = read(mail);
      served = call.number;
      work(call, worker, 0);
      if (caller_sleeps.load()) {
        {
          const std::lock_guard lock(sleep);
        }
        call_ended.notify_one();
      }
      stay_apart(static_cast<std::size_t>(worker));
    }
  }

  // An account that nobody wrote for half of all numbers would be one of a later call.
  void renew_accounts() {
    for (Slot& slot : slots) {
      slot.account.left.store(word(number, 0, 0), std::memory_order_relaxed);
      slot.account.done.store(word(number, 0, 0), std::memory_order_relaxed);
    }
  }

  // Tells the workers of a call whose first chunk the caller has taken.
  void publish(const Call& call) {
    Account& own = slots[0].account;
    own.cpu.store(Places::here(), std::memory_order_relaxed);
    own.left.store(word(call.number, 1, call.share(1)), std::memory_order_relaxed);
    for (std::int64_t w = 1; w < call.workers; ++w) {
      Mail& mail = slot(w).mail;
      mail.piece.store(call.piece, std::memory_order_relaxed);
      mail.argument.store(call.argument, std::memory_order_relaxed);
      mail.pieces.store(call.pieces, std::memory_order_relaxed);
      mail.call.store(word(call.number, 0, call.chunks));
    }
    for (std::int64_t w = 1; w < call.workers; ++w) {
      if (!slot(w).mail.asleep.load()) continue;
      {
        const std::lock_guard lock(sleep);
      }
      slot(w).work_came.notify_one();
    }
  }

  void share(gradc_piece piece, void* argument, std::int64_t pieces) {
    if (number % kRenewal == 0) renew_accounts();
    const std::int64_t chunks = std::min(pieces, kMostChunks);
    const Call call{++number, chunks,   std::min(chunks, static_cast<std::int64_t>(slots.size())),
                    piece,    argument, pieces};
    publish(call);
    call.run(0, 0);
    slots[0].account.done.store(word(call.number, 0, 1));
    work(call, 0, 1);
    const auto ready = [&] { return ended(call); };
    if (spin_until(ready)) return;
    std::unique_lock lock(sleep);
    caller_sleeps.store(true);
    call_ended.wait(lock, ready);
    caller_sleeps.store(false);
  }

  static double microseconds() {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  void call(gradc_piece kind, gradc_piece piece, void* argument, std::int64_t pieces) {
    if (pieces <= 0) return;
    if (current_pool == this) {
      const std::int64_t worker = current_worker;
      for (std::int64_t i = 0; i < pieces; ++i) piece(argument, i, worker);
      return;
    }
    const std::lock_guard one(calls);
    const void* const outer_pool = std::exchange(current_pool, this);
    const std::int64_t outer_worker = std::exchange(current_worker, 0);
    if (pieces > 1 && !threads.empty() && habits.share(kind, microseconds)) {
      share(piece, argument, pieces);
    } else {
      for (std::int64_t i = 0; i < pieces; ++i) piece(argument, i, 0);
    }
    current_pool = outer_pool;
    current_worker = outer_worker;
  }

  static void parallel_for(void* pool, gradc_piece piece, void* argument, std::int64_t pieces) {
    static_cast<Shared*>(pool)->call(piece, piece, argument, pieces);
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

void ThreadPool::run(gradc_piece kind, gradc_piece piece, void* argument, std::int64_t pieces) {
  shared_->call(kind, piece, argument, pieces);
}

}  // namespace gradc::runtime
