// The training loop.
//
// 1. Read the checkpoint where one is to be continued; it decides seed and batch.
// 2. Prepare the programs, fit the data to their inputs, split; make or restore the state. So far nothing is written.
// 3. Take the run directory, write spec and a first checkpoint.
// 4. For each stage of the plan, for each of its epochs: shuffle by (seed, epoch of the run), take the steps from the
//    position on, the last batch smaller; then evaluate, write the line of metrics, then the checkpoint (a kill between
//    the two repeats the epoch, not the line).
#include "gradc/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "batches.h"
#include "gradc/random.h"
#include "gradc/resample.h"
#include "interrupt.h"
#include "progress.h"
#include "run_directory.h"
#include "stage.h"

namespace gradc::runtime {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kShuffle = 2;  // stream of the run's seed; resample.cpp has others

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// The first element that is no finite number, or -1.
template <class T>
std::int64_t first_non_finite(const std::byte* data, std::int64_t count) {
  const auto* values = reinterpret_cast<const T*>(data);
  bool bad = false;
  for (std::int64_t i = 0; i < count; ++i) bad |= !(std::abs(values[i]) <= std::numeric_limits<T>::max());
  for (std::int64_t i = 0; bad && i < count; ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return -1;
}

std::int64_t first_non_finite(const Array& array, const std::byte* data) {
  if (array.dtype == GRADC_F32) return first_non_finite<float>(data, array.elements());
  if (array.dtype == GRADC_F64) return first_non_finite<double>(data, array.elements());
  return -1;
}

// The plan; without one, a stage of the one program, which events don't name.
std::vector<Stage> stages_of(const FitOptions& options) {
  if (!options.plan.empty()) return options.plan;
  Stage stage;
  stage.turns.push_back({options.train, 1});
  stage.epochs = options.epochs;
  stage.batch = options.default_batch;
  stage.test = options.test;
  stage.monitor = options.monitor;
  stage.monitor_highest = options.monitor_highest;
  stage.patience = options.patience;
  return {stage};
}

// "`a`, `b`"
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "`" : ", `") + name + "`";
  return text;
}

class Fit {
 public:
  Fit(const Provide& provide, const StateTable& table, Block& state, const FitData& data, const FitOptions& options)
      : provide_(provide),
        table_(table),
        state_(state),
        data_(data),
        options_(options),
        plan_(stages_of(options)),
        pool_(options.threads),
        directory_(options.directory),
        interrupt_(options.catch_interrupt) {}

  FitResult run();

 private:
  void read_checkpoint();
  void prepare_data();
  void split();
  std::unique_ptr<StageRun> run_of(const Stage& stage);
  void foresee_setup();
  void foresee_rests();
  std::vector<std::int64_t> sizes_of_tests() const;
  void prepare_tests();
  void prepare_state();
  void set_input_statistics();
  void begin_with_weights();
  void begin_stage();
  bool run_stage();  // false: the run ends within it
  void open_directory();
  bool train_epoch();  // false: the run ends within it
  bool step(const StageRun::Move& move, std::span<const std::int64_t> examples);
  bool end_epoch();  // false: the run ends after it
  bool evaluate_set(const DataSet& set, Metrics& metrics);
  std::optional<double> monitored(const EpochEvent& event) const;
  bool judge(const EpochEvent& event);  // whether it is the best so far
  void follow_plateaus(const EpochEvent& event);
  bool check_step(const ProgramUse& use, std::int64_t count, Prepared& prepared);
  void write_checkpoint();
  FitResult end(const std::string& reason);

  double now_seconds() const { return before_ + seconds_between(start_, Clock::now()); }
  std::int64_t examples() const { return static_cast<std::int64_t>(base_.size()); }
  const Stage& stage() const { return plan_[static_cast<std::size_t>(place_.stage)]; }
  std::int64_t batch_of(const Stage& stage) const { return place_.batch_given ? place_.batch : stage.batch; }
  std::int64_t epochs() const;  // of all stages, at most
  bool early() const { return stage().patience > 0 && place_.worse >= stage().patience; }
  bool stage_is_done() const { return place_.stage_epoch >= stage().epochs || early(); }
  bool is_last_stage() const { return place_.stage + 1 == static_cast<std::int64_t>(plan_.size()); }

