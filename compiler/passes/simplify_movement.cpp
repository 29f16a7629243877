// Rules over movements and reductions, each led by its identity.
#include <algorithm>
#include <numeric>

#include "compiler/passes/match.h"
#include "compiler/passes/simplify.h"
#include "ir/op.h"

namespace gradc {

namespace {

bool is_iota(const IntList& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

bool is_zero(const IntList& list) {
  return std::all_of(list.begin(), list.end(), [](std::int64_t i) { return i == 0; });
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Value* broadcast_scalar(Builder& builder, Value* scalar, const Shape& shape) {
  return builder.one("broadcast", {scalar}, {{"shape", shape}, {"dims", IntList{}}});
}

// The scalar that `value` repeats, or null.
Value* repeated_scalar(const Value* value) {
  const Node* node = made_by(value, "broadcast");
  return node && node->operands[0]->type.rank() == 0 ? node->operands[0] : nullptr;
}

// ---- broadcast ----

// broadcast(x) to x's own shape = x
Value* broadcast_to_same(Builder&, const Node& node) {
  const bool same = node.operands[0]->type == node.result()->type && is_iota(node.attributes.ints("dims"));
  return same ? node.operands[0] : nullptr;
}

// broadcast(broadcast(x)) = one broadcast of x
Value* broadcast_twice(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "broadcast");
  if (!inner) return nullptr;
  const IntList& outer = node.attributes.ints("dims");
  IntList dims;
  for (const std::int64_t dim : inner->attributes.ints("dims")) dims.push_back(outer[at(dim)]);
  return builder.one("broadcast", {inner->operands[0]}, {{"shape", node.result()->type.shape}, {"dims", dims}});
}

// broadcast(reshape(x)) = broadcast(x) where the reshape only adds dimensions of size 1
Value* broadcast_of_added_ones(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "reshape");
  if (!inner) return nullptr;
  const Shape& from = inner->operands[0]->type.shape;
  const Shape& to = inner->result()->type.shape;
  const IntList& outer = node.attributes.ints("dims");
  IntList dims;  // where each dimension of x goes
  for (std::size_t d = 0; d < to.size(); ++d) {
    const bool own = dims.size() < from.size() && from[dims.size()] == to[d];
    if (own) {
      dims.push_back(outer[d]);
    } else if (to[d] != Dim(1)) {
      return nullptr;
    }
  }
  if (dims.size() != from.size()) return nullptr;
  return builder.one("broadcast", {inner->operands[0]}, {{"shape", node.result()->type.shape}, {"dims", dims}});
}

// ---- reshape ----

// reshape(x) to x's own shape = x
Value* reshape_to_same(Builder&, const Node& node) {
  return node.operands[0]->type == node.result()->type ? node.operands[0] : nullptr;
}

// reshape(reshape(x)) = one reshape of x
Value* reshape_twice(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "reshape");
  if (!inner) return nullptr;
  return builder.one("reshape", {inner->operands[0]}, {{"shape", node.result()->type.shape}});
}

// reshape(broadcast(scalar)) = broadcast(scalar)
Value* reshape_of_repeated(Builder& builder, const Node& node) {
  Value* scalar = repeated_scalar(node.operands[0]);
  return scalar ? broadcast_scalar(builder, scalar, node.result()->type.shape) : nullptr;
}

// ---- transpose ----

// transpose(x) in x's own order = x
// transpose(transpose(x)) = one transpose of x
// transpose(broadcast(x)) = broadcast(x) along the moved dimensions
Value* transpose_of_movement(Builder& builder, const Node& node) {
  const IntList& permutation = node.attributes.ints("permutation");
  Value* const x = node.operands[0];
  const bool known = is_iota(permutation) || made_by(x, "transpose") || made_by(x, "broadcast");
  return known ? transposed(builder, x, permutation) : nullptr;
}

// transpose(x) = reshape(x) where only dimensions of size 1 change places
Value* transpose_of_ones(Builder& builder, const Node& node) {
  const Shape& shape = node.operands[0]->type.shape;
  std::int64_t last = -1;
  for (const std::int64_t dim : node.attributes.ints("permutation")) {
    if (shape[at(dim)] == Dim(1)) continue;
    if (dim < last) return nullptr;
    last = dim;
  }
  return builder.one("reshape", {node.operands[0]}, {{"shape", node.result()->type.shape}});
}

// ---- slice, pad, concatenate, reverse ----

// Where a slice starts and how it steps, per dimension, with no entry left out or counted from the end.
struct Cut {
  IntList start, stride;
};

Cut cut_of(const Node& slice) {
  Cut cut;
  const std::vector<IndexMap> index = indexed_form(slice).accesses[0].index;
  for (std::size_t d = 0; d < index.size(); ++d) {
    cut.start.push_back(index[d].offset);
    cut.stride.push_back(index[d].coefficients[d]);
  }
  return cut;
}

// slice(x) of x's own shape = x
Value* slice_everything(Builder&, const Node& node) {
  return node.operands[0]->type == node.result()->type ? node.operands[0] : nullptr;
}

// slice(slice(x)) = one slice of x
Value* slice_twice(Builder& builder, const Node& node) {
  const Node* inner = made_by(node.operands[0], "slice");
  if (!inner || !is_static(inner->operands[0]->type.shape)) return nullptr;
  const std::vector<std::int64_t> counts = sizes(node.result()->type.shape);
  const Cut first = cut_of(*inner), second = cut_of(node);
  IntList start, limit, stride;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    start.push_back(first.start[d] + second.start[d] * first.stride[d]);
    stride.push_back(first.stride[d] * second.stride[d]);
    limit.push_back(counts[d] == 0 ? start[d] : start[d] + (counts[d] - 1) * stride[d] + 1);
  }
  return builder.one("slice", {inner->operands[0]}, {{"start", start}, {"limit", limit}, {"stride", stride}});
}

