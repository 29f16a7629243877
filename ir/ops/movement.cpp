// Movement: the same elements elsewhere, as index maps that fusion absorbs.
#include "ir/ops/movement.h"

#include <algorithm>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- broadcast ----

Types infer_broadcast(const Call& call) {
  const Type& x = call.operand(0);
  const Shape& shape = call.attributes.shape("shape");
  const IntList& dims = call.attributes.ints("dims");
  check_shape(call, shape);
  if (dims.size() != x.rank())
    call.fail("`dims` must name a dimension for each of " + x.str() + ", got " + str(Attribute(dims)));
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < 0 || dims[i] >= std::ssize(shape) || (i > 0 && dims[i] <= dims[i - 1]))
      call.fail("`dims` must rise within the dimensions of " + str(shape) + ", got " + str(Attribute(dims)));
    const Dim& to = shape[static_cast<std::size_t>(dims[i])];
    if (x.shape[i] != to && x.shape[i] != Dim(1))
      call.fail("can't stretch dimension " + std::to_string(i) + " of " + x.str() + " to " + to.str());
  }
  return {{x.dtype, shape}};
}

IndexedForm broadcast_form(const Call& call) {
  const IntList& dims = call.attributes.ints("dims");
  std::size_t rank = call.attributes.shape("shape").size();
  std::vector<IndexMap> index;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    std::size_t to = static_cast<std::size_t>(dims[i]);
    bool stretched = call.operand(0).shape[i] == Dim(1);
    index.push_back(stretched ? constant_index(rank, 0) : variable(rank, to));
  }
  return copying_form(call, std::move(index));
}

// Sums over the dimensions that the broadcast made or stretched.
Term broadcast_transpose(const Derivation& d, std::size_t, Term cotangent) {
  const IntList& dims = d.call.attributes.ints("dims");
  IntList summed;
  for (std::int64_t to = 0; to < std::ssize(cotangent.shape()); ++to) {
    auto from = std::find(dims.begin(), dims.end(), to);
    if (from == dims.end() ||
        d.x().shape()[static_cast<std::size_t>(from - dims.begin())] != cotangent.shape()[static_cast<std::size_t>(to)])
      summed.push_back(to);
  }
  Term sum = summed.empty() ? cotangent : reduce_sum(cotangent, summed);
  return sum.shape() == d.x().shape() ? sum : reshape(sum, d.x().shape());
}

Sample broadcast_sample(std::string_view from, Shape to, IntList dims) {
  std::vector<Type> operands = types({from});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"shape", std::move(to)}, {"dims", std::move(dims)}},
          .differentiable = differentiable};
}

void register_broadcast(Registry& registry) {
  registry.add(
      {.name = "broadcast",
       .doc = "x repeated along new dimensions, and along those where its size is 1.",
       .kind = Kind::linear,
       .operands = {{"x", "any value"}},
       .attributes = {{"shape", AttributeKind::shape, "shape of the result", {}},
                      {"dims",
                       AttributeKind::int_list,
                       "for each dimension of x the one of the result that it becomes, rising",
                       {}}},
       .infer = infer_broadcast,
       .indexed = broadcast_form,
       .linear_in = {{0}},
       .transpose = broadcast_transpose,
       .samples = {broadcast_sample("f64[3]", {2, 3}, {1}), broadcast_sample("f64[3,1]", {3, 5}, {0, 1}),
                   broadcast_sample("f32[]", {4, 7}, {}), broadcast_sample("f32[2,1,3]", {2, 4, 5, 3}, {0, 2, 3}),
                   broadcast_sample("f64[2,3]", {2, 3}, {0, 1}), broadcast_sample("f64[1]", {1}, {0}),
                   broadcast_sample("f64[0]", {3, 0}, {1}), broadcast_sample("i32[5]", {5, 2}, {0})}});
}

// ---- transpose, reverse ----

Types infer_transpose(const Call& call) {
  const Type& x = call.operand(0);
  const IntList& permutation = call.attributes.ints("permutation");
  IntList sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  bool fits = sorted.size() == x.rank();
  for (std::size_t i = 0; fits && i < sorted.size(); ++i) fits = sorted[i] == static_cast<std::int64_t>(i);
  if (!fits)
    call.fail("`permutation` must name every dimension of " + x.str() + " once, got " + str(Attribute(permutation)));
  Type result{x.dtype, {}};
  for (std::int64_t from : permutation) result.shape.push_back(x.shape[static_cast<std::size_t>(from)]);
  return {result};
}

