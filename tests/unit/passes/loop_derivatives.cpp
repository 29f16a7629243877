// Derivatives through scan, while and cond: against the unrolled graph, finite differences and closed forms, in f64.
#include <cmath>
#include <random>

#include "compiler/autodiff/autodiff.h"
#include "ir/verify.h"
#include "tests/unit/passes/graphs.h"
#include "tests/unit/passes/unroll.h"

using namespace gradc;
using namespace gradc::test;

namespace {

Tensor drawn(const Type& type, std::mt19937_64& random) {
  Tensor tensor(type);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    if (is_float(type.dtype))
      tensor.set(i, uniform(random));
    else
      tensor.set_integer(i, static_cast<std::int64_t>(random() % 3));
  }
  return tensor;
}

// How a scalar is derived from the function's results and differentiated again.
enum class Step { reverse, forward };

// One function whose first result is a scalar, differentiated by all float parameters: `scalar` is the last order's
// ⟨derivative, direction⟩, ready for the next.
class Derived {
 public:
  explicit Derived(std::unique_ptr<Function> function) : function_(std::move(function)) {
    for (const auto& parameter : function_->body.parameters)
      if (is_float(parameter->type.dtype)) wrt_.push_back(parameter.get());
    scalar_ = function_->body.results[0];
    operands_ = function_->body.parameters.size();
  }

  // Replaces the scalar by its derivative in a fresh direction, one parameter for each of wrt.
  void step(Step step) {
    std::vector<Value*> directions;
    for (const Value* value : wrt_) directions.push_back(function_->add_parameter({.name = name()}, value->type));
    if (step == Step::forward) {
      scalar_ = forward(function_->body, std::span<Value* const>(&scalar_, 1), wrt_, directions)[0];
    } else {
      const std::vector<Value*> gradients = reverse(function_->body, scalar_, nullptr, wrt_);
      Builder builder(function_->body);
      Term total;
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        function_->add_result({result_name()}, gradients[i]);
        total = add(total, apply("sum", {builder.term(gradients[i]) * builder.term(directions[i])}));
      }
      scalar_ = total.value();
    }
    function_->add_result({result_name()}, scalar_);
  }

  const Function& function() const { return *function_; }
  std::size_t operands() const { return operands_; }

  std::vector<Tensor> run(const std::vector<Tensor>& arguments) const {
    REQUIRE(verify(*function_) == std::vector<std::string>{});
    return interpret(*function_, std::span(arguments).first(function_->body.parameters.size()));
  }

 private:
  std::string name() const { return "d" + std::to_string(function_->parameters.size()); }
  std::string result_name() const { return "r" + std::to_string(function_->results.size()); }

  std::unique_ptr<Function> function_;
  std::vector<Value*> wrt_;
  Value* scalar_ = nullptr;
  std::size_t operands_ = 0;
};

// Arguments for the function, and directions for `orders` derivatives.
std::vector<Tensor> arguments_for(const Function& function, std::size_t orders, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> arguments;
  for (const auto& parameter : function.body.parameters) arguments.push_back(drawn(parameter->type, random));
  for (std::size_t k = 0; k < orders; ++k) {
    for (const auto& parameter : function.body.parameters)
      if (is_float(parameter->type.dtype)) arguments.push_back(drawn(parameter->type, random));
  }
  return arguments;
}

void check_all_near(const std::vector<Tensor>& found, const std::vector<Tensor>& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t r = 0; r < found.size(); ++r) {
    REQUIRE(found[r].type() == expected[r].type());
    for (std::int64_t i = 0; i < found[r].elements(); ++i) {
      INFO("result " << r << " element " << i);
      const double a = found[r].get(i), b = expected[r].get(i);
      if (a == b) continue;
      REQUIRE(std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a), std::abs(b)}));
    }
  }
}

