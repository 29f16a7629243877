// Pooling: greatest, sum and average over windows of an image, each channel by itself.
//
// The gradient of max pooling goes through the position of the first maximum in every window, counted in the window's
// row-major order:
//
//   max_pool_index[s]    = min k  where x[s * stride - low + k] = y[s]
//   max_pool_gradient[h] = Σ k  (index[s] = k ? g[s] : 0)  with s = (h + low - k) / stride
//   max_pool_take[s]     = Σ k  (index[s] = k ? t[s * stride - low + k] : 0)
//
// The last two are each other's transposes.
#include <cmath>
#include <limits>

#include "ir/ops/window.h"

namespace gradc {

namespace {

struct Pooling {
  ImageLayout layout;
  Window window;
  Type x, y;
};

Pooling pooling_of(const Call& call, const Type& x) {
  Pooling p{image_layout(call, x), {}, x, {}};
  std::size_t spatial = p.layout.spatial;
  if (x.dtype == DType::boolean) call.fail("takes numbers, got " + x.str());
  if (call.attributes.ints("window").empty()) call.fail("`window` must have " + std::to_string(spatial) + " entries");
  p.window.size = filled_list(call, "window", spatial, 1);
  p.window.stride = call.attributes.ints("stride").empty() ? p.window.size : filled_list(call, "stride", spatial, 1);
  p.window.low = filled_list(call, "low", spatial, 0);
  p.window.high = filled_list(call, "high", spatial, 0);
  p.window.dilation = IntList(spatial, 1);
  Shape space = p.window.positions(call, x, "window");
  for (std::size_t i = 0; i < spatial; ++i)
    if (p.window.low[i] >= p.window.size[i] || p.window.high[i] >= p.window.size[i])
      call.fail("padding " + std::to_string(std::max(p.window.low[i], p.window.high[i])) +
                " must be below the window " + p.window.str() + ", or a window would hold padding alone");
  p.y = {x.dtype, image_shape(p.layout, x.shape[0], x.shape[p.layout.channel()], space)};
  return p;
}

Pooling forward_of(const Call& call) { return pooling_of(call, call.operand(0)); }

// From a value of the result's shape and the image's shape.
Pooling gradient_of(const Call& call) {
  Pooling p = pooling_of(call, {call.operand(0).dtype, call.attributes.shape("shape")});
  if (call.operand(0) != p.y) call.fail("`g` must be " + p.y.str() + ", got " + call.operand(0).str());
  return p;
}

void check_index(const Call& call, const Pooling& p, const Type& index) {
  Type wanted{DType::i32, p.y.shape};
  if (index != wanted) call.fail("`index` must be " + wanted.str() + ", got " + index.str());
}

// ---- indexed forms ----

// Variables: an image in its layout as the domain, the window as the reduction.
struct PoolingVariables : FormVariables {
  std::vector<std::size_t> image, k;

