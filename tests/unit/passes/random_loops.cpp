// Random loops: their derivatives against those of the unrolled graph, and what the optimiser makes of them.
#include "tests/unit/passes/random_loops.h"

#include <cmath>

#include "tests/unit/passes/graphs.h"
#include "tests/unit/passes/unroll.h"

using namespace gradc;
using namespace gradc::test;

namespace {

std::vector<Tensor> arguments_of(const Function& function, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<Tensor> result;
  for (const auto& parameter : function.body.parameters) {
    Tensor tensor(parameter->type);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, uniform(random));
    result.push_back(std::move(tensor));
  }
  return result;
}

// Rounding of sums in other orders, through up to some hundred steps of slopes near 1.
void check_near(const std::vector<Tensor>& found, const std::vector<Tensor>& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t r = 0; r < found.size(); ++r) {
    for (std::int64_t i = 0; i < found[r].elements(); ++i) {
      const double a = found[r].get(i), b = expected[r].get(i);
      INFO("result " << r << " element " << i << ": " << a << " and " << b);
      REQUIRE((a == b || std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a), std::abs(b)})));
    }
  }
}

void check_seeds(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t seed = first; seed < last; ++seed) {
    const RandomLoops loops(seed);
    const std::unique_ptr<Function> straight = derived(*unrolled(loops.function()), seed % 4 == 0);
    Module module;
    module.functions.push_back(derived(loops.function(), seed % 4 == 0));
    INFO("seed " << seed << "\n" << print(loops.function()));
    const std::vector<Tensor> arguments = arguments_of(*straight, seed);
    const std::vector<Tensor> found = interpret(*module.functions[0], arguments);
    check_near(found, interpret(*straight, arguments), 1e-9);
    run_passes(module, {"expand_composites", "eliminate_common_subexpressions", "simplify", "fold_constants",
                        "eliminate_dead_code", "eliminate_common_subexpressions", "eliminate_dead_code"});
    check_near(interpret(*module.functions[0], arguments), found, 0);
    run_passes(module, {"hoist_from_scan", "simplify", "eliminate_common_subexpressions", "eliminate_dead_code"});
    const std::vector<Tensor> hoisted = interpret(*module.functions[0], arguments);
    check_near(hoisted, found, 1e-9);
    run_passes(module, {"merge_loops", "eliminate_common_subexpressions", "eliminate_dead_code"});
    check_near(interpret(*module.functions[0], arguments), hoisted, 0);
  }
}

}  // namespace

TEST_CASE("random loops are differentiated and optimised rightly") { check_seeds(0, 100); }

TEST_CASE("many random loops are differentiated and optimised rightly", "[slow]") { check_seeds(100, 1000); }
