// Columns and data sets, and their conversion to the dtypes and shapes of a model's inputs.
#include "gradc/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace gradc::runtime {

namespace {

template <class F>
auto with_type(gradc_dtype dtype, F&& f) {
  switch (dtype) {
    case GRADC_F64:
      return f(double{});
    case GRADC_I32:
      return f(std::int32_t{});
    case GRADC_I64:
      return f(std::int64_t{});
    case GRADC_U32:
      return f(std::uint32_t{});
    case GRADC_U8:
      return f(std::uint8_t{});
    case GRADC_BOOL:
      return f(bool{});
    case GRADC_F32:
      break;
  }
  return f(float{});
}

bool is_float(gradc_dtype dtype) { return dtype == GRADC_F32 || dtype == GRADC_F64; }

template <class T>
std::string number(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", static_cast<double>(value));
    return text;
  } else {
    return std::to_string(value);
  }
}

std::string at_example(const Column& column, std::int64_t element) {
  const std::int64_t row = std::max<std::int64_t>(1, column.row_elements());
  std::string text = "example " + std::to_string(element / row);
  if (row > 1) text += ", element " + std::to_string(element % row);
  return text;
}

// Whether `value` is a number that To can hold, whatever the two types.
template <class To, class From>
bool holds(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value == From{0} || value == From{1};
  } else if constexpr (std::is_floating_point_v<To>) {
    return !std::isfinite(static_cast<double>(value)) || std::isfinite(static_cast<To>(value));
  } else if constexpr (std::is_floating_point_v<From>) {
    const auto low = static_cast<double>(std::numeric_limits<To>::min());
    const double high = std::ldexp(1.0, std::numeric_limits<To>::digits);  // one more than the greatest
    return static_cast<double>(value) >= low && static_cast<double>(value) < high && std::trunc(value) == value;
  } else {
    return std::in_range<To>(static_cast<std::conditional_t<std::is_same_v<From, bool>, int, From>>(value));
  }
}

template <class To, class From>
void convert(const Column& from, Column& to) {
  const std::int64_t count = from.elements();
  const auto* source = reinterpret_cast<const From*>(from.data.data());
  auto* target = reinterpret_cast<To*>(to.data.data());
  if constexpr (std::is_same_v<From, std::uint8_t> && std::is_floating_point_v<To>) {
    if (from.row_elements() > 1) {
      for (std::int64_t i = 0; i < count; ++i) target[i] = static_cast<To>(source[i]) / To{255};
      return;
    }
  }
  if constexpr (std::is_floating_point_v<To> && !std::is_same_v<From, double>) {
    for (std::int64_t i = 0; i < count; ++i) target[i] = static_cast<To>(source[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!holds<To>(source[i])) {
        throw DataError(from.origin, at_example(from, i) + ": " + number(source[i]) + " is no value of `" + to.name +
                                         "`, which is " + std::string(name_of(to.dtype)));
      }
      target[i] = static_cast<To>(source[i]);
    }
  }
}

template <class T>
void check_floats(const Column& column, bool refuse_infinite) {
  const auto values = column.values<T>();
  bool bad = false;
  for (const T value : values) bad |= !(std::abs(value) <= std::numeric_limits<T>::max());
  if (!bad) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool nan = std::isnan(values[i]);
    if (!nan && !(refuse_infinite && std::isinf(values[i]))) continue;
    throw DataError(column.origin, at_example(column, static_cast<std::int64_t>(i)) + ": `" + column.name + "` is " +
                                       (nan ? "NaN" : "infinite"));
  }
}

template <class T>
void check_range(const Column& column, const Array& input) {
  const auto values = column.values<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::cmp_less(values[i], input.lower) && std::cmp_less(values[i], input.upper)) continue;
    throw DataError(column.origin, at_example(column, static_cast<std::int64_t>(i)) + ": `" + column.name + "` is " +
                                       number(values[i]) + ", outside of its range " + std::to_string(input.lower) +
                                       " to " + std::to_string(input.upper - 1));
  }
}

