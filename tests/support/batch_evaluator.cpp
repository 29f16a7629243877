// Scalar code over many elements at once: a loop an opcode, which the C++ compiler vectorises.
#include "tests/support/batch_evaluator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "ir/diagnostic.h"
#include "tests/support/clones.h"

namespace gradc::test {
namespace {

constexpr int kLanes = BatchEvaluator::kLanes;

enum class Arithmetic { add, sub, mul, div, neg, sqrt, fused, unfused };

// r = a op b (op c), elementwise. A macro would be needed to clone a template, hence one function a dtype.
#define GRADC_FLOAT_LOOPS(NAME, T, FMA, SQRT)                                                  \
  GRADC_CLONES void NAME(Arithmetic op, T* __restrict r, const T* a, const T* b, const T* c) { \
    switch (op) {                                                                              \
      case Arithmetic::add:                                                                    \
        for (int i = 0; i < kLanes; ++i) r[i] = a[i] + b[i];                                   \
        break;                                                                                 \
      case Arithmetic::sub:                                                                    \
        for (int i = 0; i < kLanes; ++i) r[i] = a[i] - b[i];                                   \
        break;                                                                                 \
      case Arithmetic::mul:                                                                    \
        for (int i = 0; i < kLanes; ++i) r[i] = a[i] * b[i];                                   \
        break;                                                                                 \
      case Arithmetic::div:                                                                    \
        for (int i = 0; i < kLanes; ++i) r[i] = a[i] / b[i];                                   \
        break;                                                                                 \
      case Arithmetic::neg:                                                                    \
        for (int i = 0; i < kLanes; ++i) r[i] = -a[i];                                         \
        break;                                                                                 \
      case Arithmetic::sqrt:                                                                   \
        for (int i = 0; i < kLanes; ++i) r[i] = SQRT(a[i]);                                    \
        break;                                                                                 \
      case Arithmetic::fused:                                                                  \
        for (int i = 0; i < kLanes; ++i) r[i] = FMA(a[i], b[i], c[i]);                         \
        break;                                                                                 \
      case Arithmetic::unfused:                                                                \
        for (int i = 0; i < kLanes; ++i) r[i] = a[i] * b[i] + c[i];                            \
        break;                                                                                 \
    }                                                                                          \
  }
// clang-format off
GRADC_FLOAT_LOOPS(float_loops, float, __builtin_fmaf, __builtin_sqrtf)
GRADC_FLOAT_LOOPS(double_loops, double, __builtin_fma, __builtin_sqrt)
// clang-format on

void loops(Arithmetic op, float* r, const float* a, const float* b, const float* c) { float_loops(op, r, a, b, c); }
void loops(Arithmetic op, double* r, const double* a, const double* b, const double* c) {
  double_loops(op, r, a, b, c);
}

template <class R, class A, class F>
void each(R* r, const A* a, const A* b, F f) {
  for (int i = 0; i < kLanes; ++i) r[i] = f(a[i], b[i]);
}

template <class T>
bool compare(Opcode op, std::uint8_t* r, const T* a, const T* b) {
  switch (op) {
    case Opcode::equal:
      each(r, a, b, [](T x, T y) { return x == y; });
      return true;
    case Opcode::not_equal:
      each(r, a, b, [](T x, T y) { return x != y; });
      return true;
    case Opcode::less:
      each(r, a, b, [](T x, T y) { return x < y; });
      return true;
    case Opcode::less_equal:
      each(r, a, b, [](T x, T y) { return x <= y; });
      return true;
    default:
      return false;
  }
}

// x * 2^floor(n) by two factors, of which the first keeps x, near 1, normal.
template <class T>
T scaled(T x, T n) {
  using I = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr int kFraction = sizeof(T) == 4 ? 23 : 52;
  constexpr I kBias = sizeof(T) == 4 ? 127 : 1023;
  const I whole = static_cast<I>(n == n ? std::floor(n) : T{0}), half = whole >> 1;
  const auto power = [](I exponent) { return std::bit_cast<T>(static_cast<I>((exponent + kBias) << kFraction)); };
  return n == n ? x * power(half) * power(whole - half) : n;
}

template <class T>
void floats(Opcode op, bool fused, T* r, const T* a, const T* b, const T* c) {
  if (op == Opcode::scale) return each(r, a, b, scaled<T>);
  Arithmetic what = Arithmetic::add;
  switch (op) {
    case Opcode::add:
      break;
    case Opcode::sub:
      what = Arithmetic::sub;
      break;
    case Opcode::mul:
      what = Arithmetic::mul;
      break;
    case Opcode::div:
      what = Arithmetic::div;
      break;
    case Opcode::neg:
      what = Arithmetic::neg;
      break;
    case Opcode::sqrt:
      what = Arithmetic::sqrt;
      break;
    case Opcode::fma:
      what = fused ? Arithmetic::fused : Arithmetic::unfused;
      break;
    default:
      internal_error("batch evaluator: opcode of floats");
  }
  loops(what, r, a, b, c);
}

template <class T>
void integers(Opcode op, T* r, const T* a, const T* b) {
  using U = std::make_unsigned_t<T>;
  constexpr U kMask = 8 * sizeof(T) - 1;
  const auto u = [](T x) { return static_cast<U>(x); };
  switch (op) {
    case Opcode::add:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(u(x) + u(y)); });
      break;
    case Opcode::sub:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(u(x) - u(y)); });
      break;
    case Opcode::mul:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(u(x) * u(y)); });
      break;
    case Opcode::neg:
      each(r, a, b, [&](T x, T) { return static_cast<T>(U{0} - u(x)); });
      break;
    case Opcode::bit_and:
      each(r, a, b, [](T x, T y) { return static_cast<T>(x & y); });
      break;
    case Opcode::bit_or:
      each(r, a, b, [](T x, T y) { return static_cast<T>(x | y); });
      break;
    case Opcode::bit_xor:
      each(r, a, b, [](T x, T y) { return static_cast<T>(x ^ y); });
      break;
    case Opcode::bit_not:
      each(r, a, b, [](T x, T) { return static_cast<T>(~x); });
      break;
    case Opcode::shift_left:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(u(x) << (u(y) & kMask)); });
      break;
    case Opcode::shift_right:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(u(x) >> (u(y) & kMask)); });
      break;
    case Opcode::shift_right_arithmetic:
      each(r, a, b, [&](T x, T y) { return static_cast<T>(x >> (u(y) & kMask)); });
      break;
    case Opcode::div:
      each(r, a, b, [&](T x, T y) {
        return y == 0 ? T{0} : u(y) == ~U{0} && T(-1) < T(0) ? static_cast<T>(U{0} - u(x)) : static_cast<T>(x / y);
      });
      break;
    case Opcode::rem:
      each(r, a, b, [&](T x, T y) {
        return y == 0 ? x : u(y) == ~U{0} && T(-1) < T(0) ? T{0} : static_cast<T>(x % y);
      });
      break;
    default:
      internal_error("batch evaluator: opcode of integers");
  }
}

