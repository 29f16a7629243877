// What a pass is, and the table of all of them (passes.def).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/pipeline.h"

namespace gradc {

// Rewrites a function in place; says whether it changed anything.
using PassFunction = bool (*)(Function& function, const Options& options);

struct Pass {
  std::string_view name;
  std::string_view doc;
  PassFunction run;
};

const std::vector<Pass>& all_passes();
const Pass* find_pass(std::string_view name);
// Runs over every function, verifies where options ask for it, calls options.observe.
bool run_pass(const Pass& pass, Module& module, const Options& options);

#define GRADC_PASS(name, doc) bool name(Function& function, const Options& options);
#include "compiler/passes/passes.def"
#undef GRADC_PASS

// bind_symbols needs the binding and the module; it is no table pass.
void bind_symbols(Module& module, const Binding& binding);

}  // namespace gradc
