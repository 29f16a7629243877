// Ops against golden numbers: tests/golden/ops.txt, which tests/golden/make_ops.py writes with NumPy.
#include <fstream>
#include <set>
#include <sstream>

#include "ir/text.h"
#include "tests/support/catch.h"
#include "tests/unit/ops/sample_function.h"

using namespace gradc;

namespace {

struct GoldenCase {
  int line = 0;
  std::string op, attributes;
  double within = 0;
  std::vector<Tensor> operands, results;
};

// "f64[2]: 1 nan"
Tensor parse_tensor(const std::string& text) {
  std::size_t colon = text.find(':');
  std::optional<Type> type = parse_type(text.substr(0, colon));
  REQUIRE(type);
  Tensor tensor(*type);
  std::istringstream values(text.substr(colon + 1));
  std::string value;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    REQUIRE(values >> value);
    if (is_float(type->dtype))
      tensor.set(i, std::strtod(value.c_str(), nullptr));
    else
      tensor.set_integer(i, std::strtoll(value.c_str(), nullptr, 10));
  }
  CHECK_FALSE(values >> value);
  return tensor;
}

std::vector<GoldenCase> read_cases() {
  std::ifstream file(std::string(GRADC_SOURCE_DIR) + "/tests/golden/ops.txt");
  REQUIRE(file);
  std::vector<GoldenCase> cases;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    auto rest = [&](const char* word) { return line.substr(2 + std::string(word).size() + 1); };
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ')
      cases.push_back({number, line.substr(0, line.find(' ')), line.substr(line.find(' ') + 1), 0, {}, {}});
    else if (line.rfind("  within", 0) == 0)
      cases.back().within = std::stod(rest("within"));
    else if (line.rfind("  operand", 0) == 0)
      cases.back().operands.push_back(parse_tensor(rest("operand")));
    else if (line.rfind("  result", 0) == 0)
      cases.back().results.push_back(parse_tensor(rest("result")));
    else
      FAIL("ops.txt:" << number << ": " << line);
  }
  return cases;
}

// A function of the one op, through the text form.
std::unique_ptr<Module> module_of(const GoldenCase& golden) {
  std::ostringstream text, operands;
  text << "func @f(";
  for (std::size_t i = 0; i < golden.operands.size(); ++i) {
    text << (i ? ", " : "") << "data %x" << i << ": " << golden.operands[i].type().str();
    operands << (i ? ", " : "") << "%x" << i;
  }
  std::ostringstream declared, results, result_types;
  for (std::size_t i = 0; i < golden.results.size(); ++i) {
    declared << (i ? ", " : "") << "data %y" << i;
    results << (i ? ", " : "") << "%y" << i;
    result_types << (i ? ", " : "") << golden.results[i].type().str();
  }
  text << ") -> (" << declared.str() << ") {\n  " << results.str() << " = " << golden.op << "(" << operands.str()
       << ")";
  if (golden.attributes != "{}") text << " " << golden.attributes;
  text << " : " << result_types.str() << "\n  return " << results.str() << "\n}\n";
  Diagnostics diagnostics;
  auto module = parse_module(text.str(), "golden.gir", diagnostics);
  INFO(text.str() << diagnostics.render());
  REQUIRE(module);
  return module;
}

// Zeros with their sign where the result must be exact to a few ulp; NaN for NaN; infinities alike.
bool agrees(double actual, double expected, double within, double scale) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (std::isinf(expected) || within == 0) return actual == expected && std::signbit(actual) == std::signbit(expected);
  if (expected == 0 && within <= 3e-7 && scale == 0)
    return actual == 0 && std::signbit(actual) == std::signbit(expected);
  return std::abs(actual - expected) <= within * std::max(scale, std::abs(expected));
}

// What sums lose is relative to their greatest value, not to one that cancelled.
bool is_elementwise(const std::string& op) { return Registry::get().find(op)->kind == Kind::elementwise; }

double greatest(const Tensor& tensor) {
  double result = 0;
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    if (std::isfinite(tensor.get(i))) result = std::max(result, std::abs(tensor.get(i)));
  return result;
}

void check_result(const GoldenCase& golden, const Tensor& actual, const Tensor& expected) {
  REQUIRE(actual.type() == expected.type());
  if (!is_float(actual.type().dtype)) {
    CHECK(actual == expected);
    return;
  }
  double scale = is_elementwise(golden.op) ? 0 : greatest(expected);
  for (std::int64_t i = 0; i < actual.elements(); ++i) {
    if (agrees(actual.get(i), expected.get(i), golden.within, scale)) continue;
    INFO("element " << i);
    for (const Tensor& operand : golden.operands)
      if (operand.elements() == actual.elements()) UNSCOPED_INFO("operand " << operand.get(i));
    CHECK(actual.get(i) == expected.get(i));
  }
}

}  // namespace

TEST_CASE("ops agree with golden numbers") {
  for (const GoldenCase& golden : read_cases()) {
    INFO("tests/golden/ops.txt:" << golden.line << ": " << golden.op << " " << golden.attributes);
    REQUIRE(Registry::get().find(golden.op));
    auto module = module_of(golden);
    std::vector<Tensor> results = interpret(*module->functions[0], golden.operands);
    REQUIRE(results.size() == golden.results.size());
    for (std::size_t k = 0; k < results.size(); ++k) {
      INFO("result " << k);
      check_result(golden, results[k], golden.results[k]);
    }
  }
}

TEST_CASE("every op but those of structure and control flow has golden numbers") {
  std::set<std::string> seen;
  for (const GoldenCase& golden : read_cases()) seen.insert(golden.op);
  // Tried through max_pool's gradient, random_uniform and the ops that they transpose.
  const std::set<std::string> through_others = {"max_pool_index", "max_pool_gradient", "max_pool_take",
                                                "sum_pool_gradient", "unit_interval"};
  for (const Op* op : Registry::get().all()) {
    if (op->family == "structure" || op->has_regions() || through_others.contains(op->name)) continue;
    INFO(op->name);
    CHECK(seen.contains(op->name));
  }
}
