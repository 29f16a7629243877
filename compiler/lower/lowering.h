// The state of lowering one function and the regions in it, and the emitters, one a file.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
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

// Where a result of a region goes. `old`: the region's parameter that lies there until then: the entry of the state
// that a function updates, the carried value of a loop.
struct Destination {
  int buffer = -1;
  const Value* old = nullptr;
};

// The nodes of a region that read a value, in order.
using Readers = std::unordered_map<const Value*, std::vector<const Node*>>;
Readers readers_in(const Region& region);

class Lowering {
 public:
  Lowering(const Function& function, const StateLayout& state, const Options& options);
  KernelProgram run();
  // Makes run() count (lower.h).
  void count_multiply_adds(std::map<std::string, std::int64_t>& by_kernel) { multiply_adds_ = &by_kernel; }

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
  // Gives the kernel its name and adds a launch. `hint`: what it computes. A kernel that packs stands before all loops
  // that do not change what it reads.
  void add(Kernel kernel, const Value* hint);
  // Puts a value of the current group into a buffer.
  void materialize(const Value* value);
  // The value with its dimensions in this order, in a buffer.
  const Value* transposed(Value* value, const std::vector<std::int64_t>& order);
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
  // Whether the buffer stays as it is in the loop or branch at hand, so that a copy of it is made once, before.
  bool is_fixed(int buffer) const { return buffer >= 0 && level_of(buffer) < level(); }
  // Copies of operands made for contractions, by what they hold.
  std::map<std::string, int>& packed() { return packed_; }

 private:
  // lower.cpp
  void bind_parameters();
  std::vector<Destination> bind_results();
  void lower_node(const Node& node);
  void lower_group(Group group);
  bool contract(const Node& node, const Group& group);  // false where the node is no sum of products
  std::string kernel_name(const Value* hint);

  // region.cpp: a region's nodes in order, and its results to their destinations.
  void lower_region(const Region& region, const std::vector<Destination>& to);
  void bind_fusions(const Region& region);
  void find_destinations(const Region& region, const std::vector<Destination>& to,
                         const std::vector<const Node*>& order);
  bool takes(const Node& control, const Value* old) const;
  bool may_overwrite(const Region& region, const Value* old, const Node* writer, const Readers& readers,
                     const std::map<const Node*, std::size_t>& position) const;
  void settle(std::size_t first_kernel);
  void settle_control(std::size_t first_kernel, const std::vector<Statement>& made, bool repeats);
  void take_apart(int fresh);
  void finish_results(const Region& region, const std::vector<Destination>& to);
  void unite();

  // control.cpp: nodes that become statements of their own.
  void lower_control(const Node& node);
  void lower_scan(const Node& node);
  void lower_while(const Node& node);
  void lower_cond(const Node& node);
  void carry(const Region& region, std::size_t k, int buffer);
  std::vector<Destination> start_carried(const Node& node, std::size_t count, const Region& body);
  void bind_arguments(const Node& node, std::size_t first, const Region& region, std::size_t offset);
  int move_view(const Value* whole, const Type& slice, int loop, std::int64_t length, bool reverse);
  int in_buffer(const Value* value);
  void write_to(const Value* value, int buffer);
  void copy(int from, int to);
  // Statements made by f, in a list of their own: what they write is new in every trip.
  template <class F>
  std::vector<Statement> nested(F f) {
    open_list();
    f();
    return close_list();
  }
  void open_list();
  std::vector<Statement> close_list();
  void append(Statement statement) { lists_.back().push_back(std::move(statement)); }
  int level() const { return static_cast<int>(lists_.size()) - 1; }
  int level_of(int buffer) const;
  void raise_level(int buffer, int level);

  const Function& function_;
  const StateLayout& state_;
  const Options& options_;
  KernelProgram program_;
  Buffers buffers_;
  std::map<const Value*, int> reserved_;  // output, state, arena
  std::map<int, int> in_place_;           // new values that may overwrite the old ones, of the regions at hand
  std::map<int, int> united_;             // those that do
  std::map<std::string, int> packed_;
  std::vector<std::vector<Statement>> lists_;  // the entry's, and those of the loops and branches being written
  std::vector<std::size_t> marks_;             // of the bindings made before each list
  std::map<int, int> levels_;                  // of buffers: the deepest list that writes them, 0: the entry
  int loops_ = 0;
  const Group* group_ = nullptr;
  std::map<std::string, std::int64_t>* multiply_adds_ = nullptr;  // null: not counted
  Region copies_;                                                 // nodes of `transposed`
};

// Nodes of a region, so that what overwrites an old value comes after its other readers where the graph allows it.
std::vector<const Node*> schedule(const Region& region, const std::vector<Destination>& to);
// A reshape that stands in no fusion: another name of what is in memory.
bool is_view(const Node& node);
KernelBuffer named_buffer(const std::string& name, const Type& type, Space space);

// ---- emitters ----

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
