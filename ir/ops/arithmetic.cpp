// Arithmetic: sums, products, quotients, extremes, signs, rounding, conversion.
#include <cmath>
#include <utility>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

void register_sums(Registry& registry) {
  registry.add({.name = "add",
                .doc = "a + b. Integers wrap.",
                .kind = Kind::elementwise,
                .operands = {{"a", "first summand"}, {"b", "second summand"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] + x[1]; },
                .derivative = [](const Derivation&, std::size_t, Term t) { return t; },
                .spelling = "+",
                .samples = number_samples(2)});

  registry.add({.name = "subtract",
                .doc = "a - b. Integers wrap.",
                .kind = Kind::elementwise,
                .operands = {{"a", "minuend"}, {"b", "subtrahend"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] - x[1]; },
                .derivative = [](const Derivation&, std::size_t operand, Term t) { return operand == 0 ? t : -t; },
                .spelling = "-",
                .samples = number_samples(2)});

  registry.add({.name = "negate",
                .doc = "-x. Integers wrap.",
                .kind = Kind::elementwise,
                .operands = {{"x", "any number"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return -x[0]; },
                .derivative = [](const Derivation&, std::size_t, Term t) { return -t; },
                .samples = number_samples(1)});
}

void register_products(Registry& registry) {
  registry.add({.name = "multiply",
                .doc = "a * b. Integers wrap.",
                .kind = Kind::elementwise,
                .operands = {{"a", "first factor"}, {"b", "second factor"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] * x[1]; },
                .derivative = [](const Derivation& d, std::size_t operand, Term t) { return t * d.x(1 - operand); },
                .spelling = "*",
                .samples = number_samples(2)});

  // ∂(a/b)/∂a = 1/b, ∂(a/b)/∂b = -(a/b)/b
  registry.add({.name = "divide",
                .doc = "a / b. Integers truncate towards zero, and x / 0 is 0.",
                .kind = Kind::elementwise,
                .operands = {{"a", "dividend"}, {"b", "divisor"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] / x[1]; },
                .derivative = [](const Derivation& d, std::size_t operand,
                                 Term t) { return operand == 0 ? t / d.x(1) : -(t * d.y() / d.x(1)); },
                .spelling = "/",
                .samples = number_samples(2, 0.5, 2)});

  // With q = floor(a/b), exactly: ∂/∂a = 1, ∂/∂b = -q, and q = (a - y)/b up to rounding.
  registry.add(
      {.name = "remainder",
       .doc = "a - floor(a / b) * b, exactly, with the sign of b: the % of Python and NumPy. An integer's "
              "remainder by 0 is the integer.",
       .kind = Kind::elementwise,
       .operands = {{"a", "dividend"}, {"b", "divisor"}},
       .infer = same_type(Accepts::numbers),
       .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::floor_remainder(b, x[0], x[1]); },
       .derivative = [](const Derivation& d, std::size_t operand,
                        Term t) { return operand == 0 ? t : -(t * apply("round", {(d.x(0) - d.y()) / d.x(1)})); },
       .spelling = "%",
       .samples = number_samples(2, 0.5, 3)});

  registry.add({.name = "square",
                .doc = "x * x.",
                .kind = Kind::elementwise,
                .operands = {{"x", "any number"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0] * x[0]; },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return t * (2 * d.x()); },
                .samples = number_samples(1)});

  registry.add({.name = "reciprocal",
                .doc = "1 / x.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return b.number(x[0].type, 1) / x[0]; },
                .derivative = [](const Derivation& d, std::size_t, Term t) { return -(t * apply("square", {d.y()})); },
                .samples = float_samples(1, 0.5, 2)});
}

// Half the tangent to each side of a tie, so that the two partial derivatives still add to one.
Term of_winner(Term wins, Term ties, Term t) { return select(wins, t, select(ties, t * 0.5, t.like(0))); }

// The values of a dtype.
std::pair<double, double> range_of(DType dtype) {
  switch (dtype) {
    case DType::i32:
      return {-0x1p31, 0x1p31 - 1};
    case DType::i64:
      return {-0x1p63, 0x1p63};
    case DType::u32:
      return {0, 0x1p32 - 1};
    case DType::u8:
      return {0, 255};
    case DType::boolean:
      return {0, 1};
    default:
      return {-INFINITY, INFINITY};
  }
}