void booleans(Opcode op, std::uint8_t* r, const std::uint8_t* a, const std::uint8_t* b) {
  integers<std::uint8_t>(op, r, a, b);
  for (int i = 0; i < kLanes; ++i) r[i] &= 1;
}

template <class T>
void choose(T* r, const std::uint8_t* c, const T* a, const T* b) {
  for (int i = 0; i < kLanes; ++i) r[i] = c[i] ? a[i] : b[i];
}

template <class To, class From>
void convert_to(To* r, const From* a) {
  for (int i = 0; i < kLanes; ++i) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      const From end = static_cast<From>(2) * static_cast<From>(std::numeric_limits<To>::max() / 2 + 1);
      r[i] = a[i] != a[i]                                                ? To{0}
             : a[i] >= end                                               ? std::numeric_limits<To>::max()
             : a[i] <= static_cast<From>(std::numeric_limits<To>::min()) ? std::numeric_limits<To>::min()
                                                                         : static_cast<To>(a[i]);
    } else {
      r[i] = static_cast<To>(a[i]);
    }
  }
}

template <class F>
void with_type(DType type, F f) {
  switch (type) {
    case DType::f32:
      f(float{});
      break;
    case DType::f64:
      f(double{});
      break;
    case DType::i32:
      f(std::int32_t{});
      break;
    case DType::i64:
      f(std::int64_t{});
      break;
    case DType::u32:
      f(std::uint32_t{});
      break;
    case DType::u8:
    case DType::boolean:
      f(std::uint8_t{});
      break;
  }
}

void collect_types(const std::vector<Instr>& block, std::vector<DType>& types) {
  for (const Instr& instr : block) {
    collect_types(instr.body, types);
    types[instr.result] = instr.type;
  }
}

