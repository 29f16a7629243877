// Runs passes by name over a module in text form: the core of `gradc opt`.
#include <algorithm>
#include <functional>
#include <ostream>

#include "compiler/passes/evaluate.h"
#include "compiler/passes/pass.h"
#include "ir/diagnostic.h"
#include "ir/interpret.h"
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

std::vector<std::string> parameter_names(const Function& function) {
  std::vector<std::string> names;
  for (const Parameter& parameter : function.parameters) names.push_back(parameter.name);
  return names;
}

Tensor argument_of(const Parameter& parameter, const Type& type, const EvaluateRequest& request) {
  const auto given = std::find_if(request.inputs.begin(), request.inputs.end(),
                                  [&](const auto& input) { return input.first == parameter.name; });
  if (given == request.inputs.end()) {
    if (parameter.role == Role::scalar) return Tensor::filled(type, parameter.preset);
    throw UserError(parameter.location, "`" + parameter.name + "` is " + type.str() + ": give its numbers by --input " +
                                            parameter.name + "=…");
  }
  const std::vector<double>& numbers = given->second;
  if (numbers.size() == 1) return Tensor::filled(type, numbers[0]);
  if (std::ssize(numbers) != type.elements())
    throw UserError(parameter.location, "--input " + parameter.name + ": " + type.str() + " takes " +
                                            std::to_string(type.elements()) + " numbers, got " +
                                            std::to_string(numbers.size()));
  return Tensor::of(type, numbers);
}

void print_results(Module& module, const EvaluateRequest& request, const Options& options, std::ostream& out) {
  for (const char* pass : {"inline_calls", "grad"}) {
    check_sizes(module, "grad");
    run_pass(*find_pass(pass), module, options);
  }
  const Function* function = module.function(request.function);
  if (!function) {
    std::vector<std::string> names;
    for (const auto& each : module.functions) names.push_back(each->name);
    throw UserError(Location{}, "--evaluate: no function is named `" + request.function + "`" +
                                    suggest_or_list(request.function, names));
  }
  for (const auto& [name, numbers] : request.inputs)
    if (!function->parameter(name))
      throw UserError(Location{}, "--input " + name + ": `" + function->name + "` has no such parameter" +
                                      suggest_or_list(name, parameter_names(*function)));
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < function->parameters.size(); ++i)
    arguments.push_back(argument_of(function->parameters[i], function->body.parameters[i]->type, request));
  const std::vector<Tensor> results = interpret(*function, arguments);
  for (std::size_t i = 0; i < results.size(); ++i)
    out << function->results[i].name << " = " << str(Attribute(std::make_shared<const Tensor>(results[i]))) << "\n";
}

// Parses, runs the passes, and does `last` with the module.
int with_module(const OptRequest& request, const Options& options, std::ostream& err,
                const std::function<void(Module&, const Options&, const PrintOptions&)>& last) {
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
    last(*module, verified, style);
  } catch (const UserError& error) {
    for (const Diagnostic& diagnostic : error.diagnostics()) diagnostics.append(diagnostic);
    err << diagnostics.render();
    return 1;
  }
  return 0;
}

}  // namespace

int opt(const OptRequest& request, const Options& options, std::ostream& out, std::ostream& err) {
  return with_module(request, options, err, [&](const Module& module, const Options&, const PrintOptions& style) {
    out << print(module, style);
  });
}

int evaluate(const OptRequest& request, const EvaluateRequest& wanted, const Options& options, std::ostream& out,
             std::ostream& err) {
  return with_module(request, options, err, [&](Module& module, const Options& verified, const PrintOptions&) {
    print_results(module, wanted, verified, out);
  });
}

}  // namespace gradc
