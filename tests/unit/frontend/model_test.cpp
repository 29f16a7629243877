// What specs become: layers, state, functions, and their values through the interpreter.
#include <array>
#include <cmath>
#include <filesystem>

#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "load.h"

using namespace gradc;

namespace {

const LayerInfo& layer(const ModelGraph& model, const std::string& name) {
  for (const LayerInfo& info : model.layers)
    if (info.name == name) return info;
  FAIL("no layer " + name);
  return model.layers[0];
}

std::int64_t parameter_count(const ModelGraph& model) {
  std::int64_t count = 0;
  for (const StateEntry& entry : model.state.entries)
    if (entry.kind == StateEntry::Kind::parameter) count += entry.type.elements();
  return count;
}

Tensor scalar(double value) { return Tensor::scalar(DType::f64, value); }

// The state after init, then a program over data and state. Every symbol is 1.
std::vector<Tensor> run(const ModelGraph& model, const std::string& program, const std::vector<Tensor>& data,
                        std::int64_t seed = 0) {
  Tensor key({DType::i64, {}});
  key.set_integer(0, seed);
  std::vector<Tensor> initial = interpret(*model.module->function("init"), std::vector<Tensor>{key});
  const Function& function = *model.module->function(program);
  std::vector<Tensor> arguments = data;
  for (const Parameter& parameter : function.parameters) {
    if (parameter.role != Role::state) continue;
    for (std::size_t i = 0; i < model.state.entries.size(); ++i)
      if (model.state.entries[i].name == parameter.name) arguments.push_back(initial[i]);
  }
  REQUIRE(arguments.size() == function.parameters.size());
  return interpret(function, arguments);
}

}  // namespace

TEST_CASE("every example loads, verifies, and resolves to itself") {
  int examples = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(GRADC_SOURCE_DIR) + "/examples")) {
    if (file.path().extension() != ".json") continue;
    INFO(file.path());
    auto model = load_example(file.path().stem().string());
    CHECK(verify(*model->module).empty());
    CHECK(model->module->function("init"));
    auto again = load(model->resolved);
    CHECK(print(*again->module) == print(*model->module));
    CHECK(again->resolved == model->resolved);
    ++examples;
  }
  CHECK(examples >= 40);
}

TEST_CASE("the resolved text writes out the defaults of programs, plan and data") {
  SpecOptions options;
  options.generator_options = [](const std::string&) {
    return std::vector<std::pair<std::string, double>>{{"examples", 300}, {"noise", 0.25}};
  };
  auto model = load(R"j({"inputs": {"x": "f32[N,2]"}, "parameters": {"w": "f32[2]", "v": "f32[2]"}, "programs": {
    "a": {"minimize": "sum(x @ w)"}, "b": {"minimize": "sum(x @ v)", "optimizer": "adam", "monitor": "b.loss", "batch": 7}},
    "plan": [{"program": "a"}, {"alternate": {"b": 2, "a": 1}}],
    "data": {"train": {"generate": {"kind": "rings", "noise": 0.5}}, "resample": {"kind": "k_fold"}}})j",
                    options);
  const std::string sgd =
      R"({ "kind": "sgd", "learning_rate": 0.01, "momentum": 0, "weight_decay": 0, "clip_norm": 0, "clip_value": 0, )"
      R"("nesterov": false, "decoupled": false })";
  const std::string adam =
      R"({ "kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-08, "learning_rate": 0.001, "weight_decay": 0, )"
      R"("clip_norm": 0, "clip_value": 0, "decoupled": false })";
  for (const std::string& part :
       {R"("optimizer": )" + sgd + R"(, "epochs": 10, "accumulate": 1, "monitor": "loss", "patience": 0, "batch": 64)",
        R"("optimizer": )" + adam +
            R"(, "epochs": 10, "accumulate": 1, "monitor": "b.loss", "patience": 0, "batch": 7)",
        std::string(R"({ "program": "a", "name": "a", "epochs": 10, "batch": 64, "monitor": "loss", "patience": 0 })"),
        std::string(
            R"({ "alternate": { "b": 2, "a": 1 }, "name": "b+a", "epochs": 10, "batch": 7, "monitor": "b.loss", )"
            R"("patience": 0 })"),
        std::string(R"("generate": { "kind": "rings", "noise": 0.5, "examples": 300 })"),
        std::string(R"("resample": { "kind": "k_fold", "folds": 5, "fold": 0, "seed": 0 }, "batch": 64)")}) {
    INFO(model->resolved << "\nlacks\n" << part);
    CHECK(model->resolved.find(part) != std::string::npos);
  }
  CHECK(load(model->resolved)->resolved == model->resolved);
  const std::string wrong =
      R"({"inputs": {"x": "f32[N,2]"}, "data": {"train": {"generate": {"kind": "rings", "nois": 1}}}})";
  CHECK(errors_of(wrong, options) == "1:80: rings: unknown key `nois`; did you mean `noise`?\n");
}

