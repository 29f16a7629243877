// Links the installed runtime: what a shuffle by seed gives is a permutation, and the same each time.
#include <gradc/abi.h>
#include <gradc/executable.h>
#include <gradc/random.h>

#include <algorithm>
#include <cstdio>
#include <vector>

int main() {
  using namespace gradc::runtime;
  std::vector<std::int64_t> first = permutation(100, Random(7)), second = permutation(100, Random(7));
  if (first != second) return 1;
  std::sort(first.begin(), first.end());
  for (std::int64_t i = 0; i < 100; ++i)
    if (first[static_cast<std::size_t>(i)] != i) return 1;
  std::vector<std::int64_t> shape = {64, 10};
  std::puts(str(GRADC_F32, shape).c_str());
}
