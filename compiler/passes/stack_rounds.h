// A node of a loop's body, computed for all rounds at once: its operands and results gain a first dimension of rounds.
#pragma once

#include <functional>
#include <unordered_map>

#include "ir/graph.h"

namespace gradc {

// A value outside of the loop: what one inside is in all rounds, stacked, or the same in each of them.
struct Rounds {
  Value* value = nullptr;
  bool stacked = false;
};

// Whether there is a rule for the node, where `stacked` marks the operands that differ from round to round.
bool can_stack(const Node& node, const std::vector<bool>& stacked);
// Appends the node for all rounds; at least one operand is stacked.
Value* stack_rounds(Builder& builder, const Node& node, const std::vector<Rounds>& operands, const Dim& rounds);

// Values of a loop's body, computed outside of it.
class Outside {
 public:
  explicit Outside(Dim rounds) : rounds_(std::move(rounds)) {}

  // Says what a value of the body is.
  void know(const Value* inside, Rounds outside) { known_[inside] = outside; }
  // Whether the value follows from known ones and from those that `given` says will be known, by nodes that `allowed`
  // admits. A node whose operands are the same in each round may be any.
  bool follows(const Value* inside, const std::function<bool(const Value*)>& given,
               const std::function<bool(const Node&)>& allowed) const;
  // Appends what computes it.
  Rounds get(Builder& builder, Value* inside);
  Value* stacked(Builder& builder, Value* inside);  // broadcast, where it is the same in each round

 private:
  Dim rounds_;
  std::unordered_map<const Value*, Rounds> known_;
};

}  // namespace gradc
