// Reductions: sum, product, extremes, any, all, mean, argmax and argmin, variance, norm, count_nonzero.
#include <algorithm>
#include <cmath>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- shapes and forms ----

IntList reduced_axes(const Call& call) {
  return normal_axes(call, call.attributes.ints("axis"), call.operand(0).rank());
}

Shape reduced_shape(const Call& call, const IntList& axes) {
  bool keep = call.attributes.boolean("keep");
  Shape result;
  const Shape& shape = call.operand(0).shape;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    bool reduced = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(d));
    if (!reduced)
      result.push_back(shape[d]);
    else if (keep)
      result.push_back(Dim(1));
  }
  return result;
}

void check_accepts(const Call& call, Accepts accepts) {
  DType dtype = call.operand(0).dtype;
  bool fits = accepts == Accepts::numbers    ? dtype != DType::boolean
              : accepts == Accepts::booleans ? dtype == DType::boolean
                                             : is_float(dtype);
  std::string wanted = accepts == Accepts::numbers ? "a number" : accepts == Accepts::booleans ? "a bool" : "a float";
  if (!fits) call.fail("`x` must be " + wanted + ", got " + call.operand(0).str() + "; cast it first");
}

std::function<Types(const Call&)> reduces(Accepts accepts) {
  return [accepts](const Call& call) {
    check_accepts(call, accepts);
    return Types{{call.operand(0).dtype, reduced_shape(call, reduced_axes(call))}};
  };
}

// Domain: the result. Reduction: the reduced dimensions, in order; over none of them it is a copy.
std::function<IndexedForm(const Call&)> reduction_form(Combiner combiner) {
  return [combiner](const Call& call) {
    IndexedForm form;
    form.domain = result_sizes(call);
    std::vector<std::int64_t> extents = operand_sizes(call, 0);
    IntList axes = reduced_axes(call);
    bool keep = call.attributes.boolean("keep");
    for (std::int64_t axis : axes) form.reduction.push_back(extents[static_cast<std::size_t>(axis)]);
    if (!axes.empty()) form.combiner = combiner;
    OperandAccess access;
    std::size_t kept = 0, reduced = form.domain.size();
    for (std::size_t d = 0; d < extents.size(); ++d) {
      bool is_reduced = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(d));
      access.index.push_back(variable(form.variables(), is_reduced ? reduced++ : kept++));
      if (is_reduced && keep) ++kept;
    }
    form.accesses = {std::move(access)};
    form.body = make_body({call.operand(0).dtype}, [](ScalarBuilder&, Scalars x) { return x[0]; });
    return form;
  };
}

// A reduced value stretched back over the operand.
Term spread(const Derivation& d, Term reduced) {
  const Shape& shape = d.x().shape();
  IntList axes = reduced_axes(d.call), dims;
  bool keep = d.call.attributes.boolean("keep");
  for (std::int64_t i = 0; i < std::ssize(shape); ++i)
    if (keep || !std::binary_search(axes.begin(), axes.end(), i)) dims.push_back(i);
  return broadcast_in(reduced, shape, dims);
}

Term sum_like(const Derivation& d, Term x) {
  return reduce_sum(x, reduced_axes(d.call), d.call.attributes.boolean("keep"));
}

// ---- samples and attributes ----

std::vector<AttributeSpec> reduction_attributes() {
  return {{"axis", AttributeKind::int_list, "the dimensions to reduce; empty: all", IntList{}},
          {"keep", AttributeKind::boolean, "keep reduced dimensions, with size 1", false}};
}

Sample reduction_sample(std::string_view type, IntList axis, bool keep, double low, double high) {
  std::vector<Type> operands = types({type});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"axis", std::move(axis)}, {"keep", keep}},
          .low = low,
          .high = high,
          .differentiable = differentiable};
}

std::vector<Sample> reduction_samples(double low, double high) {
  return {reduction_sample("f64[2,3]", {}, false, low, high),   reduction_sample("f64[2,3]", {0}, false, low, high),
          reduction_sample("f64[2,3]", {-1}, true, low, high),  reduction_sample("f64[2,3,5]", {0, 2}, true, low, high),
          reduction_sample("f32[4,37]", {1}, false, low, high), reduction_sample("f32[37,4]", {0}, false, low, high),
          reduction_sample("f64[37]", {}, true, low, high),     reduction_sample("f64[]", {}, false, low, high),
          reduction_sample("f64[1]", {0}, false, low, high),    reduction_sample("f64[3,0]", {1}, false, low, high),
          reduction_sample("f64[0,2]", {1}, true, low, high)};
}

