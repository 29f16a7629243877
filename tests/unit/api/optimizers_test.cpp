// Optimizers, clipping, schedules and accumulation as compiled, against PyTorch's (tests/golden/optimizers.py).
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "compiler/api/model_compiler.h"
#include "compiler/frontend/spec.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::vector<double> numbers_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> numbers;
  for (std::string word; in >> word;) numbers.push_back(std::stod(word));
  return numbers;
}

struct Golden {
  std::string kind, name, json;
  std::vector<double> values;
};

struct GoldenFile {
  std::vector<double> start;
  std::vector<std::vector<double>> gradients;
  std::vector<Golden> cases;
};

const GoldenFile& golden() {
  static const GoldenFile file = [] {
    GoldenFile result;
    std::ifstream in(GRADC_SOURCE_DIR "/tests/golden/optimizers.txt");
    for (std::string line; std::getline(in, line);) {
      const std::size_t space = line.find(' '), first = line.find(" | "), second = line.rfind(" | ");
      const std::string kind = line.substr(0, space);
      if (kind == "start") result.start = numbers_of(line.substr(space));
      if (kind == "gradient") result.gradients.push_back(numbers_of(line.substr(space)));
      if (first == std::string::npos) continue;
      result.cases.push_back({kind, line.substr(space + 1, first - space - 1),
                              line.substr(first + 3, second - first - 3), numbers_of(line.substr(second + 3))});
    }
    return result;
  }();
  REQUIRE(file.cases.size() > 20);
  return file;
}

// A model whose gradient is its input: the loss is Σ w g.
std::unique_ptr<ModelGraph> model_of(const std::string& start, const std::string& optimizer, const std::string& more) {
  const std::string text = R"J({ "inputs": { "g": "f64[N,3]" },
    "parameters": { "w": { "type": "f64[3]", "init": )J" +
                           start + R"J( } },
    "programs": { "train": { "minimize": "sum(mean(w * g, axis=0))", "optimizer": )J" +
                           optimizer + more + " } } }";
  Diagnostics diagnostics;
  auto model = load_spec(text, "t.json", {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model);
  return model;
}

// One program over a state, a step at a time.
class Trained {
 public:
  Trained(const ModelGraph& model, std::int64_t batch, int optimize = 2)
      : compiler_(model, options(optimize)),
        step_(compiler_.executable("train", batch)),
        runner_(step_, nullptr),
        state_(compiler_.state().bytes) {
    runtime::Runner(compiler_.executable("init", 1), nullptr).run({}, {}, state_.data());
  }

  void set(const char* scalar, double value) {
    REQUIRE(step_.scalar(scalar) >= 0);
    runner_.set_scalar(step_.scalar(scalar), value);
  }
  std::vector<double> step(const std::vector<double>& gradient) {
    double loss = 0;
    const void* inputs[] = {gradient.data()};
    void* outputs[] = {&loss};
    runner_.run(inputs, outputs, state_.data());
    return entry("w");
  }
  std::vector<double> entry(const char* name) const {
    const runtime::StateArray* found = compiler_.state().find(name);
    REQUIRE(found);
    std::vector<double> values(static_cast<std::size_t>(found->elements()));
    std::memcpy(values.data(), state_.data() + found->offset, values.size() * sizeof(double));
    return values;
  }

 private:
  static Options options(int optimize) {
    Options options;
    options.optimize = optimize;
    options.target = host_target();
    return options;
  }
  ModelCompiler compiler_;
  const runtime::Executable& step_;
  runtime::Runner runner_;
  runtime::Block state_;
};

// A few roundings in f64.
constexpr double kClose = 1e-13;

void check_close(const std::vector<double>& found, const double* wanted, double tolerance = kClose) {
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - wanted[i]) <= tolerance);
}

}  // namespace