bool is_comparison(Opcode op) {
  return op == Opcode::equal || op == Opcode::not_equal || op == Opcode::less || op == Opcode::less_equal;
}

}  // namespace

BatchEvaluator::BatchEvaluator(const ScalarBody& body, bool fused)
    : body_(&body),
      fused_(fused),
      operands_(body.arguments.size(), Register(kLanes)),
      registers_(body.values, Register(kLanes)),
      types_(body.values, DType::f32) {
  collect_types(body.code, types_);
  fill_constants(body.code);
}

void BatchEvaluator::fill_constants(const std::vector<Instr>& block) {
  for (const Instr& instr : block) {
    fill_constants(instr.body);
    if (instr.op != Opcode::constant) continue;
    with_type(instr.type, [&](auto t) {
      using T = decltype(t);
      std::fill_n(reinterpret_cast<T*>(registers_[instr.result].data()), kLanes,
                  is_float(instr.type) ? static_cast<T>(instr.number) : static_cast<T>(instr.integer));
    });
  }
}

const void* BatchEvaluator::run() {
  run_block(body_->code);
  return registers_[body_->results.front()].data();
}

void BatchEvaluator::run_block(const std::vector<Instr>& block) {
  for (const Instr& instr : block) run_instr(instr);
}

void BatchEvaluator::run_instr(const Instr& instr) {
  void* result = registers_[instr.result].data();
  const auto raw = [&](std::size_t i) -> void* {
    return instr.args.empty() ? nullptr : registers_[instr.args[std::min(i, instr.args.size() - 1)]].data();
  };
  const DType from = instr.args.empty() ? instr.type : types_[instr.args[0]];
  if (instr.op == Opcode::argument) {
    std::memcpy(result, operands_[instr.integer].data(), kLanes * byte_size(instr.type));
  } else if (instr.op == Opcode::constant) {
    return;  // filled before
  } else if (instr.op == Opcode::bitcast) {
    std::memcpy(result, raw(0), kLanes * byte_size(instr.type));
  } else if (instr.op == Opcode::exp2_sixteenths) {
    for (int i = 0; i < kLanes; ++i)
      static_cast<float*>(result)[i] = kExp2Sixteenths[static_cast<const std::int32_t*>(raw(0))[i] & 15];
  } else if (instr.op == Opcode::rarely) {
    auto* condition = static_cast<const std::uint8_t*>(raw(0));
    const bool any = std::any_of(condition, condition + kLanes, [](std::uint8_t c) { return c != 0; });
    if (any) run_block(instr.body);
    const void* slow = any ? registers_[instr.yield].data() : raw(1);
    with_type(instr.type, [&](auto t) {
      using T = decltype(t);
      choose(static_cast<T*>(result), condition, static_cast<const T*>(slow), static_cast<const T*>(raw(1)));
    });
  } else if (instr.op == Opcode::select) {
    with_type(instr.type, [&](auto t) {
      using T = decltype(t);
      choose(static_cast<T*>(result), static_cast<const std::uint8_t*>(raw(0)), static_cast<const T*>(raw(1)),
             static_cast<const T*>(raw(2)));
    });
  } else if (instr.op == Opcode::convert) {
    with_type(from, [&](auto f) {
      if (instr.type == DType::boolean) {
        const auto* a = static_cast<const decltype(f)*>(raw(0));
        each(static_cast<std::uint8_t*>(result), a, a, [](auto x, auto) { return x != 0; });
        return;
      }
      with_type(instr.type, [&](auto t) {
        convert_to(static_cast<decltype(t)*>(result), static_cast<const decltype(f)*>(raw(0)));
      });
    });
  } else if (from == DType::boolean && !is_comparison(instr.op)) {
    booleans(instr.op, static_cast<std::uint8_t*>(result), static_cast<const std::uint8_t*>(raw(0)),
             static_cast<const std::uint8_t*>(raw(1)));
  } else {
    with_type(from, [&](auto f) {
      using T = decltype(f);
      const auto* a = static_cast<const T*>(raw(0));
      const auto* b = static_cast<const T*>(raw(1));
      if (compare(instr.op, static_cast<std::uint8_t*>(result), a, b)) return;
      if constexpr (std::is_floating_point_v<T>) {
        floats(instr.op, fused_, static_cast<T*>(result), a, b, static_cast<const T*>(raw(2)));
      } else {
        integers(instr.op, static_cast<T*>(result), a, b);
      }
    });
  }
}

}  // namespace gradc::test
