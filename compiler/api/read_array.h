// One array of a file, as a literal of a graph: what `"init": { "file": … }` reads.
#pragma once

#include <string>

#include "ir/tensor.h"

namespace gradc {

// From an .npy file, or the array `name` of an .npz or .safetensors file (halves and bfloats as f32). Where it can't be
// read, a UserError that says why, without a place.
Tensor read_array(const std::string& path, const std::string& name);

}  // namespace gradc