// The scalar's slope along the first direction, by central differences of the undifferentiated function: a step of 1e-5
// leaves about 1e-10 of rounding and of curvature.
double slope(const Function& function, std::vector<Tensor> arguments) {
  const std::size_t operands = function.body.parameters.size();
  double ends[2];
  for (const int side : {0, 1}) {
    std::vector<Tensor> moved(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(operands));
    for (std::size_t i = 0, d = operands; i < operands; ++i) {
      if (!is_float(moved[i].type().dtype)) continue;
      for (std::int64_t e = 0; e < moved[i].elements(); ++e)
        moved[i].set(e, moved[i].get(e) + (side ? 1e-5 : -1e-5) * arguments[d].get(e));
      ++d;
    }
    ends[side] = interpret(function, moved)[0].get(0);
  }
  return (ends[1] - ends[0]) / 2e-5;
}

// The optimiser's exact passes change no bit, hoist_from_scan the order of sums.
void check_passes(const Function& function, const std::vector<Tensor>& arguments, const std::vector<Tensor>& expected) {
  Module module;
  module.functions.push_back(clone_function(function));
  run_passes(module, {"expand_composites", "eliminate_common_subexpressions", "simplify", "fold_constants", "simplify",
                      "eliminate_dead_code", "eliminate_common_subexpressions", "eliminate_dead_code"});
  const auto check = [&](const std::vector<Tensor>& wanted, double tolerance) {
    INFO(print(module));
    const Function& after = *module.functions[0];
    const std::vector<Tensor> found = interpret(after, std::span(arguments).first(after.body.parameters.size()));
    check_all_near(found, wanted, tolerance);
    return found;
  };
  check(expected, 0);
  run_passes(module, {"hoist_from_scan", "simplify", "eliminate_common_subexpressions", "eliminate_dead_code"});
  const std::vector<Tensor> hoisted = check(expected, 1e-9);
  run_passes(module, {"merge_loops", "eliminate_common_subexpressions", "eliminate_dead_code"});
  check(hoisted, 0);
}

using Steps = std::vector<Step>;
constexpr Step R = Step::reverse, F = Step::forward;

// The first result, a scalar, through every nesting of modes to the third order.
void check_derivatives(const std::string& text, std::uint64_t seed = 1) {
  const std::unique_ptr<Module> module = parse(text);
  const Function& function = *module->functions[0];
  const std::unique_ptr<Function> plain = unrolled(function);
  const std::vector<Tensor> arguments = arguments_for(function, 3, seed);
  for (const Steps& steps : {Steps{R}, Steps{F}, Steps{R, R}, Steps{F, R}, Steps{R, F}, Steps{F, F}, Steps{R, R, R},
                             Steps{F, R, R}, Steps{R, F, R}}) {
    Derived loop(clone_function(function)), straight(clone_function(*plain));
    std::string modes;
    for (const Step step : steps) {
      modes += step == R ? "reverse " : "forward ";
      loop.step(step);
      straight.step(step);
    }
    INFO(modes << "\n" << print(loop.function()));
    const std::vector<Tensor> found = loop.run(arguments);
    check_all_near(found, straight.run(arguments), 1e-9);
    check_passes(loop.function(), arguments, found);
    if (steps.size() == 1) {
      const double expected = slope(function, arguments);
      CHECK(std::abs(found.back().get(0) - expected) <= 1e-6 * std::max(1.0, std::abs(expected)));
    }
  }
}

}  // namespace

TEST_CASE("a scan that carries, slices, reads invariants and emits") {
  for (const std::string reverse : {"false", "true"}) {
    check_derivatives(R"(func @f(data %h: f64[2], data %x: f64[4,3], data %w: f64[3,2], data %u: f64[2,2]) -> (data s) {
      %last, %all = scan(%h, %x) {carried = 1, sliced = 1, reverse = )" +
                      reverse + R"(} (%a: f64[2], %b: f64[3]) {
        %p = matmul(%b, %w)
        %q = matmul(%a, %u)
        %z = add(%p, %q)
        %n = tanh(%z)
        %e = multiply(%n, %a)
        yield %n, %e
      }
      %sq = multiply(%all, %all)
      %s1 = sum(%sq)
      %s2 = sum(%last)
      %s = multiply(%s1, %s2)
      return %s
    })");
  }
}

