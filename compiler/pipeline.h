// The way of a program, graph to native code: every stage as one call with one input and one output.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/kernel.h"
#include "ir/target.h"

namespace gradc {

struct Options {
  int optimize = 2;                // 0: no fusion, scalar code; 1: all but what costs compile time; 2: all
  Target target;                   // set_host_target (compiler/codegen/jit.h) or find_target
  std::int64_t memory_limit = 0;   // bytes of state and workspace of a program, one worker; 0: none
  int rematerialize = 0;           // a rung of the pass of that name: 0 keeps all, the last trades most time for memory
  bool verify_each = false;        // verifier after every pass
  const Module* module = nullptr;  // what the function of a pass belongs to; set by run_pass
  // Called before every pass.
  std::function<void(std::string_view pass, const Module& module)> before;
  // Called after every pass of every function, with the pass's name and whether it changed anything.
  std::function<void(std::string_view pass, const Module& module, bool changed)> observe;
};

// graph → graph with all symbols bound and all calls inlined.
void specialize(Module& module, const Binding& binding, const Options& options);
// → with every gradient and tangent written out.
void differentiate(Module& module, const Options& options);
// → simplified, common subexpressions merged, layout chosen.
void optimize(Module& module, const Options& options);
// → with values made anew instead of kept: at the lowest rung from options.rematerialize on at which each program keeps
// to the memory limit. UserError, with what the program needs at least, where there is none.
void fit_memory(Module& module, const StateLayout& state, const Options& options);
// → grouped into fusions, each of which becomes one kernel or a few.
void fuse(Module& module, const Options& options);
// → kernel programs, memory planned. Every function of the module becomes a program of its name.
KernelModule lower(const Module& module, const StateLayout& state, const Options& options);

// The stages above `lower`, in order.
void run_stages(Module& module, const StateLayout& state, const Binding& binding, const Options& options);

// All of the above. A defect of gradc (InternalError) leaves the graph it failed on behind (compiler/reproduce.h).
KernelModule compile_to_kernels(std::unique_ptr<Module> module, const StateLayout& state, const Binding& binding,
                                const Options& options);

}  // namespace gradc
