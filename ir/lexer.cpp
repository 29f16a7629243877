// Tokens of graph and kernel text.
#include "ir/lexer.h"

#include <cctype>
#include <charconv>
#include <limits>

#include "ir/code_point.h"

namespace gradc {

namespace {
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }
}  // namespace

Lexer::Lexer(std::string_view text, const std::string& file)
    : text_(text), file_(std::make_shared<const std::string>(file)) {}

void Lexer::advance() {
  if (text_[at_] == '\n') {
    ++line_;
    column_ = 1;
  } else if (!continues_code_point(text_[at_])) {
    ++column_;
  }
  ++at_;
}

void Lexer::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_])))
      advance();
    else if (text_.substr(at_, 2) == "//")
      while (at_ < text_.size() && text_[at_] != '\n') advance();
    else
      return;
  }
}

char Lexer::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool Lexer::looking_at(std::string_view token) {
  skip_space();
  if (text_.substr(at_, token.size()) != token) return false;
  std::size_t end = at_ + token.size();
  return !is_word(token.back()) || end >= text_.size() || !is_word(text_[end]);
}

bool Lexer::take(std::string_view token) {
  if (!looking_at(token)) return false;
  for (std::size_t i = 0; i < token.size(); ++i) advance();
  return true;
}

void Lexer::expect(std::string_view token) {
  if (take(token)) return;
  std::string found = at_end() ? "the end of the text" : "`" + std::string(1, peek()) + "`";
  fail("expected `" + std::string(token) + "`, found " + found);
}

std::string Lexer::identifier(const char* what) {
  skip_space();
  std::size_t start = at_;
  while (at_ < text_.size() && is_word(text_[at_])) advance();
  if (at_ == start) fail("expected " + std::string(what));
  return std::string(text_.substr(start, at_ - start));
}

std::string Lexer::string() {
  expect("\"");
  std::string result;
  while (at_ < text_.size() && text_[at_] != '"') {
    char c = text_[at_];
    if (c == '\\') {
      advance();
      if (at_ >= text_.size()) break;
      c = text_[at_] == 'n' ? '\n' : text_[at_];
    }
    result += c;
    advance();
  }
  if (at_ >= text_.size()) fail("a string that does not end");
  advance();
  return result;
}

bool Lexer::looking_at_number() {
  char c = peek();
  if (std::isdigit(static_cast<unsigned char>(c)) || looking_at("inf") || looking_at("nan")) return true;
  if (c != '-' || at_ + 1 >= text_.size()) return false;
  return std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) || text_.substr(at_ + 1, 3) == "inf" ||
         text_.substr(at_ + 1, 3) == "nan";
}

double Lexer::number(bool& is_integer, std::int64_t& integer) {
  if (!looking_at_number()) fail("expected a number");
  is_integer = false;
  integer = 0;
  std::size_t start = at_;
  bool negative = take("-");
  if (take("inf")) return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  if (take("nan")) return std::numeric_limits<double>::quiet_NaN();
  Location here = location();
  while (at_ < text_.size() && (is_word(text_[at_]) || ((text_[at_] == '-' || text_[at_] == '+') &&
                                                        (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E'))))
    advance();
  const char* first = text_.data() + start;
  const char* last = text_.data() + at_;
  auto as_integer = std::from_chars(first, last, integer);
  is_integer = as_integer.ec == std::errc() && as_integer.ptr == last;
  double value = 0;
  auto as_double = std::from_chars(first, last, value);
  if (as_double.ptr != last) fail(here, "malformed number `" + std::string(first, last) + "`");
  return value;
}

std::int64_t Lexer::integer() {
  Location here = location();
  bool is_integer = false;
  std::int64_t value = 0;
  number(is_integer, value);
  if (!is_integer) fail(here, "expected an integer of 64 bits");
  return value;
}

std::string_view Lexer::until(char end) {
  std::size_t start = at_;
  int depth = 0;
  while (at_ < text_.size() && (depth > 0 || text_[at_] != end)) {
    if (text_[at_] == '[') ++depth;
    if (text_[at_] == ']') --depth;
    if (depth < 0) break;
    advance();
  }
  return text_.substr(start, at_ - start);
}

Location Lexer::location() {
  skip_space();
  return {file_, line_, column_, false};
}

void Lexer::fail(const std::string& message) { fail(location(), message); }
void Lexer::fail(Location at, const std::string& message) { throw ParseFailure{std::move(at), message}; }

}  // namespace gradc