  const Provide& provide_;
  const StateTable& table_;
  Block& state_;
  const FitData& data_;
  const FitOptions& options_;
  std::vector<Stage> plan_;
  ThreadPool pool_;
  std::vector<std::unique_ptr<StageRun>> runs_;  // by stage: all until the state is made, then the one at hand
  StageRun* run_ = nullptr;
  std::optional<Program> test_;
  double last_loss_ = 0;
  RunDirectory directory_;
  InterruptCatcher interrupt_;
  std::optional<SafeTensors> checkpoint_;  // until the state is restored from it
  bool found_checkpoint_ = false;
  std::optional<Progress> progress_;

  Place place_;
  FitResult result_;
  DataSet validation_set_, test_set_;
  std::vector<std::int64_t> base_, order_;  // training examples; in the order of this epoch
  std::vector<std::int64_t> held_out_;      // for validation
  Block old_state_, best_state_;
  std::optional<Place> best_place_;  // best_state_ is not written yet
  Clock::time_point start_ = Clock::now(), checkpoint_time_ = start_;
  double before_ = 0;  // seconds of the run before this resumption
};

void Fit::read_checkpoint() {
  if (options_.resume) checkpoint_ = directory_.open_checkpoint();
  found_checkpoint_ = checkpoint_.has_value();
  if (checkpoint_) {
    place_ = Place::of(*checkpoint_);
    const auto same = [&](const char* what, const std::optional<std::int64_t>& given, std::int64_t held) {
      if (given && *given != held) {
        throw Error(checkpoint_->file(), std::string("the run has ") + what + " " + std::to_string(held) +
                                             ", so it can't be resumed with " + what + " " + std::to_string(*given));
      }
    };
    same("batch", options_.batch, place_.batch);
    if (place_.stage >= static_cast<std::int64_t>(plan_.size()))
      throw Error(checkpoint_->file(), "the run is in stage " + std::to_string(place_.stage + 1) + ", the plan has " +
                                           std::to_string(plan_.size()));
    same("seed", options_.seed, place_.seed);
    plan_[static_cast<std::size_t>(place_.stage)].batch = place_.batch;
  } else {
    place_.batch_given = options_.batch.has_value();
    place_.batch = options_.batch.value_or(stage().batch);
    place_.seed = options_.seed.value_or(options_.default_seed);
  }
  if (place_.batch < 1) throw Error("the batch is " + std::to_string(place_.batch) + ", it must be at least 1");
  for (const Stage& stage : plan_) {
    if (stage.turns.empty()) throw Error("stage `" + stage.name + "` of the plan has no program");
    if (stage.epochs < 0) throw Error("the number of epochs is negative: " + std::to_string(stage.epochs));
    for (const Turn& turn : stage.turns)
      if (turn.steps < 1)
        throw Error("program `" + turn.program.name + "` of stage `" + stage.name + "` takes " +
                    std::to_string(turn.steps) + " steps, it must be at least 1");
  }
}

std::int64_t Fit::epochs() const {
  std::int64_t all = 0;
  for (const Stage& stage : plan_) all += stage.epochs;
  return all;
}

void Fit::split() {
  place_.vocabulary = data_.train->vocabulary;
  const double fraction = data_.validation ? 0 : options_.validation_fraction;
  Split split = hold_out(data_.train->examples, fraction, static_cast<std::uint64_t>(place_.seed));
  base_ = std::move(split.train);
  held_out_ = std::move(split.validation);
  order_ = base_;
}

std::unique_ptr<StageRun> Fit::run_of(const Stage& stage) {
  const StageRun::Setting setting{
      batch_of(stage), examples(), {.refuse_infinite = options_.check_finite}, options_.scalars};
  return std::make_unique<StageRun>(provide_, stage, *data_.train, setting, &pool_);
}

// All stages at once: what does not fit is told before the first step.
void Fit::prepare_data() {
  if (!data_.train || data_.train->examples == 0) throw DataError("there are no examples to train on");
  split();
  if (options_.foresee) foresee_setup();
  for (const Stage& stage : plan_) runs_.push_back(run_of(stage));
  run_ = runs_[static_cast<std::size_t>(place_.stage)].get();
  if (options_.foresee) foresee_rests();
  prepare_tests();
}

// What is asked for between the training programs and the first step.
void Fit::foresee_setup() {
  for (const std::int64_t size : sizes_of_tests()) options_.foresee(stage().test.name, std::min(place_.batch, size));
  if (!checkpoint_ && options_.initialize) options_.foresee("init", place_.batch);
}