TEST_CASE("the resolved text keeps what blocks take and yield, in loops and samples too") {
  const std::string block = R"j({ "inputs": { "x": "f32[N,4]" }, "blocks": { "b": { "operands": ["z"], "graph": [
      { "op": "linear", "name": "l", "x": "z", "units": 4 }, { "op": "tanh" }] } }, )j";
  const std::string plain = R"j("graph": [{ "name": "z", "value": "-x" }, { "block": "b", "name": "q", "z": "x * 2" }],
      "programs": { "train": { "minimize": "mean(q) + mean(z)", "optimizer": { "kind": "adam" } } } })j";
  const std::string loops = R"j("graph": [{ "name": "loop", "scan": { "carry": { "h": "x" }, "length": 3, "graph": [
        { "block": "b", "name": "q", "z": "x + h" }], "next": { "h": "q" }, "emit": { "y": "q" } } },
      { "name": "c", "cond": { "if": "sum(x) > 0", "else": "x",
        "then": { "graph": [{ "block": "b", "name": "p", "z": "x - 1" }], "value": "p" } } }],
      "programs": { "train": { "minimize": "mean(loop.h) + mean(c)", "optimizer": { "kind": "adam" } } } })j";
  const std::string sample = R"j("variables": { "rounds": 5 }, "graph": [{ "block": "b", "name": "q", "z": "x * 2" }],
      "programs": { "train": { "minimize": "mean(q)", "optimizer": { "kind": "adam" } } },
      "sample": { "draw": "own", "emit": "p", "length": "rounds", "stop": 0,
        "carry": { "h": { "start": "random_normal(key, step, shape=[N, 4])", "next": "p + cast(drawn[:, None], dtype=f32)" } },
        "graph": [{ "share": "q", "name": "p", "z": "h + 1" }, { "op": "linear", "name": "own", "x": "p", "units": "rounds" }] } })j";
  for (const std::string& rest : {plain, loops, sample}) {
    INFO(rest);
    auto model = load(block + rest);
    auto again = load(model->resolved);
    CHECK(print(*again->module) == print(*model->module));
    CHECK(again->resolved == model->resolved);
  }
}

