// What the subcommands that run a model share: --data, --threads, weights.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "compiler/api/run_data.h"
#include "compiler/driver/command.h"
#include "gradc/fit.h"
#include "gradc/safetensors.h"

namespace gradc::driver {

struct DataArguments {
  std::string directory;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));

  void add_to(CLI::App& app) {
    app.add_option("--data", directory,
                   "folder of the data section's files; without it, its generator or files beside the spec");
    app.add_option("--threads", threads, "worker threads; the results are the same bits for any number")
        ->check(integer(1, 1024))
        ->capture_default_str();
  }
  DataPlace place(const SpecArguments& spec) const {
    return {directory, spec.spec == "-" ? "." : std::filesystem::path(spec.spec).parent_path().string()};
  }
};

// "test accuracy 0.97", a line a metric, then tables, aligned; or one JSON object.
void print_metrics(const std::string& split, const runtime::Metrics& metrics);
nlohmann::ordered_json json_of(const runtime::Metrics& metrics);

// The vocabulary of the text that the first of these files was trained on; "" for none.
std::string vocabulary_in(const std::vector<std::string>& weights);
// NAME=FILE for every input of a program: arrays with the examples first, or images, one example each. `command` is for
// messages.
runtime::DataSet inputs_from_files(const std::vector<std::string>& items, const std::vector<runtime::Array>& inputs,
                                   const std::string& command);
// A state block with the initial state of `seed`, and over it the weights of a file, which must fit the model and hold
// the statistics of all inputs that are among the data.
runtime::Block state_from(const runtime::Provide& provide, const runtime::StateTable& table, const std::string& weights,
                          const runtime::DataSet& data, std::int64_t seed = 0);

}  // namespace gradc::driver
