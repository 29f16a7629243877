// Loop nests after emission: neighbouring loops become one, the outermost becomes parallel.
#pragma once

#include <vector>

#include "ir/kernel.h"

namespace gradc {

// Indices from `low` to `high`.
struct Range {
  std::int64_t low = 0, high = 0;  // both inside
};
// The values of an index over all rounds of loops of these extents, by variable.
Range range_of(const Affine& affine, const std::vector<std::int64_t>& extents);
// Of every loop variable, and of the parallel one.
std::vector<std::int64_t> extents_of(const Kernel& kernel);

// Replaces a loop variable by an affine of others in a block and everything inside it.
void substitute(std::vector<Instr>& block, int variable, const Affine& by, int& next_value);

// Makes one subscript of all proven subscripts of every access in the block; they need no bounds of their own.
// `extents` holds the extent of every loop variable.
void flatten_accesses(std::vector<Instr>& block, const std::vector<std::int64_t>& extents);

// A loop whose body is a loop alone becomes one loop over the product, where every access moves over both evenly.
// Accesses must be flat. The inner loop's variable, mark and accumulators stay. False, and nothing changed, where it
// cannot be done.
bool merge_with_inner(Instr& outer, int& next_value);

// Flattens, merges all perfect nests without accumulators, and gives the outermost loop to the parallel variable;
// a single long loop is cut for that. `grain`: scalar operations that a piece should have at least.
void shape_nest(Kernel& kernel, std::int64_t grain = 1 << 14);

// Visits all instructions of a block, those of loops after the loop itself.
template <class F>
void visit(const std::vector<Instr>& block, const F& f) {
  for (const Instr& instr : block) {
    f(instr);
    visit(instr.body, f);
  }
}

// Whether two accesses of row-major buffers name the same element in every round.
bool same_place(const Access& a, const Access& b);

// Scalar operations of a block, loops multiplied out.
std::int64_t operations(const std::vector<Instr>& block);

}  // namespace gradc
