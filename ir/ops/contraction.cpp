// Contraction: the general dot product, and the matrix product on top of it.
#include <algorithm>
#include <numeric>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- dot ----

// The dimensions of one operand by what becomes of them.
struct DotSide {
  IntList batch, contract, free;
};

DotSide dot_side(const Call& call, std::size_t operand) {
  const char* which = operand == 0 ? "a" : "b";
  const Type& type = call.operand(operand);
  DotSide side;
  side.batch = call.attributes.ints(std::string("batch_") + which);
  side.contract = call.attributes.ints(std::string("contract_") + which);
  std::vector<bool> taken(type.rank(), false);
  for (const IntList* list : {&side.batch, &side.contract})
    for (std::int64_t dim : *list) {
      if (dim < 0 || dim >= static_cast<std::int64_t>(type.rank()))
        call.fail("`" + std::string(which) + "` is " + type.str() + ", which has no dimension " + std::to_string(dim));
      if (taken[static_cast<std::size_t>(dim)])
        call.fail("dimension " + std::to_string(dim) + " of `" + which + "` is named twice");
      taken[static_cast<std::size_t>(dim)] = true;
    }
  for (std::size_t d = 0; d < type.rank(); ++d)
    if (!taken[d]) side.free.push_back(static_cast<std::int64_t>(d));
  return side;
}

Dim size_of(const Type& type, std::int64_t dim) { return type.shape[static_cast<std::size_t>(dim)]; }

void check_pairs(const Call& call, const std::string& what, const IntList& in_a, const IntList& in_b) {
  const Type &a = call.operand(0), &b = call.operand(1);
  if (in_a.size() != in_b.size())
    call.fail(what + " dimensions must pair up, got " + str(Attribute(in_a)) + " of `a` and " + str(Attribute(in_b)) +
              " of `b`");
  for (std::size_t i = 0; i < in_a.size(); ++i)
    if (size_of(a, in_a[i]) != size_of(b, in_b[i]))
      call.fail(what + " dimensions differ: " + a.str() + " has " + size_of(a, in_a[i]).str() + " in dimension " +
                std::to_string(in_a[i]) + ", " + b.str() + " has " + size_of(b, in_b[i]).str() + " in dimension " +
                std::to_string(in_b[i]));
}

Types infer_dot(const Call& call) {
  const Type &a = call.operand(0), &b = call.operand(1);
  if (a.dtype == DType::boolean) call.fail("takes numbers, got " + a.str());
  if (a.dtype != b.dtype) call.fail("dtypes differ: " + a.str() + " and " + b.str() + "; cast one of them");
  DotSide sa = dot_side(call, 0), sb = dot_side(call, 1);
  check_pairs(call, "contracted", sa.contract, sb.contract);
  check_pairs(call, "batch", sa.batch, sb.batch);
  Type result{a.dtype, {}};
  for (std::int64_t dim : sa.batch) result.shape.push_back(size_of(a, dim));
  for (std::int64_t dim : sa.free) result.shape.push_back(size_of(a, dim));
  for (std::int64_t dim : sb.free) result.shape.push_back(size_of(b, dim));
  return {result};
}

// Domain: batch, free of a, free of b. Reduction: the contracted dimensions in the order of `contract_a`; without them
// it is an outer product.
IndexedForm dot_form(const Call& call) {
  DotSide sa = dot_side(call, 0), sb = dot_side(call, 1);
  IndexedForm form;
  form.domain = result_sizes(call);
  std::vector<std::int64_t> extents = operand_sizes(call, 0);
  for (std::int64_t dim : sa.contract) form.reduction.push_back(extents[static_cast<std::size_t>(dim)]);
  auto access = [&](int operand, const DotSide& side, std::size_t first_free) {
    OperandAccess access{.operand = operand,
                         .index = std::vector<IndexMap>(call.operand(static_cast<std::size_t>(operand)).rank())};
    auto place = [&](const IntList& dims, std::size_t first) {
      for (std::size_t i = 0; i < dims.size(); ++i)
        access.index[static_cast<std::size_t>(dims[i])] = variable(form.variables(), first + i);
    };
    place(side.batch, 0);
    place(side.free, first_free);
    place(side.contract, form.domain.size());
    return access;
  };
  form.accesses = {access(0, sa, sa.batch.size()), access(1, sb, sa.batch.size() + sa.free.size())};
  DType dtype = call.operand(0).dtype;
  form.body = make_body({dtype, dtype}, [](ScalarBuilder&, Scalars x) { return x[0] * x[1]; });
  if (!sa.contract.empty()) form.combiner = Combiner::sum;
  return form;
}

