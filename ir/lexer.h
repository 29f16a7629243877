// The lexer that the parsers of graph and kernel text share: one token ahead, located errors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ir/diagnostic.h"

namespace gradc {

// A mistake in the text; caught by the parser's entry point.
struct ParseFailure {
  Location location;
  std::string message;
};

class Lexer {
 public:
  Lexer(std::string_view text, const std::string& file);

  // Skips white space and comments (`//` to the end of the line), then looks at the next character; 0 at the end.
  char peek();
  bool at_end() {
    skip_space();
    return at_ >= text_.size();
  }
  bool take(std::string_view token);  // punctuation, or a keyword that no identifier character follows
  void expect(std::string_view token);
  bool looking_at(std::string_view token);
  std::string identifier(const char* what);  // letters, digits, `_`, `.`
  std::string string();                      // "…" with \" \\ \n
  bool looking_at_number();
  std::int64_t integer();
  // A number as written: `is_integer` where it has neither point nor exponent.
  double number(bool& is_integer, std::int64_t& integer);
  std::string_view until(char end);  // raw text up to, not including, `end`; nested brackets are kept whole
  Location location();               // of the next token
  [[noreturn]] void fail(const std::string& message);
  [[noreturn]] void fail(Location at, const std::string& message);

 private:
  void skip_space();
  void advance();
  std::string_view text_;
  std::shared_ptr<const std::string> file_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1, column_ = 1;
};

}  // namespace gradc
