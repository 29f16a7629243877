// Which dimension a reduction's lanes run over.
#include "compiler/analysis/reduction.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

// Σ k x[i, k] w[k, j] over [i, j].
IndexedForm product(std::int64_t m, std::int64_t n, std::int64_t k) {
  IndexedForm form;
  form.domain = {m, n};
  form.reduction = {k};
  form.combiner = Combiner::sum;
  form.accesses = {{0, {variable(3, 0), variable(3, 2)}, false, 0}, {1, {variable(3, 2), variable(3, 1)}, false, 0}};
  return form;
}

}  // namespace

TEST_CASE("lanes run over neighbours, whether there is anything to sum or not") {
  const Target& target = *find_target("znver5");
  const ReductionPlan outer = plan_reduction(product(64, 32, 1), {{64, 1}, {1, 32}}, DType::f32, target);
  CHECK_FALSE(outer.rows);
  CHECK(outer.lane == 1);
  const ReductionPlan row = plan_reduction(product(1, 256, 256), {{1, 256}, {256, 256}}, DType::f32, target);
  CHECK(row.lane == 1);
}
