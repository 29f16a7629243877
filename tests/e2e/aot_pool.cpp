// The object from C++, on three threads of the caller's own.
#include <atomic>
#include <thread>
#include <vector>

#include "aot_run.h"

namespace {

constexpr int kWorkers = 3;

void parallel_for(void*, gradc_piece piece, void* argument, int64_t pieces) {
  std::atomic<int64_t> next{0};
  std::vector<std::thread> threads;
  for (int worker = 0; worker < kWorkers; ++worker)
    threads.emplace_back([&, worker] {
      for (int64_t i = next++; i < pieces; i = next++) piece(argument, i, worker);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  const gradc_context context = {parallel_for, nullptr, kWorkers};
  return aot_run(&context);
}
