// Reverse and forward mode against closed forms, in f64.
#include "compiler/autodiff/autodiff.h"

#include <cmath>
#include <numbers>

#include "tests/unit/passes/graphs.h"

using namespace gradc;
using namespace gradc::test;

namespace {

// Closed forms evaluated by the C library differ from the graph by a few roundings.
Approx near(double expected) { return Approx(expected).epsilon(1e-12).margin(1e-12); }

void check_near(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i);
    CHECK(found[i] == near(expected[i]));
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("the gradient of (x + y) z") {
  const auto results = evaluate(R"(func @f(data %x: f64[], data %y: f64[], data %z: f64[]) -> (f, dx, dy, dz) {
    %s = add(%x, %y)
    %f = multiply(%s, %z)
    %dx, %dy, %dz = gradient(%f, %x, %y, %z)
    return %f, %dx, %dy, %dz
  })",
                                {{-2}, {5}, {-4}});
  CHECK(results == std::vector<std::vector<double>>{{-12}, {-4}, {-4}, {3}});
}

TEST_CASE("the gradient of (x1 x2 sin x3 + e^(x1 x2)) / x3") {
  const auto results = evaluate(R"(func @f(data %a: f64[], data %b: f64[], data %c: f64[]) -> (da, db, dc) {
    %p = multiply(%a, %b)
    %s = sin(%c)
    %ps = multiply(%p, %s)
    %e = exp(%p)
    %n = add(%ps, %e)
    %f = divide(%n, %c)
    %da, %db, %dc = gradient(%f, %a, %b, %c)
    return %da, %db, %dc
  })",
                                {{1}, {2}, {std::numbers::pi / 2}});
  const double e2 = std::exp(2.0), pi = std::numbers::pi;
  check_near(results[0], {(4 + 4 * e2) / pi});
  check_near(results[1], {(2 + 2 * e2) / pi});
  check_near(results[2], {(-8 - 4 * e2) / (pi * pi)});
}

TEST_CASE("a chain of sigmoids") {
  const auto results = evaluate(R"(func @f(data %x: f64[]) -> (dx) {
    %a = sigmoid(%x)
    %b = sigmoid(%a)
    %c = sigmoid(%b)
    %dx = gradient(%c, %x)
    return %dx
  })",
                                {{0.3}});
  const double a = sigmoid(0.3), b = sigmoid(a), c = sigmoid(b);
  check_near(results[0], {c * (1 - c) * b * (1 - b) * a * (1 - a)});
}

TEST_CASE("a broadcast operand gathers the sum of its uses") {
  const auto results = evaluate(R"(func @f(data %x: f64[3], data %w: f64[2,3], data %s: f64[]) -> (dx, ds) {
    %xs = broadcast(%x) {shape = [2, 3], dims = [1]}
    %ss = broadcast(%s) {shape = [2, 3], dims = []}
    %a = multiply(%w, %xs)
    %b = multiply(%a, %ss)
    %f = sum(%b)
    %dx, %ds = gradient(%f, %x, %s)
    return %dx, %ds
  })",
                                {{1, 2, 3}, {1, 10, 100, 2, 20, 200}, {0.5}});
  check_near(results[0], {1.5, 15, 150});
  check_near(results[1], {3 * 1 + 30 * 2 + 300 * 3});
}

TEST_CASE("a value used several times gathers all its adjoints") {
  const auto results = evaluate(R"(func @f(data %x: f64[]) -> (dx) {
    %a = multiply(%x, %x)
    %b = multiply(%a, %x)
    %c = add(%b, %x)
    %f = add(%c, %c)
    %dx = gradient(%f, %x)
    return %dx
  })",
                                {{1.5}});
  check_near(results[0], {2 * (3 * 1.5 * 1.5 + 1)});
}

