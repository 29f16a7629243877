// Loading specs in tests.
#pragma once

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "compiler/frontend/spec.h"
#include "tests/support/catch.h"

namespace gradc {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::unique_ptr<ModelGraph> load(const std::string& text, const SpecOptions& options = {}) {
  Diagnostics diagnostics;
  auto model = load_spec(text, "t.json", options, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model);
  return model;
}

inline std::unique_ptr<ModelGraph> load_example(const std::string& name) {
  return load(read_file(std::string(GRADC_SOURCE_DIR) + "/examples/" + name + ".json"));
}

// "line:column: message", a line each; notes are indented. Warnings are left out.
inline std::string errors_of(const std::string& text, const SpecOptions& options = {}) {
  Diagnostics diagnostics;
  auto model = load_spec(text, "t.json", options, diagnostics);
  auto place = [](const Location& l) { return std::to_string(l.line) + ":" + std::to_string(l.column) + ": "; };
  std::string all;
  for (const Diagnostic& d : diagnostics.all()) {
    if (d.severity != Severity::error) continue;
    all += place(d.location) + d.message + "\n";
    for (const Diagnostic& note : d.notes) all += "  " + place(note.location) + note.message + "\n";
  }
  CHECK((model == nullptr) == !all.empty());
  return all;
}

}  // namespace gradc
