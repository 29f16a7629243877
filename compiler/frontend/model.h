// A model as the front ends leave it: graph functions, the state they share, and what a run needs to know.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/kernel.h"

namespace gradc {

// Where the examples of one split come from. Files are used with --data DIR, or where there is no generator.
struct DataSet {
  std::string format;                                      // of data_formats(); "" without files
  std::vector<std::pair<std::string, std::string>> files;  // input name → path, relative to the data directory
  std::vector<Location> places;                            // of the files
  std::string generator;                                   // of data_generators(); "" for none
  std::vector<std::pair<std::string, double>> options;     // of the generator: examples, seed, noise, …
  Location location;
};

// How the training examples are drawn from those that `train` names.
struct Resample {
  enum class Kind : std::uint8_t { none, k_fold, bootstrap } kind = Kind::none;
  std::int64_t folds = 5, fold = 0;  // of k_fold: part `fold` is the validation split
  std::int64_t seed = 0;
  Location location;
};

struct DataSpec {
  std::optional<DataSet> train, validation, test;
  Resample resample;
  double validation_fraction = 0;  // taken from train after the shuffle
};

// Statistics of an input over the training examples, as entries of the state: they are set from the data before the
// first step and belong to the weights. By the entries' shape: [] of all numbers, the example's of each element, else
// of each channel.
struct InputStatistics {
  std::string input, mean, deviation;  // deviation "": none
};

// When the training loop multiplies a program's `plateau_factor`: after more than `patience` epochs in a row that did
// not improve the monitored metric by more than a share of `threshold`. The `cooldown` epochs after it don't count.
struct PlateauRule {
  double factor = 0.1;
  std::int64_t patience = 10, cooldown = 0;
  double threshold = 1e-4;
};

// How the values of a report become one number (or table) of a whole data set.
enum class Reduce : std::uint8_t { mean, sum, max, min, sqrt_mean, exp_mean, confusion };
const std::vector<std::string>& reduce_names();  // in the order of the enum

struct ReportInfo {
  // Of a result: [N] or [N, …]; a scalar counts N times. confusion: counts, [classes, classes]. Weighted: a batch's
  // sums of weight · value and of weight.
  std::string name;
  Reduce reduce = Reduce::mean;
  bool boolean = false;  // of each example: better higher
  bool weighted = false;
};

// A result of numbers about an array: of norms and the like.
struct WatchedInfo {
  std::string name, result;
  std::vector<std::string> numbers;
};

// The metric that decides which epoch is best, and when to stop.
struct Monitor {
  std::string metric = "loss";
  std::optional<bool> highest;  // not said: of a report of booleans the highest, else the lowest
  std::int64_t patience = 0;    // epochs without a better one before the stage ends; 0: never
  Location location;
};

// A part of training: in each of its epochs the turns follow each other until the examples are through.
struct PlanStage {
  std::string name;
  std::vector<std::pair<std::string, std::int64_t>> turns;  // programs and steps
  std::optional<std::int64_t> epochs, batch;                // default: the first program's
  std::optional<Monitor> monitor;                           // default: the first program's
  Location location;
};

// One function of the module that is called by name.
struct ProgramInfo {
  std::string name;     // "train", "test", "predict", …
  bool trains = false;  // minimises something and updates state
  std::string loss;     // name of the scalar result that is the objective; "" for none
  std::vector<ReportInfo> reports;
  std::vector<WatchedInfo> watched;
  Monitor monitor;
  std::int64_t epochs = 10;
  std::int64_t batch = 64;
  std::optional<PlateauRule> plateau;
  Location location;
};

// One row of `gradc summary`.
struct LayerInfo {
  std::string name, op;
  Type output;
  std::int64_t parameters = 0;
  std::int64_t multiply_adds = 0;    // for one example
  std::int64_t receptive_field = 1;  // in input pixels; 0: all of it
  Location location;
};

struct ModelGraph {
  std::string name;
  Location location;  // of the spec's object; unknown in C++
  // Functions: one a program, and "init": scalar %seed: i64[] → every entry of the state.
  // Data parameters are the inputs that the program uses; state and scalars as Role says.
  // All may still have symbols (the batch, N) and gradients; compile_to_kernels takes it from here.
  std::unique_ptr<Module> module;
  StateLayout state;
  std::vector<ProgramInfo> programs;  // without init
  std::vector<PlanStage> plan;        // complete; empty: not given
  std::vector<LayerInfo> layers;      // in order of the spec
  DataSpec data;
  std::vector<InputStatistics> input_statistics;
  std::optional<std::int64_t> sample_stop;  // the token at which a sampled sequence ends
  std::string batch_symbol = "N";
  std::string resolved;  // the spec with every default and block written out, as JSON
  std::vector<Diagnostic> warnings;

  const ProgramInfo* program(const std::string& name) const;
};

}  // namespace gradc