void check_values(const Column& column, const Array& input, const Conform& options) {
  if (column.dtype == GRADC_F32) check_floats<float>(column, options.refuse_infinite);
  if (column.dtype == GRADC_F64) check_floats<double>(column, options.refuse_infinite);
  if (input.lower == input.upper) return;
  if (column.dtype == GRADC_I32) check_range<std::int32_t>(column, input);
  if (column.dtype == GRADC_I64) check_range<std::int64_t>(column, input);
  if (column.dtype == GRADC_U32) check_range<std::uint32_t>(column, input);
  if (column.dtype == GRADC_U8) check_range<std::uint8_t>(column, input);
}

// Equal counts, and not merely the same axes in another order.
bool shapes_fit(std::vector<std::int64_t> a, std::vector<std::int64_t> b) {
  std::erase(a, 1);
  std::erase(b, 1);
  if (a == b) return true;
  std::int64_t product_a = 1, product_b = 1;
  for (const std::int64_t size : a) product_a *= size;
  for (const std::int64_t size : b) product_b *= size;
  if (product_a != product_b) return false;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a != b;
}

Column conform(const Column& column, const Array& input, const Conform& options) {
  const std::vector<std::int64_t> shape(input.shape.begin() + 1, input.shape.end());
  if (!shapes_fit(column.shape, shape)) {
    throw DataError(column.origin, "an example of `" + column.name + "` is " + column.type() +
                                       ", which does not fit the model's " + str(input.dtype, shape));
  }
  Column result = make_column(column.name, input.dtype, shape, column.examples, column.origin);
  // NaN is named as such, not as a value that an integer can't hold.
  if (is_float(column.dtype)) check_values(column, Array{}, options);
  if (column.dtype == input.dtype) {
    std::memcpy(result.data.data(), column.data.data(),
                static_cast<std::size_t>(column.elements() * byte_size(column.dtype)));
  } else {
    with_type(input.dtype, [&](auto to) {
      with_type(column.dtype, [&](auto from) { convert<decltype(to), decltype(from)>(column, result); });
    });
  }
  check_values(result, input, options);
  return result;
}

}  // namespace

std::int64_t Column::row_elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

Column make_column(std::string name, gradc_dtype dtype, std::vector<std::int64_t> shape, std::int64_t examples,
                   std::string origin) {
  std::int64_t bytes = byte_size(dtype);
  bool overflow = __builtin_mul_overflow(bytes, examples, &bytes);
  for (const std::int64_t size : shape) overflow = __builtin_mul_overflow(bytes, size, &bytes) || overflow;
  if (overflow || bytes < 0) throw DataError(origin, "the size of `" + name + "` overflows");
  Column column;
  column.name = std::move(name);
  column.dtype = dtype;
  column.shape = std::move(shape);
  column.examples = examples;
  column.origin = std::move(origin);
  column.data = Block(bytes);
  return column;
}

const Column* DataSet::find(std::string_view name) const {
  for (const Column& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

void DataSet::add(Column column) {
  if (columns.empty()) {
    examples = column.examples;
  } else if (column.examples != examples) {
    throw DataError(column.origin, "`" + column.name + "` has " + std::to_string(column.examples) + " examples, but `" +
                                       columns.front().name + "` has " + std::to_string(examples) + " (" +
                                       columns.front().origin + ")");
  }
  columns.push_back(std::move(column));
}

DataSet conform(const DataSet& data, std::span<const Array> inputs, const Conform& options) {
  DataSet result;
  result.vocabulary = data.vocabulary;
  result.examples = data.examples;
  for (const Array& input : inputs) {
    const Column* column = data.find(input.name);
    if (!column) {
      std::string names;
      for (const Column& held : data.columns) names += (names.empty() ? "`" : ", `") + held.name + "`";
      throw DataError("the data has no `" + input.name + "`, an input of the model" +
                      (names.empty() ? "" : "; it has " + names));
    }
    if (input.shape.empty())
      throw DataError("input `" + input.name + "` has no batch axis, so no data set can feed it");
    result.add(conform(*column, input, options));
  }
  return result;
}

}  // namespace gradc::runtime