// x within [low, high]; a bound that no value of the dtype passes is left out.
Scalar clipped(ScalarBuilder& b, const Call& call, Scalar x) {
  double low = call.attributes.number("low"), high = call.attributes.number("high");
  auto [lowest, highest] = range_of(x.type);
  Scalar result = x;
  if (low > lowest) result = b.select(x < b.number(x.type, low), b.number(x.type, low), result);
  if (high < highest) result = b.select(x > b.number(x.type, high), b.number(x.type, high), result);
  return result;
}

Types infer_clip(const Call& call) {
  double low = call.attributes.number("low"), high = call.attributes.number("high");
  auto text = [](double bound) { return str(Attribute(bound)); };
  if (!(low <= high)) call.fail("low must not be above high, got " + text(low) + " and " + text(high));
  const Type& type = call.operand(0);
  auto [lowest, highest] = range_of(type.dtype);
  if (low > highest || high < lowest)
    call.fail("no value of " + type.str() + " is within [" + text(low) + ", " + text(high) + "]");
  for (double bound : {low, high})
    if (!is_float(type.dtype) && !std::isinf(bound) && bound != std::floor(bound))
      call.fail("the bound " + text(bound) + " is no value of " + type.str());
  return same_type(Accepts::numbers)(call);
}

void register_extremes(Registry& registry) {
  registry.add({.name = "maximum",
                .doc = "The greater of a and b; NaN where either is NaN. Subgradient at a tie: half to each side.",
                .kind = Kind::elementwise,
                .operands = {{"a", "any number"}, {"b", "any number"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::maximum(b, x[0], x[1]); },
                .derivative =
                    [](const Derivation& d, std::size_t operand, Term t) {
                      return of_winner(greater(d.x(operand), d.x(1 - operand)), equal(d.x(0), d.x(1)), t);
                    },
                .samples = number_samples(2)});

  registry.add(
      {.name = "minimum",
       .doc = "The smaller of a and b; NaN where either is NaN. Subgradient at a tie: half to each side.",
       .kind = Kind::elementwise,
       .operands = {{"a", "any number"}, {"b", "any number"}},
       .infer = same_type(Accepts::numbers),
       .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::minimum(b, x[0], x[1]); },
       .derivative = [](const Derivation& d, std::size_t operand,
                        Term t) { return of_winner(less(d.x(operand), d.x(1 - operand)), equal(d.x(0), d.x(1)), t); },
       .samples = number_samples(2)});

  registry.add({.name = "clip",
                .doc = "x, but low where x < low and high where x > high; NaN stays. Subgradient at the bounds: 1.",
                .kind = Kind::elementwise,
                .operands = {{"x", "any number"}},
                .attributes = {{"low", AttributeKind::number, "lower bound", -INFINITY},
                               {"high", AttributeKind::number, "upper bound", INFINITY}},
                .infer = infer_clip,
                .body = [](ScalarBuilder& b, const Call& call, Scalars x) { return clipped(b, call, x[0]); },
                .derivative =
                    [](const Derivation& d, std::size_t, Term t) {
                      Term inside = apply("equal", {d.x(), d.y()});
                      return select(inside, t, t.like(0));
                    },
                .samples = {{.operands = types({"f64[2,5]"}), .attributes = {{"low", -1.0}, {"high", 0.75}}},
                            {.operands = types({"f32[13]"}), .attributes = {{"low", 0.0}}},
                            {.operands = types({"f64[7]"}), .attributes = {{"high", 0.5}}},
                            {.operands = types({"f64[0]"}), .attributes = {{"high", 0.5}}},
                            {.operands = types({"i32[7]"}),
                             .attributes = {{"low", -3.0}, {"high", 4.0}},
                             .low = -9,
                             .high = 10,
                             .differentiable = false}}});
}

