// The libraries that the benchmarks are held against; each function gives nothing where its library is not linked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/kernels/bench.h"

namespace gradc::bench {

// Names of the libraries that are linked, and what is missing.
std::string peers_found();

// c[m,n] = a b, row-major; a is [m,k], or with `at` [k,m]; b is [k,n], or with `bt` [n,k].
std::vector<Peer> product_peers(bool at, bool bt, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                                const float* b, float* c);

// A convolution over [batch, channels, size, size]. oneDNN may choose every layout; reorders are not timed.
struct ConvolutionShape {
  std::int64_t batch, channels, size, filters, kernel, stride, padding, groups = 1;
  std::int64_t result() const { return (size + 2 * padding - kernel) / stride + 1; }
};
enum class Pass : std::uint8_t { forward, data, weights };
// Operands as gradc has them: images [N, H, W, C], weights [filters, channels / groups, kernel, kernel]. `result` is
// filled in that form by the returned function, from what the peer computed last.
struct ConvolutionPeer {
  std::vector<Peer> peers;
  std::function<void(std::vector<float>&)> result;
};
ConvolutionPeer convolution_peer(const ConvolutionShape& shape, Pass pass, const float* x, const float* w,
                                 const float* g);

// Over rows of [rows, columns].
std::vector<Peer> softmax_peer(std::int64_t rows, std::int64_t columns, const float* x, bool logarithm);
std::vector<Peer> softmax_gradient_peer(std::int64_t rows, std::int64_t columns, const float* y, const float* g);
std::vector<Peer> layer_norm_peer(std::int64_t rows, std::int64_t columns, const float* x);
std::vector<Peer> sum_peer(std::int64_t rows, std::int64_t columns, bool along_rows, const float* x);
// Over [pixels, channels], training: each channel's statistics over all pixels.
std::vector<Peer> batch_norm_peer(std::int64_t pixels, std::int64_t channels, const float* x);
// tanh(a * b + c) in one pass.
std::vector<Peer> chain_peer(std::int64_t elements, const float* a, const float* b, const float* c);

// glibc's vector functions at AVX-512's width; empty where there is none of that name.
std::vector<Peer> libmvec_peer(const std::string& function, std::int64_t elements, const float* x, const float* y);

}  // namespace gradc::bench