TEST_CASE("LeNet-5 layer by layer") {
  auto model = load_example("lenet5");
  CHECK(layer(*model, "conv1").output.str() == "f32[N,20,28,28]");
  CHECK(layer(*model, "pool1").output.str() == "f32[N,20,14,14]");
  CHECK(layer(*model, "conv2").output.str() == "f32[N,50,14,14]");
  CHECK(layer(*model, "pool2").output.str() == "f32[N,50,7,7]");
  CHECK(layer(*model, "features").output.str() == "f32[N,2450]");
  CHECK(layer(*model, "hidden").output.str() == "f32[N,500]");
  CHECK(layer(*model, "logits").output.str() == "f32[N,10]");
  CHECK(layer(*model, "conv1").parameters == 520);
  CHECK(layer(*model, "conv2").parameters == 25050);
  CHECK(layer(*model, "hidden").parameters == 1225500);
  CHECK(parameter_count(*model) == 520 + 25050 + 1225500 + 5010);
  CHECK(layer(*model, "conv1").multiply_adds == 28 * 28 * 20 * 25);
  CHECK(layer(*model, "hidden").multiply_adds == 2450 * 500);
  CHECK(layer(*model, "conv1").receptive_field == 5);
  CHECK(layer(*model, "pool1").receptive_field == 6);
  CHECK(layer(*model, "conv2").receptive_field == 14);
  CHECK(layer(*model, "hidden").receptive_field == 0);
  auto normalised = load(R"j({"inputs": {"x": "f32[N,3,9,9]"}, "graph": [
      {"op": "conv2d", "name": "a", "x": "x", "filters": 4, "kernel": 3}, {"op": "batch_norm", "name": "n"},
      {"op": "dropout", "name": "d"}, {"op": "conv2d", "name": "b", "filters": 4, "kernel": 3}]})j");
  CHECK(layer(*normalised, "n").receptive_field == 3);
  CHECK(layer(*normalised, "b").receptive_field == 5);
  CHECK(model->batch_symbol == "N");
  REQUIRE(model->program("train"));
  CHECK(model->program("train")->trains);
  CHECK(model->program("train")->epochs == 5);
  CHECK(model->program("test")->loss == "loss");
  REQUIRE(model->program("test")->reports.size() == 1);
  CHECK(model->program("test")->reports[0].name == "accuracy");
  CHECK(model->program("test")->reports[0].boolean);
  CHECK_FALSE(model->program("predict")->trains);
  REQUIRE(model->data.train);
  CHECK(model->data.train->generator == "glyphs");
  CHECK(model->data.train->files[1].second == "train-labels-idx1-ubyte.gz");
}

TEST_CASE("labels of a cross entropy and indices of a table have declared ranges") {
  auto model = load_example("lenet5");
  const Function& train = *model->module->function("train");
  CHECK(train.parameters[1].name == "label");
  CHECK(train.parameters[1].upper == 10);
  auto table = load(R"j({"inputs": {"i": "i32[N,5]"}, "graph": [
      {"op": "embedding", "name": "e", "x": "i", "count": 27, "units": 8}]})j");
  CHECK(table->module->function("predict")->parameters[0].upper == 27);
  CHECK(layer(*table, "e").output.str() == "f32[N,5,8]");
  auto upper = [](const std::string& loss) {
    auto model = load(R"j({"inputs": {"s": "f32[N,4,7]", "i": "i32[N,4]"}, "graph": [{"name": "y", "value": "s"}],
        "programs": {"test": {"report": {"score": ")j" +
                      loss + R"j("}}}})j");
    return model->module->function("test")->parameters.back().upper;  // of `i`
  };
  CHECK(upper("mean(softmax_cross_entropy(s, i), axis=1)") == 7);
  CHECK(upper("mean(multiclass_hinge(s, i), axis=1)") == 7);
  CHECK(upper("mean(cast(i, dtype=f32), axis=1)") == 0);
}

TEST_CASE("a table has the dtype that it is given") {
  auto model = load(R"j({"inputs": {"i": "i32[N,5]", "x": "f64[N,5,8]"}, "graph": [
      {"op": "embedding", "name": "e", "x": "i", "count": 27, "units": 8, "dtype": "f64"},
      {"name": "y", "value": "e + x"}]})j");
  CHECK(layer(*model, "e").output.str() == "f64[N,5,8]");
  CHECK(errors_of(R"j({"inputs": {"i": "i32[N,5]"}, "graph": [
{"op": "embedding", "name": "e", "x": "i", "count": 27, "units": 8, "dtype": "i32"}]})j")
            .starts_with("2:78: embedding: `dtype` must be f32 or f64, got `i32`"));
}

