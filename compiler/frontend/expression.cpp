// The parser of expression strings: precedence climbing over a table of operators.
#include "compiler/frontend/expression.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "compiler/frontend/json.h"

namespace gradc {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Operator {
  std::string_view text;
  int precedence;
};
// Longer spellings first. `**` binds tighter than a unary minus on its left and is read apart.
constexpr std::array<Operator, 14> kOperators = {{{"==", 4},
                                                  {"!=", 4},
                                                  {"<=", 4},
                                                  {">=", 4},
                                                  {"<", 4},
                                                  {">", 4},
                                                  {"+", 5},
                                                  {"-", 5},
                                                  {"*", 6},
                                                  {"/", 6},
                                                  {"%", 6},
                                                  {"@", 6},
                                                  {"or", 1},
                                                  {"and", 2}}};
constexpr int kNot = 3, kComparison = 4, kUnary = 7, kPower = 8, kPrimary = 100;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  SyntaxPtr parse() {
    skip();
    if (at_ == text_.size()) throw ExpressionError(at_, "empty expression");
    SyntaxPtr result = binary(1);
    if (at_ < text_.size()) throw ExpressionError(at_, "expected an operator or the end, found " + found());
    return result;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }

  std::string found() const {
    if (at_ >= text_.size()) return "the end";
    std::size_t end = at_ + 1;
    if (is_letter(text_[at_]) || is_digit(text_[at_]))
      while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    else
      while (end < text_.size() && (text_[end] & 0xC0) == 0x80) ++end;
    return "`" + std::string(text_.substr(at_, end - at_)) + "`";
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    skip();
    return true;
  }

  void expect(char c, std::size_t opened) {
    if (take(c)) return;
    throw ExpressionError(at_, std::string("expected `") + c + "`, found " + found() + "; `" + text_[opened] +
                                   "` at character " + std::to_string(opened + 1) + " is open");
  }

  SyntaxPtr make(Syntax::Kind kind, std::size_t offset, std::size_t begin, std::vector<SyntaxPtr> children = {}) {
    auto syntax = std::make_unique<Syntax>();
    syntax->kind = kind;
    syntax->offset = offset;
    syntax->begin = begin;
    syntax->children = std::move(children);
    for (const SyntaxPtr& child : syntax->children) deepen(*syntax, *child);
    return syntax;
  }

  static void deepen(Syntax& syntax, const Syntax& child) {
    syntax.depth = std::max(syntax.depth, child.depth + 1);
    if (syntax.depth > kExpressionDepth) throw ExpressionError(syntax.offset, "expression is nested too deeply");
  }

  // Counts the parser's own recursion.
  struct Level {
    explicit Level(Parser& parser) : parser(parser) {
      if (++parser.level_ > kExpressionDepth) throw ExpressionError(parser.at_, "expression is nested too deeply");
    }
    ~Level() { --parser.level_; }
    Parser& parser;
  };

  bool word_here(std::string_view word) const {
    return text_.substr(at_).starts_with(word) &&
           (at_ + word.size() == text_.size() ||
            !(is_letter(text_[at_ + word.size()]) || is_digit(text_[at_ + word.size()])));
  }

  const Operator* operator_here() const {
    for (const Operator& candidate : kOperators) {
      bool word = is_letter(candidate.text[0]);
      if (word ? word_here(candidate.text) : text_.substr(at_).starts_with(candidate.text)) return &candidate;
    }
    return nullptr;
  }

  SyntaxPtr binary(int lowest) {
    Level level(*this);
    SyntaxPtr left = unary();
    for (const Operator* op = operator_here(); op && op->precedence >= lowest; op = operator_here()) {
      std::size_t offset = at_;
      at_ += op->text.size();
      skip();
      SyntaxPtr right = binary(op->precedence + 1);
      std::size_t begin = left->begin;
      std::vector<SyntaxPtr> sides;
      sides.push_back(std::move(left));
      sides.push_back(std::move(right));
      left = make(Syntax::Kind::binary, offset, begin, std::move(sides));
      left->text = op->text;
      const Operator* next = operator_here();
      if (op->precedence == kComparison && next && next->precedence == kComparison)
        throw ExpressionError(at_, "comparisons do not chain; write `a < b and b < c`");
    }
    return left;
  }

