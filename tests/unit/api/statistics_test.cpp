// Statistics of inputs, which `fit` sets from the training examples as `gradc train` does.
#include <gradc/gradc.h>

#include <cmath>
#include <filesystem>

#include "compiler/api/model_compiler.h"
#include "compiler/frontend/input_pipeline.h"
#include "compiler/frontend/spec.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

// Two programs; each reads an input of its own, standardised.
std::shared_ptr<ModelCompiler> two_programs() {
  const std::string text = R"j({"gradc": 1,
    "inputs": {"x": {"type": "f64[N,2]", "prepare": [{"standardize": "element"}]},
               "z": {"type": "f64[N]", "prepare": [{"center": "all"}]}},
    "parameters": {"w": {"type": "f64[]", "init": 0}, "v": {"type": "f64[]", "init": 0}},
    "programs": {"first": {"minimize": "mean(square(x - w))", "parameters": "w", "epochs": 1},
                 "second": {"minimize": "mean(square(z - v))", "parameters": "v", "epochs": 1}},
    "plan": [{"program": "first"}, {"program": "second"}]})j";
  Diagnostics diagnostics;
  std::shared_ptr<const ModelGraph> model = load_spec(text, "t.json", {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model);
  Options options;
  options.target = host_target();
  return std::make_shared<ModelCompiler>(model, std::move(options));
}

std::vector<double> entry(const State& state, const char* name) {
  const Tensor tensor = state.get(name);
  std::vector<double> values;
  for (std::int64_t i = 0; i < tensor.type().elements(); ++i) values.push_back(tensor.get(i));
  return values;
}

runtime::FitOptions quiet() {
  runtime::FitOptions options;
  options.quiet = true;
  return options;
}

// Columns 1, 3, 5, 7 (mean 4, deviation √5) and 2, 2, 2, 2.
const std::vector<double> kX = {1, 2, 3, 2, 5, 2, 7, 2}, kZ = {1, 2, 3, 6};

}  // namespace

TEST_CASE("fit sets the statistics of the inputs that its program reads, once") {
  const std::shared_ptr<ModelCompiler> compiler = two_programs();
  State state(compiler, 0);
  const runtime::DataSet data = examples({{"x", {kX, {4, 2}}}, {"z", kZ}});
  fit(Executable(compiler, "first", 1), state, {&data}, quiet());
  CHECK(entry(state, "x.mean") == std::vector<double>{4, 2});
  CHECK(entry(state, "x.deviation") == std::vector<double>{std::sqrt(5.0), 1});
  CHECK(entry(state, "z.mean") == std::vector<double>{0});

  // The weights go with the statistics that they were trained on.
  const std::vector<double> more = {10, 10, 20, 20};
  const runtime::DataSet other = examples({{"x", {more, {2, 2}}}, {"z", {3.0, 5.0}}});
  fit(Executable(compiler, "first", 1), state, {&other}, quiet());
  CHECK(entry(state, "x.mean") == std::vector<double>{4, 2});
  fit(Executable(compiler, "second", 1), state, {&other}, quiet());
  CHECK(entry(state, "z.mean") == std::vector<double>{4});
}

TEST_CASE("fit keeps statistics that were given or loaded") {
  const std::shared_ptr<ModelCompiler> compiler = two_programs();
  const runtime::DataSet data = examples({{"x", {kX, {4, 2}}}, {"z", kZ}});
  State given(compiler, 0);
  Tensor mean = given.get("x.mean");
  mean.set(0, -1);
  given.set("x.mean", mean);
  fit(Executable(compiler, "first", 1), given, {&data}, quiet());
  CHECK(entry(given, "x.mean") == std::vector<double>{-1, 0});

  const std::string file = (std::filesystem::temp_directory_path() / "gradc_statistics_test.safetensors").string();
  given.save(file);
  State loaded(compiler, 0);
  loaded.load(file);
  std::filesystem::remove(file);
  fit(Executable(compiler, "first", 1), loaded, {&data}, quiet());
  CHECK(entry(loaded, "x.mean") == std::vector<double>{-1, 0});
}

TEST_CASE("fit over a model's plan sets the statistics of all its programs") {
  Model m("planned");
  Dim n = m.dim("N");
  Expr x = m.input("x", f64, {n}), z = m.input("z", f64, {n});
  Expr w = m.parameter("w", f64, {}, "zeros");
  InputStep step;
  step.spec = find_input_step("standardize");
  step.word = "all";
  ModelBuilder& builder = m.builder();
  const auto standardized = [&](const Expr& input) {
    return Expr(builder, apply_step(builder, input.value(), step, input.value()));
  };
  m.minimize("a", mean(square(standardized(x) - w)), sgd({.learning_rate = 0.1})).epochs(1);
  m.minimize("b", mean(square(standardized(z) - w)), sgd({.learning_rate = 0.1})).epochs(1);
  m.plan({{.program = "a"}, {.program = "b"}});
  State state = m.init();
  const runtime::DataSet data = examples({{"x", kZ}, {"z", {5.0, 7.0, 9.0, 11.0}}});
  fit(m, state, {&data}, quiet());
  CHECK(entry(state, "x.mean") == std::vector<double>{3});
  CHECK(entry(state, "x.deviation") == std::vector<double>{std::sqrt(3.5)});
  CHECK(entry(state, "z.mean") == std::vector<double>{8});
  CHECK(entry(state, "z.deviation") == std::vector<double>{std::sqrt(5.0)});
}
