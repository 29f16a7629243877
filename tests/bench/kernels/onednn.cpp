// oneDNN's primitives with the layouts that it likes best; reorders stand outside of what is timed.
#include "tests/bench/kernels/peers.h"

#ifdef GRADC_BENCH_ONEDNN

#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <unordered_map>
#include <utility>

namespace gradc::bench {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}
dnnl::stream& stream() {
  static dnnl::stream one(engine());
  return one;
}

memory::desc plain(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }
memory::desc any(const memory::dims& dims) { return plain(dims, Tag::any); }

void reorder(memory from, memory to) {
  dnnl::reorder(from, to).execute(stream(), from, to);
  stream().wait();
}

// Numbers in a plain layout, in memory of the layout that the primitive wants.
memory place(const memory::desc& wanted, const memory::desc& given, const float* data) {
  memory result(wanted, engine());
  reorder(memory(given, engine(), const_cast<float*>(data)), result);
  return result;
}

Peer peer(dnnl::primitive primitive, Arguments arguments) {
  return {"oneDNN", [primitive = std::move(primitive), arguments = std::move(arguments)] {
            primitive.execute(stream(), arguments);
            stream().wait();
          }};
}

// What a convolution of these shapes is called with, in dimensions and plain layouts.
struct Setting {
  memory::dims x, w, y, strides, low, high;
  memory::desc x_plain, w_plain, y_plain;

  explicit Setting(const ConvolutionShape& s)
      : x{s.batch, s.channels, s.size, s.size},
        w{s.filters, s.channels, s.kernel, s.kernel},
        y{s.batch, s.filters, s.result(), s.result()},
        strides{s.stride, s.stride},
        low{s.padding, s.padding},
        high{s.padding, s.padding} {
    // What the stride leaves at the end is no padding.
    const std::int64_t used = (s.result() - 1) * s.stride + s.kernel - s.size - s.padding;
    high = {used, used};
    Tag weights = Tag::oihw;
    if (s.groups > 1) {
      w = {s.groups, s.filters / s.groups, s.channels / s.groups, s.kernel, s.kernel};
      weights = Tag::goihw;
    }
    x_plain = plain(x, Tag::nhwc);
    w_plain = plain(w, weights);
    y_plain = plain(y, Tag::nhwc);
  }

  dnnl::convolution_forward::primitive_desc forward() const {
    return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, any(x), any(w), any(y), strides,
             low, high},
            engine()};
  }
};

ConvolutionPeer finish(dnnl::primitive primitive, Arguments arguments, const memory& result, const memory::desc& as) {
  ConvolutionPeer out;
  out.peers.push_back(peer(std::move(primitive), std::move(arguments)));
  out.result = [result, as](std::vector<float>& to) {
    to.resize(as.get_size() / sizeof(float));
    reorder(result, memory(as, engine(), to.data()));
  };
  return out;
}

// A primitive of one source and one destination.
template <class Primitive, class Desc>
std::vector<Peer> over_rows(const Desc& desc, const memory::desc& shape, const float* x) {
  const typename Primitive::primitive_desc chosen(desc, engine());
  Arguments arguments{{DNNL_ARG_SRC, place(shape, shape, x)}, {DNNL_ARG_DST, memory(chosen.dst_desc(), engine())}};
  return {peer(Primitive(chosen), std::move(arguments))};
}

}  // namespace

ConvolutionPeer convolution_peer(const ConvolutionShape& shape, Pass pass, const float* x, const float* w,
                                 const float* g) {
  const Setting s(shape);
  const auto forward = s.forward();
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  if (pass == Pass::forward) {
    const memory result(forward.dst_desc(), engine());
    return finish(dnnl::convolution_forward(forward),
                  {{DNNL_ARG_SRC, place(forward.src_desc(), s.x_plain, x)},
                   {DNNL_ARG_WEIGHTS, place(forward.weights_desc(), s.w_plain, w)},
                   {DNNL_ARG_DST, result}},
                  result, s.y_plain);
  }
  if (pass == Pass::data) {
    const dnnl::convolution_backward_data::primitive_desc chosen(
        {kDirect, any(s.x), any(s.w), any(s.y), s.strides, s.low, s.high}, engine(), forward);
    const memory result(chosen.diff_src_desc(), engine());
    return finish(dnnl::convolution_backward_data(chosen),
                  {{DNNL_ARG_DIFF_DST, place(chosen.diff_dst_desc(), s.y_plain, g)},
                   {DNNL_ARG_WEIGHTS, place(chosen.weights_desc(), s.w_plain, w)},
                   {DNNL_ARG_DIFF_SRC, result}},
                  result, s.x_plain);
  }
  const dnnl::convolution_backward_weights::primitive_desc chosen(
      {kDirect, any(s.x), any(s.w), any(s.y), s.strides, s.low, s.high}, engine(), forward);
  const memory result(chosen.diff_weights_desc(), engine());
  return finish(dnnl::convolution_backward_weights(chosen),
                {{DNNL_ARG_SRC, place(chosen.src_desc(), s.x_plain, x)},
                 {DNNL_ARG_DIFF_DST, place(chosen.diff_dst_desc(), s.y_plain, g)},
                 {DNNL_ARG_DIFF_WEIGHTS, result}},
                result, s.w_plain);
}

