// The training loop, over a model in plain C++: what is trained on, what is written, what a resumed run gives.
#include "gradc/fit.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "gradc/safetensors.h"
#include "tests/support/catch.h"
#include "tests/unit/runtime/fake_model.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::test;
using nlohmann::json;

namespace {

struct Run {
  FakeModel model;
  Block state;
  FitResult result;
};

Run run(const FitOptions& options, const DataSet& train, const DataSet* test = nullptr,
        const DataSet* validation = nullptr) {
  Run run;
  fake_log.batches.clear();
  run.result = fit(run.model.provide(), fake_table(), run.state, {&train, validation, test}, options);
  return run;
}

const FakeState& state_of(const Block& block) { return *reinterpret_cast<const FakeState*>(block.data()); }

FakeState state_of(const std::string& file) {
  Block block(sizeof(FakeState));
  restore_state(SafeTensors::read(file), fake_table(), block.data());
  return state_of(block);
}

bool same(const FakeState& a, const FakeState& b) {
  return std::memcmp(a.w, b.w, sizeof a.w) == 0 && std::memcmp(a.momentum, b.momentum, sizeof a.momentum) == 0 &&
         a.step == b.step && a.key[0] == b.key[0] && a.key[1] == b.key[1];
}

// The lines of metrics, without the times.
std::vector<json> lines_of(const std::string& path) {
  std::vector<json> lines;
  std::istringstream text(contents_of(path));
  for (std::string line; std::getline(text, line);) {
    lines.push_back(json::parse(line));
    lines.back().erase("seconds");
  }
  return lines;
}

}  // namespace

TEST_CASE("fit: losses fall, every example is used once an epoch, the last smaller batch too") {
  const DataSet train = fake_data(43), test = fake_data(10, 100);
  FitOptions options = fake_options();
  options.epochs = 60;
  std::vector<double> losses;
  options.on_epoch = [&](const EpochEvent& event) {
    losses.push_back(event.train[0].second);
    return true;
  };
  const Run run = ::run(options, train, &test);
  CHECK(run.result.outcome == Outcome::finished);
  CHECK(run.result.step == 60 * 6);
  CHECK(state_of(run.state).step == 60 * 6);
  CHECK(losses.size() == 60);
  CHECK(losses.back() < 1e-3);
  CHECK(losses.back() < losses.front() / 100);
  CHECK(*metric(run.result.last.test, "accuracy") == 1);
  CHECK(run.model.asked_for("train", 3));
  std::set<std::vector<int>> orders;
  for (std::size_t epoch = 0; epoch < 60; ++epoch) {
    std::vector<int> order;
    for (std::size_t b = 0; b < 6; ++b) {
      const auto& batch = fake_log.batches[6 * epoch + b];
      CHECK(batch.size() == (b < 5 ? 8 : 3));
      order.insert(order.end(), batch.begin(), batch.end());
    }
    orders.insert(order);
    std::sort(order.begin(), order.end());
    bool once = order.size() == 43;
    for (int i = 0; i < 43; ++i) once = once && order[static_cast<std::size_t>(i)] == i;
    CHECK(once);
  }
  CHECK(orders.size() == 60);
}

TEST_CASE("fit: the same seed gives the same bits, another seed others, any number of threads") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.directory = dir.file("a");
  const Run a = run(options, train);
  const auto batches = fake_log.batches;
  options.threads = 3;
  options.directory = dir.file("b");
  const Run b = run(options, train);
  CHECK(contents_of(dir.file("a/last.safetensors")) == contents_of(dir.file("b/last.safetensors")));
  CHECK(same(state_of(a.state), state_of(b.state)));
  CHECK(batches == fake_log.batches);
  options.seed = 1;
  const Run c = run(options, train);
  CHECK_FALSE(same(state_of(a.state), state_of(c.state)));
  CHECK(batches != fake_log.batches);
}

TEST_CASE("fit: metrics are averages over examples, not over batches") {
  const DataSet train = fake_data(11), test = fake_data(11);
  FitOptions options = fake_options();
  options.epochs = 1;
  options.scalars = {{"learning_rate", 0.0}};
  const Run run = ::run(options, train, &test);
  // The averages by hand, at the state that init makes; the noise of three steps moves w by less than 1e-3.
  const double w[3] = {0, 0.1, 0.2};
  double loss = 0;
  for (std::size_t i = 0; i < 11; ++i) {
    const float* x = train.columns[0].values<float>().data() + 3 * i;
    loss += std::pow(w[0] * x[0] + w[1] * x[1] + w[2] * x[2] - train.columns[1].values<double>()[i], 2) / 11;
  }
  CHECK(*metric(run.result.last.test, "loss") == Approx(loss).epsilon(2e-3));
  CHECK(*metric(run.result.last.train, "loss") == Approx(loss).epsilon(2e-3));
}

