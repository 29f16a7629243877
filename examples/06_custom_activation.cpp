// Lesson 6: an activation with a gradient of its own. Swish is x · sigmoid(βx); its gradient is written from its input
// and its result, and agrees with the derived one. Both are differentiated again alike. Prints:
//
//   largest difference of the gradients: 0 but for rounding
//   largest difference of the second derivatives: 0 but for rounding
//   loss before: 0.5 or more, after: less than 0.02
#include <gradc/gradc.h>

#include <algorithm>
#include <cmath>
#include <iostream>

using namespace gradc;

constexpr double kBeta = 1.5;

Expr swish(const Expr& x) { return x * sigmoid(kBeta * x); }

Expr my_swish(const Expr& x) {
  return custom_vjp(
      {x}, [](const std::vector<Expr>& in) { return swish(in[0]); },
      [](const std::vector<Expr>& in, Expr result, Expr cotangent) {
        Expr s = sigmoid(kBeta * in[0]);
        return std::vector<Expr>{cotangent * (s + kBeta * result * (1 - s))};
      });
}

int main() {
  // The gradients of both, and the gradients of their sums.
  Model check("check");
  Expr x = check.input("x", f64, {5});
  Expr derived = grad(sum(swish(x)), x), given = grad(sum(my_swish(x)), x);
  check.output("first", max(abs(derived - given)));
  check.output("second", max(abs(grad(sum(derived), x) - grad(sum(given), x))));
  State none = check.init();
  Result difference = compile(check, "predict")(none, {{"x", {-3.0, -1.0, 0.0, 0.5, 4.0}}});
  const double first = difference["first"].get(0), second = difference["second"].get(0);
  std::cout << "largest difference of the gradients: " << first
            << "\nlargest difference of the second derivatives: " << second;

  // A net with it learns a parabola.
  Model m("parabola");
  Expr in = m.input("in", f32, {m.dim("N"), 1});
  Expr y = linear(m, "out", my_swish(linear(m, "hidden", in, 16)), 1);
  Program train = m.minimize("train", mean(square(y - 2 * square(in))), adam({.learning_rate = 0.02}));
  std::vector<float> points;
  for (int i = 0; i < 64; ++i) points.push_back(static_cast<float>(i) / 32 - 1);
  Executable step = compile(m, train);
  State state = m.init(/*seed=*/1);
  const double before = step(state, {{"in", points}}).loss();
  double after = before;
  for (int i = 0; i < 400; ++i) after = step(state, {{"in", points}}).loss();
  std::cout << "\nloss before: " << before << ", after: " << after << "\n";
  return first < 1e-14 && second < 1e-14 && before > 0.5 && after < 0.02 ? 0 : 1;
}