TEST_CASE("early results: emissions without the last carried value, and the other way round") {
  const std::string head = R"(func @f(data %h: f64[], data %x: f64[5], data %w: f64[]) -> (data s) {
      %last, %all = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[], %b: f64[]) {
        %p = multiply(%a, %w)
        %z = add(%p, %b)
        %n = sin(%z)
        yield %n, %p
      }
)";
  check_derivatives(head + "%s = sum(%all) return %s }");
  check_derivatives(head + "%s = exp(%last) return %s }");
}

TEST_CASE("carried values that exchange their places get their cotangents by a fixpoint") {
  check_derivatives(R"(func @f(data %a: f64[], data %b: f64[], data %c: f64[], data %x: f64[4]) -> (data s) {
    %u, %v, %w = scan(%a, %b, %c, %x) {carried = 3, sliced = 1} (%p: f64[], %q: f64[], %r: f64[], %y: f64[]) {
      %m = multiply(%r, %y)
      %n = sin(%m)
      yield %q, %r, %n
    }
    %s = exp(%u)
    return %s
  })");
}

TEST_CASE("carried integers have no tangent, and a value carried along keeps its own") {
  check_derivatives(R"(func @f(data %k: i64[], data %h: f64[3], data %w: f64[3]) -> (data s) {
    %one = constant() {value = dense<i64[]: 1>}
    %n, %last, %kept = scan(%k, %h, %w) {carried = 3, sliced = 0, length = shape[4]} (%i: i64[], %a: f64[3], %c: f64[3]) {
      %j = add(%i, %one)
      %g = cast(%i) {dtype = f64}
      %f = broadcast(%g) {shape = [3], dims = []}
      %p = multiply(%a, %c)
      %q = multiply(%p, %f)
      %r = cos(%q)
      yield %j, %r, %c
    }
    %e = multiply(%last, %kept)
    %s = sum(%e)
    return %s
  })");
}

TEST_CASE("scans in scans, over scans' outputs, with captured values") {
  check_derivatives(R"(func @f(data %h: f64[2], data %x: f64[3,2], data %w: f64[2]) -> (data s) {
    %zero = constant() {value = dense<f64[]: 0>}
    %last, %all = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[2], %b: f64[2]) {
      %m = multiply(%a, %w)
      %sum, %parts = scan(%zero, %m, %b) {carried = 1, sliced = 2} (%t: f64[], %y: f64[], %z: f64[]) {
        %p = multiply(%y, %z)
        %q = add(%t, %p)
        %r = tanh(%q)
        yield %r, %q
      }
      %wide = broadcast(%sum) {shape = [2], dims = []}
      %o = multiply(%parts, %wide)
      %n = add(%o, %w)
      yield %n, %sum
    }
    %total = scan(%zero, %all) {carried = 1, sliced = 1, reverse = true} (%t: f64[], %y: f64[]) {
      %d = multiply(%t, %y)
      %e = sin(%d)
      %g = add(%e, %y)
      yield %g
    }
    %k = sum(%last)
    %s = multiply(%total, %k)
    return %s
  })");
}

TEST_CASE("a cond in a scan") {
  check_derivatives(R"(func @f(data %h: f64[2], data %x: f64[5,2], data %w: f64[2]) -> (data s) {
    %limit = constant() {value = dense<f64[]: 0>}
    %last, %all = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[2], %b: f64[2]) {
      %m = sum(%b)
      %more = greater(%m, %limit)
      %n, %e = cond(%more, %a) (%c: f64[2]) {
        %p = multiply(%c, %w)
        %q = add(%p, %b)
        %r = sum(%q)
        yield %q, %r
      } (%c: f64[2]) {
        %p = multiply(%c, %c)
        yield %p, %m
      }
      yield %n, %e
    }
    %t = sum(%all)
    %u = sum(%last)
    %s = multiply(%t, %u)
    return %s
  })");
}

