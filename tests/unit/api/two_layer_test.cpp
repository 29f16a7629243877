// The lecture's network in less than 20 lines, against the same loops in plain C++: batch 64, 1000-100-10, sigmoid,
// summed squared error, SGD 1e-4, f64, 100 steps from one start.
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "compiler/api/model_compiler.h"
#include "compiler/frontend/spec.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

constexpr int kBatch = 64, kIn = 1000, kHidden = 100, kOut = 10, kSteps = 100;
constexpr double kRate = 1e-4;
using Matrix = std::vector<double>;

// c[m,n] += a[m,k] · b[k,n], with strides of a and b.
void multiply(const double* a, int am, int ak, const double* b, int bk, int bn, Matrix& c, int m, int k, int n) {
  for (int i = 0; i < m; ++i)
    for (int p = 0; p < k; ++p)
      for (int j = 0; j < n; ++j) c[static_cast<std::size_t>(i * n + j)] += a[i * am + p * ak] * b[p * bk + j * bn];
}

double plain_step(const Matrix& x, const Matrix& y, Matrix& w1, Matrix& w2) {
  Matrix h(kBatch * kHidden), d(kBatch * kOut), g1(w1.size()), g2(w2.size()), dh(h.size());
  multiply(x.data(), kIn, 1, w1.data(), kHidden, 1, h, kBatch, kIn, kHidden);
  for (double& v : h) v = 1 / (1 + std::exp(-v));
  multiply(h.data(), kHidden, 1, w2.data(), kOut, 1, d, kBatch, kHidden, kOut);
  double loss = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    d[i] -= y[i];
    loss += d[i] * d[i];
    d[i] *= 2;
  }
  multiply(h.data(), 1, kHidden, d.data(), kOut, 1, g2, kHidden, kBatch, kOut);
  multiply(d.data(), kOut, 1, w2.data(), 1, kOut, dh, kBatch, kOut, kHidden);
  for (std::size_t i = 0; i < h.size(); ++i) dh[i] *= h[i] * (1 - h[i]);
  multiply(x.data(), 1, kIn, dh.data(), kHidden, 1, g1, kIn, kBatch, kHidden);
  for (std::size_t i = 0; i < w1.size(); ++i) w1[i] -= kRate * g1[i];
  for (std::size_t i = 0; i < w2.size(); ++i) w2[i] -= kRate * g2[i];
  return loss;
}

Matrix drawn(std::size_t count, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Matrix values(count);
  for (double& v : values) v = normal(random);
  return values;
}

double distance(const Matrix& a, const double* b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += a[i] * a[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("the two-layer network of the lecture follows plain loops for 100 steps") {
  std::stringstream text;
  text << std::ifstream(GRADC_SOURCE_DIR "/examples/two-layer.json").rdbuf();
  Diagnostics diagnostics;
  std::unique_ptr<ModelGraph> model = load_spec(text.str(), "two-layer.json", {}, diagnostics);
  REQUIRE(model);
  Options options;
  options.target = host_target();
  ModelCompiler compiler(*model, options);
  const runtime::Executable& train = compiler.executable("train", kBatch);

  std::mt19937_64 random(1);
  const Matrix x = drawn(kBatch * kIn, random), y = drawn(kBatch * kOut, random);
  Matrix w1 = drawn(kIn * kHidden, random), w2 = drawn(kHidden * kOut, random);
  runtime::Block state(compiler.state().bytes);
  auto entry = [&](const char* name) {
    return reinterpret_cast<double*>(state.data() + compiler.state().find(name)->offset);
  };
  std::copy(w1.begin(), w1.end(), entry("w1"));
  std::copy(w2.begin(), w2.end(), entry("w2"));

  runtime::Runner runner(train, nullptr);
  std::vector<const void*> inputs(2);
  inputs[static_cast<std::size_t>(train.input("x"))] = x.data();
  inputs[static_cast<std::size_t>(train.input("y"))] = y.data();
  double loss = 0, expected = 0;
  void* const outputs[] = {&loss};
  for (int step = 0; step < kSteps; ++step) {
    runner.run(inputs, outputs, state.data());
    expected = plain_step(x, y, w1, w2);
  }
  // f64 sums of up to 1000 terms in another order, over 100 steps of a contraction.
  CHECK(loss == Approx(expected).epsilon(1e-9));
  CHECK(distance(w1, entry("w1")) < 1e-9);
  CHECK(distance(w2, entry("w2")) < 1e-9);
}