std::vector<Peer> softmax_peer(std::int64_t rows, std::int64_t columns, const float* x, bool logarithm) {
  const memory::desc shape = plain({rows, columns}, Tag::ab);
  if (logarithm)
    return over_rows<dnnl::logsoftmax_forward>(
        dnnl::logsoftmax_forward::desc(dnnl::prop_kind::forward_training, shape, 1), shape, x);
  return over_rows<dnnl::softmax_forward>(dnnl::softmax_forward::desc(dnnl::prop_kind::forward_training, shape, 1),
                                          shape, x);
}

std::vector<Peer> softmax_gradient_peer(std::int64_t rows, std::int64_t columns, const float* y, const float* g) {
  const memory::desc shape = plain({rows, columns}, Tag::ab);
  const dnnl::softmax_forward::primitive_desc forward(
      dnnl::softmax_forward::desc(dnnl::prop_kind::forward_training, shape, 1), engine());
  const dnnl::softmax_backward::primitive_desc chosen(dnnl::softmax_backward::desc(shape, shape, 1), engine(), forward);
  return {peer(dnnl::softmax_backward(chosen), {{DNNL_ARG_DST, place(shape, shape, y)},
                                                {DNNL_ARG_DIFF_DST, place(shape, shape, g)},
                                                {DNNL_ARG_DIFF_SRC, memory(shape, engine())}})};
}

std::vector<Peer> layer_norm_peer(std::int64_t rows, std::int64_t columns, const float* x) {
  const memory::desc shape = plain({rows, columns}, Tag::ab);
  const dnnl::layer_normalization_forward::primitive_desc chosen(
      {dnnl::prop_kind::forward_training, shape, 1e-5F, dnnl::normalization_flags::none}, engine());
  return {
      peer(dnnl::layer_normalization_forward(chosen), {{DNNL_ARG_SRC, place(shape, shape, x)},
                                                       {DNNL_ARG_DST, memory(shape, engine())},
                                                       {DNNL_ARG_MEAN, memory(chosen.mean_desc(), engine())},
                                                       {DNNL_ARG_VARIANCE, memory(chosen.variance_desc(), engine())}})};
}

std::vector<Peer> sum_peer(std::int64_t rows, std::int64_t columns, bool along_rows, const float* x) {
  const memory::desc shape = plain({rows, columns}, Tag::ab);
  const memory::desc to = along_rows ? plain({rows, 1}, Tag::ab) : plain({1, columns}, Tag::ab);
  return over_rows<dnnl::reduction>(dnnl::reduction::desc(dnnl::algorithm::reduction_sum, shape, to, 0, 0), shape, x);
}

std::vector<Peer> batch_norm_peer(std::int64_t pixels, std::int64_t channels, const float* x) {
  const memory::desc shape = plain({1, channels, pixels, 1}, Tag::nhwc);
  const dnnl::batch_normalization_forward::primitive_desc chosen(
      {dnnl::prop_kind::forward_training, shape, 1e-5F, dnnl::normalization_flags::none}, engine());
  return {
      peer(dnnl::batch_normalization_forward(chosen), {{DNNL_ARG_SRC, place(shape, shape, x)},
                                                       {DNNL_ARG_DST, memory(shape, engine())},
                                                       {DNNL_ARG_MEAN, memory(chosen.mean_desc(), engine())},
                                                       {DNNL_ARG_VARIANCE, memory(chosen.variance_desc(), engine())}})};
}

std::vector<Peer> chain_peer(std::int64_t elements, const float* a, const float* b, const float* c) {
  const memory::desc shape = plain({elements}, Tag::a);
  dnnl::post_ops after;
  after.append_binary(dnnl::algorithm::binary_add, shape);
  after.append_eltwise(1, dnnl::algorithm::eltwise_tanh, 0, 0);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  const dnnl::binary::primitive_desc chosen({dnnl::algorithm::binary_mul, shape, shape, shape}, attributes, engine());
  return {peer(dnnl::binary(chosen), {{DNNL_ARG_SRC_0, place(shape, shape, a)},
                                      {DNNL_ARG_SRC_1, place(shape, shape, b)},
                                      {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, place(shape, shape, c)},
                                      {DNNL_ARG_DST, memory(shape, engine())}})};
}

}  // namespace gradc::bench

#else

namespace gradc::bench {

ConvolutionPeer convolution_peer(const ConvolutionShape&, Pass, const float*, const float*, const float*) { return {}; }
std::vector<Peer> softmax_peer(std::int64_t, std::int64_t, const float*, bool) { return {}; }
std::vector<Peer> softmax_gradient_peer(std::int64_t, std::int64_t, const float*, const float*) { return {}; }
std::vector<Peer> layer_norm_peer(std::int64_t, std::int64_t, const float*) { return {}; }
std::vector<Peer> sum_peer(std::int64_t, std::int64_t, bool, const float*) { return {}; }
std::vector<Peer> batch_norm_peer(std::int64_t, std::int64_t, const float*) { return {}; }
std::vector<Peer> chain_peer(std::int64_t, const float*, const float*, const float*) { return {}; }

}  // namespace gradc::bench

#endif
