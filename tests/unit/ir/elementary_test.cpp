// The elementary functions against libm: samples. All 2^32 inputs of f32: tests/unit/codegen/elementary.cpp.
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/batch_evaluator.h"
#include "tests/support/catch.h"
#include "tests/support/elementary_reference.h"

namespace gradc::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kLanes = BatchEvaluator::kLanes;

template <class T>
constexpr DType kDType = std::is_same_v<T, float> ? DType::f32 : DType::f64;

template <class T>
ScalarBody unary_body(const Unary& function) {
  return make_body({kDType<T>}, [&](ScalarBuilder& b, std::span<const Scalar> a) { return function.build(b, a[0]); });
}
template <class T>
ScalarBody binary_body(const Binary& function) {
  return make_body({kDType<T>, kDType<T>},
                   [&](ScalarBuilder& b, std::span<const Scalar> a) { return function.build(b, a[0], a[1]); });
}

// A number of any magnitude: signed, exponent uniform in [-spread, spread].
double any_magnitude(std::mt19937_64& random, double spread) {
  const double sign = random() & 1 ? 1 : -1;
  return sign * std::exp2(std::uniform_real_distribution<>(-spread, spread)(random));
}

const std::array<double, 20> kSpecial = {0.0,   -0.0,   1,      -1,  0.5,    -0.5,    kInf,  -kInf,  kNaN,    4.9e-324,
                                         1e-45, -1e-45, 1e-310, 1e5, 3.4e38, -3.4e38, 1e300, -1e300, 1.7e308, 709};

template <class T>
void fill(T* x, std::mt19937_64& random, int round) {
  for (int i = 0; i < kLanes; ++i) {
    if (round == 0) {
      x[i] = static_cast<T>(kSpecial[i % kSpecial.size()]);
    } else if (round % 3 == 0) {
      x[i] = static_cast<T>(std::uniform_real_distribution<>(-20, 20)(random));
    } else {
      x[i] = static_cast<T>(any_magnitude(random, round % 3 == 1 ? 12 : sizeof(T) == 8 ? 1074 : 149));
    }
  }
}

const Unary& unary(std::string_view name) {
  for (const Unary& f : unary_functions())
    if (f.name == name) return f;
  throw std::logic_error("no such function");
}

double run_f64(const ScalarBody& body, std::initializer_list<double> arguments) {
  std::vector<ScalarValue> values;
  for (double x : arguments) values.push_back(scalar_of(body.arguments[0], x));
  const ScalarValue result = ScalarInterpreter(body).run(values, {});
  return body.arguments[0] == DType::f32 ? number_of(DType::f32, result) : number_of(DType::f64, result);
}

}  // namespace

TEST_CASE("elementary: f32 functions are within their bounds on a sample of all bits") {
  for (const Unary& f : unary_functions()) {
    const ScalarBody body = unary_body<float>(f);
    for (bool fused : {true, false}) {
      BatchEvaluator evaluator(body, fused);
      float* x = static_cast<float*>(evaluator.operand(0));
      Worst worst;
      std::uint32_t bits = fused ? 0 : 7919;
      for (int block = 0; block < 128; ++block) {
        for (int i = 0; i < kLanes; ++i, bits += 65521) x[i] = std::bit_cast<float>(bits);
        see_f32(worst, f, x, static_cast<const float*>(evaluator.run()), kLanes);
      }
      INFO(f.name << (fused ? " fused: " : " unfused: ") << worst.str());
      CHECK(worst.ulp <= f.f32_ulp);
    }
  }
}

TEST_CASE("elementary: f64 functions are within their bounds on a sample") {
  for (const Unary& f : unary_functions()) {
    const ScalarBody body = unary_body<double>(f);
    for (bool fused : {true, false}) {
      BatchEvaluator evaluator(body, fused);
      std::mt19937_64 random(1);
      double* x = static_cast<double*>(evaluator.operand(0));
      Worst worst;
      for (int round = 0; round < 24; ++round) {
        fill(x, random, round);
        const double* got = static_cast<const double*>(evaluator.run());
        for (int i = 0; i < kLanes; ++i) worst.see(ulp_error(got[i], f.wide(x[i])), x[i]);
      }
      INFO(f.name << (fused ? " fused: " : " unfused: ") << worst.str());
      CHECK(worst.ulp <= f.f64_ulp);
    }
  }
}

