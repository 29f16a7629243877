// The recorder behind a watched context.
#include "gradc/watch.h"

namespace gradc::runtime {

// What the pool hands to each piece instead of the entry's argument.
struct Recorder::Job {
  Recorder* self;
  gradc_piece piece;
  void* argument;
};

Recorder::Recorder(ThreadPool* pool, bool pieces) : pool_(pool), begin_(std::chrono::steady_clock::now()) {
  context_.context = pool ? *pool->context() : gradc_context{nullptr, nullptr, 1};
  if (pool && pieces) {
    context_.context.parallel_for = run_pieces;
    context_.context.pool = this;
  }
  context_.tell = tell;
  context_.watcher = this;
  pieces_.resize(static_cast<std::size_t>(context_.context.workers));
}

void Recorder::clear() {
  launches_.clear();
  for (std::vector<Span>& of_worker : pieces_) of_worker.clear();
}

std::int64_t Recorder::now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin_).count();
}

void Recorder::tell(void* self, std::int64_t kernel, std::int64_t end) {
  auto& recorder = *static_cast<Recorder*>(self);
  if (end) {
    recorder.launches_.back().end = recorder.now();
  } else {
    recorder.launches_.push_back({kernel, 0, 0});
    recorder.launches_.back().start = recorder.now();
  }
}

void Recorder::run_pieces(void* self, gradc_piece piece, void* argument, std::int64_t pieces) {
  auto& recorder = *static_cast<Recorder*>(self);
  Job job{&recorder, piece, argument};
  recorder.pool_->run(piece, run_piece, &job, pieces);
}

void Recorder::run_piece(void* job, std::int64_t piece, std::int64_t worker) {
  const Job& given = *static_cast<Job*>(job);
  Recorder& recorder = *given.self;
  Span span{recorder.launches_.back().kernel, recorder.now(), 0};
  given.piece(given.argument, piece, worker);
  span.end = recorder.now();
  recorder.pieces_[static_cast<std::size_t>(worker)].push_back(span);
}

}  // namespace gradc::runtime
