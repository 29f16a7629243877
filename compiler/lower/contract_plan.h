// How a contraction is tiled: which operand takes the lanes, which dimension the rows, and what is packed or copied.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/analysis/contraction.h"
#include "compiler/lower/emit.h"
#include "ir/indexed.h"
#include "ir/target.h"

namespace gradc {

// What the plan needs to know of an operand.
struct OperandFacts {
  bool in_memory = false;  // not computed by the group
  bool fixed = false;      // it is the same in every trip of the loop around
  std::vector<std::int64_t> shape;
  const OperandAccess* access = nullptr;
  std::vector<std::int64_t> extents;       // of every form variable
  std::vector<std::int64_t> coefficients;  // of every form variable, in elements
  std::vector<Range> reach;                // of every dimension: the indices met

  // Readable at base + Σ coefficient * variable.
  bool direct() const;
  // Indices met, inside the operand or not.
  double elements_met() const;
  // Whether the variable moves the operand, each of its values to elements of its own.
  bool moves_alone(std::size_t variable) const;
  // Whether a step of `around` is one over all of `inner`, so that both are walked as one.
  bool continues(const ContractionDim& around, const ContractionDim& inner) const;
  // The dimension that this variable moves, if it is the only one.
  std::optional<std::size_t> only_dimension(std::size_t variable) const;
  // The variable that moves the last dimension but one, or the last one, together with `inner`, where `around` moves
  // the other of the two by ones: so that a copy in which `inner` has a dimension of its own, behind all others, walks
  // both as one. They are the rows and columns of a kernel over images of one channel.
  std::optional<std::size_t> unfolds(const ContractionDim& around, const ContractionDim& inner) const;
  // The dimension that this variable of that extent indexes alone, from the first to the last element; or none.
  std::optional<std::size_t> own_dimension(std::size_t variable, std::int64_t extent) const;
};

// Equal pieces of a dimension: `count` of them from `start`, each `size` long, padded to `padded`.
struct Pieces {
  std::int64_t start = 0, count = 1, size = 1, padded = 1;
};

// How an operand is read.
enum class Placing : std::uint8_t {
  in_place,
  copied,  // once, every element that is met, with zeros around; lanes innermost
  panels,  // lanes: for every block and every step of the depth
};

// A dimension of the register tile: a variable, or two walked as one, as the operand continues them (columns and
// channels of a convolution's kernel) or a copy that is unfolded does (rows and columns).
struct TileDim {
  std::size_t variable = 0;  // the inner one of two
  std::int64_t extent = 1;   // of both
  std::optional<ContractionDim> around;
  std::optional<std::size_t> unfolded;  // the variable that shares the inner one's dimension of the operand

  std::int64_t inner() const { return around ? extent / around->extent : extent; }
  // Whether one step moves evenly through both, by these coefficients of every form variable.
  bool even(const std::vector<std::int64_t>& coefficients) const {
    return !around || coefficients[around->variable] == coefficients[variable] * inner();
  }
};

// Steps of the depth that fall outside of an operand, along this dimension of it, are known for a whole tile, or for
// each of its rows, and left out.
struct Clip {
  std::size_t access = 0, dim = 0;
  double taken = 1;  // of all steps, on average over all tiles
};

struct ContractionPlan {
  int a = 0, b = 1;  // accesses: broadcast rows and lanes
  std::vector<ContractionDim> outer_m, outer_n;
  TileDim row, lane;
  std::vector<Pieces> rows, lanes;  // of `row` and `lane`
  Placing rows_placing = Placing::in_place, lanes_placing = Placing::in_place;
  double cost = 0;  // estimated cycles

  // Tiles that meet the same rows and lanes, moved: those of a convolution's kernel.
  std::int64_t taps() const { return product(outer_m) * product(outer_n); }
  // Of the depth's loop over this variable, where nothing else moves the operand along that dimension within a tile.
  std::optional<Clip> clip(const OperandFacts (&operands)[2], const ContractionDim& depth) const;
  // Of the depth's loop over this variable, where only the rows move the operand along that dimension too, and a tile
  // has the same rows in every round: in each of its steps some rows are left out. At most one loop has such a clip.
  std::optional<Clip> clip_rows(const OperandFacts (&operands)[2], const ContractionDim& depth) const;
  using Clips = std::optional<Clip> (ContractionPlan::*)(const OperandFacts (&)[2], const ContractionDim&) const;
  // The part of the depth's steps that such clips do not leave out: for whole tiles, or of their rows.
  double taken(Clips clips, const OperandFacts (&operands)[2], const std::vector<ContractionDim>& depth) const;
};

// Bytes of the second-level cache that are met again while others pass through it.
inline std::int64_t room_that_stays(const Target& target) { return target.l2_bytes * 5 / 8; }

ContractionPlan plan_contraction(const Contraction& contraction, const OperandFacts (&operands)[2],
                                 const std::vector<std::int64_t>& result_coefficients, DType dtype,
                                 const Target& target);

}  // namespace gradc