TEST_CASE("gradients with respect to a value on the way are total derivatives") {
  const auto results = evaluate(R"(func @f(data %x: f64[]) -> (dh, dx) {
    %h = exp(%x)
    %f = multiply(%h, %x)
    %dh, %dx = gradient(%f, %h, %x)
    return %dh, %dx
  })",
                                {{0.7}});
  check_near(results[0], {0.7});
  check_near(results[1], {std::exp(0.7) * (1 + 0.7)});
}

TEST_CASE("gradients nest to the third order") {
  const auto results = evaluate(R"(func @f(data %x: f64[]) -> (d1, d2, d3) {
    %s = sin(%x)
    %x2 = multiply(%x, %x)
    %x3 = multiply(%x2, %x)
    %f = multiply(%x3, %s)
    %d1 = gradient(%f, %x)
    %d2 = gradient(%d1, %x)
    %d3 = gradient(%d2, %x)
    return %d1, %d2, %d3
  })",
                                {{0.9}});
  const double x = 0.9, s = std::sin(x), c = std::cos(x);
  check_near(results[0], {3 * x * x * s + x * x * x * c});
  check_near(results[1], {6 * x * s + 6 * x * x * c - x * x * x * s});
  check_near(results[2], {6 * s + 18 * x * c - 9 * x * x * s - x * x * x * c});
}

TEST_CASE("a cotangent pulls back through a vector") {
  const auto results = evaluate(R"(func @f(data %x: f64[2], data %u: f64[2]) -> (dx) {
    %y = exp(%x)
    %dx = gradient(%y, %u, %x) {cotangent = true}
    return %dx
  })",
                                {{0.1, 0.2}, {3, -5}});
  check_near(results[0], {3 * std::exp(0.1), -5 * std::exp(0.2)});
}

TEST_CASE("the tangent of (x + y) z, and of a value that is differentiated by on the way") {
  const auto results =
      evaluate(R"(func @f(data %x: f64[], data %y: f64[], data %z: f64[], data %u: f64[], data %v: f64[]) -> (t, q) {
    %s = add(%x, %y)
    %f = multiply(%s, %z)
    %t = tangent(%f, %x, %z, %u, %v) {wrt = 2}
    %q = tangent(%f, %s, %x, %u, %v) {wrt = 2}
    return %t, %q
  })",
               {{-2}, {5}, {-4}, {10}, {100}});
  check_near(results[0], {-4 * 10 + 3 * 100});
  check_near(results[1], {-4 * (10 + 100)});
}

TEST_CASE("a Hessian times a vector is the same forward over reverse, reverse over reverse and reverse over forward") {
  // f = x0² x1 + sin(x0 x1), H v with v = (2, -3)
  const std::string function = R"(func @f(data %x: f64[], data %y: f64[], data %u: f64[], data %v: f64[]) -> (a, b) {
    %xx = multiply(%x, %x)
    %p = multiply(%xx, %y)
    %xy = multiply(%x, %y)
    %s = sin(%xy)
    %f = add(%p, %s)
)";
  const double x = 0.8, y = -1.3, u = 2, v = -3;
  const double s = std::sin(x * y), c = std::cos(x * y);
  const double xx = 2 * y - y * y * s, xy = 2 * x + c - x * y * s, yy = -x * x * s;
  const std::vector<std::vector<double>> inputs = {{x}, {y}, {u}, {v}};
  const auto check = [&](const std::string& rest) {
    const auto results = evaluate(function + rest, inputs);
    check_near(results[0], {xx * u + xy * v});
    check_near(results[1], {xy * u + yy * v});
  };
  check(R"(%dx, %dy = gradient(%f, %x, %y)
    %a = tangent(%dx, %x, %y, %u, %v) {wrt = 2}
    %b = tangent(%dy, %x, %y, %u, %v) {wrt = 2}
    return %a, %b
  })");
  check(R"(%dx, %dy = gradient(%f, %x, %y)
    %g = multiply(%dx, %u)
    %h = multiply(%dy, %v)
    %t = add(%g, %h)
    %a, %b = gradient(%t, %x, %y)
    return %a, %b
  })");
  check(R"(%t = tangent(%f, %x, %y, %u, %v) {wrt = 2}
    %a, %b = gradient(%t, %x, %y)
    return %a, %b
  })");
}

