// What a watched entry tells, and a recorder of it: when each kernel ran, and on which thread each piece.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "gradc/executable.h"

namespace gradc::runtime {

inline constexpr std::int64_t kCopy = -1;  // in place of a kernel's number: a copy of a buffer

// The context that an entry compiled to be watched is called with.
struct WatchedContext {
  gradc_context context;
  // On the thread of the call, before (end: 0) and after (1) each launch and each copy, one after the other.
  void (*tell)(void* watcher, std::int64_t kernel, std::int64_t end);
  void* watcher;
};

struct Span {
  std::int64_t kernel = 0;          // its number in the program, or kCopy
  std::int64_t start = 0, end = 0;  // nanoseconds from the recorder's making
};

// Serves one call at a time.
class Recorder {
 public:
  // null: serial. `pieces`: also record what each worker does of a kernel that is shared.
  Recorder(ThreadPool* pool, bool pieces);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  const gradc_context* context() const { return &context_.context; }
  void clear();
  const std::vector<Span>& launches() const { return launches_; }
  const std::vector<std::vector<Span>>& pieces() const { return pieces_; }  // by worker

 private:
  struct Job;
  static void tell(void* self, std::int64_t kernel, std::int64_t end);
  static void run_pieces(void* self, gradc_piece piece, void* argument, std::int64_t pieces);
  static void run_piece(void* job, std::int64_t piece, std::int64_t worker);
  std::int64_t now() const;

  WatchedContext context_{};
  ThreadPool* pool_;
  std::chrono::steady_clock::time_point begin_;
  std::vector<Span> launches_;
  std::vector<std::vector<Span>> pieces_;
};

}  // namespace gradc::runtime
