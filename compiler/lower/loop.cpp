// Loop kernels: one value an element, over a domain that refines the shapes of all results.
#include <algorithm>
#include <optional>

#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"

namespace gradc {

namespace {

std::vector<std::int64_t> without_ones(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> out;
  for (std::int64_t s : shape)
    if (s != 1) out.push_back(s);
  return out;
}

// The coarsest shape that both shapes merge dimensions of, or none: [6,4] and [2,12] give [2,3,4].
std::optional<std::vector<std::int64_t>> refine(std::vector<std::int64_t> a, std::vector<std::int64_t> b) {
  std::vector<std::int64_t> out;
  while (!a.empty() && !b.empty()) {
    std::int64_t& x = a.back();
    std::int64_t& y = b.back();
    std::int64_t small = std::min(x, y);
    if (x % small != 0 || y % small != 0) return std::nullopt;
    out.push_back(small);
    x /= small;
    y /= small;
    if (x == 1) a.pop_back();
    if (y == 1) b.pop_back();
  }
  if (!a.empty() || !b.empty()) return std::nullopt;
  std::reverse(out.begin(), out.end());
  return out;
}

// Shapes on both sides of the reshapes that an element of `value` is computed through.
void collect_reshapes(Lowering& lowering, const Value* value, std::set<const Value*>& seen,
                      std::vector<std::vector<std::int64_t>>& shapes) {
  value = lowering.buffers().resolve(value);
  if (!seen.insert(value).second || lowering.buffers().find(value) >= 0 || !value->node) return;
  const Node& node = *value->node;
  if (node.op->irregular != Irregular::none && node.op->irregular != Irregular::reshape) return;
  for (const Value* operand : node.operands) {
    if (operand->type.elements() != value->type.elements()) continue;
    if (node.op->irregular == Irregular::reshape) {
      shapes.push_back(without_ones(sizes(operand->type.shape)));
      shapes.push_back(without_ones(sizes(value->type.shape)));
    }
    collect_reshapes(lowering, operand, seen, shapes);
  }
}

// The coordinates of a shape's dimensions, given one variable a dimension of a refinement.
Coordinates coordinates_over(const KernelWriter& writer, const std::vector<std::int64_t>& shape,
                             const std::vector<std::int64_t>& domain, const std::vector<int>& variables) {
  Affine linear;
  std::vector<std::int64_t> strides = row_major_strides(domain);
  for (std::size_t d = 0; d < domain.size(); ++d) linear = linear + affine_variable(variables[d], strides[d]);
  auto parts = split_affine(writer, linear, row_major_strides(shape), shape);
  ensure(parts.has_value(), "a loop's domain does not refine its result");
  Coordinates out;
  for (Affine& part : *parts) out.push_back(coordinate(std::move(part)));
  return out;
}

}  // namespace

void lower_loop(Lowering& lowering, const std::vector<const Value*>& values) {
  if (values[0]->type.elements() == 0) {
    for (const Value* value : values) lowering.written(value);
    return;
  }
  std::vector<std::int64_t> domain = without_ones(sizes(values[0]->type.shape));
  std::vector<const Value*> together, rest;
  for (const Value* value : values) {
    auto finer = refine(domain, without_ones(sizes(value->type.shape)));
    if (finer) domain = *finer;
    (finer ? together : rest).push_back(value);
  }
  lowering.attempt([&] {
    std::vector<std::int64_t> extents = domain;
    std::set<const Value*> seen;
    std::vector<std::vector<std::int64_t>> shapes;
    for (const Value* value : together) collect_reshapes(lowering, value, seen, shapes);
    for (const auto& shape : shapes)
      if (auto finer = refine(extents, shape)) extents = *finer;
    KernelWriter writer(lowering.program(), "loop");
    Engine engine(writer, lowering.buffers());
    std::vector<int> variables;
    for (std::size_t d = 0; d < extents.size(); ++d) {
      bool last = d + 1 == extents.size();
      variables.push_back(writer.open(extents[d], last ? lowering.innermost_mark() : Loop::Mark::serial,
                                      last && lowering.vectorize() ? lowering.lanes(together[0]->type.dtype) : 0));
    }
    std::vector<std::pair<Access, Scalar>> stores;
    for (const Value* value : together) {
      const std::vector<std::int64_t> shape = sizes(value->type.shape);
      Coordinates at = coordinates_over(writer, shape, extents, variables);
      Scalar element = engine.at(value, at);
      stores.emplace_back(access_of(writer, lowering.reserve(value), shape, at, 0, false), element);
    }
    for (auto& [access, element] : stores) writer.store(std::move(access), element);
    for (std::size_t d = 0; d < extents.size(); ++d) writer.close();
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    lowering.add(std::move(kernel), together[0]);
  });
  for (const Value* value : together) lowering.written(value);
  if (!rest.empty()) lower_loop(lowering, rest);
}

}  // namespace gradc
