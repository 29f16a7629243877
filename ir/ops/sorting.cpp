// Order along a dimension: sorting, its permutation, the greatest few; adding
// at an index for every element.
//
// A short dimension is ordered by ranks: an element's rank is the number of
// elements that stand before it, one reduction over pairs without branches. A
// long one goes through a sorting network, n log² n comparisons in one scan. Both
// are stable, and sorting is differentiable through the permutation.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

std::int64_t axis_of(const Call& call) {
  return normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank());
}

// Places of elements, of NaN and of what is missing to a power of two are all i32.
constexpr std::int64_t kLongest = std::int64_t{1} << 29;

std::string where(const Call& call) {
  return "dimension " + std::to_string(axis_of(call)) + " of " + call.operand(0).str();
}

// The dimension to order along.
Dim checked_length(const Call& call) {
  const Type& x = call.operand(0);
  if (x.dtype == DType::boolean) call.fail("`x` must be a number, got " + x.str() + "; cast it first");
  const Dim& dim = x.shape[static_cast<std::size_t>(axis_of(call))];
  if (dim.is_static() && dim.factor > kLongest)
    call.fail(where(call) + " is too long: at most " + std::to_string(kLongest));
  return dim;
}

// x seen as [outer, n, inner] around an axis.
Shape around(Term x, std::int64_t axis) {
  Shape shape = {Dim(1), x.shape()[static_cast<std::size_t>(axis)], Dim(1)};
  for (std::int64_t d = 0; d < std::ssize(x.shape()); ++d)
    if (d != axis) shape[d < axis ? 0 : 2].factor *= x.shape()[static_cast<std::size_t>(d)].factor;
  return shape;
}

Term either(Term a, Term b) { return apply("logical_or", {a, b}); }
Term both(Term a, Term b) { return apply("logical_and", {a, b}); }

// For x [outer, n, inner], at every place the number of places that come before
// it; i32. NaN comes last; what is equal keeps its order.
Term ranks(Term x, bool descending) {
  const Shape& s = x.shape();
  Shape pairs = {s[0], s[1], s[1], s[2]};  // outer, i, j, inner: does j come before i?
  Term i = broadcast_in(x, pairs, {0, 1, 3}), j = broadcast_in(x, pairs, {0, 2, 3});
  Term before = descending ? greater(j, i) : less(j, i), same = equal(j, i);
  if (is_float(x.dtype())) {
    Term nan = apply("is_nan", {x});
    Term i_nan = broadcast_in(nan, pairs, {0, 1, 3}), j_nan = broadcast_in(nan, pairs, {0, 2, 3});
    before = either(before, both(i_nan, apply("logical_not", {j_nan})));
    same = either(same, both(i_nan, j_nan));
  }
  Term earlier = less(iota(x.builder(), DType::i32, pairs, 2), iota(x.builder(), DType::i32, pairs, 1));
  return reduce_sum(cast(either(before, both(same, earlier)), DType::i32), {2});
}

// The inverse of the ranks, in the shape of x: which element stands at each
// place.
Term order_by_ranks(Term x, std::int64_t axis, bool descending) {
  Shape shape = around(x, axis);
  Term rank = ranks(reshape(x, shape), descending);
  Term places = iota(x.builder(), DType::i32, shape, 1);
  Term order = apply("scatter_add_along_axis", {rank, places}, {{"axis", std::int64_t{1}}, {"size", shape[1].factor}});
  return reshape(order, x.shape());
}

// ---- the sorting network ----
//
// Batcher's bitonic network in Stone's form (1971): 2^m elements go through m * m rounds, each of which compares the
// elements i and i + 2^(m-1), for every i of the first half, exchanges them or not, and puts them next to each other:
// the perfect shuffle, which rotates the bits of a place to the left. So round t of a stage, from 0 on, compares
// elements whose places of old differ in bit m - 1 - t, and after m rounds everything is where it began. Stage s, from
// 1 on, compares in its last s rounds, and merges runs of 2^s: upwards where bit s of a place of old is 0. In round t
// that bit is bit s + t - m of i.

// A key and, among equal keys, the place before: together they differ for any two elements.
struct Keyed {
  Term key, place;  // [rows, n]
};

struct NetworkRounds {
  std::vector<std::int64_t> divisor;  // i / divisor is odd where runs go downwards
  std::vector<std::int64_t> active;   // whether the round compares at all
};

NetworkRounds network_rounds(std::int64_t m) {
  NetworkRounds rounds;
  for (std::int64_t s = 1; s <= m; ++s)
    for (std::int64_t t = 0; t < m; ++t) {
      const bool active = t >= m - s;
      rounds.active.push_back(active);
      rounds.divisor.push_back(std::int64_t{1} << (active && s < m ? s + t - m : m));
    }
  return rounds;
}

