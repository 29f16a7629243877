// The reference interpreter: the meaning of the graph IR, plain and slow.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/tensor.h"

namespace gradc {

// Static shapes. Sums run in the indexed form's order, in the value's dtype.
std::vector<Tensor> interpret(const Function& function, std::span<const Tensor> arguments);
// One node, operands given (constant folding).
std::vector<Tensor> interpret(const Node& node, std::span<const Tensor> operands);
// A region that reads nothing but its parameters.
std::vector<Tensor> interpret(const Region& region, std::span<const Tensor> arguments);
// As interpret(function, …), and every value of the function's own region.
std::map<const Value*, Tensor> interpret_all(const Function& function, std::span<const Tensor> arguments);

}  // namespace gradc
