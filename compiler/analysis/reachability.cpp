// Groups of nodes and the paths between them: see reachability.h.
#include "compiler/analysis/reachability.h"

#include <utility>

#include "compiler/analysis/graph_adaptor.h"
#include "compiler/analysis/order.h"
#include "ir/diagnostic.h"

namespace gradc {

namespace {

using Vertex = NodeGraph::Vertex;

}  // namespace

// A group is one vertex more, its hub, with an edge to and from each member: whoever reaches one member reaches all.
struct NodeGroups::Data {
  explicit Data(const Region& region) : nodes(region), graph(nodes.edges()), group(nodes.size(), kAlone) {}

  Vertex vertex(const Node* node) const {
    std::optional<Vertex> found = nodes.vertex(node);
    ensure(found.has_value(), "the node is of another region than the groups");
    return *found;
  }

  // Whether one of the vertices is `to` or leads to it. Ends there, which Boost's searches can't.
  bool lead_to(std::vector<Vertex> open, Vertex to) const {
    std::vector<char> seen(num_vertices(graph));
    for (Vertex v : open) seen[v] = 1;
    while (!open.empty() && !seen[to]) {
      const Vertex v = open.back();
      open.pop_back();
      for (auto [edge, end] = out_edges(v, graph); edge != end; ++edge) {
        const Vertex next = target(*edge, graph);
        if (!std::exchange(seen[next], 1)) open.push_back(next);
      }
    }
    return seen[to] != 0;
  }

  std::vector<Vertex> readers(Vertex v) const {
    std::vector<Vertex> found;
    for (auto [edge, end] = out_edges(v, graph); edge != end; ++edge) found.push_back(target(*edge, graph));
    return found;
  }

  NodeGraph nodes;
  NodeGraph::Graph graph;    // the nodes, then the hubs
  std::vector<int> group;    // of a node
  std::vector<Vertex> hubs;  // of a group
};

NodeGroups::NodeGroups(const Region& region) : data_(std::make_unique<Data>(region)) {}
NodeGroups::~NodeGroups() = default;

int NodeGroups::of(const Node* node) const { return data_->group[data_->vertex(node)]; }

void NodeGroups::put(const Node* node, int group) {
  const Vertex v = data_->vertex(node);
  ensure(group >= 0 && data_->group[v] == kAlone, "a node is put into two groups");
  while (data_->hubs.size() <= static_cast<std::size_t>(group)) data_->hubs.push_back(add_vertex(data_->graph));
  data_->group[v] = group;
  add_edge(v, data_->hubs[static_cast<std::size_t>(group)], data_->graph);
  add_edge(data_->hubs[static_cast<std::size_t>(group)], v, data_->graph);
}

void NodeGroups::take_out(const Node* node) {
  const Vertex v = data_->vertex(node);
  ensure(data_->group[v] != kAlone, "a node is taken out of no group");
  const Vertex hub = data_->hubs[static_cast<std::size_t>(data_->group[v])];
  remove_edge(v, hub, data_->graph);
  remove_edge(hub, v, data_->graph);
  data_->group[v] = kAlone;
}

bool NodeGroups::leads_to(const Node* node, const Node* to) const {
  return data_->lead_to(data_->readers(data_->vertex(node)), data_->vertex(to));
}

bool NodeGroups::closes_circle(const Node* node, const std::set<const Node*>& readers, int group) const {
  ensure(of(node) == kAlone, "a node that is in a group is asked for another");
  ensure(group >= 0 && static_cast<std::size_t>(group) < data_->hubs.size(), "a group without members is asked for");
  std::vector<Vertex> outside;
  for (const Node* reader : readers)
    if (of(reader) != group) outside.push_back(data_->vertex(reader));
  return data_->lead_to(std::move(outside), data_->hubs[static_cast<std::size_t>(group)]);
}

}  // namespace gradc
