// Which values a derivative flows through, and how an op's entry is handed to its rules; shared by both modes.
#pragma once

#include <span>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"

namespace gradc {

// A value is active where it is a float that depends on one of `wrt` through ops that have a derivative.
class Activity {
 public:
  // Considers the nodes of `region`, and of the regions around it, that `outputs` depend on.
  Activity(const Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt);

  bool active(const Value* value) const { return active_.contains(value); }
  // Active nodes that lead to an output, every node after those it reads.
  const std::vector<Node*>& nodes() const { return nodes_; }
  // Takes in a node made after construction; says whether it is active.
  bool extend(const Node& node);

 private:
  std::unordered_set<const Value*> active_;
  std::vector<Node*> nodes_;
};

// Rules see operands only: a region that reads an active value of the regions around it has no derivative.
void check_captures(const Node& node, const Activity& activity, const std::string& mode);

// Why a node's derivative cannot be taken, at its location.
[[noreturn]] void fail_without_derivative(const Node& node, const std::string& mode);

// Operands and results of a node as its rules see them.
std::vector<Term> terms(Builder& builder, const std::vector<Value*>& values);
std::vector<Term> result_terms(Builder& builder, const Node& node);

// An elementwise derivative with its dtype made that of `value`: a cast's formula serves both modes.
Term as_derivative_of(const Value& value, Term derivative);

// Holds a rule to its contract: the derivative of a value has the value's type.
void check_rule(const Node& node, const Value& value, Term derivative, const char* rule);

}  // namespace gradc
