// Matrix products: square, transposed, small, matrix-vector, tall, odd; and a sweep over sizes for the worst ratio.
#include <cstdio>

#include "tests/bench/kernels/peers.h"

namespace gradc::bench {

namespace {

std::string matrix(std::int64_t rows, std::int64_t columns) {
  return "f32[" + std::to_string(rows) + "," + std::to_string(columns) + "]";
}

std::string graph(bool at, bool bt, std::int64_t m, std::int64_t n, std::int64_t k) {
  return "func @f(data %a: " + (at ? matrix(k, m) : matrix(m, k)) + ", data %b: " + (bt ? matrix(n, k) : matrix(k, n)) +
         ") -> (data y) {\n  %y = dot(%a, %b) {contract_a = [" + (at ? "0" : "1") + "], contract_b = [" +
         (bt ? "1" : "0") + "], batch_a = [], batch_b = []}\n  return %y\n}";
}

std::string name_of(bool at, bool bt, std::int64_t m, std::int64_t n, std::int64_t k) {
  return std::string(at ? "at" : "a") + (bt ? " bt " : " b ") + std::to_string(m) + "x" + std::to_string(n) + "x" +
         std::to_string(k);
}

Case product(bool at, bool bt, std::int64_t m, std::int64_t n, std::int64_t k) {
  Case c;
  c.group = "products";
  c.name = name_of(at, bt, m, n, k);
  c.graph = graph(at, bt, m, n, k);
  c.flops = 2.0 * static_cast<double>(m * n * k);
  const auto result = std::make_shared<std::vector<float>>(static_cast<std::size_t>(m * n));
  c.peers = [=](Compiled& run) {
    return product_peers(at, bt, m, n, k, run.input(0).data(), run.input(1).data(), result->data());
  };
  c.difference = [result](Compiled& run) { return largest_difference(run.output(0), *result); };
  return c;
}

}  // namespace

std::vector<Case> products() {
  std::vector<Case> cases;
  for (std::int64_t n : {64, 128, 256, 512, 1024, 2048}) cases.push_back(product(false, false, n, n, n));
  for (std::int64_t n : {64, 256, 1024}) {
    cases.push_back(product(false, true, n, n, n));
    cases.push_back(product(true, false, n, n, n));
    cases.push_back(product(true, true, n, n, n));
  }
  for (std::int64_t n : {4, 8, 16, 24, 32, 48}) cases.push_back(product(false, false, n, n, n));
  for (std::int64_t n : {256, 1024}) {  // matrix-vector, vector-matrix, outer
    cases.push_back(product(false, false, n, 1, n));
    cases.push_back(product(false, false, 1, n, n));
    cases.push_back(product(false, false, n, n, 1));
  }
  cases.push_back(product(false, false, 4096, 32, 64));  // tall, wide, deep
  cases.push_back(product(false, false, 32, 4096, 64));
  cases.push_back(product(true, false, 64, 32, 4096));
  for (std::int64_t n : {63, 65, 127, 129, 253, 511, 1000, 1023}) cases.push_back(product(false, false, n, n, n));
  // Forward, input gradient and weight gradient of linear layers.
  cases.push_back(product(false, true, 128, 512, 784));
  cases.push_back(product(false, false, 128, 784, 512));
  cases.push_back(product(true, false, 512, 784, 128));
  cases.push_back(product(false, true, 300, 3, 100));
  cases.push_back(product(false, true, 64, 10, 500));
  return cases;
}

void sweep_products(std::int64_t most, std::int64_t fixed, double seconds) {
  struct Worst {
    double ratio = 1e30;
    std::string name;
  };
  for (int dimension = 0; dimension < 3; ++dimension) {
    Worst worst;
    int slower = 0;
    for (std::int64_t size = 1; size <= most; ++size) {
      std::int64_t sizes[3] = {fixed, fixed, fixed};
      sizes[dimension] = size;
      const Case c = product(false, false, sizes[0], sizes[1], sizes[2]);
      Compiled run(c.graph);
      const std::vector<Peer> peers = c.peers(run);
      if (peers.empty()) return;
      const std::vector<double> times = least_nanoseconds({[&] { run(); }, peers[0].run}, seconds);
      const double ratio = times[1] / times[0];
      slower += ratio < 1;
      if (ratio < worst.ratio) worst = {ratio, c.name};
    }
    std::printf("sweep of %c = 1 … %ld, others %ld: worst ratio %.2f (%s); slower than the peer at %d sizes\n",
                "mnk"[dimension], static_cast<long>(most), static_cast<long>(fixed), worst.ratio, worst.name.c_str(),
                slower);
    std::fflush(stdout);
  }
}

}  // namespace gradc::bench
