// Runs passes by name over a module in text form: the core of `gradc opt`.
#include <algorithm>
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

// Passes that write out bodies or loops need every size.
void check_sizes(const Module& module, const std::string& pass) {
  if (pass != "expand_composites" && pass != "fuse" && pass != "grad" && pass != "hoist_from_scan") return;
  for (const auto& function : module.functions) {
    for (std::size_t i = 0; i < function->parameters.size(); ++i) {
      const Type& type = function->body.parameters[i]->type;
      const auto open = std::find_if(type.shape.begin(), type.shape.end(), [](const Dim& d) { return !d.is_static(); });
      if (open == type.shape.end()) continue;
      throw UserError(function->parameters[i].location,
                      "the pass `" + pass + "` needs sizes, and `" + function->parameters[i].name + "` is " +
                          type.str() + "; run bind_symbols before it, with --bind " + open->symbol + "=…");
    }
  }
}

void run(Module& module, const OptRequest& request, const Options& options, const PrintOptions& style,
         std::ostream& err) {
  for (const std::string& name : request.passes) {
    bool changed = false;
    if (name == kBindSymbols) {
      changed = bind_symbols(module, request.binding);
      verify_or_die(module, name);
    } else {
      check_sizes(module, name);
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
