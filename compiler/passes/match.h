// Patterns over values: what a rule asks before it rewrites.
#pragma once

#include <optional>
#include <string_view>

#include "ir/graph.h"

namespace gradc {

// The node of op `name` that makes `value`, or null.
Node* made_by(const Value* value, std::string_view name);

// The one number that all elements of `value` are, where literals and the movements over them say so.
std::optional<double> uniform(const Value* value);

bool is_uniform(const Value* value, double number);  // -0 and 0 differ; NaN is never found
// Whether x + value is x for every x: -0 among floats, 0 among integers.
bool is_neutral_to_add(const Value* value);
// Whether a power of two whose reciprocal is a normal number of the dtype too.
bool is_invertible_power_of_two(DType dtype, double number);

}  // namespace gradc
