// Losses: one value for each row of classes, or for each element; `mean` or `sum` makes one number of them.
#include <cmath>

#include "ir/ops/entry.h"

namespace gradc {

namespace {

// ---- softmax_cross_entropy:  loss = log Σ exp(s) - Σ q s with s = x - max,  dloss/dx = softmax(x) - q
// ---- where q is onehot(label), or (1 - ε) onehot(label) + ε / K with label smoothing ε

double smoothing(const Call& call) {
  double share = call.attributes.number("label_smoothing");
  if (!(share >= 0 && share <= 1)) call.fail("`label_smoothing` must be within [0, 1], got " + str(Attribute(share)));
  return share;
}

double class_count(Term logits) { return static_cast<double>(logits.shape().back().factor); }

Types infer_cross_entropy(const Call& call) {
  const Type &logits = call.operand(0), &label = call.operand(1);
  if (!is_float(logits.dtype)) call.fail("`logits` must be a float, got " + logits.str());
  smoothing(call);
  if (!is_integer(label.dtype)) call.fail("`label` must be an integer class, got " + label.str());
  if (logits.rank() == 0) call.fail("`logits` must have a last dimension of classes, got " + logits.str());
  if (logits.shape.back() == Dim(0)) call.fail("`logits` must have a class at least, got " + logits.str());
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
  Term highest = reduce_max(x[0], classes, true), s = x[0] - highest;
  Term normalizer = apply("log", {reduce_sum(apply("exp_negative", {s}), classes, true)});
  Term picked = apply("take_along_axis", {x[0], reshape(x[1], highest.shape())}) - highest;
  if (double share = smoothing(call); share > 0)
    picked = (1 - share) * picked + share / class_count(x[0]) * reduce_sum(s, classes, true);
  return {reshape(normalizer - picked, call.operand(1).shape)};
}

// softmax(x) - q
Term score_gradient(const Derivation& d) {
  Term difference = apply("softmax", {d.x(0)});
  Term hit = cast(is_label(d.x(0), d.x(1)), d.x(0).dtype());
  double share = smoothing(d.call);
  if (share == 0) return difference - hit;
  return difference - ((1 - share) * hit + share / class_count(d.x(0)));
}

Terms cross_entropy_vjp(const Derivation& d, std::span<const Term> g) {
  IntList rows;
  for (std::size_t i = 0; i < g[0].rank(); ++i) rows.push_back(static_cast<std::int64_t>(i));
  return {broadcast_in(g[0], d.x(0).shape(), rows) * score_gradient(d), {}};
}

Terms cross_entropy_jvp(const Derivation& d, std::span<const Term> t) {
  return {t[0] ? reduce_sum(score_gradient(d) * t[0], last_axis(d.x(0))) : Term()};
}

// ---- softmax_cross_entropy_soft:  loss = -Σ q log softmax(x) ----

Types infer_soft_cross_entropy(const Call& call) {
  const Type &logits = call.operand(0), &label = call.operand(1);
  if (!is_float(logits.dtype)) call.fail("`logits` must be a float, got " + logits.str());
  if (logits.rank() == 0) call.fail("`logits` must have a last dimension of classes, got " + logits.str());
  smoothing(call);
  if (label != logits)
    call.fail("`label` must be a probability for each of `logits`, got " + label.str() + " for " + logits.str());
  return {{logits.dtype, Shape(logits.shape.begin(), logits.shape.end() - 1)}};
}

// A class of probability 0 whose logit is -inf counts for nothing.
Terms compose_soft_cross_entropy(Builder&, const Call& call, std::span<const Term> x) {
  Term q = x[1], surprise = -apply("log_softmax", {x[0]});
  if (double share = smoothing(call); share > 0) q = (1 - share) * q + share / class_count(x[0]);
  Term masked = apply("logical_and", {equal(q, 0), equal(surprise, INFINITY)});
  return {reduce_sum(q * select(masked, surprise.like(0), surprise), last_axis(x[0]))};
}

// ---- hinges over classes:  Σ over j ≠ label of max(0, x[j] - x[label] + margin) ----

Types infer_multiclass_hinge(const Call& call) {
  const Type &scores = call.operand(0), &label = call.operand(1);
  if (!is_float(scores.dtype)) call.fail("`scores` must be a float, got " + scores.str());
  if (!is_integer(label.dtype)) call.fail("`label` must be an integer class, got " + label.str());
  if (scores.rank() == 0) call.fail("`scores` must have a last dimension of classes, got " + scores.str());
  Shape rows(scores.shape.begin(), scores.shape.end() - 1);
  if (label.shape != rows)
    call.fail("`label` must be one class for each row of `scores`, got " + label.str() + " for " + scores.str());
  return {{scores.dtype, rows}};
}

Terms compose_multiclass_hinge(Builder&, const Call& call, std::span<const Term> x) {
  IntList classes = last_axis(x[0]);
  Term right = is_label(x[0], x[1]), zero = x[0].like(0);
  Term own = reduce_sum(select(right, x[0], zero), classes, true);
  Term over = apply("relu", {x[0] - own + call.attributes.number("margin")});
  return {reduce_sum(select(right, zero, over), classes)};
}

// ---- losses of each element ----

// A float and what it should be: of the same type, or one number for all.
Types infer_paired(const Call& call) {
  const Type &x = call.operand(0), &target = call.operand(1);
  const std::string &first = call.op.operands[0].name, &second = call.op.operands[1].name;
  if (!is_float(x.dtype)) call.fail("`" + first + "` must be a float, got " + x.str() + "; cast it first");
  if (target.dtype != x.dtype)
    call.fail("`" + second + "` must have the dtype of `" + first + "`, got " + target.str() + " and " + x.str() +
              "; cast one of them");
  if (target != x && target.rank() != 0)
    call.fail("`" + second + "` must have the shape of `" + first + "`, got " + target.str() + " and " + x.str());
  return {x};
}

Term target_of(std::span<const Term> x) { return broadcast(x[1], x[0].shape()); }

// A cotangent of the target broadcast to the prediction, summed where the target is one number.
Term to_target(const Derivation& d, Term cotangent) {
  return d.x(1).rank() == cotangent.rank() ? cotangent : reduce_sum(cotangent, {});
}

Terms compose_squared_error(Builder&, const Call& call, std::span<const Term> x) {
  Term square = apply("square", {x[0] - target_of(x)});
  return {call.attributes.boolean("half") ? 0.5 * square : square};
}

Terms compose_absolute_error(Builder&, const Call&, std::span<const Term> x) {
  return {apply("abs", {x[0] - target_of(x)})};
}

// With c the difference clipped to [-delta, delta]: c (difference - c/2). Neither branch of a select overflows.
Terms compose_huber(Builder&, const Call& call, std::span<const Term> x) {
  double delta = call.attributes.number("delta");
  Term difference = x[0] - target_of(x);
  Term c = apply("clip", {difference}, {{"low", -delta}, {"high", delta}});
  return {c * (difference - 0.5 * c)};
}

Types infer_huber(const Call& call) {
  double delta = call.attributes.number("delta");
  if (!(delta > 0)) call.fail("`delta` must be above 0, got " + str(Attribute(delta)));
  return infer_paired(call);
}

// ---- binary_cross_entropy_with_logits:  max(x, 0) - x t + log(1 + e^-|x|),  exact where t is 0 or 1
//      by x: sigmoid(x) - t,  by t: -x

Terms compose_binary_cross_entropy(Builder&, const Call&, std::span<const Term> x) {
  Term decay = apply("exp_negative", {-apply("abs", {x[0]})});
  return {apply("relu", {x[0]}) - x[0] * target_of(x) + apply("log1p", {decay})};
}

Terms binary_cross_entropy_vjp(const Derivation& d, std::span<const Term> g) {
  return {g[0] * (apply("sigmoid", {d.x(0)}) - target_of(d.operands)), to_target(d, -(g[0] * d.x(0)))};
}

Terms binary_cross_entropy_jvp(const Derivation& d, std::span<const Term> t) {
  Term by_logit = t[0] ? t[0] * (apply("sigmoid", {d.x(0)}) - target_of(d.operands)) : Term();
  Term by_target = t[1] ? -(broadcast(t[1], d.x(0).shape()) * d.x(0)) : Term();
  return {add(by_logit, by_target)};
}

// ½ (μ² + e^v - 1 - v); expm1, because e^v - 1 - v cancels near 0.
Terms compose_kl_unit_normal(Builder&, const Call&, std::span<const Term> x) {
  Term v = target_of(x);
  return {0.5 * (apply("square", {x[0]}) + (apply("expm1", {v}) - v))};
}

// ---- cosines:  Σ a b / (max(‖a‖, ε) max(‖b‖, ε)), the norms cut before their roots: so a zero has a gradient ----

IntList cosine_axis(const Call& call) {
  return {normal_axis(call, call.attributes.integer("axis"), call.operand(0).rank())};
}

Types infer_cosine(const Call& call) {
  const Type &a = call.operand(0), &b = call.operand(1);
  if (!is_float(a.dtype)) call.fail("`a` must be a float, got " + a.str() + "; cast it first");
  if (a != b) call.fail("`a` and `b` must have the same type, got " + a.str() + " and " + b.str());
  double epsilon = call.attributes.number("epsilon");
  if (!(epsilon >= 0)) call.fail("`epsilon` must not be negative, got " + str(Attribute(epsilon)));
  Type result = a;
  result.shape.erase(result.shape.begin() + static_cast<std::ptrdiff_t>(cosine_axis(call)[0]));
  return {result};
}

Term cosine(const Call& call, std::span<const Term> x) {
  IntList axis = cosine_axis(call);
  double least = std::pow(call.attributes.number("epsilon"), 2);
  auto norm = [&](Term a) {
    return apply("sqrt", {apply("clip", {reduce_sum(apply("square", {a}), axis)}, {{"low", least}})});
  };
  return reduce_sum(x[0] * x[1], axis) / (norm(x[0]) * norm(x[1]));
}

// ---- entries ----

// A prediction and a target for each element, and one target for all.
std::vector<Sample> paired_samples() {
  return concat(float_samples(2),
                {{.operands = types({"f64[2,3]", "f64[]"})}, {.operands = types({"f32[37]", "f32[]"})}});
}

std::vector<Sample> class_samples(bool soft) {
  auto sample = [&](std::string_view logits, std::string_view label, double classes) {
    return Sample{.operands = types({logits, soft ? logits : label}), .low = 0, .high = soft ? 1 : classes};
  };
  return {sample("f64[2,3]", "i32[2]", 3),     sample("f64[5,7]", "i64[5]", 7), sample("f32[37,10]", "i32[37]", 10),
          sample("f64[2,3,4]", "i32[2,3]", 4), sample("f64[4]", "u8[]", 4),     sample("f64[3,1]", "i32[3]", 1),
          sample("f64[0,3]", "i32[0]", 3)};
}

std::vector<Sample> with_smoothing(std::vector<Sample> samples) {
  for (std::size_t i : {0u, 2u}) {
    samples.push_back(samples[i]);
    samples.back().attributes.set("label_smoothing", 0.125);
  }
  return samples;
}

AttributeSpec smoothing_attribute() {
  return {"label_smoothing", AttributeKind::number, "share of the label that is spread evenly over all classes", 0.0};
}

// The right classes of rows of scores.
OperandSpec label_operand() {
  return {.name = "label", .doc = "the right classes [N], integers in [0, K)", .limit = [](const Call& call) {
            return call.operand(0).shape.back();
          }};
}

void register_cross_entropies(Registry& registry) {
  registry.add(
      {.name = "softmax_cross_entropy",
       .doc = "-log softmax(logits)[label], a value for each row: the negative log-likelihood of the right class.",
       .kind = Kind::composite,
       .operands = {{"logits", "unnormalised scores [N,K], or any rank with the classes last"}, label_operand()},
       .attributes = {smoothing_attribute()},
       .infer = infer_cross_entropy,
       .compose = compose_cross_entropy,
       .vjp = cross_entropy_vjp,
       .jvp = cross_entropy_jvp,
       .samples = with_smoothing(class_samples(false))});

  registry.add({.name = "softmax_cross_entropy_soft",
                .doc = "-Σ label * log softmax(logits), a value for each row: the cross entropy of a distribution of "
                       "classes.",
                .kind = Kind::composite,
                .operands = {{"logits", "unnormalised scores [N,K], or any rank with the classes last"},
                             {"label", "probabilities of the classes [N,K]"}},
                .attributes = {smoothing_attribute()},
                .infer = infer_soft_cross_entropy,
                .compose = compose_soft_cross_entropy,
                .samples = with_smoothing(class_samples(true))});

  registry.add(
      {.name = "binary_cross_entropy_with_logits",
       .doc = "-target * log sigmoid(logits) - (1 - target) * log(1 - sigmoid(logits)), a value for each element, "
              "without overflow. Several labels of an example are elements of their own.",
       .kind = Kind::composite,
       .operands = {{"logits", "unnormalised scores"}, {"target", "what they should be, in [0, 1]; or one for all"}},
       .infer = infer_paired,
       .compose = compose_binary_cross_entropy,
       .vjp = binary_cross_entropy_vjp,
       .jvp = binary_cross_entropy_jvp,
       .samples = paired_samples()});
}

void register_hinges(Registry& registry) {
  AttributeSpec margin = {"margin", AttributeKind::number, "by how much the right side must lead", 1.0};
  registry.add({.name = "multiclass_hinge",
                .doc =
                    "Σ over j ≠ label of max(0, scores[j] - scores[label] + margin), a value for each row (Weston and "
                    "Watkins 1999). Subgradient at a margin just met: 0.",
                .kind = Kind::composite,
                .operands = {{"scores", "scores [N,K], or any rank with the classes last"}, label_operand()},
                .attributes = {margin},
                .infer = infer_multiclass_hinge,
                .compose = compose_multiclass_hinge,
                .samples = class_samples(false)});

  registry.add(
      {.name = "binary_hinge",
       .doc = "max(0, margin - target * score), a value for each element. Subgradient at a margin just met: 0.",
       .kind = Kind::composite,
       .operands = {{"score", "scores"}, {"target", "1 or -1; or one for all"}},
       .attributes = {margin},
       .infer = infer_paired,
       .compose =
           [](Builder&, const Call& call, std::span<const Term> x) {
             return Terms{apply("relu", {call.attributes.number("margin") - target_of(x) * x[0]})};
           },
       .samples = paired_samples()});

  registry.add({.name = "perceptron_loss",
                .doc = "max(0, -target * score), a value for each element (Rosenblatt 1958). Subgradient at 0: 0.",
                .kind = Kind::composite,
                .operands = {{"score", "scores"}, {"target", "1 or -1; or one for all"}},
                .infer = infer_paired,
                .compose = [](Builder&, const Call&,
                              std::span<const Term> x) { return Terms{apply("relu", {-(target_of(x) * x[0])})}; },
                .samples = paired_samples()});
}

std::vector<OperandSpec> prediction_and_target() {
  return {{"prediction", "what was computed, floats"}, {"target", "what it should be; or one for all"}};
}

void register_errors(Registry& registry) {
  registry.add({.name = "squared_error",
                .doc = "(prediction - target)² / 2, a value for each element; without the half where `half` is false, "
                       "of which `mean` makes the mean squared error.",
                .kind = Kind::composite,
                .operands = prediction_and_target(),
                .attributes = {{"half", AttributeKind::boolean, "halve the square", true}},
                .infer = infer_paired,
                .compose = compose_squared_error,
                .samples = concat(paired_samples(),
                                  {{.operands = types({"f64[5]", "f64[5]"}), .attributes = {{"half", false}}}})});

  registry.add({.name = "absolute_error",
                .doc = "|prediction - target|, a value for each element. Subgradient at 0: 0.",
                .kind = Kind::composite,
                .operands = prediction_and_target(),
                .infer = infer_paired,
                .compose = compose_absolute_error,
                .samples = paired_samples()});

  registry.add({.name = "huber",
                .doc = "d² / 2 where |d| is at most delta, delta * (|d| - delta / 2) beyond, with d = prediction - "
                       "target; a value for each element (Huber 1964).",
                .kind = Kind::composite,
                .operands = prediction_and_target(),
                .attributes = {{"delta", AttributeKind::number, "where the parabola becomes a line", 1.0}},
                .infer = infer_huber,
                .compose = compose_huber,
                .samples = concat(paired_samples(),
                                  {{.operands = types({"f64[7]", "f64[7]"}), .attributes = {{"delta", 0.5}}}})});

  registry.add({.name = "kl_unit_normal",
                .doc =
                    "(mean² + e^v - 1 - v) / 2 with v = log_variance, a value for each element: the Kullback-Leibler "
                    "divergence of the normal distribution from the unit one.",
                .kind = Kind::composite,
                .operands = {{"mean", "means, floats"}, {"log_variance", "logarithms of variances; or one for all"}},
                .infer = infer_paired,
                .compose = compose_kl_unit_normal,
                .samples = paired_samples()});
}

void register_cosines(Registry& registry) {
  auto sample = [](std::string_view type, std::int64_t axis) {
    return Sample{.operands = types({type, type}), .attributes = {{"axis", axis}}, .low = 0.25};
  };
  std::vector<Sample> samples = {sample("f64[2,3]", -1), sample("f64[5,3]", 0), sample("f32[4,37]", 1),
                                 sample("f64[7]", 0), sample("f64[0,3]", 1)};
  std::vector<OperandSpec> operands = {{"a", "vectors, floats"}, {"b", "as many vectors of the same length"}};
  std::vector<AttributeSpec> attributes = {
      {"axis", AttributeKind::integer, "the dimension that holds a vector", std::int64_t{-1}},
      {"epsilon", AttributeKind::number, "least length of a vector", 1e-8}};
  registry.add({.name = "cosine_similarity",
                .doc = "The cosine of the angle between vectors, Σ a b / (‖a‖ ‖b‖); 0 where one is zero.",
                .kind = Kind::composite,
                .operands = operands,
                .attributes = attributes,
                .infer = infer_cosine,
                .compose = [](Builder&, const Call& call, std::span<const Term> x) { return Terms{cosine(call, x)}; },
                .samples = samples});

  registry.add(
      {.name = "cosine_loss",
       .doc = "1 - cosine_similarity(a, b).",
       .kind = Kind::composite,
       .operands = operands,
       .attributes = attributes,
       .infer = infer_cosine,
       .compose = [](Builder&, const Call& call, std::span<const Term> x) { return Terms{1 - cosine(call, x)}; },
       .samples = samples});
}

}  // namespace

void register_loss(Registry& registry) {
  register_cross_entropies(registry);
  register_hinges(registry);
  register_errors(registry);
  register_cosines(registry);
}

}  // namespace gradc