TEST_CASE("fit: files of a run") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20), test = fake_data(5, 50);
  FitOptions options = fake_options();
  options.directory = dir.file("a/run");
  options.spec = "{ \"gradc\": 1 }\n";
  const Run run = ::run(options, train, &test);
  CHECK(contents_of(dir.file("a/run/spec.json")) == options.spec);
  CHECK(same(state_of(dir.file("a/run/last.safetensors")), state_of(run.state)));
  const auto lines = lines_of(dir.file("a/run/metrics.jsonl"));
  REQUIRE(lines.size() == 4);
  for (int epoch = 1; epoch <= 3; ++epoch) {
    const json& line = lines[static_cast<std::size_t>(epoch - 1)];
    CHECK(line["event"] == "epoch");
    CHECK(line["epoch"] == epoch);
    CHECK(line["step"] == 3 * epoch);
    CHECK(line["train"].size() == 1);
    CHECK(line["train"]["loss"].is_number());
    CHECK(line["test"]["loss"].is_number());
    CHECK(line["test"]["accuracy"].is_number());
  }
  CHECK(lines[2]["test"]["loss"] == *metric(run.result.last.test, "loss"));
  CHECK(lines[3]["event"] == "end");
  CHECK(lines[3]["reason"] == "finished");
  CHECK(has(contents_of(dir.file("a/run/metrics.jsonl")), R"({"event":"epoch","epoch":1,"step":3,"seconds":)"));
}

TEST_CASE("fit: a run stopped after any step resumes to the same bits and lines") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20), test = fake_data(5, 50);
  FitOptions options = fake_options();
  options.directory = dir.file("whole");
  options.validation_fraction = 0.2;
  options.seed = 5;
  const Run whole = run(options, train, &test);
  const auto lines = lines_of(dir.file("whole/metrics.jsonl"));
  REQUIRE(whole.result.step == 6);
  for (std::int64_t stop = 1; stop <= 6; ++stop) {
    CAPTURE(stop);
    options.directory = dir.file("stop" + std::to_string(stop));
    options.resume = false;
    options.seed = 5;
    options.batch = 8;
    options.on_step = [&](const StepEvent& event) { return event.step != stop; };
    CHECK(run(options, train, &test).result.outcome == Outcome::stopped);
    options.on_step = nullptr;
    options.resume = true;
    options.seed.reset();  // the checkpoint knows
    options.batch.reset();
    const Run rest = run(options, train, &test);
    CHECK(rest.result.outcome == Outcome::finished);
    CHECK(same(state_of(rest.state), state_of(whole.state)));
    CHECK(lines_of(options.directory + "/metrics.jsonl") == lines);
    for (const char* name : {"/last.safetensors", "/best.safetensors"}) {
      CHECK(contents_of(options.directory + name) == contents_of(dir.file("whole") + name));
    }
  }
}

TEST_CASE("fit: a run killed at any step resumes to the same bits and lines") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20), test = fake_data(5, 50);
  FitOptions options = fake_options();
  options.directory = dir.file("whole");
  const Run whole = run(options, train, &test);
  const auto lines = lines_of(dir.file("whole/metrics.jsonl"));
  options.resume = true;
  // Checkpoints every second step; every epoch; none but the first.
  for (const int cadence : {2, 0, -1}) {
    options.checkpoint_steps = std::max(0, cadence);
    options.epoch_checkpoint_seconds = cadence < 0 ? 1e9 : 0;
    for (std::int64_t kill = 1; kill <= 9; ++kill) {
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
      // As if the kill had come within a line.
      std::ofstream(options.directory + "/metrics.jsonl", std::ios::app) << R"({"event":"epoch","epo)";
      const Run rest = run(options, train, &test);
      CHECK(same(state_of(rest.state), state_of(whole.state)));
      for (const char* name : {"/last.safetensors", "/best.safetensors"}) {
        CHECK(contents_of(options.directory + name) == contents_of(dir.file("whole") + name));
      }
      CHECK(lines_of(options.directory + "/metrics.jsonl") == lines);
    }
  }
}

