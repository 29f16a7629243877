// What the two sweeps share: where they append, which values are active, and what they know of each so far.
#pragma once

#include <string>
#include <unordered_map>

#include "compiler/autodiff/activity.h"
#include "ir/op.h"

namespace gradc {

class Sweep {
 public:
  // `mode`, "reverse" or "forward", is for messages.
  Sweep(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt, std::string mode);

  // The cotangent or tangent found for a value; null where it is zero.
  Term derivative_of(const Value* value) const;
  // The same, with zeros written out.
  Value* written(Value* value);
  // Adds to what a value has already; values that are not active take nothing.
  void accumulate(const Value* value, Term derivative);

 protected:
  // Hands the node's rule what it may use. UserError where the op has no derivative.
  template <class Rule>
  void open(const Node& node, const Rule& rule) {
    if (!node.op->no_derivative.empty()) fail(node);
    const Call call = call_of(node);
    const Derivation derivation = derivation_of(node, call);
    builder_.locations = gradient_of(node.locations);
    rule(derivation);
  }

  // A composite's body, written out at the end of the region.
  struct Body {
    std::vector<Term> results;
    std::vector<const Node*> active;  // its active nodes, in order
  };
  Body write_body(const Node& node, const Derivation& derivation);

  // Why a node's derivative can't be taken, at its location.
  [[noreturn]] void fail(const Node& node) const;

  Region& region_;
  Builder builder_;
  Activity activity_;

 private:
  Derivation derivation_of(const Node& node, const Call& call);

  std::string mode_;
  std::unordered_map<const Value*, Term> found_;
};

// An elementwise derivative with its dtype made that of `value`: a cast's formula serves both modes.
Term as_derivative_of(const Value& value, Term derivative);

// Holds a rule to its contract: the derivative of a value has the value's type.
void check_rule(const Node& node, const Value& value, Term derivative, const char* rule);

}  // namespace gradc
