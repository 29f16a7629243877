// The table of passes, and how one is run.
#include "compiler/passes/pass.h"

#include <algorithm>

#include "ir/op.h"
#include "ir/verify.h"

namespace gradc {

const std::vector<Pass>& all_passes() {
  static const std::vector<Pass> table = {
#define GRADC_PASS(name, doc) Pass{#name, doc, static_cast<PassFunction>(&(name))},
#include "compiler/passes/passes.def"
#undef GRADC_PASS
  };
  return table;
}

const Pass* find_pass(std::string_view name) {
  const std::vector<Pass>& table = all_passes();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Pass& pass) { return pass.name == name; });
  return found == table.end() ? nullptr : &*found;
}

namespace {

bool holds_derivative(const Function& function) {
  bool found = false;
  walk(function.body, [&](const Node& node) { found |= node.op->name == "gradient" || node.op->name == "tangent"; });
  return found;
}

}  // namespace

bool is_to_be_differentiated(const Function& function, const Options& options) {
  if (holds_derivative(function)) return true;
  if (!options.module) return false;
  const auto& functions = options.module->functions;
  return std::any_of(functions.begin(), functions.end(), [](const auto& other) { return holds_derivative(*other); });
}

bool run_pass(const Pass& pass, Module& module, const Options& options) {
  if (options.before) options.before(pass.name, module);
  Options inner = options;
  inner.module = &module;
  bool changed = false;
  for (const auto& function : module.functions) changed |= pass.run(*function, inner);
  if (options.verify_each) verify_or_die(module, std::string(pass.name));
  if (options.observe) options.observe(pass.name, module, changed);
  return changed;
}

}  // namespace gradc
