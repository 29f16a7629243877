// The value of a graph value at coordinates, inside a kernel: indexed forms composed through the nodes of a fusion.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "compiler/lower/buffers.h"
#include "compiler/lower/emit.h"
#include "ir/op.h"

namespace gradc {

// Thrown where a value can't be computed inside the kernel: it must be in a buffer first.
struct NeedsBuffer {
  const Value* value;
};

class Engine {
 public:
  Engine(KernelWriter& writer, Buffers& buffers) : w_(writer), buffers_(buffers) {}

  // The element at coordinates, one per dimension. Coordinates outside the value give an undefined element, never a
  // fault.
  Scalar at(const Value* value, const Coordinates& coordinates);
  // As `at`, but `outside` where the coordinates lie outside the value.
  Scalar read(const Value* value, const Coordinates& coordinates, bool guarded, double outside);
  // From here on the value at these coordinates is this scalar (a reduction's result, an element of a register tile).
  void know(const Value* value, Coordinates coordinates, Scalar scalar);

  // From here on this access of a form is to another value (a copy of the operand in another order).
  void redirect(const OperandAccess* access, const Value* value) { redirected_[access] = value; }

  // Whether the value is computed by code, not read from memory.
  bool computed(const Value* value) const;

  // What an access reads, given the form's variables as coordinates.
  Scalar access(const Node& node, const OperandAccess& access, const Coordinates& variables);
  // The body of a form over its accesses.
  Scalar body(const Node& node, const IndexedForm& form, const Coordinates& variables);
  Coordinate apply(const IndexMap& map, const Coordinates& variables);
  // Coordinates of the same element under another shape.
  Coordinates reshape(const Coordinates& coordinates, const std::vector<std::int64_t>& from,
                      const std::vector<std::int64_t>& to);

 private:
  using Key = std::vector<std::int64_t>;
  Key key_of(const Value* value, const Coordinates& coordinates) const;
  Scalar compute(const Value* value, const Coordinates& coordinates);
  Scalar gather(const Node& node, const Coordinates& coordinates);
  Coordinates domain_of(const IndexedForm& form, const Coordinates& coordinates);
  // Splits `c` = Σ stride_k * part_k into its parts, parts in [0, extent_k); strides fall.
  Coordinates split(const Coordinate& c, const std::vector<std::int64_t>& strides,
                    const std::vector<std::int64_t>& extents);

  KernelWriter& w_;
  Buffers& buffers_;
  std::map<Key, Scalar> memo_;
  struct Known {
    Coordinates at;
    Scalar scalar;
  };
  std::map<const Value*, std::vector<Known>> known_;
  std::map<const OperandAccess*, const Value*> redirected_;
};

// The parts of an affine over strides, where they are affine again and stay inside their extents without carry.
std::optional<std::vector<Affine>> split_affine(const KernelWriter& writer, const Affine& affine,
                                                const std::vector<std::int64_t>& strides,
                                                const std::vector<std::int64_t>& extents);

}  // namespace gradc
