// Enlarging images: by copies, and by interpolation; mixing the examples of a batch.
#include "ir/ops/entry.h"

namespace gradc {

namespace {

// The factor of each spatial dimension of [N, C, spatial…]; a single one is for all.
IntList factors_of(const Call& call) {
  const Type& x = call.operand(0);
  if (!is_float(x.dtype)) call.fail("`x` must be a float, got " + x.str() + "; cast it first");
  if (x.rank() < 3) call.fail("`x` must be [N,C,spatial…], got " + x.str());
  IntList scale = call.attributes.ints("scale");
  if (scale.size() == 1) scale.resize(x.rank() - 2, scale[0]);
  if (scale.size() != x.rank() - 2)
    call.fail("`scale` must be one factor, or one for each of " + std::to_string(x.rank() - 2) +
              " spatial dimensions, got " + str(Attribute(call.attributes.ints("scale"))));
  for (std::int64_t factor : scale)
    if (factor < 1) call.fail("`scale` must be at least 1, got " + std::to_string(factor));
  return scale;
}

Types infer_upsample(const Call& call) {
  Type result = call.operand(0);
  IntList scale = factors_of(call);
  for (std::size_t i = 0; i < scale.size(); ++i) {
    Dim& dim = result.shape[i + 2];
    if (!dim.is_static())
      call.fail("spatial dimension " + dim.str() + " of " + call.operand(0).str() + " must be bound to a size first");
    if (__builtin_mul_overflow(dim.factor, scale[i], &dim.factor))
      call.fail("the size of spatial dimension " + std::to_string(i) + " overflows");
  }
  return {result};
}

// [a] → [a, 1] → [a, factor] → [a * factor], in every spatial dimension at once
Terms compose_nearest(Builder&, const Call& call, std::span<const Term> x) {
  IntList scale = factors_of(call);
  const Shape& shape = x[0].shape();
  Shape apart = {shape[0], shape[1]}, stretched = apart, joined = apart;
  for (std::size_t i = 0; i < scale.size(); ++i) {
    Dim size = shape[i + 2];
    apart.insert(apart.end(), {size, Dim(1)});
    stretched.insert(stretched.end(), {size, Dim(scale[i])});
    joined.emplace_back(size.factor * scale[i]);
  }
  return {reshape(broadcast(reshape(x[0], apart), stretched), joined)};
}

Term part(Term x, std::size_t axis, std::int64_t start, std::int64_t length) {
  IntList starts(x.rank(), 0), limits = sizes(x.shape());
  starts[axis] = start;
  limits[axis] = start + length;
  return apply("slice", {x}, {{"start", starts}, {"limit", limits}});
}

// Element i * factor + p stands at i + (p + ½) / factor - ½ of the image, between two neighbours with weights that
// depend on p alone.
Term interpolated(Term x, std::size_t axis, std::int64_t factor) {
  std::int64_t size = x.shape()[axis].factor;
  IntList margin(x.rank(), 0);
  margin[axis] = 1;
  Term padded = apply("pad_edge", {x}, {{"low", margin}, {"high", margin}});
  Terms phases;
  for (std::int64_t p = 0; p < factor; ++p) {
    double offset = (static_cast<double>(p) + 0.5) / static_cast<double>(factor) - 0.5;
    std::int64_t first = offset < 0 ? 0 : 1;
    double right = offset < 0 ? offset + 1 : offset;
    Term a = part(padded, axis, first, size);
    phases.push_back(right == 0 ? a : a * (1 - right) + part(padded, axis, first + 1, size) * right);
  }
  Shape result = x.shape();
  result[axis] = Dim(size * factor);
  return reshape(apply("stack", phases, {{"axis", static_cast<std::int64_t>(axis) + 1}}), result);
}

Terms compose_linear(Builder&, const Call& call, std::span<const Term> x) {
  IntList scale = factors_of(call);
  Term result = x[0];
  for (std::size_t i = 0; i < scale.size(); ++i)
    if (scale[i] > 1 && result.shape()[i + 2] != Dim(0)) result = interpolated(result, i + 2, scale[i]);
  if (result.type().elements() == 0) return {reshape(x[0], call.op.infer(call)[0].shape)};
  return {result};
}

void register_upsampling(Registry& registry) {
  auto sample = [](std::string_view type, IntList scale) {
    return Sample{.operands = types({type}), .attributes = {{"scale", std::move(scale)}}};
  };
  std::vector<AttributeSpec> attributes = {
      {"scale", AttributeKind::int_list, "a factor for all spatial dimensions, or one for each", {}}};
  std::vector<Sample> samples = {sample("f64[2,3,4]", {2}),      sample("f64[1,2,3,2]", {3}),
                                 sample("f32[1,2,5,3]", {1, 4}), sample("f64[1,1,2,1,2]", {2, 3, 1}),
                                 sample("f64[2,1,1]", {5}),      sample("f64[0,2,3]", {2}),
                                 sample("f64[2,1,0]", {2})};
  registry.add({.name = "upsample_nearest",
                .doc = "An image enlarged by whole factors, each element repeated.",
                .kind = Kind::composite,
                .operands = {{"x", "image [N,C,spatial…]"}},
                .attributes = attributes,
                .infer = infer_upsample,
                .compose = compose_nearest,
                .samples = samples});

  registry.add({.name = "upsample_linear",
                .doc = "An image enlarged by whole factors with linear interpolation (bilinear for two dimensions): "
                       "elements are the middles of their cells, beyond the outermost middles it is constant.",
                .kind = Kind::composite,
                .operands = {{"x", "image [N,C,spatial…]"}},
                .attributes = attributes,
                .infer = infer_upsample,
                .compose = compose_linear,
                .samples = samples});
}

// ---- mixup:  share x + (1 - share) x', x' the batch in reverse order ----

Types infer_mixup(const Call& call) {
  const Type &x = call.operand(0), &share = call.operand(1);
  if (!is_float(x.dtype)) call.fail("`x` must be a float, got " + x.str() + "; cast it, or make it one_hot");
  if (x.rank() < 1) call.fail("`x` must be [N,…], got " + x.str());
  if (share.dtype != x.dtype || share.shape != Shape{x.shape[0]})
    call.fail("`share` must be " + Type{x.dtype, {x.shape[0]}}.str() + ", a number for each example of `x`, got " +
              share.str());
  return {x};
}

Terms compose_mixup(Builder&, const Call&, std::span<const Term> x) {
  Term share = broadcast_in(x[1], x[0].shape(), {0});
  return {share * x[0] + (1 - share) * apply("reverse", {x[0]}, {{"axis", IntList{0}}})};
}

void register_mixup(Registry& registry) {
  auto sample = [](std::string_view x, std::string_view share) { return Sample{.operands = types({x, share})}; };
  registry.add({.name = "mixup",
                .doc =
                    "Each example mixed with the one that stands as far from the other end of the batch: share * x + "
                    "(1 - share) * reverse(x, axis=0) (Zhang et al. 2018). Apply it to images and, as one_hot, to "
                    "labels with one share, as the layer `mixup_share` draws it.",
                .kind = Kind::composite,
                .operands = {{"x", "a float [N,…]"}, {"share", "a number in [0, 1] for each example, [N]"}},
                .infer = infer_mixup,
                .compose = compose_mixup,
                .samples = {sample("f64[3]", "f64[3]"), sample("f64[4,3]", "f64[4]"), sample("f32[5,2,7]", "f32[5]"),
                            sample("f64[1,3]", "f64[1]"), sample("f64[0,3]", "f64[0]")}});
}

}  // namespace

void register_resize(Registry& registry) {
  register_upsampling(registry);
  register_mixup(registry);
}

}  // namespace gradc
