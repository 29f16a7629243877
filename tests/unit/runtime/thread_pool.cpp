// The pool runs every piece once, on a worker of its own, whoever calls and however often.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "gradc/executable.h"
#include "tests/support/catch.h"

using namespace gradc::runtime;

namespace {

struct Count {
  std::vector<int> runs;                 // per piece; plain memory: a piece that ran twice at once is a data race
  std::vector<std::atomic<int>> inside;  // per worker
  std::atomic<bool> wrong{false};
  Count(std::size_t pieces, int workers) : runs(pieces), inside(static_cast<std::size_t>(workers)) {}

  static void piece(void* self, std::int64_t i, std::int64_t worker) {
    auto& count = *static_cast<Count*>(self);
    if (worker < 0 || worker >= static_cast<std::int64_t>(count.inside.size())) {
      count.wrong = true;
      return;
    }
    auto& here = count.inside[static_cast<std::size_t>(worker)];
    if (here.fetch_add(1) != 0) count.wrong = true;
    ++count.runs[static_cast<std::size_t>(i)];
    here.fetch_sub(1);
  }
  bool all_once() const {
    for (const int n : runs) {
      if (n != 1) return false;
    }
    return !wrong;
  }
};

// Of a kind that the pool does not know, and shares.
void call(ThreadPool& pool, gradc_piece piece, void* argument, std::int64_t pieces) {
  static std::atomic<std::uintptr_t> kinds{0};
  pool.run(reinterpret_cast<gradc_piece>(++kinds * 16), piece, argument, pieces);
}

}  // namespace

TEST_CASE("every piece runs exactly once, no worker twice at a time") {
  for (const int workers : {1, 2, 3, 5, 8}) {
    ThreadPool pool(workers);
    REQUIRE(pool.workers() == workers);
    for (const std::int64_t pieces : {0, 1, 2, 7, 64, 1000}) {
      Count count(static_cast<std::size_t>(pieces), workers);
      call(pool, Count::piece, &count, pieces);
      CAPTURE(workers, pieces);
      CHECK(count.all_once());
    }
  }
}

TEST_CASE("more pieces than a share can count") {
  ThreadPool pool(3);
  Count count(200000, 3);
  call(pool, Count::piece, &count, 200000);
  CHECK(count.all_once());
}

// A worker that comes late finds the call over, and what the next has begun to say of itself.
TEST_CASE("many short calls of few and many pieces in a row, awake and after sleep") {
  for (const int workers : {2, 3, 7}) {
    ThreadPool pool(workers);
    bool right = true;
    std::uint32_t random = 1;
    for (int round = 0; round < 3000; ++round) {
      random = random * 1664525U + 1013904223U;
      const std::int64_t pieces = random >> 31 ? random >> 24 & 63U : 1 + (random >> 24 & 3U);
      const auto count = std::make_unique<Count>(static_cast<std::size_t>(pieces), workers);
      call(pool, Count::piece, count.get(), pieces);
      right = right && count->all_once();
      if (round % 1000 == 999) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    CAPTURE(workers);
    CHECK(right);
  }
}

namespace {

// One worker waits in a piece until all others are done; these begin when it waits.
struct Held {
  std::int64_t worker = 0, pieces = 0;
  std::atomic<bool> begun{false}, late{false};
  std::atomic<std::int64_t> done{0};

  template <class Ready>
  void wait(Ready ready) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!ready()) {
      if (late || std::chrono::steady_clock::now() > end) late = true;
      if (late) return;
      std::this_thread::yield();
    }
  }
  static void piece(void* self, std::int64_t, std::int64_t worker) {
    auto& held = *static_cast<Held*>(self);
    if (worker == held.worker && !held.begun.exchange(true)) {
      held.wait([&] { return held.done == held.pieces - 1; });
    } else {
      held.wait([&] { return held.begun.load(); });
    }
    ++held.done;
  }
};

}  // namespace

