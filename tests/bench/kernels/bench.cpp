// Graphs compiled for the benchmarks, and times taken in turn.
#include "tests/bench/kernels/bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "gradc/random.h"
#include "ir/diagnostic.h"
#include "ir/text.h"

namespace gradc::bench {

namespace {

using Clock = std::chrono::steady_clock;

StateLayout state_of(const Function& function) {
  StateLayout layout;
  for (std::size_t i = 0; i < function.parameters.size(); ++i)
    if (function.parameters[i].role == Role::state)
      layout.entries.push_back(
          {function.parameters[i].name, function.body.parameters[i]->type, StateEntry::Kind::parameter, 0});
  layout.place();
  return layout;
}

void fill(const runtime::Array& array, std::byte* to, double low, double high, runtime::Random random) {
  const bool ranged = array.lower != array.upper;
  for (std::int64_t i = 0; i < array.elements(); ++i) {
    const float number = static_cast<float>(random.uniform(low, high));
    const std::int64_t integer = (ranged ? array.lower : 0) + random.below(ranged ? array.upper - array.lower : 2);
    if (array.dtype == GRADC_F32)
      std::memcpy(to + 4 * i, &number, 4);
    else
      std::memcpy(to + runtime::byte_size(array.dtype) * i, &integer,
                  static_cast<std::size_t>(runtime::byte_size(array.dtype)));
  }
}

KernelModule kernels_of(const std::string& graph) {
  Diagnostics diagnostics;
  std::unique_ptr<Module> module = parse_module(graph, "bench.gir", diagnostics);
  if (!module) throw UserError(Location(), diagnostics.render() + graph);
  const StateLayout layout = state_of(*module->functions.at(0));
  Options options;
  options.target = host_target();
  return compile_to_kernels(std::move(module), layout, {}, options);
}

}  // namespace

std::string stage_of(const std::string& graph, const std::string& stage) {
  const KernelModule kernels = kernels_of(graph);
  if (stage == "kernel") return print(kernels);
  const std::vector<std::byte> text = emit(kernels, stage == "asm" ? Emit::assembly : Emit::llvm, Options().optimize);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

Compiled::Compiled(const std::string& graph, double low, double high) {
  const KernelModule kernels = kernels_of(graph);
  executable_ = load(kernels, Options().optimize).at(0);
  const runtime::StateTable table = state_table(kernels.state);
  state_ = runtime::Block(table.bytes);
  for (const runtime::StateArray& entry : table.entries)
    fill(entry, state_.data() + entry.offset, low, high,
         runtime::Random(1, 1, static_cast<std::uint64_t>(entry.offset)));
  for (const runtime::Array& input : executable_.inputs) {
    inputs_.emplace_back(input.bytes());
    fill(input, inputs_.back().data(), low, high, runtime::Random(1, 2, inputs_.size()));
  }
  for (const runtime::Array& output : executable_.outputs) outputs_.emplace_back(output.bytes());
  for (runtime::Block& block : inputs_) input_pointers_.push_back(block.data());
  for (runtime::Block& block : outputs_) output_pointers_.push_back(block.data());
  runner_ = std::make_unique<runtime::Runner>(executable_, nullptr);
}

std::span<float> Compiled::input(std::size_t i) {
  return {reinterpret_cast<float*>(inputs_.at(i).data()), static_cast<std::size_t>(inputs_[i].bytes()) / 4};
}

std::span<float> Compiled::output(std::size_t i) {
  return {reinterpret_cast<float*>(outputs_.at(i).data()), static_cast<std::size_t>(outputs_[i].bytes()) / 4};
}

std::vector<double> least_nanoseconds(const std::vector<std::function<void()>>& contenders, double seconds) {
  constexpr double kShortest = 20e3;  // of one measurement
  constexpr int kFewestRounds = 5;
  const auto time = [](const std::function<void()>& f, int calls) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < calls; ++i) f();
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / calls;
  };
  std::vector<double> least;
  std::vector<int> calls;
  for (const auto& f : contenders) {
    f();
    least.push_back(std::min(time(f, 1), time(f, 1)));
    calls.push_back(static_cast<int>(std::clamp(kShortest / least.back(), 1.0, 1e5)));
  }
  const Clock::time_point begin = Clock::now();
  int rounds = seconds > 0 ? kFewestRounds : 1;
  do {
    for (std::size_t i = 0; i < contenders.size(); ++i) least[i] = std::min(least[i], time(contenders[i], calls[i]));
  } while (--rounds > 0 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
  return least;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double scale = 1e-30, difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    scale = std::max(scale, static_cast<double>(std::abs(b[i])));
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    difference = d <= difference ? difference : d;  // NaN counts
  }
  return difference / scale;
}

}  // namespace gradc::bench
