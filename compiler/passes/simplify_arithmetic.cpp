// Rules over elementwise ops, each led by its identity. `c` stands for a uniform value.
#include <cmath>

#include "compiler/passes/match.h"
#include "compiler/passes/simplify.h"
#include "ir/op.h"

namespace gradc {

namespace {

bool is_float_node(const Node& node) { return is_float(node.result()->type.dtype); }

// ---- add, subtract ----

// x + (-0) = x;  -0 + x = x;  over integers with 0. (x + 0 is not x for x = -0.)
Value* add_nothing(Builder&, const Node& node) {
  if (is_neutral_to_add(node.operands[1])) return node.operands[0];
  if (is_neutral_to_add(node.operands[0])) return node.operands[1];
  return nullptr;
}

// x + (-y) = x - y;  (-x) + y = y - x
Value* add_negated(Builder& builder, const Node& node) {
  if (const Node* y = made_by(node.operands[1], "negate")) {
    return builder.one("subtract", {node.operands[0], y->operands[0]});
  }
  if (const Node* x = made_by(node.operands[0], "negate")) {
    return builder.one("subtract", {node.operands[1], x->operands[0]});
  }
  return nullptr;
}

// x - 0 = x
Value* subtract_nothing(Builder&, const Node& node) {
  return is_uniform(node.operands[1], 0) ? node.operands[0] : nullptr;
}

// x - (-y) = x + y
Value* subtract_negated(Builder& builder, const Node& node) {
  const Node* y = made_by(node.operands[1], "negate");
  return y ? builder.one("add", {node.operands[0], y->operands[0]}) : nullptr;
}

// -0 - x = -x
Value* subtract_from_nothing(Builder& builder, const Node& node) {
  return is_neutral_to_add(node.operands[0]) ? builder.one("negate", {node.operands[1]}) : nullptr;
}

// ---- multiply, divide ----

// x * 1 = x;  1 * x = x
Value* multiply_by_one(Builder&, const Node& node) {
  if (is_uniform(node.operands[1], 1)) return node.operands[0];
  if (is_uniform(node.operands[0], 1)) return node.operands[1];
  return nullptr;
}

// x * (-1) = -x;  (-1) * x = -x
Value* multiply_by_minus_one(Builder& builder, const Node& node) {
  if (!is_signed(node.result()->type.dtype)) return nullptr;
  if (is_uniform(node.operands[1], -1)) return builder.one("negate", {node.operands[0]});
  if (is_uniform(node.operands[0], -1)) return builder.one("negate", {node.operands[1]});
  return nullptr;
}

// (-x) * (-y) = x * y;  (-x) / (-y) = x / y over floats
Value* cancel_signs(Builder& builder, const Node& node) {
  if (!is_float_node(node)) return nullptr;
  const Node* x = made_by(node.operands[0], "negate");
  const Node* y = made_by(node.operands[1], "negate");
  return x && y ? builder.make(*node.op, {x->operands[0], y->operands[0]})[0] : nullptr;
}

// x / 1 = x
Value* divide_by_one(Builder&, const Node& node) {
  return is_uniform(node.operands[1], 1) ? node.operands[0] : nullptr;
}

// x / c = x * (1/c) where c is a power of two: both round the same real number
Value* divide_by_power_of_two(Builder& builder, const Node& node) {
  if (!is_float_node(node)) return nullptr;
  const std::optional<double> c = uniform(node.operands[1]);
  if (!c || !is_invertible_power_of_two(node.result()->type.dtype, *c)) return nullptr;
  return builder.one("multiply", {node.operands[0], builder.full(node.result()->type, 1 / *c)});
}

// ---- comparisons ----

// bits 2^-32 < c = bits < ceil(c 2^d) 2^(32-d), of the first d bits; the other orders likewise
template <bool less, bool or_equal>
Value* compare_random_bits(Builder& builder, const Node& node) {
  const Node* second = made_by(node.operands[1], "unit_interval");
  const Node* number = second ? second : made_by(node.operands[0], "unit_interval");
  const std::optional<double> c = number ? uniform(node.operands[second ? 0 : 1]) : std::nullopt;
  if (!c) return nullptr;
  const std::int64_t digits = number->attributes.integer("digits");
  if (digits > (number->result()->type.dtype == DType::f32 ? 24 : 53)) return nullptr;  // rounded
  const bool below = less == !second;
  const double scaled = std::ldexp(*c, static_cast<int>(digits));
  const double first = below == or_equal ? std::floor(scaled) + 1 : std::ceil(scaled);
  const double threshold = std::ldexp(first, static_cast<int>(32 - digits));
  if (!(threshold >= 0 && threshold < 0x1p32)) return nullptr;
  Value* bits = number->operands[0];
  return builder.one(below ? "less" : "greater_equal", {bits, builder.full(bits->type, threshold)});
}

// ---- negate, abs ----

// -(-x) = x
Value* negate_twice(Builder&, const Node& node) {
  const Node* inner = made_by(node.operands[0], "negate");
  return inner ? inner->operands[0] : nullptr;
}

// abs(abs(x)) = abs(x)
Value* abs_twice(Builder&, const Node& node) {
  return made_by(node.operands[0], "abs") && is_float_node(node) ? node.operands[0] : nullptr;
}

// abs(-x) = abs(x)
Value* abs_of_negated(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "negate");
  return inner ? builder.one("abs", {inner->operands[0]}) : nullptr;
}

// ---- select, logic ----

// select(c, x, x) = x
Value* select_same(Builder&, const Node& node) {
  return node.operands[1] == node.operands[2] ? node.operands[1] : nullptr;
}

// select(true, x, y) = x;  select(false, x, y) = y
Value* select_known(Builder&, const Node& node) {
  const std::optional<double> condition = uniform(node.operands[0]);
  if (!condition) return nullptr;
  return *condition != 0 ? node.operands[1] : node.operands[2];
}

// select(not c, x, y) = select(c, y, x)
Value* select_not(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "logical_not");
  return inner ? builder.one("select", {inner->operands[0], node.operands[2], node.operands[1]}) : nullptr;
}