IntList counting(std::size_t from, std::size_t count) {
  IntList list(count);
  std::iota(list.begin(), list.end(), static_cast<std::int64_t>(from));
  return list;
}

Term dot(Term a, Term b, IntList contract_a, IntList contract_b, IntList batch_a, IntList batch_b) {
  return apply("dot", {a, b},
               {{"contract_a", std::move(contract_a)},
                {"contract_b", std::move(contract_b)},
                {"batch_a", std::move(batch_a)},
                {"batch_b", std::move(batch_b)}});
}

// x, whose dimension i belongs at place[i].
Term placed(Term x, const IntList& place) {
  IntList permutation(place.size());
  for (std::size_t i = 0; i < place.size(); ++i)
    permutation[static_cast<std::size_t>(place[i])] = static_cast<std::int64_t>(i);
  return std::is_sorted(permutation.begin(), permutation.end()) ? x : transpose(x, permutation);
}

// Contracts the cotangent [batch, free a, free b] with the other operand over that one's free dimensions. The result
// has the batch dimensions, then the free and the contracted ones of the wanted operand, or these two the other way
// round: whichever order is the operand's own needs no transpose.
Term dot_transpose(const Derivation& d, std::size_t operand, Term cotangent) {
  DotSide mine = dot_side(d.call, operand), other = dot_side(d.call, 1 - operand);
  Term partner = d.x(1 - operand);
  std::size_t batch = mine.batch.size();
  std::size_t other_free = operand == 0 ? batch + mine.free.size() : batch;
  IntList contracted = counting(other_free, other.free.size()), batches = counting(0, batch);

  // The partner's contracted dimensions come out in its own order.
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::size_t i = 0; i < mine.contract.size(); ++i) pairs.push_back({other.contract[i], mine.contract[i]});
  std::sort(pairs.begin(), pairs.end());
  IntList from_partner;
  for (const auto& pair : pairs) from_partner.push_back(pair.second);

  auto order = [&](const IntList& first, const IntList& second) {
    IntList place = mine.batch;
    place.insert(place.end(), first.begin(), first.end());
    place.insert(place.end(), second.begin(), second.end());
    return place;
  };
  IntList swapped = order(from_partner, mine.free);
  if (std::is_sorted(swapped.begin(), swapped.end()))
    return dot(partner, cotangent, other.free, contracted, other.batch, batches);
  return placed(dot(cotangent, partner, contracted, other.free, batches, other.batch), order(mine.free, from_partner));
}

Sample dot_sample(std::string_view a, std::string_view b, IntList contract_a, IntList contract_b, IntList batch_a = {},
                  IntList batch_b = {}) {
  std::vector<Type> operands = types({a, b});
  bool differentiable = is_float(operands[0].dtype);
  return {.operands = std::move(operands),
          .attributes = {{"contract_a", std::move(contract_a)},
                         {"contract_b", std::move(contract_b)},
                         {"batch_a", std::move(batch_a)},
                         {"batch_b", std::move(batch_b)}},
          .differentiable = differentiable};
}

void register_dot(Registry& registry) {
  registry.add(
      {.name = "dot",
       .doc =
           "Sum of products over paired dimensions, for each index of paired batch dimensions: result[batch…, free of "
           "a…, free of b…].",
       .kind = Kind::linear,
       .operands = {{"a", "first factor"}, {"b", "second factor, of the same dtype"}},
       .attributes = {{"contract_a", AttributeKind::int_list, "dimensions of a to sum over", {}},
                      {"contract_b", AttributeKind::int_list, "the same dimensions in b", {}},
                      {"batch_a", AttributeKind::int_list, "batch dimensions of a", IntList{}},
                      {"batch_b", AttributeKind::int_list, "the same dimensions in b", IntList{}}},
       .infer = infer_dot,
       .indexed = dot_form,
       .linear_in = {{0}, {1}},
       .transpose = dot_transpose,
       .expensive = true,
       .samples = {dot_sample("f64[2,3]", "f64[3,5]", {1}, {0}), dot_sample("f64[2,3]", "f64[5,3]", {1}, {1}),
                   dot_sample("f64[3,2]", "f64[3,5]", {0}, {0}), dot_sample("f64[3,2]", "f64[5,3]", {0}, {1}),
                   dot_sample("f32[7,37]", "f32[37,19]", {1}, {0}),
                   dot_sample("f64[2,3,5]", "f64[2,5,4]", {2}, {1}, {0}, {0}),
                   dot_sample("f64[3,2,4]", "f64[5,3,2]", {0}, {1}, {1}, {2}),
                   dot_sample("f64[2,3,4]", "f64[4,5,3]", {2, 1}, {0, 2}), dot_sample("f64[7]", "f64[7]", {0}, {0}),
                   dot_sample("f64[2]", "f64[3]", {}, {}), dot_sample("f64[]", "f64[]", {}, {}),
                   dot_sample("f64[1,1]", "f64[1,1]", {1}, {0}), dot_sample("f64[2,0]", "f64[0,3]", {1}, {0}),
                   dot_sample("f64[0,3]", "f64[3,2]", {1}, {0}), dot_sample("i32[2,3]", "i32[3,2]", {1}, {0})}});
}

