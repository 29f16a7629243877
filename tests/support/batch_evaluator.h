// Runs a scalar body of one or two f32 or f64 arguments over many elements, opcode by opcode: fast enough for
// dense samples. A second implementation of the scalar contract, so that it also checks ScalarInterpreter.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ir/scalar.h"

namespace gradc::test {

class BatchEvaluator {
 public:
  static constexpr int kLanes = 512;

  BatchEvaluator(const ScalarBody& body, bool fused);
  // Operand `i` is read from operand(i), kLanes elements of its dtype.
  void* operand(int i) { return operands_[i].data(); }
  // The first result, kLanes elements.
  const void* run();

 private:
  using Register = std::vector<std::uint64_t>;  // kLanes elements of any dtype
  void fill_constants(const std::vector<Instr>& block);
  void run_block(const std::vector<Instr>& block);
  void run_instr(const Instr& instr);

  const ScalarBody* body_;
  bool fused_;
  std::vector<Register> operands_;
  std::vector<Register> registers_;
  std::vector<DType> types_;
};

}  // namespace gradc::test