// The smaller batches at the end of an epoch.
void Fit::foresee_rests() {
  for (const StageRun::Move& move : run_->moves()) {
    const std::int64_t count = move.batch < 0 ? place_.batch : examples() - move.batch * place_.batch;
    if (count < place_.batch) options_.foresee(run_->players()[move.player]->use.name, count);
  }
  for (const std::int64_t size : sizes_of_tests())
    if (size > place_.batch && size % place_.batch != 0) options_.foresee(stage().test.name, size % place_.batch);
}

// Of the sets that are evaluated.
std::vector<std::int64_t> Fit::sizes_of_tests() const {
  std::vector<std::int64_t> sizes;
  if (stage().test.name.empty()) return sizes;
  if (data_.validation) sizes.push_back(data_.validation->examples);
  if (!held_out_.empty()) sizes.push_back(static_cast<std::int64_t>(held_out_.size()));
  if (data_.test) sizes.push_back(data_.test->examples);
  std::erase(sizes, 0);
  return sizes;
}

void Fit::prepare_tests() {
  test_.reset();
  validation_set_ = {};
  test_set_ = {};
  if (stage().test.name.empty()) return;
  test_.emplace(provide_, stage().test.name, &pool_);
  const Conform how{.refuse_infinite = options_.check_finite};
  const auto fitted = [&](const DataSet& set) { return test_->fit(set, std::min(place_.batch, set.examples), how); };
  if (data_.validation) validation_set_ = fitted(*data_.validation);
  if (!held_out_.empty()) validation_set_ = fitted(rows_of(*data_.train, held_out_));
  if (data_.test) test_set_ = fitted(*data_.test);
}

void Fit::prepare_state() {
  if (checkpoint_) {
    if (place_.examples != examples()) {
      throw Error(checkpoint_->file(), "the run has " + std::to_string(place_.examples) +
                                           " training examples, so it can't be resumed with " +
                                           std::to_string(examples()));
    }
    if (state_.bytes() < table_.bytes) state_ = Block(table_.bytes);
    restore_state(*checkpoint_, table_, state_.data());
    run_->restore(place_.sums);
    checkpoint_.reset();
    set_input_statistics();
    return;
  }
  place_.examples = examples();
  if (options_.initialize) {
    state_ = Block(table_.bytes);
    const Executable& init = provide_("init", place_.batch);
    Runner runner(init, &pool_);
    if (const int seed = init.scalar("seed"); seed >= 0) runner.set_integer_scalar(seed, place_.seed);
    runner.run({}, {}, state_.data());
  }
  for (const InputStatistics& each : options_.statistics)
    for (const std::string& entry : {each.mean, each.deviation})
      if (!entry.empty()) place_.unset.push_back(entry);
  set_input_statistics();
  if (!options_.weights.empty()) begin_with_weights();
}

// Of all inputs that programs of the run read, those that evaluate included.
void Fit::set_input_statistics() {
  const auto set = [&](const DataSet& fitted) {
    set_statistics(options_.statistics, fitted, base_, table_, state_.data(), place_.unset);
  };
  for (const auto& run : runs_)
    for (const auto& player : run->players()) set(player->set);
  const bool evaluates = data_.validation || data_.test || !held_out_.empty();
  for (const Stage& stage : plan_) {
    if (place_.unset.empty() || !evaluates || stage.test.name.empty()) continue;
    for (const Array& input : provide_(stage.test.name, place_.batch).inputs) {
      const auto wanted =
          std::find_if(options_.statistics.begin(), options_.statistics.end(), [&](const InputStatistics& each) {
            return each.input == input.name && std::count(place_.unset.begin(), place_.unset.end(), each.mean) > 0;
          });
      if (wanted == options_.statistics.end()) continue;
      if (!data_.train->find(input.name))
        throw DataError("`" + stage.test.name + "` reads `" + input.name +
                        "`, whose mean and deviation are those of the training examples, and these have no `" +
                        input.name + "`");
      set(conform(*data_.train, {&input, 1}, {.refuse_infinite = options_.check_finite}));
    }
  }
}

