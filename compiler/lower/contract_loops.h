// The loops around the tiles of a contraction: which stands outside, where the depth is cut, and which accumulators
// live at once.
#pragma once

#include <vector>

#include "compiler/lower/contract.h"

namespace gradc {

// A loop of the kernel: a whole dimension, or the pieces of the row or lane dimension.
struct TileLoop {
  enum class Of : std::uint8_t { dim, row, lane } of = Of::dim;
  TileDim dim;
  std::vector<Pieces> pieces;
};

// A level of the depth that tiles walk, after merging: its extent and the rows operand's step.
struct DepthDim {
  std::int64_t extent, a;
  std::optional<Clip> clip, rows;
};

// A dimension of the accumulators that live at once: a loop inside the cuts, rows, columns.
struct Held {
  TileLoop::Of of;
  std::size_t variable;
  bool inside;                  // all of the dimension; else the pieces of one round
  std::int64_t extent, stored;  // elements of the result, and with those that only fill up registers
  std::int64_t stride, result;  // from one to the next, in scratch and in the result
};

// The accumulators of a round, in the order of the result but for the columns of tiles, which are innermost.
struct Accumulators {
  std::vector<Held> held;
  std::int64_t elements = 0;

  const Held& of(TileLoop::Of of) const;
  // How many neighbours in the result they make that are evenly spread in scratch.
  std::int64_t neighbours() const;
};

struct ContractionLoops {
  std::int64_t result_base = 0;
  std::vector<std::int64_t> result_coefficients;  // of form variables, in elements of the result
  bool direct = false;                            // tiles write the result itself
  std::vector<DepthDim> depth;
  std::vector<std::size_t> depth_variables;  // the innermost variable of each
  bool blocked = false;                      // the depth is cut
  std::size_t cut = 0;                       // its dimension that is
  std::int64_t chunk = 1;
  std::vector<TileLoop> around;
  std::size_t inside = 0;  // loops from here on run inside the cuts, and their accumulators live at once

  std::int64_t lane_step(const Panel& lanes, std::size_t d) const { return lanes.coefficients[depth_variables[d]]; }
  // Those of a round of the outermost loop over pieces of this kind.
  Accumulators accumulators(const ContractionPlan& plan, std::size_t kind) const;
};

// `alone`: nothing but the contraction's result is wanted. Panels are of no use to a task that is empty.
ContractionLoops plan_loops(const ContractionTask& task, bool alone, const Panel& rows, const std::vector<Panel>& lanes,
                            const Target& target);

}  // namespace gradc
