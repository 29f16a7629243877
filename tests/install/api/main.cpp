// Links the installed C++ API: builds a model, and prints the type of what it computes.
#include <gradc/gradc.h>

#include <cstdio>

int main() {
  using namespace gradc;
  Model m("mlp");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 784}), y = m.input("y", i32, {n});
  Expr logits = linear(m, "logits", relu(linear(m, "hidden", x, 512)), 10);
  m.minimize("train", mean(softmax_cross_entropy(logits, y)), sgd({.learning_rate = 0.1}));
  std::puts(logits.type().str().c_str());
}
