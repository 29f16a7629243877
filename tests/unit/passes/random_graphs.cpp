// Random graphs of elementwise ops, movements and reductions: exact passes keep every bit of every result.
#include <cmath>
#include <limits>
#include <random>

#include "tests/unit/passes/graphs.h"

using namespace gradc;
using namespace gradc::test;

namespace {

class RandomGraph {
 public:
  explicit RandomGraph(std::uint32_t seed) : random_(seed), builder_(function_.body) {
    function_.name = "f";
    for (int i = 0; i < 3; ++i) {
      const Type type{DType::f32, shape()};
      values_.push_back(function_.add_parameter({.name = "x" + std::to_string(i)}, type));
    }
    for (int i = 0; i < 25; ++i) values_.push_back(step());
    for (int i = 0; i < 4; ++i) {
      function_.add_result({"y" + std::to_string(i)}, values_[values_.size() - 1 - static_cast<std::size_t>(3 * i)]);
    }
  }

  const Function& function() const { return function_; }

  std::vector<Tensor> arguments() {
    const double inf = std::numeric_limits<double>::infinity();
    const double special[] = {0.0, -0.0, 1, -1, inf, -inf, std::nan(""), 1e-45, 3e38, -1e-39, 0.5, -2};
    std::vector<Tensor> result;
    for (const auto& parameter : function_.body.parameters) {
      Tensor tensor(parameter->type);
      for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        tensor.set(i, pick(2) ? special[pick(12)] : static_cast<double>(pick(2001) - 1000) / 64);
      }
      result.push_back(std::move(tensor));
    }
    return result;
  }

