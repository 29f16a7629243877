// Passes keep what a graph computes: every bit, or what another order of a sum may change where the layout moves.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "tests/unit/passes/graphs.h"

using namespace gradc;
using namespace gradc::test;

namespace {

// Numbers in [-1, 1) without a pattern.
std::vector<Tensor> arguments_for(const Function& function) {
  std::uint64_t state = 12345;
  std::vector<Tensor> arguments;
  for (const auto& parameter : function.body.parameters) {
    Tensor tensor(parameter->type);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      tensor.set(i, static_cast<double>(state >> 40) / static_cast<double>(1 << 23) - 1);
    }
    arguments.push_back(std::move(tensor));
  }
  return arguments;
}

std::vector<Tensor> results_after(const std::string& text, const std::vector<std::string>& passes,
                                  const std::vector<Tensor>* given = nullptr) {
  const std::unique_ptr<Module> module = parse(text);
  run_passes(*module, passes);
  const Function& function = *module->functions[0];
  return interpret(function, given ? *given : arguments_for(function));
}

const std::vector<std::string> kExact = {
    "expand_composites",  "simplify", "fold_constants", "simplify", "eliminate_common_subexpressions",
    "eliminate_dead_code"};

// Equal bits; one NaN is as good as another, whose sign and payload IEEE 754 leaves open.
bool same(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type()) return false;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.get(i), y = b.get(i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x != y || std::signbit(x) != std::signbit(y)) return false;
  }
  return true;
}

void check_same_bits(const std::string& text, const std::vector<Tensor>* given = nullptr) {
  const std::vector<Tensor> before = results_after(text, {"grad"}, given);
  std::vector<std::string> passes = {"grad"};
  passes.insert(passes.end(), kExact.begin(), kExact.end());
  const std::vector<Tensor> after = results_after(text, passes, given);
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    INFO("result " << i);
    CHECK(same(before[i], after[i]));
  }
}

void check_layout(const std::string& text) {
  const std::vector<Tensor> before = results_after(text, {"grad"});
  const std::vector<Tensor> after = results_after(text, {"grad", "expand_composites", "choose_layout", "simplify"});
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    INFO("result " << i);
    REQUIRE(before[i].type() == after[i].type());
    for (std::int64_t j = 0; j < before[i].elements(); ++j) {
      // Sums of up to a few hundred products of numbers below 1, in another order, in f64.
      REQUIRE(after[i].get(j) == Approx(before[i].get(j)).epsilon(1e-12).margin(1e-12));
    }
  }
}

void check_layout_settles(const std::string& text) {
  const std::unique_ptr<Module> module = parse(text);
  run_passes(*module, {"grad", "expand_composites", "choose_layout"});
  const std::string once = print(*module);
  CHECK_FALSE(run_pass(*find_pass("choose_layout"), *module, {}));
  CHECK(print(*module) == once);
}

const char* const kLenet = R"(
func @train(data %x: f64[2,1,8,8], data %w1: f64[4,1,3,3], data %b1: f64[4], data %w2: f64[6,2,3,3], data %b2: f64[6],
            data %v: f64[5,24]) -> (loss, w1, b1, w2, b2, v, x) {
  %c1 = convolution(%x, %w1) {low = [1, 1], high = [1, 1]}
  %bb1 = broadcast(%b1) {shape = [2, 4, 8, 8], dims = [1]}
  %a1 = add(%c1, %bb1)
  %r1 = relu(%a1)
  %p1 = max_pool(%r1) {window = [2, 2], stride = [2, 2]}
  %c2 = convolution(%p1, %w2) {low = [1, 1], high = [1, 1], groups = 2}
  %bb2 = broadcast(%b2) {shape = [2, 6, 4, 4], dims = [1]}
  %a2 = add(%c2, %bb2)
  %r2 = relu(%a2)
  %p2 = avg_pool(%r2) {window = [2, 2], stride = [2, 2]}
  %f = reshape(%p2) {shape = [2, 24]}
  %vt = transpose(%v) {permutation = [1, 0]}
  %y = matmul(%f, %vt)
  %q = square(%y)
  %loss = sum(%q)
  %d1, %d2, %d3, %d4, %d5, %d6 = gradient(%loss, %w1, %b1, %w2, %b2, %v, %x)
  return %loss, %d1, %d2, %d3, %d4, %d5, %d6
})";

