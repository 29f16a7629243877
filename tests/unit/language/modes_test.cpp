// The modes of differentiation, against PyTorch's.
#include "golden.h"
#include "gradc/ops.h"
#include "ir/text.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;

TEST_CASE("derivatives of every mode and nesting are PyTorch's") {
  // Both systems compute in f64; only the order of sums differs.
  check_golden_models("modes.json", 1e-12);
}

TEST_CASE("modes in C++ are those of expressions") {
  Model m("model");
  Expr x = m.input("x", f64, {3}), v = m.input("v", f64, {3});
  Expr y = sin(x) * x;
  Expr f = sum(y);
  m.output("a", grad(f, x));
  m.output("b", grad(f, std::vector<Expr>{x, v})[0]);
  m.output("c", vjp(y, x, v));
  m.output("d", jvp(y, {x}, {v}));
  m.output("e", hvp(f, x, v));
  m.output("f", jacobian(y, x));
  m.output("g", hessian(f, x));
  auto spec = load(R"j({"name": "model", "inputs": {"x": "f64[3]", "v": "f64[3]"}, "outputs": {
    "a": "grad(sum(sin(x) * x), x)", "b": "grad(sum(sin(x) * x), [x, v])[0]", "c": "vjp(sin(x) * x, x, v)",
    "d": "jvp(sin(x) * x, x, v)", "e": "hvp(sum(sin(x) * x), x, v)", "f": "jacobian(sin(x) * x, x)",
    "g": "hessian(sum(sin(x) * x), x)"}})j");
  const std::map<std::string, Tensor> values = {{"x", Tensor::of({DType::f64, {3}}, {1, 2, -1})},
                                                {"v", Tensor::of({DType::f64, {3}}, {0.5, 1, 3})}};
  auto mine = outputs_of(*differentiated(*m.graph())->function("predict"), values);
  auto theirs = outputs_of(*differentiated(*spec)->function("predict"), values);
  for (const auto& [name, tensor] : theirs) {
    INFO(name);
    check_close(mine.at(name), tensor, 0);
  }
}

TEST_CASE("modes are told what they are given wrongly") {
  auto error = [](const std::string& expression) {
    return errors_of(R"j({"inputs": {"x": "f64[3]", "i": "i32[3]", "n": "f64[N,3]"}, "parameters": {"w": "f64[3]"},
"graph": [{"name": "y", "value": "x * w"}, {"name": "f", "value": "sum(y)"}, {"name": "z", "value": ")j" +
                     expression + "\"}]}");
  };
  CHECK(error("grad(y, w)") ==
        "2:102: grad: `y` must be a scalar, got f64[3]; take its sum or mean, or give its cotangent to vjp\n");
  CHECK(error("hessian(y, w)") == "2:102: hessian: `y` must be a scalar, got f64[3]; take its sum or mean\n");
  CHECK(error("grad(f)") == "2:102: grad: takes 2 arguments, as in grad(loss, w), got 1\n");
  CHECK(error("grad(f, i)") == "2:102: grad: can't differentiate by `i`, which is i32[3] and no float\n");
  CHECK(error("grad(i, x)") == "2:102: grad: `i` must be a float, got i32[3]\n");
  CHECK(error("grad(f, 3)") == "2:102: grad: can't differentiate by the number 3\n");
  CHECK(error("vjp(y, w, n)") == "2:102: vjp: the cotangent is f64[N,3], `y` is f64[3]; they must have one type\n");
  CHECK(error("jvp(y, [x, w], x)") == "2:102: jvp: has 2 values and 1 for `tangent`\n");
  CHECK(error("hvp(f, [x, w], x)") == "2:102: hvp: differentiates by one value, not by a list\n");
  CHECK(error("vjp(y, w, cotangen=x)") == "2:112: vjp: unknown argument `cotangen`; did you mean `cotangent`?\n");
  CHECK(error("jacobian(n * 2, n)") ==
        "2:102: jacobian: the Jacobian of f64[N,3] by f64[N,3] has two open dimensions; sum one of them away\n");
  CHECK(error("grad(f, [x, w]) * 2") ==
        "2:102: gradient has 2 results; choose one: grad(f, [x, w])[0], grad(f, [x, w])[1]\n");
}

TEST_CASE("a derivative by what has no part in it is zero, with a warning") {
  Diagnostics diagnostics;
  auto model = load_spec(R"j({"inputs": {"x": "f64[3]", "v": "f64[3]"}, "outputs": {"g": "grad(sum(x), v)"}})j",
                         "t.json", {}, diagnostics);
  REQUIRE(model);
  REQUIRE(model->warnings.size() == 1);
  CHECK(model->warnings[0].message == "grad: what is differentiated does not depend on `v`, so the derivative is zero");
}
