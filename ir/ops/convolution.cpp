// Convolution and its two gradients: three products of one kind, each the transpose of the others.
//
// With y = conv(x, w): x is an image [N, C, spatial…], w always [O, C/groups, kernel…], y an image [N, O, spatial…].
//
//   y[n, o, s]  = Σ c, k  x[n, c, s * stride - low + k * dilation] * w[o, c, k]
//   dx[n, c, h] = Σ o, k  g[n, o, (h + low - k * dilation) / stride] * w[o, c, k]
//   dw[o, c, k] = Σ n, s  x[n, c, s * stride - low + k * dilation] * g[n, o, s]
//
// where what is outside, or no whole number, reads 0. Groups cut C and O alike.
#include "ir/ops/window.h"

namespace gradc {

namespace {

struct Convolution {
  ImageLayout layout;
  Window window;
  std::int64_t groups = 1;
  Type x, w, y;
};

// Works out the types of all three from the two that are given.
Convolution convolution_of(const Call& call, const Type& x, const Type& w) {
  Convolution c{image_layout(call, x), {}, call.attributes.integer("groups"), x, w, {}};
  std::size_t spatial = c.layout.spatial;
  if (!is_float(x.dtype)) call.fail("takes floats, got " + x.str());
  if (w.dtype != x.dtype) call.fail("dtypes differ: " + x.str() + " and " + w.str() + "; cast one of them");
  if (w.rank() != x.rank())
    call.fail("the weight must be [O,C/groups,kernel…] with " + std::to_string(spatial) +
              " kernel dimensions for an image " + x.str() + ", got " + w.str());
  if (!is_static(w.shape)) call.fail("the weight's shape must be bound first, got " + w.str());
  if (c.groups < 1) call.fail("groups must be at least 1, got " + std::to_string(c.groups));
  const Dim& channels = x.shape[c.layout.channel()];
  std::int64_t out = w.shape[0].factor, per_group = w.shape[1].factor;
  std::int64_t taken = 0;
  if (__builtin_mul_overflow(per_group, c.groups, &taken))
    call.fail("the weight " + w.str() + " in " + std::to_string(c.groups) + " groups takes too many channels to count");
  if (channels != Dim(taken))
    call.fail("the image " + x.str() + " has " + channels.str() + " channels, the weight " + w.str() + " takes " +
              std::to_string(taken) +
              (c.groups > 1 ? " (" + std::to_string(c.groups) + " groups of " + std::to_string(per_group) + ")" : ""));
  if (out % c.groups != 0)
    call.fail(std::to_string(out) + " output channels can't be cut into " + std::to_string(c.groups) + " groups");
  c.window.size = sizes(Shape(w.shape.begin() + 2, w.shape.end()));
  c.window.stride = filled_list(call, "stride", spatial, 1);
  c.window.dilation = filled_list(call, "dilation", spatial, 1);
  c.window.low = filled_list(call, "low", spatial, 0);
  c.window.high = filled_list(call, "high", spatial, 0);
  Shape space = c.window.positions(call, x, "kernel");
  c.y = {x.dtype, image_shape(c.layout, x.shape[0], Dim(out), space)};
  return c;
}

Convolution forward_of(const Call& call) { return convolution_of(call, call.operand(0), call.operand(1)); }

void check_cotangent(const Call& call, const Convolution& c, const Type& g) {
  if (g != c.y) call.fail("the cotangent must be " + c.y.str() + ", got " + g.str());
}

Convolution input_gradient_of(const Call& call) {
  Convolution c = convolution_of(call, {call.operand(0).dtype, call.attributes.shape("shape")}, call.operand(1));
  check_cotangent(call, c, call.operand(0));
  return c;
}

Convolution weight_gradient_of(const Call& call) {
  Convolution c = convolution_of(call, call.operand(0), {call.operand(0).dtype, call.attributes.shape("shape")});
  check_cotangent(call, c, call.operand(1));
  return c;
}

// ---- indexed forms ----

// The group, and a channel within it; a single group is no variable of its own.
struct Channel {
  std::size_t group = FormVariables::kNone;
  std::size_t within = 0;
};

Channel domain_channel(FormVariables& v, std::int64_t groups, std::int64_t per_group) {
  Channel channel;
  if (groups > 1) channel.group = v.domain(groups);
  channel.within = v.domain(per_group);
  return channel;
}

// An image as the domain: its variables in the order of its layout.
struct DomainImage {
  std::size_t n = 0;
  Channel channel;
  std::vector<std::size_t> space;
};

DomainImage domain_image(FormVariables& v, const Convolution& c, const Type& image, std::int64_t per_group) {
  DomainImage domain;
  std::vector<std::int64_t> space = sizes(space_of(c.layout, image.shape));
  domain.n = v.domain(image.shape[0].factor);
  if (!c.layout.channels_last) domain.channel = domain_channel(v, c.groups, per_group);
  domain.space = v.domains(space);
  if (c.layout.channels_last) domain.channel = domain_channel(v, c.groups, per_group);
  return domain;
}

// A reduction over channels and kernel, whichever is contiguous in the layout innermost.
struct ReducedKernel {
  std::size_t channel = 0;
  std::vector<std::size_t> k;
};

ReducedKernel reduced_kernel(FormVariables& v, const Convolution& c, std::int64_t channels) {
  ReducedKernel reduced;
  if (!c.layout.channels_last) reduced.channel = v.reduction(channels);
  reduced.k = v.reductions(c.window.size);
  if (c.layout.channels_last) reduced.channel = v.reduction(channels);
  return reduced;
}

std::vector<IndexMap> image_maps(const ImageLayout& layout, IndexMap n, IndexMap channel,
                                 const std::vector<IndexMap>& space) {
  std::vector<IndexMap> maps(layout.rank());
  maps[0] = std::move(n);
  maps[layout.channel()] = std::move(channel);
  for (std::size_t i = 0; i < layout.spatial; ++i) maps[layout.space(i)] = space[i];
  return maps;
}

IndexMap channel_map(const FormVariables& v, Channel channel, std::int64_t per_group) {
  return v.map({{channel.group, per_group}, {channel.within, 1}});
}

std::vector<IndexMap> plain_maps(const FormVariables& v, const std::vector<std::size_t>& variables) {
  std::vector<IndexMap> maps;
  for (std::size_t variable : variables) maps.push_back(v.map({{variable, 1}}));
  return maps;
}

std::vector<IndexMap> weight_maps(const FormVariables& v, Channel out, std::int64_t per_group, std::size_t in,
                                  const std::vector<std::size_t>& k) {
  std::vector<IndexMap> maps = {channel_map(v, out, per_group), v.map({{in, 1}})};
  for (IndexMap& map : plain_maps(v, k)) maps.push_back(std::move(map));
  return maps;
}

// The maps of a result, over domain variables; none where they are the identity.
std::vector<IndexMap> result_maps(const Convolution& c, std::size_t domain, std::vector<IndexMap> maps) {
  if (c.groups == 1) return {};
  for (IndexMap& map : maps) map.coefficients.resize(domain);
  return maps;
}

ScalarBody product_body(DType dtype) {
  return make_body({dtype, dtype}, [](ScalarBuilder&, Scalars x) { return x[0] * x[1]; });
}

IndexedForm finish(const FormVariables& v, DType dtype, OperandAccess first, OperandAccess second) {
  IndexedForm form = v.form();
  form.accesses = {std::move(first), std::move(second)};
  form.body = product_body(dtype);
  form.combiner = Combiner::sum;
  return form;
}

bool window_leaves_image(const Convolution& c) {
  return c.window.leaves(sizes(space_of(c.layout, c.x.shape)), sizes(space_of(c.layout, c.y.shape)));
}

IndexedForm convolution_form(const Call& call) {
  Convolution c = forward_of(call);
  std::int64_t out = c.w.shape[0].factor / c.groups, in = c.w.shape[1].factor;
  FormVariables v;
  DomainImage y = domain_image(v, c, c.y, out);
  ReducedKernel r = reduced_kernel(v, c, in);
  std::vector<IndexMap> space;
  for (std::size_t i = 0; i < c.layout.spatial; ++i) space.push_back(covered(v, c.window, i, y.space[i], r.k[i]));
  IndexMap n = v.map({{y.n, 1}});
  OperandAccess x{0, image_maps(c.layout, n, channel_map(v, {y.channel.group, r.channel}, in), space),
                  window_leaves_image(c)};
  OperandAccess w{1, weight_maps(v, y.channel, out, r.channel, r.k)};
  IndexedForm form = finish(v, c.x.dtype, std::move(x), std::move(w));
  form.result = result_maps(c, form.domain.size(),
                            image_maps(c.layout, n, channel_map(v, y.channel, out), plain_maps(v, y.space)));
  return form;
}

IndexedForm input_gradient_form(const Call& call) {
  Convolution c = input_gradient_of(call);
  std::int64_t out = c.w.shape[0].factor / c.groups, in = c.w.shape[1].factor;
  FormVariables v;
  DomainImage x = domain_image(v, c, c.x, in);
  ReducedKernel r = reduced_kernel(v, c, out);
  Channel o{x.channel.group, r.channel};
  std::vector<IndexMap> space;
  for (std::size_t i = 0; i < c.layout.spatial; ++i) space.push_back(covering(v, c.window, i, x.space[i], r.k[i]));
  IndexMap n = v.map({{x.n, 1}});
  OperandAccess g{0, image_maps(c.layout, n, channel_map(v, o, out), space), true};
  OperandAccess w{1, weight_maps(v, o, out, x.channel.within, r.k)};
  IndexedForm form = finish(v, c.x.dtype, std::move(g), std::move(w));
  form.result = result_maps(c, form.domain.size(),
                            image_maps(c.layout, n, channel_map(v, x.channel, in), plain_maps(v, x.space)));
  return form;
}

IndexedForm weight_gradient_form(const Call& call) {
  Convolution c = weight_gradient_of(call);
  std::int64_t out = c.w.shape[0].factor / c.groups, in = c.w.shape[1].factor;
  FormVariables v;
  Channel o = domain_channel(v, c.groups, out);
  std::size_t channel = v.domain(in);
  std::vector<std::size_t> k = v.domains(c.window.size);
  std::size_t batch = v.reduction(c.x.shape[0].factor);
  std::vector<std::size_t> s = v.reductions(sizes(space_of(c.layout, c.y.shape)));
  std::vector<IndexMap> space;
  for (std::size_t i = 0; i < c.layout.spatial; ++i) space.push_back(covered(v, c.window, i, s[i], k[i]));
  IndexMap n = v.map({{batch, 1}});
  OperandAccess x{0, image_maps(c.layout, n, channel_map(v, {o.group, channel}, in), space), window_leaves_image(c)};
  OperandAccess g{1, image_maps(c.layout, n, channel_map(v, o, out), plain_maps(v, s))};
  IndexedForm form = finish(v, c.x.dtype, std::move(x), std::move(g));
  form.result = result_maps(c, form.domain.size(), weight_maps(v, o, out, channel, k));
  return form;
}

// ---- transposes ----

// The attributes that all three share.
Attributes shared_attributes(const Call& call) {
  Attributes attributes = call.attributes;
  attributes.erase("shape");
  return attributes;
}

Term convolution(const Call& call, Term x, Term w) { return apply("convolution", {x, w}, shared_attributes(call)); }

Term input_gradient(const Call& call, Term g, Term w, const Shape& shape) {
  Attributes attributes = shared_attributes(call);
  attributes.set("shape", shape);
  return apply("convolution_input_gradient", {g, w}, std::move(attributes));
}

Term weight_gradient(const Call& call, Term x, Term g, const Shape& shape) {
  Attributes attributes = shared_attributes(call);
  attributes.set("shape", shape);
  return apply("convolution_weight_gradient", {x, g}, std::move(attributes));
}

// ---- entries ----

std::vector<AttributeSpec> convolution_attributes() {
  return {window_list("stride", "step of the window in each spatial dimension; empty: 1"),
          window_list("low", "zeros before each spatial dimension; empty: none"),
          window_list("high", "zeros after each spatial dimension; empty: none"),
          window_list("dilation", "distance of kernel elements in each spatial dimension; empty: 1"),
          {"groups", AttributeKind::integer, "how many parts the channels are cut into", std::int64_t{1}},
          channels_last_attribute()};
}

std::vector<AttributeSpec> gradient_attributes(const std::string& whose) {
  std::vector<AttributeSpec> attributes = convolution_attributes();
  attributes.push_back({"shape", AttributeKind::shape, "shape of " + whose, {}});
  return attributes;
}

// One convolution to try: as itself and as its two gradients.
struct Trial {
  std::string_view x, w, y;
  Attributes attributes;
};

std::vector<Trial> trials() {
  const Attribute last = true;
  return {
      {"f64[2,3,5,5]", "f64[4,3,3,3]", "f64[2,4,3,3]", {}},
      {"f64[1,2,5]", "f64[3,2,3]", "f64[1,3,5]", {{"low", IntList{1}}, {"high", IntList{1}}}},
      {"f64[1,2,5]", "f64[3,2,3]", "f64[1,3,3]", {{"low", IntList{1}}, {"high", IntList{1}}, {"stride", IntList{2}}}},
      {"f32[2,3,7,6]",
       "f32[5,3,3,2]",
       "f32[2,5,4,3]",
       {{"stride", IntList{2, 3}}, {"low", IntList{1, 2}}, {"high", IntList{1, 1}}}},
      {"f64[2,7,6,3]",
       "f64[5,3,3,2]",
       "f64[2,2,5,5]",
       {{"stride", IntList{2, 1}}, {"low", IntList{1, 0}}, {"dilation", IntList{2, 1}}, {"channels_last", last}}},
      {"f64[1,4,4,3]", "f64[6,2,2,2]", "f64[1,6,3,2]", {{"groups", std::int64_t{2}}}},
      {"f32[2,5,5,6]",
       "f32[6,1,3,3]",
       "f32[2,5,5,6]",
       {{"groups", std::int64_t{6}}, {"low", IntList{1, 1}}, {"high", IntList{1, 1}}, {"channels_last", last}}},
      {"f64[1,1,2,3,2]", "f64[1,1,2,1,2]", "f64[1,1,1,3,1]", {}},
      {"f64[3,2,1,1]", "f64[2,2,1,1]", "f64[3,2,1,1]", {}},
      {"f64[0,2,4]", "f64[3,2,3]", "f64[0,3,2]", {}}};
}

std::vector<Sample> samples_of(std::string_view Trial::* first, std::string_view Trial::* second,
                               std::string_view Trial::* shaped) {
  std::vector<Sample> samples;
  for (const Trial& trial : trials()) {
    Attributes attributes = trial.attributes;
    if (shaped) attributes.set("shape", types({trial.*shaped})[0].shape);
    samples.push_back({.operands = types({trial.*first, trial.*second}), .attributes = std::move(attributes)});
  }
  return samples;
}

}  // namespace

void register_convolution(Registry& registry) {
  registry.add({.name = "convolution",
                .doc =
                    "Cross-correlation of an image with a bank of kernels, zeros around the image, over any number of "
                    "spatial dimensions. A stride that does not fit exactly leaves the rest out. A product with one of "
                    "the zeros may be left out, which an infinite factor would make NaN.",
                .kind = Kind::linear,
                .operands = {{"x", "image [N,C,spatial…]"}, {"w", "weight [O,C/groups,kernel…]"}},
                .attributes = convolution_attributes(),
                .infer = [](const Call& call) { return Types{forward_of(call).y}; },
                .indexed = convolution_form,
                .linear_in = {{0}, {1}},
                .transpose =
                    [](const Derivation& d, std::size_t operand, Term g) {
                      return operand == 0 ? input_gradient(d.call, g, d.x(1), d.x(0).shape())
                                          : weight_gradient(d.call, d.x(0), g, d.x(1).shape());
                    },
                .expensive = true,
                .samples = samples_of(&Trial::x, &Trial::w, nullptr)});

  registry.add({.name = "convolution_input_gradient",
                .doc = "Transpose of `convolution` in its image: a transposed convolution.",
                .kind = Kind::linear,
                .operands = {{"g", "cotangent of the convolution's result"}, {"w", "weight [O,C/groups,kernel…]"}},
                .attributes = gradient_attributes("the image"),
                .infer = [](const Call& call) { return Types{input_gradient_of(call).x}; },
                .indexed = input_gradient_form,
                .linear_in = {{0}, {1}},
                .transpose =
                    [](const Derivation& d, std::size_t operand, Term x) {
                      return operand == 0 ? convolution(d.call, x, d.x(1))
                                          : weight_gradient(d.call, x, d.x(0), d.x(1).shape());
                    },
                .expensive = true,
                .internal = true,
                .samples = samples_of(&Trial::y, &Trial::w, &Trial::x)});

  registry.add({.name = "convolution_weight_gradient",
                .doc = "Transpose of `convolution` in its weight.",
                .kind = Kind::linear,
                .operands = {{"x", "image [N,C,spatial…]"}, {"g", "cotangent of the convolution's result"}},
                .attributes = gradient_attributes("the weight"),
                .infer = [](const Call& call) { return Types{weight_gradient_of(call).w}; },
                .indexed = weight_gradient_form,
                .linear_in = {{0}, {1}},
                .transpose =
                    [](const Derivation& d, std::size_t operand, Term w) {
                      return operand == 0 ? input_gradient(d.call, d.x(1), w, d.x(0).shape())
                                          : convolution(d.call, d.x(0), w);
                    },
                .expensive = true,
                .internal = true,
                .samples = samples_of(&Trial::x, &Trial::y, &Trial::w)});
}

}  // namespace gradc
