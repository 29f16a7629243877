// Recognises sums of products: see contraction.h.
#include "compiler/analysis/contraction.h"

#include <algorithm>
#include <cstdlib>

#include "compiler/analysis/reduction.h"

namespace gradc {

namespace {

constexpr std::int64_t kFewResults = 16;  // of a vector times a matrix: fewer leave lanes empty

bool is_product_of_both(const ScalarBody& body) {
  if (body.arguments.size() != 2 || body.results.size() != 1) return false;
  int numbers[2] = {-1, -1};
  const Instr* product = nullptr;
  for (const Instr& instr : body.code) {
    if (instr.op == Opcode::argument)
      numbers[instr.integer] = instr.result;
    else if (instr.op == Opcode::mul && !product)
      product = &instr;
    else
      return false;
  }
  if (!product || product->result != body.results[0]) return false;
  return (product->args[0] == numbers[0] && product->args[1] == numbers[1]) ||
         (product->args[0] == numbers[1] && product->args[1] == numbers[0]);
}

bool moves(const OperandAccess& access, std::size_t variable) {
  return std::any_of(access.index.begin(), access.index.end(),
                     [&](const IndexMap& map) { return map.coefficients[variable] != 0; });
}

}  // namespace

std::int64_t product(const std::vector<ContractionDim>& dims) {
  std::int64_t total = 1;
  for (const ContractionDim& dim : dims) total *= dim.extent;
  return total;
}

bool contains(const std::vector<ContractionDim>& dims, std::size_t variable) {
  return std::any_of(dims.begin(), dims.end(), [&](const ContractionDim& dim) { return dim.variable == variable; });
}

bool sums_products(const IndexedForm& form, DType dtype) {
  return form.combiner == Combiner::sum && form.accesses.size() == 2 && is_float(dtype) &&
         is_product_of_both(form.body);
}

std::optional<Contraction> find_contraction(const IndexedForm& form,
                                            const std::vector<std::vector<std::int64_t>>& operand_shapes, DType dtype) {
  if (!sums_products(form, dtype)) return std::nullopt;
  for (const OperandAccess& access : form.accesses)
    if (access.guarded && access.outside != 0) return std::nullopt;
  Contraction c;
  std::vector<std::int64_t> walk[2];
  for (int a = 0; a < 2; ++a) {
    const OperandAccess& access = form.accesses[static_cast<std::size_t>(a)];
    walk[a] = linear_coefficients(access, operand_shapes[static_cast<std::size_t>(access.operand)], form.variables());
  }
  for (std::size_t v = 0; v < form.variables(); ++v) {
    bool reduced = v >= form.domain.size();
    ContractionDim dim{v, reduced ? form.reduction[v - form.domain.size()] : form.domain[v], false};
    bool first = moves(form.accesses[0], v), second = moves(form.accesses[1], v);
    if (dim.extent == 0) return std::nullopt;
    if (dim.extent == 1) continue;
    if (!first && !second) return std::nullopt;
    if (reduced) {
      dim.reversed = (walk[0][v] != 0 ? walk[0][v] : walk[1][v]) < 0;
      c.k.push_back(dim);
    } else {
      (first && second ? c.batch : first ? c.m : c.n).push_back(dim);
    }
  }
  std::stable_sort(c.k.begin(), c.k.end(), [&](const ContractionDim& a, const ContractionDim& b) {
    return std::abs(walk[0][a.variable]) > std::abs(walk[0][b.variable]);
  });
  std::int64_t m = product(c.m), n = product(c.n);
  if (c.k.empty() || m * n < 8) return std::nullopt;
  if (m > 1 && n > 1) return c;
  // A vector times a matrix whose rows of results lie together; else each result is better reduced in lanes.
  const auto& side = m > 1 ? c.m : c.n;
  const auto& steps = walk[m > 1 ? 0 : 1];
  bool together = std::any_of(side.begin(), side.end(), [&](const ContractionDim& dim) {
    return std::abs(steps[dim.variable]) == 1 && dim.extent >= kFewResults;
  });
  return together ? std::optional(std::move(c)) : std::nullopt;
}

}  // namespace gradc
