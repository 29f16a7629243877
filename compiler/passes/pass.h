// What a pass is, and the table of all of them (passes.def).
#pragma once

#include <iosfwd>
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

// Whether a gradient or tangent is still to be written out, in the function or in another one of its module, which may
// call it. Then values may be told apart that compute the same, and rewrites that merge or bypass values must wait.
bool is_to_be_differentiated(const Function& function, const Options& options);

#define GRADC_PASS(name, doc) bool name(Function& function, const Options& options);
#include "compiler/passes/passes.def"
#undef GRADC_PASS

// Replaces the symbols of every dimension by their sizes; needs the binding and the module, so it is no table pass.
// A symbol without a size, or a size that overflows a shape, is a UserError.
bool bind_symbols(Module& module, const Binding& binding);

// What `gradc opt` does: runs the named passes over a module in text form and prints the result to `out`; where
// `print_changed`, the module after every pass that changed something. Mistakes go to `err`. Returns the exit status.
struct OptRequest {
  std::string file;  // for locations
  std::string text;
  std::vector<std::string> passes;  // names of the table, or bind_symbols
  Binding binding;                  // for bind_symbols
  bool print_changed = false;
  bool locations = false;  // print them too
};
int opt(const OptRequest& request, const Options& options, std::ostream& out, std::ostream& err);

}  // namespace gradc
