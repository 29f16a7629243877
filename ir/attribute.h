// Attributes: the compile-time arguments of a node.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ir/tensor.h"
#include "ir/type.h"

namespace gradc {

using IntList = std::vector<std::int64_t>;
using Literal = std::shared_ptr<const Tensor>;  // never null in a graph

using Attribute = std::variant<bool, std::int64_t, double, std::string, DType, IntList, Shape, Literal>;
enum class AttributeKind { boolean, integer, number, string, dtype, int_list, shape, literal };  // = index()

std::string_view name_of(AttributeKind kind);
// Text of an attribute: true, 3, 0.5, "same", f32, [1, 2], shape[N,784], dense<f32[2]: 1, 2>.
std::string str(const Attribute& attribute);
bool equal(const Attribute& a, const Attribute& b);  // literals by value

// Sorted by name; small, so a vector.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> items);

  const Attribute* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  void set(std::string name, Attribute value);
  void erase(std::string_view name);
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  bool empty() const { return items_.empty(); }
  friend bool operator==(const Attributes& a, const Attributes& b);

  // Typed access; internal error where missing or of another kind (the verifier has checked).
  bool boolean(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;  // an integer serves too
  const std::string& string(std::string_view name) const;
  DType dtype(std::string_view name) const;
  const IntList& ints(std::string_view name) const;
  const Shape& shape(std::string_view name) const;
  const Tensor& literal(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, Attribute>> items_;
};

}  // namespace gradc
