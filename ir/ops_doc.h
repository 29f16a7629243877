// The reference of all ops, written from the registry.
#pragma once

#include <string>

#include "ir/op.h"

namespace gradc {

// "sum(x, axis=[], keep=false)"
std::string signature(const Op& op);

// What ir/OPS.md holds: every op that specs and the C++ API can use, by family, then the internal ones.
std::string ops_markdown();

}  // namespace gradc
