// Topological order with wishes, and circles between groups: see order.h.
#include "compiler/analysis/order.h"

#include <boost/graph/strong_components.hpp>
#include <set>

#include "compiler/analysis/graph_adaptor.h"
#include "ir/diagnostic.h"

namespace gradc {

namespace {

using Vertex = NodeGraph::Vertex;

// Kahn's algorithm; the sets hold the vertices whose producers are done, by whether their wishes are kept.
class Ordering {
 public:
  Ordering(const Region& region, std::span<const Wish> wishes)
      : graph_(region), missing_(graph_.size()), unkept_(graph_.size()), wished_(graph_.size()) {
    for (const Wish& wish : wishes) {
      const Vertex before = vertex(wish.before), after = vertex(wish.after);
      if (before == after) continue;
      wished_[before].push_back(after);
      ++unkept_[after];
    }
    for (Vertex v = 0; v < graph_.size(); ++v) {
      missing_[v] = in_degree(v, graph_.edges());
      if (missing_[v] == 0) ready(v).insert(v);
    }
  }

  std::vector<const Node*> run() {
    std::vector<const Node*> order;
    while (!kept_.empty() || !waiting_.empty()) {
      std::set<Vertex>& from = kept_.empty() ? waiting_ : kept_;
      const Vertex next = *from.begin();
      from.erase(from.begin());
      order.push_back(graph_.node(next));
      finish(next);
    }
    ensure(order.size() == graph_.size(), "nodes of a region read each other in a circle");
    return order;
  }

 private:
  Vertex vertex(const Node* node) const {
    std::optional<Vertex> found = graph_.vertex(node);
    ensure(found.has_value(), "a wish names a node of another region");
    return *found;
  }

  std::set<Vertex>& ready(Vertex v) { return unkept_[v] == 0 ? kept_ : waiting_; }

  void finish(Vertex done) {
    for (Vertex after : wished_[done])
      if (--unkept_[after] == 0 && waiting_.erase(after) > 0) kept_.insert(after);
    for (auto [edge, end] = out_edges(done, graph_.edges()); edge != end; ++edge) {
      const Vertex reader = target(*edge, graph_.edges());
      if (--missing_[reader] == 0) ready(reader).insert(reader);
    }
  }

  NodeGraph graph_;
  std::vector<std::size_t> missing_;         // producers that are not done
  std::vector<std::size_t> unkept_;          // wishes that are not kept
  std::vector<std::vector<Vertex>> wished_;  // who waits for a vertex by a wish
  std::set<Vertex> kept_, waiting_;
};

// The graph in which each group is one vertex, and no edge leads from a vertex to itself. A copied node has no vertex:
// whoever reads it reads what it reads.
class GroupGraph {
 public:
  GroupGraph(const NodeGraph& nodes, const std::function<int(const Node*)>& group_of) : nodes_(nodes) {
    std::unordered_map<int, Vertex> of_group;
    for (Vertex v = 0; v < nodes.size(); ++v) {
      const int group = group_of(nodes.node(v));
      if (group == kCopied)
        vertices_.push_back(kNone);
      else if (group == kAlone)
        vertices_.push_back(add_vertex(graph_));
      else if (auto known = of_group.find(group); known != of_group.end())
        vertices_.push_back(known->second);
      else
        vertices_.push_back(of_group[group] = add_vertex(graph_));
    }
    for (Vertex v = 0; v < nodes.size(); ++v) {
      std::set<Vertex> passed;
      if (vertices_[v] != kNone) add_readers(v, vertices_[v], passed);
    }
  }

  std::vector<const Node*> on_circles() const {
    std::vector<std::size_t> component(num_vertices(graph_));
    const std::size_t count = boost::strong_components(
        graph_, make_iterator_property_map(component.begin(), get(boost::vertex_index, graph_)));
    std::vector<std::size_t> members(count);
    for (std::size_t c : component) ++members[c];
    std::vector<const Node*> found;
    for (Vertex v = 0; v < nodes_.size(); ++v)
      if (vertices_[v] != kNone && members[component[vertices_[v]]] > 1) found.push_back(nodes_.node(v));
    return found;
  }

 private:
  static constexpr Vertex kNone = static_cast<Vertex>(-1);

  void add_readers(Vertex v, Vertex from, std::set<Vertex>& passed) {
    for (auto [edge, end] = out_edges(v, nodes_.edges()); edge != end; ++edge) {
      const Vertex reader = target(*edge, nodes_.edges()), to = vertices_[reader];
      if (to == kNone) {
        if (passed.insert(reader).second) add_readers(reader, from, passed);
      } else if (to != from) {
        add_edge(from, to, graph_);
      }
    }
  }

  const NodeGraph& nodes_;
  NodeGraph::Graph graph_;
  std::vector<Vertex> vertices_;  // of the nodes
};

}  // namespace

std::vector<const Node*> topological_order(const Region& region, std::span<const Wish> wishes) {
  return Ordering(region, wishes).run();
}

std::vector<const Node*> nodes_on_circles(const Region& region, const std::function<int(const Node*)>& group_of) {
  const NodeGraph nodes(region);
  return GroupGraph(nodes, group_of).on_circles();
}

}  // namespace gradc
