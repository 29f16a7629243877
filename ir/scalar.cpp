// Scalar code: the builder that writes it, and the evaluator that gives every opcode its meaning.
#include "ir/scalar.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "ir/diagnostic.h"
#include "ir/with_dtype.h"

namespace gradc {

// ---- names ----

std::string_view name_of(Opcode op) {
  switch (op) {
    case Opcode::constant:
      return "constant";
    case Opcode::argument:
      return "argument";
    case Opcode::index:
      return "index";
    case Opcode::add:
      return "add";
    case Opcode::sub:
      return "sub";
    case Opcode::mul:
      return "mul";
    case Opcode::div:
      return "div";
    case Opcode::rem:
      return "rem";
    case Opcode::neg:
      return "neg";
    case Opcode::fma:
      return "fma";
    case Opcode::sqrt:
      return "sqrt";
    case Opcode::scale:
      return "scale";
    case Opcode::exp2_sixteenths:
      return "exp2_sixteenths";
    case Opcode::bit_and:
      return "bit_and";
    case Opcode::bit_or:
      return "bit_or";
    case Opcode::bit_xor:
      return "bit_xor";
    case Opcode::bit_not:
      return "bit_not";
    case Opcode::shift_left:
      return "shift_left";
    case Opcode::shift_right:
      return "shift_right";
    case Opcode::shift_right_arithmetic:
      return "shift_right_arithmetic";
    case Opcode::equal:
      return "equal";
    case Opcode::not_equal:
      return "not_equal";
    case Opcode::less:
      return "less";
    case Opcode::less_equal:
      return "less_equal";
    case Opcode::select:
      return "select";
    case Opcode::convert:
      return "convert";
    case Opcode::bitcast:
      return "bitcast";
    case Opcode::rarely:
      return "rarely";
    case Opcode::load:
      return "load";
    case Opcode::store:
      return "store";
    case Opcode::loop:
      return "loop";
    case Opcode::tile:
      return "tile";
  }
  internal_error("opcode out of range");
}

bool is_scalar(Opcode op) { return op < Opcode::load; }

// ---- builder ----

Instr& ScalarBuilder::append(Opcode op, DType type, std::span<const Scalar> args) {
  Instr instr;
  instr.op = op;
  instr.type = type;
  instr.result = (*next_)++;
  for (const Scalar& arg : args) instr.args.push_back(arg.id);
  block_->push_back(std::move(instr));
  return block_->back();
}

Scalar ScalarBuilder::number(DType type, double value) {
  Instr& instr = append(Opcode::constant, type, {});
  if (is_float(type)) {
    instr.number = value;
  } else {
    instr.integer = static_cast<std::int64_t>(value);
    ensure(static_cast<double>(instr.integer) == value, "an integer constant must be exact");
  }
  return {this, instr.result, type};
}

Scalar ScalarBuilder::integer(DType type, std::int64_t value) {
  Instr& instr = append(Opcode::constant, type, {});
  if (is_float(type)) {
    instr.number = static_cast<double>(value);
  } else {
    instr.integer = value;
  }
  return {this, instr.result, type};
}

Scalar ScalarBuilder::argument(int operand, DType type) {
  Instr& instr = append(Opcode::argument, type, {});
  instr.integer = operand;
  return {this, instr.result, type};
}

Scalar ScalarBuilder::index(int dimension) {
  Instr& instr = append(Opcode::index, DType::i64, {});
  instr.integer = dimension;
  return {this, instr.result, DType::i64};
}

Scalar ScalarBuilder::emit(Opcode op, DType type, std::span<const Scalar> args) {
  return {this, append(op, type, args).result, type};
}

Scalar ScalarBuilder::select(Scalar condition, Scalar yes, Scalar no) {
  ensure(condition.type == DType::boolean && yes.type == no.type, "select: dtypes differ");
  return emit(Opcode::select, yes.type, std::array{condition, yes, no});
}

Scalar ScalarBuilder::fma(Scalar a, Scalar b, Scalar c) {
  ensure(is_float(a.type) && a.type == b.type && a.type == c.type, "fma: three floats of one dtype expected");
  return emit(Opcode::fma, a.type, std::array{a, b, c});
}

Scalar ScalarBuilder::sqrt(Scalar x) {
  ensure(is_float(x.type), "sqrt: a float expected");
  return emit(Opcode::sqrt, x.type, std::array{x});
}

Scalar ScalarBuilder::scale(Scalar x, Scalar n) {
  ensure(is_float(x.type) && x.type == n.type, "scale: two floats of one dtype expected");
  return emit(Opcode::scale, x.type, std::array{x, n});
}

Scalar ScalarBuilder::exp2_sixteenths(Scalar i) {
  ensure(i.type == DType::i32, "exp2_sixteenths: an i32 expected");
  return emit(Opcode::exp2_sixteenths, DType::f32, std::array{i});
}

Scalar ScalarBuilder::convert(Scalar x, DType to) {
  return x.type == to ? x : emit(Opcode::convert, to, std::array{x});
}

Scalar ScalarBuilder::bitcast(Scalar x, DType to) {
  ensure(byte_size(x.type) == byte_size(to) && x.type != DType::boolean && to != DType::boolean,
         "bitcast: dtypes of one size expected");
  return x.type == to ? x : emit(Opcode::bitcast, to, std::array{x});
}

Scalar ScalarBuilder::finish_rarely(Scalar condition, Scalar fast, std::vector<Instr> body, Scalar slow) {
  ensure(condition.type == DType::boolean && fast.type == slow.type, "rarely: dtypes differ");
  Instr& instr = append(Opcode::rarely, fast.type, std::array{condition, fast});
  instr.body = std::move(body);
  instr.yield = slow.id;
  return {this, instr.result, fast.type};
}

namespace {

// Renumbers the instructions of a body into another block.
struct Splicer {
  std::span<const Scalar> arguments;
  std::span<const Scalar> indices;
  int& next_value;
  std::vector<int> renumbered;