void Fit::begin_with_weights() {
  const LoadReport report = load_weights(SafeTensors::read(options_.weights), table_, state_.data(),
                                         options_.partial_weights ? Match::partial : Match::strict);
  for (const std::string& name : report.loaded) std::erase(place_.unset, name);
  std::vector<std::string> fresh = report.unset;
  std::erase_if(fresh,
                [&](const std::string& name) { return std::count(place_.unset.begin(), place_.unset.end(), name); });
  if (!fresh.empty())
    progress_->note(options_.weights + ": nothing had set " + listed(fresh) +
                    " there; they are of the training examples of this run");
  if (!options_.partial_weights) return;
  if (report.loaded.empty()) throw WeightsError(options_.weights, report.missing, report.unexpected, report.different);
  const std::size_t left = report.missing.size() + report.different.size();
  progress_->note(options_.weights + ": " + std::to_string(report.loaded.size()) + " arrays taken, " +
                  std::to_string(left) + " of the model's left as initialised");
  for (const std::string& each : WeightsError::sentences(report.missing, report.unexpected, report.different))
    progress_->note("  " + each);
}

void Fit::open_directory() {
  if (!directory_.enabled()) return;
  directory_.open();
  const bool resumed = place_.step > 0 || place_.epoch > 0;
  if (options_.resume && !found_checkpoint_) {
    progress_->note(options_.directory + " holds no checkpoint: the run starts from the beginning");
  }
  if (!options_.resume) {
    const std::string aside = directory_.set_aside();
    if (!aside.empty()) progress_->note("the files of an older run are now in " + aside);
  }
  directory_.write_spec(options_.spec);
  directory_.rewind_metrics(place_.epoch);
  if (resumed) {
    result_.last = directory_.read_epoch(place_.epoch);
    before_ = result_.last.seconds;
  } else {
    write_checkpoint();
  }
}

void Fit::write_checkpoint() {
  if (!directory_.enabled()) return;
  if (best_place_) {
    directory_.write_checkpoint("best.safetensors", table_, best_state_.data(), *best_place_);
    best_place_.reset();
  }
  place_.sums = run_->held();
  directory_.write_checkpoint("last.safetensors", table_, state_.data(), place_);
  checkpoint_time_ = Clock::now();
}

// Finds what the step made non-finite, and takes the step back.
bool Fit::check_step(const ProgramUse& use, std::int64_t count, Prepared& prepared) {
  NonFinite found;
  found.program = use.name;
  found.element = -1;
  const Executable& executable = prepared.executable();
  if (const int loss = executable.output(use.loss); loss >= 0) {
    const auto index = static_cast<std::size_t>(loss);
    found.element = first_non_finite(executable.outputs[index], prepared.output(index));
    if (found.element >= 0) {
      found.name = use.loss;
      found.value = element_as_double(executable.outputs[index].dtype, prepared.output(index), found.element);
    }
  }
  for (std::size_t i = 0; found.element < 0 && i < table_.entries.size(); ++i) {
    const StateArray& entry = table_.entries[i];
    found.element = first_non_finite(entry, state_.data() + entry.offset);
    if (found.element < 0) continue;
    found.name = entry.name;
    found.value = element_as_double(entry.dtype, state_.data() + entry.offset, found.element);
  }
  if (found.element < 0) return true;
  std::memcpy(state_.data(), old_state_.data(), static_cast<std::size_t>(table_.bytes));
  found.epoch = place_.epoch + 1;
  found.step = place_.step + 1;
  found.batch = count;
  found.inputs = prepared.inputs();
  found.state = state_.data();
  const Array* entry = table_.find(found.name);
  const std::string what = std::isnan(found.value) ? "NaN" : found.value > 0 ? "infinite" : "minus infinity";
  result_.message = "step " + std::to_string(found.step) + " (epoch " + std::to_string(found.epoch) + "): `" +
                    found.name + "` became " + what;
  if (entry && entry->elements() > 1) result_.message += " at element " + std::to_string(found.element);
  result_.message += "; the state before the step is kept";
  if (options_.explain) result_.message += options_.explain(found);
  result_.outcome = Outcome::non_finite;
  return false;
}

bool Fit::step(const StageRun::Move& move, std::span<const std::int64_t> examples) {
  Player& player = *run_->players()[move.player];
  const std::int64_t count = move.batch < 0 ? place_.batch : static_cast<std::int64_t>(examples.size());
  Prepared& prepared = player.program.at(count);
  if (options_.check_finite) std::memcpy(old_state_.data(), state_.data(), static_cast<std::size_t>(table_.bytes));
  prepared.run_gathered(player.columns, examples, state_.data());
  if (options_.check_finite && !check_step(player.use, count, prepared)) return false;
  player.averages.add(prepared, count);
  last_loss_ = player.averages.last_loss();
  ++place_.position;
  ++place_.step;
  const StepEvent event{place_.epoch + 1, place_.step, count, last_loss_, player.use.name};
  if (options_.on_step && !options_.on_step(event)) {
    result_.outcome = Outcome::stopped;
    return false;
  }
  return true;
}

