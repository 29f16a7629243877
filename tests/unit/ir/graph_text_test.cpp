// The text form of graphs: round trips, error positions; the verifier's sentences.
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::string round_trip(const std::string& text, const PrintOptions& options = {}) {
  Diagnostics diagnostics;
  std::unique_ptr<Module> module = parse_module(text, "t.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  CHECK(verify(*module).empty());
  return print(*module, options);
}

std::string first_error(const std::string& text) {
  Diagnostics diagnostics;
  CHECK_FALSE(parse_module(text, "t.gir", diagnostics));
  REQUIRE_FALSE(diagnostics.all().empty());
  const Diagnostic& first = diagnostics.all().front();
  return first.location.str() + ": " + first.message;
}

}  // namespace

TEST_CASE("what is printed parses to the same text") {
  const std::string text = R"(module @m

func @f(data %x: f32[N,4], state %w.weight: f64[2], scalar %rate: f32[] = 0.1, data %label: i32[N] in [0, 10)) -> (data y, state w.weight) {
  %a = reshape(%x) {shape = shape[4*N]} : f32[4*N]
  %0 = constant() {value = dense<f32[3]: 1, -2.5, inf>} : f32[3]
  %1 = constant() {value = dense<i64[2,2]: 7>} : i64[2,2]
  %2 = fusion(%a) {kind = "loop"} (%p: f32[4*N]) {
    %3 = reshape(%p) {shape = shape[N,2,2]} : f32[N,2,2]
    yield %3
  } : f32[N,2,2]
  return %2, %w.weight
}
)";
  CHECK(round_trip(text) == text);
}

TEST_CASE("locations survive a round trip") {
  const std::string text =
      "func @f(data %x: f32[4]) -> (data y) {\n"
      "  %y = reshape(%x) {shape = shape[2,2]} : f32[2,2] loc(\"a.json\":3:5, gradient \"b.json\":7:1)\n"
      "  return %y\n}\n";
  const std::string printed = round_trip(text, {.locations = true});
  CHECK(printed.find("loc(\"a.json\":3:5, gradient \"b.json\":7:1)") != std::string::npos);
}

TEST_CASE("mistakes in the text are located") {
  CHECK(first_error("func @f(data %x: f33[4]) -> () {\n return\n}") ==
        "t.gir:1:18: unknown dtype `f33`; known: f32, f64, i32, i64, u32, u8, bool");
  CHECK(first_error("func @f(data %x: f32[4]) -> (y) {\n %y = reshpe(%x) {shape = shape[2,2]}\n return %y\n}") ==
        "t.gir:2:7: unknown op `reshpe`; did you mean `reshape`?");
  CHECK(first_error("func @f(data %xs: f32[4]) -> (y) {\n return %ys\n}") ==
        "t.gir:2:10: `%ys` is not defined here; did you mean `xs`?");
  CHECK(first_error("func @f(data %x: f32[4]) -> (y) {\n %y = reshape(%x) {shape = shape[3]}\n return %y\n}") ==
        "t.gir:2:7: reshape: can't reshape f32[4] to [3]: the element counts differ");
  CHECK(first_error(
            "func @f(data %x: f32[4]) -> (y) {\n %y = reshape(%x) {shape = shape[2,2]} : f32[4]\n return %y\n}") ==
        "t.gir:2:2: reshape: the result is f32[2,2], the text says f32[4]");
  CHECK(first_error("func @f(data %x: f32[99999999999,99999999999]) -> () {\n return\n}") ==
        "t.gir:1:18: the shape's element count overflows 64 bits");
}

TEST_CASE("the verifier names what is wrong") {
  Function function;
  function.name = "f";
  Value* x = function.add_parameter({.name = "x"}, {DType::f32, {4}});
  Builder builder(function.body);
  Value* y = builder.one("reshape", {x}, {{"shape", Shape{2, 2}}});
  function.add_result({"y"}, y);
  CHECK(verify(function).empty());
  y->type = {DType::f32, {3}};
  CHECK(verify(function) == std::vector<std::string>{"@f: reshape: the result is typed f32[3] and computes f32[2,2]"});
  y->type = {DType::f32, {2, 2}};
  function.results[0] = {"x", Role::state};
  CHECK(verify(function) == std::vector<std::string>{"@f: state `x` is f32[4] and becomes f32[2,2]"});
}

TEST_CASE("fusions are evaluated through their region") {
  Diagnostics diagnostics;
  auto module = parse_module(
      "func @f(data %x: f32[4]) -> (data y) {\n"
      "  %y = fusion(%x) {kind = \"loop\"} (%p: f32[4]) {\n    %q = reshape(%p) {shape = shape[2,2]}\n    yield %q\n  "
      "}\n"
      "  return %y\n}\n",
      "t.gir", diagnostics);
  REQUIRE(module);
  const Tensor x = Tensor::of({DType::f32, {4}}, {1, 2, 3, 4});
  const std::vector<Tensor> results = interpret(*module->functions[0], std::span(&x, 1));
  CHECK(results[0] == Tensor::of({DType::f32, {2, 2}}, {1, 2, 3, 4}));
}
