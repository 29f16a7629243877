// Rendering of diagnostics, error types, and nearest names.
#include "ir/diagnostic.h"

#include <algorithm>
#include <numeric>

#include "ir/code_point.h"

namespace gradc {

namespace {

std::string_view label(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::note:
      return "note";
  }
  return "";
}

std::string first_line(const std::vector<Diagnostic>& diagnostics) {
  if (diagnostics.empty()) return "";
  const Diagnostic& first = diagnostics.front();
  return first.location.known() ? first.message + " (" + first.location.str() + ")" : first.message;
}

// Line `number` of `text`, without its end; "" past the end.
std::string line_of(const std::string& text, std::uint32_t number) {
  std::size_t start = 0;
  for (std::uint32_t line = 1; line < number; ++line) {
    start = text.find('\n', start);
    if (start == std::string::npos) return "";
    ++start;
  }
  std::string line = text.substr(start, text.find('\n', start) - start);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

constexpr std::size_t kWidth = 120;  // columns of source shown

// What a terminal may act on, as a space.
std::string printable(std::string text) {
  for (char& c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = ' ';
  return text;
}

// The source line and a caret below it, cut around the column where the line is long.
std::string excerpt(const std::string& line, std::uint32_t column) {
  std::vector<std::size_t> starts;  // of code points, and the end
  for (std::size_t i = 0; i < line.size(); ++i)
    if (i == 0 || !continues_code_point(line[i])) starts.push_back(i);
  const std::size_t count = starts.size();
  starts.push_back(line.size());
  std::size_t at = column ? std::min<std::size_t>(column - 1, count) : 0;
  std::size_t start = at > kWidth - 20 ? at - (kWidth - 20) : 0, end = std::min(start + kWidth, count);
  std::string text = "  " + printable(line.substr(starts[start], starts[end] - starts[start])) + "\n";
  if (column) {
    text += "  ";
    for (std::size_t i = start; i < at; ++i) text += line[starts[i]] == '\t' ? '\t' : ' ';
    text += "^\n";
  }
  return text;
}

}  // namespace

void Diagnostics::add_source(std::string file, std::string text) { sources_[std::move(file)] = std::move(text); }

Diagnostic& Diagnostics::error(Location at, std::string message) {
  all_.push_back({Severity::error, std::move(at), std::move(message), {}});
  return all_.back();
}

Diagnostic& Diagnostics::warning(Location at, std::string message) {
  for (Diagnostic& d : all_)
    if (d.severity == Severity::warning && d.location == at && d.message == message) return d;
  all_.push_back({Severity::warning, std::move(at), std::move(message), {}});
  return all_.back();
}

bool Diagnostics::has_errors() const {
  return std::any_of(all_.begin(), all_.end(), [](const Diagnostic& d) { return d.severity == Severity::error; });
}

std::string Diagnostics::render(const Diagnostic& diagnostic, bool color) const {
  const char* tint = diagnostic.severity == Severity::error     ? "\033[1;31m"
                     : diagnostic.severity == Severity::warning ? "\033[1;35m"
                                                                : "\033[1;36m";
  std::string text;
  if (diagnostic.location.known()) text += diagnostic.location.str() + ": ";
  text += color ? tint + std::string(label(diagnostic.severity)) + ":\033[0m "
                : std::string(label(diagnostic.severity)) + ": ";
  text += diagnostic.message + "\n";
  if (diagnostic.location.known() && diagnostic.location.line) {
    auto source = sources_.find(*diagnostic.location.file);
    if (source != sources_.end())
      text += excerpt(line_of(source->second, diagnostic.location.line), diagnostic.location.column);
  }
  for (const Diagnostic& note : diagnostic.notes) text += render(note, color);
  return text;
}

std::string Diagnostics::render(bool color) const {
  std::string text;
  for (const Diagnostic& diagnostic : all_) text += render(diagnostic, color);
  return text;
}

UserError::UserError(Diagnostic diagnostic) : UserError(std::vector<Diagnostic>{std::move(diagnostic)}) {}
UserError::UserError(std::vector<Diagnostic> diagnostics)
    : std::runtime_error(first_line(diagnostics)), diagnostics_(std::move(diagnostics)) {}
UserError::UserError(Location at, std::string message)
    : UserError(Diagnostic{Severity::error, std::move(at), std::move(message), {}}) {}

void internal_error(const std::string& message) { throw InternalError("internal error: " + message); }

namespace {

// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1), before(row), before_that(row);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_that.swap(before);
    before = row;
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({before[j - 1] + (a[i - 1] != b[j - 1]), before[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_that[j - 2] + 1);
    }
  }
  return row[b.size()];
}

// The shortest candidate that holds `name`, else the longest one that `name` holds: `cross_entropy` for
// `softmax_cross_entropy`, and the other way round.
std::string sharing_words(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr std::size_t kShortest = 4;  // fewer letters are shared by accident
  std::string longer, shorter;
  if (name.size() < kShortest) return "";
  for (const std::string& candidate : candidates) {
    if (candidate.find(name) != std::string::npos && (longer.empty() || candidate.size() < longer.size()))
      longer = candidate;
    if (candidate.size() >= kShortest && candidate.size() > shorter.size() && name.find(candidate) != name.npos)
      shorter = candidate;
  }
  return longer.empty() ? shorter : longer;
}

// `ReLU` and `relu`.
bool same_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > 64) return "";
  for (const std::string& candidate : candidates)
    if (candidate != name && same_but_for_case(candidate, name)) return candidate;
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < name.size()) {  // not where nothing is left of it
      best_distance = distance;
      best = candidate;
    }
  }
  return best.empty() ? sharing_words(name, candidates) : best;
}

std::string suggest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best = nearest(name, candidates);
  return best.empty() ? "" : "; did you mean `" + best + "`?";
}

std::string suggest_or_list(std::string_view name, const std::vector<std::string>& candidates) {
  std::string list = suggest(name, candidates);
  if (!list.empty() || candidates.empty()) return list;
  for (const std::string& candidate : candidates) list += (list.empty() ? "; known: " : ", ") + candidate;
  return list;
}

}  // namespace gradc
