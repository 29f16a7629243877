// Which nodes lead to which, and groups of nodes that are to become single nodes.
#pragma once

#include <memory>
#include <set>

#include "ir/graph.h"

namespace gradc {

// The nodes of a region, some of them in groups, which grow. A path that enters a group leaves it by any of its
// members, for the group is to be one node. Asked of a region that does not change meanwhile.
class NodeGroups {
 public:
  explicit NodeGroups(const Region& region);
  ~NodeGroups();

  int of(const Node* node) const;  // kAlone of order.h: in none
  // `group` counts from 0; the node is in no other.
  void put(const Node* node, int group);
  void take_out(const Node* node);

  // Whether something that the node makes is needed, over one reader or several, to compute `to`.
  bool leads_to(const Node* node, const Node* to) const;
  // Whether the group with the node in it would be part of a circle: one of these readers of the node, outside of the
  // group, leads into it. Where each reader has its own copy of a node between, it reads what that reads. The node is
  // in no group.
  bool closes_circle(const Node* node, const std::set<const Node*>& readers, int group) const;

 private:
  struct Data;
  std::unique_ptr<Data> data_;
};

}  // namespace gradc
