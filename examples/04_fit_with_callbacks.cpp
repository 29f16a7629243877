// Lesson 4: the training loop that comes with gradc: epochs, shuffling, metrics, a callback that stops it, weights in a
// file. Two half moons, which interlock, are told apart. Prints the accuracy of some epochs, and
//
//   stopped after … epochs
//   the same from a file: yes
#include <gradc/gradc.h>

#include <cmath>
#include <cstdio>
#include <random>

using namespace gradc;

// Points on two half circles with some noise, by turns of class 0 and 1.
runtime::DataSet half_moons(int count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(0, 0.1F);
  std::uniform_real_distribution<float> angle(0, 3.14159F);
  std::vector<float> x;
  std::vector<std::int32_t> y;
  for (int i = 0; i < count; ++i) {
    const float t = angle(random), side = i % 2 == 0 ? 1.0F : -1.0F;
    x.push_back(side * std::cos(t) + (i % 2 == 0 ? 0 : 1) + noise(random));
    x.push_back(side * (std::sin(t) - 0.25F) + noise(random));
    y.push_back(i % 2);
  }
  return examples({{"x", {x, {count, 2}}}, {"y", y}});
}

int main() {
  Model m("moons");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 2}), y = m.input("y", i32, {n});
  Expr logits = linear(m, "logits", tanh(linear(m, "hidden", x, 16)), 2);
  m.output("class", argmax(logits));
  Program train = m.minimize("train", mean(softmax_cross_entropy(logits, y)), adam({.learning_rate = 0.02}));
  m.evaluate("test", "accuracy", argmax(logits) == y);  // a value per example; fit reports its average

  const runtime::DataSet training = half_moons(400, 1), test = half_moons(200, 2);
  runtime::FitOptions options;
  options.epochs = 200;
  options.batch = 32;
  options.quiet = true;  // the callback prints
  options.on_epoch = [](const runtime::EpochEvent& event) {
    const double accuracy = *runtime::metric(event.test, "accuracy");
    if (event.epoch % 5 == 1) std::printf("epoch %d: accuracy %.3f\n", static_cast<int>(event.epoch), accuracy);
    return accuracy < 0.99;  // false stops
  };
  State state = m.init(/*seed=*/0);
  const runtime::FitResult result = fit(compile(m, train), state, {.train = &training, .test = &test}, options);
  std::printf("stopped after %d epochs\n", static_cast<int>(result.last.epoch));

  // Weights are a safetensors file, which PyTorch reads too.
  state.save("moons.safetensors");
  State other = m.init(/*seed=*/1);
  other.load("moons.safetensors");
  Executable predict = compile(m, "predict");
  const std::vector<float> points = {0, 1, 1, -1, 0.5F, 0};
  const bool same = predict(state, {{"x", points}})["class"] == predict(other, {{"x", points}})["class"];
  std::printf("the same from a file: %s\n", same ? "yes" : "no");
  return result.outcome == runtime::Outcome::stopped && result.last.epoch < 200 && same ? 0 : 1;
}
