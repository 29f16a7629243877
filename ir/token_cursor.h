// Steps through the tokens of graph text: one token ahead, located errors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ir/diagnostic.h"
#include "ir/lexer.h"

namespace gradc {

// A mistake in the text; caught by the parser's entry point.
struct ParseFailure {
  Location location;
  std::string message;
};

class TokenCursor {
 public:
  TokenCursor(std::string_view text, const std::string& file);

  bool at_end() const { return token_.kind == Token::Kind::end; }
  bool looking_at(std::string_view text) const;  // punctuation, or a whole word
  bool looking_at_string() const { return token_.kind == Token::Kind::string; }
  bool looking_at_number() const;
  bool take(std::string_view text);
  void expect(std::string_view text);
  std::string identifier(const char* what);  // letters, digits, `_`, `.`; may begin with a digit
  std::string string();
  std::int64_t integer();
  // A number as written, inf and nan too: `is_integer` where it has neither point nor exponent.
  double number(bool& is_integer, std::int64_t& integer);
  std::string_view until(std::string_view mark);    // raw text up to the mark; nested brackets are kept whole
  Location location() const { return at(token_); }  // of the next token
  [[noreturn]] void fail(const std::string& message) const { fail(location(), message); }
  [[noreturn]] void fail(Location at, const std::string& message) const;

 private:
  bool is_name() const { return token_.kind == Token::Kind::word || token_.kind == Token::Kind::number; }
  Token next();
  Location at(const Token& token) const { return {file_, token.line, token.column, false}; }

  Lexer lexer_;
  Token token_;
  std::shared_ptr<const std::string> file_;
};

}  // namespace gradc
