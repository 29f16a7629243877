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

// Depthwise, channels last: Σ kh kw  x[h + kh, w + kw, c] w[c, kh, kw]. The weights lie apart over channels, but a copy
// of them costs nothing; the image does not.
TEST_CASE("lanes run over the channels of a depthwise convolution") {
  IndexedForm form;
  form.domain = {30, 30, 64};
  form.reduction = {3, 3};
  form.combiner = Combiner::sum;
  IndexMap row = variable(5, 0), column = variable(5, 1);
  row.coefficients[3] = column.coefficients[4] = 1;
  form.accesses = {{0, {row, column, variable(5, 2)}, false, 0},
                   {1, {variable(5, 2), variable(5, 3), variable(5, 4)}, false, 0}};
  const ReductionPlan plan = plan_reduction(form, {{32, 32, 64}, {64, 3, 3}}, DType::f32, *find_target("znver5"));
  CHECK_FALSE(plan.rows);
  CHECK(plan.lane == 2);
}
