// Differentiation inside the regions of a node, for the rules of ops that have them.
#pragma once

#include "ir/op.h"

namespace gradc {

const RegionCalculus& region_calculus();

}  // namespace gradc
