// The rule families of `simplify`; see README.md for the laws that a rule obeys.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// What stands for the node's one result, or null where the rule does not apply. Where the result is new, it was
// appended through the builder.
struct SimplifyRule {
  std::string_view op;  // "" for every op
  Value* (*apply)(Builder& builder, const Node& node);
};

const std::vector<SimplifyRule>& arithmetic_rules();
const std::vector<SimplifyRule>& contraction_rules();
const std::vector<SimplifyRule>& movement_rules();
// The rules over scan, while and cond. What stands for the node's results, or nothing.
std::optional<std::vector<Value*>> simplify_loop(Builder& builder, Node& node);
// A rule that would repeat work where the value that it looks through has other uses.
Value* transpose_of_dot(Builder& builder, const Node& node);

// `x` with its dimensions in another order: result dimension i is dimension permutation[i] of x. Sees through what
// makes x: a transpose is combined, and may cancel; a broadcast is made in the new order at once.
Value* transposed(Builder& builder, Value* x, const IntList& permutation);

}  // namespace gradc
