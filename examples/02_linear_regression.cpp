// Lesson 2: linear regression, y = 3 x0 - 2 x1 + 1, found by gradient descent. Prints:
//
//   step 0: loss 14
//   step 10: loss 0.161
//   step 20: loss 0.00186
//   w = (3, -2), b = 1
//
// On the corners of a square centred at 0 the three unknowns do not disturb each other: with mean squared error and
// rate 0.1 each step takes a fifth of each error away, so the loss after i steps is 14 · 0.8^(2i).
#include <gradc/gradc.h>

#include <cmath>
#include <cstdio>

using namespace gradc;

int main() {
  Model m("regression");
  Dim n = m.dim("N");  // the number of examples, known at each call
  Expr x = m.input("x", f64, {n, 2}), y = m.input("y", f64, {n});

  // A parameter has a type and an initialiser; zeros will do, the problem is convex.
  Expr w = m.parameter("w", f64, {2}, "zeros"), b = m.parameter("b", f64, {}, "zeros");
  Expr error = sum(x * w, {.axis = {1}}) + b - y;  // x * w broadcasts: [N,2] by [2]

  // A program is an objective with an optimizer. Its gradients are derived, nobody writes them.
  Program train = m.minimize("train", mean(square(error)), sgd({.learning_rate = 0.1}));
  Executable step = compile(m, train);
  State state = m.init();

  const std::vector<double> xs = {-1, -1, -1, 1, 1, -1, 1, 1};  // row-major: a row is an example
  const std::vector<double> ys = {0, -4, 6, 2};
  bool right = true;
  for (int i = 0; i < 100; ++i) {
    const double loss = step(state, {{"x", xs}, {"y", ys}}).loss();  // before the update
    if (i <= 20 && i % 10 == 0) std::printf("step %d: loss %.3g\n", i, loss);
    right = right && std::abs(loss - 14 * std::pow(0.64, i)) <= 1e-5 * loss;
  }

  // The state holds the parameters by name.
  const Tensor weights = state.get("w");
  const double w0 = weights.get(0), w1 = weights.get(1), bias = state.get("b").get(0);
  std::printf("w = (%.4g, %.4g), b = %.4g\n", w0, w1, bias);
  right = right && std::abs(w0 - 3) < 1e-6 && std::abs(w1 + 2) < 1e-6 && std::abs(bias - 1) < 1e-6;
  return right ? 0 : 1;
}
