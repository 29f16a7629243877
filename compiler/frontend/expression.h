// Expression strings: their syntax tree, with the place of everything in the string.
//
//   or < and < not < comparisons < + - < * / % @ < unary - < **
//   f(a, b, axis=1)   [1, 2]   'text'   true false   names with dots as paths
//   x[0, 1:-1, ::2, ..., None]   f(x).values
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gradc {

struct Syntax;
using SyntaxPtr = std::unique_ptr<Syntax>;

struct SyntaxKeyword {
  std::string name;
  std::size_t offset = 0;
  SyntaxPtr value;
};

struct Syntax {
  enum class Kind : std::uint8_t {
    number,
    string,
    boolean,
    name,
    list,
    call,
    unary,
    binary,
    index,     // children: what is indexed, then the items
    range,     // an item: start, stop, step, each of which may be absent
    absent,    // what a range leaves out
    ellipsis,  // an item
    new_axis,  // an item
    member,    // children: what has several results; text: the one that is meant
  };

  Kind kind = Kind::number;
  std::size_t offset = 0;  // of a name, a literal, a function's name, an operator, a bracket, a member's name
  std::size_t begin = 0;   // of the whole expression's first character
  std::string text;        // name, function, operator, string
  double number = 0;
  bool integral = false;
  bool boolean = false;
  std::vector<SyntaxPtr> children;
  std::vector<SyntaxKeyword> keywords;  // of a call
  int depth = 1;
};

struct ExpressionError : std::runtime_error {
  ExpressionError(std::size_t at, const std::string& message) : std::runtime_error(message), offset(at) {}
  std::size_t offset;
};

inline constexpr int kExpressionDepth = 500;

// Throws ExpressionError.
SyntaxPtr parse_expression(std::string_view text);

// Text that parses to the same tree; names go through `rename`.
std::string print(const Syntax& syntax, const std::function<std::string(const Syntax& name)>& rename);
// Every name that stands for a value, not functions or keywords.
void visit_names(const Syntax& syntax, const std::function<void(const Syntax& name)>& visit);

bool is_identifier(std::string_view text);  // a letter or _, then letters, digits, _
bool is_path(std::string_view text);        // identifiers with dots between; a later part may start with a digit

}  // namespace gradc
