// What the files of layers share: checks of inputs, sliding windows, parameters and attributes that many have.
#include "compiler/frontend/layer_pieces.h"

#include <algorithm>
#include <cmath>

namespace gradc {

std::string by(const IntList& list) {
  std::string text;
  for (std::int64_t size : list) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

void need_rank(const LayerCall& call, std::size_t rank, std::string_view form) {
  const Type& type = call.operands[0]->type;
  if (type.rank() != rank) call.fail("", "`x` must be " + std::string(form) + ", got " + type.str());
}

void need_float(const LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (!is_float(type.dtype)) call.fail("", "`x` must be a float, got " + type.str() + "; cast it");
}

std::int64_t fixed(const LayerCall& call, std::size_t dimension) {
  const Type& type = call.operands[0]->type;
  if (!type.shape[dimension].is_static())
    call.fail("", "dimension " + std::to_string(dimension) + " of `x` is " + type.shape[dimension].str() +
                      " and must be a number");
  return type.shape[dimension].factor;
}

void need_image(const LayerCall& call, std::size_t least_rank) {
  const Type& type = call.operands[0]->type;
  if (type.rank() < least_rank)
    call.fail("",
              "`x` must be [N, channels" + std::string(least_rank > 2 ? ", spatial…" : ", …") + "], got " + type.str());
}

bool pads_same(const LayerCall& call) {
  return std::holds_alternative<std::string>(call.attributes.find("padding")->second);
}

namespace {

// Padding before and after dimension `d`, as written: one number, one for each dimension, or first those before all
// dimensions, then those after.
std::pair<std::int64_t, std::int64_t> written_padding(const LayerCall& call, std::size_t d, std::size_t rank) {
  const IntList& list = std::get<IntList>(call.attributes.find("padding")->second);
  if (list.size() == 2 * rank) return {list[d], list[rank + d]};
  if (list.size() != 1 && list.size() != rank)
    call.fail("padding", "`padding` has " + std::to_string(list.size()) + " numbers; it takes 1, " +
                             (rank > 1 ? std::to_string(rank) + " (each spatial dimension) or " : "or ") +
                             std::to_string(2 * rank) + " (before each, then after each)");
  std::int64_t each = list.size() == 1 ? list[0] : list[d];
  return {each, each};
}

// Padding of one dimension, as written or so that ceil(size / stride) positions fit.
void pad_dimension(const LayerCall& call, Sliding& s, std::size_t d, std::int64_t size) {
  std::pair<std::int64_t, std::int64_t> padding;
  if (pads_same(call)) {
    std::int64_t positions = (size + s.stride[d] - 1) / s.stride[d];
    std::int64_t total = std::max<std::int64_t>(0, (positions - 1) * s.stride[d] + s.reach(d) - size);
    padding = {total / 2, total - total / 2};
  } else {
    padding = written_padding(call, d, s.window.size());
  }
  s.low.push_back(padding.first);
  s.high.push_back(padding.second);
}

constexpr std::int64_t kHuge = std::int64_t{1} << 30;

}  // namespace

Sliding read_window(LayerCall& call, std::string_view window_name, std::size_t rank) {
  constexpr std::string_view forms[] = {"", "[N, channels, width]", "[N, channels, height, width]",
                                        "[N, channels, depth, height, width]"};
  need_rank(call, rank + 2, forms[rank]);
  need_float(call);
  Sliding s;
  s.window = call.sizes(window_name, rank);
  s.stride = call.sizes("stride", rank);
  s.dilation = call.has("dilation") ? call.sizes("dilation", rank) : IntList(rank, 1);
  for (std::size_t d = 0; d < rank; ++d)
    if (s.window[d] > kHuge || s.dilation[d] > kHuge || s.stride[d] > kHuge)
      call.fail(window_name, std::string(window_name) + ", stride and dilation must be less than 2^30");
  return s;
}

Sliding slide(LayerCall& call, std::string_view window_name, std::size_t rank) {
  Sliding s = read_window(call, window_name, rank);
  IntList extents, padded;
  bool fits = true;
  for (std::size_t d = 0; d < rank; ++d) {
    std::int64_t size = fixed(call, d + 2);
    pad_dimension(call, s, d, size);
    if (std::int64_t most = std::max(s.low[d], s.high[d]); most > kHuge)
      call.fail("padding", "padding " + std::to_string(most) + " must be less than 2^30");
    extents.push_back(s.reach(d));
    padded.push_back(size + s.low[d] + s.high[d]);
    fits = fits && extents[d] <= padded[d];
  }
  std::string what = std::string(window_name) + " " + by(s.window);
  if (extents != s.window) what += ", dilated to " + by(extents) + ",";
  if (!fits) call.fail(window_name, what + " is larger than its padded input " + by(padded));
  std::string left_out;
  for (std::size_t d = 0; d < rank; ++d)
    if (std::int64_t rest = (padded[d] - extents[d]) % s.stride[d]; rest != 0)
      left_out += (left_out.empty() ? " with stride " + by(s.stride) + " leaves out the last " : ", and the last ") +
                  std::to_string(rest) + " of " + std::to_string(padded[d]) + " positions of dimension " +
                  std::to_string(d + 2);
  if (!left_out.empty()) call.warn(call.places.contains("stride") ? "stride" : window_name, what + left_out);
  return s;
}

Initializer uniform_within(double bound) { return initializer("uniform", {-bound, bound}); }

Term bias_of(LayerCall& call, DType dtype, std::int64_t length, double fan_in) {
  call.set_default("bias_init", uniform_within(1 / std::sqrt(std::max(1.0, fan_in))));
  return call.parameter("bias", {dtype, {length}}, call.init("bias_init"));
}

// Each step has its random stream of the layer's own key.
Term uniform_of_step(LayerCall& call, const Shape& shape) {
  Builder& builder = call.x().builder();
  return builder.term(builder.one("random_uniform", {call.model.next_key(), call.model.step()},
                                  {{"shape", shape}, {"dtype", DType::f32}}));
}

using K = LayerAttributeKind;

const std::vector<OperandSpec>& one_input() {
  static const std::vector<OperandSpec> x = {{"x", "the input", false}};
  return x;
}

LayerAttribute weight_init() { return {"init", K::initializer, "initialiser of the weight", default_weight(), ""}; }
LayerAttribute bias_switch() { return {"bias", K::boolean, "whether a bias is added", true, ""}; }
LayerAttribute bias_init() {
  return {"bias_init", K::initializer, "initialiser of the bias", {}, "uniform in ±1/sqrt(fan_in)"};
}

}  // namespace gradc
