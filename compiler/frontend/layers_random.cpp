// Layers that draw random numbers in training and are the identity in evaluation.
#include <cmath>
#include <numbers>

#include "compiler/frontend/layer_pieces.h"

namespace gradc {

namespace {

// y = x / (1 − rate) where a uniform number is at least rate, else 0; in evaluation y = x.
Term dropped(LayerCall& call, const Shape& shape, const IntList& dims) {
  double rate = call.number("rate");
  Term x = call.x();
  if (rate == 0) return x;
  Term uniform = uniform_of_step(call, shape);
  Term kept = apply("greater_equal", {uniform, uniform.like(rate)});
  Term y = select(broadcast_in(kept, x.shape(), dims), x * (1 / (1 - rate)), x.like(0));
  call.model.in_evaluation(y.value(), x.value());
  return y;
}

Term dropout(LayerCall& call) {
  need_float(call);
  const Shape& shape = call.operands[0]->type.shape;
  IntList all;
  for (std::size_t d = 0; d < shape.size(); ++d) all.push_back(static_cast<std::int64_t>(d));
  return dropped(call, shape, all);
}

// One number for each example.
Term stochastic_depth(LayerCall& call) {
  need_float(call);
  const Type& type = call.operands[0]->type;
  if (type.rank() < 1) call.fail("", "`x` must be [N, …], got " + type.str());
  return dropped(call, {type.shape[0]}, {0});
}

// Zero within a square whose centre is any pixel; what of it lies outside the image is cut off.
Term cutout(LayerCall& call) {
  need_float(call);
  need_rank(call, 4, "[N, channels, height, width]");
  Term x = call.x(), inside;
  const std::int64_t size = call.size("size"), before = size / 2;  // pixels of the square before its middle
  for (std::int64_t d : {2, 3}) {
    std::int64_t extent = fixed(call, static_cast<std::size_t>(d));
    Term uniform = uniform_of_step(call, {x.shape()[0]});
    Term first = apply("floor", {uniform * static_cast<double>(extent)}) - static_cast<double>(before);
    Term place =
        x.builder().term(x.builder().one("iota", {}, {{"shape", x.shape()}, {"dtype", DType::f32}, {"axis", d}}));
    Term offset = place - broadcast_in(first, x.shape(), {0});
    Term within = apply("logical_and", {apply("greater_equal", {offset, offset.like(0)}),
                                        apply("less", {offset, offset.like(static_cast<double>(size))})});
    inside = inside ? apply("logical_and", {inside, within}) : within;
  }
  Term y = select(inside, x.like(0), x);
  call.model.in_evaluation(y.value(), x.value());
  return y;
}

// Beta(α, α) from two uniform numbers u, v: with c = cos 2πv and t = u^(-1/α) - 1,
//   ½ (1 + c / √(c² + 1/t))
// because √(2α t) c has Student's distribution of 2α degrees (Bailey, 1994; Devroye, 1996).
Term mixup_share(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (type.rank() < 1) call.fail("", "`x` must be [N, …], got " + type.str());
  DType dtype = is_float(type.dtype) ? type.dtype : DType::f32;
  double alpha = call.number("alpha");
  if (alpha == 0) call.fail("alpha", "`alpha` must be more than 0");
  Shape each = {type.shape[0]};
  Term u = 1 - uniform_of_step(call, each);  // (0, 1]
  Term c = apply("cos", {uniform_of_step(call, each) * (2 * std::numbers::pi)});
  Term t = apply("expm1", {apply("log", {u}) * (-1 / alpha)});
  Term share = 0.5 * c * apply("rsqrt", {c * c + apply("maximum", {1 / t, t.like(1e-30)})}) + 0.5;
  Term y = cast(share, dtype);
  call.model.in_evaluation(y.value(), y.builder().full({dtype, each}, 1));
  return y;
}

using K = LayerAttributeKind;

LayerAttribute rate(const std::string& doc) { return {"rate", K::number, doc, 0.5, "", 0, 1}; }

}  // namespace

void add_random_layers(std::vector<LayerSpec>& table) {
  table.push_back(
      {"cutout",
       "in training sets a random square of each image [N, channels, height, width] to 0 (DeVries and Taylor 2017)",
       one_input(),
       {{"size", K::size, "length of the square's side", {}, ""}},
       false,
       cutout});
  table.push_back(
      {"dropout",
       "in training drops elements with probability `rate` and scales the others by 1 / (1 − rate) (Srivastava et "
       "al. 2014)",
       one_input(),
       {rate("probability of dropping")},
       false,
       dropout});
  table.push_back(
      {"mixup_share",
       "in training a number for each example, drawn from Beta(alpha, alpha); 1 in evaluation. With the op "
       "`mixup` it mixes images and labels alike (Zhang et al. 2018)",
       {{"x", "any value [N, …]", false}},
       {{"alpha", K::number, "of the distribution, above 0: small ones stay near 0 and 1", 0.2, "", 0, 1e300}},
       false,
       mixup_share});
  table.push_back(
      {"stochastic_depth",
       "in training drops whole examples of a residual branch with probability `rate` and scales the others by "
       "1 / (1 − rate) (Huang et al. 2016)",
       {{"x", "a branch [N, …], before it is added", false}},
       {rate("probability of dropping")},
       false,
       stochastic_depth});
}

}  // namespace gradc