// A residual, a concatenation, a normalisation by statistics over batch and space, a slice, and a padded input.
const char* const kBlock = R"(
func @f(data %x: f64[2,3,5,4], data %w: f64[3,3,3,3], data %v: f64[2,3,1,1], data %u: f64[2,4,3,2]) -> (y, dx, dw, dv) {
  %p = pad(%x) {low = [0, 0, 1, 1], high = [0, 0, 1, 1], value = 0.5}
  %c = convolution(%p, %w)
  %r = add(%c, %x)
  %m = mean(%r) {axis = [0, 2, 3], keep = true}
  %mm = broadcast(%m) {shape = [2, 3, 5, 4], dims = [0, 1, 2, 3]}
  %n = subtract(%r, %mm)
  %t = tanh(%n)
  %e = convolution(%t, %v)
  %k = concatenate(%t, %e) {axis = 1}
  %y = slice(%k) {start = [0, 1, 1, 0], limit = [2, 5, 4, 4], stride = [1, 1, 1, 2]}
  %dx, %dw, %dv = gradient(%y, %u, %x, %w, %v) {cotangent = true}
  return %y, %dx, %dw, %dv
})";

// One spatial dimension, where the two transposes are the same permutation.
const char* const kLine = R"(
func @f(data %x: f64[2,3,9], data %w: f64[4,3,3], data %s: f64[2,4,4], data %v: f64[2,4,2]) -> (y, dx, dw, dv, ds) {
  %c = convolution(%x, %w) {stride = [2]}
  %a = add(%c, %s)
  %b = multiply(%a, %c)
  %d = convolution(%b, %v) {dilation = [2]}
  %h = max(%d) {axis = [2]}
  %q = square(%h)
  %y = sum(%q)
  %dx, %dw, %dv, %ds = gradient(%y, %x, %w, %v, %s)
  return %y, %dx, %dw, %dv, %ds
})";

// Overlapping, padded and dilated windows, and a gradient of a gradient through all of them.
const char* const kSecondOrder = R"(
func @f(data %x: f64[2,2,6,5], data %w: f64[4,1,2,3]) -> (y, d, dd) {
  %c = convolution(%x, %w) {stride = [2, 1], low = [1, 0], high = [0, 2], dilation = [1, 2], groups = 2}
  %t = tanh(%c)
  %p = max_pool(%t) {window = [2, 3], low = [1, 0], high = [0, 1]}
  %a = avg_pool(%p) {window = [2, 2], low = [0, 1], count_padding = false}
  %q = multiply(%a, %a)
  %y = sum(%q)
  %d = gradient(%y, %w)
  %s = square(%d)
  %n = sum(%s)
  %dd = gradient(%n, %x)
  return %y, %d, %dd
})";

}  // namespace

TEST_CASE("exact passes keep every bit of a training step") {
  check_same_bits(kSecondOrder);
  check_same_bits(kLenet);
  check_same_bits(kBlock);
  check_same_bits(kLine);
}

