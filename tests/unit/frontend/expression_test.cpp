// The syntax of expression strings.
#include "compiler/frontend/expression.h"

#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::string same(const Syntax& name) { return name.text; }

// Fully bracketed.
std::string tree(const Syntax& s) {
  std::string text;
  switch (s.kind) {
    case Syntax::Kind::unary:
      return "(" + s.text + " " + tree(*s.children[0]) + ")";
    case Syntax::Kind::binary:
      return "(" + tree(*s.children[0]) + " " + s.text + " " + tree(*s.children[1]) + ")";
    case Syntax::Kind::call:
      text = s.text + "(";
      for (const auto& child : s.children) text += tree(*child) + ";";
      for (const auto& keyword : s.keywords) text += keyword.name + "=" + tree(*keyword.value) + ";";
      return text + ")";
    default:
      return print(s, same);
  }
}
std::string tree(std::string_view text) { return tree(*parse_expression(text)); }

std::string error_of(std::string_view text) {
  try {
    parse_expression(text);
  } catch (const ExpressionError& error) {
    return std::to_string(error.offset) + ": " + error.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("operators bind as in Python") {
  CHECK(tree("a + b * c - d") == "((a + (b * c)) - d)");
  CHECK(tree("-a ** 2") == "(- (a ** 2))");
  CHECK(tree("2 ** -1 ** x") == "(2 ** (- (1 ** x)))");
  CHECK(tree("x @ w + b > 0 and not c or d") == "(((((x @ w) + b) > 0) and (not c)) or d)");
  CHECK(tree("not a == b") == "(not (a == b))");
  CHECK(tree("a - -b") == "(a - (- b))");
  CHECK(tree("(a + b) / c % d") == "(((a + b) / c) % d)");
  CHECK(tree("android + order + nota") == "((android + order) + nota)");
}

TEST_CASE("calls, lists, names and literals") {
  CHECK(tree("argmax(logits, axis=1) == label") == "(argmax(logits;axis=1;) == label)");
  CHECK(tree("f(a==b, k=[1, -2], s='same', t=true)") == "f((a == b);k=[1, -2];s='same';t=true;)");
  CHECK(tree("conv1.weight * inception.3a.b") == "(conv1.weight * inception.3a.b)");
  CHECK(tree("3a + 3a.b") == "(3a + 3a.b)");
  CHECK(tree("f()") == "f()");
  CHECK(parse_expression("1e-3")->number == 1e-3);
  CHECK_FALSE(parse_expression("1e3")->integral);
  CHECK(parse_expression("1000")->integral);
}

TEST_CASE("places are offsets in the string") {
  SyntaxPtr e = parse_expression("mean( (a+b) * f(c))");
  CHECK(e->offset == 0);
  CHECK(e->children[0]->offset == 12);
  CHECK(e->children[0]->begin == 6);
  CHECK(e->children[0]->children[1]->offset == 14);
}

TEST_CASE("printing keeps the tree") {
  for (const char* text : {"a - (b - c)", "(a - b) - c", "-(a + b) ** 2", "(-a) ** 2", "not (a and b)", "(a == b) == c",
                           "f(x, axis=[1, 2]) @ w ** (b ** c)", "(a ** b) ** c", "a * (b / c)"}) {
    INFO(text);
    SyntaxPtr e = parse_expression(text);
    CHECK(tree(print(*e, same)) == tree(*e));
  }
}

TEST_CASE("mistakes have a column and say what was expected") {
  CHECK(error_of("") == "0: empty expression");
  CHECK(error_of("a +") == "3: expected a value, found the end");
  CHECK(error_of("a b") == "2: expected an operator or the end, found `b`");
  CHECK(error_of("f(a, b") == "6: expected `)`, found the end; `(` at character 2 is open");
  CHECK(error_of("a + * b") == "4: expected a value, found `*`");
  CHECK(error_of("a < b < c") == "6: comparisons do not chain; write `a < b and b < c`");
  CHECK(error_of("f(axis=1, x)") == "10: a positional argument cannot follow a named one");
  CHECK(error_of("f(a=1, a=2)") == "7: `a` is given twice");
  CHECK(error_of("1e999") == "0: number 1e999 is out of range");
  CHECK(error_of("3.5x") == "3: expected an operator after the number 3.5, found `x`");
  CHECK(error_of("a $ b") == "2: expected an operator or the end, found `$`");
  CHECK(error_of("f(x, 'same") == "5: string without closing '");
  CHECK(error_of(std::string(100000, '(')).find("nested too deeply") != std::string::npos);
  CHECK(error_of(std::string(100000, '-')).find("nested too deeply") != std::string::npos);
  std::string sum = "a";
  for (int i = 0; i < 100000; ++i) sum += "+a";
  CHECK(error_of(sum).find("nested too deeply") != std::string::npos);
}
