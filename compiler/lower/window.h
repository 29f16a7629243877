// Windows after emission: taps as straight-line code, and guards checked only where they may fail.
#pragma once

#include "ir/kernel.h"

namespace gradc {

// Few rounds of a sum become straight-line code. A loop whose guards hold but for a few rounds at its ends is cut into
// three: what runs in the middle checks nothing. The order of every sum stays. Accesses must be flat (see nest.h).
void shape_window(Kernel& kernel);

}  // namespace gradc
