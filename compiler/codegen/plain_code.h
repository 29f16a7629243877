// What those share that look for code which repeats: chains.cpp and repeats.cpp.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "ir/kernel.h"

namespace gradc::codegen {

// Whether all that an instruction depends on are its operands.
bool is_plain(const Instr& in);
// Whether two plain instructions do the same, operands aside.
bool same_work(const Instr& a, const Instr& b);

using Places = std::unordered_map<int, std::size_t>;  // of a block, by value
// Enters the instruction at this place of a block as the last to read its values, in whatever inner block.
void note_uses(const Instr& in, std::size_t at, Places& last_use);

}  // namespace gradc::codegen
