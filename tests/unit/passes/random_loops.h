// Random functions full of loops and branches, and their derivatives.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compiler/autodiff/autodiff.h"
#include "ir/op.h"

namespace gradc::test {

// A function over f64 whose first result is a scalar that scans, conds and whiles lead to.
class RandomLoops {
 public:
  explicit RandomLoops(std::uint32_t seed) : random_(seed) {
    function_.name = "f";
    Builder builder(function_.body);
    std::vector<Value*> pool;
    for (const char* type : {"f64[2]", "f64[3,2]", "f64[3,2,2]", "f64[]", "f64[2,2]", "f64[3]"})
      pool.push_back(function_.add_parameter({.name = "x" + std::to_string(pool.size())}, *parse_type(type, nullptr)));
    for (int i = 0; i < 3; ++i) {
      for (Value* value : loop(builder, pool, 2)) pool.push_back(value);
      pool.push_back(step(builder, pool));
    }
    Term total;
    for (std::size_t i = 6; i < pool.size(); ++i)
      if (is_float(pool[i]->type.dtype)) total = add(total, apply("mean", {apply("sin", {builder.term(pool[i])})}));
    function_.add_result({"s"}, total.value());
  }

  const Function& function() const { return function_; }

 private:
  using Pool = std::vector<Value*>;

  std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  Value* any(const Pool& pool) {
    Value* value = nullptr;
    do value = pool[pick(pool.size())];
    while (!is_float(value->type.dtype));
    return value;
  }

  // A value of the type: from the pool, or made of one.
  Value* of_type(Builder& builder, const Pool& pool, const Type& type) {
    for (int i = 0; i < 6; ++i) {
      Value* value = pool[pick(pool.size())];
      if (value->type == type) return value;
    }
    const Value* source = any(pool);
    Term mean = apply("mean", {builder.term(const_cast<Value*>(source))});
    return broadcast(mean, type.shape).value();
  }

  Value* step(Builder& builder, const Pool& pool) {
    Value* x = any(pool);
    switch (pick(6)) {
      case 0:
        return builder.one(pick(2) ? "sin" : "tanh", {x});
      case 1: {
        const char* const names[] = {"add", "multiply", "subtract", "maximum"};
        return builder.one(names[pick(4)], {x, of_type(builder, pool, x->type)});
      }
      case 2:
        return product(builder, pool, x);
      case 3:
        return x->type.rank() == 0
                   ? builder.one("cos", {x})
                   : builder.one("sum", {x}, {{"axis", IntList{static_cast<std::int64_t>(pick(x->type.rank()))}}});
      case 4:
        return x->type.rank() == 2 ? builder.one("transpose", {x}, {{"permutation", IntList{1, 0}}})
                                   : builder.one("square", {builder.one("sin", {x})});
      default:
        return builder.one("softmax", {of_type(builder, pool, {DType::f64, {2}})});
    }
  }

  // x times a matrix or a vector, on either side.
  Value* product(Builder& builder, const Pool& pool, Value* x) {
    if (x->type.rank() == 0) return builder.one("multiply", {x, of_type(builder, pool, {DType::f64, {2, 2}})});
    const Dim inner = x->type.shape.back();
    Value* w = of_type(builder, pool, {DType::f64, pick(2) ? Shape{inner, 2} : Shape{inner}});
    const IntList last{static_cast<std::int64_t>(x->type.rank()) - 1};
    if (pick(2)) return builder.one("dot", {x, w}, {{"contract_a", last}, {"contract_b", IntList{0}}});
    return builder.one("dot", {w, x}, {{"contract_a", IntList{0}}, {"contract_b", last}});
  }

  std::vector<Value*> loop(Builder& builder, const Pool& pool, int depth) {
    const std::size_t kind = pick(6);
    if (kind == 0) return cond(builder, pool, depth);
    if (kind == 1) return bounded(builder, pool, depth);
    return scan(builder, pool, depth);
  }

  // Appends nodes to a region whose parameters, and values around it, are in the pool.
  Pool body(Builder& builder, Pool pool, int depth) {
    const std::size_t steps = 3 + pick(4);
    for (std::size_t i = 0; i < steps; ++i) pool.push_back(step(builder, pool));
    if (depth > 1 && pick(2))
      for (Value* value : loop(builder, pool, depth - 1)) pool.push_back(value);
    for (int i = 0; i < 2; ++i) pool.push_back(step(builder, pool));
    return pool;
  }

  // A bounded value of the type, from what was made last.
  Value* yielded(Builder& builder, const Pool& pool, const Type& type) {
    const Pool late(pool.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(pool.size(), 6)), pool.end());
    return builder.one("tanh", {of_type(builder, pick(3) ? late : pool, type)});
  }