 private:
  std::int64_t pick(std::int64_t n) { return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_); }
  Value* any() { return values_[static_cast<std::size_t>(pick(static_cast<std::int64_t>(values_.size())))]; }

  Shape shape() {
    Shape result;
    for (std::int64_t d = pick(4); d > 0; --d) result.emplace_back(1 + pick(3));
    return result;
  }

  // A value of x's shape: an existing one, or a constant that rules look for.
  Value* like(const Value* x) {
    const double numbers[] = {0.0, -0.0, 1, -1, 2, 0.125, 3, 5.877472e-39};
    for (int i = 0; i < 4; ++i) {
      Value* y = any();
      if (y->type.shape == x->type.shape) return y;
    }
    return builder_.full(x->type, numbers[pick(8)]);
  }

  Value* step() {
    Value* x = any();
    switch (pick(4)) {
      case 0:
        return unary(x);
      case 1:
        return binary(x);
      case 2:
        return movement(x);
      default:
        return pick(4) ? resize(x) : reduction(x);
    }
  }

  Value* unary(Value* x) {
    const char* const names[] = {"negate", "abs", "relu", "negate", "square"};
    if (pick(6) == 0) {
      Value* wide = builder_.one("cast", {x}, {{"dtype", DType::f64}});
      return builder_.one("cast", {wide}, {{"dtype", DType::f32}});
    }
    return builder_.one(names[pick(5)], {x});
  }

  Value* binary(Value* x) {
    const char* const names[] = {"add", "subtract", "multiply", "divide", "maximum", "minimum"};
    Value* y = like(x);
    if (pick(2)) std::swap(x, y);
    if (pick(5)) return builder_.one(names[pick(6)], {x, y});
    Value* condition = builder_.one("less", {x, y});
    if (pick(2)) condition = builder_.one("logical_not", {condition});
    return builder_.one("select", {condition, y, like(x)});
  }

  IntList permutation(std::size_t rank) {
    IntList result;
    for (std::size_t d = 0; d < rank; ++d) result.push_back(static_cast<std::int64_t>(d));
    std::shuffle(result.begin(), result.end(), random_);
    return result;
  }

  Value* movement(Value* x) {
    const std::size_t rank = x->type.rank();
    if (rank == 0) return builder_.broadcast_to(x, shape());
    switch (pick(4)) {
      case 0:
        return builder_.one("transpose", {x}, {{"permutation", permutation(rank)}});
      case 1:
        return builder_.one("reverse", {x}, {{"axis", IntList{pick(static_cast<std::int64_t>(rank))}}});
      case 2:
        return slice(x);
      default:
        return pad(x);
    }
  }

  Value* slice(Value* x) {
    IntList start, limit, stride;
    for (const std::int64_t size : sizes(x->type.shape)) {
      start.push_back(pick(2) ? 0 : pick(size));
      limit.push_back(pick(2) ? size : start.back() + 1 + pick(size - start.back()));
      stride.push_back(1 + pick(2));
    }
    return builder_.one("slice", {x}, {{"start", start}, {"limit", limit}, {"stride", stride}});
  }

  Value* pad(Value* x) {
    IntList low, high;
    for (std::size_t d = 0; d < x->type.rank(); ++d) {
      low.push_back(pick(2));
      high.push_back(pick(2));
      if (x->type.shape[d].factor > 4) low.back() = high.back() = 0;
    }
    return builder_.one("pad", {x}, {{"low", low}, {"high", high}, {"value", -0.0}});
  }

  Value* resize(Value* x) {
    const std::int64_t count = x->type.elements();
    Shape added = x->type.shape;
    added.insert(added.begin() + pick(std::ssize(added) + 1), Dim(1));
    switch (pick(4)) {
      case 0:
        return builder_.one("reshape", {x}, {{"shape", Shape{count}}});
      case 1:
        return builder_.one("reshape", {x}, {{"shape", added}});
      case 2:
        return x->type.rank() && count < 40 ? builder_.one("concatenate", {x, like(x)}, {{"axis", std::int64_t{0}}})
                                            : x;
      default:
        return widened(x);
    }
  }

  // One more dimension in front, or a dimension of size 1 stretched.
  Value* widened(Value* x) {
    if (x->type.elements() > 40 || x->type.rank() > 3) return x;
    Shape shape = x->type.shape;
    for (Dim& dim : shape) {
      if (dim == Dim(1) && pick(2)) dim = Dim(2);
    }
    if (pick(2)) shape.insert(shape.begin(), Dim(1 + pick(2)));
    return builder_.broadcast_to(x, shape);
  }

  Value* reduction(Value* x) {
    const char* const names[] = {"sum", "max", "min", "product"};
    if (x->type.rank() == 0) return x;
    const IntList axis = {pick(static_cast<std::int64_t>(x->type.rank()))};
    return builder_.one(names[pick(4)], {x}, {{"axis", axis}, {"keep", pick(2) == 0}});
  }

  std::mt19937 random_;
  Function function_;
  Builder builder_;
  std::vector<Value*> values_;
};

bool same(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type()) return false;
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.get(i), y = b.get(i);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (x != y || std::signbit(x) != std::signbit(y)) return false;
  }
  return true;
}

void check_seeds(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t seed = first; seed < last; ++seed) {
    RandomGraph graph(seed);
    const std::vector<Tensor> arguments = graph.arguments();
    Module module;
    module.functions.push_back(clone_function(graph.function()));
    INFO("seed " << seed << "\n" << print(graph.function()));
    run_passes(module, {"simplify", "fold_constants", "simplify", "eliminate_common_subexpressions"});
    INFO(print(module));
    const std::vector<Tensor> before = interpret(graph.function(), arguments);
    const std::vector<Tensor> after = interpret(*module.functions[0], arguments);
    for (std::size_t i = 0; i < before.size(); ++i) {
      INFO("result " << i);
      REQUIRE(same(before[i], after[i]));
    }
  }
}

}  // namespace

TEST_CASE("random graphs keep every bit") { check_seeds(0, 300); }

TEST_CASE("many random graphs keep every bit", "[slow]") { check_seeds(300, 20000); }
