// The verifier: what must hold of every graph between passes.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// One sentence a violation: operand counts, attribute kinds, inferred against stated types, definition before use,
// ownership, region signatures, roles and names of parameters and results.
std::vector<std::string> verify(const Function& function);
std::vector<std::string> verify(const Module& module);
// Internal error with the first violations and the text, headed by `after`.
void verify_or_die(const Module& module, const std::string& after);

}  // namespace gradc
