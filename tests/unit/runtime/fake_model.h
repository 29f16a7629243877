// A model in plain C++ behind the ABI: linear regression of y on three numbers, by SGD with momentum.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gradc/fit.h"

namespace gradc::test {

using namespace gradc::runtime;

// What the programs saw, and where they are to fail. The third number of an example is its own number / 1000.
struct FakeLog {
  std::vector<std::vector<int>> batches;  // of train: the examples' numbers
  std::int64_t poison_step = -1;          // this step makes w[1] NaN
};
inline FakeLog fake_log;

struct FakeState {
  float w[3];
  float unused_a[13];
  float momentum[3];
  float unused_b[13];
  std::int64_t step;
  std::int64_t unused_c[7];
  std::uint32_t key[2];
  std::uint32_t unused_d[14];
};
static_assert(sizeof(FakeState) == 256);

inline StateArray fake_entry(std::string name, StateKind kind, gradc_dtype dtype, std::vector<std::int64_t> shape,
                             std::int64_t offset) {
  StateArray entry;
  entry.name = std::move(name);
  entry.kind = kind;
  entry.dtype = dtype;
  entry.shape = std::move(shape);
  entry.offset = offset;
  return entry;
}

inline StateTable fake_table() {
  StateTable table;
  table.entries = {fake_entry("w", StateKind::parameter, GRADC_F32, {3}, 0),
                   fake_entry("w.momentum", StateKind::slot, GRADC_F32, {3}, 64),
                   fake_entry("step", StateKind::counter, GRADC_I64, {}, 128),
                   fake_entry("key", StateKind::key, GRADC_U32, {2}, 192)};
  table.bytes = sizeof(FakeState);
  return table;
}

inline std::int32_t fake_init(const void* const*, void* const*, void* state, void*, const void* scalars,
                              const gradc_context*) {
  auto* s = static_cast<FakeState*>(state);
  std::int64_t seed = 0;
  std::memcpy(&seed, scalars, sizeof seed);
  std::memset(s, 0, sizeof *s);
  for (int i = 0; i < 3; ++i) s->w[i] = 0.1F * static_cast<float>((seed + i) % 5);
  s->key[0] = static_cast<std::uint32_t>(seed);
  s->key[1] = 77;
  return 0;
}

template <int N>
std::int32_t fake_train(const void* const* inputs, void* const* outputs, void* state, void*, const void* scalars,
                        const gradc_context*) {
  auto* s = static_cast<FakeState*>(state);
  const auto* x = static_cast<const float*>(inputs[0]);
  const auto* y = static_cast<const float*>(inputs[1]);
  float rate = 0;
  std::memcpy(&rate, scalars, sizeof rate);
  float loss = 0, gradient[3] = {};
  std::vector<int> seen;
  for (int n = 0; n < N; ++n) {
    const float* row = x + 3 * n;
    const float error = s->w[0] * row[0] + s->w[1] * row[1] + s->w[2] * row[2] - y[n];
    loss += error * error / N;
    for (int i = 0; i < 3; ++i) gradient[i] += 2 * error * row[i] / N;
    seen.push_back(static_cast<int>(std::lround(row[2] * 1000)));
  }
  ++s->step;
  for (int i = 0; i < 3; ++i) {
    s->momentum[i] = 0.5F * s->momentum[i] + gradient[i];
    // Step and key matter to every later bit, as dropout would make them.
    const auto noise = static_cast<float>((static_cast<std::uint32_t>(s->step) * 2654435761U ^ s->key[1]) >> 24);
    s->w[i] -= rate * s->momentum[i] + 1e-6F * noise;
  }
  if (s->step == fake_log.poison_step) s->w[1] = std::numeric_limits<float>::quiet_NaN();
  s->key[1] = s->key[1] * 1664525U + 1013904223U;
  std::memcpy(outputs[0], &loss, sizeof loss);
  fake_log.batches.push_back(std::move(seen));
  return 0;
}

template <int N>
std::int32_t fake_test(const void* const* inputs, void* const* outputs, void* state, void*, const void*,
                       const gradc_context*) {
  const auto* s = static_cast<const FakeState*>(state);
  const auto* x = static_cast<const float*>(inputs[0]);
  const auto* y = static_cast<const float*>(inputs[1]);
  float loss = 0;
  for (int n = 0; n < N; ++n) {
    const float* row = x + 3 * n;
    const float value = s->w[0] * row[0] + s->w[1] * row[1] + s->w[2] * row[2];
    loss += (value - y[n]) * (value - y[n]) / N;
    static_cast<std::uint8_t*>(outputs[1])[n] = std::abs(value - y[n]) < 0.1F;
    static_cast<float*>(outputs[2])[n] = value;
  }
  std::memcpy(outputs[0], &loss, sizeof loss);
  return 0;
}

// A program without inputs, whose scalars show in the state.
inline std::int32_t fake_second(const void* const*, void* const* outputs, void* state, void*, const void* scalars,
                                const gradc_context*) {
  auto* s = static_cast<FakeState*>(state);
  double given[2];  // steps_per_epoch, plateau_factor
  std::memcpy(given, scalars, sizeof given);
  ++s->step;
  s->w[0] += static_cast<float>(1e-3 * given[1]);
  s->w[1] += static_cast<float>(1e-5 * given[0]);
  const float loss = s->w[0];
  std::memcpy(outputs[0], &loss, sizeof loss);
  fake_log.batches.push_back({-static_cast<int>(given[0]), static_cast<int>(std::lround(1000 * given[1]))});
  return 0;
}

constexpr std::size_t kLargestFakeBatch = 16;
template <std::size_t... I>
std::array<gradc_entry, sizeof...(I)> fake_trains(std::index_sequence<I...>) {
  return {fake_train<static_cast<int>(I) + 1>...};
}
template <std::size_t... I>
std::array<gradc_entry, sizeof...(I)> fake_tests(std::index_sequence<I...>) {
  return {fake_test<static_cast<int>(I) + 1>...};
}

inline Array fake_array(std::string name, gradc_dtype dtype, std::vector<std::int64_t> shape) {
  Array array;
  array.name = std::move(name);
  array.dtype = dtype;
  array.shape = std::move(shape);
  return array;
}

inline Executable fake_program(std::string_view name, std::int64_t batch) {
  Executable e;
  e.program = name;
  if (name == "init") {
    e.entry = fake_init;
    e.scalars = {fake_array("seed", GRADC_I64, {})};
    e.scalars_bytes = 8;
    return e;
  }
  if (name == "second") {
    e.entry = fake_second;
    e.outputs = {fake_array("objective", GRADC_F32, {})};
    e.scalars = {fake_array("steps_per_epoch", GRADC_F64, {}), fake_array("plateau_factor", GRADC_F64, {})};
    e.scalars[1].offset = 8;
    e.scalars[0].preset = e.scalars[1].preset = 1;
    e.scalars_bytes = 16;
    return e;
  }
  const auto index = static_cast<std::size_t>(batch - 1);
  e.inputs = {fake_array("x", GRADC_F32, {batch, 3}), fake_array("y", GRADC_F32, {batch})};
  e.outputs = {fake_array("objective", GRADC_F32, {})};
  if (name == "train") {
    e.entry = fake_trains(std::make_index_sequence<kLargestFakeBatch>()).at(index);
    e.scalars = {fake_array("learning_rate", GRADC_F32, {})};
    e.scalars[0].preset = 0.1;
    e.scalars_bytes = 4;
  } else {
    e.entry = fake_tests(std::make_index_sequence<kLargestFakeBatch>()).at(index);
    e.outputs.push_back(fake_array("accuracy", GRADC_BOOL, {batch}));
    e.outputs.push_back(fake_array("value", GRADC_F32, {batch}));
  }
  return e;
}

// Provides and counts.
class FakeModel {
 public:
  Provide provide() {
    return [this](std::string_view name, std::int64_t batch) -> const Executable& {
      auto& made = made_[{std::string(name), batch}];
      if (!made) made = std::make_unique<Executable>(fake_program(name, batch));
      return *made;
    };
  }
  bool asked_for(const std::string& name, std::int64_t batch) const { return made_.contains({name, batch}); }
  std::size_t asked() const { return made_.size(); }

 private:
  std::map<std::pair<std::string, std::int64_t>, std::unique_ptr<Executable>> made_;
};

// y = 2 x0 - x1 + x2; x2 = number of the example / 1000.
inline DataSet fake_data(int examples, int first = 0) {
  DataSet data;
  data.add(make_column("x", GRADC_F32, {3}, examples, "made"));
  data.add(make_column("y", GRADC_F64, {}, examples, "made"));
  for (int i = 0; i < examples; ++i) {
    float* x = data.columns[0].values<float>().data() + 3 * i;
    const int n = first + i;
    x[0] = static_cast<float>(n * 7 % 11) / 11;
    x[1] = static_cast<float>(n * 5 % 13) / 13;
    x[2] = static_cast<float>(n) / 1000;
    data.columns[1].values<double>()[static_cast<std::size_t>(i)] = 2 * x[0] - x[1] + x[2];
  }
  return data;
}

inline FitOptions fake_options() {
  FitOptions options;
  options.train = {"train", "objective", {}};
  options.test = {"test", "objective", {"accuracy"}};
  options.epochs = 3;
  options.batch = 8;
  options.quiet = true;
  options.epoch_checkpoint_seconds = 0;
  return options;
}

}  // namespace gradc::test