// slice(broadcast(scalar)) = broadcast(scalar)
Value* slice_of_repeated(Builder& builder, const Node& node) {
  Value* scalar = repeated_scalar(node.operands[0]);
  return scalar ? broadcast_scalar(builder, scalar, node.result()->type.shape) : nullptr;
}

// slice(concatenate(…, x, …)) = x where it takes just that
Value* slice_of_concatenate(Builder&, const Node& node) {
  const Node* inner = made_by(node.operands[0], "concatenate");
  if (!inner || !is_static(node.operands[0]->type.shape)) return nullptr;
  const std::size_t rank = node.result()->type.rank();
  const std::size_t axis = at(normal_axis(call_of(*inner), inner->attributes.integer("axis"), rank));
  const Cut cut = cut_of(node);
  IntList start(rank, 0);
  for (Value* part : inner->operands) {
    if (part->type == node.result()->type && cut.start == start && cut.stride[axis] == 1) return part;
    start[axis] += part->type.shape[axis].factor;
  }
  return nullptr;
}

// pad(x) by nothing = x
Value* pad_by_nothing(Builder&, const Node& node) {
  const Attributes& a = node.attributes;
  const bool nothing = is_zero(a.ints("low")) && is_zero(a.ints("high")) && is_zero(a.ints("interior"));
  return nothing && node.operands[0]->type == node.result()->type ? node.operands[0] : nullptr;
}

// concatenate(x) = x
Value* concatenate_one(Builder&, const Node& node) { return node.operands.size() == 1 ? node.operands[0] : nullptr; }

// reverse(reverse(x)) = x along one axis
Value* reverse_twice(Builder&, const Node& node) {
  const Node* inner = made_by(node.operands[0], "reverse");
  return inner && inner->attributes == node.attributes ? inner->operands[0] : nullptr;
}

// ---- reductions ----

bool reduces_ones(const Node& node) {
  const Type& type = node.operands[0]->type;
  for (const std::int64_t axis : normal_axes(call_of(node), node.attributes.ints("axis"), type.rank())) {
    if (type.shape[at(axis)] != Dim(1)) return false;
  }
  return true;
}

Value* in_shape_of(Builder& builder, const Node& node, Value* x) {
  const Type& type = node.result()->type;
  return x->type.shape == type.shape ? x : builder.one("reshape", {x}, {{"shape", type.shape}});
}

// max(x), min(x), product(x), any(x), all(x) over dimensions of size 1 = x
Value* reduce_ones(Builder& builder, const Node& node) {
  const bool same = node.operands[0]->type.dtype == node.result()->type.dtype && reduces_ones(node);
  return same ? in_shape_of(builder, node, node.operands[0]) : nullptr;
}

// sum(x) over dimensions of size 1 = x + 0: a sum starts from 0, so that -0 becomes 0
Value* sum_ones(Builder& builder, const Node& node) {
  if (node.operands[0]->type.dtype != node.result()->type.dtype || !reduces_ones(node)) return nullptr;
  Value* x = in_shape_of(builder, node, node.operands[0]);
  return is_float(x->type.dtype) ? builder.one("add", {x, builder.full(x->type, 0)}) : x;
}

IntList composed(const IntList& first, const IntList& second) {
  IntList result;
  for (const std::int64_t dim : second) result.push_back(first[at(dim)]);
  return result;
}

// broadcast(x) in another order; x itself is transposed where the order of its own dimensions changes.
Value* transposed_broadcast(Builder& builder, const Node& inner, const IntList& permutation) {
  IntList moved;  // where each dimension of x ends
  for (const std::int64_t dim : inner.attributes.ints("dims")) {
    moved.push_back(std::find(permutation.begin(), permutation.end(), dim) - permutation.begin());
  }
  IntList order(moved.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return moved[at(a)] < moved[at(b)]; });
  std::sort(moved.begin(), moved.end());
  Shape shape;
  for (const std::int64_t dim : permutation) shape.push_back(inner.result()->type.shape[at(dim)]);
  Value* const x = transposed(builder, inner.operands[0], order);
  return builder.one("broadcast", {x}, {{"shape", shape}, {"dims", moved}});
}

}  // namespace

Value* transposed(Builder& builder, Value* x, const IntList& permutation) {
  if (is_iota(permutation)) return x;
  if (const Node* inner = made_by(x, "transpose")) {
    return transposed(builder, inner->operands[0], composed(inner->attributes.ints("permutation"), permutation));
  }
  if (const Node* inner = made_by(x, "broadcast")) return transposed_broadcast(builder, *inner, permutation);
  return builder.one("transpose", {x}, {{"permutation", permutation}});
}

const std::vector<SimplifyRule>& movement_rules() {
  static const std::vector<SimplifyRule> rules = {
      {"all", reduce_ones},
      {"any", reduce_ones},
      {"broadcast", broadcast_of_added_ones},
      {"broadcast", broadcast_to_same},
      {"broadcast", broadcast_twice},
      {"concatenate", concatenate_one},
      {"max", reduce_ones},
      {"min", reduce_ones},
      {"pad", pad_by_nothing},
      {"product", reduce_ones},
      {"reshape", reshape_of_repeated},
      {"reshape", reshape_to_same},
      {"reshape", reshape_twice},
      {"reverse", reverse_twice},
      {"slice", slice_everything},
      {"slice", slice_of_concatenate},
      {"slice", slice_of_repeated},
      {"slice", slice_twice},
      {"sum", sum_ones},
      {"transpose", transpose_of_movement},
      {"transpose", transpose_of_ones},
  };
  return rules;
}

}  // namespace gradc
