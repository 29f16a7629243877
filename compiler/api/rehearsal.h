// A program that runs over and over on synthetic data: what is timed by `gradc bench` and `gradc profile`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/api/model_compiler.h"
#include "gradc/peak.h"

namespace gradc {

// One program with the kernels it was made of.
struct CompiledProgram {
  KernelProgram kernels;
  std::int64_t multiply_adds = 0;  // of contractions in one call, by their definition
  runtime::Executable executable;
};
CompiledProgram compile_program(const ModelGraph& model, const std::string& program, std::int64_t batch,
                                const Options& options);

// Inputs drawn from a seed (floats uniform in [0, 1), integers in their declared range, else 0 and 1), a state
// initialised by the same seed, workspace and outputs. The model and the program must outlive it.
class Rehearsal {
 public:
  // UserError where the machine's memory can't hold the state.
  Rehearsal(ModelCompiler& compiler, const CompiledProgram& program, runtime::ThreadPool* pool, std::int64_t seed);

  void step() { runner_.run(input_pointers_, output_pointers_, state_.data()); }

 private:
  runtime::Block state_;
  std::vector<runtime::Block> inputs_, outputs_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
  runtime::Runner runner_;
};

// The dtype that the program computes in: of its first floating-point input or state entry, else f32.
gradc_dtype float_of(const runtime::Executable& executable, const runtime::StateTable& state);
runtime::VectorUnit vector_unit(const Target& target);

}  // namespace gradc
