// Host tensors: element access by dtype.
#include "ir/tensor.h"

#include <algorithm>

#include "ir/diagnostic.h"
#include "ir/scalar.h"

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

double Tensor::get(std::int64_t i) const {
  switch (type_.dtype) {
    case DType::f32:
      return as<float>()[i];
    case DType::f64:
      return as<double>()[i];
    default:
      return static_cast<double>(get_integer(i));
  }
}

void Tensor::set(std::int64_t i, double value) {
  switch (type_.dtype) {
    case DType::f32:
      as<float>()[i] = static_cast<float>(value);
      return;
    case DType::f64:
      as<double>()[i] = value;
      return;
    default:
      set_integer(i, integer_of(type_.dtype, scalar_of(type_.dtype, value)));
  }
}

std::int64_t Tensor::get_integer(std::int64_t i) const {
  switch (type_.dtype) {
    case DType::f32:
      return static_cast<std::int64_t>(as<float>()[i]);
    case DType::f64:
      return static_cast<std::int64_t>(as<double>()[i]);
    case DType::i32:
      return as<std::int32_t>()[i];
    case DType::i64:
      return as<std::int64_t>()[i];
    case DType::u32:
      return as<std::uint32_t>()[i];
    case DType::u8:
    case DType::boolean:
      return as<std::uint8_t>()[i];
  }
  return 0;
}

void Tensor::set_integer(std::int64_t i, std::int64_t value) {
  switch (type_.dtype) {
    case DType::f32:
      as<float>()[i] = static_cast<float>(value);
      return;
    case DType::f64:
      as<double>()[i] = static_cast<double>(value);
      return;
    case DType::i32:
      as<std::int32_t>()[i] = static_cast<std::int32_t>(value);
      return;
    case DType::i64:
      as<std::int64_t>()[i] = value;
      return;
    case DType::u32:
      as<std::uint32_t>()[i] = static_cast<std::uint32_t>(value);
      return;
    case DType::u8:
      as<std::uint8_t>()[i] = static_cast<std::uint8_t>(value);
      return;
    case DType::boolean:
      as<std::uint8_t>()[i] = value != 0;
      return;
  }
}

bool operator==(const Tensor& a, const Tensor& b) { return a.type_ == b.type_ && a.data_ == b.data_; }

}  // namespace gradc
