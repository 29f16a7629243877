// Symbolic differentiation, graph to graph. Knows no op by name: rules come from the registry.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// Appends the reverse sweep to `region` and returns, for each of `wrt`, the cotangent Jᵀ·cotangent of `output`
// (same type as the value; zeros where `output` does not depend on it). `cotangent` null: ones (a scalar output).
// A path through an op without derivative is a UserError at that op's location.
std::vector<Value*> reverse(Region& region, Value* output, Value* cotangent, std::span<Value* const> wrt);

// Appends the forward sweep and returns the tangent J·tangent of each output.
std::vector<Value*> forward(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt,
                            std::span<Value* const> tangents);

// The same with symbolic zeros, null on both sides: the sum over the outputs of Jᵀ·cotangent for each of `wrt`, and the
// tangent of each output.
std::vector<Value*> pull_back(Region& region, std::span<Value* const> outputs, std::span<Value* const> cotangents,
                              std::span<Value* const> wrt);
std::vector<Value*> push_forward(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt,
                                 std::span<Value* const> tangents);

}  // namespace gradc
