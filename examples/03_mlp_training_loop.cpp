// Lesson 3: a network with one hidden layer and a training loop of your own. It learns whether a point lies inside of
// the unit circle. Prints a loss that falls from about ln 2 = 0.69, the loss of a guess between two classes, and
//
//   (0.0, 0.0) inside: more than 0.9
//   (1.4, 1.4) inside: less than 0.1
#include <gradc/gradc.h>

#include <cstdio>
#include <random>

using namespace gradc;

int main() {
  Model m("circle");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 2}), y = m.input("y", i32, {n});

  // A layer owns parameters, so it has a name: hidden.weight [32,2], hidden.bias [32], logits.weight [2,32], …
  Expr h = relu(linear(m, "hidden", x, 32));
  Expr logits = linear(m, "logits", h, 2);
  m.output("probability", softmax(logits));
  Program train =
      m.minimize("train", mean(softmax_cross_entropy(logits, y)), sgd({.learning_rate = 0.2, .momentum = 0.9}));

  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1.5F, 1.5F);
  std::vector<float> points;
  std::vector<std::int32_t> inside;
  for (int i = 0; i < 512; ++i) {
    const float a = uniform(random), b = uniform(random);
    points.insert(points.end(), {a, b});
    inside.push_back(a * a + b * b < 1 ? 1 : 0);
  }

  // An executable is compiled for each shape at its first call, and kept. The state is yours: parameters and momentum.
  Executable step = compile(m, train);
  State state = m.init(/*seed=*/0);
  float first = 0, loss = 0;
  for (int i = 0; i <= 300; ++i) {
    Result r = step(state, {{"x", points}, {"y", inside}});
    loss = r.loss();
    if (i == 0) first = loss;
    if (i % 100 == 0) std::printf("step %d: loss %.3f\n", i, static_cast<double>(loss));
  }

  // `predict` takes the inputs that the outputs need, here with two examples, and reads the same state.
  Executable predict = compile(m, "predict");
  Result r = predict(state, {{"x", {0.0F, 0.0F, 1.4F, 1.4F}}});
  const double centre = r["probability"].get(1), corner = r["probability"].get(3);  // [2,2]: example by class
  std::printf("(0.0, 0.0) inside: %.2f\n(1.4, 1.4) inside: %.2f\n", centre, corner);
  return loss < 0.2F * first && centre > 0.9 && corner < 0.1 ? 0 : 1;
}
