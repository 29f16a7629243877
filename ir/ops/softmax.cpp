// Softmax, its logarithm and its normaliser: composites with gradients of their own, which go through the results and
// neither overflow nor cancel.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

IntList axis_of(const Call& call) {
  return {normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank())};
}

Types infer_along_axis(const Call& call) {
  if (!is_float(call.operand(0).dtype)) call.fail("`x` must be a float, got " + call.operand(0).str());
  axis_of(call);
  return {call.operand(0)};
}

Term exp(Term x) { return apply("exp", {x}); }

Term exp_negative(Term x) { return apply("exp_negative", {x}); }

Term shifted(Term x, const IntList& axes) { return x - reduce_max(x, axes, true); }

// ---- softmax:  y = exp(x - max) / Σ exp(x - max),  dy = y * (dx - Σ y * dx),  its own transpose ----

Terms compose_softmax(Builder&, const Call& call, std::span<const Term> x) {
  IntList axes = axis_of(call);
  Term e = exp_negative(shifted(x[0], axes));
  return {e / reduce_sum(e, axes, true)};
}

Terms softmax_derivative(const Derivation& d, std::span<const Term> t) {
  return {d.y() * (t[0] - reduce_sum(d.y() * t[0], axis_of(d.call), true))};
}

// ---- log_softmax:  y = x - max - log Σ exp(x - max),  dy = dx - Σ exp(y) * dx ----

Terms compose_log_softmax(Builder&, const Call& call, std::span<const Term> x) {
  IntList axes = axis_of(call);
  Term s = shifted(x[0], axes);
  return {s - apply("log", {reduce_sum(exp_negative(s), axes, true)})};
}

Terms log_softmax_vjp(const Derivation& d, std::span<const Term> g) {
  return {g[0] - exp(d.y()) * reduce_sum(g[0], axis_of(d.call), true)};
}

Terms log_softmax_jvp(const Derivation& d, std::span<const Term> t) {
  return {t[0] - reduce_sum(exp(d.y()) * t[0], axis_of(d.call), true)};
}

// ---- log_sum_exp:  y = max + log Σ exp(x - max),  dy = Σ exp(x - y) * dx ----

IntList axes_of(const Call& call) { return normal_axes(call, call.attributes.ints("axis"), call.operand(0).rank()); }

bool keeps(const Call& call) { return call.attributes.boolean("keep"); }

bool reduced(const IntList& axes, std::size_t d) {
  for (std::int64_t axis : axes)
    if (axis == static_cast<std::int64_t>(d)) return true;
  return false;
}

Shape reduced_shape(const Call& call, bool keep) {
  IntList axes = axes_of(call);
  Shape result;
  for (std::size_t d = 0; d < call.operand(0).rank(); ++d)
    if (!reduced(axes, d))
      result.push_back(call.operand(0).shape[d]);
    else if (keep)
      result.push_back(Dim(1));
  return result;
}

Types infer_log_sum_exp(const Call& call) {
  if (!is_float(call.operand(0).dtype)) call.fail("`x` must be a float, got " + call.operand(0).str());
  return {{call.operand(0).dtype, reduced_shape(call, keeps(call))}};
}

// x, and 0 where it is infinite or NaN: so that inf - inf does not arise.
Term finite_part(Term x) { return select(apply("is_finite", {x}), x, x.like(0)); }

Terms compose_log_sum_exp(Builder&, const Call& call, std::span<const Term> x) {
  IntList axes = axes_of(call);
  Term top = finite_part(reduce_max(x[0], axes, true));
  Term y = top + apply("log", {reduce_sum(exp(x[0] - top), axes, true)});
  return {keeps(call) ? y : reshape(y, reduced_shape(call, false))};
}

// A value of the result's shape, stretched over the operand.
Term over_operand(const Derivation& d, Term reduced_value) {
  return broadcast(reshape(reduced_value, reduced_shape(d.call, true)), d.x().shape());
}

Term share(const Derivation& d) { return exp(d.x() - over_operand(d, finite_part(d.y()))); }

Terms log_sum_exp_vjp(const Derivation& d, std::span<const Term> g) { return {over_operand(d, g[0]) * share(d)}; }

Terms log_sum_exp_jvp(const Derivation& d, std::span<const Term> t) {
  return {reduce_sum(share(d) * t[0], axes_of(d.call), keeps(d.call))};
}

std::vector<Sample> axis_samples() {
  auto sample = [](std::string_view type, std::int64_t axis) {
    return Sample{.operands = types({type}), .attributes = {{"axis", axis}}};
  };
  return {sample("f64[2,3]", -1), sample("f64[5,3]", 0), sample("f64[2,3,4]", 1), sample("f32[7,37]", 1),
          sample("f64[4]", 0),    sample("f64[3,1]", 1), sample("f64[0,3]", 1),   sample("f64[3,0]", 1)};
}

std::vector<Sample> log_sum_exp_samples() {
  auto sample = [](std::string_view type, IntList axis, bool keep) {
    return Sample{.operands = types({type}), .attributes = {{"axis", std::move(axis)}, {"keep", keep}}};
  };
  return {sample("f64[2,3]", {}, false),   sample("f64[2,3]", {-1}, true), sample("f64[2,3,4]", {0, 2}, false),
          sample("f32[7,37]", {1}, false), sample("f64[1]", {0}, true),    sample("f64[]", {}, false),
          sample("f64[0,3]", {1}, false)};
}

AttributeSpec axis_attribute() {
  return {"axis", AttributeKind::integer, "the dimension that sums to one", std::int64_t{-1}};
}

}  // namespace

void register_softmax(Registry& registry) {
  registry.add({.name = "softmax",
                .doc = "exp(x) / Σ exp(x) along an axis, without overflow.",
                .kind = Kind::composite,
                .operands = {{"x", "scores, floats"}},
                .attributes = {axis_attribute()},
                .infer = infer_along_axis,
                .compose = compose_softmax,
                .vjp = softmax_derivative,
                .jvp = softmax_derivative,
                .samples = axis_samples()});

  registry.add({.name = "log_softmax",
                .doc = "x - log Σ exp(x) along an axis, without overflow.",
                .kind = Kind::composite,
                .operands = {{"x", "scores, floats"}},
                .attributes = {axis_attribute()},
                .infer = infer_along_axis,
                .compose = compose_log_softmax,
                .vjp = log_softmax_vjp,
                .jvp = log_softmax_jvp,
                .samples = axis_samples()});

  registry.add({.name = "log_sum_exp",
                .doc = "log Σ exp(x) over dimensions, without overflow; -inf over none.",
                .kind = Kind::composite,
                .operands = {{"x", "scores, floats"}},
                .attributes = {{"axis", AttributeKind::int_list, "the dimensions to reduce; empty: all", IntList{}},
                               {"keep", AttributeKind::boolean, "keep reduced dimensions, with size 1", false}},
                .infer = infer_log_sum_exp,
                .compose = compose_log_sum_exp,
                .vjp = log_sum_exp_vjp,
                .jvp = log_sum_exp_jvp,
                .samples = log_sum_exp_samples()});
}

}  // namespace gradc
