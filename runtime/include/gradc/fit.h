// The training loop over executables, evaluation and prediction over data sets.
//
// Files of a run directory:
//   spec.json          the model with every default written out, as the caller gives it
//   last.safetensors   the whole state and the place in the run: what `resume` continues from
//   best.safetensors   the state after the epoch with the best monitored metric
//   metrics.jsonl      one object a line: an "epoch" event each epoch, a last "end" event
// The same seed gives the same bits in both weight files, with any number of threads, and a run killed at any moment
// and resumed ends with the very bits of one that was not: batches are a function of (seed, epoch), everything else is
// in the state. A new run in a directory that holds an older one moves the older one's files to previous-1, previous-2,
// … in it. A directory serves one run at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradc/dataset.h"
#include "gradc/executable.h"

namespace gradc::runtime {

// Gives the executable of a program for a number of examples, compiling it where needed; asked again and again. The
// reference must stay valid. `init` is asked for with the batch of training.
using Provide = std::function<const Executable&(std::string_view program, std::int64_t batch)>;

using Metrics = std::vector<std::pair<std::string, double>>;  // in order; "loss" first where there is one
std::optional<double> metric(const Metrics& metrics, std::string_view name);

// A program and what of its outputs to average. A report is an array of values per example, [N] or [N, …]; a scalar
// counts once for every example.
struct ProgramUse {
  std::string name;
  std::string loss;  // scalar output, called "loss" in the metrics; "": none
  std::vector<std::string> reports;
};

// Entries of the state that hold statistics of an input over the training examples: set before the first step, unless
// the run begins with weights, which bring their own. By the mean's shape: [] of all numbers, the example's of each
// element, else of each channel, the example's first axis. A deviation that would be 0 is 1.
struct InputStatistics {
  std::string input, mean, deviation;  // names; deviation "": none
};

enum class Outcome : std::uint8_t {
  finished,     // all epochs, or early stopping
  stopped,      // by a callback
  interrupted,  // by SIGINT or SIGTERM; the checkpoint is written
  non_finite,   // check_finite found a NaN or an infinity; the state is that before the step
};
std::string_view name_of(Outcome outcome);

struct StepEvent {
  std::int64_t epoch = 0, step = 0;  // from 1
  std::int64_t examples = 0;         // of this batch
  double loss = 0;                   // NaN where the program has none
};
struct EpochEvent {
  std::int64_t epoch = 0, step = 0;
  double seconds = 0;  // of training so far; of a resumed run, with the whole epochs before
  Metrics train, validation, test;
};
// What check_finite found.
struct NonFinite {
  std::int64_t epoch = 0, step = 0;
  std::string name;  // output or state entry
  std::int64_t element = 0;
  double value = 0;
  std::int64_t batch = 0;  // of the step, with its inputs in the order of the executable
  std::span<const void* const> inputs;
  const void* state = nullptr;  // before the step
};

struct FitOptions {
  ProgramUse train, test;                   // test.name "": nothing is evaluated
  std::int64_t epochs = 10;                 // in all, those before a resumption included
  std::optional<std::int64_t> batch, seed;  // given by the user; else the checkpoint's, else the defaults
  std::int64_t default_batch = 64, default_seed = 0;
  int threads = 1;
  double validation_fraction = 0;  // of the training set, taken after a shuffle by the seed
  std::vector<InputStatistics> statistics;
  bool initialize = true;                               // run `init`; false: the state is as the caller made it
  std::string weights;                                  // a safetensors file to begin with; "": none
  bool partial_weights = false;                         // take from it what fits
  std::vector<std::pair<std::string, double>> scalars;  // of the train program, by name

  std::string directory;                // of the run; "": nothing is written
  bool resume = false;                  // continue from the directory's checkpoint, where it has one
  std::string spec;                     // text of spec.json
  double checkpoint_seconds = 60;       // within an epoch; besides, at the end of an epoch and of the run
  std::int64_t checkpoint_steps = 0;    // besides, every so many steps; 0: no
  double epoch_checkpoint_seconds = 1;  // an epoch's end writes none so soon after the one before

  std::string monitor = "loss";  // decides which epoch is best: of validation, else test, else train
  bool monitor_highest = false;
  std::int64_t patience = 0;  // stop after so many epochs without a better one; 0: never

  bool check_finite = false;     // after each step: loss and state; before: infinities in the data
  bool catch_interrupt = false;  // SIGINT and SIGTERM end the run after the step at hand; a second one kills
  bool quiet = false;            // no progress on stderr
  std::function<bool(const StepEvent&)> on_step;  // false: stop
  std::function<bool(const EpochEvent&)> on_epoch;
  std::function<std::string(const NonFinite&)> explain;  // adds to the message of check_finite
};

struct FitData {
  const DataSet* train = nullptr;
  const DataSet* validation = nullptr;  // null: by validation_fraction
  const DataSet* test = nullptr;
};

struct FitResult {
  Outcome outcome = Outcome::finished;
  EpochEvent last;  // of the last whole epoch
  std::int64_t step = 0;
  double seconds = 0;
  std::int64_t best_epoch = 0;  // 0: none
  double best = 0;
  int signal = 0;       // that interrupted
  std::string message;  // of non_finite
};

// Trains. Errors are those of the data, the weights and the files (gradc/error.h); what is wrong with the data or the
// weights is said before anything is written.
FitResult fit(const Provide& provide, const StateTable& table, Block& state, const FitData& data,
              const FitOptions& options);

// Averages over a data set, which is fitted to the program's inputs.
Metrics evaluate(const Provide& provide, const ProgramUse& program, void* state, const DataSet& data,
                 std::int64_t batch, ThreadPool* pool);

// The named outputs for every example; no names: all that have the batch for their first axis.
DataSet predict(const Provide& provide, std::string_view program, void* state, const DataSet& data,
                std::span<const std::string> outputs, std::int64_t batch, ThreadPool* pool);

}  // namespace gradc::runtime