template <class T>
void check_binary(const Binary& f, double limit) {
  const ScalarBody body = binary_body<T>(f);
  for (bool fused : {true, false}) {
    BatchEvaluator evaluator(body, fused);
    std::mt19937_64 random(2);
    T* x = static_cast<T*>(evaluator.operand(0));
    T* y = static_cast<T*>(evaluator.operand(1));
    Worst worst;
    for (int round = 0; round < 48; ++round) {
      fill(x, random, round);
      fill(y, random, round * 5 / 3);
      for (int i = 0; round == 0 && i < kLanes; ++i) y[i] = static_cast<T>(kSpecial[i / 20 % 20]);
      for (int i = 0; round % 4 == 3 && i < kLanes; ++i) x[i] = std::round(x[i]), y[i] = std::round(y[i]);
      for (int i = 0; round % 6 == 5 && i < kLanes; ++i) x[i] = 1 + x[i] / 4096;
      const T* got = static_cast<const T*>(evaluator.run());
      for (int i = 0; i < kLanes; ++i) {
        // Rounding twice, to f64 and to f32, moves no result by more than 2^-29 ulp.
        if constexpr (sizeof(T) == 4) {
          worst.see(ulp_error(got[i], static_cast<double>(f.wide(x[i], y[i]))), x[i], y[i]);
        } else {
          worst.see(ulp_error(got[i], f.wide(x[i], y[i])), x[i], y[i]);
        }
      }
    }
    INFO(f.name << (sizeof(T) == 4 ? " f32" : " f64") << (fused ? " fused: " : " unfused: ") << worst.str());
    CHECK(worst.ulp <= limit);
  }
}

TEST_CASE("elementary: functions of two arguments are within their bounds, special cases included") {
  for (const Binary& f : binary_functions()) {
    check_binary<float>(f, f.f32_ulp);
    check_binary<double>(f, f.f64_ulp);
  }
}

// Annex F of C, F.10.4.4, by hand, so that libm is no witness in its own case.
TEST_CASE("elementary: pow at its special cases") {
  const ScalarBody f32 = binary_body<float>(binary_functions()[0]), f64 = binary_body<double>(binary_functions()[0]);
  const struct {
    double x, y, result;
  } cases[] = {
      {0, -3, kInf},    {-0.0, -3, -kInf},  {-0.0, -2, kInf},  {0, -0.5, kInf},        {0, -kInf, kInf},
      {-0.0, 3, -0.0},  {0, 3, 0},          {-0.0, 2, 0},      {-1, kInf, 1},          {-1, -kInf, 1},
      {1, kNaN, 1},     {kNaN, 0, 1},       {-2, 0.5, kNaN},   {0.5, -kInf, kInf},     {2, -kInf, 0},
      {0.5, kInf, 0},   {-2, kInf, kInf},   {-kInf, -3, -0.0}, {-kInf, -2, 0},         {-kInf, 3, -kInf},
      {-kInf, 2, kInf}, {-kInf, 0.5, kInf}, {kInf, -1, 0},     {kInf, 1, kInf},        {kNaN, 1, kNaN},
      {2, kNaN, kNaN},  {-1, kNaN, kNaN},   {-8, 3, -512},     {2, 0.5, 0x1.6a09e6p0},
  };
  for (const auto& c : cases) {
    for (const ScalarBody* body : {&f32, &f64}) {
      const double got = run_f64(*body, {c.x, c.y});
      INFO("pow(" << c.x << ", " << c.y << ") = " << got);
      if (c.result != c.result) {
        CHECK(got != got);
      } else {
        CHECK(std::signbit(got) == std::signbit(c.result));
        CHECK((got == c.result || std::abs(got - c.result) < 1e-7));
      }
    }
  }
}

TEST_CASE("elementary: sin and cos at the hardest angles") {
  // The double nearest to a multiple of pi/2 (Muller, Elementary Functions, 11.1), and huge ones.
  const double angles[] = {0x1.6ac5b262ca1ffp+849, -0x1.6ac5b262ca1ffp+849, 1e22, 1.7e308, 0x1p1023, 800000.1, -1e6};
  for (const char* name : {"sin", "cos", "tan"}) {
    const Unary& f = unary(name);
    const ScalarBody body = unary_body<double>(f);
    Worst worst;
    for (double x : angles) worst.see(ulp_error(run_f64(body, {x}), f.wide(x)), x);
    INFO(name << ": " << worst.str());
    CHECK(worst.ulp <= f.f64_ulp);
  }
}

