// Products of oneDNN and OpenBLAS.
#include "tests/bench/kernels/peers.h"

#ifdef GRADC_BENCH_ONEDNN
#include <dnnl.h>
#endif
#ifdef GRADC_BENCH_OPENBLAS
#include <cblas.h>
#endif

namespace gradc::bench {

std::string peers_found() {
  std::string text;
#ifdef GRADC_BENCH_ONEDNN
  text += "oneDNN " + std::to_string(dnnl_version()->major) + "." + std::to_string(dnnl_version()->minor);
#else
  text += "skipped: oneDNN (Debian: libdnnl-dev) was not found";
#endif
#ifdef GRADC_BENCH_OPENBLAS
  text += "; " + std::string(openblas_get_config());
#else
  text += "; skipped: OpenBLAS (Debian: libopenblas-dev) was not found";
#endif
  return text;
}

std::vector<Peer> product_peers([[maybe_unused]] bool at, [[maybe_unused]] bool bt, [[maybe_unused]] std::int64_t m,
                                [[maybe_unused]] std::int64_t n, [[maybe_unused]] std::int64_t k,
                                [[maybe_unused]] const float* a, [[maybe_unused]] const float* b,
                                [[maybe_unused]] float* c) {
  std::vector<Peer> peers;
#ifdef GRADC_BENCH_ONEDNN
  peers.push_back({"oneDNN", [=] {
                     dnnl_sgemm(at ? 'T' : 'N', bt ? 'T' : 'N', m, n, k, 1, a, at ? m : k, b, bt ? k : n, 0, c, n);
                   }});
#endif
#ifdef GRADC_BENCH_OPENBLAS
  const auto transposed = [](bool yes) { return yes ? CblasTrans : CblasNoTrans; };
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
  peers.push_back({"OpenBLAS", [=] {
                     cblas_sgemm(CblasRowMajor, transposed(at), transposed(bt), rows, columns, depth, 1, a,
                                 at ? rows : depth, b, bt ? depth : columns, 0, c, columns);
                   }});
#endif
  return peers;
}

}  // namespace gradc::bench