TEST_CASE("what the output does not depend on has a zero gradient") {
  const auto results = evaluate(R"(func @f(data %x: f64[2], data %y: f64[3], data %i: i32[2]) -> (dx, dy, t) {
    %z = floor(%x)
    %s = stop_gradient(%x)
    %n = cast(%i) {dtype = f64}
    %a = add(%z, %s)
    %b = add(%a, %n)
    %f = sum(%b)
    %dx, %dy = gradient(%f, %x, %y)
    %t = tangent(%f, %x, %x) {wrt = 1}
    return %dx, %dy, %t
  })",
                                {{1.5, 2}, {1, 2, 3}, {4, 5}});
  CHECK(results == std::vector<std::vector<double>>{{0, 0}, {0, 0, 0}, {0}});
}

TEST_CASE("a composite is differentiated through its body") {
  // matmul: d/dA sum(A B) = ones Bᵀ
  const auto results = evaluate(R"(func @f(data %a: f64[2,2], data %b: f64[2,2]) -> (da, db) {
    %c = matmul(%a, %b)
    %f = sum(%c)
    %da, %db = gradient(%f, %a, %b)
    return %da, %db
  })",
                                {{1, 2, 3, 4}, {5, 6, 7, 8}});
  check_near(results[0], {11, 15, 11, 15});
  check_near(results[1], {4, 4, 6, 6});
}

TEST_CASE("the gradient of softmax cross entropy is probability minus one-hot") {
  const auto results = evaluate(R"(func @f(data %s: f64[1,3], data %label: i32[1]) -> (loss, ds) {
    %l = softmax_cross_entropy(%s, %label)
    %f = sum(%l)
    %ds = gradient(%f, %s)
    return %f, %ds
  })",
                                {{3.2, 5.1, -1.7}, {0}});
  const double sum = std::exp(3.2) + std::exp(5.1) + std::exp(-1.7);
  check_near(results[0], {std::log(sum) - 3.2});
  check_near(results[1], {std::exp(3.2) / sum - 1, std::exp(5.1) / sum, std::exp(-1.7) / sum});
}

TEST_CASE("ten equal scores have the loss ln 10") {
  const auto results = evaluate(R"(func @f(data %s: f64[1,10], data %label: i32[1]) -> (loss, ds) {
    %l = softmax_cross_entropy(%s, %label)
    %f = sum(%l)
    %ds = gradient(%f, %s)
    return %f, %ds
  })",
                                {std::vector<double>(10, 2.5), {3}});
  check_near(results[0], {std::log(10.0)});
  std::vector<double> expected(10, 0.1);
  expected[3] = -0.9;
  check_near(results[1], expected);
}

TEST_CASE("forward mode goes through a composite that has a gradient of its own") {
  // J of softmax is diag(p) - p pᵀ; both modes give the same number for ⟨u, J v⟩.
  const auto results =
      evaluate(R"(func @f(data %s: f64[1,3], data %v: f64[1,3], data %u: f64[1,3]) -> (tangent, cotangent) {
    %p = softmax(%s) {axis = 1}
    %t = tangent(%p, %s, %v) {wrt = 1}
    %c = gradient(%p, %u, %s) {cotangent = true}
    return %t, %c
  })",
               {{0.1, 0.7, -0.4}, {1, -2, 3}, {0.5, 0.25, -1}});
  const double e[] = {std::exp(0.1), std::exp(0.7), std::exp(-0.4)};
  const double sum = e[0] + e[1] + e[2], v[] = {1, -2, 3}, u[] = {0.5, 0.25, -1};
  double pv = 0, pu = 0;
  for (int i = 0; i < 3; ++i) {
    pv += e[i] / sum * v[i];
    pu += e[i] / sum * u[i];
  }
  std::vector<double> tangent, cotangent;
  for (int i = 0; i < 3; ++i) {
    tangent.push_back(e[i] / sum * (v[i] - pv));
    cotangent.push_back(e[i] / sum * (u[i] - pu));
  }
  check_near(results[0], tangent);
  check_near(results[1], cotangent);
}