TEST_CASE("elementary: sin and cos next to every multiple of pi/2 below the limit of the fast path") {
  for (const char* name : {"sin", "cos", "tan"}) {
    const Unary& f = unary(name);
    const ScalarBody narrow = unary_body<float>(f), wide = unary_body<double>(f);
    for (bool fused : {true, false}) {
      BatchEvaluator f32(narrow, fused), f64(wide, fused);
      float* x32 = static_cast<float*>(f32.operand(0));
      double* x64 = static_cast<double*>(f64.operand(0));
      Worst worst;
      for (int block = 0; block < 16; ++block) {
        for (int i = 0; i < kLanes; ++i) {
          const int n = block * kLanes + i;
          x32[i] = static_cast<float>((n % 2050) * 1.5707963267948966);
          x64[i] = n * 63 * 1.5707963267948966;
        }
        const float* got32 = static_cast<const float*>(f32.run());
        const double* got64 = static_cast<const double*>(f64.run());
        for (int i = 0; i < kLanes; ++i) {
          worst.see(ulp_error(got32[i], static_cast<double>(f.wide(x32[i]))), x32[i]);
          worst.see(ulp_error(got64[i], f.wide(x64[i])), x64[i]);
        }
      }
      INFO(name << (fused ? " fused: " : " unfused: ") << worst.str());
      CHECK(worst.ulp <= f.f64_ulp);
    }
  }
}

TEST_CASE("elementary: classes, signs and integers") {
  using elementary::abs;
  using elementary::floor_remainder;
  using elementary::is_finite;
  using elementary::is_nan;
  using elementary::sign;
  const auto run = [](DType type, auto build, double x) {
    const ScalarBody body =
        make_body({type}, [&](ScalarBuilder& b, std::span<const Scalar> a) { return build(b, a[0]); });
    const ScalarValue value = scalar_of(type, x);
    return ScalarInterpreter(body).run({&value, 1}, {});
  };
  for (DType type : {DType::f32, DType::f64}) {
    CHECK(run(type, is_nan, kNaN).bits == 1);
    CHECK(run(type, is_nan, kInf).bits == 0);
    CHECK(run(type, is_finite, -kInf).bits == 0);
    CHECK(run(type, is_finite, kNaN).bits == 0);
    CHECK(run(type, is_finite, -3).bits == 1);
    CHECK(number_of(type, run(type, sign, -3)) == -1);
    CHECK(number_of(type, run(type, sign, 1e-40)) == 1);
    CHECK(std::signbit(number_of(type, run(type, sign, -0.0))));
    CHECK(std::isnan(number_of(type, run(type, sign, kNaN))));
    CHECK(number_of(type, run(type, abs, -kInf)) == kInf);
  }
  CHECK(integer_of(DType::i32, run(DType::i32, abs, -7)) == 7);
  CHECK(integer_of(DType::i32, run(DType::i32, abs, -2147483648.0)) == -2147483648LL);
  CHECK(integer_of(DType::u32, run(DType::u32, abs, 4294967295.0)) == 4294967295LL);
  CHECK(integer_of(DType::i64, run(DType::i64, sign, -7)) == -1);
  CHECK(integer_of(DType::u8, run(DType::u8, sign, 200)) == 1);
  const ScalarBody modulo = make_body({DType::i32, DType::i32}, [](ScalarBuilder& b, std::span<const Scalar> a) {
    return floor_remainder(b, a[0], a[1]);
  });
  const auto mod = [&](int x, int y) {
    const ScalarValue values[] = {scalar_from_integer(DType::i32, x), scalar_from_integer(DType::i32, y)};
    return integer_of(DType::i32, ScalarInterpreter(modulo).run(values, {}));
  };
  CHECK(mod(-7, 3) == 2);
  CHECK(mod(7, -3) == -2);
  CHECK(mod(-6, 3) == 0);
  CHECK(mod(-7, 0) == -7);
}

TEST_CASE("elementary: the interpreter agrees with the batch evaluator to the bit") {
  for (const Unary& f : unary_functions()) {
    const ScalarBody body = unary_body<float>(f);
    for (bool fused : {true, false}) {
      BatchEvaluator batch(body, fused);
      ScalarInterpreter interpreter(body, fused);
      float* x = static_cast<float*>(batch.operand(0));
      for (int i = 0; i < kLanes; ++i) x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i) * 8388593u);
      const float* got = static_cast<const float*>(batch.run());
      int differing = 0;
      for (int i = 0; i < kLanes; i += 3) {
        const ScalarValue value = {std::bit_cast<std::uint32_t>(x[i])};
        const auto one = std::bit_cast<float>(static_cast<std::uint32_t>(interpreter.run({&value, 1}, {}).bits));
        if (std::bit_cast<std::uint32_t>(one) != std::bit_cast<std::uint32_t>(got[i]) &&
            (one == one || got[i] == got[i]))
          ++differing;
      }
      INFO(f.name << (fused ? " fused" : " unfused"));
      CHECK(differing == 0);
    }
  }
}

}  // namespace gradc::test
