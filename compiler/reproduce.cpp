// Repeats a failed compilation to keep the graph that it failed on.
#include "compiler/reproduce.h"

#include <fstream>

#include "ir/diagnostic.h"
#include "ir/text.h"

namespace gradc {

namespace {

constexpr const char* kFile = "gradc-defect.gir";

std::string command_line(const std::string& pass, const Binding& binding) {
  std::string line = std::string("gradc opt ") + kFile + " --pass " + pass;
  if (pass == "bind_symbols")
    for (const auto& [symbol, size] : binding) line += " --bind " + symbol + "=" + std::to_string(size);
  return line;
}

}  // namespace

std::string write_reproducer(const Module& module, const StateLayout& state, const Binding& binding,
                             const Options& options) {
  std::string text = print(module, {.locations = true, .literal_elements = -1}), pass;
  Options watched = options;
  watched.before = [&](std::string_view name, const Module& now) {
    pass = name;
    text = print(now, {.locations = true, .literal_elements = -1});
    if (options.before) options.before(name, now);
  };
  const std::unique_ptr<Module> copy = clone_module(module);
  bool failed = false;
  try {
    run_stages(*copy, state, binding, watched);
  } catch (const std::exception&) {
    failed = true;  // as reported
  }
  if (!failed) {
    pass.clear();
    text = print(*copy, {.locations = true, .literal_elements = -1});
  }
  std::ofstream file(kFile);
  file << text;
  if (!file.flush()) return "";
  if (pass.empty()) return std::string("; ") + kFile + " holds the graph that lowering was given";
  return std::string("; ") + kFile + " holds the graph before it, repeat with: " + command_line(pass, binding);
}

}  // namespace gradc
