// A program that runs over and over on synthetic data: what is timed by `gradc bench` and `gradc profile`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/api/model_compiler.h"
#include "gradc/peak.h"

namespace gradc {

// One program with the kernels it was made of.
struct CompiledProgram {
  KernelProgram kernels;
  std::int64_t multiply_adds = 0;                               // of contractions in one call, by their definition
  std::map<std::string, std::int64_t> multiply_adds_by_kernel;  // of one launch; of watched programs
  runtime::Executable executable;
};
// Watched entries are called with a runtime::Recorder's context.
enum class Watch : std::uint8_t { no, yes };
CompiledProgram compile_program(const ModelGraph& model, const std::string& program, std::int64_t batch,
                                const Options& options, Watch watch = Watch::no);
// The batch of a program, where a command gives none (0).
std::int64_t batch_of(const ModelGraph& model, const std::string& program, std::int64_t given);

// Inputs drawn from a seed (floats uniform in [0, 1), integers in their declared range, else 0 and 1), a state
// initialised by the same seed, workspace and outputs. The program and the context (null: serial) must outlive it.
class Rehearsal {
 public:
  // UserError where the machine's memory can't hold the state.
  Rehearsal(ModelCompiler& compiler, const CompiledProgram& program, const gradc_context* context, std::int64_t seed);

  void step() {
    entry_(input_pointers_.data(), output_pointers_.data(), state_.data(), workspace_.data(), nullptr, context_);
  }
  const runtime::Block& state() const { return state_; }
  const std::vector<runtime::Block>& outputs() const { return outputs_; }

 private:
  gradc_entry entry_;
  const gradc_context* context_;
  runtime::Block state_, workspace_;
  std::vector<runtime::Block> inputs_, outputs_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
};

// The dtype that the program computes in: of its first floating-point input or state entry, else f32.
gradc_dtype float_of(const runtime::Executable& executable, const runtime::StateTable& state);
runtime::VectorUnit vector_unit(const Target& target);

}  // namespace gradc
