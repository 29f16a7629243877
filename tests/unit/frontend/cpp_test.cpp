// The graph half of the C++ API.
#include "gradc/ops.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "load.h"

using namespace gradc;

namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const UserError& error) {
    return error.what();
  }
  return "none";
}

std::string here(int line) { return " (cpp_test.cpp:" + std::to_string(line) + ")"; }

}  // namespace

TEST_CASE("a C++ model is the graph of the same spec") {
  Model m("mlp");
  Dim n = m.dim("N");
  Expr image = m.input("image", f32, {n, 1, 28, 28}), label = m.input("label", i32, {n});
  Expr h = relu(linear(m, "hidden", flatten(image), 128));
  Expr logits = linear(m, "logits", h, 10);
  m.output("probability", softmax(logits));
  m.minimize("train", mean(softmax_cross_entropy(logits, label)), sgd({.learning_rate = 0.1, .momentum = 0.9}))
      .epochs(5);
  m.evaluate("test", "accuracy", argmax(logits, {.axis = 1}) == label);
  auto built = m.graph();
  CHECK(verify(*built->module).empty());
  CHECK(print(*built->module) == print(*load_example("mlp")->module));
  CHECK(built->program("train")->epochs == 5);
}

TEST_CASE("numbers take the dtype beside them, operators broadcast") {
  Model m;
  Expr x = m.input("x", f64, {3}), k = m.input("k", i32, {2, 3});
  CHECK((2 * x + 1).type() == Type{DType::f64, {3}});
  CHECK((k % 2 == 0).type() == Type{DType::boolean, {2, 3}});
  CHECK((-x < 0 && !(x > 1)).type() == Type{DType::boolean, {3}});
  CHECK(maximum(x, 0).type() == x.type());
  CHECK(cast(k, f32).type() == Type{DType::f32, {2, 3}});
  CHECK(concatenate({x, x}, {.axis = 0}).shape() == Shape{6});
}

TEST_CASE("mistakes are thrown at the line that made them") {
  Model m;
  Expr x = m.input("x", f32, {m.dim("N"), 784}), w = m.input("w", f32, {10, 784});
  CHECK(error_of([&] { matmul(x, w); }).find(here(__LINE__)) != std::string::npos);
  CHECK(error_of([&] { x + m.input("y", f32, {3}); }) == "add: shapes differ: f32[N,784] and f32[3]" + here(__LINE__));
  CHECK(error_of([&] { m.input("x", f32, {}); }) == "`x` is declared twice" + here(__LINE__));
  linear(m, "l", x, 3);
  CHECK(error_of([&] { linear(m, "l", x, 3); }) == "`l.weight` is declared twice" + here(__LINE__));
  CHECK(error_of([&] { linear(m, "", x, 3); }) == "linear owns parameters and needs a `name`" + here(__LINE__));
  CHECK(error_of([&] { linear(m, "z", x, 0); }) ==
        "linear: `units` must be a positive integer, got 0" + here(__LINE__ - 1));
  CHECK(error_of([&] { linear(m, "q", x, 3, {.init = "normall(0, 1)"}); }) ==
        "parameter `q.weight`: unknown initialiser `normall`; did you mean `normal`?" + here(__LINE__ - 1));
  CHECK(error_of([&] { dropout(x, {.rate = 1}); }) ==
        "dropout: `rate` must be at least 0 and less than 1, got 1" + here(__LINE__ - 1));
  CHECK(error_of([&] { m.minimize("t", x, sgd()); }) ==
        "an objective must be a scalar float, got f32[N,784]; take its mean or sum" + here(__LINE__ - 1));
  CHECK(error_of([&] { m.minimize("t", mean(x), sgd({.learning_rate = -1})); }) ==
        "sgd: `learning_rate` must be 0 or more, got -1" + here(__LINE__ - 1));
  Model other("other");
  Expr foreign = other.input("f", f32, {784});
  CHECK(error_of([&] { x + foreign; }) == "add: its operands are of two models, `model` and `other`" + here(__LINE__));
  CHECK(error_of([&] { exp(Expr(1.0)); }) ==
        "exp: one of its operands must be a value of a model, all are numbers" + here(__LINE__ - 1));
}

TEST_CASE("a layer as an object shares its parameters") {
  Model m;
  Expr a = m.input("a", f32, {m.dim("N"), 8}), b = m.input("b", f32, {m.dim("N"), 8});
  Linear hidden(m, "hidden", 8, 4);
  m.output("sum", hidden(a) + hidden(b));
  Conv2d conv(m, "conv", 3, 5, {.padding = "same"});
  m.output("image", conv(m.input("i", f32, {1, 2, 9, 9})));
  auto built = m.graph();
  CHECK(built->state.entries.size() == 2 + 2 + 2);
  CHECK(error_of([&] { hidden(m.input("c", f32, {2, 9})); }) ==
        "linear: takes values whose last dimension is 8, got f32[2,9]" + here(__LINE__ - 1));
}

TEST_CASE("gradients are expressions, parameters are free") {
  Model m;
  Expr w = m.parameter("w", f64, {3}, {1.0, 2.0, 3.0});
  Expr v = m.parameter("v", f64, {3, 2}, "normal(0, 1)");
  Expr g = grad(sum(square(w)), w);
  CHECK(g.type() == w.type());
  m.output("g", g);
  m.regularize("w", 0, 0.5);
  m.freeze("v");
  m.minimize("train", sum(w * sum(v, {.axis = {1}})), adam());
  auto built = m.graph();
  CHECK(verify(*built->module).empty());
  CHECK(built->state.find("w.m"));
  CHECK_FALSE(built->state.find("v.m"));
  m.freeze("nothing*");
  CHECK(error_of([&] { m.graph(); }).starts_with("`nothing*` matches no parameter"));
}