TEST_CASE("without outputs the last node is handed out, with all its results") {
  const auto outputs = [](const std::string& graph) {
    const std::string spec = R"j({"inputs": {"x": "f32[N,4]", "index": "f32[N]"}, "graph": [)j" + graph + "]}";
    auto model = load(spec);
    CHECK(load(model->resolved)->resolved == model->resolved);
    std::string all;
    const Function& predict = *model->module->function("predict");
    for (std::size_t i = 0; i < predict.results.size(); ++i)
      all += predict.results[i].name + " " + predict.body.results[i]->type.str() + "; ";
    return all;
  };
  CHECK(outputs(R"j({"op": "relu", "name": "y", "x": "x"})j") == "y f32[N,4]; ");
  CHECK(outputs(R"j({"op": "top_k", "name": "t", "x": "x", "k": 2})j") == "values f32[N,2]; output_index i32[N,2]; ");
  CHECK(outputs(R"j({"op": "top_k", "x": "x", "k": 2})j") == "values f32[N,2]; output_index i32[N,2]; ");
  CHECK(outputs(R"j({"op": "split", "name": "s", "x": "x", "sizes": [1, 3], "axis": 1})j") ==
        "output_0 f32[N,1]; output_1 f32[N,3]; ");
}

TEST_CASE("parameter counts of the lecture's networks") {
  auto conv = load(R"j({"inputs": {"x": "f32[N,3,32,32]"}, "graph": [
      {"op": "conv2d", "name": "c", "x": "x", "filters": 10, "kernel": 5, "padding": 2}]})j");
  CHECK(layer(*conv, "c").parameters == 760);
  CHECK(layer(*conv, "c").multiply_adds == 768000);
  CHECK(layer(*conv, "c").output.str() == "f32[N,10,32,32]");
  auto dense = [](const std::string& units) {
    std::string graph;
    std::istringstream stream(units);
    for (std::string width; stream >> width;)
      graph += (graph.empty() ? R"j({"op":"linear","x":"x","name":"l)j" : R"j(,{"op":"linear","name":"l)j") +
               std::to_string(graph.size()) + R"j(","units":)j" + width + "}";
    return load(R"j({"inputs": {"x": "f32[N,3]"}, "graph": [)j" + graph + "]}");
  };
  CHECK(parameter_count(*dense("4 2")) == 26);
  CHECK(parameter_count(*dense("4 4 1")) == 41);
}

TEST_CASE("a width of 5, filter 3, padding 1: the outputs of strides 1, 2 and 3") {
  auto width = [](int stride, std::size_t warnings) {
    auto model = load(R"j({"inputs": {"x": "f32[N,1,5]"}, "graph": [
      {"op": "conv1d", "name": "c", "x": "x", "filters": 1, "kernel": 3, "padding": 1, "stride": )j" +
                      std::to_string(stride) + "}]}");
    CHECK(model->warnings.size() == warnings);
    if (warnings)
      CHECK(model->warnings[0].message ==
            "conv1d: kernel 3 with stride 3 leaves out the last 1 of 7 positions of dimension 2");
    return layer(*model, "c").output.str();
  };
  CHECK(width(1, 0) == "f32[N,1,5]");
  CHECK(width(2, 0) == "f32[N,1,3]");
  CHECK(width(3, 1) == "f32[N,1,2]");
  auto square = load(R"j({"inputs": {"x": "f32[N,1,5,6]"}, "graph": [{"op": "max_pool2d", "x": "x", "window": 2},
      {"op": "max_pool2d", "window": 2, "padding": [0, 1]}]})j");
  REQUIRE(square->warnings.size() == 2);
  CHECK(square->warnings[0].message ==
        "max_pool2d: window 2x2 with stride 2x2 leaves out the last 1 of 5 positions of dimension 2");
  CHECK(square->warnings[1].message ==
        "max_pool2d: window 2x2 with stride 2x2 leaves out the last 1 of 5 positions of dimension 3");
  auto both = load(R"j({"inputs": {"x": "f32[N,1,5,7]"}, "graph": [{"op": "max_pool2d", "x": "x", "window": 2}]})j");
  REQUIRE(both->warnings.size() == 1);
  CHECK(both->warnings[0].message ==
        "max_pool2d: window 2x2 with stride 2x2 leaves out the last 1 of 5 positions of dimension 2, and the last 1 of "
        "7 positions of dimension 3");
}

