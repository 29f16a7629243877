// Normalisations with a scale and a shift that are learnt: over the batch, over each example, over groups of channels.
#include "compiler/frontend/layer_pieces.h"

namespace gradc {

namespace {

// Per channel: y = (x − mean) · rsqrt(variance + ε) · weight + bias, over the batch in training, over running
// statistics in evaluation (Ioffe and Szegedy, 2015). The running variance is the unbiased one, as PyTorch's.
Term batch_norm(LayerCall& call) {
  need_float(call);
  Term x = call.x();
  need_image(call, 2);
  Type channel{x.dtype(), {fixed(call, 1)}};
  Term weight = call.parameter("weight", channel, initializer("ones"));
  Term bias = call.parameter("bias", channel, initializer("zeros"));
  Term mean_so_far = call.statistic("running_mean", channel, initializer("zeros"));
  Term variance_so_far = call.statistic("running_var", channel, initializer("ones"));
  IntList axes = {0};
  for (std::size_t d = 2; d < x.rank(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  auto spread = [&](Term v) { return broadcast_in(v, x.shape(), {1}); };
  auto normalised = [&](Term mean, Term variance) {
    Term scale = apply("rsqrt", {variance + call.number("epsilon")}) * weight;
    return (x - spread(mean)) * spread(scale) + spread(bias);
  };
  Term mean = apply("mean", {x}, {{"axis", axes}});
  Term centered = x - spread(mean);
  Term variance = apply("mean", {centered * centered}, {{"axis", axes}});
  Term y = normalised(mean, variance);
  call.model.in_evaluation(y.value(), normalised(mean_so_far, variance_so_far).value());
  double share = call.number("momentum");
  auto blend = [&](Term old, Term now) {
    Term next = apply("stop_gradient", {old * (1 - share) + now * share});
    call.model.update_statistic(old.value(), next.value(), y.value());
  };
  // Σ 1 over the batch, a value because N is one: n / (n − 1) turns the biased variance into the unbiased.
  Term count = reduce_sum(x.builder().term(x.builder().full(x.type(), 1)), axes);
  blend(mean_so_far, mean);
  blend(variance_so_far, variance * (count / apply("maximum", {count - 1, count.like(1)})));
  return y;
}

// y · weight + bias, of the last dimensions or one for each channel.
Term scaled(LayerCall& call, Term y, const Shape& shape, const IntList& dims) {
  if (!call.boolean("affine")) return y;
  Type type{y.dtype(), shape};
  Term weight = call.parameter("weight", type, initializer("ones"));
  Term bias = call.parameter("bias", type, initializer("zeros"));
  return y * broadcast_in(weight, y.shape(), dims) + broadcast_in(bias, y.shape(), dims);
}

Term layer_norm(LayerCall& call) {
  need_float(call);
  Term x = call.x();
  std::int64_t rank = static_cast<std::int64_t>(x.rank()), count = call.size("dimensions");
  if (count > rank)
    call.fail("dimensions", "can't normalise over " + std::to_string(count) + " dimensions of " + x.type().str());
  Shape shape;
  IntList axes;
  for (std::int64_t d = rank - count; d < rank; ++d) {
    axes.push_back(d);
    shape.emplace_back(fixed(call, static_cast<std::size_t>(d)));
  }
  Term y = apply("standardize", {x}, {{"axis", axes}, {"epsilon", call.number("epsilon")}});
  return scaled(call, y, shape, axes);
}

Term grouped(LayerCall& call, std::int64_t channels, std::int64_t groups) {
  if (groups < 1 || channels % groups != 0)
    call.fail("groups", "can't cut the " + std::to_string(channels) + " channels of its input into " +
                            std::to_string(groups) + " groups");
  Term y = apply("standardize_groups", {call.x()}, {{"groups", groups}, {"epsilon", call.number("epsilon")}});
  return scaled(call, y, {channels}, {1});
}

Term group_norm(LayerCall& call) {
  need_float(call);
  need_image(call, 2);
  return grouped(call, fixed(call, 1), call.size("groups"));
}

Term instance_norm(LayerCall& call) {
  need_float(call);
  need_image(call);
  std::int64_t channels = fixed(call, 1);
  if (channels == 0) call.fail("", "its input " + call.operands[0]->type.str() + " has no channels");
  return grouped(call, channels, channels);
}

using K = LayerAttributeKind;

const LayerAttribute kEpsilon = {"epsilon", K::number, "added to the variance", 1e-5, "", 0, 1e300};
const LayerAttribute kAffine = {"affine", K::boolean, "whether the result is scaled by `weight` and shifted by `bias`",
                                true, ""};

}  // namespace

void add_normalization_layers(std::vector<LayerSpec>& table) {
  table.push_back(
      {"batch_norm",
       "normalises each channel over the batch; running statistics in evaluation",
       one_input(),
       {kEpsilon, {"momentum", K::number, "share of the new batch in the running statistics", 0.1, "", 0, 1}},
       true,
       batch_norm});
  table.push_back({"layer_norm",
                   "normalises each example over its last dimensions, then scales and shifts (Ba et al. 2016)",
                   one_input(),
                   {{"dimensions", K::size, "how many of the last dimensions", std::int64_t{1}, ""}, kEpsilon, kAffine},
                   true,
                   layer_norm});
  table.push_back(
      {"group_norm",
       "normalises each group of channels of each example, then scales and shifts each channel (Wu and He 2018)",
       one_input(),
       {{"groups", K::size, "how many groups of channels", {}, ""}, kEpsilon, kAffine},
       true,
       group_norm});
  table.push_back({"instance_norm",
                   "normalises each channel of each example, then scales and shifts it (Ulyanov et al. 2016)",
                   one_input(),
                   {kEpsilon, kAffine},
                   true,
                   instance_norm});
}

}  // namespace gradc
