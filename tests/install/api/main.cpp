// Links the installed C++ API: builds a model, compiles it in process, and trains it until the loss has halved.
#include <gradc/gradc.h>

#include <cstdio>
#include <vector>

int main() {
  using namespace gradc;
  Model m("mlp");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 2}), y = m.input("y", i32, {n});
  Expr logits = linear(m, "logits", relu(linear(m, "hidden", x, 16)), 2);
  Program train = m.minimize("train", mean(softmax_cross_entropy(logits, y)), sgd({.learning_rate = 0.5}));
  Executable step = compile(m, train);
  State state = m.init(0);

  const std::vector<float> points = {0, 0, 0, 1, 1, 0, 1, 1};
  const std::vector<std::int32_t> classes = {0, 1, 1, 0};
  const float first = step(state, {{"x", points}, {"y", classes}}).loss();
  float last = first;
  for (int i = 0; i < 300; ++i) last = step(state, {{"x", points}, {"y", classes}}).loss();
  std::printf("%s %s\n", logits.type().str().c_str(), last < first / 2 ? "trained" : "not trained");
}