Term integers(Builder& builder, DType dtype, const std::vector<std::int64_t>& values) {
  Tensor tensor(Type{dtype, {Dim(std::ssize(values))}});
  for (std::int64_t i = 0; i < std::ssize(values); ++i) tensor.set_integer(i, values[static_cast<std::size_t>(i)]);
  return builder.term(builder.constant(std::move(tensor)));
}

Term half_of(Term x, std::int64_t half, bool second) {
  return apply(
      "slice", {x},
      {{"start", IntList{0, second ? half : 0}}, {"limit", IntList{x.shape()[0].factor, second ? 2 * half : half}}});
}

// One round on [rows, 2 * half].
Keyed network_round(const Keyed& x, Term divisor, Term active, bool descending) {
  const std::int64_t rows = x.key.shape()[0].factor, half = x.key.shape()[1].factor / 2;
  const Keyed a = {half_of(x.key, half, false), half_of(x.place, half, false)};
  const Keyed b = {half_of(x.key, half, true), half_of(x.place, half, true)};
  Term before = descending ? greater(b.key, a.key) : less(b.key, a.key);
  Term first = either(before, both(equal(b.key, a.key), less(b.place, a.place)));  // b comes before a
  Term i = iota(x.key.builder(), DType::i32, {Dim(rows), Dim(half)}, 1);
  Term down = equal(apply("remainder", {i / divisor, divisor.like(2)}), 1);
  Term exchange = both(active, apply("logical_xor", {first, down}));
  const auto next_to_each_other = [&](Term p, Term q) {
    Term pairs = apply("stack", {select(exchange, q, p), select(exchange, p, q)}, {{"axis", std::int64_t{2}}});
    return reshape(pairs, {Dim(rows), Dim(2 * half)});
  };
  return {next_to_each_other(a.key, b.key), next_to_each_other(a.place, b.place)};
}

// The elements of [rows, 2^m] in order.
Keyed through_network(const Keyed& x, std::int64_t m, bool descending) {
  const NetworkRounds rounds = network_rounds(m);
  Builder& outside = x.key.builder();
  auto body = std::make_unique<Region>();
  Builder inside(*body);
  inside.locations = outside.locations;
  const auto parameter = [&](const Type& type) { return inside.term(body->add_parameter(type, "")); };
  const Keyed carried = {parameter(x.key.type()), parameter(x.place.type())};
  Term divisor = parameter({DType::i32, {}}), active = parameter({DType::boolean, {}});
  const Keyed next = network_round(carried, divisor, active, descending);
  body->results = {next.key.value(), next.place.value()};
  std::vector<std::unique_ptr<Region>> regions;
  regions.push_back(std::move(body));
  const std::vector<Value*> operands = {x.key.value(), x.place.value(),
                                        integers(outside, DType::i32, rounds.divisor).value(),
                                        integers(outside, DType::boolean, rounds.active).value()};
  const std::vector<Value*> sorted =
      outside.make(*Registry::get().find("scan"), operands, {{"carried", std::int64_t{2}}, {"sliced", std::int64_t{2}}},
                   std::move(regions));
  return {outside.term(sorted[0]), outside.term(sorted[1])};
}

// The key that comes last in order: that of NaN, and of what fills up to a power of two.
Term last_key(Term x, bool descending) {
  return apply(descending ? "max" : "min", {x.builder().term(x.builder().full({x.dtype(), {0}}, 0))});
}

Term order_by_network(Term x, std::int64_t axis, bool descending) {
  Builder& builder = x.builder();
  const Shape shape = around(x, axis);
  const std::int64_t rows = shape[0].factor * shape[2].factor, n = shape[1].factor;
  std::int64_t m = 0;
  while ((std::int64_t{1} << m) < n) ++m;
  const std::int64_t missing = (std::int64_t{1} << m) - n;
  Keyed keyed = {reshape(transpose(reshape(x, shape), {0, 2, 1}), {Dim(rows), Dim(n)}),
                 iota(builder, DType::i32, {Dim(rows), Dim(n)}, 1)};
  // Among equal keys: numbers, then NaN (places from n on), then what was missing (from 2 n on).
  if (is_float(x.dtype())) {
    Term nan = apply("is_nan", {keyed.key});
    keyed.place = select(nan, keyed.place + static_cast<double>(n), keyed.place);
    keyed.key = select(nan, last_key(x, descending), keyed.key);
  }
  if (missing > 0) {
    const Shape filling = {Dim(rows), Dim(missing)};
    Term places = iota(builder, DType::i32, filling, 1) + static_cast<double>(2 * n);
    keyed.key =
        apply("concatenate", {keyed.key, broadcast(last_key(x, descending), filling)}, {{"axis", std::int64_t{1}}});
    keyed.place = apply("concatenate", {keyed.place, places}, {{"axis", std::int64_t{1}}});
  }
  Term order = through_network(keyed, m, descending).place;
  if (missing > 0) order = apply("slice", {order}, {{"limit", IntList{rows, n}}});
  if (is_float(x.dtype())) order = apply("remainder", {order, order.like(static_cast<double>(n))});
  return reshape(transpose(reshape(order, {shape[0], shape[2], shape[1]}), {0, 2, 1}), x.shape());
}