IntList inverse(const IntList& permutation) {
  IntList result(permutation.size());
  for (std::size_t i = 0; i < permutation.size(); ++i)
    result[static_cast<std::size_t>(permutation[i])] = static_cast<std::int64_t>(i);
  return result;
}

IndexedForm transpose_form(const Call& call) {
  std::vector<IndexMap> index;
  for (std::int64_t to : inverse(call.attributes.ints("permutation")))
    index.push_back(variable(call.operand(0).rank(), static_cast<std::size_t>(to)));
  return copying_form(call, std::move(index));
}

IndexedForm reverse_form(const Call& call) {
  std::vector<std::int64_t> extents = operand_sizes(call, 0);
  std::vector<IndexMap> index = identity_maps(extents.size(), extents.size());
  for (std::int64_t axis : normal_axes(call, call.attributes.ints("axis"), extents.size())) {
    std::size_t d = static_cast<std::size_t>(axis);
    index[d] = variable(extents.size(), d, -1, extents[d] - 1);
  }
  return copying_form(call, std::move(index));
}

Sample transpose_sample(std::string_view from, IntList permutation) {
  std::vector<Type> operands = types({from});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"permutation", std::move(permutation)}},
          .differentiable = differentiable};
}

void register_transpose_and_reverse(Registry& registry) {
  registry.add(
      {.name = "transpose",
       .doc = "x with its dimensions in another order: dimension i of the result is dimension permutation[i] of "
              "x.",
       .kind = Kind::linear,
       .operands = {{"x", "any value"}},
       .attributes = {{"permutation", AttributeKind::int_list, "the dimensions of x in their new order", {}}},
       .infer = infer_transpose,
       .indexed = transpose_form,
       .linear_in = {{0}},
       .transpose = [](const Derivation& d, std::size_t,
                       Term cotangent) { return transpose(cotangent, inverse(d.call.attributes.ints("permutation"))); },
       .samples = {transpose_sample("f64[2,3]", {1, 0}), transpose_sample("f64[2,3,5]", {2, 0, 1}),
                   transpose_sample("f32[7,11]", {1, 0}), transpose_sample("f64[]", {}),
                   transpose_sample("f64[0,3]", {1, 0}), transpose_sample("i32[3,1,2]", {0, 2, 1})}});

  registry.add({.name = "reverse",
                .doc = "x with the elements along some dimensions in opposite order (numpy.flip).",
                .kind = Kind::linear,
                .operands = {{"x", "any value"}},
                .attributes = {{"axis", AttributeKind::int_list, "dimensions to reverse; empty: all", IntList{}}},
                .infer =
                    [](const Call& call) {
                      normal_axes(call, call.attributes.ints("axis"), call.operand(0).rank());
                      return Types{call.operand(0)};
                    },
                .indexed = reverse_form,
                .linear_in = {{0}},
                .transpose = [](const Derivation& d, std::size_t,
                                Term cotangent) { return apply("reverse", {cotangent}, d.call.attributes); },
                .samples = {{.operands = types({"f64[5]"})},
                            {.operands = types({"f64[2,3]"}), .attributes = {{"axis", IntList{1}}}},
                            {.operands = types({"f32[3,4,5]"}), .attributes = {{"axis", IntList{0, -1}}}},
                            {.operands = types({"f64[0]"})},
                            {.operands = types({"i32[1,7]"}), .differentiable = false}}});
}

// ---- slice ----

// Where an index from the end, or kToEnd, points in a dimension of `size` elements.
std::int64_t from_end(std::int64_t index, std::int64_t size) {
  if (index == kToEnd) return size;
  return index < 0 ? index + size : index;
}

SliceRange slice_range(const Call& call, std::size_t d, std::int64_t start, std::int64_t limit, std::int64_t stride) {
  const Type& x = call.operand(0);
  const std::string where = "dimension " + std::to_string(d) + " of " + x.str();
  if (stride < 1) call.fail("the stride along " + where + " must be at least 1, got " + std::to_string(stride));
  if (start == 0 && limit == kToEnd && stride == 1) return {x.shape[d]};
  if (!x.shape[d].is_static()) {
    // Between two places that count from the same end the size is known; whether they are inside is seen once bound.
    const std::int64_t end = start < 0 && limit == kToEnd ? 0 : limit;
    const bool same_end = start < 0 ? end <= 0 && start > INT64_MIN : limit != kToEnd && limit >= 0;
    if (!same_end) call.fail("can't cut " + where + ", whose size is not known before it is bound");
    if (end < start)
      call.fail("limit " + std::to_string(limit) + " is before start " + std::to_string(start) + " along " + where);
    return {Dim((end - start) / stride + ((end - start) % stride != 0 ? 1 : 0)), start, stride};
  }
  std::int64_t size = x.shape[d].factor, first = from_end(start, size), end = from_end(limit, size);
  if (first < 0 || first > size) call.fail("start " + std::to_string(start) + " is outside " + where);
  if (end < 0 || end > size) call.fail("limit " + std::to_string(limit) + " is outside " + where);
  if (end < first)
    call.fail("limit " + std::to_string(limit) + " is before start " + std::to_string(start) + " along " + where);
  return {Dim((end - first) / stride + ((end - first) % stride != 0 ? 1 : 0)), first, stride};
}

