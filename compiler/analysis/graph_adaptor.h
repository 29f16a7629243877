// A region's nodes as a directed graph of Boost.Graph, built for one analysis and dropped with it.
//
// Only the files of this folder include it: what they offer is said in terms of nodes.
#pragma once

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// Vertex i is the region's node i. An edge leads from the node that makes a value to each that reads it; two nodes have
// one edge at most. Values from around the region have no vertex.
class NodeGraph {
 public:
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS>;
  using Vertex = std::size_t;

  explicit NodeGraph(const Region& region) : graph_(region.nodes.size()) {
    for (const auto& node : region.nodes) {
      vertices_.emplace(node.get(), nodes_.size());
      nodes_.push_back(node.get());
    }
    for (Vertex reader = 0; reader < nodes_.size(); ++reader)
      for (Vertex producer : producers(*nodes_[reader])) add_edge(producer, reader, graph_);
  }

  const Graph& edges() const { return graph_; }
  std::size_t size() const { return nodes_.size(); }
  const Node* node(Vertex vertex) const { return nodes_[vertex]; }
  // None for a node of another region.
  std::optional<Vertex> vertex(const Node* node) const {
    auto found = vertices_.find(node);
    return found == vertices_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<Vertex> producers(const Node& node) const {
    std::vector<Vertex> made_by;
    for (const Value* value : node.operands)
      if (std::optional<Vertex> producer = vertex(value->node)) made_by.push_back(*producer);
    std::sort(made_by.begin(), made_by.end());
    made_by.erase(std::unique(made_by.begin(), made_by.end()), made_by.end());
    return made_by;
  }

  Graph graph_;
  std::vector<const Node*> nodes_;
  std::unordered_map<const Node*, Vertex> vertices_;
};

}  // namespace gradc
