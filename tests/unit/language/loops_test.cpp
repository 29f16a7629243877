// scan, while and cond in specs and in C++.
#include "gradc/loops.h"

#include <cmath>

#include "golden.h"
#include "gradc/ops.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;

namespace {

Tensor numbers(const std::string& type, const std::vector<double>& values) {
  return Tensor::of(*parse_type(type), values);
}

std::vector<double> list(const Tensor& tensor) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) values.push_back(tensor.get(i));
  return values;
}

std::map<std::string, Tensor> predict(const ModelGraph& model, const std::map<std::string, Tensor>& values) {
  CHECK(verify(*model.module).empty());
  return outputs_of(*differentiated(model)->function("predict"), values);
}

std::map<std::string, Tensor> predict(const std::string& spec, const std::map<std::string, Tensor>& values) {
  auto model = load(spec);
  CHECK(print(*load(model->resolved)->module) == print(*model->module));
  return predict(*model, values);
}

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("a scan carries, runs over slices, counts and emits") {
  auto out = predict(R"j({"inputs": {"x": "f64[4]", "k": "f64[]"}, "graph": [
    {"name": "loop", "scan": {"carry": {"sum": "k", "last": "0 * k"}, "over": {"x_t": "x"},
      "graph": [{"name": "y", "value": "sum + x_t * k"}],
      "next": {"last": "x_t", "sum": "y"}, "emit": {"partial": "y", "count": "index", "before": "last"}}},
    {"name": "back", "scan": {"carry": {"sum": "0 * k"}, "over": {"x_t": "x"}, "reverse": true, "next": {"sum": "sum + x_t"},
      "emit": {"partial": "sum"}}},
    {"name": "power", "scan": {"carry": {"p": "k"}, "length": 3, "next": {"p": "p * k"}}},
    {"name": "after", "value": "loop * 2"}],
    "outputs": {"main": "loop", "sum": "loop.sum", "last": "loop.last", "partial": "loop.partial", "count": "loop.count",
                "before": "loop.before", "back": "back.partial", "power": "power", "after": "after"}})j",
                     {{"x", numbers("f64[4]", {1, 2, 3, 4})}, {"k", numbers("f64[]", {2})}});
  CHECK(list(out.at("sum")) == Numbers{22});
  CHECK(list(out.at("last")) == Numbers{4});
  CHECK(list(out.at("partial")) == Numbers{4, 8, 14, 22});
  CHECK(list(out.at("main")) == Numbers{4, 8, 14, 22});
  CHECK(list(out.at("after")) == Numbers{8, 16, 28, 44});
  CHECK(list(out.at("count")) == Numbers{0, 1, 2, 3});
  CHECK(list(out.at("before")) == Numbers{0, 1, 2, 3});
  CHECK(list(out.at("back")) == Numbers{9, 7, 4, 0});
  CHECK(list(out.at("power")) == Numbers{16});
}

TEST_CASE("while runs until its condition fails, or for so many rounds") {
  const std::map<std::string, Tensor> values = {{"x", numbers("f64[]", {100})}};
  auto out = predict(R"j({"inputs": {"x": "f64[]"}, "graph": [
    {"name": "halve", "while": {"carry": {"y": "x", "n": "0 * x"}, "condition": "y > 1",
      "graph": [{"name": "half", "value": "y / 2"}], "next": {"y": "half", "n": "n + 1"}}},
    {"name": "short", "while": {"carry": {"y": "x"}, "condition": "y > 1 and index < 100", "max_trips": 3, "next": {"y": "y / 2"}}},
    {"name": "count", "while": {"carry": {"s": "x"}, "condition": "index < 4", "next": {"s": "s + cast(index, dtype=f64)"}}}],
    "outputs": {"y": "halve", "n": "halve.n", "short": "short.y", "count": "count"}})j",
                     values);
  CHECK(list(out.at("y")) == Numbers{0.78125});
  CHECK(list(out.at("n")) == Numbers{7});
  CHECK(list(out.at("short")) == Numbers{12.5});
  CHECK(list(out.at("count")) == Numbers{106});
}

