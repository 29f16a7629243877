// Dtypes, dimensions, shapes and their text.
#include "ir/type.h"

#include <cctype>

#include "ir/diagnostic.h"

namespace gradc {

namespace {

struct DTypeRow {
  std::string_view name;
  std::int64_t bytes;
};
constexpr DTypeRow kDTypes[] = {{"f32", 4}, {"f64", 8}, {"i32", 4}, {"i64", 8}, {"u32", 4}, {"u8", 1}, {"bool", 1}};

}  // namespace

std::string_view name_of(DType dtype) { return kDTypes[static_cast<int>(dtype)].name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (DType dtype : kAllDTypes)
    if (name_of(dtype) == name) return dtype;
  return std::nullopt;
}

std::int64_t byte_size(DType dtype) { return kDTypes[static_cast<int>(dtype)].bytes; }
bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
bool is_integer(DType dtype) { return !is_float(dtype) && dtype != DType::boolean; }
bool is_signed(DType dtype) { return is_float(dtype) || dtype == DType::i32 || dtype == DType::i64; }

std::string Dim::str() const {
  if (is_static()) return std::to_string(factor);
  return factor == 1 ? symbol : std::to_string(factor) + "*" + symbol;
}

bool is_static(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static()) return false;
  return true;
}

namespace {
std::int64_t size_of(const Dim& dim, const Shape& shape) {
  if (!dim.is_static()) internal_error("a static shape is needed, this one is " + str(shape));
  return dim.factor;
}
}  // namespace

std::vector<std::int64_t> sizes(const Shape& shape) {
  std::vector<std::int64_t> result;
  result.reserve(shape.size());
  for (const Dim& dim : shape) {
    result.push_back(size_of(dim, shape));
  }
  return result;
}

Shape shape_of(const std::vector<std::int64_t>& sizes) { return Shape(sizes.begin(), sizes.end()); }

std::optional<Dim> element_count(const Shape& shape) {
  Dim product(1);
  for (const Dim& dim : shape) {
    if (!product.is_static() && !dim.is_static()) return std::nullopt;
    if (__builtin_mul_overflow(product.factor, dim.factor, &product.factor)) return std::nullopt;
    if (!dim.is_static()) product.symbol = dim.symbol;
  }
  return product;
}

std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

std::string str(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + shape[i].str();
  return text + "]";
}

std::int64_t Type::elements() const {
  std::int64_t count = 1;
  for (const Dim& dim : shape) count *= size_of(dim, shape);
  return count;
}

std::int64_t Type::bytes() const { return elements() * byte_size(dtype); }

std::string Type::str() const { return std::string(name_of(dtype)) + gradc::str(shape); }

namespace {

// Recursive descent over "f32[N,64*T]".
class TypeParser {
 public:
  TypeParser(std::string_view text, TypeParseError& error) : text_(text), error_(error) {}

  std::optional<Type> parse() {
    std::size_t start = at_;
    while (at_ < text_.size() && std::isalnum(static_cast<unsigned char>(text_[at_]))) ++at_;
    std::string_view name = text_.substr(start, at_ - start);
    std::optional<DType> dtype = dtype_named(name);
    if (!dtype)
      return fail(start, "unknown dtype `" + std::string(name) + "`; known: f32, f64, i32, i64, u32, u8, bool");
    Type type{*dtype, {}};
    if (!take('[')) return fail(at_, "expected `[` and the shape after the dtype, as in f32[N,784]");
    if (!take(']')) {
      do {
        std::optional<Dim> dim = parse_dim();
        if (!dim) return std::nullopt;
        type.shape.push_back(*dim);
      } while (take(','));
      if (!take(']')) return fail(at_, "expected `,` or `]` in the shape");
    }
    if (at_ != text_.size()) return fail(at_, "text after the type");
    if (!fits(type)) return fail(start, "the shape's element count overflows 64 bits");
    return type;
  }

 private:
  std::nullopt_t fail(std::size_t offset, std::string message) {
    error_ = {offset, std::move(message)};
    return std::nullopt;
  }
  static bool fits(const Type& type) {
    std::int64_t bytes = byte_size(type.dtype);
    for (const Dim& dim : type.shape)
      if (__builtin_mul_overflow(bytes, dim.factor, &bytes)) return false;
    return true;
  }
  void space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    space();
    return true;
  }
  std::optional<Dim> parse_dim() {
    space();
    std::size_t start = at_;
    Dim dim(1);
    bool number = at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]));
    if (number) {
      dim.factor = 0;
      for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_)
        if (__builtin_mul_overflow(dim.factor, 10, &dim.factor) ||
            __builtin_add_overflow(dim.factor, text_[at_] - '0', &dim.factor))
          return fail(start, "a dimension that overflows 64 bits");
      if (!take('*')) return dim;
    }
    std::size_t name = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    dim.symbol = std::string(text_.substr(name, at_ - name));
    if (dim.symbol.empty() || std::isdigit(static_cast<unsigned char>(dim.symbol[0])))
      return fail(start, "expected a size or a symbol in the shape");
    return dim;
  }

  std::string_view text_;
  TypeParseError& error_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Type> parse_type(std::string_view text, TypeParseError* error) {
  TypeParseError ignored;
  return TypeParser(text, error ? *error : ignored).parse();
}

}  // namespace gradc
