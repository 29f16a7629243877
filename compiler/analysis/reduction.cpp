// How a reduction is walked: see reduction.h.
#include "compiler/analysis/reduction.h"

#include <algorithm>
#include <cstdlib>

#include "ir/type.h"

namespace gradc {

std::vector<std::int64_t> linear_coefficients(const OperandAccess& access, const std::vector<std::int64_t>& shape,
                                              std::size_t variables) {
  std::vector<std::int64_t> sum(variables, 0), strides = row_major_strides(shape);
  for (std::size_t d = 0; d < access.index.size(); ++d)
    for (std::size_t v = 0; v < access.index[d].coefficients.size(); ++v)
      sum[v] += access.index[d].coefficients[v] * strides[d];
  return sum;
}

bool is_alone(const IndexMap& map, std::size_t variable) {
  return map.coefficients[variable] != 0 &&
         std::count(map.coefficients.begin(), map.coefficients.end(), 0) + 1 == std::ssize(map.coefficients);
}

bool spans_operand(const IndexedForm& form, const OperandAccess& access) {
  if (access.guarded) return false;
  std::vector<int> met(form.variables(), 0);
  for (const IndexMap& map : access.index) {
    if (map.offset != 0 || map.divisor != 1) return false;
    int moving = 0;
    for (std::size_t v = 0; v < map.coefficients.size(); ++v) {
      if (map.coefficients[v] == 0) continue;
      if (map.coefficients[v] != 1 || ++moving > 1 || ++met[v] > 1) return false;
    }
  }
  for (std::size_t v = 0; v < met.size(); ++v) {
    std::int64_t extent = v < form.domain.size() ? form.domain[v] : form.reduction[v - form.domain.size()];
    if (extent != 1 && met[v] == 0) return false;
  }
  return true;
}

namespace {

constexpr double kApart = 8;

std::int64_t points(const IndexedForm& form) {
  std::int64_t points = 1;
  for (std::int64_t e : form.domain) points *= e;
  for (std::int64_t e : form.reduction) points *= e;
  return points;
}

bool uses_index(const IndexedForm& form) {
  return std::any_of(form.body.code.begin(), form.body.code.end(),
                     [](const Instr& i) { return i.op == Opcode::index; });
}

// Parts for a variable of this extent, about `wanted`; a divisor where there is one near.
std::int64_t count_parts(std::int64_t extent, std::int64_t wanted) {
  if (extent <= 2 * wanted) return extent;
  for (std::int64_t p = wanted; p >= wanted / 2; --p)
    if (extent % p == 0) return p;
  for (std::int64_t p = wanted; p <= 2 * wanted; ++p)
    if (extent % p == 0) return p;
  return wanted;
}

// Whether a guarded index that moves with this variable of the reduction may fall outside.
bool is_guarded(const IndexedForm& form, int reduced) {
  const std::size_t v = form.domain.size() + static_cast<std::size_t>(reduced);
  auto asks = [&](const IndexMap& map) { return map.coefficients[v] != 0 && (map.offset != 0 || !is_alone(map, v)); };
  return std::any_of(form.accesses.begin(), form.accesses.end(), [&](const OperandAccess& access) {
    return access.guarded && std::any_of(access.index.begin(), access.index.end(), asks);
  });
}

void plan_split(ReductionPlan& plan, const IndexedForm& form) {
  std::int64_t outer = 1, total = 1;
  for (std::size_t d = 0; d < form.domain.size(); ++d)
    if (plan.rows || static_cast<int>(d) != plan.lane) outer *= form.domain[d];
  for (std::int64_t e : form.reduction) total *= e;
  std::int64_t lanes = plan.rows || plan.lane < 0 ? 1 : form.domain[static_cast<std::size_t>(plan.lane)];
  if (outer >= 16 || total < 256 || outer * total * lanes < (1 << 16)) return;
  int best = -1;
  for (std::size_t r = 0; r < form.reduction.size(); ++r) {
    if (form.reduction[r] >= 16) {
      best = static_cast<int>(r);
      break;
    }
    if (best < 0 || form.reduction[r] > form.reduction[static_cast<std::size_t>(best)]) best = static_cast<int>(r);
  }
  // Parts of a variable that guards do not ask for need no checks of their own.
  constexpr std::int64_t kFewParts = 8;
  for (int r = 0; r < best && is_guarded(form, best); ++r)
    if (form.reduction[static_cast<std::size_t>(r)] >= kFewParts && !is_guarded(form, r)) best = r;
  std::int64_t extent = form.reduction[static_cast<std::size_t>(best)];
  std::int64_t wanted = std::clamp<std::int64_t>(total * lanes / 8192, 2, 64);
  plan.split = best;
  plan.parts = count_parts(extent, wanted);
  plan.length = (extent + plan.parts - 1) / plan.parts;
}

// How the elements of one access lie.
struct Moves {
  std::vector<std::int64_t> steps;  // by variable
  double apart = kApart;            // what an element costs where lanes lie apart: a fetch, or its part of a copy
};

// What it costs to take a variable's rounds in lanes.
double cost_of_lanes(const std::vector<Moves>& moves, std::size_t variable) {
  double cost = 0;
  for (const Moves& m : moves) cost += std::abs(m.steps[variable]) <= 1 ? 1 : m.apart;
  return cost;
}

bool walks_as_one(const IndexedForm& form, const std::vector<Moves>& moves, std::size_t outer, std::size_t inner) {
  std::size_t o = form.domain.size() + outer, i = form.domain.size() + inner;
  for (std::size_t a = 0; a < form.accesses.size(); ++a) {
    if (form.accesses[a].guarded && (moves[a].steps[o] != 0 || moves[a].steps[i] != 0)) return false;
    if (moves[a].steps[o] != moves[a].steps[i] * form.reduction[inner]) return false;
  }
  return true;
}

// The domain dimension whose lanes cost least; of equal ones the last.
int choose_lane(const IndexedForm& form, const std::vector<Moves>& moves) {
  constexpr std::int64_t kFew = 8;  // lanes that stay empty cost as much as a fetch one by one
  int best = -1;
  double least = 0;
  for (std::size_t d = 0; d < form.domain.size(); ++d) {
    if (form.domain[d] <= 1) continue;
    const double cost = cost_of_lanes(moves, d) + (form.domain[d] < kFew ? kApart : 0);
    if (best >= 0 && cost > least) continue;
    best = static_cast<int>(d);
    least = cost;
  }
  return best;
}

}  // namespace

bool worth_copying(const IndexedForm& form, std::int64_t elements) {
  constexpr std::int64_t kOften = 8;
  return elements > 0 && points(form) >= kOften * elements;
}

ReductionPlan plan_reduction(const IndexedForm& form, const std::vector<std::vector<std::int64_t>>& operand_shapes,
                             DType dtype, const Target& target) {
  ReductionPlan plan;
  std::vector<Moves> moves;
  for (const OperandAccess& a : form.accesses) {
    const std::vector<std::int64_t>& shape = operand_shapes[static_cast<std::size_t>(a.operand)];
    std::int64_t elements = 1;
    for (std::int64_t e : shape) elements *= e;
    Moves& m = moves.emplace_back(linear_coefficients(a, shape, form.variables()));
    if (worth_copying(form, elements))
      m.apart = 1 + kApart * static_cast<double>(elements) / static_cast<double>(points(form));
  }
  std::size_t before = form.reduction.size();
  bool separate = uses_index(form);
  for (std::size_t r = 0; r < form.reduction.size(); ++r) {
    if (form.reduction[r] == 1) continue;
    if (before < form.reduction.size() && !separate && walks_as_one(form, moves, before, r))
      plan.runs.back().push_back(r);
    else
      plan.runs.push_back({r});
    before = r;
  }
  plan.lane = choose_lane(form, moves);
  if (plan.runs.empty()) return plan;
  // Rows where the last run is innermost in the first operand and fills lanes, or where there is nothing else to fill
  // them.
  std::int64_t run = 1;
  for (std::size_t r : plan.runs.back()) run *= form.reduction[r];
  std::int64_t step = moves.empty() ? 1 : std::abs(moves[0].steps[form.domain.size() + plan.runs.back().back()]);
  std::int64_t kept = 0;
  bool innermost = true;
  for (std::size_t d = 0; d < form.domain.size(); ++d) {
    if (form.domain[d] == 1) continue;
    kept = form.domain[d];
    if (!moves.empty() && moves[0].steps[d] != 0 && std::abs(moves[0].steps[d]) <= step) innermost = false;
  }
  plan.rows = (innermost && run >= 8) || (kept <= 1 && run >= 8);
  const std::size_t last = form.domain.size() + plan.runs.back().back();
  if (moves.size() > 1 && plan.lane >= 0 && kept > 1)
    plan.rows = plan.rows && cost_of_lanes(moves, last) <= cost_of_lanes(moves, static_cast<std::size_t>(plan.lane));
  if (plan.rows) {
    int lanes = std::max(1, target.lanes(byte_size(dtype)));
    plan.lanes = lanes;
    while (plan.lanes < 4 * lanes && run >= 2 * plan.lanes) plan.lanes *= 2;
  }
  plan_split(plan, form);
  return plan;
}

}  // namespace gradc
