// Losses that are ops, because their gradient is simpler and sounder than that of their parts.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- softmax_cross_entropy:  loss = log Σ exp(s) - s[label] with s = x - max,  dloss/dx = softmax(x) - onehot(label)

Types infer_cross_entropy(const Call& call) {
  const Type &logits = call.operand(0), &label = call.operand(1);
  if (!is_float(logits.dtype)) call.fail("`logits` must be a float, got " + logits.str());
  if (!is_integer(label.dtype)) call.fail("`label` must be an integer class, got " + label.str());
  if (logits.rank() == 0) call.fail("`logits` must have a last dimension of classes, got " + logits.str());
  Shape rows(logits.shape.begin(), logits.shape.end() - 1);
  if (label.shape != rows)
    call.fail("`label` must be one class for each row of `logits`, got " + label.str() + " for " + logits.str());
  return {{logits.dtype, rows}};
}

IntList last_axis(Term logits) { return {static_cast<std::int64_t>(logits.rank()) - 1}; }

// Whether a class is its row's label, in the shape of the logits.
Term is_label(Term logits, Term label) {
  IntList rows;
  for (std::size_t d = 0; d + 1 < logits.rank(); ++d) rows.push_back(static_cast<std::int64_t>(d));
  Term wide = label.dtype() == DType::i64 ? label : cast(label, DType::i32);
  Term classes = iota(logits.builder(), wide.dtype(), logits.shape(), last_axis(logits)[0]);
  return equal(classes, broadcast_in(wide, logits.shape(), rows));
}

// The sums are those of `softmax`, with which the gradient shares them.
Terms compose_cross_entropy(Builder&, const Call& call, std::span<const Term> x) {
  IntList classes = last_axis(x[0]);
  Term s = x[0] - reduce_max(x[0], classes, true);
  Term normalizer = apply("log", {reduce_sum(apply("exp", {s}), classes, true)});
  Term picked = reduce_sum(select(is_label(x[0], x[1]), s, s.like(0)), classes, true);
  return {reshape(normalizer - picked, call.operand(1).shape)};
}

// softmax(x) - onehot(label)
Term score_gradient(const Derivation& d) {
  Term probability = apply("softmax", {d.x(0)});
  return probability - cast(is_label(d.x(0), d.x(1)), d.x(0).dtype());
}

Terms cross_entropy_vjp(const Derivation& d, std::span<const Term> g) {
  IntList rows;
  for (std::size_t i = 0; i < g[0].rank(); ++i) rows.push_back(static_cast<std::int64_t>(i));
  return {broadcast_in(g[0], d.x(0).shape(), rows) * score_gradient(d), {}};
}

Terms cross_entropy_jvp(const Derivation& d, std::span<const Term> t) {
  return {t[0] ? reduce_sum(score_gradient(d) * t[0], last_axis(d.x(0))) : Term()};
}

}  // namespace

void register_loss(Registry& registry) {
  auto sample = [](std::string_view logits, std::string_view label, double classes) {
    return Sample{.operands = types({logits, label}), .low = 0, .high = classes};
  };
  registry.add(
      {.name = "softmax_cross_entropy",
       .doc = "-log softmax(logits)[label], a value for each row: the negative log-likelihood of the right class.",
       .kind = Kind::composite,
       .operands = {{"logits", "unnormalised scores [N,K], or any rank with the classes last"},
                    {"label", "the right classes [N], integers in [0, K)"}},
       .infer = infer_cross_entropy,
       .compose = compose_cross_entropy,
       .vjp = cross_entropy_vjp,
       .jvp = cross_entropy_jvp,
       .samples = {sample("f64[2,3]", "i32[2]", 3), sample("f64[5,7]", "i64[5]", 7),
                   sample("f32[37,10]", "i32[37]", 10), sample("f64[2,3,4]", "i32[2,3]", 4),
                   sample("f64[4]", "u8[]", 4), sample("f64[3,1]", "i32[3]", 1), sample("f64[0,3]", "i32[0]", 3)}});
}

}  // namespace gradc
