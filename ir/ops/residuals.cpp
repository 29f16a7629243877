// Walks from what a reverse sweep computes back to what is at hand.
#include "ir/ops/residuals.h"

#include <algorithm>

#include "ir/op.h"

namespace gradc {

namespace {

// Cheap where its operands are at hand: one scalar body an element, or nothing at all.
bool is_cheap(const Node& node) {
  const Op& op = *node.op;
  if (op.expensive || !node.regions.empty()) return false;
  if (op.kind == Kind::elementwise || op.irregular == Irregular::constant || op.irregular == Irregular::reshape)
    return true;
  return op.indexed && indexed_form(node).combiner == Combiner::none;
}

// Elements of one operand elsewhere, none of them dropped: as good as the operand.
bool is_movement(const Node& node) {
  return node.op->kind == Kind::linear && node.operands.size() == 1 && is_cheap(node) &&
         node.result()->type.elements() >= node.operands[0]->type.elements();
}

}  // namespace

Residuals::Residuals(const Region& joint, std::size_t carried, std::size_t primal, std::size_t nodes)
    : carried_(carried), primal_(primal) {
  for (std::size_t i = 0; i < nodes; ++i) {
    const Node& node = *joint.nodes[i];
    forward_.insert(&node);
    const bool from_inputs = std::all_of(node.operands.begin(), node.operands.end(), [&](const Value* value) {
      return value->node ? cheap_.contains(value->node) : static_cast<std::size_t>(value->index) >= carried_;
    });
    if (from_inputs && is_cheap(node)) cheap_.insert(&node);
  }
}

void Residuals::need(Value* value) {
  std::vector<Value*> pending{value};
  while (!pending.empty()) {
    Value* next = pending.back();
    pending.pop_back();
    if (!seen_.insert(next).second) continue;
    const Node* node = next->node;
    if (!node) {
      const auto index = static_cast<std::size_t>(next->index);
      if (index < carried_)
        saved_.push_back(next);
      else if (index < primal_)
        inputs_.insert(index);
    } else if (forward_.contains(node) && !cheap_.contains(node) && !is_movement(*node)) {
      saved_.push_back(next);
    } else if (copied_.insert(node).second) {
      pending.insert(pending.end(), node->operands.begin(), node->operands.end());
    }
  }
}

}  // namespace gradc
