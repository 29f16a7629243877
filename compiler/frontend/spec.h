// The JSON front end: model spec → ModelGraph.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/frontend/model.h"
#include "ir/diagnostic.h"
#include "ir/tensor.h"

namespace gradc {

struct SpecOptions {
  std::vector<std::pair<std::string, std::string>> set;  // --set path=value, in order: "variables.width=64"
  std::vector<std::string> watch;                        // --watch: globs of parameters and named values
  // Reads an array of a file, for initialisers, and a UserError without a place where it can't; none: specs can't.
  std::function<Tensor(const std::string& path, const std::string& name)> read_array;
  // A data generator's options with their presets; none: nothing is known of them here.
  std::function<std::vector<std::pair<std::string, double>>(const std::string& generator)> generator_options;
  // What is wrong with the value of such an option, or "".
  std::function<std::string(const std::string& generator, const std::string& option, double value)>
      wrong_generator_option;
  std::string directory;  // of the spec, where such paths begin; "": the current one
};

// Reads and checks a spec. Mistakes are collected in `diagnostics`; null where there is an error. Warnings are the
// model's.
std::unique_ptr<ModelGraph> load_spec(const std::string& text, const std::string& file, const SpecOptions& options,
                                      Diagnostics& diagnostics);

// The JSON Schema of the spec, from the registry and the layer table.
std::string json_schema();

}  // namespace gradc
