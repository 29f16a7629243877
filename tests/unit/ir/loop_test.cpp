// scan, while and cond: text, closing of regions, what the interpreter makes of them, and what is refused.
#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::unique_ptr<Module> parsed(const std::string& text) {
  Diagnostics diagnostics;
  auto module = parse_module(text, "loop.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  REQUIRE(verify(*module).empty());
  return module;
}

std::string refusal(const std::string& text) {
  Diagnostics diagnostics;
  REQUIRE(!parse_module(text, "loop.gir", diagnostics));
  return diagnostics.render();
}

Tensor tensor(const std::string& type, const std::vector<double>& elements) {
  Tensor result(*parse_type(type, nullptr));
  REQUIRE(result.elements() == static_cast<std::int64_t>(elements.size()));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (is_float(result.type().dtype))
      result.set(static_cast<std::int64_t>(i), elements[i]);
    else
      result.set_integer(static_cast<std::int64_t>(i), static_cast<std::int64_t>(elements[i]));
  }
  return result;
}

std::vector<double> elements(const Tensor& tensor) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    result.push_back(is_float(tensor.type().dtype) ? tensor.get(i) : static_cast<double>(tensor.get_integer(i)));
  return result;
}

std::vector<Tensor> run(const std::string& text, const std::vector<Tensor>& arguments) {
  auto module = parsed(text);
  const std::string printed = print(*module);
  CHECK(print(*parsed(printed)) == printed);
  return interpret(*module->functions[0], arguments);
}

// s' = w s + x_t, emitted as it was before the round; %w is captured.
const char* const kRecurrence = R"(
func @f(data %s: f64[], data %x: f64[3], data %w: f64[]) -> (data last, data before) {
  %last, %before = scan(%s, %x) {carried = 1, sliced = 1, reverse = REVERSE} (%a: f64[], %b: f64[]) {
    %p = multiply(%w, %a)
    %n = add(%p, %b)
    yield %n, %a
  }
  return %last, %before
}
)";

std::string with(std::string text, const std::string& what, const std::string& by) {
  text.replace(text.find(what), what.size(), by);
  return text;
}

}  // namespace

TEST_CASE("scan runs forwards and backwards, and closes over what it captures") {
  const std::vector<Tensor> given{tensor("f64[]", {1}), tensor("f64[3]", {10, 20, 30}), tensor("f64[]", {2})};
  auto forwards = run(with(kRecurrence, "REVERSE", "false"), given);
  CHECK(elements(forwards[0]) == std::vector<double>{2 * (2 * (2 * 1 + 10) + 20) + 30});
  CHECK(elements(forwards[1]) == std::vector<double>{1, 12, 44});
  auto backwards = run(with(kRecurrence, "REVERSE", "true"), given);
  CHECK(elements(backwards[0]) == std::vector<double>{2 * (2 * (2 * 1 + 30) + 20) + 10});
  CHECK(elements(backwards[1]) == std::vector<double>{84, 32, 1});
  auto module = parsed(with(kRecurrence, "REVERSE", "false"));
  const Node& scan = *module->functions[0]->body.nodes[0];
  CHECK(scan.operands.size() == 3);
  CHECK(captured_values(scan).empty());
}

TEST_CASE("a scan of no rounds gives what it began with") {
  auto results = run(R"(
func @f(data %s: i32[2], data %x: f32[0,5]) -> (data last, data all) {
  %last, %all = scan(%s, %x) {carried = 1, sliced = 1} (%a: i32[2], %b: f32[5]) { yield %a, %b }
  return %last, %all
})",
                     {tensor("i32[2]", {3, 4}), tensor("f32[0,5]", {})});
  CHECK(elements(results[0]) == std::vector<double>{3, 4});
  CHECK(results[1].type().str() == "f32[0,5]");
}

TEST_CASE("scans nest, and an inner one may read values of all regions around it") {
  // y[i] = Σ_j c · x[i, j], rows summed by the inner scan, rows counted by a carried integer of the outer one.
  auto results = run(R"(
func @f(data %x: f64[2,3], data %c: f64[]) -> (data rows, data y) {
  %zero = constant() {value = dense<f64[]: 0>}
  %none = constant() {value = dense<i32[]: 0>}
  %one = constant() {value = dense<i32[]: 1>}
  %rows, %y = scan(%none, %x) {carried = 1, sliced = 1} (%n: i32[], %row: f64[3]) {
    %m = add(%n, %one)
    %sum = scan(%zero, %row) {carried = 1, sliced = 1} (%s: f64[], %v: f64[]) {
      %p = multiply(%c, %v)
      %t = add(%s, %p)
      yield %t
    }
    yield %m, %sum
  }
  return %rows, %y
})",
                     {tensor("f64[2,3]", {1, 2, 3, 4, 5, 6}), tensor("f64[]", {10})});
  CHECK(elements(results[0]) == std::vector<double>{2});
  CHECK(elements(results[1]) == std::vector<double>{60, 150});
}

