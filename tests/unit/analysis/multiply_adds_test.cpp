// Multiply-adds by their definition: nothing for padding of code, nothing between strides, loops once a trip.
#include "compiler/analysis/multiply_adds.h"

#include "ir/text.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::int64_t count(const std::string& text) {
  Diagnostics diagnostics;
  auto module = parse_module(text, "test.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return multiply_adds_of(module->functions[0]->body);
}

// The multiply-adds of one of a strided convolution's three products.
std::int64_t strided(const std::string& which) {
  const std::string attributes =
      "stride = [2, 3], low = [1, 0], high = [0, 2], dilation = [1, 1], groups = 1, channels_last = true";
  if (which == "forward")
    return count("func @f(data %x: f32[2,9,8,3], data %w: f32[8,3,4,3]) -> (data y) {\n  %0 = convolution(%x, %w) {" +
                 attributes + "} : f32[2,4,3,8]\n  return %0\n}");
  if (which == "input")
    return count(
        "func @f(data %g: f32[2,4,3,8], data %w: f32[8,3,4,3]) -> (data y) {\n"
        "  %0 = convolution_input_gradient(%g, %w) {" +
        attributes + ", shape = shape[2,9,8,3]} : f32[2,9,8,3]\n  return %0\n}");
  return count(
      "func @f(data %x: f32[2,9,8,3], data %g: f32[2,4,3,8]) -> (data y) {\n"
      "  %0 = convolution_weight_gradient(%x, %g) {" +
      attributes + ", shape = shape[8,3,4,3]} : f32[8,3,4,3]\n  return %0\n}");
}

}  // namespace

TEST_CASE("multiply-adds of a product") {
  CHECK(count("func @f(data %a: f32[7,5], data %b: f32[5,9]) -> (data y) {\n  %0 = dot(%a, %b) {contract_a = [1], "
              "contract_b = [0], batch_a = [], batch_b = []} : f32[7,9]\n  return %0\n}") == 7 * 5 * 9);
}

TEST_CASE("multiply-adds of a strided convolution") {
  const std::int64_t each = 2 * 4 * 3 * 8 * 3 * 4 * 3;
  CHECK(strided("forward") == each);
  CHECK(strided("weight") == each);
  // Rows 9 of stride 2 and columns 8 of stride 3: the form's 72 pixels over 6, for 12 of the result.
  CHECK(strided("input") == each);
}

TEST_CASE("what is no contraction counts nothing") {
  CHECK(count("func @f(data %a: f32[7,5], data %b: f32[7,5]) -> (data y) {\n  %0 = multiply(%a, %b) : f32[7,5]\n  "
              "return %0\n}") == 0);
}

TEST_CASE("multiply-adds in a loop count once a trip") {
  CHECK(count("func @f(data %h: f32[4,6], data %xs: f32[10,4,6], data %w: f32[6,6]) -> (data h) {\n"
              "  %0 = scan(%h, %xs, %w) {carried = 1, sliced = 1} (%c: f32[4,6], %x: f32[4,6], %u: f32[6,6]) {\n"
              "    %1 = dot(%c, %u) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []} : f32[4,6]\n"
              "    %2 = add(%1, %x) : f32[4,6]\n    yield %2\n  } : f32[4,6]\n  return %0\n}") == 10 * 4 * 6 * 6);
}

TEST_CASE("multiply-adds in a while count once for each of its most trips") {
  const auto with = [](const std::string& bound) {
    return "func @f(data %h: f32[4,6], data %w: f32[6,6]) -> (data h) {\n"
           "  %0 = while(%h, %w) {carried = 1" +
           bound +
           "} (%c: f32[4,6], %u: f32[6,6]) {\n"
           "    %1 = constant() {value = dense<bool[]: 1>}\n    yield %1\n  } (%c: f32[4,6], %u: f32[6,6]) {\n"
           "    %2 = dot(%c, %u) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []} : f32[4,6]\n"
           "    yield %2\n  } : f32[4,6]\n  return %0\n}";
  };
  CHECK(count(with(", max_trips = 7")) == 7 * 4 * 6 * 6);
  CHECK(count(with("")) == 4 * 6 * 6);
}
