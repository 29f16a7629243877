// What the parser of graph text asks of its tokens.
#include "ir/token_cursor.h"

#include <charconv>
#include <limits>
#include <utility>

namespace gradc {

TokenCursor::TokenCursor(std::string_view text, const std::string& file)
    : lexer_(text), file_(std::make_shared<const std::string>(file)) {
  next();
}

Token TokenCursor::next() {
  Token taken = std::exchange(token_, lexer_.next());
  if (token_.kind == Token::Kind::bad) fail(token_.text);
  return taken;
}

bool TokenCursor::looking_at(std::string_view text) const {
  return (token_.kind == Token::Kind::mark || token_.kind == Token::Kind::word) && token_.text == text;
}

bool TokenCursor::take(std::string_view text) {
  if (!looking_at(text)) return false;
  next();
  return true;
}

void TokenCursor::expect(std::string_view text) {
  if (take(text)) return;
  fail("expected `" + std::string(text) + "`, found " + (at_end() ? "the end of the text" : "`" + token_.text + "`"));
}

std::string TokenCursor::identifier(const char* what) {
  if (!is_name()) fail("expected " + std::string(what));
  std::string name = next().text;
  while (is_name() && !token_.spaced) name += next().text;
  return name;
}

std::string TokenCursor::string() {
  if (!looking_at_string()) fail("expected a string");
  return next().text;
}

bool TokenCursor::looking_at_number() const {
  return token_.kind == Token::Kind::number || looking_at("-") || looking_at("inf") || looking_at("nan");
}

double TokenCursor::number(bool& is_integer, std::int64_t& integer) {
  is_integer = false;
  integer = 0;
  const Location here = location();
  std::string text = take("-") ? "-" : "";
  const bool negative = !text.empty();
  if (take("inf")) return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  if (take("nan")) return std::numeric_limits<double>::quiet_NaN();
  if (token_.kind != Token::Kind::number) fail(here, "expected a number");
  text += next().text;
  while (is_name() && !token_.spaced) text += next().text;
  const char *first = text.data(), *last = first + text.size();
  const auto as_integer = std::from_chars(first, last, integer);
  is_integer = as_integer.ec == std::errc() && as_integer.ptr == last;
  double value = 0;
  if (std::from_chars(first, last, value).ptr != last) fail(here, "malformed number `" + text + "`");
  return value;
}

std::int64_t TokenCursor::integer() {
  const Location here = location();
  bool is_integer = false;
  std::int64_t value = 0;
  number(is_integer, value);
  if (!is_integer) fail(here, "expected an integer of 64 bits");
  return value;
}

std::string_view TokenCursor::until(std::string_view mark) {
  const std::size_t start = token_.offset;
  for (int depth = 0; !at_end() && (depth > 0 || !looking_at(mark)); next()) {
    if (looking_at("[")) ++depth;
    if (looking_at("]") && --depth < 0) break;
  }
  return lexer_.text().substr(start, token_.offset - start);
}

void TokenCursor::fail(Location at, const std::string& message) const { throw ParseFailure{std::move(at), message}; }

}  // namespace gradc
