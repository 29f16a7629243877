// Layers that draw: their moments in training against closed forms, over enough draws that 5 standard errors are small;
// the identity in evaluation. And layers of several inputs from C++.
#include <gradc/gradc.h>

#include <cmath>
#include <functional>

#include "tests/support/catch.h"

using namespace gradc;

namespace {

constexpr std::int64_t kExamples = 20000;

// The mean of statistic(x) in a training step with x all ones, [kExamples, example…].
double in_training(const Shape& example, const std::function<Expr(const Expr&)>& statistic) {
  Model m("drawn");
  Shape shape = {m.dim("N")};
  shape.insert(shape.end(), example.begin(), example.end());
  Expr x = m.input("x", f32, shape);
  Expr w = m.parameter("w", f32, {}, {1.0});
  Program train = m.minimize("train", w * (mean(statistic(x)) + 0.0 * mean(x)), sgd({.learning_rate = 0.1}));
  State state = m.init(1);
  std::int64_t count = kExamples;
  for (const Dim& dim : example) count *= dim.factor;
  const std::vector<float> ones(static_cast<std::size_t>(count), 1);
  return compile(m, train)(state, {{"x", ones}}).loss();
}

Expr is_zero(const Expr& x) { return cast(x == 0.0, f32); }

void check_near(double actual, double expected, double deviation) {
  CHECK(std::abs(actual - expected) < 5 * deviation / std::sqrt(static_cast<double>(kExamples)));
}

}  // namespace

TEST_CASE("dropout and stochastic depth drop with their rate and keep the mean") {
  check_near(in_training({}, [](const Expr& x) { return is_zero(dropout(x, {.rate = 0.3})); }), 0.3, 0.46);
  check_near(in_training({}, [](const Expr& x) { return dropout(x, {.rate = 0.3}); }), 1, std::sqrt(0.3 / 0.7));
  auto squared = [](const Expr& x) { return square(mean(stochastic_depth(x, {.rate = 0.2}), {.axis = {1}})); };
  check_near(in_training({3}, squared), 1 / 0.8, std::sqrt(0.2 * 0.8) / 0.64);  // whole examples: 1/0.8² in 0.8 of all
}

TEST_CASE("cutout sets a square with any centre to zero") {
  // Of 8 rows a side of 4 covers 2, 3, 4, 4, 4, 4, 4, 3, by its centre: 3.5 on average; the same of the columns.
  auto share = [](const Expr& x) { return mean(is_zero(cutout(x, 4)), {.axis = {1, 2, 3}}); };
  check_near(in_training({1, 8, 8}, share), (3.5 / 8) * (3.5 / 8), 0.05);
}

TEST_CASE("mixup shares have a symmetric beta distribution") {
  for (double alpha : {0.2, 1.0, 4.0}) {
    INFO(alpha);
    const double variance = 1 / (4 * (2 * alpha + 1));
    auto centred = [&](const Expr& x) { return mixup_share(x, {.alpha = alpha}) - 0.5; };
    check_near(in_training({}, centred), 0, std::sqrt(variance));
    check_near(in_training({}, [&](const Expr& x) { return square(centred(x)); }), variance, 0.25);
    // Fourth central moment of Beta(a, a): 3 / (16 (2a + 1) (2a + 3)).
    check_near(in_training({}, [&](const Expr& x) { return square(square(centred(x))); }),
               3 / (16 * (2 * alpha + 1) * (2 * alpha + 3)), 0.0625);
  }
}

TEST_CASE("layers that draw are the identity in evaluation") {
  Model m("evaluated");
  Expr x = m.input("x", f32, {m.dim("N"), 1, 2, 2});
  Expr share = mixup_share(x);
  m.output("y", mixup(cutout(stochastic_depth(dropout(x)), 1), share));
  State state = m.init();
  const std::vector<float> values = {1, 2, 3, 4, 5, 6, 7, 8};
  const Result r = compile(m, "predict")(state, {{"x", values}});
  for (std::int64_t i = 0; i < 8; ++i) CHECK(r["y"].get(i) == static_cast<double>(i + 1));
}

TEST_CASE("a layer of two inputs is shared between its calls") {
  Model m("bilinear");
  Dim n = m.dim("N");
  Expr a = m.input("a", f64, {n, 2}), b = m.input("b", f64, {n, 3});
  Bilinear pair(m, "pair", 1, {.bias = false, .init = "ones"});
  m.output("y", pair({a, b}) + pair({a, b}));
  m.output("image", conv_transpose2d(m, "up", reshape(a, {n, 2, 1, 1}), 1, 2, {.bias = false, .init = "ones"}));
  State state = m.init();
  const std::vector<double> as = {1, 2}, bs = {3, 4, 5};
  const Result r = compile(m, "predict")(state, {{"a", as}, {"b", bs}});
  CHECK(r["y"].get(0) == Approx(2 * (1 + 2) * (3 + 4 + 5)));
  REQUIRE(r["image"].elements() == 4);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(r["image"].get(i) == Approx(3));
}
