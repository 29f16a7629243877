// The table of optimizers: one update rule each, written as ordinary graph of the training step.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/frontend/schedules.h"
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
  std::map<std::string, double, std::less<>> numbers;            // complete; of a scheduled one the schedule's base
  std::map<std::string, ScheduleChoice, std::less<>> schedules;  // by the number that follows it
  std::map<std::string, bool, std::less<>> flags;                // complete
  Location location;

  double number(std::string_view name) const { return numbers.find(name)->second; }
  bool uses(std::string_view name) const { return number(name) != 0 || schedules.contains(name); }
  bool flag(std::string_view name) const { return flags.find(name)->second; }
};

// What one update sees.
struct Update {
  const OptimizerChoice& choice;
  Term weight, gradient;
  std::vector<Term> slots;                                    // in the order of `slots`
  Term updates;                                               // f64[], this one included
  std::function<Term(std::string_view name)> hyperparameter;  // at this step, f64[]

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
// The gradients by `clip_value`, each element into ±c, then by `clip_norm`: g · min(1, c / (‖g‖ + 1e-6)) over all of
// them together, as PyTorch's clip_grad_norm_.
std::vector<Term> clipped(const OptimizerChoice& choice, std::vector<Term> gradients,
                          const std::function<Term(std::string_view name)>& hyperparameter);

}  // namespace gradc