TEST_CASE("cond runs one of its branches") {
  const std::string spec = R"j({"inputs": {"x": "f64[2]"}, "graph": [
    {"name": "c", "cond": {"if": "sum(x) > 0", "then": "x * 2", "else": {"graph": [{"name": "y", "value": "-x"}], "value": "y + 1"}}},
    {"name": "d", "cond": {"if": "all(x > 0)", "then": {"value": {"a": "x", "b": "sum(x)"}}, "else": {"value": {"a": "x - 1", "b": "0 * sum(x)"}}}}],
    "outputs": {"c": "c", "a": "d.a", "b": "d.b"}})j";
  auto out = predict(spec, {{"x", numbers("f64[2]", {3, -1})}});
  CHECK(list(out.at("c")) == Numbers{6, -2});
  CHECK(list(out.at("a")) == Numbers{2, -2});
  CHECK(list(out.at("b")) == Numbers{0});
  out = predict(spec, {{"x", numbers("f64[2]", {-3, 1})}});
  CHECK(list(out.at("c")) == Numbers{4, 0});
}

TEST_CASE("loops nest, and layers in them belong to the model") {
  auto model = load(R"j({"inputs": {"x": "f64[N,5,3]"}, "blocks": {"cell": {"operands": ["a", "h"], "graph": [
      {"op": "linear", "name": "in", "units": 2, "x": "a"}, {"op": "linear", "name": "rec", "units": 2, "x": "h", "bias": false},
      {"name": "new", "value": "tanh(in + rec)"}]}},
    "graph": [{"name": "first", "value": "transpose(x, permutation=[1, 0, 2])"},
    {"name": "rnn", "scan": {"carry": {"h": "first[0, :, :2] * 0"}, "over": {"a": "first"},
      "graph": [{"block": "cell", "name": "cell", "a": "a", "h": "h"},
                {"name": "inner", "scan": {"carry": {"s": "h * 0"}, "length": 2,
                   "graph": [{"op": "linear", "name": "deep", "x": "s", "units": 2}], "next": {"s": "deep + cell + cell.in"}}},
                {"op": "linear", "share": "cell.rec", "name": "again", "x": "inner"}],
      "next": {"h": "cell + inner.s"}, "emit": {"y": "again"}}},
    {"name": "loss", "value": "sum(square(rnn)) + 0 * sum(rnn.cell.in.weight)"}],
    "programs": {"train": {"minimize": "loss", "optimizer": "sgd"}}})j");
  CHECK(verify(*model->module).empty());
  CHECK(print(*load(model->resolved)->module) == print(*model->module));
  std::vector<std::string> names;
  for (const StateEntry& entry : model->state.entries)
    if (entry.kind == StateEntry::Kind::parameter) names.push_back(entry.name);
  CHECK(names == std::vector<std::string>{"rnn.cell.in.weight", "rnn.cell.in.bias", "rnn.cell.rec.weight",
                                          "rnn.inner.deep.weight", "rnn.inner.deep.bias"});
  std::map<std::string, std::int64_t> products;
  for (const LayerInfo& layer : model->layers) products[layer.name] = layer.multiply_adds;
  CHECK(products.at("rnn.cell.in") == 5 * 6);
  CHECK(products.at("rnn.inner.deep") == 5 * 2 * 4);
}

TEST_CASE("dropout and random ops draw afresh in every round, and dropout rests in evaluation") {
  const std::string spec =
      R"j({"inputs": {"x": "f64[3,50]"}, "parameters": {"w": {"type": "f64[]", "init": 1}}, "graph": [
    {"name": "loop", "scan": {"over": {"x_t": "x"}, "graph": [{"op": "dropout", "name": "d", "x": "x_t * w"}],
      "next": {}, "emit": {"y": "d", "r": "random_uniform(key, 0, shape=[5])"}}},
    {"name": "nested", "scan": {"length": 2, "graph": [{"name": "n", "scan": {"length": 2, "next": {},
      "emit": {"r": "random_uniform(key, 0, shape=[5])"}}}], "next": {}, "emit": {"r": "n"}}}],
    "programs": {"train": {"minimize": "sum(loop.y)", "optimizer": "sgd"}, "test": {"report": {"y": "loop.y"}}},
    "outputs": {"y": "loop.y", "r": "loop.r", "n": "nested"}})j";
  auto model = load(spec);
  Tensor key = numbers("u32[2]", {1, 2}), step = numbers("i64[]", {0});
  std::map<std::string, Tensor> values = {
      {"x", numbers("f64[3,50]", Numbers(150, 1))}, {"key", key}, {"step", step}, {"w", numbers("f64[]", {1})}};
  auto out = predict(*model, values);
  CHECK(list(out.at("y")) == Numbers(150, 1));
  Numbers r = list(out.at("r")), n = list(out.at("n"));
  for (const Numbers& drawn : {r, n}) {
    Numbers sorted = drawn;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
  }
  // The training objective sees masks, another one in every round: the share kept is not the same thrice, and 2 or 0.
  Model m;
  Expr x = m.input("x", f64, {3, 50});
  ScanResult loop =
      scan({}, {x}, [](const Exprs&, const Exprs& slices, Expr) { return ScanStep{{}, {dropout(slices[0])}}; });
  m.output("y", loop.emitted[0]);
  m.minimize("train", sum(loop.emitted[0] * m.parameter("w", f64, {3, 50}, "ones")), sgd());
  auto built = m.graph();
  CHECK(list(predict(*built, values).at("y")) == Numbers(150, 1));
}

