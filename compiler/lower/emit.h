// Writes one kernel: nested loops, loads and stores, and scalar code placed at the outermost loop that it depends on.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/lower/nest.h"
#include "ir/kernel.h"

namespace gradc {

// One index: (affine + value) / divisor. A remainder of the division is outside.
struct Coordinate {
  Affine affine;
  int value = -1;  // an i64 value of the kernel, or -1
  std::int64_t divisor = 1;
  friend bool operator==(const Coordinate&, const Coordinate&) = default;
};
using Coordinates = std::vector<Coordinate>;

Coordinate coordinate(Affine affine);

// Instructions go to the deepest loop that one of their arguments, or a variable of their access, belongs to; so what
// is invariant in a loop stands before it. Stores, tiles, and loads of what the kernel itself writes stay where they
// are made.
class KernelWriter {
 public:
  KernelWriter(const KernelProgram& program, std::string kind);

  // Opens a loop inside the current one and gives its variable.
  int open(std::int64_t extent, Loop::Mark mark = Loop::Mark::serial, int lanes = 0);
  // Closes it; gives the accumulators' values after the loop.
  std::vector<Scalar> close(std::vector<Accumulator> accumulators = {});
  // Closes `count` loops as one loop with accumulators over their product; none, and the writer is of no more use,
  // where the accesses inside do not move evenly over them.
  std::optional<std::vector<Scalar>> close_run(int count, std::vector<Accumulator> accumulators);
  int depth() const { return static_cast<int>(blocks_.size()) - 1; }
  // Changes with every opened or closed loop: values of a closed loop are gone.
  bool visible(Scalar value) const;

  Scalar number(DType type, double value);
  Scalar constant(DType type, ScalarValue value);
  Scalar index(int variable);
  Scalar emit(Opcode op, DType type, std::span<const Scalar> args);
  Scalar convert(Scalar x, DType to);
  // Runs f(ScalarBuilder&) -> Scalar and places what it wrote.
  template <class F>
  Scalar write(F f) {
    std::vector<Instr> code;
    ScalarBuilder builder(code, kernel_.values);
    Scalar result = f(builder);
    place(std::move(code));
    return {nullptr, result.id, result.type};
  }
  // Copies a scalar body with its arguments and indices replaced; gives its first result.
  Scalar splice(const ScalarBody& body, std::span<const Scalar> arguments, std::span<const Scalar> indices);

  // `here`: do not move it out of the current loop.
  Scalar load(Access access, bool here = false);
  void store(Access access, Scalar value);
  void tile(Tile tile);

  Range range(const Affine& affine) const;
  std::int64_t extent_of(int variable) const { return extents_[static_cast<std::size_t>(variable)]; }
  // The value of a coordinate, in i64 arithmetic; a division truncates.
  Scalar value_of(const Coordinate& c);
  bool proven(const Coordinate& c, std::int64_t extent) const;
  // Whether the coordinate lies in [0, extent) without remainder.
  Scalar inside(const Coordinate& c, std::int64_t extent);
  Coordinate linear(std::span<const std::pair<std::int64_t, Coordinate>> terms, std::int64_t offset,
                    std::int64_t divisor = 1);

  Kernel finish();

 private:
  // Defines the accumulators' values after the loop in the block around.
  std::vector<Scalar> results_of(std::vector<Accumulator>& accumulators);
  void place(std::vector<Instr> code);
  void place(Instr instr, int level);
  int level_of(const Affine& affine) const;
  int level_of(const Instr& instr) const;
  void define(int value, int level);
  void remap(const std::vector<Instr>& from, std::vector<Instr>& to, std::vector<int>& numbers,
             std::span<const Scalar> arguments, std::span<const Scalar> indices);

  const KernelProgram& program_;
  Kernel kernel_;
  struct Block {
    std::vector<Instr> code;
    Loop loop;
    int instance = 0;
  };
  std::vector<Block> blocks_;
  int instances_ = 0;
  std::vector<std::int64_t> extents_{1};  // of variables
  std::vector<int> variable_level_{0};
  std::vector<std::pair<int, int>> value_level_;  // level and block instance
};

// The access of a row-major buffer at coordinates: proven where the ranges say so, else guarded with `outside`
// (or clamped, where the index holds a value and nothing says what lies outside).
Access access_of(const KernelWriter& writer, int buffer, const std::vector<std::int64_t>& sizes,
                 const Coordinates& coordinates, double outside, bool clamp_values);

}  // namespace gradc
