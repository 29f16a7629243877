// The table of initialisers: how a parameter's first content is drawn, as graph of the `init` function.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradc {

// A choice: a row of the table with its arguments, or explicit elements.
struct Initializer {
  std::string kind;
  std::vector<double> arguments;
  Literal literal;          // explicit elements; kind is empty then
  std::string file, array;  // where they were read from; "" where they stand in the spec
};

// What a row draws from: random numbers of this parameter alone.
struct Initialization {
  Builder& builder;
  Type type;
  const std::vector<double>& arguments;
  Value* key;
  std::int64_t& stream;  // the first unused one of the key's random streams

  Term full(double value);
  Term uniform();  // [0, 1)
  Term normal();   // mean 0, deviation 1
  // Of a weight [out, in, kernel…]: in · kernel and out · kernel. A vector counts as its length.
  double fan_in() const;
  double fan_out() const;
};

struct InitializerArgument {
  std::string name;
  std::optional<double> preset;  // none: must be given
  std::string doc;
};

struct InitializerSpec {
  std::string name;
  std::string doc;
  std::vector<InitializerArgument> arguments;
  bool any_dtype = false;  // integers and bool too
  std::function<Term(Initialization&)> draw;
};

const std::vector<InitializerSpec>& initializers();
const InitializerSpec* find_initializer(std::string_view name);
// The message about a name that none has, with the nearest that one has.
std::string unknown_initializer(const std::string& name);

Initializer initializer(std::string kind, std::vector<double> arguments = {});
// PyTorch's default for weights: uniform in ±1/sqrt(fan_in).
Initializer default_weight();
std::string str(const Initializer& initializer);
// Fills preset arguments; what is wrong with it for a parameter of `type`, or "".
std::string complete(Initializer& initializer, const Type& type);

Value* draw(Builder& builder, const Initializer& initializer, const Type& type, Value* key, std::int64_t& stream);

}  // namespace gradc
