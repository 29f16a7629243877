// The scalar contract, opcode by opcode, and the builder.
#include "ir/scalar.h"

#include <array>
#include <cmath>
#include <limits>

#include "tests/support/catch.h"

namespace gradc {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ScalarValue apply(Opcode op, DType result, DType type, std::initializer_list<std::int64_t> arguments) {
  Instr instr;
  instr.op = op;
  instr.type = result;
  std::vector<ScalarValue> values;
  for (std::int64_t x : arguments) values.push_back(scalar_from_integer(type, x));
  return evaluate(instr, values, std::vector<DType>(values.size(), type));
}
std::int64_t integers(Opcode op, DType type, std::initializer_list<std::int64_t> arguments) {
  return integer_of(type, apply(op, type, type, arguments));
}
std::int64_t converted(double x, DType from, DType to) {
  Instr instr;
  instr.op = Opcode::convert;
  instr.type = to;
  const ScalarValue value = scalar_of(from, x);
  return integer_of(to, evaluate(instr, {&value, 1}, {&from, 1}));
}

}  // namespace

TEST_CASE("scalar: integers wrap and division is total") {
  CHECK(integers(Opcode::add, DType::i32, {2147483647, 1}) == -2147483648LL);
  CHECK(integers(Opcode::mul, DType::u32, {65536, 65536}) == 0);
  CHECK(integers(Opcode::sub, DType::u8, {3, 5}) == 254);
  CHECK(integers(Opcode::neg, DType::i32, {-2147483648LL}) == -2147483648LL);
  CHECK(integers(Opcode::mul, DType::i64, {INT64_MAX, 2}) == -2);
  for (DType type : {DType::i32, DType::i64}) {
    const std::int64_t least = type == DType::i32 ? INT32_MIN : INT64_MIN;
    CHECK(integers(Opcode::div, type, {-7, 2}) == -3);
    CHECK(integers(Opcode::rem, type, {-7, 2}) == -1);
    CHECK(integers(Opcode::div, type, {-7, 0}) == 0);
    CHECK(integers(Opcode::rem, type, {-7, 0}) == -7);
    CHECK(integers(Opcode::div, type, {least, -1}) == least);
    CHECK(integers(Opcode::rem, type, {least, -1}) == 0);
  }
  CHECK(integers(Opcode::div, DType::u32, {4294967295, 4294967295}) == 1);
  CHECK(integers(Opcode::div, DType::u8, {200, 255}) == 0);
}

TEST_CASE("scalar: shifts take their count modulo the width") {
  CHECK(integers(Opcode::shift_left, DType::i32, {1, 33}) == 2);
  CHECK(integers(Opcode::shift_left, DType::i64, {1, 33}) == std::int64_t{1} << 33);
  CHECK(integers(Opcode::shift_right, DType::i32, {-1, 28}) == 15);
  CHECK(integers(Opcode::shift_right_arithmetic, DType::i32, {-16, 34}) == -4);
  CHECK(integers(Opcode::shift_right, DType::u8, {128, 15}) == 1);
  CHECK(integers(Opcode::shift_right, DType::i64, {-1, 60}) == 15);
  CHECK(integers(Opcode::bit_not, DType::u8, {0}) == 255);
  CHECK(integers(Opcode::bit_not, DType::boolean, {1}) == 0);
  CHECK(integers(Opcode::bit_xor, DType::boolean, {1, 1}) == 0);
}

TEST_CASE("scalar: comparisons are those of the dtype") {
  CHECK(apply(Opcode::less, DType::boolean, DType::i32, {-1, 0}).bits == 1);
  CHECK(apply(Opcode::less, DType::boolean, DType::u32, {4294967295, 0}).bits == 0);
  Instr instr;
  instr.type = DType::boolean;
  const std::array values{scalar_of(DType::f32, kNaN), scalar_of(DType::f32, kNaN)};
  const std::array types{DType::f32, DType::f32};
  for (Opcode op : {Opcode::equal, Opcode::not_equal, Opcode::less, Opcode::less_equal}) {
    instr.op = op;
    CHECK(evaluate(instr, values, types).bits == (op == Opcode::not_equal ? 1u : 0u));
  }
}

TEST_CASE("scalar: conversions truncate, saturate and wrap") {
  for (DType from : {DType::f32, DType::f64}) {
    CHECK(converted(-2.9, from, DType::i32) == -2);
    CHECK(converted(kNaN, from, DType::i32) == 0);
    CHECK(converted(3e9, from, DType::i32) == INT32_MAX);
    CHECK(converted(-kInf, from, DType::i64) == INT64_MIN);
    CHECK(converted(0x1p63, from, DType::i64) == INT64_MAX);
    CHECK(converted(-1, from, DType::u32) == 0);
    CHECK(converted(0x1p32, from, DType::u32) == 4294967295);
    CHECK(converted(255.9, from, DType::u8) == 255);
    CHECK(converted(256, from, DType::u8) == 255);
    CHECK(converted(kNaN, from, DType::boolean) == 1);
    CHECK(converted(-0.0, from, DType::boolean) == 0);
    CHECK(converted(0.25, from, DType::boolean) == 1);
  }
  CHECK(converted(2147483647, DType::f64, DType::i32) == 2147483647);
  CHECK(converted(300, DType::i32, DType::u8) == 44);
  CHECK(converted(-1, DType::i32, DType::i64) == -1);
  CHECK(converted(256, DType::i32, DType::boolean) == 1);
  CHECK(converted(16777217, DType::i32, DType::f32) == 16777216);
}

