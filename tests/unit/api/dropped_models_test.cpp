// Models that are compiled, run and dropped leave nothing behind.
#include <gradc/gradc.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/catch.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what is freed for a while

using namespace gradc;

namespace {

double resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

// A network of its own for each number, trained by one step.
void compile_run_drop(int number) {
  Model m("dropped");
  Dim n = m.dim("N");
  Expr x = m.input("x", f32, {n, 3}), label = m.input("label", i32, {n});
  Expr hidden = relu(linear(m, "hidden", x, 8 + number % 50));
  Expr logits = linear(m, "logits", hidden, 2 + number / 50);
  Program train = m.minimize("train", mean(softmax_cross_entropy(logits, label)), adam({.learning_rate = 0.01}));
  State state = m.init(number);
  const std::vector<float> points = {0.1F, 0.2F, 0.3F, -0.1F, -0.2F, -0.3F};
  const std::vector<std::int32_t> labels = {0, 1};
  REQUIRE(compile(m, train)(state, {{"x", points}, {"label", labels}}).loss() > 0);
}

// Megabytes that the process grows by from `warm` models to `all`.
double growth(int warm, int all) {
  int number = 0;
  while (number < warm) compile_run_drop(number++);
  const double before = resident_megabytes();
  while (number < all) compile_run_drop(number++);
  return resident_megabytes() - before;
}

}  // namespace

// An object of such a model has some 20 kB of code, its graphs and LLVM modules megabytes: what is kept of each shows.
// Allocators and caches of LLVM move by less than the bounds.
TEST_CASE("models that are dropped leave nothing behind") {
  if (resident_megabytes() == 0) return;
  CHECK(growth(10, 30) < 4);
}

TEST_CASE("a thousand models that are dropped leave nothing behind", "[slow]") {
  if (resident_megabytes() == 0) return;
  CHECK(growth(100, 1000) < 8);
}

#endif
