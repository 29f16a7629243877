// Orders, circles and paths in small graphs that are checked by eye.
#include "compiler/analysis/order.h"

#include <map>

#include "compiler/analysis/graph_adaptor.h"
#include "compiler/analysis/reachability.h"
#include "ir/text.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

// x ─► a ─► b ─► d ─► e      c reads x only; d reads b and c; e reads d and a.
//      │         ▲    ▲
//      │    c ───┘    │
//      └──────────────┘
constexpr const char* kDiamond = R"(func @f(data %x: f32[4]) -> (e) {
  %a = exp(%x)
  %b = negate(%a)
  %c = sin(%x)
  %d = add(%b, %c)
  %e = add(%d, %a)
  return %e
})";

struct Parsed {
  std::unique_ptr<Module> module;
  const Region* body = nullptr;

  explicit Parsed(const char* text) {
    Diagnostics diagnostics;
    module = parse_module(text, "test.gir", diagnostics);
    REQUIRE(module);
    body = &module->functions[0]->body;
  }
  const Node* operator[](std::string_view name) const {
    for (const auto& node : body->nodes)
      if (node->result()->name == name) return node.get();
    FAIL("no node is named " << name);
    return nullptr;
  }
};

// Of the node by this name, with all its readers.
bool closes_circle(const Parsed& f, const NodeGroups& groups, const char* name, int group) {
  std::set<const Node*> readers;
  for (const auto& node : f.body->nodes)
    for (const Value* operand : node->operands)
      if (operand->node == f[name]) readers.insert(node.get());
  return groups.closes_circle(f[name], readers, group);
}

std::string names(const std::vector<const Node*>& nodes) {
  std::string text;
  for (const Node* node : nodes) text += node->result()->name;
  return text;
}

// Groups by name of the node; the others are alone.
std::function<int(const Node*)> groups(std::map<std::string, int> numbers) {
  return [numbers = std::move(numbers)](const Node* node) {
    auto found = numbers.find(node->result()->name);
    return found == numbers.end() ? kAlone : found->second;
  };
}

}  // namespace

TEST_CASE("an edge leads from a producer to each of its readers, once") {
  const Parsed f(R"(func @f(data %x: f32[4]) -> (c) {
    %a = exp(%x)
    %b = multiply(%a, %a)
    %c = add(%a, %b)
    return %c
  })");
  const NodeGraph graph(*f.body);
  REQUIRE(graph.size() == 3);
  CHECK(num_edges(graph.edges()) == 3);  // a→b, a→c, b→c
  CHECK(out_degree(0, graph.edges()) == 2);
  CHECK(in_degree(2, graph.edges()) == 2);
  CHECK(graph.vertex(f["b"]) == 1);
  CHECK(graph.node(2) == f["c"]);
}

TEST_CASE("without wishes the order of the region is kept") {
  const Parsed f(kDiamond);
  CHECK(names(topological_order(*f.body)) == "abcde");
}

TEST_CASE("a region out of order is put in order, first nodes first") {
  Parsed f(kDiamond);
  Region& body = f.module->functions[0]->body;
  std::swap(body.nodes[0], body.nodes[4]);  // e b c d a
  CHECK(names(topological_order(body)) == "cabde");
}

TEST_CASE("a wish holds a node back") {
  const Parsed f(kDiamond);
  const Wish wishes[] = {{f["c"], f["a"]}};
  CHECK(names(topological_order(*f.body, wishes)) == "cabde");
}

TEST_CASE("a wish that operands contradict is dropped, others are kept") {
  const Parsed f(kDiamond);
  const Wish wishes[] = {{f["d"], f["a"]}, {f["c"], f["a"]}};
  CHECK(names(topological_order(*f.body, wishes)) == "cabde");
  const Wish each_other[] = {{f["c"], f["a"]}, {f["a"], f["c"]}};
  CHECK(names(topological_order(*f.body, each_other)) == "abcde");
  const Wish itself[] = {{f["a"], f["a"]}};
  CHECK(names(topological_order(*f.body, itself)) == "abcde");
}

TEST_CASE("nodes that read each other have no order") {
  Parsed f(kDiamond);
  const_cast<Node*>(f["a"])->operands[0] = f["d"]->result();
  CHECK_THROWS_AS(topological_order(*f.body), InternalError);
  CHECK(names(nodes_on_circles(*f.body, groups({}))) == "abd");
}