  SyntaxPtr unary() {
    Level level(*this);
    std::size_t offset = at_;
    std::string op;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) op = text_[at_];
    if (word_here("not")) op = "not";
    if (op.empty()) return power();
    at_ += op.size();
    skip();
    SyntaxPtr operand = op == "not" ? binary(kNot) : unary();
    if (op == "+") return operand;
    std::vector<SyntaxPtr> children;
    children.push_back(std::move(operand));
    SyntaxPtr result = make(Syntax::Kind::unary, offset, offset, std::move(children));
    result->text = op;
    return result;
  }

  SyntaxPtr power() {
    SyntaxPtr base = postfix();
    if (!text_.substr(at_).starts_with("**")) return base;
    std::size_t offset = at_, begin = base->begin;
    at_ += 2;
    skip();
    std::vector<SyntaxPtr> sides;
    sides.push_back(std::move(base));
    sides.push_back(unary());  // right-associative, and 2 ** -1
    SyntaxPtr result = make(Syntax::Kind::binary, offset, begin, std::move(sides));
    result->text = "**";
    return result;
  }

  // A primary with its indices and members.
  SyntaxPtr postfix() {
    SyntaxPtr base = primary();
    while (at_ < text_.size()) {
      if (text_[at_] == '[') {
        base = index(std::move(base));
      } else if (text_[at_] == '.' && at_ + 1 < text_.size() && is_letter(text_[at_ + 1])) {
        base = member(std::move(base));
      } else {
        break;
      }
    }
    return base;
  }

  SyntaxPtr index(SyntaxPtr base) {
    std::size_t opened = at_, begin = base->begin;
    take('[');
    std::vector<SyntaxPtr> children;
    children.push_back(std::move(base));
    while (!(at_ < text_.size() && text_[at_] == ']')) {
      children.push_back(index_item());
      if (!take(',')) break;
    }
    expect(']', opened);
    if (children.size() == 1) throw ExpressionError(opened, "an index is empty");
    return make(Syntax::Kind::index, opened, begin, std::move(children));
  }

  SyntaxPtr index_item() {
    std::size_t start = at_;
    if (text_.substr(at_).starts_with("...")) {
      at_ += 3;
      skip();
      return make(Syntax::Kind::ellipsis, start, start);
    }
    std::vector<SyntaxPtr> parts;
    parts.push_back(range_part());
    while (parts.size() < 3 && take(':')) parts.push_back(range_part());
    if (parts.size() == 1) {
      if (parts[0]->kind == Syntax::Kind::absent) throw ExpressionError(at_, "expected an index, found " + found());
      bool none = parts[0]->kind == Syntax::Kind::name && (parts[0]->text == "None" || parts[0]->text == "newaxis");
      return none ? make(Syntax::Kind::new_axis, start, start) : std::move(parts[0]);
    }
    if (parts.size() == 2) parts.push_back(make(Syntax::Kind::absent, at_, at_));
    return make(Syntax::Kind::range, start, start, std::move(parts));
  }

  SyntaxPtr range_part() {
    bool absent = at_ >= text_.size() || text_[at_] == ':' || text_[at_] == ',' || text_[at_] == ']';
    return absent ? make(Syntax::Kind::absent, at_, at_) : binary(1);
  }

  SyntaxPtr member(SyntaxPtr base) {
    ++at_;
    std::size_t start = at_, begin = base->begin;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    std::vector<SyntaxPtr> children;
    children.push_back(std::move(base));
    SyntaxPtr result = make(Syntax::Kind::member, start, begin, std::move(children));
    result->text = std::string(text_.substr(start, at_ - start));
    skip();
    return result;
  }

  SyntaxPtr primary() {
    if (at_ >= text_.size()) throw ExpressionError(at_, "expected a value, found the end");
    char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number();
    if (is_letter(c)) return name_or_call();
    if (c == '(') {
      std::size_t opened = at_;
      take('(');
      SyntaxPtr inner = binary(1);
      expect(')', opened);
      inner->begin = opened;
      return inner;
    }
    if (c == '[') return list();
    if (c == '\'') return string();
    throw ExpressionError(at_, "expected a value, found " + found());
  }

  SyntaxPtr number() {
    SyntaxPtr result = make(Syntax::Kind::number, at_, at_);
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), result->number);
    std::string_view written(text_.data() + at_, static_cast<std::size_t>(end - (text_.data() + at_)));
    if (error != std::errc() || !std::isfinite(result->number))
      throw ExpressionError(at_, "number " + std::string(written) + " is out of range");
    std::size_t start = at_;
    at_ += written.size();
    if (at_ < text_.size() && is_letter(text_[at_])) {
      bool digits = std::all_of(written.begin(), written.end(), is_digit);
      if (digits) return at_ = start, name_or_call();  // "3a", the name of a block
      throw ExpressionError(at_,
                            "expected an operator after the number " + std::string(written) + ", found " + found());
    }
    result->integral = written.find_first_of(".eE") == std::string_view::npos;
    skip();
    return result;
  }

  SyntaxPtr name_or_call() {
    std::size_t start = at_;
    auto part = [&](std::size_t i) { return i < text_.size() && (is_letter(text_[i]) || is_digit(text_[i])); };
    while (part(at_) || (at_ < text_.size() && text_[at_] == '.' && part(at_ + 1))) ++at_;
    std::string name(text_.substr(start, at_ - start));
    skip();
    if (at_ < text_.size() && text_[at_] == '(') return call(std::move(name), start);
    bool literal = name == "true" || name == "false";
    SyntaxPtr result = make(literal ? Syntax::Kind::boolean : Syntax::Kind::name, start, start);
    result->boolean = name == "true";
    result->text = std::move(name);
    return result;
  }

  SyntaxPtr call(std::string name, std::size_t start) {
    SyntaxPtr result = make(Syntax::Kind::call, start, start);
    result->text = std::move(name);
    std::size_t opened = at_;
    take('(');
    while (!(at_ < text_.size() && text_[at_] == ')')) {
      argument(*result);
      if (!take(',')) break;
    }
    expect(')', opened);
    return result;
  }

  void argument(Syntax& call) {
    std::size_t start = at_;
    std::size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    std::size_t sign = end;
    while (sign < text_.size() && text_[sign] == ' ') ++sign;
    bool keyword = end > start && is_letter(text_[start]) && sign < text_.size() && text_[sign] == '=' &&
                   !text_.substr(sign).starts_with("==");
    if (!keyword) {
      if (!call.keywords.empty()) throw ExpressionError(at_, "a positional argument cannot follow a named one");
      call.children.push_back(binary(1));
      return deepen(call, *call.children.back());
    }
    SyntaxKeyword entry{std::string(text_.substr(start, end - start)), start, nullptr};
    for (const SyntaxKeyword& other : call.keywords)
      if (other.name == entry.name) throw ExpressionError(start, "`" + entry.name + "` is given twice");
    at_ = sign + 1;
    skip();
    entry.value = binary(1);
    deepen(call, *entry.value);
    call.keywords.push_back(std::move(entry));
  }

  SyntaxPtr list() {
    std::size_t opened = at_;
    take('[');
    std::vector<SyntaxPtr> items;
    while (!(at_ < text_.size() && text_[at_] == ']')) {
      items.push_back(binary(1));
      if (!take(',')) break;
    }
    expect(']', opened);
    return make(Syntax::Kind::list, opened, opened, std::move(items));
  }

  SyntaxPtr string() {
    std::size_t end = text_.find('\'', at_ + 1);
    if (end == std::string_view::npos) throw ExpressionError(at_, "string without closing '");
    SyntaxPtr result = make(Syntax::Kind::string, at_, at_);
    result->text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    skip();
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int level_ = 0;
};

