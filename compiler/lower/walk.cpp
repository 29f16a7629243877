// The loops of a reduction: see walk.h.
#include "compiler/lower/walk.h"

#include <algorithm>

#include "compiler/analysis/contraction.h"

namespace gradc {

ReductionPlan plan_of(const Node& node, const IndexedForm& form, const Target& target) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const Value* operand : node.operands) shapes.push_back(sizes(operand->type.shape));
  return plan_reduction(form, shapes, node.result()->type.dtype, target);
}

DomainWalk open_domain(Lowering& lowering, KernelWriter& writer, const IndexedForm& form, const ReductionPlan& plan,
                       DType dtype, bool lanes_alone) {
  DomainWalk walk;
  if (plan.split >= 0 && plan.parts > 1) {
    walk.part = affine_variable(writer.open(plan.parts));
    ++walk.loops;
  }
  walk.variables.resize(form.domain.size());
  auto open = [&](std::size_t d, bool lanes) {
    if (form.domain[d] <= 1) return;
    bool vector = lanes && lowering.vectorize();
    walk.variables[d] = coordinate(affine_variable(writer.open(
        form.domain[d], vector ? Loop::Mark::vector : Loop::Mark::serial, vector ? lowering.lanes(dtype) : 0)));
    ++walk.loops;
  };
  const int lane = plan.rows ? -1 : plan.lane;
  for (std::size_t d = 0; d < form.domain.size(); ++d)
    if (static_cast<int>(d) != lane && !lanes_alone) open(d, false);
  if (lane >= 0) open(static_cast<std::size_t>(lane), true);
  return walk;
}

namespace {

// A loop over part of a run of the reduction.
struct Step {
  std::size_t variable;
  std::int64_t extent;
};

// Runs as they are walked: a cut variable starts a run, and one that is cut unevenly is a run of its own.
std::vector<std::vector<Step>> steps_of(const IndexedForm& form, const ReductionPlan& plan) {
  std::vector<std::vector<Step>> runs;
  for (const auto& run : plan.runs) {
    bool fresh = true;
    for (std::size_t r : run) {
      bool cut = plan.split == static_cast<int>(r);
      bool uneven = cut && plan.parts * plan.length != form.reduction[r];
      if (fresh || cut) runs.emplace_back();
      fresh = uneven;
      std::int64_t extent = cut ? plan.length : form.reduction[r];
      if (extent > 1) runs.back().push_back({r, extent});
    }
  }
  std::erase_if(runs, [](const std::vector<Step>& run) { return run.empty(); });
  return runs;
}

const Value* operand_in_code(const Node& node, Engine& engine) {
  for (const Value* operand : node.operands)
    if (engine.computed(operand)) return operand;
  return nullptr;
}

// The two operands of a sum of products.
struct Factors {
  Scalar update, times;
};
std::optional<Factors> factors_of(Engine& engine, const Node& node, const IndexedForm& form, const Coordinates& at) {
  if (!sums_products(form, node.result()->type.dtype)) return std::nullopt;
  return Factors{engine.access(node, form.accesses[0], at), engine.access(node, form.accesses[1], at)};
}

}  // namespace

Access Kept::access(const KernelWriter& writer, const Coordinates& at) const {
  Coordinates rounds;
  for (std::size_t d : element) rounds.push_back(at[d]);
  return access_of(writer, buffer, shape, rounds, 0, false);
}

Scalar reduce(KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& whole, const StridedPart& part,
              const ReductionPlan& plan, const DomainWalk& domain, const Kept* kept) {
  return reduce(writer, engine, node, whole, part, plan, domain.part, {domain.variables}, kept)[0];
}

std::vector<Scalar> reduce(KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& whole,
                           const StridedPart& part, const ReductionPlan& plan, const Affine& cut,
                           const std::vector<Coordinates>& points, const Kept* kept) {
  const IndexedForm& form = part.form;
  const DType type = node.result()->type.dtype;
  Scalar identity = writer.constant(type, identity_of(form.combiner, type));
  std::vector<std::vector<Step>> runs = steps_of(form, plan);
  Coordinates rounds;
  for (std::size_t r = 0; r < form.reduction.size(); ++r)
    rounds.push_back(coordinate(plan.split == static_cast<int>(r) ? cut * plan.length : affine_constant(0)));
  for (std::size_t k = 0; k < runs.size(); ++k)
    for (std::size_t s = 0; s < runs[k].size(); ++s) {
      bool lanes = plan.rows && k + 1 == runs.size() && s + 1 == runs[k].size();
      int v = writer.open(runs[k][s].extent, lanes ? Loop::Mark::vector : Loop::Mark::serial, lanes ? plan.lanes : 0);
      Coordinate& c = rounds[runs[k][s].variable];
      c.affine = c.affine + affine_variable(v);
    }
  std::vector<Accumulator> sums;
  for (const Coordinates& point : points) {
    Coordinates at = point;
    at.insert(at.end(), rounds.begin(), rounds.end());
    Coordinates origin = at;
    for (std::size_t v = 0; v < at.size(); ++v)
      origin[v].affine = at[v].affine * part.origin[v].step + affine_constant(part.origin[v].first);
    std::optional<Factors> factors;
    if (!runs.empty()) factors = factors_of(engine, node, whole, origin);
    Scalar term = factors ? factors->update : engine.body(node, whole, origin);
    if (kept) {
      Coordinates element;
      for (const IndexMap& map : whole.accesses[0].index) element.push_back(engine.apply(map, origin));
      writer.store(kept->access(writer, element), engine.at(kept->value, element));
    }
    if (plan.split >= 0 && plan.parts * plan.length != form.reduction[static_cast<std::size_t>(plan.split)]) {
      const auto split = static_cast<std::size_t>(plan.split);
      const Scalar inside = writer.inside(rounds[split], form.reduction[split]);
      auto or_nothing = [&](Scalar x) {
        Scalar args[] = {inside, x, identity};
        return writer.emit(Opcode::select, type, args);
      };
      term = or_nothing(term);
      if (factors) factors->times = or_nothing(factors->times);
    }
    sums.push_back({form.combiner, type, identity.id, term.id, factors ? factors->times.id : -1, -1});
  }
  for (std::size_t k = runs.size(); k-- > 0;) {
    auto closed = writer.close_run(static_cast<int>(runs[k].size()), sums);
    if (!closed) {
      const Value* operand = operand_in_code(node, engine);
      ensure(operand != nullptr, "a run of a reduction could not be walked as one loop");
      throw NeedsBuffer{operand};
    }
    for (std::size_t p = 0; p < sums.size(); ++p) sums[p] = {form.combiner, type, identity.id, (*closed)[p].id, -1, -1};
  }
  std::vector<Scalar> totals;
  for (const Accumulator& sum : sums) totals.push_back({nullptr, sum.update, type});
  return totals;
}

Coordinates result_coordinates(Engine& engine, const IndexedForm& form, const Coordinates& domain) {
  if (form.result.empty()) return domain;
  Coordinates out;
  for (const IndexMap& map : form.result) out.push_back(engine.apply(map, domain));
  return out;
}

}  // namespace gradc