TEST_CASE("a derivative in a loop sees through to what was computed outside") {
  // grad of sum(sin(x) * c) by x, where sin(x) stands outside: cos(x) * c.
  auto out = predict(R"j({"inputs": {"x": "f64[2]", "c": "f64[3]"}, "graph": [
    {"name": "outside", "value": "sin(x)"},
    {"name": "loop", "scan": {"over": {"c_t": "c"}, "graph": [{"name": "f", "value": "sum(outside * c_t)"}],
       "next": {}, "emit": {"g": "grad(f, x)", "h": "grad(f, outside)"}}}], "outputs": {"g": "loop.g", "h": "loop.h"}})j",
                     {{"x", numbers("f64[2]", {1, 2})}, {"c", numbers("f64[3]", {1, 2, 3})}});
  check_close(out.at("g"),
              numbers("f64[3,2]", {std::cos(1.), std::cos(2.), 2 * std::cos(1.), 2 * std::cos(2.), 3 * std::cos(1.),
                                   3 * std::cos(2.)}),
              1e-15);
  CHECK(list(out.at("h")) == Numbers{1, 1, 2, 2, 3, 3});
}

TEST_CASE("loops in C++ are those of specs") {
  Model m("model");
  Expr x = m.input("x", f64, {4}), k = m.input("k", f64, {});
  ScanResult loop = scan({0 * k}, {x}, [&](const Exprs& carry, const Exprs& slices, Expr index) {
    Expr sum = carry[0] + slices[0] * k + cast(index, f64);
    return ScanStep{{sum}, {sum * 2}};
  });
  ScanResult backward = scan(
      {0 * k}, {x}, [&](const Exprs& carry, const Exprs& slices, Expr) { return ScanStep{{carry[0] + slices[0]}, {}}; },
      {.reverse = true});
  Exprs halved =
      while_loop({k}, [](const Exprs& c) { return c[0] > 1; }, [](const Exprs& c, Expr) { return Exprs{c[0] / 2}; });
  m.output("sum", loop.carried[0]);
  m.output("twice", loop.emitted[0]);
  m.output("backward", backward.carried[0]);
  m.output("halved", halved[0]);
  m.output("chosen", cond(k > 3, [&] { return k + 1; }, [&] { return k - 1; }));
  auto out = predict(*m.graph(), {{"x", numbers("f64[4]", {1, 2, 3, 4})}, {"k", numbers("f64[]", {5})}});
  CHECK(list(out.at("sum")) == Numbers{56});
  CHECK(list(out.at("twice")) == Numbers{10, 32, 66, 112});
  CHECK(list(out.at("backward")) == Numbers{10});
  CHECK(list(out.at("halved")) == Numbers{0.625});
  CHECK(list(out.at("chosen")) == Numbers{6});
}