// not not x = x
Value* not_twice(Builder&, const Node& node) {
  const Node* inner = made_by(node.operands[0], "logical_not");
  return inner ? inner->operands[0] : nullptr;
}

// x and true = x;  x and false = false;  x and x = x
Value* and_known(Builder&, const Node& node) {
  Value* const a = node.operands[0];
  Value* const b = node.operands[1];
  if (a == b || is_uniform(b, 1) || is_uniform(a, 0)) return a;
  return is_uniform(a, 1) || is_uniform(b, 0) ? b : nullptr;
}

// x or false = x;  x or true = true;  x or x = x
Value* or_known(Builder&, const Node& node) {
  Value* const a = node.operands[0];
  Value* const b = node.operands[1];
  if (a == b || is_uniform(b, 0) || is_uniform(a, 1)) return a;
  return is_uniform(a, 0) || is_uniform(b, 1) ? b : nullptr;
}

// ---- maximum, minimum, cast ----

// max(x, x) = x;  min(x, x) = x
Value* extremum_of_same(Builder&, const Node& node) {
  return node.operands[0] == node.operands[1] ? node.operands[0] : nullptr;
}

// cast(x) to x's own dtype = x
Value* cast_to_same(Builder&, const Node& node) {
  return node.operands[0]->type == node.result()->type ? node.operands[0] : nullptr;
}

// Whether every value of `from` is exactly a value of `to`.
bool embeds(DType from, DType to) {
  switch (from) {
    case DType::boolean:
      return true;
    case DType::u8:
      return true;
    case DType::i32:
      return to == DType::i64 || to == DType::f64;
    case DType::u32:
      return to == DType::i64 || to == DType::f64;
    case DType::f32:
      return to == DType::f64;
    case DType::i64:
    case DType::f64:
      return false;
  }
  return false;
}

