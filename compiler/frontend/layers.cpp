// The layers, a row each, and what their calls have in common.
#include "compiler/frontend/layers.h"

#include <algorithm>
#include <cmath>

#include "compiler/frontend/json.h"

namespace gradc {

const LayerAttribute* LayerSpec::attribute(std::string_view wanted) const {
  for (const LayerAttribute& attribute : attributes)
    if (attribute.name == wanted) return &attribute;
  return nullptr;
}

IntList LayerCall::sizes(std::string_view name, std::size_t rank) const {
  const IntList& list = std::get<IntList>(attributes.find(name)->second);
  if (list.size() == 1) return IntList(rank, list[0]);
  if (list.size() != rank)
    fail(name, "`" + std::string(name) + "` has " + std::to_string(list.size()) + " numbers, there are " +
                   std::to_string(rank) + " spatial dimensions");
  return list;
}

Term LayerCall::parameter(const std::string& suffix, const Type& type, const Initializer& initializer) {
  std::string name = path + "." + suffix;
  Value* value = shared ? model.find_state(name) : nullptr;
  if (value && value->type != type)
    fail("", "shares `" + name + "`, which is " + value->type.str() + "; here it would be " + type.str());
  if (!value) value = model.add_parameter(name, type, initializer, location);
  return model.at(location).term(value);
}

Term LayerCall::statistic(const std::string& suffix, const Type& type, const Initializer& initializer) {
  std::string name = path + "." + suffix;
  Value* value = shared ? model.find_state(name) : nullptr;
  if (!value) value = model.add_statistic(name, type, initializer, location);
  return model.at(location).term(value);
}

void LayerCall::fail(std::string_view attribute, const std::string& message) const {
  auto place = places.find(attribute);
  Location at = place == places.end() ? location : place->second;
  throw UserError(Diagnostic{Severity::error, at, layer.name + ": " + message, model.notes_on(operands, location)});
}

void LayerCall::warn(std::string_view attribute, const std::string& message) const {
  auto place = places.find(attribute);
  model.warn(place == places.end() ? location : place->second, layer.name + ": " + message);
}

void LayerCall::set_default(const std::string& name, LayerValue value) {
  attributes.try_emplace(name, std::move(value));
}

namespace {

// "5x3"
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

// Where a window of some spatial dimensions moves: the sizes around x [N, C, spatial…].
struct Sliding {
  IntList window, stride, low, high, dilation;
};

// Padding of one dimension, as written or so that ceil(size / stride) positions fit.
void pad_dimension(const LayerCall& call, Sliding& s, std::size_t d, std::int64_t size, std::int64_t extent) {
  const LayerValue& padding = call.attributes.find("padding")->second;
  if (std::holds_alternative<std::string>(padding)) {
    std::int64_t positions = (size + s.stride[d] - 1) / s.stride[d];
    std::int64_t total = std::max<std::int64_t>(0, (positions - 1) * s.stride[d] + extent - size);
    s.low.push_back(total / 2);
    s.high.push_back(total - total / 2);
  } else {
    std::int64_t each = call.sizes("padding", s.window.size())[d];
    s.low.push_back(each);
    s.high.push_back(each);
  }
}

Sliding slide(LayerCall& call, std::string_view window_name, std::size_t rank) {
  constexpr std::string_view forms[] = {"", "[N, channels, width]", "[N, channels, height, width]"};
  need_rank(call, rank + 2, forms[rank]);
  need_float(call);
  Sliding s;
  s.window = call.sizes(window_name, rank);
  s.stride = call.sizes("stride", rank);
  s.dilation = call.has("dilation") ? call.sizes("dilation", rank) : IntList(rank, 1);
  IntList extents, padded;
  bool fits = true;
  for (std::size_t d = 0; d < rank; ++d) {
    constexpr std::int64_t kHuge = std::int64_t{1} << 30;
    std::int64_t size = fixed(call, d + 2);
    if (s.window[d] > kHuge || s.dilation[d] > kHuge || s.stride[d] > kHuge)
      call.fail(window_name, std::string(window_name) + ", stride and dilation must be less than 2^30");
    std::int64_t extent = (s.window[d] - 1) * s.dilation[d] + 1;
    pad_dimension(call, s, d, size, extent);
    if (s.low[d] > kHuge) call.fail("padding", "padding " + std::to_string(s.low[d]) + " must be less than 2^30");
    extents.push_back(extent);
    padded.push_back(size + s.low[d] + s.high[d]);
    fits = fits && extents[d] <= padded[d];
  }
  std::string what = std::string(window_name) + " " + by(s.window);
  if (extents != s.window) what += ", dilated to " + by(extents) + ",";
  if (!fits) call.fail(window_name, what + " is larger than its padded input " + by(padded));
  for (std::size_t d = 0; d < rank; ++d)
    if (std::int64_t rest = (padded[d] - extents[d]) % s.stride[d]; rest != 0)
      call.warn(call.places.contains("stride") ? "stride" : window_name,
                what + " with stride " + std::to_string(s.stride[d]) + " leaves out the last " + std::to_string(rest) +
                    " of " + std::to_string(padded[d]) + " positions of dimension " + std::to_string(d + 2));
  return s;
}

Initializer uniform_within(double bound) { return initializer("uniform", {-bound, bound}); }

// A bias's default: uniform in ±1/sqrt(fan_in), as PyTorch's.
Term bias_of(LayerCall& call, DType dtype, std::int64_t length, double fan_in) {
  call.set_default("bias_init", uniform_within(1 / std::sqrt(std::max(1.0, fan_in))));
  return call.parameter("bias", {dtype, {length}}, call.init("bias_init"));
}

Term linear(LayerCall& call) {
  const Type type = call.operands[0]->type;
  need_float(call);
  if (type.rank() < 1) call.fail("", "`x` must have at least one dimension, got " + type.str());
  std::int64_t last = static_cast<std::int64_t>(type.rank()) - 1;
  std::int64_t in = fixed(call, type.rank() - 1), units = call.size("units");
  Term weight = call.parameter("weight", {type.dtype, {units, in}}, call.init("init"));
  Term y = apply("dot", {call.x(), weight}, {{"contract_a", IntList{last}}, {"contract_b", IntList{1}}});
  return call.boolean("bias") ? y + bias_of(call, type.dtype, units, static_cast<double>(in)) : y;
}

Term convolution(LayerCall& call, std::size_t rank) {
  Sliding s = slide(call, "kernel", rank);
  DType dtype = call.operands[0]->type.dtype;
  std::int64_t channels = fixed(call, 1), filters = call.size("filters"), groups = call.size("groups");
  if (channels % groups != 0 || filters % groups != 0)
    call.fail("groups", std::to_string(groups) + " groups divide not both the " + std::to_string(channels) +
                            " channels of its input and its " + std::to_string(filters) + " filters");
  std::int64_t depth = channels / groups;
  Shape shape = {filters, depth};
  double fan_in = static_cast<double>(depth);
  for (std::int64_t size : s.window) {
    shape.push_back(size);
    fan_in *= static_cast<double>(size);
  }
  Term weight = call.parameter("weight", {dtype, shape}, call.init("init"));
  Term y = apply("convolution", {call.x(), weight},
                 {{"stride", s.stride},
                  {"low", s.low},
                  {"high", s.high},
                  {"dilation", s.dilation},
                  {"groups", groups},
                  {"channels_last", false}});
  if (!call.boolean("bias")) return y;
  return y + broadcast_in(bias_of(call, dtype, filters, fan_in), y.shape(), {1});
}

Term pool(LayerCall& call, std::string_view op, std::size_t rank) {
  call.set_default("stride", call.attributes.find("window")->second);
  Sliding s = slide(call, "window", rank);
  for (std::size_t d = 0; d < rank; ++d)
    if (std::max(s.low[d], s.high[d]) >= s.window[d])
      call.fail("padding", "padding " + std::to_string(s.high[d]) + " reaches the window's size " +
                               std::to_string(s.window[d]) + ": a window may lie in the padding alone");
  Attributes attributes = {
      {"window", s.window}, {"stride", s.stride}, {"low", s.low}, {"high", s.high}, {"channels_last", false}};
  if (op == "avg_pool") attributes.set("count_padding", call.boolean("count_padding"));
  return apply(op, {call.x()}, std::move(attributes));
}

Term global_average(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (type.rank() < 3) call.fail("", "`x` must be [N, channels, spatial…], got " + type.str());
  IntList axes;
  for (std::size_t d = 2; d < type.rank(); ++d) axes.push_back(static_cast<std::int64_t>(d));
  return apply("mean", {call.x()}, {{"axis", axes}});
}

Term flatten(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (type.rank() < 1) call.fail("", "`x` must have at least one dimension, got " + type.str());
  std::int64_t rest = 1;
  for (std::size_t d = 1; d < type.rank(); ++d) rest *= fixed(call, d);
  return reshape(call.x(), {type.shape[0], rest});
}

// y = x / (1 − rate) where a uniform number is at least rate, else 0; in evaluation y = x (Srivastava et al., 2014).
Term dropout(LayerCall& call) {
  need_float(call);
  double rate = call.number("rate");
  Term x = call.x();
  if (rate == 0) return x;
  Builder& builder = x.builder();
  // Each step has its random stream of the layer's own key.
  Term uniform = builder.term(builder.one("random_uniform", {call.model.next_key(), call.model.step()},
                                          {{"shape", x.shape()}, {"dtype", DType::f32}}));
  Term kept = apply("greater_equal", {uniform, uniform.like(rate)});
  Term y = select(kept, x * (1 / (1 - rate)), x.like(0));
  call.model.in_evaluation(y.value(), x.value());
  return y;
}

// Per channel: y = (x − mean) · rsqrt(variance + ε) · weight + bias, over the batch in training, over running
// statistics in evaluation (Ioffe and Szegedy, 2015). The running variance is the unbiased one, as PyTorch's.
Term batch_norm(LayerCall& call) {
  need_float(call);
  Term x = call.x();
  if (x.rank() < 2) call.fail("", "`x` must be [N, channels, …], got " + x.type().str());
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

Term embedding(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (!is_integer(type.dtype)) call.fail("", "`x` must hold integers, got " + type.str());
  std::int64_t count = call.size("count");
  Term weight = call.parameter("weight", {DType::f32, {count, call.size("units")}}, call.init("init"));
  call.model.declare_range(call.operands[0], count);
  return apply("gather", {weight, cast(call.x(), DType::i32)}, {{"axis", std::int64_t{0}}});
}

using K = LayerAttributeKind;
const std::vector<OperandSpec> kX = {{"x", "the input", false}};
const LayerAttribute kInit = {"init", K::initializer, "initialiser of the weight", default_weight(), ""};
const LayerAttribute kBias = {"bias", K::boolean, "whether a bias is added", true, ""};
const LayerAttribute kBiasInit = {
    "bias_init", K::initializer, "initialiser of the bias", {}, "uniform in ±1/sqrt(fan_in)"};

LayerSpec convolution_spec(std::size_t rank) {
  std::string d = std::to_string(rank);
  return {"conv" + d + "d",
          d + "-d convolution (cross-correlation) of [N, channels, spatial…]",
          kX,
          {{"filters", K::size, "channels of the result", {}, ""},
           {"kernel", K::sizes, "size of the kernel", {}, ""},
           {"stride", K::sizes, "step of the kernel", IntList{1}, ""},
           {"padding", K::padding, "zeros on each side, or \"same\" for ceil(size / stride) positions", IntList{0}, ""},
           {"dilation", K::sizes, "distance of the kernel's elements", IntList{1}, ""},
           {"groups", K::size, "groups of channels that are convolved apart", std::int64_t{1}, ""},
           kBias,
           kInit,
           kBiasInit},
          true,
          [rank](LayerCall& call) { return convolution(call, rank); }};
}

LayerSpec pool_spec(const std::string& op, std::size_t rank) {
  std::string name = op + std::to_string(rank) + "d";
  LayerSpec spec{name,
                 std::string(op == "max_pool" ? "maximum" : "average") + " over windows of [N, channels, spatial…]",
                 kX,
                 {{"window", K::sizes, "size of the window", {}, ""},
                  {"stride", K::sizes, "step of the window", {}, "the window"},
                  {"padding", K::padding, "positions added on each side, or \"same\"", IntList{0}, ""}},
                 false,
                 [op, rank](LayerCall& call) { return pool(call, op, rank); }};
  if (op == "avg_pool")
    spec.attributes.push_back({"count_padding", K::boolean, "whether zeros of the padding count", true, ""});
  return spec;
}

std::vector<LayerSpec> make_layers() {
  std::vector<LayerSpec> table = {
      {"batch_norm",
       "normalises each channel over the batch; running statistics in evaluation",
       kX,
       {{"epsilon", K::number, "added to the variance", 1e-5, "", 0, 1e300},
        {"momentum", K::number, "share of the new batch in the running statistics", 0.1, "", 0, 1}},
       true,
       batch_norm},
      {"dropout",
       "in training drops elements with probability `rate` and scales the others by 1 / (1 − rate)",
       kX,
       {{"rate", K::number, "probability of dropping", 0.5, "", 0, 1}},
       false,
       dropout},
      {"embedding",
       "rows of a table, by index",
       {{"x", "indices", false}},
       {{"count", K::size, "rows of the table", {}, ""},
        {"units", K::size, "length of a row", {}, ""},
        {"init", K::initializer, "initialiser of the table", initializer("normal", {0, 1}), ""}},
       true,
       embedding},
      {"flatten", "all dimensions but the first as one", kX, {}, false, flatten},
      {"global_avg_pool", "mean over all spatial dimensions of [N, channels, spatial…]", kX, {}, false, global_average},
      {"linear",
       "x · weightᵀ + bias over the last dimension",
       kX,
       {{"units", K::size, "length of the result", {}, ""}, kBias, kInit, kBiasInit},
       true,
       linear},
  };
  for (std::size_t rank : {1, 2}) {
    table.push_back(convolution_spec(rank));
    table.push_back(pool_spec("max_pool", rank));
    table.push_back(pool_spec("avg_pool", rank));
  }
  std::sort(table.begin(), table.end(), [](const LayerSpec& a, const LayerSpec& b) { return a.name < b.name; });
  return table;
}

}  // namespace

const std::vector<LayerSpec>& layers() {
  static const std::vector<LayerSpec> table = make_layers();
  return table;
}

const LayerSpec* find_layer(std::string_view name) {
  for (const LayerSpec& spec : layers())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::string wrong_value(const LayerAttribute& attribute, const LayerValue& value) {
  const std::string what = "`" + attribute.name + "` must be ";
  auto below = [&](std::int64_t low, const std::string& wanted) -> std::string {
    const IntList* list = std::get_if<IntList>(&value);
    if (!list)
      return std::get<std::int64_t>(value) < low
                 ? what + wanted + ", got " + std::to_string(std::get<std::int64_t>(value))
                 : "";
    if (list->empty()) return "`" + attribute.name + "` is an empty list";
    for (std::int64_t size : *list)
      if (size < low) return what + wanted + ", got " + std::to_string(size);
    return "";
  };
  switch (attribute.kind) {
    case LayerAttributeKind::size:
    case LayerAttributeKind::sizes:
      return below(1, "a positive integer");
    case LayerAttributeKind::padding:
      if (const std::string* text = std::get_if<std::string>(&value))
        return *text == "same" ? "" : what + "sizes or \"same\", got \"" + *text + "\"";
      return below(0, "an integer of 0 or more");
    case LayerAttributeKind::number: {
      double n = std::get<double>(value);
      if (n >= attribute.low && n < attribute.high) return "";
      return what +
             (attribute.high >= 1e300
                  ? number_text(attribute.low) + " or more"
                  : "at least " + number_text(attribute.low) + " and less than " + number_text(attribute.high)) +
             ", got " + number_text(n);
    }
    default:
      return "";
  }
}

Value* build_layer(LayerCall& call) {
  const LayerSpec& layer = call.layer;
  if (layer.owns_parameters && call.path.empty())
    throw UserError(call.location, layer.name + " owns parameters and needs a `name`");
  for (const LayerAttribute& attribute : layer.attributes) {
    if (auto given = call.attributes.find(attribute.name); given != call.attributes.end()) {
      if (std::string wrong = wrong_value(attribute, given->second); !wrong.empty()) call.fail(attribute.name, wrong);
      continue;
    }
    if (attribute.preset)
      call.attributes.emplace(attribute.name, *attribute.preset);
    else if (attribute.derived.empty())
      call.fail("", "`" + attribute.name + "` is missing");
  }
  ModelBuilder::Mark mark = call.model.mark();
  try {
    Value* result = layer.build(call).value();
    if (result->node && result->name.empty()) result->name = call.name;
    call.model.record(mark, call.name, layer.name, result, call.location);
    return result;
  } catch (const UserError& error) {
    Diagnostic diagnostic = error.diagnostics().front();
    if (diagnostic.notes.empty()) diagnostic.notes = call.model.notes_on(call.operands, call.location);
    throw UserError(std::move(diagnostic));
  }
}

}  // namespace gradc