TEST_CASE("fit: an interrupt ends the step, writes the checkpoint, and is resumed to the same bits") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  const Run whole = run(options, train);
  options.directory = dir.file("run");
  options.catch_interrupt = true;
  options.on_step = [&](const StepEvent& event) {
    if (event.step == 5) raise(SIGINT);
    return true;
  };
  struct sigaction before{}, after{};
  sigaction(SIGINT, nullptr, &before);
  const Run cut = run(options, train);
  sigaction(SIGINT, nullptr, &after);
  CHECK(before.sa_handler == after.sa_handler);
  CHECK(cut.result.outcome == Outcome::interrupted);
  CHECK(cut.result.signal == SIGINT);
  CHECK(cut.result.step == 5);
  CHECK(state_of(dir.file("run/last.safetensors")).step == 5);
  CHECK(lines_of(dir.file("run/metrics.jsonl")).back()["reason"] == "interrupted");
  options.on_step = nullptr;
  options.resume = true;
  CHECK(same(state_of(run(options, train).state), state_of(whole.state)));
}

TEST_CASE("fit: check_finite names step and entry, and keeps the state before") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.on_step = [](const StepEvent& event) { return event.step != 4; };
  const Run good = run(options, train);
  options.on_step = nullptr;
  options.directory = dir.file("run");
  options.check_finite = true;
  bool explained = false;
  options.explain = [&](const NonFinite& found) {
    explained = found.step == 5 && found.batch == 8 && found.inputs.size() == 2 && std::isnan(found.value) &&
                same(*static_cast<const FakeState*>(found.state), state_of(good.state));
    return "; more";
  };
  fake_log.poison_step = 5;
  const Run bad = run(options, train);
  fake_log.poison_step = -1;
  CHECK(bad.result.outcome == Outcome::non_finite);
  CHECK(bad.result.message == "step 5 (epoch 2): `w` became NaN at element 1; the state before the step is kept; more");
  CHECK(explained);
  CHECK(same(state_of(bad.state), state_of(good.state)));
  CHECK(same(state_of(dir.file("run/last.safetensors")), state_of(good.state)));
}

TEST_CASE("fit: the validation split is apart from training, and decides the best epoch and when to stop") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(40);
  FitOptions options = fake_options();
  options.directory = dir.file("run");
  options.validation_fraction = 0.25;
  options.epochs = 50;
  options.patience = 2;
  std::vector<double> losses;
  std::vector<FakeState> states;
  Block state;
  FakeModel model;
  options.on_epoch = [&](const EpochEvent& event) {
    losses.push_back(*metric(event.validation, "loss"));
    states.push_back(state_of(state));
    return true;
  };
  options.scalars = {{"learning_rate", 0.7}};  // too large: it overshoots now and then
  fake_log.batches.clear();
  const FitResult result = fit(model.provide(), fake_table(), state, {&train, nullptr, nullptr}, options);
  std::set<int> used;
  for (const auto& batch : fake_log.batches) used.insert(batch.begin(), batch.end());
  CHECK(used.size() == 30);
  const auto least = std::min_element(losses.begin(), losses.end()) - losses.begin();
  CHECK(result.best_epoch == least + 1);
  CHECK(result.best == losses[static_cast<std::size_t>(least)]);
  CHECK(same(state_of(dir.file("run/best.safetensors")), states[static_cast<std::size_t>(least)]));
  CHECK(losses.size() == static_cast<std::size_t>(least) + 3);
  CHECK(lines_of(dir.file("run/metrics.jsonl")).back()["reason"] == "early stopping");
}

TEST_CASE("fit: an older run's files are moved aside, a running one's directory is refused") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.directory = dir.file("run");
  const Run first = run(options, train);
  options.seed = 9;
  const Run second = run(options, train);
  CHECK(same(state_of(dir.file("run/previous-1/last.safetensors")), state_of(first.state)));
  CHECK(same(state_of(dir.file("run/last.safetensors")), state_of(second.state)));
  std::string message;
  options.on_step = [&](const StepEvent& event) {
    if (event.step == 1) {
      FitOptions inner = options;
      inner.on_step = nullptr;
      message = message_of<Error>([&] {
        FakeModel model;
        Block state;
        fit(model.provide(), fake_table(), state, {&train, nullptr, nullptr}, inner);
      });
    }
    return true;
  };
  run(options, train);
  CHECK(message == options.directory + ": the run directory is in use by another run");
}

