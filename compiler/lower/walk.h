// The loops of a reduction: over its domain, and over its runs with their accumulators.
#pragma once

#include "compiler/analysis/reduction.h"
#include "compiler/analysis/strides.h"
#include "compiler/lower/lowering.h"

namespace gradc {

ReductionPlan plan_of(const Node& node, const IndexedForm& form, const Target& target);

struct DomainWalk {
  Coordinates variables;  // one a domain dimension
  Affine part;            // which part of a cut reduction
  int loops = 0;          // opened
};

// Opens a loop for every domain dimension of extent > 1, the plan's lanes innermost unless it is rows, and one for the
// parts in front. `lanes_alone`: for no other dimension.
DomainWalk open_domain(Lowering& lowering, KernelWriter& writer, const IndexedForm& form, const ReductionPlan& plan,
                       DType dtype, bool lanes_alone = false);

// What a reduction computes of each element and is wanted once more: kept in the worker's scratch for a round of the
// domain, one element a round of the reduction.
struct Kept {
  const Value* value = nullptr;
  int buffer = -1;
  std::vector<std::int64_t> shape;   // of the reduction
  std::vector<std::size_t> element;  // for each of its dimensions that of the value

  Access access(const KernelWriter& writer, const Coordinates& at) const;
};

// The value of a part of the reduction `whole` at a point of the part's domain. Throws NeedsBuffer for an operand whose
// code keeps a run from being one loop.
Scalar reduce(KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& whole, const StridedPart& part,
              const ReductionPlan& plan, const DomainWalk& domain, const Kept* kept = nullptr);
// Its values at several points, in one walk over the reduction.
std::vector<Scalar> reduce(KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& whole,
                           const StridedPart& part, const ReductionPlan& plan, const Affine& cut,
                           const std::vector<Coordinates>& points, const Kept* kept = nullptr);

// Where a point of the domain lies in the result.
Coordinates result_coordinates(Engine& engine, const IndexedForm& form, const Coordinates& domain);
void store_result(Lowering& lowering, KernelWriter& writer, Engine& engine, const Node& node, const IndexedForm& form,
                  const Coordinates& domain, Scalar total);

}  // namespace gradc
