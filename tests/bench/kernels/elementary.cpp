// Elementary functions over what the first-level cache holds, against glibc's vector functions of the same width.
#include "tests/bench/kernels/peers.h"

namespace gradc::bench {

std::vector<Case> elementary() {
  constexpr std::int64_t kElements = 2048;
  struct Row {
    const char* name;
    double low, high;
    bool binary = false;
  };
  const Row rows[] = {{"exp", -10, 10},      {"log", 0.001, 100}, {"tanh", -5, 5},    {"sigmoid", -10, 10},
                      {"expm1", -5, 5},      {"log1p", 0, 100},   {"sin", -10, 10},   {"cos", -10, 10},
                      {"erf", -3, 3},        {"sqrt", 0, 100},    {"rsqrt", 0.1, 10}, {"power", 0.1, 10, true},
                      {"atan2", -5, 5, true}};
  std::vector<Case> cases;
  for (const Row& row : rows) {
    const std::string type = "f32[" + std::to_string(kElements) + "]", name = row.name;
    Case c;
    c.group = "elementary";
    c.name = name;
    c.low = row.low;
    c.high = row.high;
    c.graph = "func @f(data %x: " + type + (row.binary ? ", data %z: " + type : "") +
              ") -> (data y) {\n  %y = " + name + (row.binary ? "(%x, %z)" : "(%x)") + "\n  return %y\n}";
    c.bytes = 4.0 * kElements * (row.binary ? 3 : 2);
    const bool binary = row.binary;
    c.peers = [name, binary](Compiled& run) {
      return libmvec_peer(name, kElements, run.input(0).data(), run.input(binary ? 1 : 0).data());
    };
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace gradc::bench
