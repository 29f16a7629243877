// Random numbers as pure functions of key and offset: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011).
#include <array>
#include <functional>
#include <numbers>
#include <numeric>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- Philox ----

// Words are the low halves of i64, whatever stands above: a product of two words and its halves stay where they are.
using Words = std::array<Scalar, 4>;
using Key = std::array<Scalar, 2>;

// Ten rounds; the constants are those of the paper.
Words philox(ScalarBuilder& b, Words counter, Key key) {
  auto word = [&](std::int64_t bits) { return b.integer(DType::i64, bits); };
  auto product = [&](Scalar x, std::int64_t factor) { return (x & word(0xFFFFFFFF)) * word(factor); };
  auto high = [&](Scalar x) { return x >> word(32); };
  for (int round = 0; round < 10; ++round) {
    if (round > 0) key = {key[0] + word(0x9E3779B9), key[1] + word(0xBB67AE85)};
    Scalar first = product(counter[0], 0xD2511F53), second = product(counter[2], 0xCD9E8D57);
    counter = {high(second) ^ counter[1] ^ key[0], second, high(first) ^ counter[3] ^ key[1], first};
  }
  return counter;
}

void check_key(const Call& call) {
  if (call.operand(0) != Type{DType::u32, {2}}) call.fail("`key` must be u32[2], got " + call.operand(0).str());
  if (call.operand(1) != Type{DType::i64, {}}) call.fail("`offset` must be i64[], got " + call.operand(1).str());
}

// Row-major number of the element at hand.
Scalar element_number(ScalarBuilder& b, const std::vector<std::int64_t>& extents) {
  std::vector<std::int64_t> strides = row_major_strides(extents);
  Scalar number = b.integer(DType::i64, 0);
  for (std::size_t d = 0; d < extents.size(); ++d)
    number = number + b.index(static_cast<int>(d)) * b.integer(DType::i64, strides[d]);
  return number;
}

// Element i is word i % 4 of the block with counter (i / 4, offset), 64 bits each.
IndexedForm random_bits_form(const Call& call) {
  IndexedForm form;
  form.domain = result_sizes(call);
  std::size_t rank = form.domain.size();
  constexpr std::int64_t kLowBlocks = std::int64_t{4} << 32;  // elements whose blocks are numbered by low words alone
  const std::int64_t elements =
      std::accumulate(form.domain.begin(), form.domain.end(), std::int64_t{1}, std::multiplies());
  form.accesses = {{0, {constant_index(rank, 0)}}, {0, {constant_index(rank, 1)}}, {1, {}}};
  form.body = make_body({DType::u32, DType::u32, DType::i64}, [&](ScalarBuilder& b, Scalars x) {
    auto high = [&](Scalar both) { return both >> b.integer(DType::i64, 32); };
    auto bits = [&](Scalar word) { return b.convert(word, DType::u32); };
    auto wide = [&](Scalar word) { return b.convert(word, DType::i64); };
    Scalar number = element_number(b, form.domain);
    Scalar block = number >> b.integer(DType::i64, 2), lane = number & b.integer(DType::i64, 3);
    Scalar high_block = elements <= kLowBlocks ? b.integer(DType::i64, 0) : high(block);
    Words words = philox(b, {block, high_block, x[2], high(x[2])}, {wide(x[0]), wide(x[1])});
    Scalar result = bits(words[3]);
    for (int i = 3; i-- > 0;)
      result = b.select(lane == b.integer(DType::i64, i), bits(words[static_cast<std::size_t>(i)]), result);
    return result;
  });
  return form;
}

// ---- from bits to numbers ----

Types infer_unit_interval(const Call& call) {
  const Type& bits = call.operand(0);
  std::int64_t digits = call.attributes.integer("digits");
  DType dtype = call.attributes.dtype("dtype");
  if (bits.dtype != DType::u32) call.fail("`bits` must be u32, got " + bits.str());
  if (!is_float(dtype)) call.fail("`dtype` must be a float, got " + std::string(name_of(dtype)));
  if (digits < 1 || digits > 32) call.fail("`digits` must be within [1, 32], got " + std::to_string(digits));
  return {{dtype, bits.shape}};
}

// (bits >> (32 - digits)) * 2^-digits
Scalar unit_interval_body(ScalarBuilder& b, const Call& call, Scalars x) {
  std::int64_t digits = call.attributes.integer("digits");
  DType dtype = call.attributes.dtype("dtype");
  Scalar top = digits == 32 ? x[0] : x[0] >> b.integer(DType::u32, 32 - digits);
  return b.convert(top, dtype) * b.number(dtype, 1.0 / static_cast<double>(std::int64_t{1} << digits));
}

Term unit_interval(Term bits, DType dtype, std::int64_t digits) {
  return apply("unit_interval", {bits}, {{"dtype", dtype}, {"digits", digits}});
}

// `count` independent values per element, uniform in [0, 1), with all digits of the dtype's mantissa: 24 bits of one
// word, or 32 + 21 bits of two.
Terms uniforms(const Call& call, std::span<const Term> key, std::int64_t count) {
  const Shape& shape = call.attributes.shape("shape");
  DType dtype = call.attributes.dtype("dtype");
  std::int64_t words = dtype == DType::f64 ? 2 : 1;
  Shape all = shape;
  all.insert(all.begin(), Dim(words * count));
  Term bits = apply("random_bits", {key[0], key[1]}, {{"shape", all}});
  auto word = [&](std::int64_t i) {
    IntList start(all.size(), 0), limit = sizes(all);
    start[0] = i;
    limit[0] = i + 1;
    return reshape(apply("slice", {bits}, {{"start", start}, {"limit", limit}}), shape);
  };
  Terms result;
  for (std::int64_t i = 0; i < count; ++i)
    result.push_back(words == 1
                         ? unit_interval(word(i), dtype, 24)
                         : unit_interval(word(2 * i), dtype, 32) + unit_interval(word(2 * i + 1), dtype, 21) * 0x1p-32);
  return result;
}

