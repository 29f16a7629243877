// The state of lowering one function, and the emitters, one a file.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/lower/buffers.h"
#include "compiler/lower/engine.h"
#include "compiler/pipeline.h"
#include "ir/graph.h"
#include "ir/kernel.h"

namespace gradc {

// What one step of the schedule computes: a fusion's region, or a node alone.
struct Group {
  std::string kind;                   // of the fusion, or of the node
  std::vector<const Node*> nodes;     // in order
  std::vector<const Value*> results;  // resolved; what others read
  Locations locations;
};

class Lowering {
 public:
  Lowering(const Function& function, const StateLayout& state, const Options& options);
  KernelProgram run();

  // ---- for the emitters ----
  KernelProgram& program() { return program_; }
  Buffers& buffers() { return buffers_; }
  const Target& target() const { return program_.target; }
  bool vectorize() const { return options_.optimize > 0; }
  Loop::Mark innermost_mark() const { return vectorize() ? Loop::Mark::vector : Loop::Mark::serial; }
  int lanes(DType dtype) const { return std::max(1, target().lanes(byte_size(dtype))); }

  // The buffer that a value is going to be in: its output or state entry, or one of the arena.
  int reserve(const Value* value);
  // Marks values as being in their reserved buffers.
  void written(const Value* value) { buffers_.bind(value, reserve(value)); }
  // Gives the kernel its name and adds a launch. `hint`: what it computes.
  void add(Kernel kernel, const Value* hint);
  // Puts a value of the current group into a buffer.
  void materialize(const Value* value);
  // Runs f, and again after each value that it finds missing has been materialized.
  template <class F>
  void attempt(F f) {
    for (int round = 0; round < 1000; ++round) {
      try {
        f();
        return;
      } catch (const NeedsBuffer& needs) {
        materialize(needs.value);
      }
    }
    internal_error("a group's values could not be put into buffers");
  }
  // Copies of operands made for contractions, by what they hold.
  std::map<std::string, int>& packed() { return packed_; }

 private:
  void bind_parameters();
  void bind_aliases();
  void find_destinations(const std::vector<const Node*>& order);
  bool may_overwrite(const Value* state, const Node* writer, const std::map<const Node*, std::size_t>& position) const;
  void lower_node(const Node& node);
  void lower_group(Group group);
  void settle_state(std::size_t first_kernel);
  void unite_state();
  void finish_results();
  std::string kernel_name(const Value* hint);

  const Function& function_;
  const StateLayout& state_;
  const Options& options_;
  KernelProgram program_;
  Buffers buffers_;
  std::map<std::string, int> state_buffers_;
  std::vector<int> result_buffers_;       // of the function's results
  std::map<const Value*, int> reserved_;  // output, state, arena
  std::map<int, int> in_place_;           // new values of state entries that overwrite the old ones
  std::map<std::string, int> packed_;
  const Group* group_ = nullptr;
};

// Nodes of a function's body, so that what overwrites a state entry comes after its other readers where the graph
// allows it.
std::vector<const Node*> schedule(const Function& function);

// ---- emitters ----
bool is_reduction(const Node& node);

// One kernel over the elements of the values, which have equal element counts.
void lower_loop(Lowering& lowering, const std::vector<const Value*>& values);
// A reduction alone, its producers within it.
void lower_reduction(Lowering& lowering, const Node& node);
// All reductions of a group and what follows them in one kernel; false where they don't share a domain.
bool lower_rows(Lowering& lowering, const Group& group);
// A sum of products; false where it is none.
bool lower_contraction(Lowering& lowering, const Node& node, const Group& group);
void lower_scatter(Lowering& lowering, const Node& node);

}  // namespace gradc
