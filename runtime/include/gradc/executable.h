// A compiled program and all that its caller must know of it; and the state block it works on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradc/abi.h"

namespace gradc::runtime {

struct Array {
  std::string name;
  gradc_dtype dtype = GRADC_F32;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;            // bytes, where it applies
  std::int64_t lower = 0, upper = 0;  // declared range of an integer input; equal: none
  double preset = 0;                  // scalar: the default

  std::int64_t elements() const;
  std::int64_t bytes() const;
};
std::int64_t byte_size(gradc_dtype dtype);
std::string_view name_of(gradc_dtype dtype);
std::string str(gradc_dtype dtype, std::span<const std::int64_t> shape);  // "f32[64,10]"

// What an entry of the state is: decides what a weights file holds and what is shown.
enum class StateKind : std::uint8_t { parameter, statistic, slot, counter, key };

struct StateArray : Array {
  StateKind kind = StateKind::parameter;
};

// The layout that all executables of a model share.
struct StateTable {
  std::vector<StateArray> entries;
  std::int64_t bytes = 0;
  const StateArray* find(std::string_view name) const;
};

// Immutable; may be run by several threads that each have a state and a workspace.
struct Executable {
  std::string program;
  std::vector<Array> inputs, outputs, scalars;
  std::int64_t scalars_bytes = 0;
  std::int64_t workspace_bytes = 0, worker_bytes = 0;
  gradc_entry entry = nullptr;
  std::shared_ptr<const void> code;  // keeps the entry alive

  int input(std::string_view name) const;  // index or -1
  int output(std::string_view name) const;
  int scalar(std::string_view name) const;
};

// 64-byte aligned memory, zeroed once.
class Block {
 public:
  Block() = default;
  explicit Block(std::int64_t bytes);  // throws std::bad_alloc
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::int64_t bytes_ = 0;
};

// A pool of threads that serves the context's parallel_for. The caller is worker 0; `workers - 1` threads are started.
// Each worker has a share of neighbouring pieces, and takes from others' when its own is done; the threads spin shortly
// and then sleep. Calls that the caller alone is faster with (some of each kind are timed, again and again) it runs
// alone. Several threads may call at once (one after the other is served); a call from inside a piece runs its
// pieces one by one on the same worker. A piece must not throw. On Linux a worker on the CPU of the caller moves to
// another that the thread which made the pool may use.
class ThreadPool {
 public:
  explicit ThreadPool(int workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  const gradc_context* context() const { return &context_; }
  // As the context's parallel_for, for a piece that stands for another: what is learnt of one is known of the other.
  void run(gradc_piece kind, gradc_piece piece, void* argument, std::int64_t pieces);
  int workers() const { return static_cast<int>(context_.workers); }

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
  gradc_context context_{};
};

// Runs executables over one state: owns workspace and scalars.
class Runner {
 public:
  Runner(const Executable& executable, ThreadPool* pool);  // null: serial
  void set_scalar(int index, double value);                // converted to the scalar's dtype; integers saturate
  void set_integer_scalar(int index, std::int64_t value);  // exact for i64
  void run(std::span<const void* const> inputs, std::span<void* const> outputs, void* state);

 private:
  const Executable* executable_;
  ThreadPool* pool_;
  Block workspace_, scalars_;
};

}  // namespace gradc::runtime
