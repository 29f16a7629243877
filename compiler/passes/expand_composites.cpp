// Replaces composites by their bodies, until none is left. Waits for `grad`, which knows their own gradients.
//
//   %s = log_softmax(%x) {axis = 1}   →   %m = max(%x) …  %e = exp(…) …  %s = subtract(…)
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/op.h"

namespace gradc {

namespace {

std::optional<std::vector<Value*>> expand(Builder& builder, Node& node) {
  if (node.op->kind != Kind::composite) return std::nullopt;
  std::vector<Term> operands;
  for (Value* operand : node.operands) operands.push_back(builder.term(operand));
  std::vector<Value*> results;
  for (const Term& term : node.op->compose(builder, call_of(node), operands)) results.push_back(term.value());
  return results;
}

}  // namespace

bool expand_composites(Function& function, const Options& options) {
  if (is_to_be_differentiated(function, options)) return false;
  bool changed = false;
  while (rewrite(function.body, expand)) changed = true;  // bodies are made of composites too
  return changed;
}

}  // namespace gradc