TEST_CASE("only what leads to a wanted gradient is built") {
  const std::string text = R"(func @f(data %x: f64[], data %y: f64[]) -> (dx) {
    %a = exp(%y)
    %f = multiply(%x, %a)
    %dx = gradient(%f, %x)
    return %dx
  })";
  const auto module = parse(text);
  const std::size_t before = node_count(*module) - 1;
  run_passes(*module, {"grad"});
  // the seed, and one product
  CHECK(node_count(*module) == before + 2);
}

TEST_CASE("a gradient's nodes carry the place of what they are the gradient of") {
  const auto module = parse(R"(func @f(data %x: f64[]) -> (dx) {
    %f = exp(%x) loc("model.json":7:3)
    %dx = gradient(%f, %x)
    return %dx
  })");
  run_passes(*module, {"grad"});
  const Value* gradient = module->functions[0]->body.results[0];
  REQUIRE(gradient->node);
  REQUIRE(gradient->node->locations.size() == 1);
  CHECK(gradient->node->locations[0].str() == "gradient of model.json:7:3");
}

TEST_CASE("an op without a derivative says why, where it stands") {
  const auto module = parse(R"(func @f(data %x: f64[]) -> (dx) {
    %y = fusion(%x) {kind = "loop"} (%p: f64[]) {
      %e = exp(%p)
      yield %e
    } loc("model.json":7:3)
    %dx = gradient(%y, %x) loc("model.json":9:1)
    return %dx
  })");
  try {
    run_passes(*module, {"grad"});
    FAIL("no error");
  } catch (const UserError& error) {
    const Diagnostic& first = error.diagnostics().front();
    CHECK(first.location.str() == "model.json:7:3");
    CHECK(first.message == "fusion: has no reverse-mode derivative: fusions are made after differentiation");
    REQUIRE(first.notes.size() == 1);
    CHECK(first.notes[0].location.str() == "model.json:9:1");
  }
}

TEST_CASE("an op without a derivative does no harm where none is wanted") {
  const auto results = evaluate(R"(func @f(data %x: f64[], data %y: f64[]) -> (dy) {
    %e = fusion(%x) {kind = "loop"} (%p: f64[]) {
      %q = exp(%p)
      yield %q
    }
    %f = multiply(%e, %y)
    %dy = gradient(%f, %y)
    return %dy
  })",
                                {{0.5}, {3}});
  check_near(results[0], {std::exp(0.5)});
}

TEST_CASE("requests that make no sense are refused") {
  const auto module = parse("func @f(data %x: f64[2], data %i: i32[], data %s: f64[]) -> (x) { return %x }");
  Region& region = module->functions[0]->body;
  Value* x = region.parameters[0].get();
  Value* i = region.parameters[1].get();
  Value* s = region.parameters[2].get();
  Value* const by_x[] = {x};
  Value* const by_i[] = {i};
  CHECK(user_error([&] { reverse(region, x, nullptr, by_x); }) ==
        "gradient: the output must be a scalar, not f64[2]; reduce it (sum or mean), or give its cotangent");
  CHECK(user_error([&] { reverse(region, i, nullptr, by_x); }) ==
        "gradient: the output is i32[]; only floats have a gradient");
  CHECK(user_error([&] { reverse(region, s, nullptr, by_i); }) ==
        "gradient: `i` is i32[]; only floats have a gradient");
  CHECK(user_error([&] { reverse(region, x, s, by_x); }) ==
        "gradient: the cotangent is f64[], the output f64[2]; they must have one type");
  CHECK(user_error([&] { forward(region, by_x, by_i, by_i); }) == "tangent: `i` is i32[]; only floats have a tangent");
}
