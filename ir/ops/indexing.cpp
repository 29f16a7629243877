// Indices as values: iota, one-hot, gather and its scatter-add.
#include <algorithm>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

void check_index(const Call& call, std::size_t operand) {
  const Type& index = call.operand(operand);
  if (!is_integer(index.dtype)) call.fail("`index` must be an integer, got " + index.str());
}

// ---- iota ----

Types infer_iota(const Call& call) {
  const Shape& shape = call.attributes.shape("shape");
  DType dtype = call.attributes.dtype("dtype");
  check_shape(call, shape);
  if (dtype == DType::boolean) call.fail("counts in numbers, got dtype bool");
  normal_axis(call, call.attributes.integer("axis"), shape.size());
  return {{dtype, shape}};
}

IndexedForm iota_form(const Call& call) {
  IndexedForm form;
  form.domain = result_sizes(call);
  int axis = static_cast<int>(normal_axis(call, call.attributes.integer("axis"), form.domain.size()));
  form.body = make_body(
      {}, [&](ScalarBuilder& b, Scalars) { return b.convert(b.index(axis), call.attributes.dtype("dtype")); });
  return form;
}

Sample iota_sample(Shape shape, DType dtype, std::int64_t axis) {
  return {.attributes = {{"shape", std::move(shape)}, {"dtype", dtype}, {"axis", axis}}, .differentiable = false};
}

void register_iota(Registry& registry) {
  registry.add({.name = "iota",
                .doc = "0, 1, 2, … along an axis, repeated along the others.",
                .kind = Kind::general,
                .attributes = {{"shape", AttributeKind::shape, "shape of the result", {}},
                               {"dtype", AttributeKind::dtype, "dtype of the result", DType::i32},
                               {"axis", AttributeKind::integer, "the dimension to count along", std::int64_t{0}}},
                .infer = infer_iota,
                .indexed = iota_form,
                .constant_gradient = true,
                .samples = {iota_sample({5}, DType::i32, 0), iota_sample({2, 3}, DType::f32, 1),
                            iota_sample({3, 2, 7}, DType::f64, -3), iota_sample({0}, DType::i64, 0),
                            iota_sample({1}, DType::u8, 0)}});
}

// ---- one_hot ----

Types infer_one_hot(const Call& call) {
  check_index(call, 0);
  std::int64_t classes = call.attributes.integer("classes");
  if (classes < 1) call.fail("`classes` must be at least 1, got " + std::to_string(classes));
  Type result{call.attributes.dtype("dtype"), call.operand(0).shape};
  result.shape.push_back(Dim(classes));
  return {result};
}

IndexedForm one_hot_form(const Call& call) {
  IndexedForm form;
  form.domain = result_sizes(call);
  std::size_t rank = form.domain.size();
  form.accesses = {{.operand = 0, .index = identity_maps(rank, rank - 1)}};
  DType dtype = call.attributes.dtype("dtype");
  form.body = make_body({call.operand(0).dtype}, [&](ScalarBuilder& b, Scalars x) {
    Scalar hit = b.convert(x[0], DType::i64) == b.index(static_cast<int>(rank) - 1);
    return b.convert(hit, dtype);
  });
  return form;
}

void register_one_hot(Registry& registry) {
  registry.add(
      {.name = "one_hot",
       .doc = "A new last dimension with 1 at the index and 0 elsewhere; all 0 where the index is outside.",
       .kind = Kind::general,
       .operands = {{.name = "index", .doc = "integers in [0, classes)", .dtype = DType::i32}},
       .attributes = {{"classes", AttributeKind::integer, "size of the new dimension", {}},
                      {"dtype", AttributeKind::dtype, "dtype of the result", DType::f32}},
       .infer = infer_one_hot,
       .indexed = one_hot_form,
       .constant_gradient = true,
       .samples = {
           {.operands = types({"i32[5]"}),
            .attributes = {{"classes", std::int64_t{3}}},
            .low = 0,
            .high = 3,
            .differentiable = false},
           {.operands = types({"i64[2,3]"}),
            .attributes = {{"classes", std::int64_t{7}}, {"dtype", DType::f64}},
            .low = -1,
            .high = 9,
            .differentiable = false},
           {.operands = types({"u8[]"}),
            .attributes = {{"classes", std::int64_t{1}}, {"dtype", DType::boolean}},
            .low = 0,
            .high = 2,
            .differentiable = false},
           {.operands = types({"i32[0]"}), .attributes = {{"classes", std::int64_t{2}}}, .differentiable = false}}});
}

// ---- gather, scatter_add ----
//
// Both see the result, or the updates, as [outer, index, inner], and what is indexed as [outer, size, inner].