  std::vector<Value*> scan(Builder& builder, const Pool& pool, int depth) {
    std::vector<Value*> operands;
    auto region = std::make_unique<Region>();
    Builder inside(*region);
    Pool inner = pool;
    const std::size_t carried = pick(4);
    for (std::size_t i = 0; i < carried; ++i) {
      operands.push_back(any(pool));
      inner.push_back(region->add_parameter(operands.back()->type, ""));
    }
    const bool counts = pick(4) == 0;
    if (counts) {
      operands.push_back(builder.one(
          "constant", {}, {{"value", Literal(std::make_shared<const Tensor>(Tensor::scalar(DType::i64, 1)))}}));
      inner.push_back(region->add_parameter(operands.back()->type, ""));
    }
    std::size_t sliced = 0;
    for (int i = 0; i < 2; ++i) {
      Value* x = any(pool);
      if (x->type.rank() == 0 || x->type.shape[0] != Dim(3)) continue;
      operands.push_back(x);
      inner.push_back(
          region->add_parameter({x->type.dtype, Shape(x->type.shape.begin() + 1, x->type.shape.end())}, ""));
      ++sliced;
    }
    if (counts) {
      Term count = inside.term(region->parameters[carried].get());
      inner.push_back(cast(count, DType::f64).value());
    }
    inner = body(inside, inner, depth);
    for (std::size_t i = 0; i < carried; ++i) region->results.push_back(next(inside, inner, *region->parameters[i]));
    if (counts) region->results.push_back((inside.term(region->parameters[carried].get()) + 1).value());
    for (std::size_t i = pick(3); i > 0; --i) region->results.push_back(inner[inner.size() - 1 - pick(5)]);
    if (region->results.empty()) region->results.push_back(inner.back());
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(std::move(region));
    return builder.make(*Registry::get().find("scan"), operands,
                        {{"carried", static_cast<std::int64_t>(carried + (counts ? 1 : 0))},
                         {"sliced", static_cast<std::int64_t>(sliced)},
                         {"length", Shape{3}},
                         {"reverse", pick(2) == 0}},
                        std::move(regions));
  }

  // What becomes of a carried value: something new, the sum with something, itself.
  Value* next(Builder& builder, const Pool& pool, Value& parameter) {
    switch (pick(5)) {
      case 0:
        return &parameter;
      case 1:
      case 2:
        return builder.one("add", {&parameter, of_type(builder, pool, parameter.type)});
      default:
        return yielded(builder, pool, parameter.type);
    }
  }

  std::vector<Value*> cond(Builder& builder, const Pool& pool, int depth) {
    Term mean = apply("mean", {builder.term(any(pool))});
    Value* predicate = apply("greater", {mean, mean.like(0.1)}).value();
    const Type types[] = {any(pool)->type, any(pool)->type};
    std::vector<std::unique_ptr<Region>> regions;
    for (int branch = 0; branch < 2; ++branch) {
      auto region = std::make_unique<Region>();
      Builder inside(*region);
      const Pool inner = body(inside, pool, depth);
      for (const Type& type : types) region->results.push_back(yielded(inside, inner, type));
      regions.push_back(std::move(region));
    }
    return builder.make(*Registry::get().find("cond"), {predicate}, {}, std::move(regions));
  }

  std::vector<Value*> bounded(Builder& builder, const Pool& pool, int depth) {
    std::vector<Value*> operands = {any(pool), any(pool)};
    auto condition = std::make_unique<Region>(), round = std::make_unique<Region>();
    Builder deciding(*condition), inside(*round);
    Pool inner = pool;
    for (const Value* operand : operands) {
      condition->add_parameter(operand->type, "");
      inner.push_back(round->add_parameter(operand->type, ""));
    }
    Term mean = apply("mean", {deciding.term(condition->parameters[0].get())});
    condition->results = {apply("less", {mean, mean.like(0.3)}).value()};
    inner = body(inside, inner, depth);
    for (const Value* operand : operands) round->results.push_back(yielded(inside, inner, operand->type));
    std::vector<std::unique_ptr<Region>> regions;
    regions.push_back(std::move(condition));
    regions.push_back(std::move(round));
    return builder.make(*Registry::get().find("while"), operands,
                        {{"carried", std::int64_t{2}}, {"max_trips", std::int64_t{2}}}, std::move(regions));
  }

  std::mt19937 random_;
  Function function_;
};

// A copy with the gradient by all parameters, and the tangent of ⟨gradient, ones⟩ in the direction of ones.
inline std::unique_ptr<Function> derived(const Function& function, bool twice) {
  auto made = clone_function(function);
  std::vector<Value*> wrt, ones;
  for (const auto& parameter : made->body.parameters) wrt.push_back(parameter.get());
  Builder builder(made->body);
  const std::vector<Value*> gradients = reverse(made->body, made->body.results[0], nullptr, wrt);
  Term total;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    made->add_result({"g" + std::to_string(i)}, gradients[i]);
    total = add(total, apply("sum", {builder.term(gradients[i])}));
    ones.push_back(builder.full(wrt[i]->type, 1));
  }
  if (!twice) return made;
  Value* sum = total.value();
  made->add_result({"t"}, forward(made->body, std::span<Value* const>(&sum, 1), wrt, ones)[0]);
  return made;
}

}  // namespace gradc::test
