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
#include "gradc/safetensors.h"

namespace gradc::runtime {

// Gives the executable of a program for a number of examples, compiling it where needed; asked again and again. The
// reference must stay valid. `init` is asked for with the batch of training.
using Provide = std::function<const Executable&(std::string_view program, std::int64_t batch)>;

// A reported matrix: of a confusion matrix row i, column j counts examples of class i that were taken for j.
struct Table {
  std::string name;
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;  // row-major
};
// Numbers in order, "loss" first where there is one; and tables.
struct Metrics : std::vector<std::pair<std::string, double>> {
  std::vector<Table> tables;
  bool nothing() const { return empty() && tables.empty(); }
};
std::optional<double> metric(const Metrics& metrics, std::string_view name);

// How a report's values become one number (or table) of a whole data set.
enum class Reduce : std::uint8_t { mean, sum, max, min, sqrt_mean, exp_mean, confusion };

// An output that is reported: an array of values per example, [N] or [N, …]. Of a scalar the means count it once for
// every example, `sum` once for every batch. `confusion`: a matrix of counts, added up. Weighted: the output is two
// numbers, a batch's sums of weight · value and of weight; the means are quotients of their totals.
struct Report {
  std::string name;
  Reduce reduce = Reduce::mean;
  bool weighted = false;
  Report(std::string n, Reduce r = Reduce::mean, bool w = false)  // NOLINT: a name is a report
      : name(std::move(n)), reduce(r), weighted(w) {}
  Report(const char* n) : name(n) {}  // NOLINT
};

// An output whose numbers are averaged over the steps of an epoch: norms and the like of the array `name`.
struct Watched {
  std::string name, output;
  std::vector<std::string> numbers;
};

// When the scalar `plateau_factor` is multiplied by `factor`: after more than `patience` epochs in a row that did not
// improve the monitored metric by more than `threshold` of it; the `cooldown` epochs after it don't count.
struct PlateauRule {
  double factor = 0.1;
  std::int64_t patience = 10, cooldown = 0;
  double threshold = 1e-4;
};

// A program and what of its outputs to average.
struct ProgramUse {
  std::string name;
  std::string loss;  // scalar output, called "loss" in the metrics; "": none
  std::vector<Report> reports;
  std::vector<Watched> watched;
  std::optional<PlateauRule> plateau;
};

// A part of a run. In each of its epochs the turns follow each other, each so many steps, until the examples are
// through: every step takes the next batch, that of a program without inputs none.
struct Turn {
  ProgramUse program;
  std::int64_t steps = 1;
};
struct Stage {
  std::string name;
  std::vector<Turn> turns;
  std::int64_t epochs = 10, batch = 64;
  ProgramUse test;               // name "": nothing is evaluated
  std::string monitor = "loss";  // decides which epoch is best: of validation, else test, else train
  bool monitor_highest = false;
  std::int64_t patience = 0;  // the stage ends after so many epochs without a better one; 0: never
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
  std::string_view program;
};
struct EpochEvent {
  std::int64_t epoch = 0, step = 0;
  std::string stage;                  // of a plan; "": there is none
  std::vector<std::string> programs;  // that took turns in it; with several the metrics of train are "program.loss"
  double seconds = 0;                 // of training so far; of a resumed run, with the whole epochs before
  Metrics train, validation, test;
  std::vector<std::pair<std::string, Metrics>> watch;  // by array
};
// What check_finite found.
struct NonFinite {
  std::int64_t epoch = 0, step = 0;
  std::string program;
  std::string name;  // output or state entry
  std::int64_t element = 0;
  double value = 0;
  std::int64_t batch = 0;  // of the step, with its inputs in the order of the executable
  std::span<const void* const> inputs;
  const void* state = nullptr;  // before the step
};

struct FitOptions {
  std::vector<Stage> plan;                  // stages one after the other; empty: one of the program `train`
  ProgramUse train, test;                   // test.name "": nothing is evaluated
  std::int64_t epochs = 10;                 // in all, those before a resumption included
  std::optional<std::int64_t> batch, seed;  // given by the user (the batch of all stages); else the checkpoint's, else
                                            // the defaults
  std::int64_t default_batch = 64, default_seed = 0;
  int threads = 1;
  double validation_fraction = 0;  // of the training set, taken after a shuffle by the seed
  std::vector<InputStatistics> statistics;
  bool initialize = true;                               // run `init`; false: the state is as the caller made it
  std::string weights;                                  // a safetensors file to begin with; "": none
  bool partial_weights = false;                         // take from it what fits; an error where that is nothing
  std::vector<std::pair<std::string, double>> scalars;  // of the training programs, by name

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
  // Told of executables that the run will ask for later, in this order, so that they may be compiled ahead.
  std::function<void(std::string_view program, std::int64_t batch)> foresee;
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

// The seed of the run whose checkpoint this is; nothing where it is none.
std::optional<std::int64_t> seed_of_run(const SafeTensors& weights);

// The vocabulary of the text that the weights were trained on; "" where it was none.
std::string vocabulary_of(const SafeTensors& weights);

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