int precedence_of(const Syntax& syntax) {
  if (syntax.kind == Syntax::Kind::unary) return syntax.text == "not" ? kNot : kUnary;
  if (syntax.kind == Syntax::Kind::number && syntax.number < 0) return kUnary;
  if (syntax.kind != Syntax::Kind::binary) return kPrimary;
  if (syntax.text == "**") return kPower;
  for (const Operator& op : kOperators)
    if (op.text == syntax.text) return op.precedence;
  return 0;
}

}  // namespace

SyntaxPtr parse_expression(std::string_view text) { return Parser(text).parse(); }

std::string print(const Syntax& syntax, const std::function<std::string(const Syntax&)>& rename) {
  auto at_least = [&](const Syntax& child, int precedence) {
    std::string text = print(child, rename);
    return precedence_of(child) < precedence ? "(" + text + ")" : text;
  };
  auto joined = [&](const std::vector<SyntaxPtr>& children) {
    std::string text;
    for (const SyntaxPtr& child : children) text += (text.empty() ? "" : ", ") + print(*child, rename);
    return text;
  };
  switch (syntax.kind) {
    case Syntax::Kind::number:
      return number_text(syntax.number);
    case Syntax::Kind::string:
      return "'" + syntax.text + "'";
    case Syntax::Kind::boolean:
      return syntax.boolean ? "true" : "false";
    case Syntax::Kind::name:
      return rename(syntax);
    case Syntax::Kind::list:
      return "[" + joined(syntax.children) + "]";
    case Syntax::Kind::call: {
      std::string text = joined(syntax.children);
      for (const SyntaxKeyword& keyword : syntax.keywords)
        text += (text.empty() ? "" : ", ") + keyword.name + "=" + print(*keyword.value, rename);
      return syntax.text + "(" + text + ")";
    }
    case Syntax::Kind::unary:
      if (syntax.text == "not") return "not " + at_least(*syntax.children[0], kNot);
      return syntax.text + at_least(*syntax.children[0], kUnary);
    case Syntax::Kind::binary: {
      int precedence = precedence_of(syntax);
      bool power = syntax.text == "**";
      bool comparison = precedence == kComparison;
      return at_least(*syntax.children[0], precedence + (power || comparison ? 1 : 0)) + " " + syntax.text + " " +
             at_least(*syntax.children[1], power ? kUnary : precedence + 1);
    }
    case Syntax::Kind::index: {
      std::string text;
      for (std::size_t i = 1; i < syntax.children.size(); ++i)
        text += (i > 1 ? ", " : "") + print(*syntax.children[i], rename);
      return at_least(*syntax.children[0], kPrimary) + "[" + text + "]";
    }
    case Syntax::Kind::range: {
      std::string text = print(*syntax.children[0], rename) + ":" + print(*syntax.children[1], rename);
      if (syntax.children[2]->kind != Syntax::Kind::absent) text += ":" + print(*syntax.children[2], rename);
      return text;
    }
    case Syntax::Kind::absent:
      return "";
    case Syntax::Kind::ellipsis:
      return "...";
    case Syntax::Kind::new_axis:
      return "None";
    case Syntax::Kind::member:
      return at_least(*syntax.children[0], kPrimary) + "." + syntax.text;
  }
  return "";
}

void visit_names(const Syntax& syntax, const std::function<void(const Syntax&)>& visit) {
  if (syntax.kind == Syntax::Kind::name) visit(syntax);
  for (const SyntaxPtr& child : syntax.children) visit_names(*child, visit);
  for (const SyntaxKeyword& keyword : syntax.keywords) visit_names(*keyword.value, visit);
}

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_path(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return false;
  std::size_t start = 0;
  while (start <= text.size()) {
    std::size_t dot = std::min(text.find('.', start), text.size());
    std::string_view part = text.substr(start, dot - start);
    if (part.empty() || !std::all_of(part.begin(), part.end(), [](char c) { return is_letter(c) || is_digit(c); }))
      return false;
    start = dot + 1;
  }
  return true;
}

}  // namespace gradc
