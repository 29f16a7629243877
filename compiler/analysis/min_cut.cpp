// Kept or made anew, as a minimum cut (Boykov and Kolmogorov, "An experimental comparison of min-cut/max-flow
// algorithms", PAMI 2004).
//
// An early node has a vertex, and a value of it two, `made` and `read`. What stands on the sink's side is done for the
// late part: the node runs again; the value is not kept; the late part, or a node run again, reads the value.
//
//   source ─ recompute ─► node ─ ∞ ─► made ─ keep ─► read ─ ∞ ─► node of an early reader, or sink for a late one
//
// So a finite cut parts `made` from `read` where a value is kept, and the source from the node where it runs again.
#include "compiler/analysis/min_cut.h"

// g++ 12 takes an empty boost::optional inside of the algorithm's edge iterators for one that is read.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <set>
#include <unordered_map>

namespace gradc {

namespace {

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Edge = Traits::edge_descriptor;
struct VertexData {
  boost::default_color_type color = boost::white_color;
  long distance = 0;
  Edge predecessor;
};
struct EdgeData {
  std::int64_t capacity = 0, residual = 0;
  Edge reverse;
};
using Network = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, VertexData, EdgeData>;
using Vertex = Network::vertex_descriptor;

class Cutter {
 public:
  Cutter(const Region& region, const std::function<bool(const Node*)>& is_late, const CutCosts& costs)
      : region_(region), source_(add_vertex(network_)), sink_(add_vertex(network_)) {
    for (const auto& node : region.nodes)
      if (!is_late(node.get())) add_node(*node, costs);
    for (const auto& node : region.nodes) add_reads(*node, is_late(node.get()));
  }

  Cut run() {
    Cut cut;
    cut.cost = boykov_kolmogorov_max_flow(
        network_, get(&EdgeData::capacity, network_), get(&EdgeData::residual, network_),
        get(&EdgeData::reverse, network_), get(&VertexData::predecessor, network_), get(&VertexData::color, network_),
        get(&VertexData::distance, network_), get(boost::vertex_index, network_), source_, sink_);
    const std::vector<bool> late = leads_to_sink();
    for (const auto& node : region_.nodes) {
      auto found = nodes_.find(node.get());
      if (found == nodes_.end()) continue;
      if (late[found->second]) cut.recomputed.push_back(node.get());
      for (const auto& result : node->results) {
        const Passage& value = values_.at(result.get());
        if (late[value.read] && !late[value.made]) cut.kept.push_back(result.get());
      }
    }
    return cut;
  }

 private:
  struct Passage {
    Vertex made, read;
  };

  void add_node(const Node& node, const CutCosts& costs) {
    const Vertex vertex = nodes_[&node] = add_vertex(network_);
    connect(source_, vertex, costs.recompute(&node));
    for (const auto& result : node.results) {
      const Passage value{add_vertex(network_), add_vertex(network_)};
      values_[result.get()] = value;
      connect(vertex, value.made, kNever);
      connect(value.made, value.read, costs.keep(result.get()));
    }
  }

  void add_reads(const Node& node, bool late) {
    const std::set<const Value*> read(node.operands.begin(), node.operands.end());
    for (const Value* operand : read)
      if (auto found = values_.find(operand); found != values_.end())
        connect(found->second.read, late ? sink_ : nodes_.at(&node), kNever);
  }

  void connect(Vertex from, Vertex to, std::int64_t capacity) {
    const Edge there = add_edge(from, to, network_).first, back = add_edge(to, from, network_).first;
    network_[there].capacity = std::min(capacity, kNever);
    network_[there].reverse = back;
    network_[back].reverse = there;
  }

  // The sink's side where it is smallest.
  std::vector<bool> leads_to_sink() const {
    std::vector<bool> leads(num_vertices(network_));
    std::vector<Vertex> open{sink_};
    leads[sink_] = true;
    while (!open.empty()) {
      const Vertex to = open.back();
      open.pop_back();
      for (auto [edge, end] = out_edges(to, network_); edge != end; ++edge) {
        const Vertex from = target(*edge, network_);
        if (leads[from] || network_[network_[*edge].reverse].residual == 0) continue;
        leads[from] = true;
        open.push_back(from);
      }
    }
    return leads;
  }

  const Region& region_;
  Network network_;
  Vertex source_, sink_;
  std::unordered_map<const Node*, Vertex> nodes_;
  std::unordered_map<const Value*, Passage> values_;
};

}  // namespace

Cut cheapest_cut(const Region& region, const std::function<bool(const Node*)>& is_late, const CutCosts& costs) {
  return Cutter(region, is_late, costs).run();
}

}  // namespace gradc