// For reductions whose value over no elements is infinite or NaN, so that differences of it mean nothing.
std::vector<Sample> without_derivative_over_none(std::vector<Sample> samples) {
  for (Sample& sample : samples)
    if (!sample.operands[0].shape.empty() && sample.operands[0].shape.back() == Dim(0)) sample.differentiable = false;
  return samples;
}

std::vector<Sample> with_integers(std::vector<Sample> samples) {
  return concat(std::move(samples),
                {reduction_sample("i32[3,5]", {1}, false, -9, 10), reduction_sample("u8[7]", {}, true, 0, 9)});
}

std::vector<Sample> bool_samples() {
  return {reduction_sample("bool[2,3]", {}, false, 0, 2), reduction_sample("bool[3,5]", {1}, false, 0, 2),
          reduction_sample("bool[3,5]", {0}, true, 0, 2), reduction_sample("bool[0]", {}, false, 0, 2)};
}

// ---- sum, mean ----

std::int64_t reduced_count(const Call& call) {
  std::vector<std::int64_t> extents = operand_sizes(call, 0);
  std::int64_t count = 1;
  for (std::int64_t axis : reduced_axes(call)) count *= extents[static_cast<std::size_t>(axis)];
  return count;
}

void register_sum_and_mean(Registry& registry) {
  registry.add({.name = "sum",
                .doc = "Sum over dimensions; 0 over none. Integers wrap.",
                .kind = Kind::linear,
                .operands = {{"x", "any number"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::numbers),
                .indexed = reduction_form(Combiner::sum),
                .linear_in = {{0}},
                .transpose = [](const Derivation& d, std::size_t, Term cotangent) { return spread(d, cotangent); },
                .samples = with_integers(reduction_samples(-2, 2))});

  registry.add({.name = "mean",
                .doc = "Sum over dimensions, divided by the number of summands; NaN over none.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::floats),
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      Term sum = reduce_sum(x[0], reduced_axes(call), call.attributes.boolean("keep"));
                      return Terms{sum / static_cast<double>(reduced_count(call))};
                    },
                .samples = without_derivative_over_none(reduction_samples(-2, 2))});
}

// ---- max, min ----

// 1 / (number of ties) where x is the extreme, 0 elsewhere.
Terms extreme_vjp(const Derivation& d, std::span<const Term> cotangents) {
  Term tied = equal(d.x(), spread(d, d.y()));
  Term share = cotangents[0] / sum_like(d, cast(tied, d.x().dtype()));
  return {select(tied, spread(d, share), d.x().like(0))};
}

Terms extreme_jvp(const Derivation& d, std::span<const Term> tangents) {
  Term tied = equal(d.x(), spread(d, d.y()));
  Term ties = sum_like(d, cast(tied, d.x().dtype()));
  return {sum_like(d, select(tied, tangents[0], d.x().like(0))) / ties};
}

