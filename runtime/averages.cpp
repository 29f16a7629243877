// What programs report, gathered over the batches of a data set.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "batches.h"

namespace gradc::runtime {

namespace {

const Array& output_of(const Prepared& program, const std::string& name, std::size_t& index) {
  const int found = program.executable().output(name);
  if (found < 0) throw std::logic_error("program `" + program.executable().program + "` has no output `" + name + "`");
  index = static_cast<std::size_t>(found);
  return program.executable().outputs[index];
}

void extend(double& held, Reduce reduce, double value) {
  held = reduce == Reduce::max ? std::max(held, value) : std::min(held, value);
  if (std::isnan(value)) held = value;
}

}  // namespace

Averages::Averages(const ProgramUse& use)
    : watches_(use.watched), last_loss_(std::numeric_limits<double>::quiet_NaN()) {
  has_loss_ = !use.loss.empty();
  if (has_loss_) items_.push_back({"loss", use.loss, Reduce::mean, false, {}, {}});
  for (const Report& report : use.reports)
    items_.push_back({report.name, report.name, report.reduce, report.weighted, {}, {}});
  for (const Watched& watched : use.watched)
    watched_.push_back({watched.name, watched.output, Reduce::confusion, false, {}, {}});
}

void Averages::add(Item& item, const Array& output, const std::byte* data, std::int64_t batch) {
  const std::int64_t count = output.elements();
  if (item.reduce == Reduce::confusion || item.weighted) {
    item.shape = output.shape;
    item.values.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      item.values[static_cast<std::size_t>(i)] += element_as_double(output.dtype, data, i);
    return;
  }
  if (item.reduce == Reduce::max || item.reduce == Reduce::min) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double value = element_as_double(output.dtype, data, i);
      if (item.values.empty()) item.values = {value};
      extend(item.values[0], item.reduce, value);
    }
    return;
  }
  item.values.resize(1);
  const double sum = sum_as_double(output.dtype, data, count);
  // A mean over the batch's values, weighted by its examples; exact for one value per example.
  const double share = static_cast<double>(batch) / static_cast<double>(std::max<std::int64_t>(1, count));
  item.values[0] += count == batch || item.reduce == Reduce::sum ? sum : sum * share;
}

void Averages::add(const Prepared& program, std::int64_t batch) {
  for (Item& item : items_) {
    std::size_t index = 0;
    const Array& output = output_of(program, item.output, index);
    add(item, output, program.output(index), batch);
  }
  for (Item& item : watched_) {
    std::size_t index = 0;
    const Array& output = output_of(program, item.output, index);
    add(item, output, program.output(index), batch);
  }
  if (has_loss_) {
    std::size_t index = 0;
    const Array& output = output_of(program, items_[0].output, index);
    last_loss_ = element_as_double(output.dtype, program.output(index), 0);
  }
  examples_ += batch;
  ++steps_;
}

Metrics Averages::metrics() const {
  Metrics metrics;
  const auto examples = static_cast<double>(std::max<std::int64_t>(1, examples_));
  for (const Item& item : items_) {
    if (item.reduce == Reduce::confusion) {
      if (item.shape.size() == 2) metrics.tables.push_back({item.metric, item.shape[0], item.shape[1], item.values});
      continue;
    }
    double value = item.values.empty() ? 0 : item.values[0];
    if (item.weighted)
      value /= item.values.size() < 2 ? 0 : item.values[1];
    else if (item.reduce == Reduce::mean || item.reduce == Reduce::sqrt_mean || item.reduce == Reduce::exp_mean)
      value /= examples;
    if (item.reduce == Reduce::sqrt_mean) value = std::sqrt(value);
    if (item.reduce == Reduce::exp_mean) value = std::exp(value);
    metrics.emplace_back(item.metric, value);
  }
  return metrics;
}

std::vector<std::pair<std::string, Metrics>> Averages::watch() const {
  std::vector<std::pair<std::string, Metrics>> result;
  const auto steps = static_cast<double>(std::max<std::int64_t>(1, steps_));
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    Metrics numbers;
    for (std::size_t k = 0; k < watched_[i].values.size() && k < watches_[i].numbers.size(); ++k)
      numbers.emplace_back(watches_[i].numbers[k], watched_[i].values[k] / steps);
    result.emplace_back(watches_[i].name, std::move(numbers));
  }
  return result;
}

void Averages::clear() {
  for (Item& item : items_) item.values.clear();
  for (Item& item : watched_) item.values.clear();
  examples_ = steps_ = 0;
}

Averages::Held Averages::held() const {
  Held held;
  if (steps_ == 0) return held;
  for (const Item& item : items_) held.metrics.push_back(item.values);
  for (const Item& item : watched_) held.watched.push_back(item.values);
  held.examples = examples_;
  held.steps = steps_;
  return held;
}

void Averages::restore(const Held& held) {
  if (held.metrics.size() != items_.size()) return;
  for (std::size_t i = 0; i < items_.size(); ++i) items_[i].values = held.metrics[i];
  examples_ = held.examples;
  if (held.watched.size() != watched_.size()) return;
  for (std::size_t i = 0; i < watched_.size(); ++i) watched_[i].values = held.watched[i];
  steps_ = held.steps;
}

}  // namespace gradc::runtime
