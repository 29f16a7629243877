// Scalar code: the opcodes that elementwise bodies and kernels share, and a builder that writes them as algebra.
//
// Contract. Arithmetic is IEEE 754, round to nearest, denormals kept, nothing reassociated or contracted. `fma` is one
// rounding where the target has the instruction and a rounded product plus a sum where not. Integers wrap. Integer
// division truncates; x / 0 is 0, x % 0 is x, INT_MIN / -1 is INT_MIN. Shift counts are taken modulo the width.
// `convert` from float to integer truncates, saturates, and takes NaN to 0; to bool it is x != 0. Comparisons with NaN
// are false but for `not_equal`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/type.h"

namespace gradc {

enum class Opcode : std::uint8_t {
  // scalar
  constant,  // integer or number, by dtype
  argument,  // element of operand `integer` (scalar bodies only)
  index,     // i64: domain index `integer` of a scalar body, loop variable `integer` of a kernel
  add,
  sub,
  mul,
  div,
  rem,  // integers only; floats: elementary::remainder
  neg,
  fma,
  sqrt,
  scale,            // x * 2^floor(n), rounded once; n a multiple of 1/16, at most twice the greatest exponent
  exp2_sixteenths,  // f32: 2^(i / 16) to nearest, i the low four bits of an i32
  bit_and,
  bit_or,
  bit_xor,
  bit_not,
  shift_left,
  shift_right,
  shift_right_arithmetic,
  equal,
  not_equal,
  less,
  less_equal,  // result bool
  select,      // args: bool, value where true, value where false
  convert,     // value conversion between dtypes
  bitcast,     // between dtypes of one size
  rarely,  // args: bool c, fast value; body yields the slow value. c ? slow : fast; the body may be skipped where c is
           // false
  // kernels only (ir/kernel.h)
  load,
  store,
  loop,
  tile,
};

std::string_view name_of(Opcode op);
bool is_scalar(Opcode op);

// What exp2_sixteenths gives.
inline constexpr std::array<float, 16> kExp2Sixteenths = {0x1p0f,        0x1.0b5586p0f, 0x1.172b84p0f, 0x1.2387a6p0f,
                                                          0x1.306fep0f,  0x1.3dea64p0f, 0x1.4bfdaep0f, 0x1.5ab07ep0f,
                                                          0x1.6a09e6p0f, 0x1.7a1148p0f, 0x1.8ace54p0f, 0x1.9c4918p0f,
                                                          0x1.ae89fap0f, 0x1.c199bep0f, 0x1.d5818ep0f, 0x1.ea4afap0f};

struct Access;
struct Loop;
struct Tile;

// One instruction; `result` is its value's number, unique in a body or kernel, or -1.
struct Instr {
  Opcode op = Opcode::constant;
  DType type = DType::f32;
  int result = -1;
  std::vector<int> args;
  std::int64_t integer = 0;              // constant of an integer or bool dtype; number of an argument or index
  double number = 0;                     // constant of a float dtype
  std::vector<Instr> body;               // of rarely and loop
  int yield = -1;                        // rarely: the value its body yields
  std::shared_ptr<const Access> access;  // load, store
  std::shared_ptr<const Loop> loop;      // loop
  std::shared_ptr<const Tile> tile;      // tile
};

// Straight-line code from operand elements and domain indices to result elements.
struct ScalarBody {
  std::vector<DType> arguments;
  std::vector<Instr> code;
  std::vector<int> results;  // value numbers
  int values = 0;            // numbers in use: 0 .. values-1
};

class ScalarBuilder;

// A value being built; arithmetic on it appends instructions. Both sides must have one dtype.
struct Scalar {
  ScalarBuilder* builder = nullptr;
  int id = -1;
  DType type = DType::f32;
};

// Appends to a block of instructions. Folds nothing, so that what is written is what runs. While the slow side of a
// `rarely` is being written, everything goes there, also what is built of values from outside.
class ScalarBuilder {
 public:
  ScalarBuilder(std::vector<Instr>& block, int& next_value) : block_(&block), next_(&next_value) {}

