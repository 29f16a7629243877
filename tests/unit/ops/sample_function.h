// Functions made from the samples of the op registry, and values to run them on.
#pragma once

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/tensor.h"

namespace gradc {

// A function of one node: the op applied to parameters x0, x1, …
struct SampleFunction {
  Function function;
  std::vector<Value*> operands;
  std::vector<Value*> results;
};

inline std::unique_ptr<SampleFunction> sample_function(const Op& op, const Sample& sample) {
  auto made = std::make_unique<SampleFunction>();
  made->function.name = op.name;
  for (std::size_t i = 0; i < sample.operands.size(); ++i)
    made->operands.push_back(made->function.add_parameter({.name = "x" + std::to_string(i)}, sample.operands[i]));
  Builder builder(made->function.body);
  std::vector<std::unique_ptr<Region>> regions;
  if (sample.regions) regions = sample.regions();
  made->results = builder.make(op, made->operands, sample.attributes, std::move(regions));
  for (std::size_t i = 0; i < made->results.size(); ++i)
    made->function.add_result({"y" + std::to_string(i)}, made->results[i]);
  return made;
}

// "add #2 (f64[], f64[])"
inline std::string title(const Op& op, std::size_t which) {
  std::string text = op.name + " #" + std::to_string(which) + " (";
  for (const Type& type : op.samples[which].operands) text += type.str() + " ";
  return text + ")";
}

inline Tensor random_tensor(const Type& type, double low, double high, std::mt19937_64& random) {
  Tensor tensor(type);
  std::uniform_real_distribution<double> uniform(low, high);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    double value = type.dtype == DType::boolean ? static_cast<double>(random() & 1) : uniform(random);
    tensor.set(i, is_float(type.dtype) ? value : std::floor(value));
  }
  return tensor;
}

inline std::vector<Tensor> random_operands(const Sample& sample, std::mt19937_64& random) {
  std::vector<Tensor> tensors;
  for (const Type& type : sample.operands) tensors.push_back(random_tensor(type, sample.low, sample.high, random));
  return tensors;
}

inline double inner_product(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.elements(); ++i) sum += a.get(i) * b.get(i);
  return sum;
}

}  // namespace gradc
