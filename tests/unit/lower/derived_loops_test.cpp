// Random loops with their gradients, through all passes and the kernel interpreter: the gradient's loops, residuals and
// what was hoisted out of them mean what the graph means.
#include "tests/unit/lower/harness.h"
#include "tests/unit/passes/random_loops.h"

using namespace gradc;
using namespace gradc::testing;

namespace {

void check_seeds(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t seed = first; seed < last; ++seed) {
    const test::RandomLoops loops(seed);
    const std::unique_ptr<Function> reference = test::derived(loops.function(), false);
    Module module;
    module.functions.push_back(clone_function(*reference));
    Options options;
    options.verify_each = true;
    optimize(module, options);
    for (const int level : {0, 2}) {
      INFO("seed " << seed << " at level " << level << "\n" << print(*module.functions[0]));
      // Sums in another order, of slopes near 1, in f64.
      check_close(run_both(module, "haswell", level, reference.get(), seed), 1e-9);
    }
  }
}

}  // namespace

TEST_CASE("gradients of random loops are lowered rightly") { check_seeds(0, 25); }

// A loop in a branch begins with what the branch gives, while the branch still reads the carried value before it.
TEST_CASE("a branch does not write over a carried value that it reads again") { check_seeds(213, 214); }

TEST_CASE("views stay behind a buffer that a copy made one with another") {
  for (std::uint32_t seed : {151U, 193U}) check_seeds(seed, seed + 1);
}

TEST_CASE("gradients of many random loops are lowered rightly", "[slow]") { check_seeds(25, 300); }