  void copy(const std::vector<Instr>& from, std::vector<Instr>& to) {
    for (const Instr& instr : from) {
      if (instr.op == Opcode::argument || instr.op == Opcode::index) {
        std::span<const Scalar> values = instr.op == Opcode::argument ? arguments : indices;
        auto i = static_cast<std::size_t>(instr.integer);
        ensure(i < values.size() && values[i].type == instr.type, "splice: an argument or index is missing");
        renumbered[instr.result] = values[i].id;
        continue;
      }
      Instr moved = instr;
      moved.body.clear();
      for (int& arg : moved.args) arg = renumbered[arg];
      if (instr.op == Opcode::rarely) {
        copy(instr.body, moved.body);
        moved.yield = renumbered[instr.yield];
      }
      moved.result = renumbered[instr.result] = next_value++;
      to.push_back(std::move(moved));
    }
  }
};

void find_types(const std::vector<Instr>& block, std::vector<DType>& types) {
  for (const Instr& instr : block) {
    find_types(instr.body, types);
    if (instr.result >= 0) types.at(instr.result) = instr.type;
  }
}

}  // namespace

std::vector<Scalar> ScalarBuilder::splice(const ScalarBody& body, std::span<const Scalar> arguments,
                                          std::span<const Scalar> indices) {
  std::vector<DType> types(body.values, DType::f32);
  find_types(body.code, types);
  Splicer splicer{arguments, indices, *next_, std::vector<int>(body.values, -1)};
  splicer.copy(body.code, *block_);
  std::vector<Scalar> results;
  for (int result : body.results) results.push_back({this, splicer.renumbered[result], types[result]});
  return results;
}

// ---- operators ----

namespace {

Scalar binary(Opcode op, Scalar a, Scalar b) {
  ensure(a.type == b.type, "scalar operator: dtypes differ");
  return a.builder->emit(op, a.type, std::array{a, b});
}

Scalar comparison(Opcode op, Scalar a, Scalar b) {
  ensure(a.type == b.type, "scalar comparison: dtypes differ");
  return a.builder->emit(op, DType::boolean, std::array{a, b});
}

Scalar bitwise(Opcode op, Scalar a, Scalar b) {
  ensure(!is_float(a.type), "bit operation on a float");
  return binary(op, a, b);
}

Scalar like(Scalar a, double b) { return a.builder->number(a.type, b); }

}  // namespace

Scalar operator+(Scalar a, Scalar b) { return binary(Opcode::add, a, b); }
Scalar operator-(Scalar a, Scalar b) { return binary(Opcode::sub, a, b); }
Scalar operator*(Scalar a, Scalar b) { return binary(Opcode::mul, a, b); }
Scalar operator/(Scalar a, Scalar b) { return binary(Opcode::div, a, b); }
Scalar operator%(Scalar a, Scalar b) {
  ensure(!is_float(a.type), "rem of floats is elementary::remainder");
  return binary(Opcode::rem, a, b);
}
Scalar operator-(Scalar a) { return a.builder->emit(Opcode::neg, a.type, std::array{a}); }
Scalar operator&(Scalar a, Scalar b) { return bitwise(Opcode::bit_and, a, b); }
Scalar operator|(Scalar a, Scalar b) { return bitwise(Opcode::bit_or, a, b); }
Scalar operator^(Scalar a, Scalar b) { return bitwise(Opcode::bit_xor, a, b); }
Scalar operator~(Scalar a) {
  ensure(!is_float(a.type), "bit operation on a float");
  return a.builder->emit(Opcode::bit_not, a.type, std::array{a});
}
Scalar operator<<(Scalar a, Scalar b) { return bitwise(Opcode::shift_left, a, b); }
Scalar operator>>(Scalar a, Scalar b) { return bitwise(Opcode::shift_right, a, b); }
Scalar operator==(Scalar a, Scalar b) { return comparison(Opcode::equal, a, b); }
Scalar operator!=(Scalar a, Scalar b) { return comparison(Opcode::not_equal, a, b); }
Scalar operator<(Scalar a, Scalar b) { return comparison(Opcode::less, a, b); }
Scalar operator<=(Scalar a, Scalar b) { return comparison(Opcode::less_equal, a, b); }
Scalar operator>(Scalar a, Scalar b) { return comparison(Opcode::less, b, a); }
Scalar operator>=(Scalar a, Scalar b) { return comparison(Opcode::less_equal, b, a); }
Scalar operator+(Scalar a, double b) { return a + like(a, b); }
Scalar operator-(Scalar a, double b) { return a - like(a, b); }
Scalar operator*(Scalar a, double b) { return a * like(a, b); }
Scalar operator-(double a, Scalar b) { return like(b, a) - b; }
Scalar operator*(double a, Scalar b) { return like(b, a) * b; }

// ---- values ----

namespace {

template <class T>
T get(ScalarValue value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value.bits != 0;
  } else if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<double>(value.bits);
  } else {
    return static_cast<T>(value.bits);
  }
}

