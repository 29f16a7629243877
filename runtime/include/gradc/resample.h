// Which examples train and which validate: a fraction held out, one fold of several, or a bootstrap sample.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gradc/dataset.h"

namespace gradc::runtime {

// Numbers of examples. Every one is in one of the two lists, and a bootstrap's drawn ones may repeat in `train`.
struct Split {
  std::vector<std::int64_t> train, validation;
};

// A share of `examples`, drawn by the run's seed. DataError where a part would be empty, but for a share of 0.
Split hold_out(std::int64_t examples, double fraction, std::uint64_t seed);
// The examples in an order by the seed, cut into `folds` parts whose sizes differ by one at most; part `fold`
// validates. DataError where there are fewer examples than folds.
Split k_fold(std::int64_t examples, std::int64_t folds, std::int64_t fold, std::uint64_t seed);
// As many draws with replacement as there are examples; what was never drawn validates (Efron, 1979).
Split bootstrap(std::int64_t examples, std::uint64_t seed);

// The rows of a set that these numbers name.
DataSet rows_of(const DataSet& data, std::span<const std::int64_t> rows);

}  // namespace gradc::runtime
