// From a dtype at run time to a C++ type at compile time.
#pragma once

#include <cstdint>

#include "ir/diagnostic.h"
#include "ir/type.h"

namespace gradc {

// Calls f with a value of the C++ type of `type`.
template <class F>
auto with_dtype(DType type, F f) {
  switch (type) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::boolean:
      return f(false);
  }
  internal_error("dtype out of range");
}

}  // namespace gradc
