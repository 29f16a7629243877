// Stages and turns of a plan, over the model in plain C++; reductions of what is reported.
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>

#include "gradc/fit.h"
#include "gradc/safetensors.h"
#include "tests/support/catch.h"
#include "tests/unit/runtime/fake_model.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::test;
using nlohmann::json;

namespace {

struct Run {
  Block state;
  FitResult result;
};

Run run(const FitOptions& options, const DataSet& train, const DataSet* test = nullptr) {
  Run run;
  FakeModel model;
  fake_log.batches.clear();
  run.result = fit(model.provide(), fake_table(), run.state, {&train, nullptr, test}, options);
  return run;
}

bool same(const Block& a, const Block& b) { return std::memcmp(a.data(), b.data(), sizeof(FakeState)) == 0; }

std::vector<json> lines_of(const std::string& path) {
  std::vector<json> lines;
  std::istringstream text(contents_of(path));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(json::parse(line));
    lines.back().erase("seconds");
  }
  return lines;
}

// Two epochs of `train` alone, then three of turns.
FitOptions planned() {
  FitOptions options = fake_options();
  options.batch.reset();
  const ProgramUse train{"train", "objective", {}};
  ProgramUse second{"second", "objective", {}};
  second.plateau = PlateauRule{0.5, 0, 0, 1e9};  // no epoch improves so much: a reduction each epoch but the first
  Stage alone, game;
  alone.name = "alone";
  alone.turns = {{train, 1}};
  alone.epochs = 2;
  alone.batch = 8;
  game.name = "game";
  game.turns = {{train, 2}, {second, 1}};
  game.epochs = 3;
  game.batch = 4;
  game.test = options.test;
  options.plan = {alone, game};
  return options;
}

}  // namespace

TEST_CASE("plan: stages follow each other, turns take the next batch") {
  const TemporaryDirectory dir;
  FitOptions options = planned();
  options.directory = dir.file("run");
  const DataSet test = fake_data(5, 50);
  const Run done = run(options, fake_data(20), &test);
  CHECK(done.result.outcome == Outcome::finished);
  CHECK(done.result.last.epoch == 5);
  // 3 + 3 steps alone; then (t t s) (t t s) (t s) each epoch, of 5 batches.
  REQUIRE(fake_log.batches.size() == 6 + 3 * 8);
  CHECK(done.result.step == 30);
  const std::size_t sizes[] = {8, 8, 4, 8, 8, 4};
  for (std::size_t i = 0; i < 6; ++i) CHECK(fake_log.batches[i].size() == sizes[i]);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> seen;
    for (std::size_t i = 0; i < 8; ++i) {
      const std::vector<int>& batch = fake_log.batches[6 + 8 * epoch + i];
      if (i == 2 || i == 5 || i == 7) {
        // Three of its steps an epoch; the factor is halved after the second epoch and each after it.
        CHECK(batch == std::vector<int>{-3, epoch == 2 ? 500 : 1000});
      } else {
        seen.insert(seen.end(), batch.begin(), batch.end());
      }
    }
    std::sort(seen.begin(), seen.end());
    REQUIRE(seen.size() == 20);
    for (int i = 0; i < 20; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
  }
  const auto lines = lines_of(dir.file("run/metrics.jsonl"));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0]["stage"] == "alone");
  CHECK(lines[0]["programs"] == json({"train"}));
  CHECK(lines[0]["train"].contains("loss"));
  CHECK_FALSE(lines[0].contains("test"));
  CHECK(lines[2]["stage"] == "game");
  CHECK(lines[2]["programs"] == json({"train", "second"}));
  CHECK(lines[2]["train"].contains("train.loss"));
  CHECK(lines[2]["train"].contains("second.loss"));
  CHECK(lines[2]["test"].contains("accuracy"));
}