TEST_CASE("padding: numbers, lists and same") {
  auto shape = [](const std::string& attributes) {
    auto model = load(R"j({"inputs": {"x": "f32[N,4,9,7]"}, "graph": [
      {"op": "conv2d", "name": "c", "x": "x", "filters": 6, )j" +
                      attributes + "}]}");
    return layer(*model, "c").output.str();
  };
  CHECK(shape(R"j("kernel": 3, "padding": "same")j") == "f32[N,6,9,7]");
  CHECK(shape(R"j("kernel": [3, 2], "padding": "same", "stride": 2)j") == "f32[N,6,5,4]");
  CHECK(shape(R"j("kernel": [3, 5], "padding": [0, 2])j") == "f32[N,6,7,7]");
  CHECK(shape(R"j("kernel": 3, "dilation": 2)j") == "f32[N,6,5,3]");
  CHECK(shape(R"j("kernel": 1, "groups": 2)j") == "f32[N,6,9,7]");
}

TEST_CASE("known answers of the forward graphs") {
  CHECK(run(*load_example("trace-product"), "predict", {scalar(-2), scalar(5), scalar(-4)})[0].get(0) == -12);
  // (x1 x2 sin x3 + e^(x1 x2)) / x3 at (1, 2, π/2) is (2 + e²) / (π/2).
  double half_pi = 1.5707963267948966;
  CHECK(run(*load_example("trace-sine"), "predict", {scalar(1), scalar(2), scalar(half_pi)})[0].get(0) ==
        Approx((2 + 7.38905609893065) / half_pi).epsilon(1e-14));
  CHECK(run(*load_example("trace-neuron"), "predict", {scalar(-1), scalar(-2)})[0].get(0) ==
        Approx(0.7310585786300049).epsilon(1e-14));
  Tensor x = Tensor::of({DType::f64, {4}}, {1, -1, 3, 2});
  CHECK(run(*load_example("trace-hidden"), "predict", {x})[0].get(0) == Approx(0.25).margin(0.005));
  auto three = load_example("trace-three-layers");
  auto y = run(*three, "predict", {Tensor::of({DType::f64, {1, 2}}, {1, -1})});
  CHECK(y[0].get(0) == Approx(0.62).margin(0.005));
  CHECK(y[0].get(1) == Approx(0.83).margin(0.005));
  y = run(*three, "predict", {Tensor::of({DType::f64, {1, 2}}, {0, 0})});
  CHECK(y[0].get(0) == Approx(0.51).margin(0.005));
  CHECK(y[0].get(1) == Approx(0.85).margin(0.005));
}

TEST_CASE("initialisers draw what they say") {
  auto model = load(R"j({"inputs": {}, "parameters": {
      "u": {"type": "f64[2000]", "init": "uniform(-1, 3)"},
      "n": {"type": "f64[2000]", "init": "normal(2, 0.5)"},
      "t": {"type": "f64[2000]", "init": "truncated_normal"},
      "h": {"type": "f64[40,50]", "init": "he_uniform"},
      "g": {"type": "f64[40,50]", "init": "glorot_normal"},
      "d": {"type": "f64[8,25,2,5]"},
      "i": {"type": "f64[2,3]", "init": "identity"},
      "c": {"type": "i32[3]", "init": "constant(7)"}}})j");
  auto draw = [&](std::int64_t seed) {
    Tensor key({DType::i64, {}});
    key.set_integer(0, seed);
    return interpret(*model->module->function("init"), std::vector<Tensor>{key});
  };
  std::vector<Tensor> state = draw(3);
  auto moments = [&](std::size_t i) {
    double sum = 0, squares = 0, low = 1e9, high = -1e9;
    for (std::int64_t k = 0; k < state[i].elements(); ++k) {
      double v = state[i].get(k);
      sum += v, squares += v * v, low = std::min(low, v), high = std::max(high, v);
    }
    double n = static_cast<double>(state[i].elements()), mean = sum / n;
    return std::array<double, 4>{mean, std::sqrt(squares / n - mean * mean), low, high};
  };
  auto [um, ud, ul, uh] = moments(0);
  CHECK(um == Approx(1).margin(0.1));
  CHECK((ul >= -1 && ul < -0.98 && uh < 3 && uh > 2.98));
  auto [nm, nd, nl, nh] = moments(1);
  CHECK(nm == Approx(2).margin(0.05));
  CHECK(nd == Approx(0.5).margin(0.03));
  auto [tm, td, tl, th] = moments(2);
  CHECK((tl >= -2 && th <= 2));
  CHECK(td == Approx(0.8796).margin(0.05));  // deviation of a normal cut at ±2
  double bound = std::sqrt(6.0 / 50);
  auto [hm, hd, hl, hh] = moments(3);
  CHECK((hl >= -bound && hl < -0.95 * bound && hh <= bound && hh > 0.95 * bound));
  auto [gm, gd, gl, gh] = moments(4);
  CHECK(gd == Approx(std::sqrt(2.0 / 90)).epsilon(0.08));
  bound = 1 / std::sqrt(250.0);  // the default: fan_in 25 · 2 · 5
  auto [dm, dd, dl, dh] = moments(5);
  CHECK((dl >= -bound && dl < -0.95 * bound && dh <= bound && dh > 0.95 * bound));
  CHECK(state[6] == Tensor::of({DType::f64, {2, 3}}, {1, 0, 0, 0, 1, 0}));
  CHECK(state[7] == Tensor::of({DType::i32, {3}}, {7, 7, 7}));
  CHECK(state[0].get(0) != state[1].get(0));
  CHECK(draw(3)[1] == state[1]);
  CHECK_FALSE(draw(4)[1] == state[1]);
}

