// Attribute lists and their text.
#include "ir/attribute.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "ir/diagnostic.h"

namespace gradc {

std::string_view name_of(AttributeKind kind) {
  constexpr std::string_view names[] = {"boolean", "integer",          "number", "string",
                                        "dtype",   "list of integers", "shape",  "literal"};
  return names[static_cast<int>(kind)];
}

namespace {

// The shortest text that reads back as the same double, marked as a float.
std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + "\"";
}

std::string literal_text(const Tensor& tensor) {
  std::string text = "dense<" + tensor.type().str() + ":";
  bool same = tensor.elements() > 1;
  std::size_t size = static_cast<std::size_t>(byte_size(tensor.type().dtype));
  for (std::int64_t i = 1; same && i < tensor.elements(); ++i)
    same = std::memcmp(tensor.data(), tensor.data() + static_cast<std::size_t>(i) * size, size) == 0;
  std::int64_t count = same ? 1 : tensor.elements();  // one value stands for all
  for (std::int64_t i = 0; i < count; ++i) {
    text += i ? ", " : " ";
    if (!is_float(tensor.type().dtype))
      text += std::to_string(tensor.get_integer(i));
    else if (tensor.type().dtype == DType::f64)
      text += number_text(tensor.get(i));
    else {
      float value = tensor.as<float>()[i];
      char buffer[40];
      auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, value);
      text += std::isfinite(value) ? std::string(buffer, end) : number_text(value);
    }
  }
  return text + ">";
}

struct AttributeText {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return quoted(value); }
  std::string operator()(DType value) const { return std::string(name_of(value)); }
  std::string operator()(const IntList& value) const {
    std::string text = "[";
    for (std::size_t i = 0; i < value.size(); ++i) text += (i ? ", " : "") + std::to_string(value[i]);
    return text + "]";
  }
  std::string operator()(const Shape& value) const { return "shape" + str(value); }
  std::string operator()(const Literal& value) const { return literal_text(*value); }
};

}  // namespace

std::string str(const Attribute& attribute) { return std::visit(AttributeText{}, attribute); }

bool equal(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  if (const Literal* literal = std::get_if<Literal>(&a)) return **literal == *std::get<Literal>(b);
  if (const double* number = std::get_if<double>(&a)) {
    auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };  // 0 and -0 differ, NaN is itself
    return bits(*number) == bits(std::get<double>(b));
  }
  return a == b;
}

Attributes::Attributes(std::initializer_list<std::pair<std::string, Attribute>> items) {
  for (const auto& [name, value] : items) set(name, value);
}

namespace {
auto place(auto& items, std::string_view name) {
  return std::lower_bound(items.begin(), items.end(), name,
                          [](const auto& item, std::string_view n) { return item.first < n; });
}
}  // namespace

const Attribute* Attributes::find(std::string_view name) const {
  auto at = place(items_, name);
  return at != items_.end() && at->first == name ? &at->second : nullptr;
}

void Attributes::set(std::string name, Attribute value) {
  auto at = place(items_, name);
  if (at != items_.end() && at->first == name)
    at->second = std::move(value);
  else
    items_.insert(at, {std::move(name), std::move(value)});
}

void Attributes::erase(std::string_view name) {
  auto at = place(items_, name);
  if (at != items_.end() && at->first == name) items_.erase(at);
}

bool operator==(const Attributes& a, const Attributes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && equal(x.second, y.second); });
}

namespace {

template <class T>
const T& typed(const Attributes& attributes, std::string_view name) {
  const Attribute* attribute = attributes.find(name);
  const T* value = attribute ? std::get_if<T>(attribute) : nullptr;
  if (!value) internal_error("attribute `" + std::string(name) + "` is missing or of another kind");
  return *value;
}

}  // namespace

bool Attributes::boolean(std::string_view name) const { return typed<bool>(*this, name); }
std::int64_t Attributes::integer(std::string_view name) const { return typed<std::int64_t>(*this, name); }
double Attributes::number(std::string_view name) const {
  const Attribute* attribute = find(name);
  if (attribute && std::holds_alternative<std::int64_t>(*attribute))
    return static_cast<double>(std::get<std::int64_t>(*attribute));
  return typed<double>(*this, name);
}
const std::string& Attributes::string(std::string_view name) const { return typed<std::string>(*this, name); }
DType Attributes::dtype(std::string_view name) const { return typed<DType>(*this, name); }
const IntList& Attributes::ints(std::string_view name) const { return typed<IntList>(*this, name); }
const Shape& Attributes::shape(std::string_view name) const { return typed<Shape>(*this, name); }
const Tensor& Attributes::literal(std::string_view name) const { return *typed<Literal>(*this, name); }

}  // namespace gradc