bool Fit::train_epoch() {
  std::copy(base_.begin(), base_.end(), order_.begin());
  Random random(static_cast<std::uint64_t>(place_.seed), kShuffle, static_cast<std::uint64_t>(place_.epoch + 1));
  shuffle(order_, random);
  const std::vector<StageRun::Move>& moves = run_->moves();
  const auto steps = static_cast<std::int64_t>(moves.size());
  const auto done = [&] { return examples() * place_.position / std::max<std::int64_t>(1, steps); };
  progress_->begin_epoch(place_.epoch + 1, done());
  while (place_.position < steps) {
    const StageRun::Move& move = moves[static_cast<std::size_t>(place_.position)];
    const std::int64_t first = std::max<std::int64_t>(0, move.batch) * place_.batch;
    const std::int64_t count = move.batch < 0 ? 0 : std::min(place_.batch, examples() - first);
    const std::span batch = std::span(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    if (!step(move, batch)) return false;
    progress_->step(done(), last_loss_);
    if (interrupt_.signal() != 0) return false;
    const bool due = options_.checkpoint_steps > 0 && place_.step % options_.checkpoint_steps == 0;
    if (directory_.enabled() && (due || seconds_between(checkpoint_time_, Clock::now()) >= options_.checkpoint_seconds))
      write_checkpoint();
  }
  return true;
}

bool Fit::evaluate_set(const DataSet& set, Metrics& metrics) {
  if (set.examples == 0) return true;
  Averages averages(stage().test);
  const bool whole = over_batches(*test_, set, place_.batch, state_.data(),
                                  [&](const Prepared& prepared, std::int64_t, std::int64_t count) {
                                    averages.add(prepared, count);
                                    return interrupt_.signal() == 0;
                                  });
  metrics = averages.metrics();
  return whole;
}

// The monitored metric of the set that decides; what that does not report is looked for in the others.
std::optional<double> Fit::monitored(const EpochEvent& event) const {
  for (const Metrics* metrics : {&event.validation, &event.test, &event.train})
    if (const std::optional<double> value = metric(*metrics, stage().monitor)) return value;
  return {};
}

// As PyTorch's ReduceLROnPlateau, with a threshold relative to the best.
void Fit::follow_plateaus(const EpochEvent& event) {
  const std::optional<double> value = monitored(event);
  for (const auto& player : run_->players()) {
    if (!value || !player->use.plateau) continue;
    const PlateauRule& rule = *player->use.plateau;
    Place::Plateau& plateau = place_.plateaus[player->use.name];
    const double margin = rule.threshold * std::abs(plateau.best);
    const bool better = stage().monitor_highest ? *value > plateau.best + margin : *value < plateau.best - margin;
    ++plateau.bad;
    if (plateau.epochs++ == 0 || better) {
      plateau.best = *value;
      plateau.bad = 0;
    }
    if (plateau.cooldown > 0) {
      --plateau.cooldown;
      plateau.bad = 0;
    }
    if (plateau.bad <= rule.patience) continue;
    plateau.factor *= rule.factor;
    plateau.cooldown = rule.cooldown;
    plateau.bad = 0;
    player->program.set_where_known("plateau_factor", plateau.factor);
  }
}

bool Fit::judge(const EpochEvent& event) {
  const std::optional<double> value = monitored(event);
  if (!value) return false;
  const bool better = stage().monitor_highest ? *value > place_.best : *value < place_.best;
  if (std::isnan(*value) || (place_.best_epoch > 0 && !better)) {
    ++place_.worse;
    return false;
  }
  place_.best = *value;
  place_.best_epoch = event.epoch;
  place_.worse = 0;
  return true;
}

bool Fit::end_epoch() {
  EpochEvent event;
  event.epoch = place_.epoch + 1;
  event.step = place_.step;
  if (!options_.plan.empty()) {
    event.stage = stage().name;
    event.programs = run_->programs();
  }
  event.train = run_->metrics();
  event.watch = run_->watch();
  // An interruption leaves the epoch open, after its last step.
  if (!evaluate_set(validation_set_, event.validation) || !evaluate_set(test_set_, event.test)) return false;
  event.seconds = now_seconds();
  const bool best = judge(event);
  follow_plateaus(event);
  ++place_.epoch;
  ++place_.stage_epoch;
  place_.position = 0;
  run_->clear();
  directory_.append_epoch(event);
  if (best && directory_.enabled()) {
    if (best_state_.bytes() == 0) best_state_ = Block(table_.bytes);
    std::memcpy(best_state_.data(), state_.data(), static_cast<std::size_t>(table_.bytes));
    best_place_ = place_;
    best_place_->sums.clear();
  }
  if (seconds_between(checkpoint_time_, Clock::now()) >= options_.epoch_checkpoint_seconds) write_checkpoint();
  progress_->end_epoch(event);
  if (const auto loss = metric(event.train, "loss"); loss && !std::isfinite(*loss) && !options_.check_finite) {
    progress_->note("the training loss is not finite; --check-finite finds the step");
  }
  const bool go_on = !options_.on_epoch || options_.on_epoch(event);
  result_.last = std::move(event);
  if (!go_on) result_.outcome = Outcome::stopped;
  return go_on && interrupt_.signal() == 0;
}

FitResult Fit::end(const std::string& reason) {
  progress_->clear();
  write_checkpoint();
  if (result_.outcome == Outcome::interrupted && directory_.enabled()) {
    progress_->note("interrupted after step " + std::to_string(place_.step) + "; " +
                    directory_.file("last.safetensors") + " holds it, --resume continues");
  }
  result_.step = place_.step;
  result_.seconds = now_seconds();
  result_.best_epoch = place_.best_epoch;
  result_.best = place_.best;
  directory_.append_end(result_, reason);
  return std::move(result_);
}

// What a stage needs that its checkpoint does not hold; the data of the others is freed.
void Fit::begin_stage() {
  const auto index = static_cast<std::size_t>(place_.stage);
  for (std::size_t i = 0; i < runs_.size(); ++i)
    if (i != index) runs_[i].reset();
  if (!runs_[index]) runs_[index] = run_of(stage());
  run_ = runs_[index].get();
  place_.batch = batch_of(stage());
  if (plan_.size() > 1) prepare_tests();
  for (const auto& player : run_->players())
    if (player->use.plateau)
      player->program.set_where_known("plateau_factor", place_.plateaus[player->use.name].factor);
  progress_.emplace(options_.quiet, epochs(), examples());
}

bool Fit::run_stage() {
  while (!stage_is_done()) {
    if (!train_epoch() || !end_epoch()) return false;
  }
  return true;
}

FitResult Fit::run() {
  read_checkpoint();
  progress_.emplace(options_.quiet, epochs(), 1);
  prepare_data();
  prepare_state();
  progress_.emplace(options_.quiet, epochs(), examples());
  open_directory();
  if (options_.check_finite) old_state_ = Block(table_.bytes);
  start_ = checkpoint_time_ = Clock::now();
  begin_stage();
  while (run_stage() && !is_last_stage()) {
    ++place_.stage;
    place_.stage_epoch = place_.worse = place_.best_epoch = 0;
    begin_stage();
  }
  const bool done = is_last_stage() && stage_is_done();
  result_.signal = interrupt_.signal();
  if (result_.signal != 0 && !done && result_.outcome == Outcome::finished) result_.outcome = Outcome::interrupted;
  const bool stopped_early = done && early() && result_.outcome == Outcome::finished;
  return end(stopped_early ? "early stopping" : std::string(name_of(result_.outcome)));
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::finished:
      return "finished";
    case Outcome::stopped:
      return "stopped";
    case Outcome::interrupted:
      return "interrupted";
    case Outcome::non_finite:
      return "non-finite";
  }
  return "?";
}

std::optional<double> metric(const Metrics& metrics, std::string_view name) {
  for (const auto& [held, value] : metrics) {
    if (held == name) return value;
  }
  return {};
}

std::optional<std::int64_t> seed_of_run(const SafeTensors& weights) {
  if (!Place::is_in(weights)) return {};
  return Place::of(weights).seed;
}

FitResult fit(const Provide& provide, const StateTable& table, Block& state, const FitData& data,
              const FitOptions& options) {
  return Fit(provide, table, state, data, options).run();
}

}  // namespace gradc::runtime
