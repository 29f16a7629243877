// Models with known answers: specs, values of inputs and parameters, and what the outputs must be.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/frontend/json.h"
#include "compiler/frontend/model.h"
#include "ir/tensor.h"

namespace gradc {

struct GoldenModel {
  std::string name, spec;  // the spec as JSON text
  std::map<std::string, Tensor> values, expected;
};

// tests/golden/FILE: a list of objects with name, spec, values and expected; a tensor is { shape, values, dtype }.
std::vector<GoldenModel> golden_models(const std::string& file);

// Functions of the model's programs with every derivative written out; `optimized`: simplified too.
std::unique_ptr<Module> differentiated(const ModelGraph& model, bool optimized = false, const Binding& binding = {});
// Results of a function by name, through the reference interpreter; arguments by name.
std::map<std::string, Tensor> outputs_of(const Function& function, const std::map<std::string, Tensor>& values);

// Elements differ by no more than `tolerance` times the largest expected one, or 1.
void check_close(const Tensor& found, const Tensor& expected, double tolerance);
// Every model of the file gives what it must, and so does its resolved spec.
void check_golden_models(const std::string& file, double tolerance);

}  // namespace gradc
