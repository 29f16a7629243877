// What code is generated for: a CPU by name, never the machine that gradc happens to run on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gradc {

struct Target {
  std::string cpu;        // LLVM's name: x86-64, haswell, znver5, …
  std::string triple;     // "" : the host's
  int vector_bytes = 16;  // width of the widest vector register used
  int vector_registers = 16;
  bool fma = false;
  bool masks = false;  // masked loads and stores of full width (AVX-512)
  std::int64_t l1_bytes = 32 << 10;
  std::int64_t l2_bytes = 256 << 10;

  int lanes(std::int64_t element_bytes) const { return static_cast<int>(vector_bytes / element_bytes); }
};

// Known CPUs: x86-64, x86-64-v2, haswell, x86-64-v3, x86-64-v4, skylake-avx512, znver2 … znver5; a row each.
const std::vector<Target>& known_targets();
const Target* find_target(std::string_view cpu);

}  // namespace gradc
