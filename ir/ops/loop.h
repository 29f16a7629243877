// Derivatives of scan, while and cond, for their entries.
#pragma once

#include <span>
#include <vector>

#include "ir/op.h"

namespace gradc {

std::vector<Term> scan_vjp(const Derivation& d, std::span<const Term> cotangents);
std::vector<Term> scan_jvp(const Derivation& d, std::span<const Term> tangents);
std::vector<Term> while_vjp(const Derivation& d, std::span<const Term> cotangents);
std::vector<Term> while_jvp(const Derivation& d, std::span<const Term> tangents);
std::vector<Term> cond_vjp(const Derivation& d, std::span<const Term> cotangents);
std::vector<Term> cond_jvp(const Derivation& d, std::span<const Term> tangents);

}  // namespace gradc
