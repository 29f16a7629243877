// Host tensors: element access by dtype.
#include "ir/tensor.h"

#include <algorithm>
#include <type_traits>

#include "ir/diagnostic.h"
#include "ir/scalar.h"
#include "ir/with_dtype.h"

namespace gradc {

Tensor::Tensor(Type type)
    : type_(std::move(type)), elements_(type_.elements()), data_(static_cast<std::size_t>(type_.bytes())) {}

Tensor Tensor::scalar(DType dtype, double value) { return filled({dtype, {}}, value); }

Tensor Tensor::filled(Type type, double value) {
  Tensor tensor(std::move(type));
  for (std::int64_t i = 0; i < tensor.elements_; ++i) tensor.set(i, value);
  return tensor;
}

Tensor Tensor::of(Type type, const std::vector<double>& values) {
  Tensor tensor(std::move(type));
  ensure(static_cast<std::int64_t>(values.size()) == tensor.elements_, "Tensor::of: one value an element");
  for (std::int64_t i = 0; i < tensor.elements_; ++i) tensor.set(i, values[static_cast<std::size_t>(i)]);
  return tensor;
}

namespace {

// A bool is stored as a byte, 0 or 1.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;

}  // namespace

double Tensor::get(std::int64_t i) const {
  return with_dtype(type_.dtype, [&](auto t) { return static_cast<double>(as<Stored<decltype(t)>>()[i]); });
}

void Tensor::set(std::int64_t i, double value) {
  with_dtype(type_.dtype, [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_floating_point_v<T>)
      as<T>()[i] = static_cast<T>(value);
    else
      set_integer(i, integer_of(type_.dtype, scalar_of(type_.dtype, value)));
  });
}

std::int64_t Tensor::get_integer(std::int64_t i) const {
  return with_dtype(type_.dtype, [&](auto t) { return static_cast<std::int64_t>(as<Stored<decltype(t)>>()[i]); });
}

void Tensor::set_integer(std::int64_t i, std::int64_t value) {
  with_dtype(type_.dtype, [&](auto t) { as<Stored<decltype(t)>>()[i] = static_cast<decltype(t)>(value); });
}

bool operator==(const Tensor& a, const Tensor& b) { return a.type_ == b.type_ && a.data_ == b.data_; }

}  // namespace gradc