  PoolingVariables(const Pooling& p, const Type& domain) : image(domains(sizes(domain.shape))) {
    k = reductions(p.window.size);
  }
};

using WindowMap = IndexMap (*)(const FormVariables&, const Window&, std::size_t, std::size_t, std::size_t);

// The domain's own maps with the spatial ones replaced.
std::vector<IndexMap> pooled_maps(const PoolingVariables& v, const Pooling& p, WindowMap window_map) {
  std::vector<IndexMap> maps;
  for (std::size_t variable : v.image) maps.push_back(v.map({{variable, 1}}));
  for (std::size_t i = 0; i < p.layout.spatial; ++i) {
    std::size_t d = p.layout.space(i);
    maps[d] = window_map(v, p.window, i, v.image[d], v.k[i]);
  }
  return maps;
}

bool window_leaves_image(const Pooling& p) {
  return p.window.leaves(sizes(space_of(p.layout, p.x.shape)), sizes(space_of(p.layout, p.y.shape)));
}

// Number of the window element at hand, in row-major order.
Scalar window_position(ScalarBuilder& b, const PoolingVariables& v, const Pooling& p) {
  Scalar position = b.integer(DType::i64, 0);
  for (std::size_t i = 0; i < v.k.size(); ++i)
    position = position * b.integer(DType::i64, p.window.size[i]) + b.index(static_cast<int>(v.k[i]));
  return b.convert(position, DType::i32);
}

double lowest(DType dtype) {
  switch (dtype) {
    case DType::i32:
      return -0x1p31;
    case DType::i64:
      return -0x1p63;
    case DType::f32:
    case DType::f64:
      return -INFINITY;
    default:
      return 0;
  }
}

// Combines what the window covers at each output position.
IndexedForm pool_form(const Pooling& p, Combiner combiner, double outside) {
  PoolingVariables v(p, p.y);
  IndexedForm form = v.form();
  form.accesses = {{0, pooled_maps(v, p, covered), window_leaves_image(p), outside}};
  form.body = make_body({p.x.dtype}, [](ScalarBuilder&, Scalars x) { return x[0]; });
  form.combiner = combiner;
  return form;
}

IndexedForm sum_pool_gradient_form(const Call& call) {
  Pooling p = gradient_of(call);
  PoolingVariables v(p, p.x);
  IndexedForm form = v.form();
  form.accesses = {{0, pooled_maps(v, p, covering), true, 0}};
  form.body = make_body({p.x.dtype}, [](ScalarBuilder&, Scalars x) { return x[0]; });
  form.combiner = Combiner::sum;
  return form;
}

IndexedForm max_pool_index_form(const Call& call) {
  Pooling p = forward_of(call);
  PoolingVariables v(p, p.y);
  IndexedForm form = v.form();
  std::vector<IndexMap> own;
  for (std::size_t variable : v.image) own.push_back(v.map({{variable, 1}}));
  form.accesses = {{0, pooled_maps(v, p, covered), window_leaves_image(p), lowest(p.x.dtype)}, {1, std::move(own)}};
  form.body = make_body({p.x.dtype, p.x.dtype}, [&](ScalarBuilder& b, Scalars x) {
    Scalar hit = x[0] == x[1];
    if (is_float(p.x.dtype)) hit = hit | (x[0] != x[0]);
    return b.select(hit, window_position(b, v, p), b.integer(DType::i32, 0x7fffffff));
  });
  form.combiner = Combiner::min;
  return form;
}

IndexedForm max_pool_gradient_form(const Call& call) {
  Pooling p = gradient_of(call);
  PoolingVariables v(p, p.x);
  IndexedForm form = v.form();
  std::vector<IndexMap> maps = pooled_maps(v, p, covering);
  form.accesses = {{0, maps, true, 0}, {1, maps, true, -1}};
  form.body = make_body({p.x.dtype, DType::i32}, [&](ScalarBuilder& b, Scalars x) {
    return b.select(x[1] == window_position(b, v, p), x[0], b.number(p.x.dtype, 0));
  });
  form.combiner = Combiner::sum;
  return form;
}

IndexedForm max_pool_take_form(const Call& call) {
  Pooling p = forward_of(call);
  PoolingVariables v(p, p.y);
  IndexedForm form = v.form();
  std::vector<IndexMap> own;
  for (std::size_t variable : v.image) own.push_back(v.map({{variable, 1}}));
  form.accesses = {{0, pooled_maps(v, p, covered), window_leaves_image(p), 0}, {1, std::move(own)}};
  form.body = make_body({p.x.dtype, DType::i32}, [&](ScalarBuilder& b, Scalars x) {
    return b.select(x[1] == window_position(b, v, p), x[0], b.number(p.x.dtype, 0));
  });
  form.combiner = Combiner::sum;
  return form;
}

// ---- derivatives ----

Attributes without(Attributes attributes, std::string_view name) {
  attributes.erase(name);
  return attributes;
}

Attributes with_shape(const Call& call, const Shape& shape) {
  Attributes attributes = without(call.attributes, "count_padding");
  attributes.set("shape", shape);
  return attributes;
}

Term first_maximum(const Derivation& d) { return apply("max_pool_index", {d.x(), d.y()}, d.call.attributes); }

Terms max_pool_vjp(const Derivation& d, std::span<const Term> cotangents) {
  return {apply("max_pool_gradient", {cotangents[0], first_maximum(d)}, with_shape(d.call, d.x().shape()))};
}

Terms max_pool_jvp(const Derivation& d, std::span<const Term> tangents) {
  return {apply("max_pool_take", {tangents[0], first_maximum(d)}, d.call.attributes)};
}

// The divisor is the window's size, or how many of its elements lie in the image.
Terms compose_avg_pool(Builder& builder, const Call& call, std::span<const Term> x) {
  Attributes attributes = without(call.attributes, "count_padding");
  Term sum = apply("sum_pool", {x[0]}, attributes);
  Pooling p = forward_of(call);
  if (call.attributes.boolean("count_padding") || !window_leaves_image(p)) {
    double count = 1;
    for (std::int64_t size : p.window.size) count *= static_cast<double>(size);
    return {sum / count};
  }
  Type ones{p.x.dtype, image_shape(p.layout, Dim(1), Dim(1), space_of(p.layout, p.x.shape))};
  Term counts = apply("sum_pool", {builder.term(builder.full(ones, 1))}, attributes);
  return {sum / broadcast(counts, sum.shape())};
}

// ---- entries ----

std::vector<AttributeSpec> pooling_attributes() {
  return {{"window", AttributeKind::int_list, "size of the window in each spatial dimension", {}},
          window_list("stride", "step of the window in each spatial dimension; empty: its size"),
          window_list("low", "padding before each spatial dimension; empty: none"),
          window_list("high", "padding after each spatial dimension; empty: none"),
          channels_last_attribute()};
}

std::vector<AttributeSpec> with(std::vector<AttributeSpec> attributes, AttributeSpec more) {
  attributes.push_back(std::move(more));
  return attributes;
}

std::vector<AttributeSpec> gradient_attributes() {
  return with(pooling_attributes(), {"shape", AttributeKind::shape, "shape of the image", {}});
}

struct Trial {
  std::string_view x, y;
  Attributes attributes;
};

std::vector<Trial> trials() {
  return {{"f64[2,3,4,4]", "f64[2,3,2,2]", {{"window", IntList{2, 2}}}},
          {"f64[1,2,7]", "f64[1,2,3]", {{"window", IntList{3}}, {"stride", IntList{2}}}},
          {"f32[2,3,5,7]",
           "f32[2,3,3,4]",
           {{"window", IntList{3, 3}}, {"stride", IntList{2, 2}}, {"low", IntList{1, 1}}, {"high", IntList{1, 1}}}},
          {"f64[2,5,6,3]",
           "f64[2,3,5,3]",
           {{"window", IntList{2, 2}}, {"stride", IntList{2, 1}}, {"low", IntList{1, 0}}, {"channels_last", true}}},
          {"f64[1,1,2,3,2]", "f64[1,1,1,3,1]", {{"window", IntList{2, 1, 2}}}},
          {"f64[1,2,3,3]", "f64[1,2,1,1]", {{"window", IntList{3, 3}}}},
          {"f64[0,2,4]", "f64[0,2,2]", {{"window", IntList{2}}}}};
}

std::vector<Sample> forward_samples(bool with_counts = false) {
  std::vector<Sample> samples;
  for (const Trial& trial : trials()) {
    samples.push_back({.operands = types({trial.x}), .attributes = trial.attributes});
    if (!with_counts) continue;
    samples.push_back(samples.back());
    samples.back().attributes.set("count_padding", false);
  }
  return samples;
}

std::string as_index(std::string_view type) { return "i32" + std::string(type.substr(type.find('['))); }

// Operands: a float of the image's or the result's shape, and window positions. Positions past a window's end choose
// nothing.
std::vector<Sample> backward_samples(bool of_image, bool with_index, bool needs_shape) {
  std::vector<Sample> samples;
  for (const Trial& trial : trials()) {
    Sample sample{.operands = types({of_image ? trial.x : trial.y}), .attributes = trial.attributes};
    if (with_index) {
      sample.operands.push_back(types({as_index(trial.y)})[0]);
      sample.low = 0;
      sample.high = 5;
    }
    if (needs_shape) sample.attributes.set("shape", types({trial.x})[0].shape);
    samples.push_back(std::move(sample));
  }
  return samples;
}

void register_sum_and_average(Registry& registry) {
  registry.add({.name = "sum_pool",
                .doc = "Sum over each window, zeros around the image.",
                .kind = Kind::linear,
                .operands = {{"x", "image [N,C,spatial…]"}},
                .attributes = pooling_attributes(),
                .infer = [](const Call& call) { return Types{forward_of(call).y}; },
                .indexed = [](const Call& call) { return pool_form(forward_of(call), Combiner::sum, 0); },
                .linear_in = {{0}},
                .transpose = [](const Derivation& d, std::size_t,
                                Term g) { return apply("sum_pool_gradient", {g}, with_shape(d.call, d.x().shape())); },
                .samples = forward_samples()});

  registry.add({.name = "sum_pool_gradient",
                .doc = "Transpose of `sum_pool`.",
                .kind = Kind::linear,
                .operands = {{"g", "cotangent of the pooled image"}},
                .attributes = gradient_attributes(),
                .infer = [](const Call& call) { return Types{gradient_of(call).x}; },
                .indexed = sum_pool_gradient_form,
                .linear_in = {{0}},
                .transpose = [](const Derivation& d, std::size_t,
                                Term x) { return apply("sum_pool", {x}, without(d.call.attributes, "shape")); },
                .internal = true,
                .samples = backward_samples(false, false, true)});

  registry.add(
      {.name = "avg_pool",
       .doc = "Average over each window, zeros around the image.",
       .kind = Kind::composite,
       .operands = {{"x", "image [N,C,spatial…], floats"}},
       .attributes = with(pooling_attributes(), {"count_padding", AttributeKind::boolean,
                                                 "divide by the window's size also where it covers padding", true}),
       .infer =
           [](const Call& call) {
             if (!is_float(call.operand(0).dtype)) call.fail("takes floats, got " + call.operand(0).str());
             return Types{forward_of(call).y};
           },
       .compose = compose_avg_pool,
       .samples = forward_samples(true)});
}

void register_max_pool(Registry& registry) {
  registry.add(
      {.name = "max_pool",
       .doc = "Greatest element of each window; padding counts for nothing, NaN wins. Subgradient: the first "
              "maximum of a window takes all.",
       .kind = Kind::general,
       .operands = {{"x", "image [N,C,spatial…]"}},
       .attributes = pooling_attributes(),
       .infer = [](const Call& call) { return Types{forward_of(call).y}; },
       .indexed =
           [](const Call& call) { return pool_form(forward_of(call), Combiner::max, lowest(call.operand(0).dtype)); },
       .vjp = max_pool_vjp,
       .jvp = max_pool_jvp,
       .samples = forward_samples()});

  registry.add({.name = "max_pool_index",
                .doc = "Row-major position in its window of the first maximum.",
                .kind = Kind::general,
                .operands = {{"x", "image [N,C,spatial…]"}, {"y", "the image pooled"}},
                .attributes = pooling_attributes(),
                .infer =
                    [](const Call& call) {
                      Pooling p = forward_of(call);
                      if (call.operand(1) != p.y)
                        call.fail("`y` must be " + p.y.str() + ", got " + call.operand(1).str());
                      return Types{{DType::i32, p.y.shape}};
                    },
                .indexed = max_pool_index_form,
                .constant_gradient = true,
                .internal = true,
                .samples =
                    [] {
                      std::vector<Sample> samples = forward_samples();
                      for (std::size_t i = 0; i < samples.size(); ++i)
                        samples[i].operands.push_back(types({trials()[i].y})[0]);
                      return samples;
                    }()});

  registry.add(
      {.name = "max_pool_gradient",
       .doc = "Transpose of `max_pool_take`: each cotangent goes to the chosen element of its window.",
       .kind = Kind::linear,
       .operands = {{"g", "cotangent of the pooled image"},
                    {.name = "index", .doc = "positions in the windows", .dtype = DType::i32}},
       .attributes = gradient_attributes(),
       .infer =
           [](const Call& call) {
             Pooling p = gradient_of(call);
             check_index(call, p, call.operand(1));
             return Types{p.x};
           },
       .indexed = max_pool_gradient_form,
       .linear_in = {{0}},
       .transpose = [](const Derivation& d, std::size_t,
                       Term x) { return apply("max_pool_take", {x, d.x(1)}, without(d.call.attributes, "shape")); },
       .internal = true,
       .samples = backward_samples(false, true, true)});

  registry.add(
      {.name = "max_pool_take",
       .doc = "The chosen element of each window.",
       .kind = Kind::linear,
       .operands = {{"t", "image [N,C,spatial…]"},
                    {.name = "index", .doc = "positions in the windows", .dtype = DType::i32}},
       .attributes = pooling_attributes(),
       .infer =
           [](const Call& call) {
             Pooling p = forward_of(call);
             check_index(call, p, call.operand(1));
             return Types{p.y};
           },
       .indexed = max_pool_take_form,
       .linear_in = {{0}},
       .transpose = [](const Derivation& d, std::size_t,
                       Term g) { return apply("max_pool_gradient", {g, d.x(1)}, with_shape(d.call, d.x().shape())); },
       .internal = true,
       .samples = backward_samples(true, true, false)});
}

}  // namespace

void register_pooling(Registry& registry) {
  register_sum_and_average(registry);
  register_max_pool(registry);
}

}  // namespace gradc
