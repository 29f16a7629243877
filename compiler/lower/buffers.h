// Which buffer holds which graph value while a function is lowered.
#pragma once

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

  void bind(const Value* value, int buffer) { of_[resolve(value)] = buffer; }
  void unbind(const Value* value) { of_.erase(resolve(value)); }
  // The buffer that holds the value row-major, or -1.
  int find(const Value* value) const;
  // The buffer of a constant's elements.
  int table(const Value* constant);
  const Node* producer(const Value* value) const { return resolve(value)->node; }

 private:
  KernelProgram& program_;
  std::unordered_map<const Value*, const Value*> alias_;
  std::unordered_map<const Value*, int> of_;
};

// Makes all accesses of one buffer accesses of another, of the same size.
void redirect(KernelProgram& program, int from, int to);

// Takes buffers that no statement touches out of the program, but for inputs, outputs and scalars.
void drop_unused(KernelProgram& program);

// A constant whose elements are all the same bits.
bool is_splat(const Tensor& tensor);

}  // namespace gradc
