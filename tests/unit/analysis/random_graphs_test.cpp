// Groups in random graphs against the transitive closure of the graph in which each group is one vertex.
#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "compiler/analysis/order.h"
#include "compiler/analysis/reachability.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

constexpr std::size_t kNodes = 9;

// closure[i][j]: a path of one edge or more leads from i to j.
using Closure = std::vector<std::vector<bool>>;

Closure close(Closure edges) {
  for (std::size_t k = 0; k < edges.size(); ++k)
    for (std::size_t i = 0; i < edges.size(); ++i)
      for (std::size_t j = 0; j < edges.size(); ++j)
        if (edges[i][k] && edges[k][j]) edges[i][j] = true;
  return edges;
}

struct RandomGraph {
  Function function;
  std::vector<const Node*> nodes;
  std::vector<int> group;
  Closure edges{kNodes, std::vector<bool>(kNodes)};

  explicit RandomGraph(std::mt19937& random) {
    Value* x = function.add_parameter({.name = "x"}, Type{DType::f32, {4}});
    Builder builder(function.body);
    std::vector<Value*> values{x};
    for (std::size_t i = 0; i < kNodes; ++i) {
      const std::size_t a = random() % (i + 1), b = random() % (i + 1);
      values.push_back(builder.one("add", {values[a], values[b]}));
      nodes.push_back(values.back()->node);
      group.push_back(static_cast<int>(random() % 6) - 2);  // kCopied, kAlone, four groups
      if (a > 0) edges[a - 1][i] = true;
      if (b > 0) edges[b - 1][i] = true;
    }
  }

  int of(const Node* node) const {
    for (std::size_t i = 0; i < kNodes; ++i)
      if (nodes[i] == node) return group[i];
    FAIL("no such node");
    return 0;
  }
};

// Edges between the classes of `number`, one for each node; none within a class.
Closure merge(const Closure& edges, const std::vector<std::size_t>& number) {
  Closure merged{kNodes, std::vector<bool>(kNodes)};
  for (std::size_t i = 0; i < kNodes; ++i)
    for (std::size_t j = 0; j < kNodes; ++j)
      if (edges[i][j] && number[i] != number[j]) merged[number[i]][number[j]] = true;
  return merged;
}

// A class's number is that of its first node.
std::vector<std::size_t> classes(const std::vector<int>& group) {
  std::vector<std::size_t> number;
  for (std::size_t i = 0; i < kNodes; ++i) {
    std::size_t first = i;
    for (std::size_t j = i; group[i] >= 0 && j-- > 0;)
      if (group[j] == group[i]) first = j;
    number.push_back(first);
  }
  return number;
}

// Whoever reads a copied node reads what it reads.
Closure without_copied(const RandomGraph& graph) {
  Closure edges = graph.edges;
  for (std::size_t k = 0; k < kNodes; ++k)
    for (std::size_t i = 0; graph.group[k] == kCopied && i < kNodes; ++i)
      for (std::size_t j = 0; j < kNodes; ++j) edges[i][j] = edges[i][j] || (edges[i][k] && edges[k][j]);
  for (std::size_t k = 0; k < kNodes; ++k)
    for (std::size_t i = 0; graph.group[k] == kCopied && i < kNodes; ++i) edges[i][k] = edges[k][i] = false;
  return edges;
}

}  // namespace

TEST_CASE("circles between random groups are those of the transitive closure") {
  std::mt19937 random(1);
  int with = 0, without = 0;
  for (int round = 0; round < 300; ++round) {
    const RandomGraph graph(random);
    const std::vector<std::size_t> number = classes(graph.group);
    const Closure closure = close(merge(without_copied(graph), number));
    std::vector<const Node*> expected;
    for (std::size_t i = 0; i < kNodes; ++i)
      if (graph.group[i] != kCopied && closure[number[i]][number[i]]) expected.push_back(graph.nodes[i]);
    CHECK(nodes_on_circles(graph.function.body, [&](const Node* n) { return graph.of(n); }) == expected);
    ++(expected.empty() ? without : with);
  }
  CHECK(with > 50);
  CHECK(without > 50);
}

TEST_CASE("a random node closes a circle where its group would be on one") {
  std::mt19937 random(2);
  int with = 0, without = 0;
  for (int round = 0; round < 1000; ++round) {
    // As in a fusion, from the last node to the first, so that no group leads to a node that has none yet.
    RandomGraph graph(random);
    NodeGroups groups(graph.function.body);
    std::vector<int> placed(kNodes, kAlone);
    const Closure direct = without_copied(graph);
    for (std::size_t i = kNodes; i-- > 0;) {
      if (graph.group[i] < 0) continue;
      std::vector<int> joined = placed;
      joined[i] = graph.group[i];
      const bool known = std::find(placed.begin(), placed.end(), joined[i]) != placed.end();
      const std::vector<std::size_t> number = classes(joined);
      const bool circle = close(merge(graph.edges, number))[number[i]][number[i]];
      if (known) {
        const auto closes = [&](const Closure& edges) {
          std::set<const Node*> readers;
          for (std::size_t j = 0; j < kNodes; ++j)
            if (edges[i][j]) readers.insert(graph.nodes[j]);
          return groups.closes_circle(graph.nodes[i], readers, joined[i]);
        };
        CHECK(closes(graph.edges) == circle);
        CHECK(closes(direct) == close(merge(direct, number))[number[i]][number[i]]);
        ++(circle ? with : without);
      }
      if (circle) continue;
      groups.put(graph.nodes[i], joined[i]);
      placed = joined;
    }
  }
  CHECK(with > 100);
  CHECK(without > 100);
}
