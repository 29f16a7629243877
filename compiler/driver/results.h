// Arrays with the examples first, as files or on standard output.
#pragma once

#include <string>

#include "gradc/dataset.h"

namespace gradc::driver {

// "": one JSON object an example to standard output; else an .npy file, or of several arrays one each: FILE.NAME.npy.
void write_results(const runtime::DataSet& results, const std::string& output);

}  // namespace gradc::driver
