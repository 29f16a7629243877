// The cheapest cut against every way to choose what is kept, in small graphs.
#include "compiler/analysis/min_cut.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "ir/text.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

struct Graph {
  Function function;
  std::vector<const Node*> nodes;
  std::map<const Node*, bool> late;
  std::map<const Value*, std::int64_t> keep;
  std::map<const Node*, std::int64_t> recompute;

  CutCosts costs() const {
    return {[this](const Value* value) { return keep.at(value); },
            [this](const Node* node) { return recompute.at(node); }};
  }
  Cut cut() const {
    return cheapest_cut(function.body, [this](const Node* node) { return late.at(node); }, costs());
  }
};

Graph random_graph(std::mt19937& random) {
  Graph graph;
  Builder builder(graph.function.body);
  std::vector<Value*> values{graph.function.add_parameter({.name = "x"}, Type{DType::f32, {4}})};
  const std::size_t early = 3 + random() % 5, all = early + 1 + random() % 3;
  for (std::size_t i = 0; i < all; ++i) {
    values.push_back(builder.one("add", {values[random() % values.size()], values[random() % values.size()]}));
    const Node* node = values.back()->node;
    graph.nodes.push_back(node);
    graph.late[node] = i >= early;
    graph.keep[values.back()] = static_cast<std::int64_t>(random() % 20);
    graph.recompute[node] = random() % 4 == 0 ? kNever : static_cast<std::int64_t>(random() % 20);
  }
  return graph;
}

// What it costs to have `wanted` late where exactly `kept` is kept.
std::int64_t cost_with(const Graph& graph, const std::set<const Value*>& kept) {
  std::set<const Node*> again;
  std::vector<const Value*> open;
  for (const Node* node : graph.nodes)
    if (graph.late.at(node)) open.insert(open.end(), node->operands.begin(), node->operands.end());
  while (!open.empty()) {
    const Value* value = open.back();
    open.pop_back();
    if (!value->node || graph.late.at(value->node) || kept.contains(value) || !again.insert(value->node).second)
      continue;
    open.insert(open.end(), value->node->operands.begin(), value->node->operands.end());
  }
  std::int64_t cost = 0;
  for (const Value* value : kept) cost += graph.keep.at(value);
  for (const Node* node : again) cost += graph.recompute.at(node);
  return cost;
}

std::int64_t cheapest_of_all(const Graph& graph) {
  std::vector<const Value*> early;
  for (const Node* node : graph.nodes)
    if (!graph.late.at(node)) early.push_back(node->result());
  std::int64_t best = kNever * 16;
  for (unsigned choice = 0; choice < 1U << early.size(); ++choice) {
    std::set<const Value*> kept;
    for (std::size_t i = 0; i < early.size(); ++i)
      if (choice >> i & 1U) kept.insert(early[i]);
    best = std::min(best, cost_with(graph, kept));
  }
  return best;
}

}  // namespace

TEST_CASE("No way to keep and recompute is cheaper than the cut") {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const Graph graph = random_graph(random);
    const Cut cut = graph.cut();
    INFO(print(graph.function));
    CHECK(cut.cost == cheapest_of_all(graph));
    CHECK(cost_with(graph, {cut.kept.begin(), cut.kept.end()}) == cut.cost);
  }
}

// x ─► a ─► b ─► c ─► late, which reads a as well: keeping a serves both.
TEST_CASE("A chain is cut where it is narrow, and as late as that is no dearer") {
  Graph graph;
  Builder builder(graph.function.body);
  Value* x = graph.function.add_parameter({.name = "x"}, Type{DType::f32, {4}});
  Value* a = builder.one("exp", {x});
  Value* b = builder.one("sin", {a});
  Value* c = builder.one("exp", {b});
  Value* late = builder.one("add", {c, a});
  for (Value* value : {a, b, c, late}) {
    graph.nodes.push_back(value->node);
    graph.late[value->node] = value == late;
    graph.recompute[value->node] = 1;
  }
  graph.keep = {{a, 10}, {b, 10}, {c, 10}, {late, 10}};
  Cut cut = graph.cut();
  CHECK(cut.kept == std::vector<const Value*>{});  // all from x
  CHECK(cut.recomputed == std::vector<const Node*>{a->node, b->node, c->node});
  CHECK(cut.cost == 3);

  graph.recompute[a->node] = kNever;
  cut = graph.cut();
  CHECK(cut.kept == std::vector<const Value*>{a});
  CHECK(cut.recomputed == std::vector<const Node*>{b->node, c->node});

  graph.recompute[b->node] = 10;  // with c, more than c's bytes
  cut = graph.cut();
  CHECK(cut.kept == std::vector<const Value*>{a, c});
  CHECK(cut.recomputed.empty());

  graph.keep[c] = 11;  // no dearer either way: the one that repeats nothing
  CHECK(graph.cut().recomputed.empty());
}