TEST_CASE("optimizers and clipping give PyTorch's weights") {
  for (const Golden& row : golden().cases) {
    if (row.kind != "optimizer" && row.kind != "clip") continue;
    INFO(row.kind << " " << row.name);
    const auto model = model_of("[0.5, -1.25, 2]", row.json, "");
    Trained trained(*model, 1);
    REQUIRE(row.values.size() == 3 * golden().gradients.size());
    for (std::size_t i = 0; i < golden().gradients.size(); ++i)
      check_close(trained.step(golden().gradients[i]), &row.values[3 * i]);
  }
}

TEST_CASE("schedules give PyTorch's rates") {
  for (const Golden& row : golden().cases) {
    if (row.kind != "schedule") continue;
    INFO(row.name);
    const auto model = model_of("[0, 0, 0]", R"({ "kind": "sgd", "learning_rate": )" + row.json + " }", "");
    Trained trained(*model, 1);
    if (row.json.find("epochs") != std::string::npos) trained.set("steps_per_epoch", 4);
    REQUIRE(row.values.size() == 24);
    double before = 0;
    for (double wanted : row.values) {
      const double now = trained.step({1, 0, 0})[0];
      CHECK(std::abs(before - now - wanted) <= kClose);
      before = now;
    }
  }
}

TEST_CASE("other numbers than the learning rate follow schedules too") {
  // v1 = 1, w = -0.1; v2 = 0.5 * 1 + 0 = 0.5; v3 = 0.25 * 0.5, as the momentum halves with every step from 1/2 on.
  const auto model = model_of("[0, 0, 0]",
                              R"({ "kind": "sgd", "learning_rate": 0.1,
    "momentum": { "schedule": "step", "start": 0.5, "factor": 0.5, "steps": [2] } })",
                              "");
  Trained trained(*model, 1);
  CHECK(std::abs(trained.step({1, 0, 0})[0] + 0.1) <= kClose);
  CHECK(std::abs(trained.step({0, 0, 0})[0] + 0.15) <= kClose);
  CHECK(std::abs(trained.step({0, 0, 0})[0] + 0.1625) <= kClose);
}

TEST_CASE("the plateau factor scales the learning rate, down to its minimum") {
  const auto model = model_of("[0, 0, 0]",
                              R"({ "kind": "sgd", "learning_rate": { "schedule": "plateau", "start": 0.1,
    "minimum": 0.02, "factor": 0.5, "patience": 3 } })",
                              "");
  REQUIRE(model->program("train")->plateau);
  CHECK(model->program("train")->plateau->factor == 0.5);
  CHECK(model->program("train")->plateau->patience == 3);
  Trained trained(*model, 1);
  CHECK(std::abs(trained.step({1, 0, 0})[0] + 0.1) <= kClose);
  trained.set("plateau_factor", 0.5);
  CHECK(std::abs(trained.step({1, 0, 0})[0] + 0.15) <= kClose);
  trained.set("plateau_factor", 0.125);
  CHECK(std::abs(trained.step({1, 0, 0})[0] + 0.17) <= kClose);
}

TEST_CASE("k accumulated batches update as one batch of all their examples") {
  for (const char* optimizer :
       {R"({ "kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "clip_norm": 0.5, "weight_decay": 0.01 })",
        R"({ "kind": "adam", "learning_rate": 0.1 })"}) {
    INFO(optimizer);
    const auto small = model_of("[0.5, -1.25, 2]", optimizer, R"(, "accumulate": 3)");
    const auto large = model_of("[0.5, -1.25, 2]", optimizer, "");
    Trained parts(*small, 2), whole(*large, 6);
    for (int round = 0; round < 3; ++round) {
      std::vector<double> all;
      for (int i = 0; i < 18; ++i) all.push_back(((i * 7 + round * 5) % 11 - 4) * 0.25);
      const std::vector<double> before = parts.entry("w");
      for (int part = 0; part < 3; ++part) {
        if (part > 0) CHECK(parts.entry("w") == before);
        parts.step({all.begin() + 6 * part, all.begin() + 6 * part + 6});
      }
      const std::vector<double> wanted = whole.step(all);
      check_close(parts.entry("w"), wanted.data());
      CHECK(parts.entry("w") != before);
      CHECK(parts.entry("w.accumulator") == std::vector<double>{0, 0, 0});
    }
  }
}