TEST_CASE("exact passes keep every bit of NaN, infinities, zeros and denormals") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<double> special = {0.0,  -0.0, 1.0,   -1.0,   inf,    -inf, std::nan(""), 1e-45,
                                       1e38, -3.0, 1e-38, -1e-40, 3.4e38, 2.5,  -7.25,        0.1};
  const std::vector<Tensor> given = {Tensor::of({DType::f32, {16}}, special)};
  check_same_bits(R"(func @f(data %x: f32[16]) -> (a, b, c, d, e, f, g, h, i, j, k) {
    %zero = constant() {value = dense<f32[16]: 0>}
    %minus_zero = constant() {value = dense<f32[16]: -0>}
    %one = constant() {value = dense<f32[16]: 1>}
    %minus_one = constant() {value = dense<f32[16]: -1>}
    %eight = constant() {value = dense<f32[16]: 8>}
    %tiny = constant() {value = dense<f32[16]: 5.877472e-39>}
    %three = constant() {value = dense<f32[16]: 3>}
    %a = add(%x, %minus_zero)
    %b = add(%x, %zero)
    %c = subtract(%x, %zero)
    %d = subtract(%minus_zero, %x)
    %e = multiply(%x, %minus_one)
    %f = divide(%x, %eight)
    %g = divide(%x, %tiny)
    %h = divide(%x, %three)
    %n = negate(%x)
    %i = subtract(%b, %n)
    %j = multiply(%n, %d)
    %s = reshape(%x) {shape = [16, 1]}
    %k = sum(%s) {axis = [1]}
    return %a, %b, %c, %d, %e, %f, %g, %h, %i, %j, %k
  })",
                  &given);
}

TEST_CASE("channels last computes the same") {
  check_layout(kLenet);
  check_layout(kBlock);
  check_layout(kLine);
  check_layout(kSecondOrder);
}

TEST_CASE("a second choice of layout finds nothing to do") {
  check_layout_settles(kLenet);
  check_layout_settles(kBlock);
  check_layout_settles(kLine);
  check_layout_settles(kSecondOrder);
}

TEST_CASE("channels last leaves transposes at the rim only") {
  const std::unique_ptr<Module> module = parse(kLenet);
  run_passes(*module, {"grad", "expand_composites", "eliminate_common_subexpressions", "simplify", "choose_layout",
                       "eliminate_common_subexpressions", "eliminate_dead_code"});
  // x in and its gradient out (as views, one channel), the flattened features, and their gradient
  CHECK(count(*module, "transpose") == 4);
  walk(module->functions[0]->body, [](const Node& node) {
    if (node.attributes.has("channels_last")) CHECK(node.attributes.boolean("channels_last"));
  });
}

TEST_CASE("random numbers are compared by their bits") {
  for (const auto& [dtype, digits] : {std::pair("f32", 24), std::pair("f64", 32), std::pair("f64", 21)})
    for (const double c : {-1.0, 0.0, 0x1p-25, 0.25, 0.3, 0.5, 0.9, 1 - 0x1p-24, 1.0, 2.0}) {
      // Bits around the number c, and at the ends.
      std::vector<double> bits = {0, 1, 255, 256, 257, 0x1p32 - 257, 0x1p32 - 256, 0x1p32 - 1};
      const double at = std::floor(std::ldexp(c, digits)) * std::ldexp(1.0, 32 - digits),
                   step = std::ldexp(1.0, 32 - digits);
      for (const double near : {at - 1, at, at + 1, at + step - 1, at + step, at + step + 1})
        if (near >= 0 && near < 0x1p32) bits.push_back(near);
      const std::string n = std::to_string(bits.size()), type = std::string(dtype) + "[" + n + "]";
      char number[32];
      std::snprintf(number, sizeof number, "%.17g", c);
      for (const char* op : {"less", "less_equal", "greater", "greater_equal"})
        for (const char* order : {"%u, %c", "%c, %u"}) {
          const std::string text = "func @f(data %b: u32[" + n +
                                   "]) -> (y) {\n  %u = unit_interval(%b) {dtype = " + dtype +
                                   ", digits = " + std::to_string(digits) + "}\n  %c_0 = constant() {value = dense<" +
                                   dtype + "[]: " + number + ">}\n  %c = broadcast(%c_0) {shape = shape[" + n +
                                   "], dims = []}\n  %y = " + op + "(" + order + ")\n  return %y\n}";
          INFO(text);
          const std::vector<Tensor> given{
              Tensor::of(Type{DType::u32, {Dim(static_cast<std::int64_t>(bits.size()))}}, bits)};
          check_same_bits(text, &given);
          const std::unique_ptr<Module> module = parse(text);
          run_passes(*module, kExact);
          if (c > 0 && c < 1 - 0x1p-20) CHECK(print(*module).find("unit_interval") == std::string::npos);
        }
    }
}