TEST_CASE("groups that read each other are on a circle") {
  const Parsed f(kDiamond);
  CHECK(nodes_on_circles(*f.body, groups({})).empty());
  CHECK(nodes_on_circles(*f.body, groups({{"a", 0}, {"b", 0}, {"d", 0}})).empty());
  CHECK(names(nodes_on_circles(*f.body, groups({{"a", 0}, {"d", 0}}))) == "abd");  // b stands between
  CHECK(names(nodes_on_circles(*f.body, groups({{"a", 0}, {"d", 0}, {"b", 3}, {"c", 3}}))) == "abcd");
  CHECK(names(nodes_on_circles(*f.body, groups({{"b", 0}, {"e", 0}, {"d", 1}}))) == "bde");
}

TEST_CASE("a copied node is on no circle, and hides none") {
  const Parsed f(kDiamond);
  CHECK(nodes_on_circles(*f.body, groups({{"a", 0}, {"d", 0}, {"b", kCopied}})).empty());
  CHECK(names(nodes_on_circles(*f.body, groups({{"a", 0}, {"e", 0}, {"b", kCopied}}))) == "ade");
}

TEST_CASE("paths lead from a node to what is computed from it") {
  const Parsed f(kDiamond);
  const NodeGroups alone(*f.body);
  CHECK(alone.leads_to(f["a"], f["e"]));
  CHECK(alone.leads_to(f["b"], f["e"]));
  CHECK_FALSE(alone.leads_to(f["b"], f["c"]));
  CHECK_FALSE(alone.leads_to(f["d"], f["a"]));
  CHECK_FALSE(alone.leads_to(f["a"], f["a"]));
}

TEST_CASE("a path leaves a group by any of its members") {
  const Parsed f(kDiamond);
  NodeGroups grouped(*f.body);
  CHECK_FALSE(grouped.leads_to(f["c"], f["b"]));
  grouped.put(f["d"], 0);
  grouped.put(f["a"], 0);
  CHECK(grouped.of(f["d"]) == 0);
  CHECK(grouped.of(f["e"]) == kAlone);
  CHECK(grouped.leads_to(f["c"], f["b"]));  // c → d, with a, → b
  grouped.take_out(f["a"]);
  CHECK(grouped.of(f["a"]) == kAlone);
  CHECK_FALSE(grouped.leads_to(f["c"], f["b"]));
}

TEST_CASE("a node closes a circle where a reader outside leads into the group") {
  const Parsed f(kDiamond);
  NodeGroups grouped(*f.body);
  grouped.put(f["e"], 0);
  CHECK(closes_circle(f, grouped, "a", 0));  // a → b → d → e
  CHECK_FALSE(closes_circle(f, grouped, "d", 0));
  grouped.put(f["d"], 0);
  CHECK(closes_circle(f, grouped, "a", 0));  // a → b → d
  grouped.put(f["b"], 0);
  CHECK_FALSE(closes_circle(f, grouped, "a", 0));
}

TEST_CASE("a copied node between a node and its readers closes no circle") {
  const Parsed f(R"(func @f(data %x: f32[4]) -> (d) {
    %a = exp(%x)
    %b = negate(%a)
    %c = sin(%b)
    %d = add(%a, %c)
    return %d
  })");
  NodeGroups grouped(*f.body);
  grouped.put(f["d"], 0);
  grouped.put(f["c"], 0);
  CHECK(closes_circle(f, grouped, "a", 0));  // a → b → c
  CHECK_FALSE(grouped.closes_circle(f["a"], {f["c"], f["d"]}, 0));
}

TEST_CASE("a circle is closed through another group too") {
  const Parsed f(R"(func @f(data %x: f32[4], data %y: f32[4]) -> (c, d, e) {
    %a = exp(%x)
    %b = negate(%y)
    %c = sin(%a)
    %d = cos(%b)
    %e = add(%a, %d)
    return %c, %d, %e
  })");
  NodeGroups grouped(*f.body);
  grouped.put(f["e"], 0);
  CHECK_FALSE(closes_circle(f, grouped, "a", 0));
  grouped.put(f["c"], 1);
  grouped.put(f["d"], 1);
  CHECK(closes_circle(f, grouped, "a", 0));  // a → c, with d, → e
}

TEST_CASE("groups refuse what has no meaning") {
  const Parsed f(kDiamond), other(kDiamond);
  NodeGroups grouped(*f.body);
  grouped.put(f["a"], 0);
  CHECK_THROWS_AS(grouped.put(f["a"], 1), InternalError);
  CHECK_THROWS_AS(grouped.take_out(f["b"]), InternalError);
  CHECK_THROWS_AS(closes_circle(f, grouped, "a", 0), InternalError);
  CHECK_THROWS_AS(closes_circle(f, grouped, "b", 7), InternalError);
  CHECK_THROWS_AS(grouped.of(other["a"]), InternalError);
}
