// The order of turns in an epoch, and the metrics of several programs as one.
#include "stage.h"

#include <algorithm>

namespace gradc::runtime {

StageRun::StageRun(const Provide& provide, const Stage& stage, const DataSet& train, const Setting& setting,
                   ThreadPool* pool)
    : stage_(stage) {
  bool known = setting.scalars.empty();
  for (const Turn& turn : stage.turns) {
    auto player = std::make_unique<Player>(provide, turn.program, pool);
    const std::int64_t first = std::min(setting.batch, setting.examples);
    if (stage.turns.size() == 1) {
      player->program.set_scalars(setting.scalars);
      known = true;
    }
    for (const auto& [name, value] : setting.scalars) {
      if (stage.turns.size() > 1) player->program.set_where_known(name, value);
    }
    player->set = player->program.fit(train, first, setting.conform);
    player->columns = player->program.columns(player->set, first);
    for (const auto& [name, value] : setting.scalars)
      known = known || player->program.at(first).executable().scalar(name) >= 0;
    players_.push_back(std::move(player));
  }
  if (!known) throw Error("no program of stage `" + stage.name + "` has a scalar `" + setting.scalars[0].first + "`");
  plan_moves(setting);
}

// Rounds of all turns until the batches are through; where no program reads data, as many rounds as batches.
void StageRun::plan_moves(const Setting& setting) {
  const std::int64_t batches = (setting.examples + setting.batch - 1) / setting.batch;
  const bool any_reads =
      std::any_of(players_.begin(), players_.end(), [](const auto& player) { return !player->columns.empty(); });
  std::vector<std::int64_t> steps(players_.size());
  for (std::int64_t next = 0; next < batches; next += any_reads ? 0 : 1) {
    for (std::size_t i = 0; i < players_.size(); ++i) {
      const bool reads = !players_[i]->columns.empty();
      for (std::int64_t step = 0; step < stage_.turns[i].steps && !(reads && next == batches); ++step) {
        moves_.push_back({i, reads ? next++ : -1});
        ++steps[i];
      }
    }
  }
  for (std::size_t i = 0; i < players_.size(); ++i)
    players_[i]->program.set_where_known("steps_per_epoch", static_cast<double>(std::max<std::int64_t>(1, steps[i])));
}

std::string StageRun::name_in(const Player& player, const std::string& name) const {
  return alternates() ? player.use.name + "." + name : name;
}

Metrics StageRun::metrics() const {
  Metrics all;
  for (const auto& player : players_) {
    Metrics own = player->averages.metrics();
    for (const auto& [name, value] : own) all.emplace_back(name_in(*player, name), value);
    for (Table& table : own.tables) {
      table.name = name_in(*player, table.name);
      all.tables.push_back(std::move(table));
    }
  }
  return all;
}

std::vector<std::pair<std::string, Metrics>> StageRun::watch() const {
  std::vector<std::pair<std::string, Metrics>> all;
  for (const auto& player : players_)
    for (auto& [name, numbers] : player->averages.watch()) all.emplace_back(name_in(*player, name), numbers);
  return all;
}

std::vector<std::string> StageRun::programs() const {
  std::vector<std::string> names;
  for (const auto& player : players_) names.push_back(player->use.name);
  return names;
}

void StageRun::clear() {
  for (const auto& player : players_) player->averages.clear();
}

std::vector<Averages::Held> StageRun::held() const {
  std::vector<Averages::Held> held;
  for (const auto& player : players_) held.push_back(player->averages.held());
  return held;
}

void StageRun::restore(const std::vector<Averages::Held>& held) {
  for (std::size_t i = 0; i < std::min(held.size(), players_.size()); ++i) players_[i]->averages.restore(held[i]);
}

}  // namespace gradc::runtime
