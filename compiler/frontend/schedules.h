// The table of schedules: how a number of an optimizer follows the steps of its program, as graph of the training step.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc {

struct ScheduleNumber {
  std::string name, doc;
  std::optional<double> preset;  // none: required, or a share of another number
  std::string share_of = {};     // that number, …
  double share = 0;              // … and the share
  double low = -1e300, high = 1e300;
};

struct ScheduleSpec;

// A row of the table with its numbers.
struct ScheduleChoice {
  const ScheduleSpec* spec = nullptr;
  std::map<std::string, double, std::less<>> numbers;  // complete, the base included
  std::vector<double> length;                          // in its unit; of `step`: the period, or several marks
  bool in_epochs = true;                               // the unit of `length`; steps otherwise
  double warm_up = 0;                                  // 0: none
  bool warm_up_in_epochs = true;

  double number(std::string_view name) const { return numbers.find(name)->second; }
  bool counts_epochs() const { return (!length.empty() && in_epochs) || (warm_up > 0 && warm_up_in_epochs); }
};

// What a schedule sees, all f64[].
struct ScheduleTime {
  Term steps;                                                        // of the program, before this one
  std::function<Term(std::string_view name, double preset)> scalar;  // of the call
  Term epochs(double count) const;                                   // that many epochs in steps
  Term length(double count, bool in_epochs) const;                   // in steps
};

struct ScheduleSpec {
  enum class Length : std::uint8_t { none, one, several };

  std::string name, doc;
  std::string base;  // the number that the optimizer's scalar holds
  Length length = Length::none;
  std::vector<ScheduleNumber> numbers;  // the base first
  // `base`: the scalar; the time counts from the end of the warm-up.
  std::function<Term(const ScheduleChoice&, Term base, const ScheduleTime&)> value;
};

const std::vector<ScheduleSpec>& schedules();
const ScheduleSpec* find_schedule(std::string_view name);
// Fills in defaults. What is wrong, or "".
std::string complete(ScheduleChoice& choice);
// The number at this step, warm-up included.
Term scheduled(const ScheduleChoice& choice, Term base, const ScheduleTime& time);

// Scalars of a scheduled step that the training loop sets.
inline constexpr const char* kStepsPerEpoch = "steps_per_epoch";
inline constexpr const char* kPlateauFactor = "plateau_factor";

}  // namespace gradc