template <class T>
ScalarValue put(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return {std::bit_cast<std::uint32_t>(value)};
  } else if constexpr (std::is_same_v<T, double>) {
    return {std::bit_cast<std::uint64_t>(value)};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {value ? 1u : 0u};
  } else {
    return {static_cast<std::make_unsigned_t<T>>(value)};
  }
}

// Value conversion: integers wrap; floats to integers truncate and saturate, NaN is 0; to bool x != 0.
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (x != x) return 0;
    // 2^digits is exact in every float; the largest integer of the type may not be.
    const From end = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    if (x >= end) return std::numeric_limits<To>::max();
    if (x <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace

ScalarValue scalar_of(DType type, double value) {
  return with_dtype(type, [&](auto t) { return put(converted<decltype(t)>(value)); });
}

double number_of(DType type, ScalarValue value) {
  return with_dtype(type, [&](auto t) { return static_cast<double>(get<decltype(t)>(value)); });
}

std::int64_t integer_of(DType type, ScalarValue value) {
  return with_dtype(type, [&](auto t) { return converted<std::int64_t>(get<decltype(t)>(value)); });
}

ScalarValue scalar_from_integer(DType type, std::int64_t value) {
  return with_dtype(type, [&](auto t) { return put(converted<decltype(t)>(value)); });
}

// ---- evaluation ----

namespace {

[[noreturn]] void wrong_type(Opcode op, DType type) {
  internal_error("opcode " + std::string(name_of(op)) + " does not take " + std::string(name_of(type)));
}

template <class T>
ScalarValue apply_float(const Instr& instr, std::span<const ScalarValue> args, DType type, bool fused) {
  const T a = get<T>(args[0]);
  const T b = args.size() > 1 ? get<T>(args[1]) : T{};
  switch (instr.op) {
    case Opcode::add:
      return put<T>(a + b);
    case Opcode::sub:
      return put<T>(a - b);
    case Opcode::mul:
      return put<T>(a * b);
    case Opcode::div:
      return put<T>(a / b);
    case Opcode::neg:
      return put<T>(-a);
    case Opcode::fma: {
      const T c = get<T>(args[2]);
      return put<T>(fused ? std::fma(a, b, c) : static_cast<T>(a * b) + c);
    }
    case Opcode::sqrt:
      return put<T>(std::sqrt(a));
    case Opcode::scale:
      return put<T>(b == b ? std::ldexp(a, static_cast<int>(std::floor(b))) : b);
    case Opcode::equal:
      return put(a == b);
    case Opcode::not_equal:
      return put(a != b);
    case Opcode::less:
      return put(a < b);
    case Opcode::less_equal:
      return put(a <= b);
    default:
      wrong_type(instr.op, type);
  }
}

// Integers, and bool as an integer of one bit. Arithmetic runs on 64 bits and wraps when it is put back.
template <class T>
ScalarValue apply_integer(const Instr& instr, std::span<const ScalarValue> args, DType type) {
  using Wide = std::uint64_t;
  constexpr int kWidth = std::is_same_v<T, bool> ? 1 : 8 * static_cast<int>(sizeof(T));
  const T a = get<T>(args[0]);
  const T b = args.size() > 1 ? get<T>(args[1]) : T{};
  const Wide x = static_cast<Wide>(a);  // sign-extended
  const Wide y = static_cast<Wide>(b);
  const auto wrapped = [](Wide value) {
    if constexpr (std::is_same_v<T, bool>) value &= 1;
    return put<T>(static_cast<T>(value));
  };
  const bool overflows = std::is_signed_v<T> && a == std::numeric_limits<T>::min() && y == ~Wide{0};
  switch (instr.op) {
    case Opcode::add:
      return wrapped(x + y);
    case Opcode::sub:
      return wrapped(x - y);
    case Opcode::mul:
      return wrapped(x * y);
    case Opcode::div:
      return b == 0 ? put<T>(T{}) : overflows ? put<T>(a) : put<T>(static_cast<T>(a / b));
    case Opcode::rem:
      return b == 0 ? put<T>(a) : overflows ? put<T>(T{}) : put<T>(static_cast<T>(a % b));
    case Opcode::neg:
      return wrapped(Wide{0} - x);
    case Opcode::bit_and:
      return wrapped(x & y);
    case Opcode::bit_or:
      return wrapped(x | y);
    case Opcode::bit_xor:
      return wrapped(x ^ y);
    case Opcode::bit_not:
      return wrapped(~x);
    case Opcode::shift_left:
      return wrapped(x << (y % kWidth));
    case Opcode::shift_right:
      return wrapped(args[0].bits >> (y % kWidth));
    case Opcode::shift_right_arithmetic:
      return wrapped(static_cast<Wide>(static_cast<std::int64_t>(x) >> (y % kWidth)));
    case Opcode::equal:
      return put(a == b);
    case Opcode::not_equal:
      return put(a != b);
    case Opcode::less:
      return put(a < b);
    case Opcode::less_equal:
      return put(a <= b);
    default:
      wrong_type(instr.op, type);
  }
}

ScalarValue convert(DType from, DType to, ScalarValue value) {
  return with_dtype(from, [&](auto f) {
    return with_dtype(to, [&](auto t) { return put(converted<decltype(t)>(get<decltype(f)>(value))); });
  });
}

}  // namespace

ScalarValue evaluate(const Instr& instr, std::span<const ScalarValue> args, std::span<const DType> arg_types,
                     bool fused) {
  switch (instr.op) {
    case Opcode::constant:
      return is_float(instr.type) ? scalar_of(instr.type, instr.number)
                                  : scalar_from_integer(instr.type, instr.integer);
    case Opcode::select:
      return args[0].bits != 0 ? args[1] : args[2];
    case Opcode::convert:
      return convert(arg_types[0], instr.type, args[0]);
    case Opcode::bitcast:
      return args[0];
    case Opcode::exp2_sixteenths:
      return put(kExp2Sixteenths[get<std::int32_t>(args[0]) & 15]);
    case Opcode::argument:
    case Opcode::index:
    case Opcode::rarely:
    case Opcode::load:
    case Opcode::store:
    case Opcode::loop:
    case Opcode::tile:
      internal_error("opcode " + std::string(name_of(instr.op)) + " has no value of its own");
    default:
      break;
  }
  return with_dtype(arg_types[0], [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_floating_point_v<T>) {
      return apply_float<T>(instr, args, arg_types[0], fused);
    } else {
      return apply_integer<T>(instr, args, arg_types[0]);
    }
  });
}

