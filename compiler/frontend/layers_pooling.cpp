// Pooling: maximum and average over windows, and over whole images.
#include <algorithm>

#include "compiler/frontend/layer_pieces.h"

namespace gradc {

namespace {

Term pool(LayerCall& call, std::string_view op, std::size_t rank) {
  call.set_default("stride", call.attributes.find("window")->second);
  Sliding s = slide(call, "window", rank);
  for (std::size_t d = 0; d < rank; ++d)
    if (std::max(s.low[d], s.high[d]) >= s.window[d])
      call.fail("padding", "padding " + std::to_string(std::max(s.low[d], s.high[d])) + " reaches the window's size " +
                               std::to_string(s.window[d]) + ": a window may lie in the padding alone");
  Attributes attributes = {
      {"window", s.window}, {"stride", s.stride}, {"low", s.low}, {"high", s.high}, {"channels_last", false}};
  if (op == "avg_pool") attributes.set("count_padding", call.boolean("count_padding"));
  return apply(op, {call.x()}, std::move(attributes));
}

Term global_pool(LayerCall& call, std::string_view op) {
  need_image(call);
  IntList axes;
  for (std::size_t d = 2; d < call.operands[0]->type.rank(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  return apply(op, {call.x()}, {{"axis", axes}});
}

using K = LayerAttributeKind;

LayerSpec pool_spec(const std::string& op, std::size_t rank) {
  std::string name = op + std::to_string(rank) + "d";
  LayerSpec spec{
      name,
      std::string(op == "max_pool" ? "maximum" : "average") + " over windows of [N, channels, spatial…]",
      one_input(),
      {{"window", K::sizes, "size of the window", {}, ""},
       {"stride", K::sizes, "step of the window", {}, "the window"},
       {"padding", K::padding,
        "positions added on each side, or before each dimension and then after each, or \"same\"", IntList{0}, ""}},
      false,
      [op, rank](LayerCall& call) { return pool(call, op, rank); }};
  if (op == "avg_pool")
    spec.attributes.push_back({"count_padding", K::boolean, "whether zeros of the padding count", true, ""});
  return spec;
}

}  // namespace

void add_pooling_layers(std::vector<LayerSpec>& table) {
  for (std::size_t rank : {1, 2, 3})
    for (const char* op : {"max_pool", "avg_pool"}) table.push_back(pool_spec(op, rank));
  table.push_back({"global_avg_pool",
                   "mean over all spatial dimensions of [N, channels, spatial…]",
                   one_input(),
                   {},
                   false,
                   [](LayerCall& call) { return global_pool(call, "mean"); }});
  table.push_back({"global_max_pool",
                   "maximum over all spatial dimensions of [N, channels, spatial…]",
                   one_input(),
                   {},
                   false,
                   [](LayerCall& call) { return global_pool(call, "max"); }});
}

}  // namespace gradc