Types infer_slice(const Call& call) {
  Type result{call.operand(0).dtype, {}};
  for (const SliceRange& range : slice_ranges(call)) result.shape.push_back(range.size);
  return {result};
}

IndexedForm slice_form(const Call& call) {
  std::vector<SliceRange> ranges = slice_ranges(call);
  std::vector<IndexMap> index;
  for (std::size_t d = 0; d < ranges.size(); ++d)
    index.push_back(variable(ranges.size(), d, ranges[d].stride, ranges[d].start));
  return copying_form(call, std::move(index));
}

Term slice(Term x, IntList start, IntList limit, IntList stride) {
  return apply("slice", {x}, {{"start", std::move(start)}, {"limit", std::move(limit)}, {"stride", std::move(stride)}});
}

Term padded(Term x, IntList low, IntList high, IntList interior) {
  return apply("pad", {x}, {{"low", std::move(low)}, {"high", std::move(high)}, {"interior", std::move(interior)}});
}

// Zeros around and between the elements of the cotangent.
Term slice_transpose(const Derivation& d, std::size_t, Term cotangent) {
  std::vector<SliceRange> ranges = slice_ranges(d.call);
  std::vector<std::int64_t> whole = sizes(d.x().shape());
  IntList low, high, interior;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    std::int64_t size = ranges[i].size.factor;
    std::int64_t covered = size == 0 ? 0 : (size - 1) * ranges[i].stride + 1;
    low.push_back(ranges[i].start);
    high.push_back(whole[i] - ranges[i].start - covered);
    interior.push_back(ranges[i].stride - 1);
  }
  return padded(cotangent, std::move(low), std::move(high), std::move(interior));
}

Sample slice_sample(std::string_view from, IntList start, IntList limit, IntList stride) {
  std::vector<Type> operands = types({from});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"start", std::move(start)}, {"limit", std::move(limit)}, {"stride", std::move(stride)}},
          .differentiable = differentiable};
}

void register_slice(Registry& registry) {
  registry.add(
      {.name = "slice",
       .doc =
           "The elements start, start + stride, … below limit of each dimension. A negative start or limit counts from "
           "the end.",
       .kind = Kind::linear,
       .operands = {{"x", "any value"}},
       .attributes = {{"start", AttributeKind::int_list, "first index in each dimension; empty: 0", IntList{}},
                      {"limit", AttributeKind::int_list,
                       "index to stop before in each dimension; empty, or 9223372036854775807: the end", IntList{}},
                      {"stride", AttributeKind::int_list, "step in each dimension; empty: 1", IntList{}}},
       .infer = infer_slice,
       .indexed = slice_form,
       .linear_in = {{0}},
       .transpose = slice_transpose,
       .samples = {slice_sample("f64[5]", {1}, {4}, {1}), slice_sample("f64[7,3]", {0, 1}, {7, 3}, {2, 1}),
                   slice_sample("f32[5,11]", {1, -7}, {-1, kToEnd}, {}), slice_sample("f64[3]", {}, {}, {3}),
                   slice_sample("f64[4]", {2}, {2}, {}), slice_sample("f64[]", {}, {}, {}),
                   slice_sample("f64[8]", {1}, {8}, {3}), slice_sample("i32[5]", {1}, {}, {})}});
}

// ---- pad ----

