// What the reverse sweep over a region needs of the nodes before it, and which of that is saved.
#pragma once

#include <set>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// A joint region holds the nodes of a region, then their reverse sweep, which is to become a region of its own. Of what
// that reads, parameters but carried ones are at hand there too. What follows from them cheaply, and movements of
// anything, are computed again; the rest is saved.
class Residuals {
 public:
  // The joint region begins with `carried` carried parameters, `primal` parameters of the forward region in all, and
  // with `nodes` nodes of it.
  Residuals(const Region& joint, std::size_t carried, std::size_t primal, std::size_t nodes);

  // Takes in a value that the reverse region computes or reads, and what it needs in turn.
  void need(Value* value);

  const std::vector<Value*>& saved() const { return saved_; }              // for the forward region to yield
  const std::set<std::size_t>& inputs() const { return inputs_; }          // at hand, by parameter
  bool copied(const Node& node) const { return copied_.contains(&node); }  // part of the reverse region

 private:
  std::size_t carried_, primal_;
  std::unordered_set<const Node*> forward_, cheap_, copied_;
  std::unordered_set<const Value*> seen_;
  std::vector<Value*> saved_;
  std::set<std::size_t> inputs_;
};

}  // namespace gradc
