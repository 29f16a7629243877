// A stage of a run at work: its programs over the training examples, and whose turn each step is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "batches.h"

namespace gradc::runtime {

// One program of a stage.
struct Player {
  Player(const Provide& provide, const ProgramUse& what, ThreadPool* pool)
      : use(what), program(provide, what.name, pool), averages(what) {}

  const ProgramUse& use;
  Program program;
  Averages averages;
  DataSet set;                         // the training data, fitted
  std::vector<const Column*> columns;  // of it, one per input
};

class StageRun {
 public:
  // A step: which player, and on which batch of the epoch; -1: it reads none.
  struct Move {
    std::size_t player = 0;
    std::int64_t batch = -1;
  };
  struct Setting {
    std::int64_t batch = 64;
    std::int64_t examples = 0;  // of an epoch; the others of the data are held out
    Conform conform;
    std::vector<std::pair<std::string, double>> scalars;
  };

  // Compiles the programs for the batch and fits the data to them. The stage must outlive the run.
  StageRun(const Provide& provide, const Stage& stage, const DataSet& train, const Setting& setting, ThreadPool* pool);

  const Stage& stage() const { return stage_; }
  std::vector<std::unique_ptr<Player>>& players() { return players_; }
  const std::vector<Move>& moves() const { return moves_; }  // of an epoch
  bool alternates() const { return players_.size() > 1; }

  // Of the players together; with several each name has its program's before it.
  Metrics metrics() const;
  std::vector<std::pair<std::string, Metrics>> watch() const;
  std::vector<std::string> programs() const;
  void clear();
  std::vector<Averages::Held> held() const;
  void restore(const std::vector<Averages::Held>& held);

 private:
  void plan_moves(const Setting& setting);
  std::string name_in(const Player& player, const std::string& name) const;

  const Stage& stage_;
  std::vector<std::unique_ptr<Player>> players_;
  std::vector<Move> moves_;
};

}  // namespace gradc::runtime
