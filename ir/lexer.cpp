// Cuts the text of graphs and kernel programs into tokens; `//` starts a comment that ends with its line.
#include "ir/lexer.h"

#include "ir/code_point.h"

namespace gradc {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

void Lexer::advance(std::size_t count) {
  for (; count > 0; --count, ++position_) {
    if (text_[position_] == '\n') {
      ++line_;
      column_ = 1;
    } else if (!continues_code_point(text_[position_])) {
      ++column_;
    }
  }
}

void Lexer::skip_space() {
  while (position_ < text_.size()) {
    char c = text_[position_];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      advance(1);
    } else if (c == '/' && at(position_ + 1) == '/') {
      while (position_ < text_.size() && text_[position_] != '\n') advance(1);
    } else {
      return;
    }
  }
}

std::size_t Lexer::number_length() const {
  std::size_t i = position_;
  while (is_digit(at(i))) ++i;
  if (at(i) == '.') {
    ++i;
    while (is_digit(at(i))) ++i;
  }
  if (at(i) == 'e' || at(i) == 'E') {
    std::size_t exponent = i + 1;
    if (at(exponent) == '+' || at(exponent) == '-') ++exponent;
    if (is_digit(at(exponent))) {
      i = exponent;
      while (is_digit(at(i))) ++i;
    }
  }
  return i - position_;
}

Token Lexer::string_token(Token token) {
  token.kind = Token::Kind::string;
  advance(1);
  while (true) {
    char c = at(position_);
    if (position_ >= text_.size() || c == '\n') {
      token.kind = Token::Kind::bad;
      token.text = "a string has no closing quote";
      return token;
    }
    if (c == '"') break;
    if (c == '\\' && position_ + 1 < text_.size() && at(position_ + 1) != '\n') {
      advance(1);
      c = at(position_) == 'n' ? '\n' : at(position_);
    }
    token.text += c;
    advance(1);
  }
  advance(1);
  return token;
}

Token Lexer::next() {
  std::size_t before = position_;
  skip_space();
  Token token;
  token.offset = position_;
  token.line = line_;
  token.column = column_;
  token.spaced = position_ != before || position_ == 0;
  if (position_ >= text_.size()) return token;
  char c = text_[position_];
  if (c == '"') return string_token(token);
  std::size_t length = 1;
  if (is_letter(c) || c == '.') {
    token.kind = Token::Kind::word;
    while (is_letter(at(position_ + length)) || is_digit(at(position_ + length)) || at(position_ + length) == '.')
      ++length;
  } else if (is_digit(c)) {
    token.kind = Token::Kind::number;
    length = number_length();
  } else if (std::string_view("@%#{}[]()<>=+-*/,:").find(c) != std::string_view::npos) {
    token.kind = Token::Kind::mark;
    if ((c == '+' && at(position_ + 1) == '=') || (c == '-' && at(position_ + 1) == '>')) length = 2;
  } else {
    token.kind = Token::Kind::bad;
    bool printable = c >= ' ' && c <= '~';
    token.text = printable ? "unexpected character `" + std::string(1, c) + "`"
                           : "unexpected byte " + std::to_string(static_cast<unsigned char>(c));
    return token;
  }
  token.text = text_.substr(position_, length);
  advance(length);
  return token;
}

}  // namespace gradc
