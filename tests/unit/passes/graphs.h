// Graphs from text, run through passes and the interpreter.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/passes/pass.h"
#include "ir/diagnostic.h"
#include "ir/interpret.h"
#include "ir/op.h"
#include "ir/text.h"
#include "tests/support/catch.h"

namespace gradc::test {

inline std::unique_ptr<Module> parse(const std::string& text) {
  Diagnostics diagnostics;
  diagnostics.add_source("t.gir", text);
  std::unique_ptr<Module> module = parse_module(text, "t.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return module;
}

inline void run_passes(Module& module, const std::vector<std::string>& names) {
  Options options;
  options.verify_each = true;
  for (const std::string& name : names) {
    INFO(name);
    REQUIRE(find_pass(name));
    run_pass(*find_pass(name), module, options);
  }
}

inline std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) result.push_back(tensor.get(i));
  return result;
}

// One list of elements a parameter; the results of the first function, after the passes.
inline std::vector<std::vector<double>> evaluate(const std::string& text,
                                                 const std::vector<std::vector<double>>& inputs,
                                                 const std::vector<std::string>& passes = {"grad"}) {
  const std::unique_ptr<Module> module = parse(text);
  run_passes(*module, passes);
  const Function& function = *module->functions[0];
  REQUIRE(inputs.size() == function.body.parameters.size());
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    arguments.push_back(Tensor::of(function.body.parameters[i]->type, inputs[i]));
  }
  std::vector<std::vector<double>> results;
  for (const Tensor& tensor : interpret(function, arguments)) results.push_back(numbers(tensor));
  return results;
}

inline std::size_t node_count(const Module& module) { return module.functions[0]->body.nodes.size(); }

inline std::size_t count(const Module& module, const std::string& op) {
  std::size_t found = 0;
  walk(module.functions[0]->body, [&](const Node& node) { found += node.op->name == op ? 1 : 0; });
  return found;
}

// The message of the UserError that `action` ends in, with its place.
template <class Action>
std::string user_error(const Action& action) {
  try {
    action();
  } catch (const UserError& error) {
    const Diagnostic& first = error.diagnostics().front();
    return (first.location.known() ? first.location.str() + ": " : std::string()) + first.message;
  }
  return "";
}

}  // namespace gradc::test
