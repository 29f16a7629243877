// The losses with first and second derivatives, against PyTorch's.
#include "golden.h"
#include "tests/support/catch.h"

using namespace gradc;

TEST_CASE("losses and their derivatives are PyTorch's") {
  // Both systems compute in f64, through different formulas of softmax and sigmoid; the numbers have 13 digits.
  check_golden_models("losses.json", 1e-11);
}