TEST_CASE("a while with max_trips, in the open and in a scan") {
  const std::string loop = R"(while(%v, %none) {carried = 2, max_trips = 6} (%a: f64[], %n: i64[]) {
      %more = less(%a, %limit)
      yield %more
    } (%a: f64[], %n: i64[]) {
      %b = multiply(%a, %a)
      %c = add(%b, %w)
      %m = add(%n, %one)
      yield %c, %m
    }
)";
  const std::string constants = R"(
    %none = constant() {value = dense<i64[]: 0>}
    %one = constant() {value = dense<i64[]: 1>}
    %limit = constant() {value = dense<f64[]: 3>}
)";
  check_derivatives("func @f(data %v: f64[], data %k: f64[]) -> (data s) {" + constants +
                    "%w = exp(%k)\n %s, %trips = " + loop + " return %s }");
  check_derivatives("func @f(data %x: f64[3], data %k: f64[]) -> (data s) {" + constants + R"(
    %w = exp(%k)
    %zero = constant() {value = dense<f64[]: 0>}
    %last, %all = scan(%zero, %x) {carried = 1, sliced = 1} (%h: f64[], %v: f64[]) {
      %y, %trips = )" +
                    loop +
                    R"( %t = sin(%y)
      %o = multiply(%t, %h)
      %p = add(%o, %v)
      yield %p, %y
    }
    %q = sum(%all)
    %s = multiply(%q, %last)
    return %s
  })");
}

TEST_CASE("a while without max_trips has a forward mode only") {
  const std::string text = R"(func @f(data %v: f64[], data %t: f64[]) -> (data d) {
    %limit = constant() {value = dense<f64[]: 100>}
    %y = while(%v) {carried = 1} (%a: f64[]) { %more = less(%a, %limit) yield %more } (%a: f64[]) {
      %b = multiply(%a, %a)
      yield %b
    }
)";
  // 3 → 9 → 81 → 6561 = v^8
  const auto results = evaluate(text + "%d = tangent(%y, %v, %t) {wrt = 1} return %d }", {{3}, {2}});
  CHECK(results[0][0] == 8 * std::pow(3.0, 7) * 2);
  CHECK(user_error([&] { evaluate(text + "%d = gradient(%y, %v) return %d }", {{3}, {2}}); }) ==
        "t.gir:3:10: while: has no reverse-mode derivative without a bound on its rounds; give `max_trips`, or use a "
        "scan");
}

TEST_CASE("an op without a derivative inside a scan matters on a wanted path only") {
  // The carried %c passes through a while without a bound; what is asked for does not depend on it.
  const std::string text = R"(func @f(data %x: f64[3], data %c: f64[]) -> (data d) {
    %zero = constant() {value = dense<f64[]: 0>}
    %limit = constant() {value = dense<f64[]: 100>}
    %s, %k = scan(%zero, %c, %x) {carried = 2, sliced = 1} (%a: f64[], %b: f64[], %y: f64[]) {
      %n = while(%b) {carried = 1} (%v: f64[]) { %more = less(%v, %limit) yield %more } (%v: f64[]) {
        %w = multiply(%v, %v)
        yield %w
      }
      %p = multiply(%y, %n)
      %t = add(%a, %p)
      yield %t, %b
    }
)";
  const auto results = evaluate(text + "%d = gradient(%s, %x) return %d }", {{1, 2, 3}, {3}});
  CHECK(results[0] == std::vector<double>{6561, 6561, 6561});
  CHECK(user_error([&] {
          evaluate(text + "%d = gradient(%s, %c) return %d }", {{1, 2, 3}, {3}});
        }).find("while: has no") != std::string::npos);
}

