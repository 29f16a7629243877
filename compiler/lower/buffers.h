// What is known of graph values while a function is lowered: which buffer holds them, and how their nodes compute them.
#pragma once

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "ir/kernel.h"

namespace gradc {

class Buffers {
 public:
  explicit Buffers(KernelProgram& program) : program_(program) {}

  KernelProgram& program() { return program_; }
  // Adds a buffer and gives its number.
  int add(KernelBuffer buffer);
  int add_arena(std::string name, DType dtype, std::int64_t elements);
  int add_worker(std::string name, DType dtype, std::int64_t elements);

  // `inner` is another name of `outer`: a region's parameter, a fusion's result.
  void alias(const Value* inner, const Value* outer) { alias_[inner] = outer; }
  const Value* resolve(const Value* value) const;

  void bind(const Value* value, int buffer);
  void unbind(const Value* value) { of_.erase(resolve(value)); }
  // Unbinds what was bound since the mark.
  std::size_t mark() const { return bound_.size(); }
  void forget(std::size_t mark);
  // The buffer that holds the value row-major, or -1.
  int find(const Value* value) const;
  // The buffer of a constant's elements.
  int table(const Value* constant);
  const Node* producer(const Value* value) const { return resolve(value)->node; }

  // The indexed form of a node of the group at hand, made once.
  const IndexedForm& form(const Node& node) const;
  bool is_reduction(const Node& node) const;
  void forget_forms() { forms_.clear(); }

 private:
  KernelProgram& program_;
  std::unordered_map<const Value*, const Value*> alias_;
  std::unordered_map<const Value*, int> of_;
  std::vector<const Value*> bound_;  // in order
  mutable std::unordered_map<const Node*, IndexedForm> forms_;
};

// What a kernel computes the elements of a value from, itself included: down to what is in memory and to reductions,
// these too.
std::set<const Value*> computed_from(const Buffers& buffers, const Value* value);

// Makes what names buffer b name buffer numbers[b], which has the same size.
void renumber(KernelProgram& program, const std::vector<int>& numbers);
// Takes copies of buffers to themselves out of the list.
void drop_idle_copies(std::vector<Statement>& list);

// Takes buffers that no statement touches out of the program, but for inputs, outputs and scalars.
void drop_unused(KernelProgram& program);

// A constant whose elements are all the same bits.
bool is_splat(const Tensor& tensor);

}  // namespace gradc
