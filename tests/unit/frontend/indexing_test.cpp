// Elements by index, in expressions and in C++.
#include <fstream>
#include <numeric>

#include "compiler/frontend/expression.h"
#include "gradc/ops.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "load.h"

using namespace gradc;

namespace {

const std::string kHead = R"j({"inputs": {"x": "f64[3,4,5]", "i": "i32[3]", "n": "f64[N,2]", "b": "bool[3]"},
"graph": [{"name": "y", "value": ")j";

std::string spec(const std::string& expression) { return kHead + expression + "\"}]}"; }
std::string error(const std::string& expression) {
  std::string all = errors_of(spec(expression));
  return all.substr(0, all.find('\n'));
}

std::vector<double> counted(std::size_t n) {
  std::vector<double> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

Tensor predict(const ModelGraph& model) {
  const Function& function = *model.module->function("predict");
  std::vector<Tensor> arguments;
  for (const Parameter& parameter : function.parameters)
    arguments.push_back(parameter.name == "x" ? Tensor::of({DType::f64, {3, 4, 5}}, counted(60))
                                              : Tensor::of({DType::i32, {3}}, {2, 0, 2}));
  return interpret(function, arguments)[0];
}

std::string text_of(const Tensor& tensor) {
  std::string text = tensor.type().str() + " | ";
  for (std::int64_t k = 0; k < tensor.elements(); ++k)
    text += (k ? " " : "") + std::to_string(std::lround(tensor.get(k)));
  return text;
}

}  // namespace

TEST_CASE("an index reads what NumPy's reads") {
  std::ifstream golden(std::string(GRADC_SOURCE_DIR) + "/tests/golden/indexing.txt");
  int count = 0;
  for (std::string line; std::getline(golden, line); ++count) {
    std::size_t bar = line.find(" | ");
    INFO(line);
    auto model = load(spec(line.substr(0, bar)));
    CHECK(text_of(predict(*model)) == line.substr(bar + 3));
    CHECK(print(*load(model->resolved)->module) == print(*model->module));
  }
  CHECK(count > 30);
}

TEST_CASE("an index in C++ is the one of an expression") {
  auto same = [](const std::string& expression, auto index) {
    Model m;
    Expr x = m.input("x", f64, {3, 4, 5}), i = m.input("i", i32, {3});
    m.output("y", index(x, i));
    INFO(expression);
    CHECK(text_of(predict(*m.graph())) == text_of(predict(*load(spec(expression)))));
  };
  same("x[0]", [](Expr x, Expr) { return x[0]; });
  same("x[1:-1, ..., None]", [](Expr x, Expr) { return x[{Range{1, -1}, ellipsis, new_axis}]; });
  same("x[:, ::-1]", [](Expr x, Expr) { return x[{Range{}, Range{.step = -1}}]; });
  same("x[i]", [](Expr x, Expr i) { return x[i]; });
  same("x[:, i[2]]", [](Expr x, Expr i) { return x[{Range{}, i[2]}]; });
}

TEST_CASE("an index that does not fit is told at its item") {
  CHECK(error("x[3]") == "2:37: index 3 is outside dimension 0 of f64[3,4,5]");
  CHECK(error("x[0, -5]") == "2:40: index -5 is outside dimension 1 of f64[3,4,5]");
  CHECK(error("x[0, 1, 2, 3]") == "2:46: f64[3,4,5] has 3 dimensions, the index is for 4");
  CHECK(error("x[..., 0, ...]") == "2:45: an index can have one `...`");
  CHECK(error("x[1.5]") == "2:37: an index must be an integer, got 1.5");
  CHECK(error("x[::0]") == "2:37: the step of an index must not be 0");
  CHECK(error("x[b]") == "2:37: an index can't be bool[3], since the result's size would depend on it; use `select`");
  CHECK(error("x[x]") == "2:37: an index must be an integer, got f64[3,4,5]");
  CHECK(error("x[i, i]") ==
        "2:40: an index can have one array, this has i32[3] and i32[3]; index in two steps, or use "
        "`take_along_axis`");
  CHECK(error("x[0, :, i]") == "2:43: an array and a number of an index must stand side by side; index in two steps");
  CHECK(error("x[i[0]:]") == "2:37: this is i32[], where a number is wanted");
  CHECK(error("n[1:]") == "2:37: can't cut a range out of dimension 0 of f64[N,2], since its size is open");
  CHECK(error("x[]") == "2:36: an index is empty");
  CHECK(error("x[0") == "2:38: expected `]`, found the end; `[` at character 2 is open");
  CHECK(error("x[0, :, :, :]") == "2:46: f64[3,4,5] has 3 dimensions, the index is for 4");
  CHECK(error("pi[0]") == "2:37: a number has no elements to choose by an index");
  CHECK(error("exp(x).values") == "2:42: `exp(x)` is one value, without a result named `values`");
}

TEST_CASE("printing an index keeps it") {
  auto same = [](const std::string& text) {
    return print(*parse_expression(text), [](const Syntax& name) { return name.text; });
  };
  for (const char* text : {"x[0]", "x[1:2, ::-1, ..., None]", "(a + b)[:]", "-x[0] ** 2", "(-x)[0]", "f(x).values[1:]",
                           "x[i + 1:j]", "x[0][1]", "f(x[0], axis=1)[:, y[2]]"})
    CHECK(same(text) == text);
}
