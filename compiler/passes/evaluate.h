// What `gradc opt --evaluate` does: passes over a module in text form, then a function of it through the interpreter.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/pass.h"

namespace gradc {

struct EvaluateRequest {
  std::string function;
  std::vector<std::pair<std::string, std::vector<double>>> inputs;  // by name; one number stands for all elements
};

// Prints a result a line: "y = dense<f64[3]: 1, 2, 3>". Calls, gradients and tangents that the passes leave are written
// out first. Mistakes go to `err`. Returns the exit status.
int evaluate(const OptRequest& request, const EvaluateRequest& wanted, const Options& options, std::ostream& out,
             std::ostream& err);

}  // namespace gradc
