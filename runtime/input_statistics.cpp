// Mean and standard deviation of an input over the training examples, as the input pipeline takes them out.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "batches.h"

namespace gradc::runtime {

namespace {

// Where the numbers of an example go: number e of the example to sum (e / inner) % count.
struct Spread {
  std::int64_t count = 1, inner = 1;
};

Spread spread_of(const Column& column, const Array& entry) {
  Spread spread;
  spread.count = entry.elements();
  if (entry.shape == column.shape || spread.count == 0) return spread;
  for (std::size_t d = 1; d < column.shape.size(); ++d) spread.inner *= column.shape[d];
  if (entry.shape.empty()) spread.inner = 1;
  return spread;
}

void store(const Array& entry, std::byte* state, const std::vector<double>& values) {
  std::byte* at = state + entry.offset;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (entry.dtype == GRADC_F64) {
      std::memcpy(at + 8 * i, &values[i], 8);
    } else {
      const auto narrow = static_cast<float>(values[i]);
      std::memcpy(at + 4 * i, &narrow, 4);
    }
  }
}

// Σ f(value, which) / how many, in double and in the order of the rows: the same bits whatever the threads.
template <class F>
std::vector<double> averages(const Column& column, std::span<const std::int64_t> rows, const Spread& spread, F f) {
  std::vector<double> sums(static_cast<std::size_t>(spread.count));
  const std::int64_t width = column.row_elements();
  for (const std::int64_t row : rows) {
    const std::byte* from = column.data.data() + row * column.row_bytes();
    for (std::int64_t e = 0; e < width; ++e) {
      const auto which = static_cast<std::size_t>(e / spread.inner % spread.count);
      sums[which] += f(element_as_double(column.dtype, from, e), which);
    }
  }
  const double each = static_cast<double>(rows.size()) * static_cast<double>(width) / static_cast<double>(spread.count);
  for (double& sum : sums) sum /= each;
  return sums;
}

}  // namespace

void set_statistics(std::span<const InputStatistics> statistics, const DataSet& fitted,
                    std::span<const std::int64_t> rows, const StateTable& table, std::byte* state,
                    std::vector<std::string>& unset) {
  for (const InputStatistics& wanted : statistics) {
    if (std::find(unset.begin(), unset.end(), wanted.mean) == unset.end()) continue;
    const Column* column = fitted.find(wanted.input);
    const StateArray* mean = table.find(wanted.mean);
    if (!column || !mean || rows.empty() || column->row_elements() == 0) continue;
    const Spread spread = spread_of(*column, *mean);
    const std::vector<double> means = averages(*column, rows, spread, [](double value, std::size_t) { return value; });
    store(*mean, state, means);
    std::erase(unset, wanted.mean);
    const StateArray* deviation = table.find(wanted.deviation);
    if (!deviation) continue;
    std::vector<double> deviations = averages(*column, rows, spread, [&](double value, std::size_t which) {
      return (value - means[which]) * (value - means[which]);
    });
    for (double& value : deviations) value = value > 0 ? std::sqrt(value) : 1;
    store(*deviation, state, deviations);
    std::erase(unset, wanted.deviation);
  }
}

}  // namespace gradc::runtime
