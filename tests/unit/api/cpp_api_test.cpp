// The C++ API: what is compiled, called and trained gives closed-form results; mistakes name the user's line.
#include <gradc/gradc.h>

#include <cmath>
#include <random>

#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a linear regression step is the one of the textbook") {
  Model m("regression");
  Dim n = m.dim("N");
  Expr x = m.input("x", f64, {n, 2}), y = m.input("y", f64, {n});
  Expr w = m.parameter("w", f64, {2}, {0.5, -1.0});
  Expr error = sum(x * w, {.axis = {1}}) - y;
  Program train = m.minimize("train", sum(error * error), sgd({.learning_rate = 0.1}));
  State state = m.init();
  Executable step = compile(m, train);
  const std::vector<double> xs = {1, 2, 3, -1}, ys = {1, 2};
  Result r = step(state, {{"x", xs}, {"y", ys}});
  // errors: 0.5 - 2 - 1 = -2.5 and 1.5 + 1 - 2 = 0.5; gradient 2 Σ e x = (-2, -11)
  CHECK(r.loss() == Approx(6.5));
  CHECK(state.get("w").get(0) == Approx(0.5 + 0.2).epsilon(1e-14));
  CHECK(state.get("w").get(1) == Approx(-1.0 + 1.1).epsilon(1e-14));
  step(state, {{"x", std::vector<double>{1, 1}}, {"y", std::vector<double>{0.8}}}, {{"learning_rate", 0.0}});
  CHECK(state.get("w").get(0) == Approx(0.7).epsilon(1e-14));
}

TEST_CASE("a small network learns xor, and threads and states do not mix") {
  Model m("xor");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 2}), y = m.input("y", i32, {n});
  Expr h = tanh(linear(m, "hidden", x, 8));
  Expr logits = linear(m, "logits", h, 2);
  m.output("probability", softmax(logits));
  Program train = m.minimize("train", mean(softmax_cross_entropy(logits, y)), adam({.learning_rate = 0.05}));
  const std::vector<float> xs = {0, 0, 0, 1, 1, 0, 1, 1};
  const std::vector<std::int32_t> ys = {0, 1, 1, 0};
  Executable step = compile(m, train), serial = compile(m, train, {.threads = 2});
  State a = m.init(3), b = m.init(3), c = m.init(4);
  for (int i = 0; i < 200; ++i) {
    step(a, {{"x", xs}, {"y", ys}});
    serial(b, {{"x", xs}, {"y", ys}});
  }
  CHECK(a.get("hidden.weight") == b.get("hidden.weight"));
  CHECK_FALSE(a.get("hidden.weight") == c.get("hidden.weight"));
  const Result r = compile(m, "predict")(a, {{"x", xs}});
  for (int i = 0; i < 4; ++i) CHECK(r["probability"].get(2 * i + ys[static_cast<std::size_t>(i)]) > 0.9);
}

TEST_CASE("fit trains on examples in memory and shows metrics to a callback") {
  Model m("line");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n}), y = m.input("y", f32, {n});
  Expr w = m.parameter("w", f32, {}, {0.0});
  Program train = m.minimize("train", mean(square(x * w - y)), sgd({.learning_rate = 0.1}));
  std::vector<float> xs(100), ys(100);
  for (std::size_t i = 0; i < xs.size(); ++i) {
    xs[i] = static_cast<float>(i % 10) / 10;
    ys[i] = 3 * xs[i];
  }
  const runtime::DataSet data = examples({{"x", xs}, {"y", ys}});
  State state = m.init();
  runtime::FitOptions options;
  options.epochs = 50;
  options.batch = 10;
  options.quiet = true;
  int epochs = 0;
  options.on_epoch = [&](const runtime::EpochEvent& event) {
    return ++epochs, *runtime::metric(event.train, "loss") > 1e-9;
  };
  fit(compile(m, train), state, {.train = &data}, options);
  CHECK(epochs < 50);
  CHECK(state.get("w").get(0) == Approx(3).epsilon(1e-3));
}

TEST_CASE("mistakes name the line that made them") {
  Model m("wrong");
  Expr x = m.input("x", f32, {m.dim("N"), 784});
  Expr w = m.parameter("w", f32, {10, 784}, "zeros");
  const int line = __LINE__ + 1;
  const std::string message = message_of([&] { matmul(x, w); });
  CHECK(message.find("f32[N,784] and f32[10,784]") != std::string::npos);
  CHECK(message.find("cpp_api_test.cpp:" + std::to_string(line)) != std::string::npos);
  CHECK(message_of([&] { m.input("x", f32, {1}); }).find("x") != std::string::npos);
}

TEST_CASE("wrong calls leave the state alone") {
  Model m("calls");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 3}), y = m.input("y", i32, {n});
  Program train = m.minimize("train", mean(softmax_cross_entropy(linear(m, "l", x, 4), y)), sgd({.learning_rate = 1}));
  Executable step = compile(m, train);
  State state = m.init();
  const Tensor before = state.get("l.weight");
  const std::vector<float> xs(6, 1);
  const std::vector<std::int32_t> good = {0, 3}, bad = {0, 4}, one = {0};
  CHECK(message_of([&] { step(state, {{"x", xs}}); }).find("the input `y` (i32[N]) is missing") != std::string::npos);
  CHECK(message_of([&] { step(state, {{"x", xs}, {"z", good}}); }).find("no input is named `z`") != std::string::npos);
  CHECK(message_of([&] { step(state, {{"x", xs}, {"y", bad}}); }).find("element 1 is 4, outside of [0, 4)") !=
        std::string::npos);
  CHECK(message_of([&] { step(state, {{"x", xs}, {"y", one}}); }).find("got 1 elements") != std::string::npos);
  CHECK(message_of([&] { step(state, {{"x", good}, {"y", good}}); }).find("got elements of i32") != std::string::npos);
  CHECK(message_of([&] { step(state, {{"x", xs}, {"y", good}}, {{"rate", 1.0}}); }).find("no scalar is named `rate`") !=
        std::string::npos);
  CHECK(state.get("l.weight") == before);
  State other = Model("empty").init();
  CHECK(message_of([&] { step(other, {{"x", xs}, {"y", good}}); }).find("another model") != std::string::npos);
}
