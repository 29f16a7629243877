// Values of a model as C++ expressions.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
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

// Apart from the terms of the graph, whose functions have the same names (select, reshape).
inline namespace api {

inline constexpr DType f32 = DType::f32, f64 = DType::f64, i32 = DType::i32, i64 = DType::i64, u32 = DType::u32,
                       u8 = DType::u8, boolean = DType::boolean;

class Model;
class Index;
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

  // Elements by NumPy's rules: x[0], x[Range{1, -1}], x[{ellipsis, new_axis, 2}]; x[i] by a value is `gather`.
  Expr operator[](const Index& item) const;
  Expr operator[](std::initializer_list<Index> items) const;

  ModelBuilder* model() const { return model_; }  // null for a number
  Value* value() const { return value_; }         // null for a number
  double number() const { return number_; }

 private:
  ModelBuilder* model_ = nullptr;
  Value* value_ = nullptr;
  double number_ = 0;
};

// The elements start, start + step, … before stop, each counted from the end where negative.
struct Range {
  std::optional<std::int64_t> start = {}, stop = {};
  std::int64_t step = 1;
};
struct Ellipsis {};
struct NewAxis {};
inline constexpr Ellipsis ellipsis;  // all dimensions that no other item takes
inline constexpr NewAxis new_axis;   // a dimension of size 1

// One item of an index, with the line it stands on.
class Index {
 public:
  enum class Kind : std::uint8_t { number, value, range, ellipsis, new_axis };
  Index(int at, Place place = Place::current()) : kind(Kind::number), number(at), place(place) {}           // NOLINT
  Index(std::int64_t at, Place place = Place::current()) : kind(Kind::number), number(at), place(place) {}  // NOLINT
  Index(Expr e, Place place = Place::current()) : kind(Kind::value), value(e), place(place) {}              // NOLINT
  Index(Range r, Place place = Place::current()) : kind(Kind::range), range(r), place(place) {}             // NOLINT
  Index(Ellipsis, Place place = Place::current()) : kind(Kind::ellipsis), place(place) {}                   // NOLINT
  Index(NewAxis, Place place = Place::current()) : kind(Kind::new_axis), place(place) {}                    // NOLINT

  Kind kind;
  std::int64_t number = 0;
  Expr value = 0.0;
  Range range;
  Place place;
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
// All results of an op that has several.
std::vector<Expr> apply_op_all(std::string_view op, const std::vector<Expr>& operands, Attributes attributes = {},
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

// ---- modes of differentiation: expressions again, in any nesting ----

// The gradient of a scalar.
Expr grad(const Expr& output, const Expr& wrt, Place at = Place::current());
std::vector<Expr> grad(const Expr& output, const std::vector<Expr>& wrt, Place at = Place::current());
// Jᵀ · cotangent, J being the derivative of y by wrt.
Expr vjp(const Expr& y, const Expr& wrt, const Expr& cotangent, Place at = Place::current());
std::vector<Expr> vjp(const Expr& y, const std::vector<Expr>& wrt, const Expr& cotangent, Place at = Place::current());
// J · tangent.
Expr jvp(const Expr& y, const Expr& wrt, const Expr& tangent, Place at = Place::current());
Expr jvp(const Expr& y, const std::vector<Expr>& wrt, const std::vector<Expr>& tangents, Place at = Place::current());
// The second derivative of a scalar times a vector.
Expr hvp(const Expr& output, const Expr& wrt, const Expr& vector, Place at = Place::current());
// All derivatives: of the shape of y, then that of wrt. One round of a loop for each element of the smaller.
Expr jacobian(const Expr& y, const Expr& wrt, Place at = Place::current());
// All second derivatives of a scalar: of the shape of wrt twice.
Expr hessian(const Expr& output, const Expr& wrt, Place at = Place::current());

// A function with a gradient of its own: `vjp` hands out the cotangent of every operand. Both may use their arguments
// only.
Expr custom_vjp(
    const std::vector<Expr>& operands, const std::function<Expr(const std::vector<Expr>& operands)>& body,
    const std::function<std::vector<Expr>(const std::vector<Expr>& operands, Expr result, Expr cotangent)>& vjp,
    Place at = Place::current());

}  // namespace api
}  // namespace gradc
