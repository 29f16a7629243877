// Value types: a dtype and a shape whose dimensions are integers or integers times a symbol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradc {

// The numbering is part of the C ABI (runtime/include/gradc/abi.h).
enum class DType : std::uint8_t { f32, f64, i32, i64, u32, u8, boolean };
inline constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i32,    DType::i64,
                                       DType::u32, DType::u8,  DType::boolean};

std::string_view name_of(DType dtype);                    // "f32", ..., "bool"
std::optional<DType> dtype_named(std::string_view name);  // the inverse
std::int64_t byte_size(DType dtype);                      // bool and u8 take one byte
bool is_float(DType dtype);
bool is_integer(DType dtype);  // i32, i64, u32, u8; not bool
bool is_signed(DType dtype);

// A dimension: `factor`, or `factor * symbol` where a symbol is named. Factors are never negative.
struct Dim {
  std::int64_t factor = 0;
  std::string symbol;

  Dim() = default;
  Dim(std::int64_t size) : factor(size) {}  // NOLINT: an integer is a dimension
  Dim(int size) : factor(size) {}           // NOLINT
  Dim(std::int64_t factor, std::string symbol) : factor(factor), symbol(std::move(symbol)) {}

  bool is_static() const { return symbol.empty(); }
  std::string str() const;  // "784", "N", "64*T"
  friend bool operator==(const Dim&, const Dim&) = default;
};

using Shape = std::vector<Dim>;
using Binding = std::map<std::string, std::int64_t, std::less<>>;  // symbol -> size

bool is_static(const Shape& shape);
std::vector<std::int64_t> sizes(const Shape& shape);  // of a static shape; internal error otherwise
Shape shape_of(const std::vector<std::int64_t>& sizes);
// The product of all dimensions; nullopt where it overflows int64 or multiplies two symbols.
std::optional<Dim> element_count(const Shape& shape);
// Row-major strides, in elements, of a static shape.
std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& sizes);
std::string str(const Shape& shape);  // "[N,784]"

struct Type {
  DType dtype = DType::f32;
  Shape shape;

  std::size_t rank() const { return shape.size(); }
  std::int64_t elements() const;  // static shapes only
  std::int64_t bytes() const;     // static shapes only
  std::string str() const;        // "f32[N,784]", a scalar is "f32[]"
  friend bool operator==(const Type&, const Type&) = default;
};

// Parses "f32[N,1,28,28]", "i32[]", "f32[64*T]". On failure nullopt, with the offset of the mistake and why.
struct TypeParseError {
  std::size_t offset = 0;
  std::string message;
};
std::optional<Type> parse_type(std::string_view text, TypeParseError* error = nullptr);

}  // namespace gradc