// ---- matmul ----

// The inner dimension of b: its last but one, or its only.
std::size_t inner_of_b(const Type& b) { return b.rank() == 1 ? 0 : b.rank() - 2; }

Shape batch_of(const Type& type) { return type.rank() < 2 ? Shape{} : Shape(type.shape.begin(), type.shape.end() - 2); }

Shape common_batch(const Call& call) {
  Shape a = batch_of(call.operand(0)), b = batch_of(call.operand(1));
  std::size_t rank = std::max(a.size(), b.size());
  a.insert(a.begin(), rank - a.size(), Dim(1));
  b.insert(b.begin(), rank - b.size(), Dim(1));
  for (std::size_t i = 0; i < rank; ++i) {
    if (a[i] != b[i] && a[i] != Dim(1) && b[i] != Dim(1))
      call.fail("batch dimensions differ: " + call.operand(0).str() + " and " + call.operand(1).str());
    if (a[i] == Dim(1)) a[i] = b[i];
  }
  return a;
}

Types infer_matmul(const Call& call) {
  const Type &a = call.operand(0), &b = call.operand(1);
  if (a.rank() == 0 || b.rank() == 0) call.fail("takes vectors and matrices, got " + a.str() + " and " + b.str());
  if (a.dtype == DType::boolean) call.fail("takes numbers, got " + a.str());
  if (a.dtype != b.dtype) call.fail("dtypes differ: " + a.str() + " and " + b.str() + "; cast one of them");
  if (a.shape.back() != b.shape[inner_of_b(b)]) call.fail("inner dimensions differ: " + a.str() + " and " + b.str());
  Type result{a.dtype, common_batch(call)};
  if (a.rank() > 1) result.shape.push_back(a.shape[a.rank() - 2]);
  if (b.rank() > 1) result.shape.push_back(b.shape.back());
  return {result};
}

Term with_batch(Term x, const Shape& batch) {
  Shape shape = batch;
  shape.insert(shape.end(), x.shape().end() - 2, x.shape().end());
  return broadcast(x, shape);
}

// Without batch dimensions in b, or without rows in a, one dot gives the dimensions in order.
Terms compose_matmul(Builder&, const Call& call, std::span<const Term> x) {
  Term a = x[0], b = x[1];
  Shape batch = common_batch(call);
  if (b.rank() > 2 && a.rank() > 1) {
    a = with_batch(a, batch);
    b = with_batch(b, batch);
    IntList dims = counting(0, batch.size());
    return {dot(a, b, counting(a.rank() - 1, 1), counting(b.rank() - 2, 1), dims, dims)};
  }
  return {dot(a, b, counting(a.rank() - 1, 1), counting(inner_of_b(b.type()), 1), {}, {})};
}

void register_matmul(Registry& registry) {
  auto sample = [](std::string_view a, std::string_view b) {
    std::vector<Type> operands = types({a, b});
    bool differentiable = is_float(operands[0].dtype);
    return Sample{.operands = std::move(operands), .differentiable = differentiable};
  };
  registry.add(
      {.name = "matmul",
       .doc = "Matrix product by NumPy's rules: vectors take part as a row on the left, a column on the right; "
              "dimensions before the last two are a batch and broadcast.",
       .kind = Kind::composite,
       .operands = {{"a", "[batch…,m,k] or [k]"}, {"b", "[batch…,k,n] or [k]"}},
       .infer = infer_matmul,
       .compose = compose_matmul,
       .spelling = "@",
       .samples = {sample("f64[2,3]", "f64[3,5]"), sample("f64[3]", "f64[3,2]"), sample("f64[2,3]", "f64[3]"),
                   sample("f64[7]", "f64[7]"), sample("f64[2,3,4]", "f64[2,4,5]"), sample("f32[5,1,2,3]", "f32[4,3,2]"),
                   sample("f64[2,3,4]", "f64[4,5]"), sample("f64[3]", "f64[2,3,4]"), sample("f64[2,4]", "f64[3,4,2]"),
                   sample("f64[0,3]", "f64[3,2]"), sample("i32[2,3]", "i32[3,2]")}});
}

}  // namespace

void register_contraction(Registry& registry) {
  register_dot(registry);
  register_matmul(registry);
}

}  // namespace gradc