// ---- interpreter ----

ScalarInterpreter::ScalarInterpreter(const ScalarBody& body, bool fused)
    : body_(&body), fused_(fused), registers_(body.values), types_(body.values, DType::f32) {
  find_types(body.code, types_);
}

ScalarValue ScalarInterpreter::run(std::span<const ScalarValue> arguments, std::span<const std::int64_t> indices) {
  run_block(body_->code, arguments, indices);
  return registers_[body_->results.front()];
}

void ScalarInterpreter::run_block(const std::vector<Instr>& block, std::span<const ScalarValue> arguments,
                                  std::span<const std::int64_t> indices) {
  for (const Instr& instr : block) {
    ScalarValue& result = registers_[instr.result];
    switch (instr.op) {
      case Opcode::argument:
        result = arguments[instr.integer];
        continue;
      case Opcode::index:
        result = scalar_from_integer(DType::i64, indices[instr.integer]);
        continue;
      case Opcode::rarely:
        if (registers_[instr.args[0]].bits != 0) {
          run_block(instr.body, arguments, indices);
          result = registers_[instr.yield];
        } else {
          result = registers_[instr.args[1]];
        }
        continue;
      default:
        break;
    }
    std::array<ScalarValue, 3> values;
    std::array<DType, 3> types;
    for (std::size_t i = 0; i < instr.args.size(); ++i) {
      values[i] = registers_[instr.args[i]];
      types[i] = types_[instr.args[i]];
    }
    const std::size_t count = instr.args.size();
    result = evaluate(instr, {values.data(), count}, {types.data(), count}, fused_);
  }
}

}  // namespace gradc
