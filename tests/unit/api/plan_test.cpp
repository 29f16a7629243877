// Several programs that train one model, in C++: the plan, by `fit` over the model.
#include <gradc/gradc.h>

#include <algorithm>

#include "compiler/frontend/model.h"
#include "compiler/frontend/spec_reader.h"
#include "gradc/dataset.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

double at(const State& state, const char* name) { return state.get(name).get(0); }

}  // namespace

TEST_CASE("fit over a model follows its plan") {
  Model m("two");
  Dim n = m.dim("N");
  Expr x = m.input("x", f64, {n});
  Expr a = m.parameter("a", f64, {1}, "zeros"), b = m.parameter("b", f64, {1}, "zeros");
  // Each step moves its parameter by 0.1 · mean(x) = 0.1, whatever the batch.
  m.maximize("up", mean(x) * sum(a), sgd({.learning_rate = 0.1})).only({"a"}).batch(4).epochs(2);
  m.maximize(
       "down", mean(x) * sum(b),
       sgd({.learning_rate = Schedule{.kind = "step", .numbers = {{"start", 0.1}, {"factor", 0.5}}, .epochs = {1}}}))
      .only({"b"});
  const std::vector<double> ones(8, 1.0);
  const runtime::DataSet data = examples({{"x", ones}});
  runtime::FitOptions options;
  options.quiet = true;

  State without = m.init();
  CHECK_THROWS_WITH(fit(m, without, {&data}, options),
                    Catch::Contains("several programs that train, `up`, `down`; say their order in `plan`"));

  m.plan({{.program = "up"}, {.alternate = {{"up", 1}, {"down", 3}}, .epochs = 2, .batch = 1, .name = "both"}});
  State state = m.init();
  const runtime::FitResult done = fit(m, state, {&data}, options);
  CHECK(done.last.stage == "both");
  CHECK(done.last.epoch == 4);
  // `up`: 2 epochs of 2 steps, then 2 of 2; `down`: 6 steps at 0.1, then 6 at 0.05.
  CHECK(std::abs(at(state, "a") - 0.8) < 1e-12);
  CHECK(std::abs(at(state, "b") - 0.9) < 1e-12);
  CHECK(at(state, "up.step") == 8);
  CHECK(at(state, "down.step") == 12);
  CHECK(at(state, "step") == 20);
}

TEST_CASE("mistakes in programs are told at their line") {
  Model m("wrong");
  Expr x = m.input("x", f64, {m.dim("N")}), a = m.parameter("a", f64, {1}, "zeros");
  CHECK_THROWS_WITH(m.minimize("t", sum(a), sgd({.learning_rate = Schedule{.kind = "cosin"}})),
                    Catch::Contains("unknown schedule `cosin`; did you mean `cosine`?"));
  CHECK_THROWS_WITH(
      m.minimize("t", sum(a), sgd({.learning_rate = Schedule{.kind = "cosine", .numbers = {{"start", 1}}}})),
      Catch::Contains("cosine needs `epochs` or `steps`"));
  Program t = m.minimize("t", mean(x) * sum(a), sgd());
  CHECK_THROWS_WITH(t.report("r", x, "maen"), Catch::Contains("unknown reduction `maen`; did you mean `mean`?"));
  CHECK_THROWS_WITH(t.report_confusion("c", x, x), Catch::Contains("confusion: its value must be classes"));
  m.plan({{.program = "tt"}});
  CHECK_THROWS_WITH(m.graph(), Catch::Contains("plan: no program is named `tt`"));
}

// Specs are checked without the runtime, so the frontend has the names of its generators.
TEST_CASE("the generators of specs are those of the runtime") {
  std::vector<std::string> made = runtime::generator_names(), known = data_generators();
  std::sort(made.begin(), made.end());
  std::sort(known.begin(), known.end());
  CHECK(made == known);
}