void register_signs_and_rounding(Registry& registry) {
  registry.add(
      {.name = "abs",
       .doc = "|x|. Subgradient at 0: 0.",
       .kind = Kind::elementwise,
       .operands = {{"x", "any number"}},
       .infer = same_type(Accepts::numbers),
       .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::abs(b, x[0]); },
       .derivative = [](const Derivation& d, std::size_t,
                        Term t) { return select(greater(d.x(), 0), t, select(less(d.x(), 0), -t, t.like(0))); },
       .samples = number_samples(1)});

  registry.add({.name = "sign",
                .doc = "-1, 0 or 1 by the sign of x; x where it is a zero or NaN. Its derivative is taken as 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "any number"}},
                .infer = same_type(Accepts::numbers),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::sign(b, x[0]); },
                .constant_gradient = true,
                .samples = number_samples(1)});

  registry.add({.name = "floor",
                .doc = "The greatest integer not above x. Its derivative is taken as 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::floor(b, x[0]); },
                .constant_gradient = true,
                .samples = float_samples(1, -5, 5)});

  registry.add({.name = "ceil",
                .doc = "The smallest integer not below x. Its derivative is taken as 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::ceil(b, x[0]); },
                .constant_gradient = true,
                .samples = float_samples(1, -5, 5)});

  registry.add({.name = "round",
                .doc = "The integer nearest to x, of two the even one. Its derivative is taken as 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "a float"}},
                .infer = same_type(Accepts::floats),
                .body = [](ScalarBuilder& b, const Call&, Scalars x) { return elementary::round(b, x[0]); },
                .constant_gradient = true,
                .samples = float_samples(1, -5, 5)});
}

Sample cast_sample(std::string_view from, DType to) {
  bool floats = is_float(types({from})[0].dtype) && is_float(to);
  return {.operands = types({from}), .attributes = {{"dtype", to}}, .low = 0, .high = 9, .differentiable = floats};
}

void register_conversions(Registry& registry) {
  // The one elementwise op whose tangent and cotangent differ in dtype: a tangent comes as x's and leaves as y's, a
  // cotangent the other way round.
  registry.add(
      {.name = "cast",
       .doc = "x converted to another dtype. Floats round to nearest; a float becomes an integer by truncation, out of "
              "range by saturation, NaN as 0; integers wrap; anything becomes a bool by x != 0.",
       .kind = Kind::elementwise,
       .operands = {{"x", "any value"}},
       .attributes = {{"dtype", AttributeKind::dtype, "dtype of the result", {}}},
       .infer = [](const Call& call) { return Types{{call.attributes.dtype("dtype"), call.operand(0).shape}}; },
       .body = [](ScalarBuilder& b, const Call& call,
                  Scalars x) { return b.convert(x[0], call.attributes.dtype("dtype")); },
       .derivative =
           [](const Derivation& d, std::size_t, Term t) {
             DType from = d.x().dtype(), to = d.y().dtype();
             if (!is_float(from) || !is_float(to)) return Term();
             return cast(t, t.dtype() == from ? to : from);
           },
       .samples = {cast_sample("f64[2,3]", DType::f32), cast_sample("f32[5]", DType::f64),
                   cast_sample("f64[3]", DType::f64), cast_sample("f32[7]", DType::i32),
                   cast_sample("i32[7]", DType::f32), cast_sample("f32[0,2]", DType::boolean),
                   cast_sample("u8[11]", DType::f32), cast_sample("i64[]", DType::u32),
                   cast_sample("bool[5]", DType::f32)}});

  registry.add({.name = "stop_gradient",
                .doc = "x, whose derivative is taken as 0.",
                .kind = Kind::elementwise,
                .operands = {{"x", "any value"}},
                .infer = same_type(Accepts::all),
                .body = [](ScalarBuilder&, const Call&, Scalars x) { return x[0]; },
                .constant_gradient = true,
                .samples = same_samples(1, {"f64[2,3]", "f32[7]", "i32[5]", "bool[]"})});
}

}  // namespace

void register_arithmetic(Registry& registry) {
  register_sums(registry);
  register_products(registry);
  register_extremes(registry);
  register_signs_and_rounding(registry);
  register_conversions(registry);
}

}  // namespace gradc
