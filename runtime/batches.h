// Programs made ready to run over batches of a data set, and the averages of what they report.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gradc/fit.h"

namespace gradc::runtime {

// An executable with all memory that its calls need.
class Prepared {
 public:
  Prepared(const Executable& executable, ThreadPool* pool);

  // Copies the rows of these examples into buffers, made at the first call, and runs. `columns`: one per input.
  void run_gathered(std::span<const Column* const> columns, std::span<const std::int64_t> examples, void* state);
  // Runs on the rows from `first` on, in place.
  void run_in_place(std::span<const Column* const> columns, std::int64_t first, void* state);

  const Executable& executable() const { return *executable_; }
  Runner& runner() { return runner_; }
  const std::byte* output(std::size_t index) const { return outputs_[index].data(); }
  std::span<const void* const> inputs() const { return input_pointers_; }

 private:
  const Executable* executable_;
  Runner runner_;
  std::vector<Block> inputs_, outputs_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
};

// One program at several batch sizes over one fitted data set.
class Program {
 public:
  Program(const Provide& provide, std::string name, ThreadPool* pool)
      : provide_(provide), name_(std::move(name)), pool_(pool) {}

  // Fits a data set to the inputs, which are the same for every batch size but for the batch itself.
  DataSet fit(const DataSet& data, std::int64_t batch, const Conform& options);
  // The columns of a fitted set in the order of the inputs.
  std::vector<const Column*> columns(const DataSet& fitted, std::int64_t batch);
  Prepared& at(std::int64_t batch);
  const std::string& name() const { return name_; }
  // Scalars of every executable from now on.
  void set_scalars(std::vector<std::pair<std::string, double>> scalars) { scalars_ = std::move(scalars); }
  // A scalar of those that have it, the ones prepared already too.
  void set_where_known(const std::string& name, double value);

 private:
  const Provide& provide_;
  std::string name_;
  ThreadPool* pool_;
  std::vector<std::pair<std::string, double>> scalars_;
  std::map<std::string, double> known_;
  std::map<std::int64_t, std::unique_ptr<Prepared>> prepared_;
};

// What a program reports, gathered over batches, and what is watched, over steps.
class Averages {
 public:
  explicit Averages(const ProgramUse& use);
  void add(const Prepared& program, std::int64_t batch);
  Metrics metrics() const;
  std::vector<std::pair<std::string, Metrics>> watch() const;
  void clear();
  double last_loss() const { return last_loss_; }  // of the batch added last; NaN where there is none

  // For checkpoints. What was held of other reports is left out.
  struct Held {
    std::vector<std::vector<double>> metrics, watched;
    std::int64_t examples = 0, steps = 0;
  };
  Held held() const;
  void restore(const Held& held);

 private:
  struct Item {
    std::string metric, output;
    Reduce reduce = Reduce::mean;
    bool weighted = false;
    std::vector<std::int64_t> shape;  // of a table
    std::vector<double> values;       // sums or extremes so far; empty before the first batch
  };
  void add(Item& item, const Array& output, const std::byte* data, std::int64_t batch);

  std::vector<Item> items_, watched_;
  std::vector<Watched> watches_;
  std::int64_t examples_ = 0, steps_ = 0;
  bool has_loss_ = false;
  double last_loss_;
};

// Runs a program over a fitted set in order, batch by batch, the last one smaller. False where `stop` says so first.
bool over_batches(Program& program, const DataSet& fitted, std::int64_t batch, void* state,
                  const std::function<bool(const Prepared&, std::int64_t first, std::int64_t count)>& each);

// Statistics of these rows of a fitted set, into those of their entries in the state that nothing has set yet. What is
// set is taken from `unset`.
void set_statistics(std::span<const InputStatistics> statistics, const DataSet& fitted,
                    std::span<const std::int64_t> rows, const StateTable& table, std::byte* state,
                    std::vector<std::string>& unset);

double element_as_double(gradc_dtype dtype, const std::byte* data, std::int64_t index);
double sum_as_double(gradc_dtype dtype, const std::byte* data, std::int64_t count);

}  // namespace gradc::runtime