// cast(cast(x)) = x where the first is exact and the second leads back
Value* cast_there_and_back(Builder&, const Node& node) {
  const Node* inner = made_by(node.operands[0], "cast");
  if (!inner || inner->operands[0]->type != node.result()->type) return nullptr;
  const DType from = node.result()->type.dtype;
  const DType to = inner->result()->type.dtype;
  if (from == DType::u8 && to == DType::boolean) return nullptr;
  return embeds(from, to) ? inner->operands[0] : nullptr;
}

// ---- every elementwise op ----

// f(broadcast(x), broadcast(y)) = broadcast(f(x, y)) where both broadcast one shape the same way, or scalars
Value* compute_before_broadcast(Builder& builder, const Node& node) {
  if (node.op->kind != Kind::elementwise || node.operands.empty()) return nullptr;
  const Node* wide = nullptr;  // the broadcast with the most dimensions
  for (const Value* operand : node.operands) {
    const Node* inner = made_by(operand, "broadcast");
    if (!inner) return nullptr;
    if (!wide || inner->operands[0]->type.rank() > wide->operands[0]->type.rank()) wide = inner;
  }
  std::vector<Value*> narrow;
  for (const Value* operand : node.operands) {
    const Node& inner = *operand->node;
    const Type& type = inner.operands[0]->type;
    const bool alike =
        type.shape == wide->operands[0]->type.shape && inner.attributes.ints("dims") == wide->attributes.ints("dims");
    if (type.rank() != 0 && !alike) return nullptr;
    narrow.push_back(inner.operands[0]);
  }
  Value* value = builder.make(*node.op, narrow, node.attributes)[0];
  return builder.one("broadcast", {value},
                     {{"shape", node.result()->type.shape}, {"dims", wide->attributes.ints("dims")}});
}

// f(reshape(x), reshape(y)) = reshape(f(x, y)) where x and y have one shape; scalars are broadcast to it
Value* compute_before_reshape(Builder& builder, const Node& node) {
  if (node.op->kind != Kind::elementwise) return nullptr;
  const Shape* shape = nullptr;  // before the reshapes
  std::vector<Value*> before;
  for (const Value* operand : node.operands) {
    const Node* inner = operand->node;
    const bool scalar = made_by(operand, "broadcast") && inner->operands[0]->type.rank() == 0;
    if (!scalar && !made_by(operand, "reshape")) return nullptr;
    before.push_back(inner->operands[0]);
    if (scalar) continue;
    const Shape& from = inner->operands[0]->type.shape;
    if (shape && from != *shape) return nullptr;
    shape = &from;
  }
  if (!shape) return nullptr;
  for (Value*& x : before) x = builder.broadcast_to(x, *shape);
  Value* value = builder.make(*node.op, before, node.attributes)[0];
  return builder.one("reshape", {value}, {{"shape", node.result()->type.shape}});
}

}  // namespace

const std::vector<SimplifyRule>& arithmetic_rules() {
  static const std::vector<SimplifyRule> rules = {
      {"abs", abs_of_negated},
      {"abs", abs_twice},
      {"add", add_negated},
      {"add", add_nothing},
      {"cast", cast_there_and_back},
      {"cast", cast_to_same},
      {"divide", cancel_signs},
      {"divide", divide_by_one},
      {"divide", divide_by_power_of_two},
      {"greater", compare_random_bits<false, false>},
      {"greater_equal", compare_random_bits<false, true>},
      {"less", compare_random_bits<true, false>},
      {"less_equal", compare_random_bits<true, true>},
      {"logical_and", and_known},
      {"logical_not", not_twice},
      {"logical_or", or_known},
      {"maximum", extremum_of_same},
      {"minimum", extremum_of_same},
      {"multiply", cancel_signs},
      {"multiply", multiply_by_minus_one},
      {"multiply", multiply_by_one},
      {"negate", negate_twice},
      {"select", select_known},
      {"select", select_not},
      {"select", select_same},
      {"subtract", subtract_from_nothing},
      {"subtract", subtract_negated},
      {"subtract", subtract_nothing},
      {"", compute_before_broadcast},
      {"", compute_before_reshape},
  };
  return rules;
}

}  // namespace gradc