void register_extremes(Registry& registry) {
  registry.add({.name = "max",
                .doc =
                    "Greatest element over dimensions; NaN where there is one, -inf or the lowest integer over none. "
                    "Subgradient: evenly among ties.",
                .kind = Kind::general,
                .operands = {{"x", "any number"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::numbers),
                .indexed = reduction_form(Combiner::max),
                .vjp = extreme_vjp,
                .jvp = extreme_jvp,
                .samples = with_integers(without_derivative_over_none(reduction_samples(-2, 2)))});

  registry.add({.name = "min",
                .doc =
                    "Smallest element over dimensions; NaN where there is one, inf or the highest integer over none. "
                    "Subgradient: evenly among ties.",
                .kind = Kind::general,
                .operands = {{"x", "any number"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::numbers),
                .indexed = reduction_form(Combiner::min),
                .vjp = extreme_vjp,
                .jvp = extreme_jvp,
                .samples = with_integers(without_derivative_over_none(reduction_samples(-2, 2)))});
}

// ---- product ----

// Extents above this are cut into groups, so that the work stays linear in the extent.
constexpr std::int64_t kProductGroup = 16;

// For x[…, n]: at every place the product of all others along the last dimension, without a division.
//   small n: Π_j (i = j ? 1 : x_j)
//   large n: for groups of 16, others in the group · product of the other groups
Term products_of_others(Term x) {
  std::size_t last = x.rank() - 1;
  Shape shape = x.shape();
  std::int64_t n = shape[last].factor, axis = static_cast<std::int64_t>(last);
  if (n <= kProductGroup) {
    Shape square = shape;
    square.push_back(Dim(n));  // […, i, j]
    IntList columns;
    for (std::int64_t d = 0; d <= axis; ++d) columns.push_back(d == axis ? axis + 1 : d);
    Term same = equal(iota(x.builder(), DType::i32, square, axis), iota(x.builder(), DType::i32, square, axis + 1));
    return apply("product", {select(same, x.like(1), broadcast_in(x, square, columns))}, {{"axis", IntList{axis + 1}}});
  }
  std::int64_t groups = (n + kProductGroup - 1) / kProductGroup;
  IntList high(x.rank(), 0);
  high[last] = groups * kProductGroup - n;
  Term whole = high[last] == 0 ? x : apply("pad", {x}, {{"high", high}, {"value", 1.0}});
  Shape grouped = shape;
  grouped[last] = Dim(groups);
  grouped.push_back(Dim(kProductGroup));
  Term parts = reshape(whole, grouped);
  Term others = products_of_others(apply("product", {parts}, {{"axis", IntList{axis + 1}}}));
  IntList rows;
  for (std::int64_t d = 0; d <= axis; ++d) rows.push_back(d);
  Term result = reshape(products_of_others(parts) * broadcast_in(others, grouped, rows), whole.shape());
  return high[last] == 0 ? result : apply("slice", {result}, {{"limit", sizes(shape)}});
}

// ∂Πx/∂x_i = Π over j ≠ i of x_j, right with zeros and to any order.
Term product_partials(const Derivation& d) {
  IntList axes = reduced_axes(d.call), order;
  Term x = d.x();
  if (axes.empty() || element_count(x.shape())->factor == 0) return d.builder.term(d.builder.full(x.type(), 1));
  std::int64_t rank = static_cast<std::int64_t>(x.rank());
  for (std::int64_t i = 0; i < rank; ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) order.push_back(i);
  Shape flat;
  for (std::int64_t kept : order) flat.push_back(x.shape()[static_cast<std::size_t>(kept)]);
  flat.push_back(Dim(reduced_count(d.call)));
  order.insert(order.end(), axes.begin(), axes.end());
  Term moved = transpose(x, order);
  Term partials = reshape(products_of_others(reshape(moved, flat)), moved.shape());
  IntList back(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  return transpose(partials, back);
}

void register_product(Registry& registry) {
  registry.add(
      {.name = "product",
       .doc = "Product over dimensions; 1 over none. Integers wrap. Its gradient is right where elements are 0.",
       .kind = Kind::general,
       .operands = {{"x", "any number"}},
       .attributes = reduction_attributes(),
       .infer = reduces(Accepts::numbers),
       .indexed = reduction_form(Combiner::product),
       .vjp = [](const Derivation& d,
                 std::span<const Term> cotangents) { return Terms{spread(d, cotangents[0]) * product_partials(d)}; },
       .jvp = [](const Derivation& d,
                 std::span<const Term> tangents) { return Terms{sum_like(d, tangents[0] * product_partials(d))}; },
       .samples = with_integers(reduction_samples(0.5, 2))});
}

// ---- any, all ----

void register_logic(Registry& registry) {
  registry.add({.name = "any",
                .doc = "Whether one element holds over dimensions; false over none.",
                .kind = Kind::general,
                .operands = {{"x", "a bool"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::booleans),
                .indexed = reduction_form(Combiner::any),
                .constant_gradient = true,
                .samples = bool_samples()});

  registry.add({.name = "all",
                .doc = "Whether every element holds over dimensions; true over none.",
                .kind = Kind::general,
                .operands = {{"x", "a bool"}},
                .attributes = reduction_attributes(),
                .infer = reduces(Accepts::booleans),
                .indexed = reduction_form(Combiner::all),
                .constant_gradient = true,
                .samples = bool_samples()});
}

// ---- argmax, argmin ----

Types infer_place(const Call& call) {
  check_accepts(call, Accepts::numbers);
  const Type& x = call.operand(0);
  std::int64_t axis = normal_axis(call, call.attributes.integer("axis"), x.rank());
  const Dim& size = x.shape[static_cast<std::size_t>(axis)];
  if (size == Dim(0)) call.fail("axis " + std::to_string(axis) + " of " + x.str() + " is empty");
  if (size.is_static() && size.factor > 0x7fffffff)
    call.fail("axis " + std::to_string(axis) + " of " + x.str() + " is too long for i32");
  return {{DType::i32, reduced_shape(call, {axis})}};
}

// The smallest index at which x equals its extreme, or is NaN.
Terms compose_place(const Call& call, Term x, std::string_view extreme) {
  IntList axes = {normal_axis(call, call.attributes.integer("axis"), x.rank())};
  Term best = apply(extreme, {x}, {{"axis", axes}, {"keep", true}});
  Term hit = equal(x, best);
  if (is_float(x.dtype())) hit = apply("logical_or", {hit, apply("is_nan", {x})});
  Term place = iota(x.builder(), DType::i32, x.shape(), axes[0]);
  double beyond = static_cast<double>(x.shape()[static_cast<std::size_t>(axes[0])].factor);
  Term candidate = select(hit, place, place.like(beyond));
  return {apply("min", {candidate}, {{"axis", axes}, {"keep", call.attributes.boolean("keep")}})};
}

std::vector<AttributeSpec> place_attributes() {
  return {{"axis", AttributeKind::integer, "the dimension to search", std::int64_t{-1}},
          {"keep", AttributeKind::boolean, "keep that dimension, with size 1", false}};
}

std::vector<Sample> place_samples() {
  auto sample = [](std::string_view type, std::int64_t axis, bool keep, double low, double high) {
    return Sample{.operands = types({type}),
                  .attributes = {{"axis", axis}, {"keep", keep}},
                  .low = low,
                  .high = high,
                  .differentiable = false};
  };
  return {sample("f64[2,3]", -1, false, -2, 2),   sample("f32[5,7]", 0, true, -2, 2),
          sample("f32[2,3,37]", 1, false, -2, 2), sample("f64[1]", 0, false, -2, 2),
          sample("i32[3,5]", 1, false, 0, 3),     sample("f64[0,2]", 1, false, 0, 3)};
}

void register_places(Registry& registry) {
  registry.add(
      {.name = "argmax",
       .doc = "Index of the first greatest element along an axis, or of the first NaN.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = place_attributes(),
       .infer = infer_place,
       .compose = [](Builder&, const Call& call, std::span<const Term> x) { return compose_place(call, x[0], "max"); },
       .constant_gradient = true,
       .samples = place_samples()});

  registry.add(
      {.name = "argmin",
       .doc = "Index of the first smallest element along an axis, or of the first NaN.",
       .kind = Kind::composite,
       .operands = {{"x", "any number"}},
       .attributes = place_attributes(),
       .infer = infer_place,
       .compose = [](Builder&, const Call& call, std::span<const Term> x) { return compose_place(call, x[0], "min"); },
       .constant_gradient = true,
       .samples = place_samples()});
}

// ---- variance:  Σ c² / (n - ddof) with c = x - mean x,  dy = 2 / (n - ddof) Σ c dx

double degrees_of_freedom(const Call& call) {
  return static_cast<double>(reduced_count(call)) - static_cast<double>(call.attributes.integer("ddof"));
}

Term deviation(const Call& call, Term x) {
  return x - apply("mean", {x}, {{"axis", reduced_axes(call)}, {"keep", true}});
}

Terms compose_variance(Builder&, const Call& call, std::span<const Term> x) {
  Term square = apply("square", {deviation(call, x[0])});
  return {reduce_sum(square, reduced_axes(call), call.attributes.boolean("keep")) / degrees_of_freedom(call)};
}

Terms variance_vjp(const Derivation& d, std::span<const Term> g) {
  return {spread(d, g[0] * (2 / degrees_of_freedom(d.call))) * deviation(d.call, d.x())};
}

Terms variance_jvp(const Derivation& d, std::span<const Term> t) {
  return {sum_like(d, deviation(d.call, d.x()) * t[0]) * (2 / degrees_of_freedom(d.call))};
}

void register_variance(Registry& registry) {
  std::vector<AttributeSpec> attributes = reduction_attributes();
  attributes.push_back({"ddof", AttributeKind::integer, "subtracted from the number of summands", std::int64_t{0}});
  std::vector<Sample> samples = without_derivative_over_none(reduction_samples(-2, 2));
  samples.push_back(reduction_sample("f64[5]", {}, false, -2, 2));
  samples.back().attributes.set("ddof", std::int64_t{1});
  registry.add({.name = "variance",
                .doc = "Mean square of the distance from the mean over dimensions (numpy.var); divided by n - ddof "
                       "rather than n.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .attributes = std::move(attributes),
                .infer = reduces(Accepts::floats),
                .compose = compose_variance,
                .vjp = variance_vjp,
                .jvp = variance_jvp,
                .samples = std::move(samples)});
}

// ---- norm:  Σ |x|, √Σ x² or max |x|;  the second has dy = Σ x dx / y, and 0 at y = 0

double norm_order(const Call& call) {
  double order = call.attributes.number("order");
  if (order != 1 && order != 2 && order != INFINITY)
    call.fail("`order` must be 1, 2 or inf, got " + str(Attribute(order)));
  return order;
}

Types infer_norm(const Call& call) {
  norm_order(call);
  return reduces(Accepts::floats)(call);
}

Terms compose_norm(Builder& builder, const Call& call, std::span<const Term> x) {
  IntList axes = reduced_axes(call);
  bool keep = call.attributes.boolean("keep");
  double order = norm_order(call);
  if (order == 1) return {reduce_sum(apply("abs", {x[0]}), axes, keep)};
  if (order == 2) return {apply("sqrt", {reduce_sum(apply("square", {x[0]}), axes, keep)})};
  if (reduced_count(call) == 0) return {builder.term(builder.full(call.op.infer(call)[0], 0))};
  return {reduce_max(apply("abs", {x[0]}), axes, keep)};
}

// x / y, and 0 where y = 0.
Term direction(const Derivation& d) {
  Term y = spread(d, d.y()), zero = equal(y, 0);
  return select(zero, y.like(0), d.x() / select(zero, y.like(1), y));
}

// dy = Σ share dx: the sign of x, its direction, or the sign at the greatest, evenly among ties.
Term norm_share(const Derivation& d) {
  double order = norm_order(d.call);
  if (order == 2) return direction(d);
  Term sign = apply("sign", {d.x()});
  if (order == 1) return sign;
  Term tied = equal(apply("abs", {d.x()}), spread(d, d.y()));
  Term ties = sum_like(d, cast(tied, d.x().dtype()));
  return select(tied, sign, sign.like(0)) / spread(d, ties);
}

Terms norm_vjp(const Derivation& d, std::span<const Term> g) { return {spread(d, g[0]) * norm_share(d)}; }

Terms norm_jvp(const Derivation& d, std::span<const Term> t) { return {sum_like(d, norm_share(d) * t[0])}; }

std::vector<Sample> norm_samples() {
  std::vector<Sample> samples;
  for (double order : {1.0, 2.0, static_cast<double>(INFINITY)})
    for (Sample sample : reduction_samples(0.25, 2)) {
      sample.attributes.set("order", order);
      samples.push_back(std::move(sample));
    }
  return samples;
}

void register_norm(Registry& registry) {
  std::vector<AttributeSpec> attributes = reduction_attributes();
  attributes.push_back({"order", AttributeKind::number, "1: sum of |x|, 2: Euclidean, inf: greatest |x|", 2.0});
  registry.add({.name = "norm",
                .doc = "Length of vectors over dimensions; 0 over none. Subgradient at 0: 0; of order inf evenly among "
                       "ties.",
                .kind = Kind::composite,
                .operands = {{"x", "a float"}},
                .attributes = std::move(attributes),
                .infer = infer_norm,
                .compose = compose_norm,
                .vjp = norm_vjp,
                .jvp = norm_jvp,
                .samples = norm_samples()});
}

// ---- count_nonzero ----

void register_count(Registry& registry) {
  std::vector<Sample> samples = concat(with_integers(reduction_samples(-2, 2)), bool_samples());
  for (Sample& sample : samples) sample.differentiable = false;
  registry.add({.name = "count_nonzero",
                .doc = "How many elements are not 0 over dimensions, as i32; NaN counts.",
                .kind = Kind::composite,
                .operands = {{"x", "any value"}},
                .attributes = reduction_attributes(),
                .infer = [](const Call& call) { return Types{{DType::i32, reduced_shape(call, reduced_axes(call))}}; },
                .compose =
                    [](Builder&, const Call& call, std::span<const Term> x) {
                      Term counts = cast(cast(x[0], DType::boolean), DType::i32);
                      return Terms{reduce_sum(counts, reduced_axes(call), call.attributes.boolean("keep"))};
                    },
                .constant_gradient = true,
                .samples = std::move(samples)});
}

}  // namespace

void register_reduction(Registry& registry) {
  register_sum_and_mean(registry);
  register_extremes(registry);
  register_product(registry);
  register_logic(registry);
  register_places(registry);
  register_variance(registry);
  register_norm(registry);
  register_count(registry);
}

}  // namespace gradc
