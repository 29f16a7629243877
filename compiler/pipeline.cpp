// The list of all stages, in order.
#include "compiler/pipeline.h"

#include <set>

#include "compiler/lower/lower.h"
#include "compiler/lower/memory_use.h"
#include "compiler/passes/pass.h"
#include "compiler/reproduce.h"
#include "ir/diagnostic.h"
#include "ir/op.h"
#include "ir/verify.h"

namespace gradc {

namespace {

bool run(std::string_view name, Module& module, const Options& options) {
  const Pass* pass = find_pass(name);
  if (!pass) internal_error("no pass is named `" + std::string(name) + "`");
  return run_pass(*pass, module, options);
}

// Functions that others call; after inlining nobody needs them.
std::set<std::string> called_functions(const Module& module) {
  std::set<std::string> called;
  for (const auto& function : module.functions) {
    walk(function->body, [&](const Node& node) {
      if (node.op->name == "call") called.insert(node.attributes.string("callee"));
    });
  }
  return called;
}

}  // namespace

void specialize(Module& module, const Binding& binding, const Options& options) {
  const std::set<std::string> called = called_functions(module);
  run("inline_calls", module, options);
  std::erase_if(module.functions, [&](const auto& function) { return called.contains(function->name); });
  if (options.before) options.before("bind_symbols", module);
  const bool changed = bind_symbols(module, binding);
  if (options.verify_each) verify_or_die(module, "bind_symbols");
  if (options.observe) options.observe("bind_symbols", module, changed);
}

void differentiate(Module& module, const Options& options) {
  run("grad", module, options);
  run("eliminate_dead_code", module, options);
}

void optimize(Module& module, const Options& options) {
  run("expand_composites", module, options);
  run("eliminate_common_subexpressions", module, options);
  run("simplify", module, options);
  run("fold_constants", module, options);
  run("simplify", module, options);
  run("eliminate_dead_code", module, options);
  run("hoist_from_scan", module, options);
  run("choose_layout", module, options);
  run("simplify", module, options);
  run("eliminate_common_subexpressions", module, options);
  run("merge_loops", module, options);
  run("eliminate_dead_code", module, options);
}

void fuse(Module& module, const Options& options) { run("fuse", module, options); }

KernelModule lower(const Module& module, const StateLayout& state, const Options& options) {
  KernelModule kernels;
  kernels.name = module.name;
  kernels.state = state;
  for (const auto& function : module.functions) {
    kernels.programs.push_back(lower_function(*function, state, options));
    plan_memory(kernels.programs.back());
    step_bytes(kernels.programs.back(), state.bytes);  // a UserError where no address reaches that far
  }
  return kernels;
}

void run_stages(Module& module, const StateLayout& state, const Binding& binding, const Options& options) {
  specialize(module, binding, options);
  differentiate(module, options);
  optimize(module, options);
  fit_memory(module, state, options);
  fuse(module, options);
}

KernelModule compile_to_kernels(std::unique_ptr<Module> module, const StateLayout& state, const Binding& binding,
                                const Options& options) {
  const std::unique_ptr<Module> original = clone_module(*module);
  try {
    run_stages(*module, state, binding, options);
    return lower(*module, state, options);
  } catch (const InternalError& error) {
    throw InternalError(error.what() + write_reproducer(*original, state, binding, options));
  }
}

}  // namespace gradc