Types infer_pad(const Call& call) {
  const Type& x = call.operand(0);
  IntList low = filled_list(call, "low", x.rank(), 0), high = filled_list(call, "high", x.rank(), 0),
          interior = filled_list(call, "interior", x.rank(), 0);
  Type result{x.dtype, {}};
  for (std::size_t d = 0; d < x.rank(); ++d) {
    std::int64_t least = std::min({low[d], high[d], interior[d]});
    if (least < 0) call.fail("padding must not be negative, got " + std::to_string(least));
    if (low[d] == 0 && high[d] == 0 && interior[d] == 0) {
      result.shape.push_back(x.shape[d]);
      continue;
    }
    if (!x.shape[d].is_static())
      call.fail("can't pad dimension " + std::to_string(d) + " of " + x.str() +
                ", whose size is not known before it is bound");
    std::int64_t size = x.shape[d].factor, between = 0, sum = 0;
    if (interior[d] == INT64_MAX ||  // its index map divides by interior + 1
        __builtin_mul_overflow(std::max<std::int64_t>(size - 1, 0), interior[d], &between) ||
        __builtin_add_overflow(low[d], high[d], &sum) || __builtin_add_overflow(sum, between, &sum) ||
        __builtin_add_overflow(sum, size, &sum))
      call.fail("the padded size of dimension " + std::to_string(d) + " of " + x.str() + " overflows");
    result.shape.push_back(Dim(sum));
  }
  return {result};
}

// result[i] = x[(i - low) / (interior + 1)], or the value where that is outside or no whole number.
IndexedForm pad_form(const Call& call) {
  std::size_t rank = call.operand(0).rank();
  IntList low = filled_list(call, "low", rank, 0), interior = filled_list(call, "interior", rank, 0);
  std::vector<IndexMap> index;
  for (std::size_t d = 0; d < rank; ++d) {
    index.push_back(variable(rank, d, 1, -low[d]));
    index.back().divisor = interior[d] + 1;
  }
  IndexedForm form = copying_form(call, std::move(index));
  form.accesses[0].guarded = true;
  form.accesses[0].outside = call.attributes.number("value");
  return form;
}

Term unpadded(const Derivation& d, Term cotangent) {
  std::size_t rank = d.x().rank();
  IntList low = filled_list(d.call, "low", rank, 0), stride = filled_list(d.call, "interior", rank, 0), limit;
  std::vector<std::int64_t> whole = sizes(d.x().shape());
  for (std::size_t i = 0; i < rank; ++i) {
    stride[i] += 1;
    limit.push_back(whole[i] == 0 ? low[i] : low[i] + (whole[i] - 1) * stride[i] + 1);
  }
  return slice(cotangent, std::move(low), std::move(limit), std::move(stride));
}

Term pad_tangent(const Derivation& d, Term tangent) {
  return padded(tangent, d.call.attributes.ints("low"), d.call.attributes.ints("high"),
                d.call.attributes.ints("interior"));
}

Sample pad_sample(std::string_view from, IntList low, IntList high, IntList interior, double value) {
  std::vector<Type> operands = types({from});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"low", std::move(low)},
                         {"high", std::move(high)},
                         {"interior", std::move(interior)},
                         {"value", value}},
          .differentiable = differentiable};
}

void register_pad(Registry& registry) {
  registry.add(
      {.name = "pad",
       .doc = "x with a constant around it, and between its elements.",
       .kind = Kind::general,
       .operands = {{"x", "any value"}},
       .attributes = {{"low", AttributeKind::int_list, "how many before each dimension; empty: none", IntList{}},
                      {"high", AttributeKind::int_list, "how many after each dimension; empty: none", IntList{}},
                      {"interior", AttributeKind::int_list,
                       "how many between neighbours of each dimension; empty: none", IntList{}},
                      {"value", AttributeKind::number, "the constant", 0.0}},
       .infer = infer_pad,
       .indexed = pad_form,
       .vjp = [](const Derivation& d, std::span<const Term> cotangents) { return Terms{unpadded(d, cotangents[0])}; },
       .jvp = [](const Derivation& d, std::span<const Term> tangents) { return Terms{pad_tangent(d, tangents[0])}; },
       .samples = {pad_sample("f64[3]", {1}, {2}, {}, 0), pad_sample("f64[2,3]", {0, 1}, {1, 0}, {2, 0}, 0.5),
                   pad_sample("f32[3,5]", {2, 0}, {}, {}, -1), pad_sample("f64[1]", {0}, {0}, {4}, 1),
                   pad_sample("f64[0]", {2}, {1}, {3}, 0), pad_sample("f64[]", {}, {}, {}, 0),
                   pad_sample("i32[3]", {1}, {1}, {1}, 7)}});
}

// ---- concatenate ----

std::size_t concatenation_axis(const Call& call) {
  if (call.operands.empty()) call.fail("takes at least one operand");
  return static_cast<std::size_t>(normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank()));
}

