// The table of passes, and how one is run.
#include "compiler/passes/pass.h"

#include <algorithm>

#include "ir/verify.h"

namespace gradc {

const std::vector<Pass>& all_passes() {
  static const std::vector<Pass> table = {
#define GRADC_PASS(name, doc) Pass{#name, doc, static_cast<PassFunction>(&name)},
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

bool run_pass(const Pass& pass, Module& module, const Options& options) {
  Options inner = options;
  inner.module = &module;
  bool changed = false;
  for (const auto& function : module.functions) changed |= pass.run(*function, inner);
  if (options.verify_each) verify_or_die(module, std::string(pass.name));
  if (options.observe) options.observe(pass.name, module, changed);
  return changed;
}

}  // namespace gradc
