// What printer and parser of the kernel program share.
#pragma once

#include <string_view>

namespace gradc {

// Letters, digits, `_` and `.`, not starting with a digit or a dot: written without quotes.
bool is_plain_name(std::string_view name);

}  // namespace gradc
