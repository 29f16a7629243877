// Expressions against a scope: syntax tree → values of the graph, numbers, attributes.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/frontend/expression.h"
#include "compiler/frontend/indexing.h"
#include "compiler/frontend/json.h"
#include "compiler/frontend/mistakes.h"
#include "compiler/frontend/model_builder.h"

namespace gradc {

// What a name stands for.
struct Entry {
  Operand operand{0.0};
  bool poisoned = false;
};

// A user's function: an expression over its operands and arguments.
struct UserFunction {
  std::string name;
  std::vector<std::string> operands;
  std::vector<std::pair<std::string, double>> arguments;  // with presets
  SyntaxPtr value;                                        // null where its declaration has a mistake
  const Json* text = nullptr;                             // the string, for places
  // Of each operand that has one: an expression of the operands, `result` and `cotangent`. Empty: derived.
  std::map<std::string, std::pair<SyntaxPtr, const Json*>, std::less<>> gradient;
};

// Names in a graph, and those around it.
struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Entry, std::less<>> names;
  std::string prefix;  // of parameters that belong here: "3a."
  std::string rule;    // what is read here, said where a name is unknown: "a function reads …"; "": that of `outer`
  std::map<std::string, std::string, std::less<>> within;  // names inside of loops that stand here: which loop

  const Entry* find(std::string_view name) const;
  std::vector<std::string> all_names() const;
  std::string advice(std::string_view unknown) const;  // "; it is a node inside of `loop`, …", "; a function reads …"
};

using Functions = std::map<std::string, UserFunction, std::less<>>;

// Evaluates one string. Mistakes are UserErrors at the place inside it.
class Evaluator {
 public:
  Evaluator(ModelBuilder& model, const Scope& scope, const Scope& globals, const Functions& functions,
            std::function<Location(std::size_t)> locate)
      : model_(model), scope_(scope), globals_(globals), functions_(functions), locate_(std::move(locate)) {}

  // A user's function on its operands, with its arguments that are given; `at` is its use.
  Operand apply_function(const UserFunction& function, const std::vector<Operand>& operands,
                         const std::map<std::string, double>& arguments, const Location& at);
  Operand evaluate(const Syntax& syntax);  // may be several results
  Operand one(const Syntax& syntax);       // an error where it is several
  Value* value(const Syntax& syntax);      // a number becomes an f32 scalar
  double number(const Syntax& syntax);     // an error where it is no number
  Attribute attribute(const Syntax& syntax, const AttributeSpec& spec, const std::string& op);
  // What the name stands for: scope, parameters of the model, pi and inf; an error where it is unknown.
  Operand name(const Syntax& syntax);
  Dim dim(const Syntax& syntax);  // "64*T", numbers and variables

 private:
  [[noreturn]] void fail(const Syntax& syntax, const std::string& message) const;
  std::vector<Operand> all(const std::vector<SyntaxPtr>& parts);
  Operand unary(const Syntax& syntax);
  Operand binary(const Syntax& syntax);
  Operand call(const Syntax& syntax);
  Operand call_op(const Op& op, const Syntax& syntax);
  Operand keyword_operand(const Op& op, const SyntaxKeyword& keyword, std::size_t position);
  Operand call_function(const UserFunction& function, const Syntax& syntax);
  Operand call_mode(const Syntax& syntax);
  Operand index(const Syntax& syntax);
  IndexItem index_item(const Syntax& syntax);
  Operand member(const Syntax& syntax);
  Operand apply(std::string_view op, std::vector<Operand> operands, const Syntax& syntax);
  IntList integers(const Syntax& syntax, const AttributeSpec& spec, const std::string& op);

  ModelBuilder& model_;
  const Scope& scope_;
  const Scope& globals_;
  const Functions& functions_;
  std::function<Location(std::size_t)> locate_;
  std::set<std::string> active_;  // functions being expanded
};

// Dimensions with the names of numbers replaced; an error at `at` where one is no size.
Type with_numbers(Type type, const Scope& scope, const Location& at);

}  // namespace gradc
