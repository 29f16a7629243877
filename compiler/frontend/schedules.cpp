// The schedules, a row each, with the formula that they compute. t: steps after the warm-up; T: the length in steps.
#include "compiler/frontend/schedules.h"

#include <cmath>

#include "compiler/frontend/json.h"

namespace gradc {

namespace {

constexpr double kPi = 3.14159265358979323846;

const ScheduleNumber kStart = {"start", "the number at the beginning", {}};

Term minimum(Term a, Term b) { return apply("minimum", {a, b}); }
Term maximum(Term a, Term b) { return apply("maximum", {a, b}); }
Term minimum(Term a, double b) { return minimum(a, a.like(b)); }
Term maximum(Term a, double b) { return maximum(a, a.like(b)); }

// min(1, t / T)
Term progress(const ScheduleChoice& choice, const ScheduleTime& time) {
  return minimum(time.steps / time.length(choice.length[0], choice.in_epochs), 1);
}

// From `from` to `to` along half a wave of the cosine: to + (from − to) (1 + cos(π share)) / 2
Term along_cosine(Term from, Term to, Term share) {
  return to + (from - to) * ((apply("cos", {share * kPi}) + 1) * 0.5);
}

// start · factor^⌊t / T⌋; with marks T₁, T₂, …: to the number of marks that t has reached
Term step_value(const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
  Term count;
  if (choice.length.size() == 1) {
    count = apply("floor", {time.steps / time.length(choice.length[0], choice.in_epochs)});
  } else {
    for (double mark : choice.length) {
      Term reached = apply("greater_equal", {time.steps, time.length(mark, choice.in_epochs)});
      count = add(count, cast(reached, DType::f64));
    }
  }
  return base * apply("power", {base.like(choice.number("factor")), count});
}

// start · factor^(t / T)
Term exponential_value(const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
  Term exponent = time.steps / time.length(choice.length[0], choice.in_epochs);
  return base * apply("power", {base.like(choice.number("factor")), exponent});
}

// start → peak until s T − 1, then peak → end until T − 1, both along cosines (Smith and Topin, 2018, as PyTorch has
// it)
Term one_cycle_value(const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
  Term total = time.length(choice.length[0], choice.in_epochs);
  Term top = maximum(total * choice.number("share") - 1, 1e-9);
  Term rest = maximum(total - 1 - top, 1e-9);
  Term up = along_cosine(base.like(choice.number("start")), base, minimum(time.steps / top, 1));
  Term down = along_cosine(base, base.like(choice.number("end")), maximum(minimum((time.steps - top) / rest, 1), 0));
  return select(apply("less_equal", {time.steps, top}), up, down);
}

}  // namespace

Term ScheduleTime::epochs(double count) const { return scalar(kStepsPerEpoch, 1) * count; }

Term ScheduleTime::length(double count, bool in_epochs) const { return in_epochs ? epochs(count) : steps.like(count); }

const std::vector<ScheduleSpec>& schedules() {
  using Length = ScheduleSpec::Length;
  const ScheduleNumber end = {"end", "the number at the end and after it", 0};
  static const std::vector<ScheduleSpec> table = {
      {"constant",
       "one number, after the warm-up",
       "start",
       Length::none,
       {kStart},
       [](const ScheduleChoice&, Term base, const ScheduleTime&) { return base; }},
      {"cosine",
       "from start to end along half a wave of the cosine",
       "start",
       Length::one,
       {kStart, end},
       [](const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
         return along_cosine(base, base.like(choice.number("end")), progress(choice, time));
       }},
      {"exponential",
       "multiplied by factor over each length, at every step a little",
       "start",
       Length::one,
       {kStart, {"factor", "over one length", 0.95, {}, 0, 1e-300}},
       exponential_value},
      {"linear",
       "from start to end along a line",
       "start",
       Length::one,
       {kStart, end},
       [](const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
         return base + (base.like(choice.number("end")) - base) * progress(choice, time);
       }},
      {"one_cycle",
       "up from start to peak, then down to end, along cosines",
       "peak",
       Length::one,
       {{"peak", "the number at the top; of momentum: at the bottom", {}},
        {"start", "the number at the beginning", {}, "peak", 1.0 / 25},
        {"end", "the number at the end and after it", {}, "start", 1e-4},
        {"share", "of the length, until the peak", 0.3, {}, 0, 0, 1}},
       one_cycle_value},
      {"plateau",
       "multiplied by factor when the monitored metric has not improved for more than `patience` epochs",
       "start",
       Length::none,
       {kStart,
        {"factor", "of each reduction", 0.1, {}, 0, 1e-300},
        {"patience", "epochs without improvement that are let pass", 10, {}, 0, 0},
        {"threshold", "an improvement is larger than this share of the best", 1e-4, {}, 0, 0},
        {"cooldown", "epochs after a reduction that are not counted", 0, {}, 0, 0},
        {"minimum", "the number goes no lower", 0}},
       [](const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
         return maximum(base * time.scalar(kPlateauFactor, 1), choice.number("minimum"));
       }},
      {"step",
       "multiplied by factor after each length; with several: at each of these",
       "start",
       Length::several,
       {kStart, {"factor", "of each step down", 0.1, {}, 0, 1e-300}},
       step_value},
  };
  return table;
}

const ScheduleSpec* find_schedule(std::string_view name) {
  for (const ScheduleSpec& spec : schedules())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::string complete(ScheduleChoice& choice) {
  const ScheduleSpec& spec = *choice.spec;
  for (const ScheduleNumber& number : spec.numbers) {
    auto [held, missing] = choice.numbers.emplace(number.name, number.preset.value_or(0));
    if (missing && !number.preset) {
      if (number.share_of.empty()) return spec.name + " needs `" + number.name + "`";
      held->second = choice.number(number.share_of) * number.share;
    }
    if (!(held->second >= number.low && held->second <= number.high))
      return spec.name + ": `" + number.name + "` must be " +
             (number.high < 1e300 ? "of [" + number_text(number.low) + ", " + number_text(number.high) + "]"
              : number.low > 0    ? "more than 0"
                                  : number_text(number.low) + " or more") +
             ", got " + number_text(held->second);
  }
  if (spec.length == ScheduleSpec::Length::none && !choice.length.empty())
    return spec.name + " takes neither `epochs` nor `steps`";
  if (spec.length != ScheduleSpec::Length::none && choice.length.empty())
    return spec.name + " needs `epochs` or `steps`, its length";
  if (spec.length == ScheduleSpec::Length::one && choice.length.size() > 1) return spec.name + " takes one length";
  for (std::size_t i = 0; i < choice.length.size(); ++i)
    if (!(choice.length[i] > 0) || (i > 0 && !(choice.length[i] > choice.length[i - 1])))
      return spec.name + ": its lengths must be more than 0 and rise, got " + number_text(choice.length[i]);
  if (!(choice.warm_up >= 0)) return spec.name + ": the warm-up is negative: " + number_text(choice.warm_up);
  return "";
}

// During the warm-up of W steps: (steps + 1) / W of the schedule's first value.
Term scheduled(const ScheduleChoice& choice, Term base, const ScheduleTime& time) {
  if (choice.warm_up <= 0) return choice.spec->value(choice, base, time);
  Term warm_up = time.length(choice.warm_up, choice.warm_up_in_epochs);
  Term value = choice.spec->value(choice, base, {maximum(time.steps - warm_up, 0), time.scalar});
  return value * minimum((time.steps + 1) / warm_up, 1);
}

}  // namespace gradc
