// The table of CPUs. Sizes from the vendors' optimisation manuals; registers and widths from the instruction sets.
#include "ir/target.h"

namespace gradc {

const std::vector<Target>& known_targets() {
  // cpu, triple, vector bytes, vector registers, fma, masks, L1 data, L2
  static const std::vector<Target> targets = {
      {"x86-64", "", 16, 16, false, false, 32 << 10, 256 << 10},
      {"x86-64-v2", "", 16, 16, false, false, 32 << 10, 256 << 10},
      {"x86-64-v3", "", 32, 16, true, false, 32 << 10, 256 << 10},
      {"x86-64-v4", "", 64, 32, true, true, 32 << 10, 1 << 20},
      {"haswell", "", 32, 16, true, false, 32 << 10, 256 << 10},
      {"skylake-avx512", "", 64, 32, true, true, 32 << 10, 1 << 20},
      {"icelake-server", "", 64, 32, true, true, 48 << 10, 1280 << 10},
      {"sapphirerapids", "", 64, 32, true, true, 48 << 10, 2 << 20},
      {"znver2", "", 32, 16, true, false, 32 << 10, 512 << 10},
      {"znver3", "", 32, 16, true, false, 32 << 10, 512 << 10},
      {"znver4", "", 64, 32, true, true, 32 << 10, 1 << 20},
      {"znver5", "", 64, 32, true, true, 48 << 10, 1 << 20},
  };
  return targets;
}

const Target* find_target(std::string_view cpu) {
  for (const Target& target : known_targets())
    if (target.cpu == cpu) return &target;
  return nullptr;
}

}  // namespace gradc
