// The files of a run: checkpoints, metrics, and whose directory it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batches.h"
#include "gradc/fit.h"
#include "gradc/safetensors.h"

namespace gradc::runtime {

// The place in a run that a checkpoint holds besides the state. Nothing of it depends on time or threads: the same run
// gives the same file, bit for bit.
struct Place {
  std::int64_t epoch = 0;                   // whole epochs done, their metrics written
  std::int64_t stage = 0, stage_epoch = 0;  // of the plan, and whole epochs done of it
  std::int64_t position = 0;                // steps done of the epoch that follows
  std::int64_t step = 0;
  std::int64_t seed = 0, batch = 0, examples = 0;  // what the order of the batches follows from
  bool batch_given = false;                        // by the user, for all stages
  std::vector<Averages::Held> sums;                // of the training metrics in this epoch, by turn
  std::int64_t best_epoch = 0;                     // of this stage
  double best = 0;
  std::int64_t worse = 0;  // epochs since the best
  struct Plateau {
    double factor = 1, best = 0;
    std::int64_t epochs = 0, bad = 0, cooldown = 0;
  };
  std::map<std::string, Plateau> plateaus;  // by program
  std::string vocabulary;                   // of the training data, where that is text
  std::vector<std::string> unset;  // statistics of inputs that nothing has set: no program of the run reads them

  Metadata metadata() const;
  static bool is_in(const SafeTensors& file);
  // Of a checkpoint; DataError where the file is none.
  static Place of(const SafeTensors& file);
};

class RunDirectory {
 public:
  // Nothing is touched yet. "": every call does nothing.
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  bool enabled() const { return !path_.empty(); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // Makes the directory and takes it for this run; Error where another run has it.
  void open();
  // Takes the directory where it exists already; what its checkpoint holds.
  std::optional<SafeTensors> open_checkpoint();
  // Moves the files of an older run to previous-<n>; returns that path, "" where there were none.
  std::string set_aside();

  void write_spec(const std::string& text);
  void write_checkpoint(const char* name, const StateTable& table, const void* state, const Place& place);
  // Leaves the lines of the first `epochs` epochs, whole ones only.
  void rewind_metrics(std::int64_t epochs);
  void append_epoch(const EpochEvent& event);
  void append_end(const FitResult& result, const std::string& reason);
  // The epoch line with this number, empty where there is none.
  EpochEvent read_epoch(std::int64_t epoch) const;

 private:
  void append_line(const std::string& line);
  std::string path_;
  int lock_ = -1;
};

}  // namespace gradc::runtime
