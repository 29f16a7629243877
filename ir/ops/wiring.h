// How the operands of scan, while and cond reach their regions, and how such a node is changed.
//
//   operands:    leading | carried | sliced | invariant
//   parameters:            carried | slices | invariant       of every region
//   yields:                carried | emitted                  of every region but the condition of a while
//   results:               carried | emitted
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace gradc {

struct Wiring {
  std::size_t leading = 0;  // operands that no region takes: a predicate
  std::size_t carried = 0;
  std::size_t sliced = 0;

  std::size_t first_sliced() const { return leading + carried; }
  std::size_t first_invariant() const { return leading + carried + sliced; }
};

// Nothing where the node is none of the three.
std::optional<Wiring> wiring_of(const Node& node);
// Whether the region yields the results of a node of the op.
bool yields_results(const Op& op, std::size_t region);
// The rounds of a scan.
Dim rounds_of(const Node& scan);

// Drops operands with their parameters, and results with their yields, where they are not marked. A carried value goes
// as a whole: its operand and its result have one mark. What is dropped is not read any more.
void keep_marked(Node& node, const std::vector<bool>& operands, const std::vector<bool>& results);

// One more result of a node that stays where it is: what each of the regions that yield results yields for it.
Value* add_result(Node& node, const std::vector<Value*>& yields);

// A node taken apart, to be put together in another way.
struct LoopParts {
  struct Input {
    Value* operand = nullptr;
    std::vector<std::unique_ptr<Value>> parameters;  // one a region
  };
  const Op* op = nullptr;
  Attributes attributes;  // of a scan: with its length; counts are set by `put_together`
  std::vector<Value*> leading;
  std::vector<Input> carried, sliced, invariant;
  std::vector<std::unique_ptr<Region>> regions;  // their parameters are in the inputs
};

// Leaves the node without regions; its results stay, for who replaces them.
LoopParts take_apart(Node& node);
// Appends the node; the regions' yields must fit by now.
std::vector<Value*> put_together(Builder& builder, LoopParts parts);
// A parameter of each region for an operand to be, of type `type` there.
LoopParts::Input new_input(const LoopParts& parts, Value* operand, const Type& type);

}  // namespace gradc
