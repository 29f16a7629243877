// Several reductions over one domain, and what is computed from them, in one kernel: softmax, normalisations, pooling
// with its index. Each point of the domain runs the reductions in turn, then the writes.
#include <algorithm>

#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"
#include "compiler/lower/walk.h"

namespace gradc {

namespace {

struct Row {
  const Node* node;
  StridedPart part;  // the whole reduction
  ReductionPlan plan;
};

std::vector<std::int64_t> kept(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> out;
  for (std::int64_t e : shape)
    if (e != 1) out.push_back(e);
  return out;
}

std::int64_t product_of(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  for (std::int64_t e : shape) product *= e;
  return product;
}

bool share_domain(const std::vector<Row>& rows) {
  for (const Row& row : rows)
    if (row.plan.split >= 0 || row.plan.rows != rows[0].plan.rows ||
        kept(row.part.form.domain) != kept(rows[0].part.form.domain))
      return false;
  return true;
}

// Domain variables of one form, given those of another with the same extents but for ones.
Coordinates matched(const Coordinates& variables, const std::vector<std::int64_t>& from,
                    const std::vector<std::int64_t>& to) {
  Coordinates out(to.size());
  std::size_t i = 0;
  for (std::size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 1) continue;
    while (from[i] == 1) ++i;
    out[d] = variables[i++];
  }
  return out;
}

// The coordinates of a value with one element a domain point.
std::optional<Coordinates> point_of(const KernelWriter& writer, const Row& row, const Coordinates& variables,
                                    const std::vector<std::int64_t>& shape) {
  if (product_of(shape) != product_of(row.part.form.domain)) return std::nullopt;
  Affine linear;
  std::vector<std::int64_t> strides = row_major_strides(row.part.form.domain);
  for (std::size_t d = 0; d < variables.size(); ++d) linear = linear + variables[d].affine * strides[d];
  auto parts = split_affine(writer, linear, row_major_strides(shape), shape);
  if (!parts) return std::nullopt;
  Coordinates out;
  for (Affine& part : *parts) out.push_back(coordinate(std::move(part)));
  return out;
}

class RowKernel {
  static constexpr std::size_t kCostly = 16;  // operations: more than a store and a load

 public:
  RowKernel(Lowering& lowering, const Group& group, const std::vector<Row>& rows)
      : lowering_(lowering),
        group_(group),
        rows_(rows),
        writer_(lowering.program(), "reduce"),
        engine_(writer_, lowering.buffers()) {}

  // False where a result is neither one element a point nor one an element of the reduced operand.
  bool emit() {
    domain_ = open_domain(lowering_, writer_, rows_[0].part.form, rows_[0].plan, rows_[0].node->result()->type.dtype);
    keep_last();
    for (const Row& row : rows_) {
      DomainWalk walk = domain_;
      walk.variables = matched(domain_.variables, rows_[0].part.form.domain, row.part.form.domain);
      Scalar total = reduce(writer_, engine_, *row.node, row.part.form, row.part, row.plan, walk,
                            kept_.value && &row == &rows_.back() ? &kept_ : nullptr);
      engine_.know(row.node->result(), result_coordinates(engine_, row.part.form, walk.variables), total);
    }
    std::vector<const Value*> left = group_.results;
    while (!left.empty()) {
      std::vector<std::int64_t> shape = sizes(left[0]->type.shape);
      std::vector<const Value*> same;
      std::erase_if(left, [&](const Value* v) {
        bool taken = sizes(v->type.shape) == shape;
        if (taken) same.push_back(v);
        return taken;
      });
      if (!write(same, shape)) return false;
    }
    for (int i = 0; i < domain_.loops; ++i) writer_.close();
    Kernel kernel = writer_.finish();
    shape_nest(kernel);
    lowering_.add(std::move(kernel), group_.results[0]);
    return true;
  }

 private:
  // What the last reduction computes at some cost and a result needs of the same element, as softmax its exponentials.
  void keep_last() {
    const Row& row = rows_.back();
    const Value* value = lowering_.buffers().resolve(row.node->operands[0]);
    const std::vector<std::int64_t> shape = sizes(value->type.shape);
    if (!row.plan.rows || row.part.form.accesses.size() != 1 ||
        !spans_operand(row.part.form, row.part.form.accesses[0]) || row.plan.runs.size() != 1 ||
        row.plan.runs[0].size() != 1 || operations_of(value) < kCostly)
      return;
    if (product_of(row.part.form.reduction) * byte_size(value->type.dtype) > lowering_.target().l1_bytes) return;
    bool wanted = std::any_of(group_.results.begin(), group_.results.end(), [&](const Value* r) {
      return sizes(r->type.shape) == shape && computed_from(lowering_.buffers(), r).contains(value);
    });
    if (!wanted) return;
    Kept kept{value, -1, row.part.form.reduction, {}};
    for (std::size_t r = 0; r < row.part.form.reduction.size(); ++r)
      for (std::size_t d = 0; d < shape.size(); ++d)
        if (row.part.form.accesses[0].index[d].coefficients[row.part.form.domain.size() + r] != 0)
          kept.element.push_back(d);
    if (kept.element.size() != row.part.form.reduction.size()) return;
    kept.buffer = lowering_.buffers().add_worker("row", value->type.dtype, product_of(row.part.form.reduction));
    kept_ = std::move(kept);
  }

