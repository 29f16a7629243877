// Initialisers against the closed forms of their distributions, over enough elements that 5 standard errors are small.
#include <cmath>
#include <vector>

#include "ir/interpret.h"
#include "load.h"

using namespace gradc;

namespace {

constexpr double kPi = 3.14159265358979323846;

// A spec of one parameter, `w`; `init` is JSON.
std::string spec_of(const std::string& type, const std::string& init) {
  return R"json({"gradc": 1, "inputs": {"x": "f64[]"}, "graph": [{"value": "x + 1"}], "parameters": {"w": {"type": ")json" +
         type + R"json(", "init": )json" + init + "}}}";
}

// The elements that an initialiser draws for a parameter.
Tensor drawn(const std::string& type, const std::string& init, const SpecOptions& options = {}) {
  auto model = load(spec_of(type, init[0] == '{' ? init : "\"" + init + "\""), options);
  Tensor seed({DType::i64, {}});
  seed.set_integer(0, 3);
  std::vector<Tensor> state = interpret(*model->module->function("init"), std::vector<Tensor>{seed});
  for (std::size_t i = 0; i < model->state.entries.size(); ++i)
    if (model->state.entries[i].name == "w") return state[i];
  FAIL("no parameter w");
  return {};
}

struct Moments {
  double mean = 0, variance = 0, fourth = 0, low = INFINITY, high = -INFINITY;
};

Moments moments(const Tensor& x) {
  Moments m;
  const double n = static_cast<double>(x.elements());
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    m.mean += x.get(i) / n;
    m.low = std::min(m.low, x.get(i));
    m.high = std::max(m.high, x.get(i));
  }
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    const double d = x.get(i) - m.mean;
    m.variance += d * d / n;
    m.fourth += d * d * d * d / n;
  }
  return m;
}

// Mean and deviation of what `init` draws for f64[200,50]: means within 5 deviations / √n, variances within
// 5 √((kurtosis - 1) / n) of theirs, which for the distributions here is below 8 %.
void check_distribution(const std::string& init, double mean, double deviation, double kurtosis) {
  INFO(init);
  const double n = 200.0 * 50;
  Moments m = moments(drawn("f64[200,50]", init));
  CHECK(std::abs(m.mean - mean) < 5 * deviation / std::sqrt(n));
  CHECK(std::abs(m.variance / (deviation * deviation) - 1) < 5 * std::sqrt((kurtosis - 1) / n));
  CHECK(std::abs(m.fourth / std::pow(deviation, 4) - kurtosis) < 0.25);
}

constexpr double kUniform = 1.8, kNormal = 3;  // kurtoses

}  // namespace

TEST_CASE("initialisers have the moments of their distributions") {
  check_distribution("uniform(-1, 3)", 1, 4 / std::sqrt(12.0), kUniform);
  check_distribution("normal(0.5, 2)", 0.5, 2, kNormal);
  check_distribution("he_normal", 0, std::sqrt(2.0 / 50), kNormal);
  check_distribution("he_uniform", 0, std::sqrt(2.0 / 50), kUniform);
  check_distribution("he_uniform(1)", 0, std::sqrt(1.0 / 50), kUniform);
  check_distribution("glorot_normal", 0, std::sqrt(2.0 / 250), kNormal);
  check_distribution("glorot_uniform", 0, std::sqrt(2.0 / 250), kUniform);
  // A normal cut at ±2: with φ = exp(-2) / √2π and Z = erf(√2), variance 1 - 4φ/Z and fourth moment 3 - 28φ/Z.
  const double share = std::exp(-2.0) / std::sqrt(2 * kPi) / std::erf(std::sqrt(2.0));
  const double variance = 1 - 4 * share, fourth = 3 - 28 * share;
  check_distribution("truncated_normal(1, 3)", 1, 3 * std::sqrt(variance), fourth / (variance * variance));
}

