// A module for each family of ops: a function for each sample, with the gradients where there are any.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/autodiff/autodiff.h"
#include "tests/unit/ops/sample_function.h"

namespace gradc {

struct Trial {
  const Op* op = nullptr;
  const Sample* sample = nullptr;
  std::size_t which = 0;
  const Function* function = nullptr;
};

// The module of a family: a function for each sample, with the gradients where there are any.
struct FamilyModule {
  std::unique_ptr<Module> module = std::make_unique<Module>();
  std::vector<Trial> trials;
};

inline bool is_compiled(const Op& op) {
  return op.irregular != Irregular::region && op.irregular != Irregular::pseudo && !op.samples.empty();
}

inline void add_trial(FamilyModule& family, const Op& op, std::size_t which) {
  const Sample& sample = op.samples[which];
  Function& function = family.module->add_function(op.name + "_" + std::to_string(which));
  std::vector<Value*> operands, wrt;
  for (std::size_t i = 0; i < sample.operands.size(); ++i) {
    operands.push_back(function.add_parameter({.name = "x" + std::to_string(i)}, sample.operands[i]));
    if (is_float(sample.operands[i].dtype)) wrt.push_back(operands.back());
  }
  Builder builder(function.body);
  Value* y = builder.make(op, operands, sample.attributes)[0];
  function.add_result({"y"}, y);
  if (sample.differentiable && !wrt.empty() && is_float(y->type.dtype) && op.no_derivative.empty()) {
    Value* u = function.add_parameter({.name = "u"}, y->type);
    std::vector<Value*> gradients = reverse(function.body, y, u, wrt);
    for (std::size_t i = 0; i < gradients.size(); ++i) function.add_result({"d" + std::to_string(i)}, gradients[i]);
  }
  family.trials.push_back({&op, &sample, which, &function});
}

inline std::map<std::string, FamilyModule> families(std::size_t samples = 1000) {
  std::map<std::string, FamilyModule> result;
  for (const Op* op : Registry::get().all())
    for (std::size_t i = 0; is_compiled(*op) && i < std::min(samples, op->samples.size()); ++i) {
      result[op->family].module->name = op->family;
      add_trial(result[op->family], *op, i);
    }
  return result;
}

}  // namespace gradc
