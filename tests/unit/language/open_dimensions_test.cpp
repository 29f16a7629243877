// What works along the batch, whose size is known when a program is bound.
#include "golden.h"
#include "tests/unit/frontend/load.h"

using namespace gradc;

namespace {

std::map<std::string, Tensor> outputs(const ModelGraph& model, const Tensor& n) {
  auto module = differentiated(model, false, {{"N", n.type().shape[0].factor}});
  return outputs_of(*module->function("predict"), {{"n", n}});
}

}  // namespace

TEST_CASE("a number is an index of an open dimension") {
  auto model = load(R"j({"inputs": {"n": "f64[N,2]"}, "outputs": {"first": "n[0]", "last": "n[-1] - n[1]"}})j");
  auto found = outputs(*model, Tensor::of({DType::f64, {3, 2}}, {0, 1, 2, 3, 4, 7}));
  check_close(found.at("first"), Tensor::of({DType::f64, {2}}, {0, 1}), 0);
  check_close(found.at("last"), Tensor::of({DType::f64, {2}}, {2, 4}), 0);
  CHECK_THROWS_AS(outputs(*model, Tensor::of({DType::f64, {1, 2}}, {0, 1})), UserError);
}

TEST_CASE("sorting and cumulating run along an open dimension") {
  auto model = load(R"j({"inputs": {"n": "f64[N]"}, "graph": [{"op": "top_k", "name": "best", "k": 2, "x": "n"}],
"outputs": {"sorted": "sort(n)", "order": "argsort(n, descending=true)", "sums": "cumulative_sum(n)",
            "best": "best.values", "slope": "grad(sum(sort(n) * iota(shape=[N], dtype=f64)), n)"}})j");
  auto found = outputs(*model, Tensor::of({DType::f64, {4}}, {5, -1, 7, 2}));
  check_close(found.at("sorted"), Tensor::of({DType::f64, {4}}, {-1, 2, 5, 7}), 0);
  check_close(found.at("order"), Tensor::of({DType::i32, {4}}, {2, 0, 3, 1}), 0);
  check_close(found.at("sums"), Tensor::of({DType::f64, {4}}, {5, 4, 11, 13}), 0);
  check_close(found.at("best"), Tensor::of({DType::f64, {2}}, {7, 5}), 0);
  check_close(found.at("slope"), Tensor::of({DType::f64, {4}}, {2, 0, 3, 1}), 0);
}
