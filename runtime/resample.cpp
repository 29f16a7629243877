// Splits of a data set, each a function of a seed alone.
#include "gradc/resample.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "gradc/random.h"

namespace gradc::runtime {

namespace {

enum Purpose : std::uint64_t { kHoldOut = 1, kFolds = 3, kBootstrap = 4 };  // streams of the seed; fit has 2

}  // namespace

Split hold_out(std::int64_t examples, double fraction, std::uint64_t seed) {
  if (!(fraction >= 0 && fraction < 1)) throw DataError("the validation fraction must be at least 0 and less than 1");
  const auto held_out = static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(examples) + 0.5));
  if (fraction > 0 && (held_out == 0 || held_out == examples)) {
    throw DataError("a validation fraction of " + std::to_string(fraction) + " splits " + std::to_string(examples) +
                    " examples into " + std::to_string(examples - held_out) + " and " + std::to_string(held_out));
  }
  Split split;
  split.train.resize(static_cast<std::size_t>(examples));
  std::iota(split.train.begin(), split.train.end(), 0);
  if (held_out == 0) return split;
  split.train = permutation(examples, Random(seed, kHoldOut));
  split.validation.assign(split.train.begin(), split.train.begin() + held_out);
  split.train.erase(split.train.begin(), split.train.begin() + held_out);
  return split;
}

Split k_fold(std::int64_t examples, std::int64_t folds, std::int64_t fold, std::uint64_t seed) {
  if (examples < folds) {
    throw DataError(std::to_string(examples) + " examples can't be cut into " + std::to_string(folds) + " folds");
  }
  const std::vector<std::int64_t> order = permutation(examples, Random(seed, kFolds));
  // The first `examples % folds` parts have one more.
  const std::int64_t least = examples / folds, longer = examples % folds;
  const std::int64_t begin = fold * least + std::min(fold, longer), end = begin + least + (fold < longer ? 1 : 0);
  Split split;
  split.train.assign(order.begin(), order.begin() + begin);
  split.train.insert(split.train.end(), order.begin() + end, order.end());
  split.validation.assign(order.begin() + begin, order.begin() + end);
  return split;
}

Split bootstrap(std::int64_t examples, std::uint64_t seed) {
  Random random(seed, kBootstrap);
  Split split;
  std::vector<bool> drawn(static_cast<std::size_t>(examples));
  for (std::int64_t i = 0; i < examples; ++i) {
    split.train.push_back(random.below(examples));
    drawn[static_cast<std::size_t>(split.train.back())] = true;
  }
  for (std::int64_t i = 0; i < examples; ++i) {
    if (!drawn[static_cast<std::size_t>(i)]) split.validation.push_back(i);
  }
  return split;
}

DataSet rows_of(const DataSet& data, std::span<const std::int64_t> rows) {
  DataSet result;
  result.vocabulary = data.vocabulary;
  for (const Column& column : data.columns) {
    Column part =
        make_column(column.name, column.dtype, column.shape, static_cast<std::int64_t>(rows.size()), column.origin);
    const std::int64_t bytes = column.row_bytes();
    std::byte* to = part.data.data();
    for (const std::int64_t row : rows) {
      std::memcpy(to, column.data.data() + row * bytes, static_cast<std::size_t>(bytes));
      to += bytes;
    }
    result.add(std::move(part));
  }
  return result;
}

}  // namespace gradc::runtime
