// Recurrent layers and attention, against PyTorch's.
#include "golden.h"
#include "gradc/ops.h"
#include "ir/text.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;

TEST_CASE("recurrent layers and attention are PyTorch's, with every gradient") {
  // Both systems compute in f64; only the order of sums differs.
  check_golden_models("recurrent.json", 1e-12);
}

TEST_CASE("recurrent layers in C++ are those of specs") {
  Model m("model");
  Expr x = m.input("x", f32, {m.dim("N"), 6, 4}), h0 = m.input("h0", f32, {2, m.dim("N"), 3});
  auto [states, last, h] = gru(m, "g", x, 3, {.layers = 2, .dropout = 0.5, .h = h0});
  LstmResults top = lstm(m, "top", states, 5, {.bidirectional = true});
  Expr seen = multi_head_attention(m, "a", top, 2, {.causal = true});
  m.output("y", seen);
  m.output("c", top.c);
  m.output("last", last);
  Expr small = mean(square(seen));
  m.minimize("train", small + sum(h), sgd());
  auto spec = load(R"j({"name": "model", "inputs": {"x": "f32[N,6,4]", "h0": "f32[2,N,3]"}, "graph": [
    {"op": "gru", "name": "g", "x": "x", "units": 3, "layers": 2, "dropout": 0.5, "h": "h0"},
    {"op": "lstm", "name": "top", "units": 5, "bidirectional": true},
    {"op": "multi_head_attention", "name": "a", "x": "top", "heads": 2, "causal": true}],
    "outputs": {"y": "a", "c": "top.c", "last": "g.last"},
    "programs": {"train": {"minimize": "mean(square(a)) + sum(g.h)", "optimizer": "sgd"}}})j");
  CHECK(print(*m.graph()->module) == print(*spec->module));
  CHECK(spec->state.find("g.weight_ih_l1"));
  CHECK(spec->state.find("top.bias_hh_l0_reverse"));
  CHECK(spec->state.find("a.out_proj.weight"));
}

TEST_CASE("what does not fit a recurrent layer is told") {
  auto error = [](const std::string& node) {
    return errors_of("{\"inputs\": {\"x\": \"f32[N,5,6]\", \"h\": \"f32[1,N,3]\"}, \"graph\": [\n" + node + "]}");
  };
  CHECK(error(R"j({"op": "lstm", "name": "l", "x": "x", "units": 4, "h": "h"})j")
            .starts_with("2:1: lstm: `h` must be f32[1,N,4] (layers · directions, N, units), got f32[1,N,3]\n"));
  CHECK(error(R"j({"op": "rnn", "name": "l", "x": "h[0]", "units": 4})j")
            .starts_with("2:1: rnn: `x` must be [N, T, features], got f32[N,3]\n"));
  CHECK(error(R"j({"op": "rnn", "name": "l", "x": "x", "units": 4, "nonlinearity": "tan"})j")
            .starts_with("2:66: rnn: `nonlinearity` must be tanh or relu, got `tan`; did you mean `tanh`?\n"));
  CHECK(error(R"j({"op": "gru", "name": "l", "x": "x", "units": 4, "bidirectional": true, "reverse": true})j")
            .starts_with("2:84: gru: runs in both directions already, `reverse` is for one\n"));
  CHECK(error(R"j({"op": "multi_head_attention", "name": "l", "x": "x", "heads": 4})j")
            .starts_with("2:64: multi_head_attention: 4 heads do not divide the 6 features of `x`\n"));
  CHECK(error(R"j({"op": "multi_head_attention", "name": "l", "x": "x", "keys": "h", "heads": 2})j")
            .starts_with(
                "2:1: multi_head_attention: `keys` must be [N, S, features] beside f32[N,5,6], got f32[1,N,3]\n"));
  CHECK(error(R"j({"op": "lstm", "x": "x", "units": 4})j") == "2:1: lstm owns parameters and needs a `name`\n");
}
