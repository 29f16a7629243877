// What the kernel benchmarks share: a graph compiled to native code, its peers, and the table of their times.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gradc/executable.h"

namespace gradc::bench {

// The one function of a graph text, through all stages to native code, with one worker, on random data: floats uniform
// in [low, high), integers in their declared range, else 0 and 1. Parameters of role `state` make up the state.
class Compiled {
 public:
  explicit Compiled(const std::string& graph, double low = -1, double high = 1);
  void operator()() { runner_->run(input_pointers_, output_pointers_, state_.data()); }
  std::span<float> input(std::size_t i);
  std::span<float> output(std::size_t i);

 private:
  runtime::Executable executable_;
  runtime::Block state_;
  std::vector<runtime::Block> inputs_, outputs_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
  std::unique_ptr<runtime::Runner> runner_;
};

// What a graph text becomes: `kernel`, `llvm` or `asm`.
std::string stage_of(const std::string& graph, const std::string& stage);

struct Peer {
  std::string name;
  std::function<void()> run;
};

struct Case {
  std::string group, name;
  std::string graph;
  double low = -1, high = 1;  // of the data
  double flops = 0;           // of one call; 0: not shown
  double bytes = 0;           // that must move where nothing stays in a cache; 0: not shown
  // Made with the compiled graph's data, when the case runs; may be empty.
  std::function<std::vector<Peer>(Compiled&)> peers = {};
  // Largest difference of the results of gradc and the first peer, relative to the largest number; run after both.
  std::function<double(Compiled&)> difference = {};
};

// Every group adds its cases.
std::vector<Case> products();
std::vector<Case> convolutions();
std::vector<Case> reductions();
std::vector<Case> training();  // normalisation, softmax, losses, dropout, optimizers
std::vector<Case> elementary();

// Least nanoseconds of one call of each, all in turn, so that what disturbs one disturbs all. Short calls are timed
// many at once.
std::vector<double> least_nanoseconds(const std::vector<std::function<void()>>& contenders, double seconds);

// Sizes 1 to `most` of each dimension of a product with the others at `fixed`; prints the worst ratio.
void sweep_products(std::int64_t most, std::int64_t fixed, double seconds);

double largest_difference(std::span<const float> a, std::span<const float> b);

}  // namespace gradc::bench
