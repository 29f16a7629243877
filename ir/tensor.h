// A dense row-major host tensor: literals of the graph and values of the interpreters.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "ir/type.h"

namespace gradc {

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Type type);  // static shape; zeros

  static Tensor scalar(DType dtype, double value);
  static Tensor filled(Type type, double value);
  static Tensor of(Type type, const std::vector<double>& values);  // one value an element

  const Type& type() const { return type_; }
  std::int64_t elements() const { return elements_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(data_.size()); }
  std::byte* data() { return data_.data(); }
  const std::byte* data() const { return data_.data(); }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_.data());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.data());
  }

  // Element `i` in row-major order, converted; i64 beyond 2^53 goes through get_integer.
  double get(std::int64_t i) const;
  void set(std::int64_t i, double value);
  std::int64_t get_integer(std::int64_t i) const;
  void set_integer(std::int64_t i, std::int64_t value);

  friend bool operator==(const Tensor& a, const Tensor& b);  // same type, same bits

 private:
  Type type_;
  std::int64_t elements_ = 0;
  std::vector<std::byte> data_;
};

}  // namespace gradc