Terms compose_uniform(Builder&, const Call& call, std::span<const Term> key) {
  double low = call.attributes.number("low"), high = call.attributes.number("high");
  Term unit = uniforms(call, key, 1)[0];
  if (low == 0 && high == 1) return {unit};
  return {unit * (high - low) + low};
}

// Box and Muller (1958): sqrt(-2 log(1 - u)) * cos(2πv)
Terms compose_normal(Builder&, const Call& call, std::span<const Term> key) {
  double mean = call.attributes.number("mean"), deviation = call.attributes.number("deviation");
  Terms unit = uniforms(call, key, 2);
  Term radius = apply("sqrt", {-2 * apply("log", {1 - unit[0]})});
  Term standard = radius * apply("cos", {2 * std::numbers::pi * unit[1]});
  if (mean == 0 && deviation == 1) return {standard};
  return {standard * deviation + mean};
}

Types infer_random_floats(const Call& call) {
  check_key(call);
  DType dtype = call.attributes.dtype("dtype");
  if (!is_float(dtype)) call.fail("`dtype` must be a float, got " + std::string(name_of(dtype)));
  check_shape(call, call.attributes.shape("shape"));
  return {{dtype, call.attributes.shape("shape")}};
}

// ---- entries ----

std::vector<OperandSpec> key_and_offset() {
  return {
      {"key", "u32[2]: the seed"},
      {.name = "offset", .doc = "i64[]: number of the stream; streams of one key never overlap", .dtype = DType::i64}};
}

std::vector<AttributeSpec> float_attributes(std::string_view first, std::string_view second) {
  std::string a(first), b(second);
  return {{"shape", AttributeKind::shape, "shape of the result", {}},
          {"dtype", AttributeKind::dtype, "dtype of the result, a float", DType::f32},
          {a, AttributeKind::number, a == "low" ? "lower bound" : "mean", 0.0},
          {b, AttributeKind::number, b == "high" ? "upper bound" : "standard deviation", 1.0}};
}

Sample random_sample(Attributes attributes) {
  return {.operands = types({"u32[2]", "i64[]"}),
          .attributes = std::move(attributes),
          .low = 0,
          .high = 1 << 20,
          .differentiable = false};
}

void register_bits(Registry& registry) {
  registry.add(
      {.name = "random_bits",
       .doc = "Uniformly random bits, by Philox4x32-10: element i is word i % 4 of the block with counter (i / 4, "
              "offset).",
       .kind = Kind::general,
       .operands = key_and_offset(),
       .attributes = {{"shape", AttributeKind::shape, "shape of the result", {}}},
       .infer =
           [](const Call& call) {
             check_key(call);
             check_shape(call, call.attributes.shape("shape"));
             return Types{{DType::u32, call.attributes.shape("shape")}};
           },
       .indexed = random_bits_form,
       .constant_gradient = true,
       .expensive = true,
       .samples = {random_sample({{"shape", Shape{2, 3}}}), random_sample({{"shape", Shape{37}}}),
                   random_sample({{"shape", Shape{3, 211}}}), random_sample({{"shape", Shape{}}}),
                   random_sample({{"shape", Shape{0, 3}}})}});

  registry.add({.name = "unit_interval",
                .doc = "The highest digits of random bits as a fraction in [0, 1).",
                .kind = Kind::elementwise,
                .operands = {{"bits", "u32"}},
                .attributes = {{"dtype", AttributeKind::dtype, "dtype of the result, a float", DType::f32},
                               {"digits", AttributeKind::integer, "how many bits to use", std::int64_t{24}}},
                .infer = infer_unit_interval,
                .body = unit_interval_body,
                .constant_gradient = true,
                .internal = true,
                .samples = {{.operands = types({"u32[2,3]"}), .low = 0, .high = 0x1p32, .differentiable = false},
                            {.operands = types({"u32[37]"}),
                             .attributes = {{"dtype", DType::f64}, {"digits", std::int64_t{32}}},
                             .low = 0,
                             .high = 0x1p32,
                             .differentiable = false},
                            {.operands = types({"u32[0]"}), .differentiable = false}}});
}

}  // namespace

void register_random(Registry& registry) {
  register_bits(registry);

  registry.add({.name = "random_uniform",
                .doc = "Uniformly distributed in [low, high), up to rounding at the upper bound.",
                .kind = Kind::composite,
                .operands = key_and_offset(),
                .attributes = float_attributes("low", "high"),
                .infer = infer_random_floats,
                .compose = compose_uniform,
                .constant_gradient = true,
                .expensive = true,
                .samples = {random_sample({{"shape", Shape{5, 7}}}),
                            random_sample({{"shape", Shape{13}}, {"dtype", DType::f64}, {"low", -2.0}, {"high", 3.0}}),
                            random_sample({{"shape", Shape{}}, {"high", 0.5}}), random_sample({{"shape", Shape{0}}})}});

  registry.add(
      {.name = "random_normal",
       .doc = "Normally distributed.",
       .kind = Kind::composite,
       .operands = key_and_offset(),
       .attributes = float_attributes("mean", "deviation"),
       .infer = infer_random_floats,
       .compose = compose_normal,
       .constant_gradient = true,
       .expensive = true,
       .samples = {random_sample({{"shape", Shape{5, 7}}}),
                   random_sample({{"shape", Shape{13}}, {"dtype", DType::f64}, {"mean", 1.0}, {"deviation", 0.25}}),
                   random_sample({{"shape", Shape{}}}), random_sample({{"shape", Shape{0}}})}});
}

}  // namespace gradc