  Scalar number(DType type, double value);  // any dtype; must be exact for integers up to 2^53
  Scalar integer(DType type, std::int64_t value);
  Scalar argument(int operand, DType type);
  Scalar index(int dimension);
  Scalar emit(Opcode op, DType type, std::span<const Scalar> args);
  Scalar select(Scalar condition, Scalar yes, Scalar no);
  Scalar fma(Scalar a, Scalar b, Scalar c);  // a * b + c
  Scalar sqrt(Scalar x);
  Scalar scale(Scalar x, Scalar n);  // x * 2^floor(n)
  Scalar exp2_sixteenths(Scalar i);  // 2^((i mod 16) / 16)
  Scalar convert(Scalar x, DType to);
  Scalar bitcast(Scalar x, DType to);
  // slow is a callable (ScalarBuilder&) -> Scalar, run where `condition` holds.
  template <class Slow>
  Scalar rarely(Scalar condition, Scalar fast, Slow slow) {
    std::vector<Instr> body;
    std::vector<Instr>* outer = redirect(&body);
    Scalar value = slow(*this);
    redirect(outer);
    return finish_rarely(condition, fast, std::move(body), value);
  }
  // Appends `body` with its arguments and indices replaced; returns its results.
  std::vector<Scalar> splice(const ScalarBody& body, std::span<const Scalar> arguments,
                             std::span<const Scalar> indices);
  std::vector<Instr>& block() { return *block_; }
  int& next_value() { return *next_; }

 private:
  Instr& append(Opcode op, DType type, std::span<const Scalar> args);
  std::vector<Instr>* redirect(std::vector<Instr>* block) { return std::exchange(block_, block); }
  Scalar finish_rarely(Scalar condition, Scalar fast, std::vector<Instr> body, Scalar slow);
  std::vector<Instr>* block_;
  int* next_;
};

Scalar operator+(Scalar a, Scalar b);
Scalar operator-(Scalar a, Scalar b);
Scalar operator*(Scalar a, Scalar b);
Scalar operator/(Scalar a, Scalar b);
Scalar operator%(Scalar a, Scalar b);
Scalar operator-(Scalar a);
Scalar operator&(Scalar a, Scalar b);
Scalar operator|(Scalar a, Scalar b);
Scalar operator^(Scalar a, Scalar b);
Scalar operator~(Scalar a);
Scalar operator<<(Scalar a, Scalar b);
Scalar operator>>(Scalar a, Scalar b);  // logical
Scalar operator==(Scalar a, Scalar b);
Scalar operator!=(Scalar a, Scalar b);
Scalar operator<(Scalar a, Scalar b);
Scalar operator<=(Scalar a, Scalar b);
Scalar operator>(Scalar a, Scalar b);
Scalar operator>=(Scalar a, Scalar b);
// With a number of the other side's dtype.
Scalar operator+(Scalar a, double b);
Scalar operator-(Scalar a, double b);
Scalar operator*(Scalar a, double b);
Scalar operator-(double a, Scalar b);
Scalar operator*(double a, Scalar b);

// Makes a body: f(builder, arguments) -> Scalar.
template <class F>
ScalarBody make_body(std::vector<DType> arguments, F f) {
  ScalarBody body;
  body.arguments = std::move(arguments);
  ScalarBuilder builder(body.code, body.values);
  std::vector<Scalar> args;
  for (std::size_t i = 0; i < body.arguments.size(); ++i)
    args.push_back(builder.argument(static_cast<int>(i), body.arguments[i]));
  body.results.push_back(f(builder, std::span<const Scalar>(args)).id);
  return body;
}

// One scalar value as the interpreters hold it: the bits of its dtype, zero-extended.
struct ScalarValue {
  std::uint64_t bits = 0;
};
ScalarValue scalar_of(DType type, double value);
double number_of(DType type, ScalarValue value);
std::int64_t integer_of(DType type, ScalarValue value);  // sign-extended for signed dtypes
ScalarValue scalar_from_integer(DType type, std::int64_t value);

// Runs one scalar instruction (not rarely, argument, index, load, store, loop, tile).
// `fused` tells whether fma rounds once.
ScalarValue evaluate(const Instr& instr, std::span<const ScalarValue> args, std::span<const DType> arg_types,
                     bool fused = true);

// Runs a body over and over: keeps its registers between calls.
class ScalarInterpreter {
 public:
  explicit ScalarInterpreter(const ScalarBody& body, bool fused = true);
  // Operand elements and domain indices in; the first result out.
  ScalarValue run(std::span<const ScalarValue> arguments, std::span<const std::int64_t> indices);

 private:
  void run_block(const std::vector<Instr>& block, std::span<const ScalarValue> arguments,
                 std::span<const std::int64_t> indices);
  const ScalarBody* body_;
  bool fused_;
  std::vector<ScalarValue> registers_;
  std::vector<DType> types_;
};

}  // namespace gradc
