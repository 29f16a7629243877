// Kernels of gradc in turn with those of oneDNN, OpenBLAS and glibc, one thread: a table of times and ratios.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "compiler/codegen/codegen.h"
#include "gradc/peak.h"
#include "ir/diagnostic.h"
#include "tests/bench/kernels/peers.h"

namespace {

using namespace gradc;
using namespace gradc::bench;

// The libraries read these when they are loaded, so the process starts again with them.
void start_with_one_thread(char** argv) {
  if (std::getenv("GRADC_BENCH_STARTED")) return;
  setenv("GRADC_BENCH_STARTED", "1", 1);
  setenv("OMP_NUM_THREADS", "1", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
#if defined(__x86_64__)
  // Debian 12's OpenBLAS takes an AMD Zen 5 for a Haswell.
  if (__builtin_cpu_supports("avx512f")) setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 1);
#endif
  execv("/proc/self/exe", argv);
}

struct Machine {
  double peak = 0, bandwidth = 0;
};

struct Times {
  double gradc = 0;
  std::vector<std::pair<std::string, double>> peers;
  double difference = 0;
};

Times measure(const Case& c, double seconds) {
  Compiled run(c.graph, c.low, c.high);
  const std::vector<Peer> peers = c.peers ? c.peers(run) : std::vector<Peer>();
  std::vector<std::function<void()>> contenders = {[&] { run(); }};
  for (const Peer& peer : peers) contenders.push_back(peer.run);
  const std::vector<double> least = least_nanoseconds(contenders, seconds);
  Times times;
  times.gradc = least[0];
  for (std::size_t i = 0; i < peers.size(); ++i) times.peers.emplace_back(peers[i].name, least[i + 1]);
  if (c.difference && !peers.empty()) times.difference = c.difference(run);
  return times;
}

constexpr double kOutOfCache = 64e6;  // bytes; smaller data is not held against the bandwidth of memory

void print(const Case& c, const Times& times, const Machine& machine) {
  std::printf("%-14s %-38s %10.2f us", c.group.c_str(), c.name.c_str(), times.gradc * 1e-3);
  if (c.flops > 0 && machine.peak > 0)
    std::printf(" %8.1f GFLOP/s %3.0f %%", c.flops / times.gradc, 100 * c.flops / times.gradc / machine.peak);
  else if (c.bytes > 0 && c.bytes < kOutOfCache)
    std::printf(" %8.1f GB/s         ", c.bytes / times.gradc);
  else if (c.bytes > 0)
    std::printf(" %8.1f GB/s    %3.0f %%", c.bytes / times.gradc, 100 * c.bytes / times.gradc / machine.bandwidth);
  for (const auto& [name, time] : times.peers)
    std::printf("  %s %.2f us %.2f", name.c_str(), time * 1e-3, time / times.gradc);
  if (times.difference > 1e-4) std::printf("  DIFFERS BY %.1e", times.difference);
  std::printf("\n");
  std::fflush(stdout);
}

bool chosen(const Case& c, const std::vector<std::string>& filters) {
  if (filters.empty()) return true;
  const std::string whole = c.group + " " + c.name;
  for (const std::string& filter : filters)
    if (whole.find(filter) != std::string::npos) return true;
  return false;
}

std::vector<Case> chosen_cases(const std::vector<std::string>& filters) {
  std::vector<Case> cases;
  for (const auto& group : {products(), convolutions(), reductions(), training(), elementary()})
    std::copy_if(group.begin(), group.end(), std::back_inserter(cases),
                 [&](const Case& c) { return chosen(c, filters); });
  return cases;
}

int run(const std::vector<std::string>& filters, double seconds, std::int64_t sweep, std::int64_t fixed) {
  std::printf("%s\n", peers_found().c_str());
  const Target target = host_target();
  Machine machine;
  for (int i = 0; i < 5; ++i) {
    const runtime::VectorUnit unit{target.vector_bytes, target.fma};
    machine.peak = std::max(machine.peak, runtime::measure_peak_gflops(GRADC_F32, unit, 1));
    machine.bandwidth = std::max(machine.bandwidth, runtime::measure_bandwidth(1));
  }
  std::printf("peak %.1f GFLOP/s, bandwidth %.1f GB/s; a ratio above 1: gradc is faster\n", machine.peak,
              machine.bandwidth);
  if (sweep > 0) {
    sweep_products(sweep, fixed, seconds / 10);
    return 0;
  }
  for (const Case& c : chosen_cases(filters)) print(c, measure(c, seconds), machine);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  start_with_one_thread(argv);
  CLI::App app("Times kernels of gradc in turn with those of oneDNN, OpenBLAS and libmvec; least times, one thread.");
  std::vector<std::string> filters;
  std::string stage;
  double seconds = 0.3;
  std::int64_t sweep = 0, fixed = 128;
  app.add_option("FILTER", filters, "only cases whose group and name hold one of these texts");
  app.add_option("--seconds", seconds, "for each case, five rounds at least; 0: one round")->capture_default_str();
  app.add_option("--sweep", sweep, "instead: products of all sizes from 1 to this in each dimension");
  app.add_option("--fixed", fixed, "the other dimensions of a sweep")->capture_default_str();
  app.add_option("--emit", stage, "instead of times: what the cases become")
      ->check(CLI::IsMember({"kernel", "llvm", "asm"}));
  CLI11_PARSE(app, argc, argv);
  try {
    if (!stage.empty()) {
      for (const Case& c : chosen_cases(filters)) std::cout << stage_of(c.graph, stage);
      return 0;
    }
    return run(filters, seconds, sweep, fixed);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