struct IndexedRun {
  std::int64_t outer = 1, size = 1, inner = 1;
};

IndexedRun run_along(const std::vector<std::int64_t>& extents, std::size_t axis) {
  IndexedRun run;
  for (std::size_t d = 0; d < extents.size(); ++d)
    (d < axis ? run.outer : d == axis ? run.size : run.inner) *= extents[d];
  return run;
}

std::size_t gather_axis(const Call& call) {
  return static_cast<std::size_t>(normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank()));
}

Types infer_gather(const Call& call) {
  check_index(call, 1);
  std::size_t axis = gather_axis(call);
  const Type& x = call.operand(0);
  if (x.shape[axis] == Dim(0))
    call.fail("can't pick from axis " + std::to_string(axis) + " of " + x.str() + ", which is empty");
  Type result{x.dtype, Shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis))};
  result.shape.insert(result.shape.end(), call.operand(1).shape.begin(), call.operand(1).shape.end());
  result.shape.insert(result.shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape.end());
  return {result};
}

std::vector<Tensor> evaluate_gather(const Call& call, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &index = operands[1];
  Tensor result(call.op.infer(call)[0]);
  IndexedRun run = run_along(operand_sizes(call, 0), gather_axis(call));
  const std::int64_t bytes = run.inner * byte_size(x.type().dtype);
  for (std::int64_t o = 0; o < run.outer; ++o)
    for (std::int64_t i = 0; i < index.elements(); ++i) {
      std::int64_t at = std::clamp<std::int64_t>(index.get_integer(i), 0, run.size - 1);
      std::copy_n(x.data() + (o * run.size + at) * bytes, bytes, result.data() + (o * index.elements() + i) * bytes);
    }
  return {std::move(result)};
}

// The adjoint of a clamped read adds to the element that was read.
Term gather_transpose(const Derivation& d, std::size_t, Term cotangent) {
  std::size_t axis = gather_axis(d.call);
  std::int64_t size = d.x().shape()[axis].factor;
  Term index = apply("clip", {d.x(1)}, {{"low", 0.0}, {"high", static_cast<double>(size - 1)}});
  return apply("scatter_add", {index, cotangent}, {{"axis", static_cast<std::int64_t>(axis)}, {"size", size}});
}

// Rank of the result: the updates' with the index dimensions made one.
std::size_t scatter_axis(const Call& call) {
  std::size_t index = call.operand(0).rank(), updates = call.operand(1).rank();
  if (updates < index)
    call.fail("`updates` must have the dimensions of `index`, got " + call.operand(1).str() + " and " +
              call.operand(0).str());
  return static_cast<std::size_t>(normal_axis(call, call.attributes.integer("axis"), updates - index + 1));
}

Types infer_scatter_add(const Call& call) {
  check_index(call, 0);
  std::size_t axis = scatter_axis(call);
  const Type &index = call.operand(0), &updates = call.operand(1);
  if (updates.dtype == DType::boolean) call.fail("`updates` must be numbers, got " + updates.str());
  for (std::size_t d = 0; d < index.rank(); ++d)
    if (updates.shape[axis + d] != index.shape[d])
      call.fail("`updates` must have the dimensions of `index` from axis " + std::to_string(axis) + " on, got " +
                updates.str() + " and " + index.str());
  std::int64_t size = call.attributes.integer("size");
  if (size < 0) call.fail("`size` must not be negative, got " + std::to_string(size));
  Type result{updates.dtype, Shape(updates.shape.begin(), updates.shape.begin() + static_cast<std::ptrdiff_t>(axis))};
  result.shape.push_back(Dim(size));
  result.shape.insert(result.shape.end(), updates.shape.begin() + static_cast<std::ptrdiff_t>(axis + index.rank()),
                      updates.shape.end());
  return {result};
}

// Adds in the order of the updates.
std::vector<Tensor> evaluate_scatter_add(const Call& call, std::span<const Tensor> operands) {
  const Tensor &index = operands[0], &updates = operands[1];
  Tensor result(call.op.infer(call)[0]);
  bool floats = is_float(updates.type().dtype);
  IndexedRun run = run_along(result_sizes(call), scatter_axis(call));
  for (std::int64_t o = 0; o < run.outer; ++o)
    for (std::int64_t i = 0; i < index.elements(); ++i) {
      std::int64_t at = index.get_integer(i);
      if (at < 0 || at >= run.size) continue;
      for (std::int64_t k = 0; k < run.inner; ++k) {
        std::int64_t to = (o * run.size + at) * run.inner + k, from = (o * index.elements() + i) * run.inner + k;
        if (floats)
          result.set(to, result.get(to) + updates.get(from));
        else
          result.set_integer(to, static_cast<std::int64_t>(static_cast<std::uint64_t>(result.get_integer(to)) +
                                                           static_cast<std::uint64_t>(updates.get_integer(from))));
      }
    }
  return {std::move(result)};
}