  // Scalar operations of an element that this kernel computes.
  std::size_t operations_of(const Value* value) {
    std::size_t count = 0;
    for (const Value* v : computed_from(lowering_.buffers(), value))
      if (engine_.computed(v) && v->node->op->irregular == Irregular::none &&
          !lowering_.buffers().is_reduction(*v->node))
        count += lowering_.buffers().form(*v->node).body.code.size();
    return count;
  }

  bool write(const std::vector<const Value*>& values, const std::vector<std::int64_t>& shape) {
    int loops = 0;
    std::optional<Coordinates> at = point_of(writer_, rows_[0], domain_.variables, shape);
    if (!at) at = element_of(shape, loops);
    if (!at) return false;
    if (kept_.value && sizes(kept_.value->type.shape) == shape)
      engine_.know(kept_.value, *at, writer_.load(kept_.access(writer_, *at), true));
    std::vector<std::pair<Access, Scalar>> stores;
    for (const Value* value : values) {
      Scalar element = engine_.at(value, *at);
      stores.emplace_back(access_of(writer_, lowering_.reserve(value), shape, *at, 0, false), element);
    }
    for (auto& [access, element] : stores) writer_.store(std::move(access), element);
    for (int i = 0; i < loops; ++i) writer_.close();
    return true;
  }

  // Opens loops over the reduced dimensions of the operand of this shape.
  std::optional<Coordinates> element_of(const std::vector<std::int64_t>& shape, int& loops) {
    for (const Row& row : rows_) {
      const OperandAccess& access = row.part.form.accesses[0];
      const Value* operand = row.node->operands[static_cast<std::size_t>(access.operand)];
      if (sizes(operand->type.shape) != shape || !spans_operand(row.part.form, access)) continue;
      Coordinates variables = matched(domain_.variables, rows_[0].part.form.domain, row.part.form.domain);
      std::size_t last = row.part.form.reduction.size() - 1;
      for (std::size_t r = 0; r < row.part.form.reduction.size(); ++r) {
        Affine a;
        if (row.part.form.reduction[r] > 1) {
          bool vector = r == last && row.plan.rows && lowering_.vectorize();
          a = affine_variable(writer_.open(row.part.form.reduction[r], vector ? Loop::Mark::vector : Loop::Mark::serial,
                                           vector ? lowering_.lanes(operand->type.dtype) : 0));
          ++loops;
        }
        variables.push_back(coordinate(a));
      }
      Coordinates at;
      for (const IndexMap& map : access.index) at.push_back(engine_.apply(map, variables));
      return at;
    }
    return std::nullopt;
  }

  Lowering& lowering_;
  const Group& group_;
  const std::vector<Row>& rows_;
  KernelWriter writer_;
  Engine engine_;
  DomainWalk domain_;
  Kept kept_;
};

}  // namespace

bool lower_rows(Lowering& lowering, const Group& group) {
  std::vector<Row> rows;
  for (const Node* node : group.nodes) {
    if (!lowering.buffers().is_reduction(*node)) continue;
    const IndexedForm& form = lowering.buffers().form(*node);
    for (std::int64_t e : form.reduction)
      if (e == 0) return false;
    std::vector<StridedPart> parts = split_strides(form);
    if (parts.size() != 1) return false;
    rows.push_back({node, std::move(parts[0]), plan_of(*node, form, lowering.target())});
  }
  if (rows.empty() || !share_domain(rows)) return false;
  for (const Value* result : group.results)
    if (result->type.elements() == 0) return false;
  for (int round = 0; round < 1000; ++round) {
    try {
      if (!RowKernel(lowering, group, rows).emit()) return false;
      for (const Value* result : group.results) lowering.written(result);
      return true;
    } catch (const NeedsBuffer& needs) {
      for (const Row& row : rows)
        if (row.node->result() == needs.value) return false;
      lowering.materialize(needs.value);
    }
  }
  return false;
}

}  // namespace gradc
