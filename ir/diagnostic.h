// Messages to the user: collected, located, and rendered with the line and a caret.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ir/location.h"

namespace gradc {

enum class Severity { error, warning, note };

struct Diagnostic {
  Severity severity = Severity::error;
  Location location;
  std::string message;            // lower case, no final period, both offending values
  std::vector<Diagnostic> notes;  // severity note
};

// Collects diagnostics of one run and knows the source texts they point into.
class Diagnostics {
 public:
  void add_source(std::string file, std::string text);
  Diagnostic& error(Location at, std::string message);
  Diagnostic& warning(Location at, std::string message);  // once, however often it is given
  bool has_errors() const;
  const std::vector<Diagnostic>& all() const { return all_; }
  void append(const Diagnostic& diagnostic) { all_.push_back(diagnostic); }

  // "file:line:col: error: message", the source line, a caret, then the notes.
  std::string render(const Diagnostic& diagnostic, bool color = false) const;
  std::string render(bool color = false) const;

 private:
  std::vector<Diagnostic> all_;
  std::map<std::string, std::string> sources_;
};

// What the user can mend. Carries one or more diagnostics.
class UserError : public std::runtime_error {
 public:
  explicit UserError(Diagnostic diagnostic);
  explicit UserError(std::vector<Diagnostic> diagnostics);
  UserError(Location at, std::string message);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

// What only a defect of gradc can cause.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void internal_error(const std::string& message);
// Holds an invariant of gradc itself; never the check of an input.
inline void ensure(bool holds, const char* what) {
  if (!holds) internal_error(what);
}

// The candidate nearest to `name` by edit distance, or "" where none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);
// "; did you mean `x`?" or "".
std::string suggest(std::string_view name, const std::vector<std::string>& candidates);
// The same, and where none is near, all of a few candidates: "; known: a, b".
std::string suggest_or_list(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace gradc