TEST_CASE("dropout and batch statistics act in training alone") {
  auto model = load(R"j({"inputs": {"x": "f32[N,4]"}, "graph": [
      {"op": "batch_norm", "name": "b", "x": "x"}, {"op": "dropout", "rate": 0.25},
      {"op": "linear", "name": "l", "units": 1}],
      "programs": {"train": {"minimize": "mean(square(l))"}, "test": {"report": {"y": "l"}}}})j");
  std::string train = print(*model->module->function("train")), test = print(*model->module->function("test"));
  CHECK(train.find("random_uniform") != std::string::npos);
  CHECK(train.find("state b.running_mean") != std::string::npos);
  CHECK(test.find("random_uniform") == std::string::npos);
  CHECK(test.find("%b.running_mean") != std::string::npos);
  CHECK(verify(*model->module).empty());
  const StateEntry* statistic = model->state.find("b.running_var");
  REQUIRE(statistic);
  CHECK(statistic->kind == StateEntry::Kind::statistic);
  CHECK_FALSE(model->state.find("b.running_var.momentum"));
}

TEST_CASE("blocks, copies and sharing") {
  auto model = load(R"j({"inputs": {"x": "f32[N,8]", "y": "f32[N,8]"}, "variables": {"w": 8},
      "blocks": {"res": {"arguments": {"c": "w", "scale": 1}, "graph": [
        {"op": "linear", "name": "f", "units": "c"}, {"op": "relu"},
        {"name": "out", "value": "x + scale * f"}]}},
      "graph": [
        {"block": "res", "name": "3a", "x": "x", "scale": 0.5},
        {"block": "res", "name": "stack", "repeat": 2},
        {"op": "linear", "name": "head", "units": 2},
        {"block": "res", "name": "again", "share": "3a", "x": "y"},
        {"share": "head", "name": "other"},
        {"name": "sum", "value": "other + head + sum(stack.1.f)"}]})j");
  CHECK(verify(*model->module).empty());
  std::vector<std::string> names;
  for (const StateEntry& entry : model->state.entries)
    if (entry.kind == StateEntry::Kind::parameter) names.push_back(entry.name);
  CHECK(names == std::vector<std::string>{"3a.f.weight", "3a.f.bias", "stack.0.f.weight", "stack.0.f.bias",
                                          "stack.1.f.weight", "stack.1.f.bias", "head.weight", "head.bias"});
  CHECK(layer(*model, "again.f").parameters == 0);
  auto again = load(model->resolved);
  CHECK(print(*again->module) == print(*model->module));
}