Types infer_concatenate(const Call& call) {
  std::size_t axis = concatenation_axis(call);
  Type result = call.operand(0);
  for (std::size_t i = 1; i < call.operands.size(); ++i) {
    const Type& next = call.operand(i);
    if (next.dtype != result.dtype)
      call.fail("dtypes differ: " + call.operand(0).str() + " and " + next.str() + "; cast one of them");
    bool fits = next.rank() == result.rank();
    for (std::size_t d = 0; fits && d < next.rank(); ++d) fits = d == axis || next.shape[d] == result.shape[d];
    if (!fits)
      call.fail("shapes differ outside axis " + std::to_string(axis) + ": " + call.operand(0).str() + " and " +
                next.str());
    Dim &sum = result.shape[axis], more = next.shape[axis];
    bool zero = sum == Dim(0);
    if (!zero && more != Dim(0) && more.symbol != sum.symbol)
      call.fail("can't add the sizes " + sum.str() + " and " + more.str() + " before they are bound");
    if (more.factor > 0 && __builtin_add_overflow(sum.factor, more.factor, &sum.factor))
      call.fail("the size of axis " + std::to_string(axis) + " overflows");
    if (zero) sum.symbol = more.symbol;
  }
  return {result};
}

// Every operand is read with a guard at its own offset, and the index along the axis tells which one counts.
IndexedForm concatenate_form(const Call& call) {
  std::size_t axis = concatenation_axis(call);
  IndexedForm form;
  form.domain = result_sizes(call);
  IntList ends;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < call.operands.size(); ++i) {
    std::vector<IndexMap> index = identity_maps(form.domain.size(), form.domain.size());
    index[axis].offset = -offset;
    form.accesses.push_back({.operand = static_cast<int>(i), .index = std::move(index), .guarded = true});
    offset += operand_sizes(call, i)[axis];
    ends.push_back(offset);
  }
  std::vector<DType> dtypes(call.operands.size(), call.operand(0).dtype);
  form.body = make_body(std::move(dtypes), [&](ScalarBuilder& b, Scalars x) {
    Scalar result = x.back();
    for (std::size_t i = x.size() - 1; i-- > 0;)
      result = b.select(b.index(static_cast<int>(axis)) < b.integer(DType::i64, ends[i]), x[i], result);
    return result;
  });
  return form;
}

// The cotangent's piece at the operand's place.
Term concatenate_transpose(const Derivation& d, std::size_t operand, Term cotangent) {
  std::size_t axis = concatenation_axis(d.call);
  IntList start(cotangent.rank(), 0), limit = sizes(cotangent.shape());
  for (std::size_t i = 0; i < operand; ++i) start[axis] += operand_sizes(d.call, i)[axis];
  limit[axis] = start[axis] + operand_sizes(d.call, operand)[axis];
  return slice(cotangent, std::move(start), std::move(limit), {});
}

void register_concatenate(Registry& registry) {
  registry.add(
      {.name = "concatenate",
       .doc = "The operands one after another along an axis.",
       .kind = Kind::linear,
       .operands = {{"x", "values that differ in size along the axis at most", true}},
       .attributes = {{"axis", AttributeKind::integer, "the dimension to join along", std::int64_t{0}}},
       .infer = infer_concatenate,
       .indexed = concatenate_form,
       .linear_in = {{0}},
       .transpose = concatenate_transpose,
       .samples = {{.operands = types({"f64[3]", "f64[2]"})},
                   {.operands = types({"f64[2,3]", "f64[2,1]", "f64[2,5]"}), .attributes = {{"axis", std::int64_t{1}}}},
                   {.operands = types({"f32[2,3,5]", "f32[2,4,5]"}), .attributes = {{"axis", std::int64_t{-2}}}},
                   {.operands = types({"f64[7]"})},
                   {.operands = types({"f64[0,2]", "f64[3,2]", "f64[0,2]"})},
                   {.operands = types({"i32[3]", "i32[1]"}), .differentiable = false}}});
}

}  // namespace

std::vector<SliceRange> slice_ranges(const Call& call) {
  std::size_t rank = call.operand(0).rank();
  IntList start = filled_list(call, "start", rank, 0), limit = filled_list(call, "limit", rank, kToEnd),
          stride = filled_list(call, "stride", rank, 1);
  std::vector<SliceRange> ranges;
  for (std::size_t d = 0; d < rank; ++d) ranges.push_back(slice_range(call, d, start[d], limit[d], stride[d]));
  return ranges;
}

void register_movement(Registry& registry) {
  register_broadcast(registry);
  register_transpose_and_reverse(registry);
  register_slice(registry);
  register_pad(registry);
  register_concatenate(registry);
}

}  // namespace gradc
