// A function with a gradient of its own, for both front ends.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "compiler/frontend/loops.h"

namespace gradc {

struct CustomRequest {
  std::string name;                 // of the function, for messages
  std::vector<LoopValue> operands;  // numbers take the dtype of the values beside them
  Location at;
};
using CustomBody = std::function<LoopValue(const LoopValues& operands)>;
// The cotangents of all operands; those of integers are not looked at.
using CustomGradient =
    std::function<std::vector<LoopValue>(const LoopValues& operands, Value* result, Value* cotangent)>;

// Both read their arguments only: what they took from outside would have no gradient, so that is a UserError.
Value* custom(ModelBuilder& model, const CustomRequest& request, const CustomBody& body,
              const CustomGradient& gradient);

}  // namespace gradc