TEST_CASE("initialisers keep within their bounds, and count what goes in and out of a convolution") {
  Moments cut = moments(drawn("f32[100,100]", "truncated_normal(1, 3)"));
  CHECK(cut.low >= -5);
  CHECK(cut.high <= 7);
  Moments uniform = moments(drawn("f32[100,100]", "uniform(-2, 1)"));
  CHECK(uniform.low >= -2);
  CHECK(uniform.high < 1);
  // [out 20, in 10, 5, 5]: 250 in, 500 out.
  CHECK(moments(drawn("f64[20,10,5,5]", "he_uniform")).high == Approx(std::sqrt(6.0 / 250)).epsilon(0.01));
  CHECK(moments(drawn("f64[20,10,5,5]", "glorot_uniform")).high == Approx(std::sqrt(6.0 / 750)).epsilon(0.01));
  CHECK(drawn("f32[2,2]", "constant(0.25)") == Tensor::filled({DType::f32, {2, 2}}, 0.25));
  CHECK(drawn("f32[2,3]", "identity") == Tensor::of({DType::f32, {2, 3}}, {1, 0, 0, 0, 1, 0}));
}

TEST_CASE("orthogonal draws orthonormal rows or columns") {
  struct Trial {
    std::string type, init;
    std::int64_t rows, columns;
    double gain, tolerance;
  };
  for (const Trial& t :
       {Trial{"f64[24,10]", "orthogonal", 24, 10, 1, 1e-13}, Trial{"f64[6,2,3,2]", "orthogonal(2)", 6, 12, 2, 1e-13},
        Trial{"f32[20,20]", "orthogonal", 20, 20, 1, 3e-6}, Trial{"f64[1,1]", "orthogonal", 1, 1, 1, 1e-13}}) {
    INFO(t.type);
    Tensor w = drawn(t.type, t.init);
    const bool tall = t.rows >= t.columns;
    const std::int64_t count = tall ? t.columns : t.rows, length = tall ? t.rows : t.columns;
    auto element = [&](std::int64_t which, std::int64_t i) {
      return w.get(tall ? i * t.columns + which : which * t.columns + i);
    };
    for (std::int64_t a = 0; a < count; ++a)
      for (std::int64_t b = 0; b <= a; ++b) {
        double sum = 0;
        for (std::int64_t i = 0; i < length; ++i) sum += element(a, i) * element(b, i);
        CHECK(std::abs(sum - (a == b ? t.gain * t.gain : 0)) < t.tolerance * t.gain * t.gain);
      }
  }
  // Uniform over orthogonal matrices: elements of columns of 24 have mean 0 and variance 1/24.
  Moments m = moments(drawn("f64[24,10]", "orthogonal"));
  CHECK(std::abs(m.mean) < 5 / std::sqrt(24.0 * 240));
}

TEST_CASE("an initialiser reads an array of a file") {
  SpecOptions options;
  options.directory = "/models";
  options.read_array = [](const std::string& path, const std::string& name) {
    if (path != "/models/w.safetensors") throw UserError(Location(), "no " + path);
    return Tensor::of({DType::f64, {2}}, name == "a" ? std::vector<double>{1, 2} : std::vector<double>{3, 4});
  };
  CHECK(drawn("f32[2]", R"json({"file": "w.safetensors", "name": "a"})json", options) ==
        Tensor::of({DType::f32, {2}}, {1, 2}));
  const std::string good = spec_of("f64[2]", R"json({"file": "w.safetensors", "name": "b"})json");
  auto model = load(good, options);
  CHECK(load(model->resolved, options)->resolved == model->resolved);
  CHECK(errors_of(spec_of("f64[3]", R"json({"file": "w.safetensors", "name": "a"})json"), options)
            .find("the initial elements are f64[2], the parameter is f64[3]") != std::string::npos);
  CHECK(errors_of(spec_of("f64[3]", R"json({"file": "v.npy"})json"), options).find("no /models/v.npy") !=
        std::string::npos);
  CHECK(errors_of(spec_of("f64[3]", R"json({"fil": "v.npy"})json"), options).find("file") != std::string::npos);
  CHECK(errors_of(good).find("can't read files") != std::string::npos);
  CHECK(errors_of(spec_of("f64[3]", "\"orthogonal\"")).find("needs two dimensions or more, the parameter is f64[3]") !=
        std::string::npos);
}