TEST_CASE("mistakes in loops are told at their places") {
  auto error = [](const std::string& node) {
    return errors_of("{\"inputs\": {\"x\": \"f32[5,3]\", \"y\": \"f32[4,3]\", \"h\": \"f32[3]\"}, \"graph\": [\n" +
                     node + "]}");
  };
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"s": "h"}, "over": {"a": "x"}, "next": {"s": "x"}}})j") ==
        "2:79: scan: `s` is carried as f32[3] and becomes f32[5,3]; it must keep its type\n"
        "  2:39: `s` begins as f32[3] here\n");
  CHECK(error(R"j({"name": "l", "scan": {"over": {"a": "x", "b": "y"}, "next": {}}})j") ==
        "2:48: scan: `b` runs over f32[4,3], which is 4 rounds; `a` is 5\n  2:38: `a` stands here\n");
  CHECK(error(R"j({"name": "l", "scan": {"over": {"a": "x"}, "length": 4, "next": {}}})j") ==
        "2:38: scan: `a` runs over f32[5,3], which is 5 rounds; `length` is 4\n");
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"s": "h"}, "next": {"s": "s"}}})j") ==
        "2:1: scan: runs over nothing; give `length`, the number of rounds\n");
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"state": "h"}, "length": 2, "next": {"stat": "state"}}})j") ==
        "2:71: scan: `next` has `stat`, which is not carried; did you mean `state`?\n"
        "2:70: scan: `state` is carried, and `next` does not say what it becomes\n  2:43: `state` begins here\n");
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"s": "h"}, "length": 2, "next": {"s": "t + 1"}}})j") ==
        "2:73: unknown name `t`\n");
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"s": "h"}, "length": 2, "nxt": {"s": "s"}}})j") ==
        "2:58: scan: unknown key `nxt`; did you mean `next`?\n");
  CHECK(error(R"j({"scan": {"carry": {"s": "h"}, "length": 2, "next": {"s": "s"}}})j") ==
        "2:1: scan: needs a `name`, by which its results are known\n");
  CHECK(
      error(R"j({"name": "l", "scan": {"carry": {"s": "h"}, "length": 2, "next": {"s": "s"}, "emit": {"s": "s"}}})j") ==
      "2:87: scan: `s` is carried and emitted, so `l.s` would be two values; emit it under another name\n");
  CHECK(error(R"j({"name": "l", "scan": {"carry": {"index": "h"}, "length": 2, "next": {}}})j") ==
        "2:34: `index` is the number of the round; give `scan: `carry`` another name\n");
  CHECK(error(R"j({"name": "l", "while": {"carry": {"s": "h"}, "condition": "s > 0", "next": {"s": "s"}}})j") ==
        "2:59: while: the condition must be bool[], got bool[3]; reduce it with `any` or `all`\n");
  CHECK(error(R"j({"name": "l", "while": {"carry": {"s": "h"}, "next": {"s": "s"}}})j") ==
        "2:24: while: needs a `condition`\n");
  CHECK(
      error(R"j({"name": "l", "cond": {"if": "h > 0", "then": "h", "else": "x"}})j") ==
      "2:30: cond: what decides must be bool[], got bool[3]; reduce it with `any` or `all`, or choose by element with "
      "`select`\n");
  CHECK(error(R"j({"name": "l", "cond": {"if": "h[0] > 0", "then": "h", "else": "x"}})j") ==
        "2:63: cond: its branches yield f32[3] and f32[5,3]; they must have one type\n"
        "  2:50: the first branch yields f32[3] here\n");
  CHECK(
      error(
          R"j({"name": "l", "scan": {"over": {"a": "y"}, "graph": [{"op": "batch_norm", "name": "b", "x": "x"}], "next": {}}})j") ==
      "2:54: `l.b.running_mean` is a running statistic, which can't be updated inside a loop or a branch; use "
      "layer_norm or group_norm, which need none\n  1:13: `x` is f32[5,3], from here\n");
  CHECK(error(R"j({"name": "l", "scan": {"over": {"a": "y"}, "graph": [{"op": "relu"}], "next": {}}})j") ==
        "2:54: relu: there is no node before it to take `x` from; give `x`\n");
  CHECK(error(R"j({"name": "l", "scan": {"length": 2, "next": {}, "emit": {"q": "m.z"}}},
{"name": "m", "scan": {"length": 2, "next": {}, "emit": {"z": "l.q"}}})j") ==
        "2:1: cycle: l → m → l\n  3:1: m stands here\n");
  CHECK(error(R"j({"name": "l", "scan": {"length": 2, "next": {}}})j") ==
        "2:1: scan: neither carries nor emits anything\n");
}