const char* const kHalve = R"(
func @f(data %x: f64[]) -> (data y, data trips) {
  %none = constant() {value = dense<i64[]: 0>}
  %one = constant() {value = dense<i64[]: 1>}
  %limit = constant() {value = dense<f64[]: 1>}
  %half = constant() {value = dense<f64[]: 0.5>}
  %y, %trips = while(%x, %none) {carried = 2, max_trips = MOST} (%a: f64[], %n: i64[]) {
    %more = greater(%a, %limit)
    yield %more
  } (%a: f64[], %n: i64[]) {
    %b = multiply(%a, %half)
    %m = add(%n, %one)
    yield %b, %m
  }
  return %y, %trips
}
)";

TEST_CASE("while runs until its condition fails, or max_trips rounds") {
  auto results = run(with(kHalve, "MOST", "0"), {tensor("f64[]", {10})});
  CHECK(elements(results[0]) == std::vector<double>{0.625});
  CHECK(elements(results[1]) == std::vector<double>{4});
  results = run(with(kHalve, "MOST", "3"), {tensor("f64[]", {10})});
  CHECK(elements(results[0]) == std::vector<double>{1.25});
  CHECK(elements(results[1]) == std::vector<double>{3});
  CHECK(elements(run(with(kHalve, "MOST", "3"), {tensor("f64[]", {0.5})})[1]) == std::vector<double>{0});
}

TEST_CASE("cond runs one of its branches") {
  const char* text = R"(
func @f(data %p: bool[], data %x: f32[2], data %y: f32[2]) -> (data z) {
  %z = cond(%p) () { %s = add(%x, %y) yield %s } () { %d = subtract(%x, %y) yield %d }
  return %z
})";
  const Tensor x = tensor("f32[2]", {5, 6}), y = tensor("f32[2]", {1, 2});
  CHECK(elements(run(text, {tensor("bool[]", {1}), x, y})[0]) == std::vector<double>{6, 8});
  CHECK(elements(run(text, {tensor("bool[]", {0}), x, y})[0]) == std::vector<double>{4, 4});
}

TEST_CASE("loops that do not fit are refused with both types") {
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[], data %x: f64[3]) -> (data y) {
  %y = scan(%s, %x) {carried = 1, sliced = 1} (%a: f64[], %b: f32[]) { yield %a }
  return %y
})"),
             Catch::Contains("parameter 2 of its region, `b`, is f32[], its operand makes it f64[]"));
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[], data %x: f64[3]) -> (data y) {
  %y = scan(%s, %x) {carried = 1, sliced = 0, length = [4]} (%a: f64[], %b: f64[3]) { yield %b }
  return %y
})"),
             Catch::Contains("carried value 1, `a`, is f64[] and becomes f64[3]; it must keep its type"));
  CHECK_THAT(refusal(R"(
func @f(data %x: f64[3], data %y: f64[4]) -> (data z) {
  %z = scan(%x, %y) {carried = 0, sliced = 2} (%a: f64[], %b: f64[]) { yield %b }
  return %z
})"),
             Catch::Contains("operand 2 has the type f64[4]"));
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[]) -> (data y) {
  %y = scan(%s) {carried = 1, sliced = 0} (%a: f64[]) { yield %a }
  return %y
})"),
             Catch::Contains("it needs a `length`"));
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[]) -> (data y) {
  %y = while(%s) {carried = 2} (%a: f64[]) { yield %a } (%a: f64[]) { yield %a }
  return %y
})"),
             Catch::Contains("`carried` is 2, with 1 operand left for it"));
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[]) -> (data y) {
  %y = while(%s) {carried = 1} (%a: f64[]) { yield %a } (%a: f64[]) { yield %a }
  return %y
})"),
             Catch::Contains("its condition must yield one bool[], got f64[]"));
  CHECK_THAT(refusal(R"(
func @f(data %s: f64[3]) -> (data y) {
  %y = cond(%s) () { yield } () { yield }
  return %y
})"),
             Catch::Contains("its predicate must be bool[], got f64[3]"));
}
