// Functions with a gradient of their own.
#include <cmath>

#include "golden.h"
#include "gradc/ops.h"
#include "ir/text.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;

namespace {

Tensor numbers(const std::string& type, const std::vector<double>& values) {
  return Tensor::of(*parse_type(type), values);
}

}  // namespace

// The straight-through estimator: rounds, with the gradient of a cube, so that every order can be told from the
// derived one, which is zero.
TEST_CASE("a function's own gradient is used, and differentiated again") {
  const std::string spec = R"j({"inputs": {"x": "f64[3]", "s": "f64[]"}, "functions": {
      "ste": {"operands": ["x", "s"], "arguments": {"k": 3}, "value": "round(x) * s",
              "gradient": {"x": "cotangent * k * x ** 2 * s", "s": "sum(cotangent * result) * 7"}}},
    "graph": [{"name": "y", "value": "ste(x, s)"}, {"op": "ste", "name": "z", "x": "x", "s": "s", "k": 5},
              {"name": "f", "value": "sum(y)"}],
    "outputs": {"y": "y", "gx": "grad(f, x)", "gs": "grad(f, s)", "hx": "grad(sum(grad(f, x)), x)", "gz": "grad(sum(z), x)",
                "jac": "jacobian(y, x)", "in_loop": "loop.g"}})j";
  const std::string loop =
      R"j({"name": "loop", "scan": {"length": 2, "emit": {"g": "grad(sum(ste(x, s)), x)"}}}, {"name": "y")j";
  std::string whole = spec;
  whole.replace(whole.find(R"j({"name": "y")j"), std::string(R"j({"name": "y")j").size(), loop);
  auto model = load(whole);
  CHECK(print(*load(model->resolved)->module) == print(*model->module));
  auto out = outputs_of(*differentiated(*model)->function("predict"),
                        {{"x", numbers("f64[3]", {1.25, -0.75, 2})}, {"s", numbers("f64[]", {2})}});
  check_close(out.at("y"), numbers("f64[3]", {2, -2, 4}), 0);
  check_close(out.at("gx"), numbers("f64[3]", {9.375, 3.375, 24}), 0);
  check_close(out.at("gs"), numbers("f64[]", {28}), 0);
  check_close(out.at("hx"), numbers("f64[3]", {15, -9, 24}), 0);
  check_close(out.at("gz"), numbers("f64[3]", {15.625, 5.625, 40}), 0);
  check_close(out.at("in_loop"), numbers("f64[2,3]", {9.375, 3.375, 24, 9.375, 3.375, 24}), 0);
}

TEST_CASE("custom_vjp in C++") {
  Model m;
  Expr x = m.input("x", f64, {2});
  auto square = [](const std::vector<Expr>& a) { return a[0] * a[0]; };
  auto clipped = [](const std::vector<Expr>& a, Expr result, Expr cotangent) {
    return std::vector<Expr>{clip(cotangent * a[0] * 2, {.low = -1, .high = 1}) + 0 * result};
  };
  Expr y = custom_vjp({x}, square, clipped);
  m.output("y", y);
  m.output("g", grad(sum(y), x));
  auto out = outputs_of(*differentiated(*m.graph())->function("predict"), {{"x", numbers("f64[2]", {3, 0.25})}});
  check_close(out.at("y"), numbers("f64[2]", {9, 0.0625}), 0);
  check_close(out.at("g"), numbers("f64[2]", {1, 0.5}), 0);
}

TEST_CASE("mistakes in functions with a gradient") {
  auto error = [](const std::string& function, const std::string& use = "f(x)") {
    return errors_of(
        "{\"inputs\": {\"x\": \"f32[3]\", \"w\": \"f32[3]\", \"i\": \"i32[3]\"}, \"functions\": {\"f\": \n" + function +
        "},\n\"graph\": [{\"name\": \"y\", \"value\": \"" + use + "\"}]}");
  };
  CHECK(error(R"j({"operands": ["x", "k"], "value": "x * k", "gradient": {"x": "cotangent * k"}})j", "f(x, w)") ==
        "2:56: function `f`: `gradient` lacks `k`; \"0\" says that there is none by it\n");
  CHECK(error(R"j({"value": "x * 2", "gradient": {"y": "cotangent"}})j") ==
        "2:33: function `f`: `gradient`: unknown key `y`; known: x\n");
  CHECK(
      error(R"j({"value": "x * w", "gradient": {"x": "cotangent"}})j") ==
      "2:14: `f` has a gradient of its own, so it can read its operands only; `w` is from outside: make it an operand\n"
      "  3:35: in this use of `f`\n");
  CHECK(
      error(R"j({"value": "x * 2", "gradient": {"x": "sum(cotangent)"}})j") ==
      "2:38: `f`: the gradient of `x` is f32[], `x` is f32[3]; they must have one type\n  3:35: in this use of `f`\n");
  CHECK(error(R"j({"value": "x > 2", "gradient": {"x": "cotangent"}})j") ==
        "3:35: `f` has a gradient and yields bool[3]; only floats have one\n  3:35: in this use of `f`\n");
  CHECK(error(R"j({"value": "x * 2", "gradient": {"x": "cotangnt"}})j") ==
        "2:39: unknown name `cotangnt`; did you mean `cotangent`?\n");
}