// Longer dimensions are for the network: about where it becomes the faster one.
constexpr std::int64_t kRanked = 64;

Term order_of(Term x, std::int64_t axis, bool descending) {
  const bool ranked = x.shape()[static_cast<std::size_t>(axis)].factor <= kRanked;
  return ranked ? order_by_ranks(x, axis, descending) : order_by_network(x, axis, descending);
}

Term empty_indices(Builder& builder, const Shape& shape) { return builder.term(builder.full({DType::i32, shape}, 0)); }

std::vector<AttributeSpec> sort_attributes() {
  return {{"axis", AttributeKind::integer, "the dimension to sort along", std::int64_t{-1}},
          {"descending", AttributeKind::boolean, "greatest first", false}};
}

Sample sort_sample(std::string_view type, std::int64_t axis, bool descending) {
  std::vector<Type> operands = types({type});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"axis", axis}, {"descending", descending}},
          .differentiable = differentiable};
}

std::vector<Sample> sort_samples() {
  return {sort_sample("f64[5]", 0, false),     sort_sample("f64[3,7]", 1, true),  sort_sample("f64[4,2,3]", 0, false),
          sort_sample("f32[2,37]", -1, false), sort_sample("i32[2,11]", 1, true), sort_sample("u8[7,2]", 0, false),
          sort_sample("f64[1]", 0, true),      sort_sample("f64[2,0]", 1, false), sort_sample("f64[67]", 0, false),
          sort_sample("f32[2,131]", 1, true),  sort_sample("i32[70,2]", 0, false)};
}

void register_sort(Registry& registry) {
  registry.add(
      {.name = "argsort",
       .doc = "The indices that put x in order along a dimension "
              "(numpy.argsort, stable); i32. NaN comes last. "
              "The work grows as n log² n.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = sort_attributes(),
       .infer = [](const Call& call) { return checked_length(call), Types{{DType::i32, call.operand(0).shape}}; },
       .compose =
           [](Builder& builder, const Call& call, std::span<const Term> x) {
             if (x[0].type().elements() == 0) return Terms{empty_indices(builder, x[0].shape())};
             return Terms{order_of(x[0], axis_of(call), call.attributes.boolean("descending"))};
           },
       .constant_gradient = true,
       .samples = sort_samples()});

  registry.add({.name = "sort",
                .doc = "x in order along a dimension; NaN comes last. Its "
                       "gradient goes back to where each element was.",
                .kind = Kind::composite,
                .operands = {{"x", "any number"}},
                .attributes = sort_attributes(),
                .infer = [](const Call& call) { return checked_length(call), Types{call.operand(0)}; },
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      if (x[0].type().elements() == 0) return Terms{x[0]};
                      std::int64_t axis = axis_of(call);
                      Term order = apply("argsort", {x[0]}, call.attributes);
                      return Terms{apply("take_along_axis", {x[0], order}, {{"axis", axis}})};
                    },
                .samples = sort_samples()});
}

// ---- top_k ----

Types infer_top_k(const Call& call) {
  const Dim n = checked_length(call);
  const std::int64_t k = call.attributes.integer("k");
  if (k < 0 || (n.is_static() && k > n.factor))
    call.fail("can't take the greatest " + std::to_string(k) + " of " + where(call));
  Shape shape = call.operand(0).shape;
  shape[static_cast<std::size_t>(axis_of(call))] = Dim(k);
  return {{call.operand(0).dtype, shape}, {DType::i32, shape}};
}

Terms compose_top_k(Builder& builder, const Call& call, std::span<const Term> x) {
  Types result = infer_top_k(call);
  if (result[0].elements() == 0)
    return {builder.term(builder.full(result[0], 0)), empty_indices(builder, result[1].shape)};
  std::int64_t axis = axis_of(call);
  Term order = apply("argsort", {x[0]}, {{"axis", axis}, {"descending", !call.attributes.boolean("smallest")}});
  Term index = apply("slice", {order}, {{"limit", sizes(result[1].shape)}});
  return {apply("take_along_axis", {x[0], index}, {{"axis", axis}}), index};
}