TEST_CASE("scalar: fma rounds once where it is fused, twice where not") {
  Instr instr;
  instr.op = Opcode::fma;
  instr.type = DType::f32;
  const double x = 1 + 0x1p-12;  // x * x = 1 + 2^-11 + 2^-24, the last bit beyond f32
  const std::array values{scalar_of(DType::f32, x), scalar_of(DType::f32, x), scalar_of(DType::f32, -1 - 0x1p-11)};
  const std::array types{DType::f32, DType::f32, DType::f32};
  CHECK(number_of(DType::f32, evaluate(instr, values, types, true)) == 0x1p-24);
  CHECK(number_of(DType::f32, evaluate(instr, values, types, false)) == 0);
}

TEST_CASE("scalar: scale multiplies by a power of two and rounds once") {
  Instr instr;
  instr.op = Opcode::scale;
  const auto scaled = [&](DType type, double x, double n) {
    instr.type = type;
    const std::array values{scalar_of(type, x), scalar_of(type, n)};
    const std::array types{type, type};
    return number_of(type, evaluate(instr, values, types, true));
  };
  CHECK(scaled(DType::f32, 1.5, 10) == 1536);
  CHECK(scaled(DType::f32, 1, -149) == 0x1p-149);
  CHECK(scaled(DType::f32, 1.5, -149) == 0x1p-148);  // half way, to the even one
  CHECK(scaled(DType::f32, 1, -150) == 0);
  CHECK(scaled(DType::f32, 1, 128) == std::numeric_limits<double>::infinity());
  CHECK(scaled(DType::f64, -1.25, -1074) == -0x1p-1074);
  CHECK(scaled(DType::f64, 1, 1023) == 0x1p1023);
  CHECK(scaled(DType::f32, 1.5, 2.9375) == 6);
  CHECK(scaled(DType::f64, 1.5, -0.0625) == 0.75);
  CHECK(std::isnan(scaled(DType::f32, std::nan(""), 3)));
}

TEST_CASE("scalar: powers of sixteenths are those of the low four bits, to nearest") {
  Instr instr;
  instr.op = Opcode::exp2_sixteenths;
  for (std::int64_t i = -20; i < 40; ++i) {
    const std::array values{scalar_from_integer(DType::i32, i)};
    const std::array types{DType::i32};
    const double power = number_of(DType::f32, evaluate(instr, values, types, true));
    const double sixteenths = static_cast<double>(i & 15) / 16;
    CHECK(power == static_cast<float>(std::exp2(sixteenths)));
  }
}

TEST_CASE("scalar: what is built on the slow side of rarely goes into its body") {
  const ScalarBody body = make_body({DType::f64}, [](ScalarBuilder& b, std::span<const Scalar> a) {
    const Scalar x = a[0];
    const Scalar twice = x + x;
    return b.rarely(x > b.number(DType::f64, 10), twice, [&](ScalarBuilder& inner) {
      return inner.rarely(x > b.number(DType::f64, 100), x * twice, [&](ScalarBuilder&) { return -x; });
    });
  });
  CHECK(body.code.size() == 5);  // argument, sum, constant, comparison, rarely
  CHECK(body.code.back().body.size() == 4);
  CHECK(body.code.back().body.back().body.size() == 1);
  ScalarInterpreter interpreter(body);
  const auto run = [&](double x) {
    const ScalarValue value = scalar_of(DType::f64, x);
    return number_of(DType::f64, interpreter.run({&value, 1}, {}));
  };
  CHECK(run(3) == 6);
  CHECK(run(20) == 800);
  CHECK(run(200) == -200);
}

TEST_CASE("scalar: splicing renumbers a body and replaces its arguments and indices") {
  const ScalarBody inner = make_body({DType::f32, DType::f32}, [](ScalarBuilder& b, std::span<const Scalar> a) {
    const Scalar i = b.convert(b.index(1), DType::f32);
    return b.rarely(a[0] < a[1], i, [&](ScalarBuilder& slow) { return slow.fma(a[0], a[1], i); });
  });
  const ScalarBody outer = make_body({DType::f32}, [&](ScalarBuilder& b, std::span<const Scalar> a) {
    const std::array arguments{a[0] * 2, a[0] * a[0]};
    const std::array indices{b.index(0), b.index(0) + b.integer(DType::i64, 7)};
    return b.splice(inner, arguments, indices).front();
  });
  ScalarInterpreter interpreter(outer);
  const auto run = [&](double x, std::int64_t i) {
    const ScalarValue value = scalar_of(DType::f32, x);
    return number_of(DType::f32, interpreter.run({&value, 1}, {&i, 1}));
  };
  CHECK(run(3, 5) == 6 * 9 + 12);
  CHECK(run(1, 5) == 12);
}

}  // namespace gradc