TEST_CASE("third derivatives of a polynomial recurrence") {
  // h ← h² + x_t from h0: with two rounds f = (h0² + x0)² + x1.
  const std::string text = R"(func @f(data %h: f64[], data %x: f64[2]) -> (data f, data d1, data d2, data d3) {
    %f = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[], %b: f64[]) {
      %p = multiply(%a, %a)
      %n = add(%p, %b)
      yield %n
    }
    %d1 = gradient(%f, %h)
    %d2 = gradient(%d1, %h)
    %d3 = gradient(%d2, %h)
    return %f, %d1, %d2, %d3
  })";
  const auto results = evaluate(text, {{0.5}, {2, 3}});
  const double h = 0.5, x = 2;
  CHECK(results[0][0] == Approx((h * h + x) * (h * h + x) + 3));
  CHECK(results[1][0] == Approx(4 * h * h * h + 4 * h * x));
  CHECK(results[2][0] == Approx(12 * h * h + 4 * x));
  CHECK(results[3][0] == Approx(24 * h));
}

TEST_CASE("a gradient inside a region is written out before the loop is differentiated") {
  // Three rounds of gradient descent on (w - x)²; the last w is w0 q³ + x (1 - q³) with q = 1 - 2·rate.
  const std::string text =
      R"(func @f(data %w0: f64[], data %x: f64[], data %rate: f64[]) -> (data w, data dw0, data drate) {
    %w = scan(%w0) {carried = 1, sliced = 0, length = shape[3]} (%w: f64[]) {
      %d = subtract(%w, %x)
      %e = multiply(%d, %d)
      %g = gradient(%e, %w)
      %step = multiply(%g, %rate)
      %n = subtract(%w, %step)
      yield %n
    }
    %dw0, %drate = gradient(%w, %w0, %rate)
    return %w, %dw0, %drate
  })";
  const auto results = evaluate(text, {{5}, {2}, {0.1}});
  const double q = 0.8;
  CHECK(results[0][0] == Approx(2 + 3 * q * q * q));
  CHECK(results[1][0] == Approx(q * q * q));
  CHECK(results[2][0] == Approx(-2 * 3 * 3 * q * q));
}

TEST_CASE("a scan of no rounds passes its cotangent through") {
  const std::string text =
      R"(func @f(data %h: f64[2], data %x: f64[0,2], data %w: f64[2]) -> (data dh, data dx, data dw) {
    %last = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[2], %b: f64[2]) {
      %p = multiply(%a, %w)
      %q = add(%p, %b)
      yield %q
    }
    %s = sum(%last)
    %dh, %dx, %dw = gradient(%s, %h, %x, %w)
    return %dh, %dx, %dw
  })";
  const auto results = evaluate(text, {{1, 2}, {}, {3, 4}});
  CHECK(results[0] == std::vector<double>{1, 1});
  CHECK(results[1].empty());
  CHECK(results[2] == std::vector<double>{0, 0});
}

TEST_CASE("residuals that are emitted already are not emitted twice") {
  const std::unique_ptr<Module> module = parse(R"(func @f(data %h: f64[2], data %x: f64[3,2]) -> (data dx) {
    %last, %before, %after = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[2], %b: f64[2]) {
      %p = multiply(%a, %b)
      yield %p, %a, %p
    }
    %s = sum(%after)
    %dx = gradient(%s, %x)
    return %dx
  })");
  run_passes(*module, {"grad"});
  const Node& forward = *module->functions[0]->body.nodes[0];
  CHECK(forward.results.size() == 3);
}

