// Values of a model as C++ expressions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attribute.h"
#include "ir/diagnostic.h"
#include "ir/type.h"

namespace gradc {

struct Value;
class ModelBuilder;

// The C++ API has names of its own, some of which the graph uses too (Result).
inline namespace api {

inline constexpr DType f32 = DType::f32, f64 = DType::f64, i32 = DType::i32, i64 = DType::i64, u32 = DType::u32,
                       u8 = DType::u8, boolean = DType::boolean;

class Model;
using Place = std::source_location;

// A value of a model, or a number, which takes the dtype of the values beside it. Cheap to copy; the model must
// outlive it.
class Expr {
 public:
  Expr(double number) : number_(number) {}  // NOLINT: a number is an expression
  Expr(ModelBuilder& model, Value* value) : model_(&model), value_(value) {}

  const Type& type() const;  // of a value
  const Shape& shape() const { return type().shape; }
  const std::string& name() const;
  Expr named(const std::string& name) const;  // as it is called in dumps and messages

  ModelBuilder* model() const { return model_; }  // null for a number
  Value* value() const { return value_; }         // null for a number
  double number() const { return number_; }

 private:
  ModelBuilder* model_ = nullptr;
  Value* value_ = nullptr;
  double number_ = 0;
};

// An operator's argument, with the line it stands on.
struct Located {
  Expr expr;
  Place place;
  Located(const Expr& e, Place at = Place::current()) : expr(e), place(at) {}  // NOLINT: conversions carry the line
  Located(double n, Place at = Place::current()) : expr(n), place(at) {}       // NOLINT
};

// Any op of the registry. A mistake is a UserError that names the op, the shapes and the line `at`.
Expr apply_op(std::string_view op, const std::vector<Expr>& operands, Attributes attributes = {},
              Place at = Place::current());
// An op without operands.
Expr apply_op(Model& model, std::string_view op, Attributes attributes = {}, Place at = Place::current());

Expr operator+(const Located& a, const Located& b);
Expr operator-(const Located& a, const Located& b);
Expr operator*(const Located& a, const Located& b);
Expr operator/(const Located& a, const Located& b);
Expr operator%(const Located& a, const Located& b);
Expr operator-(const Located& a);
Expr operator==(const Located& a, const Located& b);
Expr operator!=(const Located& a, const Located& b);
Expr operator<(const Located& a, const Located& b);
Expr operator<=(const Located& a, const Located& b);
Expr operator>(const Located& a, const Located& b);
Expr operator>=(const Located& a, const Located& b);
Expr operator&&(const Located& a, const Located& b);  // of bools, element by element; both sides are evaluated
Expr operator||(const Located& a, const Located& b);
Expr operator!(const Located& a);

// The gradient of a scalar, itself an expression.
Expr grad(const Expr& output, const Expr& wrt, Place at = Place::current());

}  // namespace api
}  // namespace gradc