TEST_CASE("nodes may stand in any order, functions and variables apply everywhere") {
  auto model = load(R"j({"inputs": {"x": "f64[N,n]"}, "variables": {"n": 3, "half": "n / 2"},
      "functions": {"swish": {"value": "x * sigmoid(beta * x)", "arguments": {"beta": 1}}},
      "graph": [{"name": "z", "value": "swish(y, beta=half) + n"}, {"name": "y", "value": "2 * x - half"},
                {"op": "swish", "x": "z", "beta": 2}]})j");
  Tensor x = Tensor::of({DType::f64, {1, 3}}, {0.25, 1, -1});
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  auto function = clone_function(*model->module->function("predict"));
  std::vector<double> expected;
  for (double v : {0.25, 1.0, -1.0}) {
    double y = 2 * v - 1.5, z = y * sigmoid(1.5 * y) + 3;
    expected.push_back(z * sigmoid(2 * z));
  }
  // The batch is open in the graph: a spec with numbers gives the values.
  auto closed = load(R"j({"inputs": {"x": "f64[1,n]"}, "variables": {"n": 3, "half": "n / 2"},
      "functions": {"swish": {"value": "x * sigmoid(beta * x)", "arguments": {"beta": 1}}},
      "graph": [{"name": "z", "value": "swish(y, beta=half) + n"}, {"name": "y", "value": "2 * x - half"},
                {"op": "swish", "x": "z", "beta": 2}]})j");
  auto result = run(*closed, "predict", {x});
  for (int i = 0; i < 3; ++i) CHECK(result[0].get(i) == Approx(expected[static_cast<std::size_t>(i)]).epsilon(1e-13));
  CHECK(function->body.results[0]->type.str() == "f64[N,3]");
  SpecOptions options;
  options.set = {{"variables.n", "5"}, {"graph.z.value", "y"}};
  auto other = load(R"j({"inputs": {"x": "f64[N,n]"}, "variables": {"n": 3},
      "graph": [{"name": "y", "value": "x + n"}, {"name": "z", "value": "y * 2"}]})j",
                    options);
  CHECK(other->module->function("predict")->body.results[0]->type.str() == "f64[N,5]");
}

TEST_CASE("a shape may have several symbols") {
  auto model = load(R"j({"inputs": {"x": "f32[N,T,2*T]"}, "graph": [{"name": "s", "value": "sum(exp(x), axis=2)"}]})j");
  CHECK(model->module->function("predict")->body.results[0]->type.str() == "f32[N,T]");
  CHECK(model->batch_symbol == "N");
}

TEST_CASE("programs train what they name, and regularise it") {
  auto model = load(R"j({"inputs": {"x": "f32[N,4]"}, "graph": [
      {"op": "linear", "name": "a", "x": "x", "units": 3}, {"op": "linear", "name": "b", "units": 1}],
      "freeze": "b.bias", "regularize": [{"l2": 0.5, "on": "*.weight"}, {"l1": 0.25, "on": "a.*"}],
      "programs": {
        "train": {"minimize": "mean(b)", "optimizer": {"kind": "adam", "learning_rate": 0.5}},
        "second": {"maximize": "mean(b)", "parameters": ["b.*"], "optimizer": "sgd"}}})j");
  auto trained = [&](const std::string& program) {
    std::vector<std::string> names;
    for (const FunctionResult& result : model->module->function(program)->results)
      if (result.role == Role::state) names.push_back(result.name);
    return names;
  };
  CHECK(trained("train") == std::vector<std::string>{"a.weight", "a.weight.train.m", "a.weight.train.v", "a.bias",
                                                     "a.bias.train.m", "a.bias.train.v", "b.weight", "b.weight.train.m",
                                                     "b.weight.train.v", "step", "train.step"});
  CHECK(trained("second") == std::vector<std::string>{"b.weight", "step", "second.step"});
  const Function& train = *model->module->function("train");
  CHECK(train.parameters.back().role == Role::scalar);
  std::size_t abs = 0, square = 0;
  walk(train.body, [&](const Node& node) { abs += node.op->name == "abs", square += node.op->name == "square"; });
  CHECK(abs == 2);
  CHECK(square == 2);
  CHECK(verify(*model->module).empty());
}