TEST_CASE("fit: what can't be resumed says why") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.directory = dir.file("run");
  run(options, train);
  options.resume = true;
  options.seed = 3;
  CHECK(has(message_of<Error>([&] { run(options, train); }), "the run has seed 0, so it can't be resumed with seed 3"));
  options.seed.reset();
  options.batch = 4;
  CHECK(has(message_of<Error>([&] { run(options, train); }), "the run has batch 8"));
  options.batch.reset();
  CHECK(has(message_of<Error>([&] { run(options, fake_data(19)); }), "20 training examples"));
  const std::string last = contents_of(dir.file("run/last.safetensors"));
  dir.write("run/last.safetensors", last.substr(0, last.size() / 2));
  CHECK(has(message_of<DataError>([&] { run(options, train); }), "last.safetensors"));
  const float w[3] = {};
  const std::vector<TensorToWrite> weights = {{"w", GRADC_F32, {3}, w}};
  write_safetensors(dir.file("run/last.safetensors"), weights, {});
  CHECK(has(message_of<DataError>([&] { run(options, train); }), "no checkpoint of a run"));
}

TEST_CASE("fit: resuming a finished run trains on for more epochs, and not at all for as many") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.epochs = 5;
  const Run whole = run(options, train);
  options.directory = dir.file("run");
  options.epochs = 3;
  run(options, train);
  options.resume = true;
  const Run again = run(options, train);
  CHECK(fake_log.batches.empty());
  CHECK(again.result.last.epoch == 3);
  CHECK(again.result.last.train.size() == 1);
  options.epochs = 5;
  CHECK(same(state_of(run(options, train).state), state_of(whole.state)));
  CHECK(lines_of(dir.file("run/metrics.jsonl")).size() == 6);
}

TEST_CASE("fit: weights to begin with, or of another model") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  const float w[4] = {2, -1, 1, 0};
  const std::vector<TensorToWrite> right = {{"w", GRADC_F32, {3}, w}}, wrong = {{"w", GRADC_F32, {4}, w}};
  write_safetensors(dir.file("right"), right, {});
  write_safetensors(dir.file("wrong"), wrong, {});
  FitOptions options = fake_options();
  options.epochs = 0;
  options.weights = dir.file("right");
  CHECK(state_of(run(options, train).state).w[1] == -1);
  options.directory = dir.file("run");
  options.weights = dir.file("wrong");
  CHECK(has(message_of<WeightsError>([&] { run(options, train); }), "`w` is f32[4] in the file, f32[3] in the model"));
  CHECK_FALSE(std::filesystem::exists(dir.file("run")));
}

