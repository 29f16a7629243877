// Tokens of graph and kernel text, with the place of each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gradc {

struct Token {
  enum class Kind : std::uint8_t {
    end,
    word,    // loop, f32, conv1.weight
    string,  // "…": text without quotes and escapes
    number,  // 12, 0.5, 1e-05: unsigned
    mark,    // one character of punctuation, or += or ->
    bad,     // text says what is wrong
  };
  Kind kind = Kind::end;
  std::string text;
  std::size_t offset = 0;  // in the text
  std::uint32_t line = 1, column = 1;
  bool spaced = true;  // white space stands before it
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();
  std::string_view text() const { return text_; }

 private:
  void skip_space();
  void advance(std::size_t count);
  char at(std::size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  Token string_token(Token token);
  std::size_t number_length() const;

  std::string_view text_;
  std::size_t position_ = 0;
  std::uint32_t line_ = 1, column_ = 1;
};

}  // namespace gradc