void register_top_k(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t k, std::int64_t axis, bool smallest) {
    std::vector<Type> operands = types({type});
    bool differentiable = is_float(operands[0].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"k", k}, {"axis", axis}, {"smallest", smallest}},
                  .differentiable = differentiable};
  };
  registry.add(
      {.name = "top_k",
       .doc = "The greatest k elements along a dimension, greatest first, and "
              "their indices. Equal ones keep "
              "their order, NaN comes last.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = {{"k", AttributeKind::integer, "how many", {}},
                      {"axis", AttributeKind::integer, "the dimension to search", std::int64_t{-1}},
                      {"smallest", AttributeKind::boolean, "the smallest instead, smallest first", false}},
       .results = {"values", "index"},
       .infer = infer_top_k,
       .compose = compose_top_k,
       .samples = {sample("f64[5]", 2, 0, false), sample("f64[3,7]", 3, 1, true), sample("f64[4,2,3]", 1, 0, false),
                   sample("f32[2,37]", 5, -1, false), sample("i32[2,11]", 4, 1, false), sample("f64[3]", 3, 0, false),
                   sample("f64[2,3]", 0, 1, false)}});
}

// ---- scatter_add_along_axis:  result[…, index[…, i, …], …] += updates[…, i,
// …] ----

Types infer_scatter_along(const Call& call) {
  const Type &index = call.operand(0), &updates = call.operand(1);
  if (!is_integer(index.dtype)) call.fail("`index` must be an integer, got " + index.str());
  if (updates.dtype == DType::boolean) call.fail("`updates` must be numbers, got " + updates.str());
  if (index.shape != updates.shape)
    call.fail("`index` must have the shape of `updates`, got " + index.str() + " and " + updates.str());
  std::int64_t size = call.attributes.integer("size");
  if (size < 0) call.fail("`size` must not be negative, got " + std::to_string(size));
  Type result = updates;
  result.shape[static_cast<std::size_t>(axis_of(call))] = Dim(size);
  return {result};
}

// Adds into one row, at Σ over dimensions of index * stride; an index outside
// becomes one outside of the row.
Terms compose_scatter_along(Builder& builder, const Call& call, std::span<const Term> x) {
  Type result = call.op.infer(call)[0];
  if (result.elements() == 0 || x[1].type().elements() == 0) return {builder.term(builder.full(result, 0))};
  std::size_t axis = static_cast<std::size_t>(axis_of(call));
  std::vector<std::int64_t> strides = row_major_strides(sizes(result.shape));
  Term index = cast(x[0], DType::i64);
  double size = static_cast<double>(result.shape[axis].factor);
  Term inside = both(apply("greater_equal", {index, index.like(0)}), less(index, size));
  Term place = index * static_cast<double>(strides[axis]);
  for (std::size_t d = 0; d < result.shape.size(); ++d)
    if (d != axis)
      place = place +
              iota(builder, DType::i64, x[1].shape(), static_cast<std::int64_t>(d)) * static_cast<double>(strides[d]);
  Term sums = apply("scatter_add", {select(inside, place, place.like(-1)), x[1]}, {{"size", result.elements()}});
  return {reshape(sums, result.shape)};
}

void register_scatter_along(Registry& registry) {
  auto sample = [](std::string_view index, std::string_view updates, std::int64_t axis, std::int64_t size) {
    std::vector<Type> operands = types({index, updates});
    bool differentiable = is_float(operands[1].dtype);
    return Sample{.operands = std::move(operands),
                  .attributes = {{"axis", axis}, {"size", size}},
                  .low = 0,
                  .high = static_cast<double>(size + 1),
                  .differentiable = differentiable};
  };
  registry.add({.name = "scatter_add_along_axis",
                .doc = "Zeros, plus every element of `updates` added at its own index "
                       "along a dimension: the transpose of "
                       "take_along_axis. An index outside is dropped.",
                .kind = Kind::composite,
                .operands = {{"index", "integers"}, {"updates", "what to add, in the shape of the index"}},
                .attributes = {{"axis", AttributeKind::integer, "the dimension to add along", std::int64_t{-1}},
                               {"size", AttributeKind::integer, "size of that dimension in the result", {}}},
                .infer = infer_scatter_along,
                .compose = compose_scatter_along,
                .samples = {sample("i32[2,3]", "f64[2,3]", -1, 4), sample("i64[5,3]", "f64[5,3]", 0, 2),
                            sample("i32[2,7,3]", "f32[2,7,3]", 1, 5), sample("u8[5]", "f64[5]", 0, 5),
                            sample("i32[2,0]", "f64[2,0]", 1, 3), sample("i32[3,1]", "i32[3,1]", 1, 1)}});
}

}  // namespace

void register_sorting(Registry& registry) {
  register_sort(registry);
  register_top_k(registry);
  register_scatter_along(registry);
}

}  // namespace gradc
