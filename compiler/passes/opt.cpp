// Runs passes by name over a module in text form: the core of `gradc opt`.
#include <ostream>

#include "compiler/passes/pass.h"
#include "ir/diagnostic.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace gradc {

namespace {

constexpr std::string_view kBindSymbols = "bind_symbols";

std::vector<std::string> pass_names() {
  std::vector<std::string> names{std::string(kBindSymbols)};
  for (const Pass& pass : all_passes()) names.emplace_back(pass.name);
  return names;
}

// The first name that is no pass, or null.
const std::string* unknown_pass(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name != kBindSymbols && !find_pass(name)) return &name;
  }
  return nullptr;
}

void run(Module& module, const OptRequest& request, const Options& options, const PrintOptions& style,
         std::ostream& err) {
  for (const std::string& name : request.passes) {
    bool changed = false;
    if (name == kBindSymbols) {
      changed = bind_symbols(module, request.binding);
      verify_or_die(module, name);
    } else {
      changed = run_pass(*find_pass(name), module, options);
    }
    if (!request.print_changed) continue;
    err << "// after " << name << (changed ? "" : " (unchanged)") << "\n";
    if (changed) err << print(module, style);
  }
}

}  // namespace

int opt(const OptRequest& request, const Options& options, std::ostream& out, std::ostream& err) {
  Diagnostics diagnostics;
  diagnostics.add_source(request.file, request.text);
  if (const std::string* name = unknown_pass(request.passes)) {
    diagnostics.error(Location{}, "no pass is named `" + *name + "`" + suggest(*name, pass_names()));
    err << diagnostics.render();
    return 1;
  }
  const std::unique_ptr<Module> module = parse_module(request.text, request.file, diagnostics);
  if (!module) {
    err << diagnostics.render();
    return 1;
  }
  PrintOptions style;
  style.locations = request.locations;
  style.literal_elements = -1;
  Options verified = options;
  verified.verify_each = true;
  try {
    run(*module, request, verified, style, err);
  } catch (const UserError& error) {
    for (const Diagnostic& diagnostic : error.diagnostics()) diagnostics.append(diagnostic);
    err << diagnostics.render();
    return 1;
  }
  out << print(*module, style);
  return 0;
}

}  // namespace gradc