TEST_CASE("fit: a disk that fills up ends the run with an error, and the checkpoint before survives") {
  const TemporaryDirectory dir;
  const DataSet train = fake_data(20);
  FitOptions options = fake_options();
  options.directory = dir.file("run");
  options.checkpoint_steps = 1;
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  options.on_step = [&](const StepEvent& event) {
    rlimit small = old;
    small.rlim_cur = 200;
    if (event.step == 4) setrlimit(RLIMIT_FSIZE, &small);
    return true;
  };
  const std::string message = message_of<FileError>([&] { run(options, train); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(has(message, dir.file("run/last.safetensors") + ": cannot write"));
  CHECK(state_of(dir.file("run/last.safetensors")).step == 3);
  CHECK_FALSE(std::filesystem::exists(dir.file("run/last.safetensors.tmp")));
}

TEST_CASE("fit: wrong data and options, before anything is written") {
  const TemporaryDirectory dir;
  FitOptions options = fake_options();
  options.directory = dir.file("run");
  const DataSet train = fake_data(20);
  DataSet bad = fake_data(20);
  bad.columns[0].values<float>()[7] = NAN;
  CHECK(has(message_of<DataError>([&] { run(options, bad); }), "example 2, element 1: `x` is NaN"));
  CHECK(has(message_of<DataError>([&] { run(options, train, &bad); }), "`x` is NaN"));
  bad.columns[0].values<float>()[7] = INFINITY;
  options.check_finite = true;
  CHECK(has(message_of<DataError>([&] { run(options, bad); }), "`x` is infinite"));
  options.validation_fraction = 0.01;
  CHECK(has(message_of<DataError>([&] { run(options, train); }), "splits 20 examples into 20 and 0"));
  options.validation_fraction = 1;
  CHECK(has(message_of<DataError>([&] { run(options, train); }), "less than 1"));
  options.validation_fraction = 0;
  options.batch = 0;
  CHECK(has(message_of<Error>([&] { run(options, train); }), "the batch is 0"));
  options.batch = 8;
  options.scalars = {{"rate", 1}};
  CHECK(has(message_of<Error>([&] { run(options, train); }), "has no scalar `rate`"));
  CHECK_FALSE(std::filesystem::exists(dir.file("run")));
}

TEST_CASE("fit: a program of fixed batch refuses another one") {
  const Executable fixed = fake_program("train", 4);
  const Executable init = fake_program("init", 4);
  const Provide provide = [&](std::string_view name, std::int64_t) -> const Executable& {
    return name == "init" ? init : fixed;
  };
  FitOptions options = fake_options();
  options.test.name.clear();
  Block state;
  const DataSet train = fake_data(20);
  CHECK(has(message_of<DataError>([&] { fit(provide, fake_table(), state, {&train, nullptr, nullptr}, options); }),
            "is f32[4,3]: its first axis is fixed, so it can't take a batch of 8 examples"));
  options.batch = 4;
  CHECK(fit(provide, fake_table(), state, {&train, nullptr, nullptr}, options).step == 15);
}

TEST_CASE("evaluate and predict take every example, the smaller rest too") {
  FakeModel model;
  Block state(sizeof(FakeState));
  auto& s = *reinterpret_cast<FakeState*>(state.data());
  s.w[0] = 2;
  s.w[1] = -1;
  s.w[2] = 1;
  DataSet data = fake_data(21);
  data.columns[1].values<double>()[20] += 21;  // one wrong example of 21, in the smaller batch
  const Metrics metrics =
      evaluate(model.provide(), {"test", "objective", {"accuracy"}}, state.data(), data, 8, nullptr);
  CHECK(*metric(metrics, "loss") == Approx(21).epsilon(1e-5));
  CHECK(*metric(metrics, "accuracy") == Approx(20 / 21.0).epsilon(1e-12));
  CHECK_FALSE(metric(metrics, "value"));
  const std::vector<std::string> names = {"value"};
  const DataSet values = predict(model.provide(), "test", state.data(), data, names, 8, nullptr);
  CHECK(values.examples == 21);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(values.columns[0].values<float>()[i] == Approx(data.columns[1].values<double>()[i]).margin(1e-6));
  }
  CHECK(predict(model.provide(), "test", state.data(), data, {}, 8, nullptr).columns.size() == 2);
  const std::vector<std::string> wrong = {"valu"}, scalar = {"objective"};
  CHECK(has(message_of<Error>([&] { predict(model.provide(), "test", state.data(), data, wrong, 8, nullptr); }),
            "no output `valu`"));
  CHECK(has(message_of<Error>([&] { predict(model.provide(), "test", state.data(), data, scalar, 8, nullptr); }),
            "not a value for each example"));
}

TEST_CASE("a set without examples is refused") {
  FakeModel model;
  Block state(sizeof(FakeState));
  const DataSet none = fake_data(0);
  const ProgramUse use = {"test", "objective", {}};
  CHECK(has(message_of<DataError>([&] { evaluate(model.provide(), use, state.data(), none, 8, nullptr); }),
            "no examples"));
  CHECK(has(message_of<DataError>([&] { predict(model.provide(), "test", state.data(), none, {}, 8, nullptr); }),
            "no examples"));
  CHECK(has(message_of<DataError>([&] { run(fake_options(), none); }), "no examples to train on"));
}

TEST_CASE("fit: what it foresees is what it asks for later") {
  const DataSet train = fake_data(43), test = fake_data(10, 100), small = fake_data(5, 200), even = fake_data(16, 300);
  struct Case {
    const DataSet *test, *validation;
    double fraction;
    std::size_t expected;  // programs and batches besides the first, which is not foreseen
  };
  for (const Case& c : {Case{nullptr, nullptr, 0, 2}, Case{&test, nullptr, 0, 4}, Case{&test, &small, 0, 5},
                        Case{&even, nullptr, 0, 3}, Case{nullptr, nullptr, 0.5, 4}}) {
    FakeModel model;
    Block state;
    std::set<std::pair<std::string, std::int64_t>> foreseen;
    FitOptions options = fake_options();
    options.epochs = 1;
    options.validation_fraction = c.fraction;
    options.foresee = [&](std::string_view program, std::int64_t batch) {
      CHECK(!model.asked_for(std::string(program), batch));
      foreseen.emplace(program, batch);
    };
    fit(model.provide(), fake_table(), state, {&train, c.validation, c.test}, options);
    CHECK(foreseen.size() == c.expected);
    for (const auto& [program, batch] : foreseen) CHECK(model.asked_for(program, batch));
    CHECK(model.asked() == foreseen.size() + 1);
  }
}
