// Convolutions: plain, a kernel for each channel, transposed; in one to three dimensions.
#include <algorithm>

#include "compiler/frontend/layer_pieces.h"

namespace gradc {

namespace {

void check_groups(const LayerCall& call, std::int64_t channels, std::int64_t filters, std::int64_t groups) {
  if (channels % groups != 0 || filters % groups != 0)
    call.fail("groups", std::to_string(groups) + " groups divide not both the " + std::to_string(channels) +
                            " channels of its input and its " + std::to_string(filters) + " filters");
}

// [first, second, kernel…]
Shape weight_shape(std::int64_t first, std::int64_t second, const IntList& kernel) {
  Shape shape = {first, second};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  return shape;
}

// Elements of all dimensions but the first, as PyTorch counts what goes in.
double fan_in_of(const Shape& weight) {
  double fan = 1;
  for (std::size_t d = 1; d < weight.size(); ++d) fan *= static_cast<double>(weight[d].factor);
  return fan;
}

Term with_bias(LayerCall& call, Term y, std::int64_t filters, double fan_in) {
  if (!call.boolean("bias")) return y;
  return y + broadcast_in(bias_of(call, y.dtype(), filters, fan_in), y.shape(), {1});
}

Attributes attributes_of(const Sliding& s, std::int64_t groups) {
  return {{"stride", s.stride},     {"low", s.low},     {"high", s.high},
          {"dilation", s.dilation}, {"groups", groups}, {"channels_last", false}};
}

Term convolve(LayerCall& call, const Sliding& s, std::int64_t filters, std::int64_t groups) {
  Shape shape = weight_shape(filters, fixed(call, 1) / groups, s.window);
  Term weight = call.parameter("weight", {call.operands[0]->type.dtype, shape}, call.init("init"));
  Term y = apply("convolution", {call.x(), weight}, attributes_of(s, groups));
  return with_bias(call, y, filters, fan_in_of(shape));
}

Term convolution(LayerCall& call, std::size_t rank) {
  Sliding s = slide(call, "kernel", rank);
  std::int64_t filters = call.size("filters"), groups = call.size("groups");
  check_groups(call, fixed(call, 1), filters, groups);
  return convolve(call, s, filters, groups);
}

// A group for each channel (Chollet, 2017).
Term depthwise(LayerCall& call, std::size_t rank) {
  Sliding s = slide(call, "kernel", rank);
  std::int64_t channels = fixed(call, 1), filters = 0;
  if (__builtin_mul_overflow(channels, call.size("multiplier"), &filters))
    call.fail("multiplier",
              std::to_string(channels) + " channels times " + std::to_string(call.size("multiplier")) + " overflow");
  if (channels == 0) call.fail("", "its input " + call.operands[0]->type.str() + " has no channels");
  return convolve(call, s, filters, channels);
}

// The size of a transposed convolution's result in one dimension, and the padding of the convolution that it
// transposes.
//   size = (in - 1) · stride - 2 · padding + reach + output_padding;  "same": in · stride
std::int64_t transposed_size(LayerCall& call, Sliding& s, std::size_t d) {
  std::int64_t in = fixed(call, d + 2), spread = 0;
  if (in < 1) call.fail("", "its input " + call.operands[0]->type.str() + " is empty");
  if (__builtin_mul_overflow(in - 1, s.stride[d], &spread) || spread > (std::int64_t{1} << 40))
    call.fail("stride", "the size of its result overflows");
  std::int64_t reach = s.reach(d), extra = call.sizes("output_padding", s.window.size())[d];
  if (pads_same(call)) {
    if (extra != 0)
      call.fail("output_padding", "`output_padding` must be 0 beside padding \"same\", got " + std::to_string(extra));
    std::int64_t cut = std::max<std::int64_t>(0, reach - s.stride[d]);
    s.low.push_back(cut / 2);
    s.high.push_back(cut - cut / 2);
    return spread + std::max(reach, s.stride[d]) - cut;
  }
  std::int64_t each = call.sizes("padding", s.window.size())[d];
  if (extra >= s.stride[d])
    call.fail("output_padding", "`output_padding` must be less than the stride " + std::to_string(s.stride[d]) +
                                    ", got " + std::to_string(extra));
  if (each > (std::int64_t{1} << 30))
    call.fail("padding", "padding " + std::to_string(each) + " must be less than 2^30");
  s.low.push_back(each);
  s.high.push_back(each);
  std::int64_t size = spread + reach - 2 * each + extra;
  if (size < 1)
    call.fail("padding", "padding " + std::to_string(each) + " leaves nothing of dimension " + std::to_string(d + 2) +
                             ", which is " + std::to_string(spread + reach + extra) + " without it");
  return size;
}

// The transpose of the convolution that makes its input's size of its result's; weight [in, filters / groups, kernel…].
Term transposed_convolution(LayerCall& call, std::size_t rank) {
  Sliding s = read_window(call, "kernel", rank);
  std::int64_t channels = fixed(call, 1), filters = call.size("filters"), groups = call.size("groups");
  check_groups(call, channels, filters, groups);
  const LayerValue& extra = call.attributes.find("output_padding")->second;
  if (std::holds_alternative<std::string>(extra)) call.fail("output_padding", "`output_padding` must be sizes");
  Shape result = {call.operands[0]->type.shape[0], filters};
  for (std::size_t d = 0; d < rank; ++d) result.emplace_back(transposed_size(call, s, d));
  Shape shape = weight_shape(channels, filters / groups, s.window);
  Term weight = call.parameter("weight", {call.operands[0]->type.dtype, shape}, call.init("init"));
  Attributes attributes = attributes_of(s, groups);
  attributes.set("shape", result);
  Term y = apply("convolution_input_gradient", {call.x(), weight}, std::move(attributes));
  return with_bias(call, y, filters, fan_in_of(shape));
}

using K = LayerAttributeKind;

const LayerAttribute kFilters = {"filters", K::size, "channels of the result", {}, ""};
const LayerAttribute kKernel = {"kernel", K::sizes, "size of the kernel", {}, ""};
const LayerAttribute kStride = {"stride", K::sizes, "step of the kernel", IntList{1}, ""};
const LayerAttribute kPadding = {
    "padding", K::padding,
    "zeros on each side, or before each dimension and then after each, or \"same\" for ceil(size / stride) positions",
    IntList{0}, ""};
const LayerAttribute kDilation = {"dilation", K::sizes, "distance of the kernel's elements", IntList{1}, ""};
const LayerAttribute kGroups = {"groups", K::size, "groups of channels that are convolved apart", std::int64_t{1}, ""};

std::string dimensions(std::size_t rank) { return std::to_string(rank) + "d"; }

LayerSpec convolution_spec(std::size_t rank) {
  return {"conv" + dimensions(rank),
          std::to_string(rank) + "-d convolution (cross-correlation) of [N, channels, spatial…]",
          one_input(),
          {kFilters, kKernel, kStride, kPadding, kDilation, kGroups, bias_switch(), weight_init(), bias_init()},
          true,
          [rank](LayerCall& call) { return convolution(call, rank); }};
}

LayerSpec depthwise_spec(std::size_t rank) {
  return {"depthwise_conv" + dimensions(rank),
          std::to_string(rank) + "-d convolution of each channel of [N, channels, spatial…] on its own",
          one_input(),
          {kKernel,
           {"multiplier", K::size, "channels of the result for each of the input", std::int64_t{1}, ""},
           kStride,
           kPadding,
           kDilation,
           bias_switch(),
           weight_init(),
           bias_init()},
          true,
          [rank](LayerCall& call) { return depthwise(call, rank); }};
}

LayerSpec transposed_spec(std::size_t rank) {
  return {"conv_transpose" + dimensions(rank),
          std::to_string(rank) +
              "-d transposed convolution of [N, channels, spatial…]: (size - 1) · stride - 2 · padding + dilation · "
              "(kernel - 1) + output_padding + 1; weight [channels, filters / groups, kernel…]",
          one_input(),
          {kFilters,
           kKernel,
           {"stride", K::sizes, "how far apart the input's elements are put", IntList{1}, ""},
           {"padding", K::padding, "cut off on each side, or \"same\" for size · stride", IntList{0}, ""},
           {"output_padding", K::padding, "added at the end of the result, less than the stride", IntList{0}, ""},
           kDilation,
           kGroups,
           bias_switch(),
           weight_init(),
           bias_init()},
          true,
          [rank](LayerCall& call) { return transposed_convolution(call, rank); }};
}

}  // namespace

void add_convolution_layers(std::vector<LayerSpec>& table) {
  for (std::size_t rank : {1, 2, 3}) {
    table.push_back(convolution_spec(rank));
    table.push_back(depthwise_spec(rank));
    table.push_back(transposed_spec(rank));
  }
}

}  // namespace gradc
