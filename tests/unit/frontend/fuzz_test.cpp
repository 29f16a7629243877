// Mutated specs: each loads to a module that verifies and resolves to itself, or is refused with a place.
#include <algorithm>
#include <iterator>
#include <random>

#include "ir/text.h"
#include "ir/verify.h"
#include "load.h"

using namespace gradc;

namespace {

// A spec that uses most of the language.
const char* const kWide =
    R"j({ "inputs": {"x": "f32[N,4,9,7]", "t": "i32[N]", "s": "f32[]"}, "variables": {"w": 8, "k": 3},
  "parameters": {"p": {"type": "f32[4,3]", "init": "normal(0, 1)"}, "q": {"type": "f32[3]", "init": [1, 2, 3]}},
  "constants": {"c": [[1, 2], [3, 4]], "b": {"type": "bool[2]", "value": [true, false]}},
  "functions": {"swish": {"value": "x * sigmoid(beta * x)", "arguments": {"beta": 1}}},
  "blocks": {"res": {"arguments": {"c": "w", "scale": 1}, "graph": [
        {"op": "conv2d", "name": "f", "filters": "c", "kernel": "k", "padding": "same"},
        {"op": "batch_norm", "name": "bn"},
        {"op": "relu"}, {"name": "out", "value": "scale * f"}]}},
  "graph": [
        {"block": "res", "name": "3a", "x": "x", "scale": 0.5},
        {"block": "res", "name": "stack", "repeat": 2},
        {"op": "dropout", "rate": 0.3},
        {"op": "max_pool2d", "window": 2, "stride": 1},
        {"op": "avg_pool2d", "window": [3, 3], "padding": 1, "count_padding": false},
        {"op": "global_avg_pool", "name": "g"},
        {"op": "linear", "name": "head", "units": 4},
        {"op": "swish", "beta": 2},
        {"share": "head", "name": "other", "x": "concatenate(g)"},
        {"op": "embedding", "name": "e", "x": "t", "count": 11, "units": 4},
        {"name": "z", "value": "other + head * e ** 2"},
        {"name": "y", "value": "(head + e) @ p + q / (1 + exp(-s))"},
        {"op": "softmax", "name": "sm", "x": "y", "axis": -1},
        {"name": "gr", "value": "grad(sum(y), p)"}],
  "outputs": {"sm": "sm", "gr": "gr"},
  "regularize": [{"l2": 0.01, "on": "*.weight"}], "freeze": ["q"],
  "programs": {
    "train": {"minimize": "mean(softmax_cross_entropy(y, t))", "optimizer": {"kind": "adam"}, "parameters": ["*"],
              "report": {"acc": "argmax(y) == t"}},
    "test": {"report": {"accuracy": "argmax(y, axis=1) == t"}}},
  "data": {"train": {"format": "npz", "x": "a.npz", "t": "a.npz"}, "validation": {"fraction": 0.1}} })j";

const char* const kPieces[] = {"\"",
                               "{",
                               "}",
                               "[",
                               "]",
                               ",",
                               ":",
                               "0",
                               "-1",
                               "1e999",
                               "9223372036854775807",
                               "1e300",
                               "null",
                               "true",
                               "x",
                               "(",
                               ")",
                               "+",
                               "**",
                               "@",
                               "==",
                               "0.5",
                               "2147483648",
                               "relu",
                               "argmax",
                               "bool",
                               "[[1],[2,3]]",
                               "\\u0000",
                               "\"x\"",
                               "\"N\"",
                               "\"f32[0]\"",
                               "\"f32[]\"",
                               "\"i32[N,N]\"",
                               "\"u8[3]\"",
                               "\"same\"",
                               "\"a\": 1",
                               "\"op\"",
                               "\"block\"",
                               "\"share\": \"head\"",
                               "\"repeat\": 3",
                               "\"value\": \"grad(x, x)\"",
                               "\"mean\"",
                               "\"concatenate\"",
                               "\"gather\"",
                               "\"reshape\"",
                               "\"shape\": [0]",
                               "\"shape\": [-1]",
                               "\"axis\": 99",
                               "\"axis\": -9",
                               "\"one_hot\"",
                               "\"pad\"",
                               "\"slice\"",
                               "\"dot\"",
                               "\"convolution\"",
                               "\"transpose\"",
                               "\"iota\"",
                               "\"avg_pool\"",
                               "\"random_uniform\""};

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string mutate(std::string text) {
    for (std::size_t i = 1 + pick(4) / 3; i > 0; --i) step(text);
    return text;
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  std::string piece() { return kPieces[pick(std::size(kPieces))]; }

  // Start and length of the string literal behind a random place; 0, 0 where there is none.
  std::pair<std::size_t, std::size_t> literal(const std::string& text) {
    std::size_t start = text.find('"', pick(text.size()));
    std::size_t end = start == std::string::npos ? start : text.find('"', start + 1);
    return end == std::string::npos ? std::pair<std::size_t, std::size_t>{0, 0} : std::pair{start, end - start + 1};
  }

  void step(std::string& text) {
    if (text.empty()) text = " ";
    std::size_t at = pick(text.size());
    auto [start, length] = literal(text);
    auto [other, other_length] = literal(text);
    switch (pick(5)) {
      case 0:
        text.erase(at, 1 + pick(8));
        break;
      case 1:
        text.insert(at, piece());
        break;
      case 2:
        text.replace(start, length, piece());
        break;
      case 3:
        text.replace(start, length, text.substr(other, other_length));
        break;
      default: {
        std::size_t digit = text.find_first_of("0123456789", at);
        if (digit == std::string::npos) break;
        text.replace(digit, text.find_first_not_of("0123456789.e-", digit) - digit, piece());
      }
    }
  }

  std::mt19937 random_;
};

void check_mutants(unsigned seed, int count) {
  Mutator mutator(seed);
  int loaded = 0;
  for (int i = 0; i < count; ++i) {
    std::string text = mutator.mutate(kWide);
    INFO(text);
    Diagnostics diagnostics;
    std::unique_ptr<ModelGraph> model = load_spec(text, "t.json", {}, diagnostics);
    if ((model == nullptr) != diagnostics.has_errors()) FAIL("a model and an error, or neither");
    for (const Diagnostic& diagnostic : diagnostics.all())
      if (!diagnostic.location.known() || diagnostics.render(diagnostic).empty()) FAIL(diagnostic.message);
    if (!model) continue;
    ++loaded;
    if (!verify(*model->module).empty()) FAIL(verify(*model->module)[0]);
    auto again = load(model->resolved);
    if (print(*again->module) != print(*model->module)) FAIL(model->resolved);
  }
  CHECK(loaded > count / 50);  // mutants must reach the far end too
}

}  // namespace

TEST_CASE("mutated specs load or are refused at a place") { check_mutants(1, 500); }
TEST_CASE("many mutated specs load or are refused at a place", "[slow]") { check_mutants(2, 30000); }