TEST_CASE("calls, composites, images and vectors of constants inside loops go through every pass") {
  const std::string text =
      R"(func @cell(data %h: f64[1,2,3,3], data %x: f64[1,1,3,3], data %w: f64[2,1,3,3]) -> (data n) {
    %c = convolution(%x, %w) {low = [1, 1], high = [1, 1]}
    %p = max_pool(%c) {window = [3, 3], stride = [1, 1], low = [1, 1], high = [1, 1]}
    %s = add(%h, %p)
    %n = softmax(%s) {axis = 1}
    return %n
  }
  func @f(data %h: f64[1,2,3,3], data %x: f64[3,1,1,3,3], data %w: f64[2,1,3,3]) -> (data s, data dh, data dx, data dw) {
    %y, %z = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[1,2,3,3], %b: f64[1,1,3,3]) {
      %n = call(%a, %b, %w) {callee = "cell", types = "f64[1,2,3,3]"}
      %half = constant() {value = dense<f64[]: 0.5>}
      %wide = broadcast(%half) {shape = [1, 2, 3, 3], dims = []}
      %m = multiply(%n, %wide)
      yield %m, %n
    }
    %q = multiply(%z, %z)
    %t = sum(%q)
    %u = sum(%y)
    %s = multiply(%t, %u)
    %dh, %dx, %dw = gradient(%s, %h, %x, %w)
    return %s, %dh, %dx, %dw
  })";
  const auto results = [&](const std::vector<std::string>& passes) {
    const std::unique_ptr<Module> module = parse(text);
    run_passes(*module, passes);
    const Function& function = *module->functions[1];
    return interpret(function, arguments_for(function, 0, 7));
  };
  const std::vector<Tensor> plain = results({"inline_calls", "grad"});
  check_all_near(results({"inline_calls", "grad", "expand_composites", "eliminate_common_subexpressions", "simplify",
                          "fold_constants", "eliminate_dead_code"}),
                 plain, 0);
  // Sums in another order.
  check_all_near(results({"inline_calls", "grad", "expand_composites", "eliminate_common_subexpressions", "simplify",
                          "hoist_from_scan", "choose_layout", "simplify", "eliminate_common_subexpressions",
                          "eliminate_dead_code"}),
                 plain, 1e-12);
  check_all_near(results({"inline_calls", "grad", "expand_composites", "choose_layout", "simplify"}), plain, 1e-12);
}

TEST_CASE("the tangent of a loop gives its values too: one loop is left of the two") {
  const auto loops_left = [](const std::string& text) {
    const std::unique_ptr<Module> module = parse(text);
    Derived derived(clone_function(*module->functions[0]));
    derived.step(F);
    Module made;
    made.functions.push_back(clone_function(derived.function()));
    run_passes(
        made, {"expand_composites", "eliminate_common_subexpressions", "simplify", "eliminate_dead_code",
               "hoist_from_scan", "simplify", "eliminate_common_subexpressions", "merge_loops", "eliminate_dead_code"});
    std::size_t count = 0;
    walk(made.functions[0]->body, [&](const Node& node) { count += node.op->has_regions() ? 1 : 0; });
    return count;
  };
  CHECK(loops_left(R"(func @f(data %h: f64[3], data %x: f64[4,3], data %w: f64[3,3]) -> (data s) {
    %y, %z = scan(%h, %x) {carried = 1, sliced = 1} (%a: f64[3], %b: f64[3]) {
      %p = matmul(%a, %w)
      %q = add(%p, %b)
      %n = tanh(%q)
      %e = multiply(%n, %a)
      yield %n, %e
    }
    %q = multiply(%z, %z)
    %t = sum(%q)
    %u = sum(%y)
    %s = multiply(%t, %u)
    return %s
  })") == 1);
  CHECK(loops_left(R"(func @f(data %h: f64[]) -> (data s) {
    %y = while(%h) {carried = 1, max_trips = 5} (%a: f64[]) {
      %bound = constant() {value = dense<f64[]: 3>}
      %c = less(%a, %bound)
      yield %c
    } (%a: f64[]) {
      %n = exp(%a)
      yield %n
    }
    %s = multiply(%y, %y)
    return %s
  })") == 1);
}