TEST_CASE("who is held up in a piece holds up that piece alone") {
  for (const int workers : {2, 3, 7}) {
    ThreadPool pool(workers);
    for (int worker = 0; worker < workers; ++worker) {
      Held held;
      held.worker = worker;
      held.pieces = 64;
      call(pool, Held::piece, &held, held.pieces);
      CAPTURE(workers, worker);
      CHECK(held.done == 64);
      CHECK_FALSE(held.late);
    }
  }
}

TEST_CASE("every piece runs once, whether the pool shares the calls or has learnt not to") {
  ThreadPool pool(2);
  bool right = true;
  for (int round = 0; round < 5000; ++round) {
    Count count(4, 2);
    pool.context()->parallel_for(pool.context()->pool, Count::piece, &count, 4);
    right = right && count.all_once();
  }
  CHECK(right);
}

TEST_CASE("a call from inside a piece stays on its worker") {
  struct Nest {
    ThreadPool pool{4};
    std::atomic<int> inner{0};
    std::atomic<bool> moved{false};
  } nest;
  struct Outer {
    Nest* nest;
    std::int64_t worker;
  };
  call(
      nest.pool,
      [](void* argument, std::int64_t, std::int64_t worker) {
        auto* nest = static_cast<Nest*>(argument);
        Outer outer{nest, worker};
        call(
            nest->pool,
            [](void* argument, std::int64_t, std::int64_t worker) {
              auto* outer = static_cast<Outer*>(argument);
              if (worker != outer->worker) outer->nest->moved = true;
              ++outer->nest->inner;
            },
            &outer, 10);
      },
      &nest, 20);
  CHECK(nest.inner == 200);
  CHECK_FALSE(nest.moved);
}

TEST_CASE("several threads may call one pool") {
  for (const int workers : {2, 7}) {
    ThreadPool pool(workers);
    std::vector<std::thread> callers;
    std::atomic<int> right{0};
    for (int t = 0; t < 3; ++t) {
      callers.emplace_back([&, t] {
        for (int round = 0; round < 200; ++round) {
          const std::int64_t pieces = 16 * t + round % 5;
          Count count(static_cast<std::size_t>(pieces), workers);
          call(pool, Count::piece, &count, pieces);
          if (count.all_once()) ++right;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    CAPTURE(workers);
    CHECK(right == 600);
  }
}

TEST_CASE("pools come and go") {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(4);
    if (i % 2 == 0) {
      Count count(8, 4);
      call(pool, Count::piece, &count, 8);
      CHECK(count.all_once());
    }
  }
}

#if defined(__linux__)
namespace {

cpu_set_t only(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return set;
}

// Worker 1 goes to the caller's CPU once, as a system might put it there, and then says where it may run.
struct Neighbour {
  int caller = 0;
  std::atomic<bool> came{false}, away{false};

  static void piece(void* self, std::int64_t, std::int64_t worker) {
    auto& neighbour = *static_cast<Neighbour*>(self);
    volatile double x = 1;
    for (int i = 0; i < 20000; ++i) x = x * 1.0000001;
    if (worker != 1) return;
    cpu_set_t may = only(neighbour.caller);
    if (!neighbour.came) {
      neighbour.came = sched_setaffinity(0, sizeof may, &may) == 0;
    } else if (sched_getaffinity(0, sizeof may, &may) == 0) {
      neighbour.away = !CPU_ISSET(neighbour.caller, &may);
    }
  }
};

}  // namespace

TEST_CASE("a worker on the caller's CPU moves away") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  if (CPU_COUNT(&all) < 2) return;
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    Neighbour neighbour;
    neighbour.caller = sched_getcpu();
    const cpu_set_t here = only(neighbour.caller);
    REQUIRE(sched_setaffinity(0, sizeof here, &here) == 0);
    for (int i = 0; i < 20000 && !neighbour.away; ++i) call(pool, Neighbour::piece, &neighbour, 16);
    CHECK(neighbour.came);
    CHECK(neighbour.away);
    REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
  }
}
#endif
