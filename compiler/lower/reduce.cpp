// Reduction kernels: rows (lanes over the reduced dimension), columns and windows (lanes over the last kept one).
#include <algorithm>
#include <cstdlib>
#include <map>

#include "compiler/analysis/reduction.h"
#include "compiler/analysis/strides.h"
#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"
#include "compiler/lower/walk.h"
#include "compiler/lower/window.h"

namespace gradc {

namespace {

// Nothing is combined over this domain.
void fill(Lowering& lowering, const Node& node, const IndexedForm& form) {
  const Value* value = node.result();
  const DType dtype = value->type.dtype;
  KernelWriter writer(lowering.program(), "loop");
  Engine engine(writer, lowering.buffers());
  Coordinates domain;
  int loops = 0;
  for (std::size_t d = 0; d < form.domain.size(); ++d) {
    const bool last = d + 1 == form.domain.size();
    Affine a;
    if (form.domain[d] > 1) {
      a = affine_variable(writer.open(form.domain[d], last ? lowering.innermost_mark() : Loop::Mark::serial,
                                      last && lowering.vectorize() ? lowering.lanes(dtype) : 0));
      ++loops;
    }
    domain.push_back(coordinate(a));
  }
  store_result(lowering, writer, engine, node, form, domain, writer.constant(dtype, identity_of(form.combiner, dtype)));
  for (int i = 0; i < loops; ++i) writer.close();
  Kernel kernel = writer.finish();
  shape_nest(kernel);
  lowering.add(std::move(kernel), value);
}

// partial[part, domain…] → result, the parts one after another.
void combine_parts(Lowering& lowering, const Node& node, const IndexedForm& form, int partial, std::int64_t parts) {
  const Value* value = node.result();
  KernelWriter writer(lowering.program(), "reduce");
  Engine engine(writer, lowering.buffers());
  std::vector<std::int64_t> sizes_of_parts{parts};
  Coordinates domain, at;
  std::int64_t kept = 0;
  for (std::int64_t e : form.domain) sizes_of_parts.push_back(e), kept += e > 1;
  int opened = 0;
  for (std::size_t d = 0; d < form.domain.size(); ++d) {
    Affine a;
    if (form.domain[d] > 1) {
      bool last = ++opened == kept;
      a = affine_variable(writer.open(form.domain[d], last ? lowering.innermost_mark() : Loop::Mark::serial,
                                      last && lowering.vectorize() ? lowering.lanes(value->type.dtype) : 0));
    }
    domain.push_back(coordinate(a));
  }
  Scalar init = writer.constant(value->type.dtype, identity_of(form.combiner, value->type.dtype));
  at = domain;
  at.insert(at.begin(), coordinate(affine_variable(writer.open(parts))));
  Scalar part = writer.load(access_of(writer, partial, sizes_of_parts, at, 0, false));
  Accumulator sum{form.combiner, value->type.dtype, init.id, part.id, -1, -1};
  Scalar total = writer.close({sum})[0];
  store_result(lowering, writer, engine, node, form, domain, total);
  for (int i = 0; i < opened; ++i) writer.close();
  Kernel kernel = writer.finish();
  shape_nest(kernel);
  lowering.add(std::move(kernel), value);
}

}  // namespace

void store_result(Lowering& lowering, KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& form,
                  const Coordinates& domain, Scalar total) {
  const Value* value = node.result();
  Coordinates at = result_coordinates(engine, form, domain);
  writer.store(access_of(writer, lowering.reserve(value), sizes(value->type.shape), at, 0, false), total);
}

namespace {

// An operand that lanes fetch one by one, again and again (a depthwise kernel's weights), is put in their order first:
// the copies, by access, whose dimensions are permuted to match.
std::map<std::size_t, const Value*> copy_for_lanes(Lowering& lowering, const Node& node, IndexedForm& form,
                                                   const StridedPart& part, const ReductionPlan& plan) {
  std::map<std::size_t, const Value*> copies;
  if (plan.rows || plan.lane < 0 || !lowering.vectorize()) return copies;
  const auto lane = static_cast<std::size_t>(plan.lane);
  for (std::size_t a = 0; a < form.accesses.size(); ++a) {
    OperandAccess& access = form.accesses[a];
    Value* operand = node.operands[static_cast<std::size_t>(access.operand)];
    const std::vector<std::int64_t> shape = sizes(operand->type.shape);
    if (!worth_copying(part.form, operand->type.elements())) continue;
    if (std::abs(linear_coefficients(access, shape, form.variables())[lane]) <= 1) continue;
    std::vector<std::int64_t> order;
    std::vector<IndexMap> index;
    for (bool last : {false, true})
      for (std::size_t d = 0; d < shape.size(); ++d) {
        if ((access.index[d].coefficients[lane] != 0) != last) continue;
        order.push_back(static_cast<std::int64_t>(d));
        index.push_back(access.index[d]);
      }
    access.index = std::move(index);
    copies[a] = lowering.transposed(operand, order);
  }
  return copies;
}

// Whether the results of a lane, few and of many terms each (the taps of a depthwise kernel's gradient), are summed in
// one walk, in registers: most of them read the same elements.
bool run_together(const IndexedForm& form, const ReductionPlan& plan, const Target& target) {
  constexpr std::int64_t kTerms = 64;
  std::int64_t results = 1, terms = 1;
  for (std::size_t d = 0; d < form.domain.size(); ++d)
    if (static_cast<int>(d) != plan.lane) results *= form.domain[d];
  for (std::int64_t e : form.reduction) terms *= e;
  return plan.lane >= 0 && results > 1 && results <= target.vector_registers - 4 && terms >= kTerms;
}

// The points of the domain in a lane.
std::vector<Coordinates> all_points(const IndexedForm& form, const ReductionPlan& plan, const Coordinates& lane) {
  std::vector<Coordinates> points{lane};
  for (std::size_t d = 0; d < form.domain.size(); ++d) {
    if (static_cast<int>(d) == plan.lane) continue;
    std::vector<Coordinates> next;
    for (Coordinates& point : points)
      for (std::int64_t i = 0; i < form.domain[d]; ++i) {
        point[d] = coordinate(affine_constant(i));
        next.push_back(point);
      }
    points = std::move(next);
  }
  return points;
}

// Of the reduction `whole`.
void lower_part(Lowering& lowering, const Node& node, IndexedForm whole, const StridedPart& part) {
  const Value* value = node.result();
  const IndexedForm& form = part.form;
  const ReductionPlan plan = plan_of(node, form, lowering.target());
  int partial = -1;
  if (plan.split >= 0) {
    std::int64_t elements = plan.parts;
    for (std::int64_t e : form.domain) elements *= e;
    partial = lowering.buffers().add_arena("partial", value->type.dtype, elements);
  }
  const std::map<std::size_t, const Value*> copies = copy_for_lanes(lowering, node, whole, part, plan);
  const bool window = !plan.rows && std::any_of(form.accesses.begin(), form.accesses.end(),
                                                [&](const OperandAccess& a) { return !spans_operand(form, a); });
  const bool together = window && lowering.vectorize() && run_together(form, plan, lowering.target());
  lowering.attempt([&] {
    KernelWriter writer(lowering.program(), window ? "window" : "reduce");
    Engine engine(writer, lowering.buffers());
    for (const auto& [a, copy] : copies) engine.redirect(&whole.accesses[a], copy);
    DomainWalk domain = open_domain(lowering, writer, form, plan, value->type.dtype, together);
    std::vector<Coordinates> points{domain.variables};
    if (together) points = all_points(form, plan, domain.variables);
    const std::vector<Scalar> totals = reduce(writer, engine, node, whole, part, plan, domain.part, points);
    for (std::size_t p = 0; p < points.size(); ++p) {
      if (partial < 0) {
        store_result(lowering, writer, engine, node, form, points[p], totals[p]);
        continue;
      }
      std::vector<std::int64_t> shape{plan.parts};
      shape.insert(shape.end(), form.domain.begin(), form.domain.end());
      Coordinates at = points[p];
      at.insert(at.begin(), coordinate(domain.part));
      writer.store(access_of(writer, partial, shape, at, 0, false), totals[p]);
    }
    for (int i = 0; i < domain.loops; ++i) writer.close();
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    if (window && lowering.vectorize()) shape_window(kernel);
    lowering.add(std::move(kernel), value);
  });
  if (partial >= 0) combine_parts(lowering, node, form, partial, plan.parts);
}

}  // namespace

void lower_reduction(Lowering& lowering, const Node& node) {
  const IndexedForm& form = lowering.buffers().form(node);
  const bool empty = std::any_of(form.reduction.begin(), form.reduction.end(), [](std::int64_t e) { return e == 0; });
  if (empty && node.result()->type.elements() > 0) {
    fill(lowering, node, form);
  } else if (!empty) {
    for (const StridedPart& part : split_strides(form)) {
      if (std::find(part.form.domain.begin(), part.form.domain.end(), 0) != part.form.domain.end()) continue;
      if (part.empty)
        fill(lowering, node, part.form);
      else
        lower_part(lowering, node, form, part);
    }
  }
  lowering.written(node.result());
}

}  // namespace gradc
