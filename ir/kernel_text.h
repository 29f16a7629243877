// The text of kernel programs: what printer and parser share, and printing without holding the whole text.
#pragma once

#include <functional>
#include <string_view>

#include "ir/kernel.h"

namespace gradc {

// Letters, digits, `_` and `.`, not starting with a digit or a dot: written without quotes.
bool is_plain_name(std::string_view name);

// What print(module) gives, in pieces.
void print(const KernelModule& module, const std::function<void(std::string_view)>& write);

}  // namespace gradc