TEST_CASE("plan: a run killed at any step of any stage resumes to the same bits and lines") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20), test = fake_data(5, 50);
  FitOptions options = planned();
  options.directory = dir.file("whole");
  const Run whole = run(options, train, &test);
  const auto lines = lines_of(dir.file("whole/metrics.jsonl"));
  options.resume = true;
  for (const int cadence : {3, 0}) {
    options.checkpoint_steps = cadence;
    for (std::int64_t kill = 1; kill <= 30; ++kill) {
      CAPTURE(cadence, kill);
      options.directory = dir.file("kill" + std::to_string(cadence) + "-" + std::to_string(kill));
      options.on_step = nullptr;
      const pid_t child = fork();
      if (child == 0) {
        options.on_step = [&](const StepEvent& event) {
          if (event.step == kill) raise(SIGKILL);
          return true;
        };
        run(options, train, &test);
        _exit(3);
      }
      int status = 0;
      waitpid(child, &status, 0);
      REQUIRE(WIFSIGNALED(status));
      const Run rest = run(options, train, &test);
      CHECK(same(rest.state, whole.state));
      for (const char* name : {"/last.safetensors", "/best.safetensors"})
        CHECK(contents_of(options.directory + name) == contents_of(dir.file("whole") + name));
      CHECK(lines_of(options.directory + "/metrics.jsonl") == lines);
    }
  }
}

TEST_CASE("plan: a stage that stops early gives way to the next") {
  FitOptions options = planned();
  options.plan[0].patience = 1;
  options.plan[0].monitor = "loss";
  options.plan[0].monitor_highest = true;  // losses fall: the second epoch is no better
  options.plan[0].epochs = 9;
  const Run done = run(options, fake_data(20));
  CHECK(done.result.last.epoch == 5);
  CHECK(done.result.last.stage == "game");
}

TEST_CASE("plan: what is wrong with it is said") {
  FitOptions options = planned();
  options.plan[1].turns[1].steps = 0;
  CHECK(has(message_of<Error>([&] { run(options, fake_data(20)); }), "program `second` of stage `game` takes 0 steps"));
  options.plan[1].turns.clear();
  CHECK(has(message_of<Error>([&] { run(options, fake_data(20)); }), "stage `game` of the plan has no program"));
}

namespace {

// Four values an example, in two batches: 1 2 | 3; and a table of counts.
std::int32_t report_numbers(const void* const* inputs, void* const* outputs, void*, void*, const void*,
                            const gradc_context*) {
  const auto* x = static_cast<const float*>(inputs[0]);
  auto* value = static_cast<float*>(outputs[0]);
  auto* counts = static_cast<float*>(outputs[1]);
  for (int i = 0; i < 2; ++i) value[i] = x[i];
  for (int i = 0; i < 4; ++i) counts[i] = static_cast<float>(i) + x[0];
  return 0;
}

}  // namespace

TEST_CASE("reports are reduced as they say") {
  Executable executable;
  executable.program = "test";
  executable.entry = report_numbers;
  executable.inputs = {fake_array("x", GRADC_F32, {2})};
  executable.outputs = {fake_array("value", GRADC_F32, {2}), fake_array("counts", GRADC_F32, {2, 2})};
  DataSet data;
  data.add(make_column("x", GRADC_F32, {}, 4, "made"));
  const float numbers[] = {1, 2, 4, 0.5F};
  std::memcpy(data.columns[0].data.data(), numbers, sizeof numbers);
  const std::pair<Reduce, double> wanted[] = {{Reduce::mean, 7.5 / 4},
                                              {Reduce::sum, 7.5},
                                              {Reduce::max, 4},
                                              {Reduce::min, 0.5},
                                              {Reduce::sqrt_mean, std::sqrt(7.5 / 4)},
                                              {Reduce::exp_mean, std::exp(7.5 / 4)}};
  for (const auto& [reduce, number] : wanted) {
    const ProgramUse use{"test", "", {{"value", reduce}, {"counts", Reduce::confusion}}};
    const Metrics metrics = evaluate([&](std::string_view, std::int64_t) -> const Executable& { return executable; },
                                     use, nullptr, data, 2, nullptr);
    REQUIRE(metrics.size() == 1);
    CHECK(metrics[0].second == number);
    REQUIRE(metrics.tables.size() == 1);
    CHECK(metrics.tables[0].rows == 2);
    CHECK(metrics.tables[0].values == std::vector<double>{5, 7, 9, 11});
  }
}