// Reads back what was added; nothing where the index was outside.
Term scatter_add_transpose(const Derivation& d, std::size_t, Term cotangent) {
  Term index = d.x(0), updates = d.x(1);
  std::size_t axis = scatter_axis(d.call);
  double size = static_cast<double>(d.call.attributes.integer("size"));
  Term zero = d.builder.term(d.builder.full(updates.type(), 0));
  if (size == 0) return zero;
  Term read = apply("gather", {cotangent, index}, {{"axis", static_cast<std::int64_t>(axis)}});
  Term inside = equal(apply("clip", {index}, {{"low", 0.0}, {"high", size - 1}}), index);
  IntList dims;
  for (std::size_t i = 0; i < index.rank(); ++i) dims.push_back(static_cast<std::int64_t>(axis + i));
  return select(broadcast_in(inside, updates.shape(), dims), read, zero);
}

Sample indexed_sample(std::initializer_list<std::string_view> operands, Attributes attributes, double high,
                      bool differentiable = true) {
  return {.operands = types(operands),
          .attributes = std::move(attributes),
          .low = 0,
          .high = high,
          .differentiable = differentiable};
}

void register_gather_and_scatter(Registry& registry) {
  registry.add(
      {.name = "gather",
       .doc = "Picks along an axis by index (numpy.take): result[…, i, …] = x[…, index[i], …]. An index outside is "
              "moved to the nearest inside.",
       .kind = Kind::linear,
       .operands = {{"x", "what to pick from"}, {.name = "index", .doc = "integers of any shape", .dtype = DType::i32}},
       .attributes = {{"axis", AttributeKind::integer, "the dimension to pick along", std::int64_t{0}}},
       .infer = infer_gather,
       .linear_in = {{0}},
       .transpose = gather_transpose,
       .evaluate = evaluate_gather,
       .irregular = Irregular::gather,
       .samples = {indexed_sample({"f64[5]", "i32[7]"}, {}, 5),
                   indexed_sample({"f64[3,2]", "i32[2,2]"}, {{"axis", std::int64_t{0}}}, 3),
                   indexed_sample({"f32[2,7,3]", "i64[5]"}, {{"axis", std::int64_t{1}}}, 8),
                   indexed_sample({"f64[2,3]", "i32[]"}, {{"axis", std::int64_t{-1}}}, 3),
                   indexed_sample({"f64[2,3]", "i32[0]"}, {}, 2), indexed_sample({"i32[5]", "u8[3]"}, {}, 5, false)}});

  registry.add(
      {.name = "scatter_add",
       .doc = "Zeros, plus updates[…, i, …] added at index[i] along an axis, in order. An index outside is "
              "dropped.",
       .kind = Kind::linear,
       .operands = {{.name = "index", .doc = "integers of any shape", .dtype = DType::i32},
                    {"updates", "what to add: from the axis on it has the dimensions of the index"}},
       .attributes = {{"axis", AttributeKind::integer, "the dimension to add along", std::int64_t{0}},
                      {"size", AttributeKind::integer, "size of that dimension in the result", {}}},
       .infer = infer_scatter_add,
       .linear_in = {{1}},
       .transpose = scatter_add_transpose,
       .evaluate = evaluate_scatter_add,
       .irregular = Irregular::scatter_add,
       .samples = {indexed_sample({"i32[7]", "f64[7]"}, {{"size", std::int64_t{5}}}, 5),
                   indexed_sample({"i32[2,2]", "f64[2,2,3]"}, {{"size", std::int64_t{3}}}, 4),
                   indexed_sample({"i64[5]", "f32[2,5,3]"}, {{"axis", std::int64_t{1}}, {"size", std::int64_t{7}}}, 7),
                   indexed_sample({"i32[]", "f64[2]"}, {{"axis", std::int64_t{1}}, {"size", std::int64_t{3}}}, 3),
                   indexed_sample({"i32[0]", "f64[0,2]"}, {{"size", std::int64_t{3}}}, 3),
                   indexed_sample({"u8[3]", "i32[3]"}, {{"size", std::int64_t{5}}}, 5, false)}});
}

}  // namespace

void register_indexing(Registry& registry) {
  register_iota(registry);
  register_one_hot(registry);
  register_gather_and_scatter(registry);
}

}  // namespace gradc
