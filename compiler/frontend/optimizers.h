// The table of optimizers: one update rule each, written as ordinary graph of the training step.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc {

struct Hyperparameter {
  std::string name;
  std::string doc;
  double preset = 0;
  double low = 0, high = 1e300;  // inclusive
};

struct OptimizerSpec;

// A row of the table with its numbers. A hyperparameter whose preset is 0 and that is not given leaves no trace.
struct OptimizerChoice {
  const OptimizerSpec* spec = nullptr;
  std::map<std::string, double, std::less<>> numbers;  // complete
  std::map<std::string, bool, std::less<>> flags;      // complete
  Location location;

  double number(std::string_view name) const { return numbers.find(name)->second; }
  bool flag(std::string_view name) const { return flags.find(name)->second; }
};

// What one update sees.
struct Update {
  const OptimizerChoice& choice;
  Term weight, gradient;
  std::vector<Term> slots;                                    // in the order of `slots`
  Term step;                                                  // i64[], 1 at the first step
  std::function<Term(std::string_view name)> hyperparameter;  // scalar input, f64[]

  Term number(std::string_view name) const { return cast(hyperparameter(name), weight.dtype()); }
};

struct OptimizerSpec {
  std::string name;
  std::string doc;
  std::vector<Hyperparameter> numbers;
  std::vector<std::pair<std::string, std::string>> flags;  // name, doc; all false by default
  std::function<std::vector<std::string>(const OptimizerChoice&)> slots;
  std::function<std::vector<Term>(const Update&)> update;  // the weight, then the slots
};

const std::vector<OptimizerSpec>& optimizers();
const OptimizerSpec* find_optimizer(std::string_view name);
// What is wrong with the number given for a hyperparameter, or "".
std::string wrong_number(const OptimizerSpec& spec, const Hyperparameter& hyperparameter, double number);
OptimizerChoice default_choice(const OptimizerSpec& spec);

}  // namespace gradc
