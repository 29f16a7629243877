// Bytes that live along an order, and orders that need fewer.
#include "compiler/analysis/liveness.h"

#include <random>
#include <set>

#include "ir/text.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

struct Parsed {
  std::unique_ptr<Module> module;
  const Region* body = nullptr;

  explicit Parsed(const char* text) {
    Diagnostics diagnostics;
    module = parse_module(text, "test.gir", diagnostics);
    REQUIRE(module);
    body = &module->functions[0]->body;
  }
};

// Every value but parameters and results, at its size.
Residences plain(const Region& region) {
  return [&region](const Value* value) -> Residence {
    const bool last = std::find(region.results.begin(), region.results.end(), value) != region.results.end();
    return {value, value->node && !last ? value->type.elements() * 4 : 0};
  };
}

std::vector<const Node*> in_order(const Region& region) {
  std::vector<const Node*> order;
  for (const auto& node : region.nodes) order.push_back(node.get());
  return order;
}

std::string names(const std::vector<const Node*>& nodes) {
  std::string text;
  for (const Node* node : nodes) text += node->result()->name + " ";
  return text;
}

}  // namespace

TEST_CASE("A value lives from its producer to its last reader") {
  const Parsed graph(R"(func @f(data %x: f32[4]) -> (e) {
    %a = exp(%x)
    %b = negate(%a)
    %c = sin(%b)
    %d = add(%c, %a)
    %e = negate(%d)
    return %e
  })");
  const Liveness liveness(*graph.body, plain(*graph.body));
  CHECK(liveness.along(in_order(*graph.body)) == std::vector<std::int64_t>{16, 32, 48, 48, 16});
  CHECK(liveness.peak(in_order(*graph.body)) == 48);
}

TEST_CASE("Values with one base are one, as long as any of them is read") {
  const Parsed graph(R"(func @f(data %x: f32[4]) -> (c, e) {
    %a = exp(%x)
    %b = reshape(%a) {shape = shape[2,2]}
    %c = negate(%x)
    %d = sin(%x)
    %e = negate(%b)
    return %c, %e
  })");
  const Residences sizes = plain(*graph.body);
  const Liveness liveness(*graph.body, [&](const Value* value) -> Residence {
    if (value->name == "b") return {value->node->operands[0], 16};
    return sizes(value);
  });
  CHECK(liveness.along(in_order(*graph.body)) == std::vector<std::int64_t>{16, 16, 16, 32, 16});
}

// The gradients g and h are large, and each is used up by its own update.
TEST_CASE("What frees memory goes ahead") {
  const Parsed graph(R"(func @f(data %x: f32[4], data %w: f32[8], data %v: f32[8]) -> (p, q) {
    %a = exp(%x)
    %g = concatenate(%a, %a) {axis = 0}
    %b = sin(%a)
    %h = concatenate(%b, %b) {axis = 0}
    %p = add(%w, %g)
    %q = add(%v, %h)
    return %p, %q
  })");
  const Liveness liveness(*graph.body, plain(*graph.body));
  const std::vector<const Node*> order = in_order(*graph.body), better = liveness.settled(order);
  CHECK(liveness.peak(order) == 80);
  CHECK(liveness.peak(better) == 48);
  CHECK(names(better) == "a g p b h q ");
}

TEST_CASE("What takes memory waits for its reader") {
  const Parsed graph(R"(func @f(data %x: f32[4]) -> (e) {
    %c = sin(%x)
    %a = exp(%x)
    %b = sum(%a) {axis = [0]}
    %d = broadcast(%b) {dims = [], shape = shape[4]}
    %e = add(%c, %d)
    return %e
  })");
  const Liveness liveness(*graph.body, plain(*graph.body));
  CHECK(names(liveness.settled(in_order(*graph.body))) == "a b d c e ");
}

TEST_CASE("A wish that the order keeps is kept") {
  const Parsed graph(R"(func @f(data %x: f32[4], data %w: f32[8]) -> (p, q) {
    %a = exp(%x)
    %g = concatenate(%a, %a) {axis = 0}
    %q = sum(%w) {axis = [0]}
    %p = add(%w, %g)
    return %p, %q
  })");
  const Liveness liveness(*graph.body, plain(*graph.body));
  const std::vector<const Node*> order = in_order(*graph.body);
  CHECK(names(liveness.settled(order)) == "a g p q ");
  const Wish wish{order[2], order[3]};
  CHECK(names(liveness.settled(order, std::span(&wish, 1))) == "q a g p ");
}

TEST_CASE("Settled orders of random graphs are in order and need no more") {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    Function function;
    Builder builder(function.body);
    std::vector<Value*> values{function.add_parameter({.name = "x"}, Type{DType::f32, {2}})};
    for (int i = 0; i < 24; ++i) {
      Value* value = values[random() % values.size()];
      const std::int64_t size = 1 + static_cast<std::int64_t>(random() % 30);
      Value* made = builder.one("broadcast", {builder.one("sum", {value}, {{"axis", IntList{0}}})},
                                {{"dims", IntList{}}, {"shape", Shape{size}}});
      values.push_back(made);
    }
    function.add_result({.name = "y"}, values.back());
    const Liveness liveness(function.body, plain(function.body));
    const std::vector<const Node*> order = in_order(function.body), better = liveness.settled(order);
    CHECK(liveness.peak(better) <= liveness.peak(order));
    std::set<const Value*> done(values.begin(), values.begin() + 1);
    for (const Node* node : better) {
      for (const Value* operand : node->operands) CHECK(done.contains(operand));
      done.insert(node->result());
    }
    CHECK(done.size() == order.size() + 1);
  }
}
