// Random products and convolutions: odd sizes in every dimension, all attributes.
#include <algorithm>

#include "tests/unit/lower/harness.h"

using namespace gradc;

namespace {

constexpr double kSum = 1e-5;  // up to a few hundred products of numbers below two

using Random = std::mt19937;
std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<unsigned>(high - low + 1));
}

// A product with its operands' dimensions in random order, and something elementwise around it.
std::unique_ptr<Module> random_product(Random& random) {
  auto module = std::make_unique<Module>();
  module->name = "m";
  Function& function = module->add_function("f");
  struct Dim {
    std::int64_t size;
    char part;
  };
  std::vector<Dim> a, b;
  IntList contract_a, contract_b, batch_a, batch_b;
  auto size = [&] { return random() % 8 == 0 ? between(random, 30, 70) : between(random, 1, 9); };
  std::int64_t shared = between(random, 1, 2), batches = between(random, 0, 1);
  std::vector<std::int64_t> k(static_cast<std::size_t>(shared)), n(static_cast<std::size_t>(batches));
  for (auto& s : k) s = size();
  for (auto& s : n) s = between(random, 1, 3);
  for (std::size_t i = 0; i < k.size(); ++i)
    a.push_back({static_cast<std::int64_t>(i), 'k'}), b.push_back({static_cast<std::int64_t>(i), 'k'});
  for (std::size_t i = 0; i < n.size(); ++i)
    a.push_back({static_cast<std::int64_t>(i), 'n'}), b.push_back({static_cast<std::int64_t>(i), 'n'});
  for (std::int64_t i = between(random, 0, 2); i > 0; --i) a.push_back({size(), 'f'});
  for (std::int64_t i = between(random, 0, 2); i > 0; --i) b.push_back({size(), 'f'});
  std::shuffle(a.begin(), a.end(), random);
  std::shuffle(b.begin(), b.end(), random);
  auto shape_of = [&](const std::vector<Dim>& dims, IntList& contract, IntList& batch) {
    Shape shape;
    contract.resize(k.size());
    batch.resize(n.size());
    for (std::size_t d = 0; d < dims.size(); ++d) {
      auto i = static_cast<std::size_t>(dims[d].size);
      if (dims[d].part == 'k')
        contract[i] = static_cast<std::int64_t>(d), shape.push_back(k[i]);
      else if (dims[d].part == 'n')
        batch[i] = static_cast<std::int64_t>(d), shape.push_back(n[i]);
      else
        shape.push_back(dims[d].size);
    }
    return shape;
  };
  DType dtype = random() % 4 == 0 ? DType::f64 : DType::f32;
  Type type_a{dtype, shape_of(a, contract_a, batch_a)}, type_b{dtype, shape_of(b, contract_b, batch_b)};
  Value* x = function.add_parameter({"a", Role::data, 0, 0, 0, {}}, type_a);
  Value* y = function.add_parameter({"b", Role::data, 0, 0, 0, {}}, type_b);
  Builder builder(function.body);
  if (random() % 3 == 0) x = builder.one("relu", {x});
  if (random() % 3 == 0) y = builder.one("negate", {y});
  Value* z =
      builder.one("dot", {x, y},
                  {{"contract_a", contract_a}, {"contract_b", contract_b}, {"batch_a", batch_a}, {"batch_b", batch_b}});
  if (random() % 3 == 0) z = builder.one("abs", {z});
  if (random() % 3 == 0 && z->type.rank() == 2)
    z = builder.one("negate", {builder.one("transpose", {z}, {{"permutation", IntList{1, 0}}})});
  function.add_result({"y", Role::data}, z);
  return module;
}

struct Channels {
  std::int64_t groups, in, out;
};

// A convolution with its gradients, whose kernel takes up to so many places.
std::unique_ptr<Module> random_convolution(Random& random, Channels channels, std::int64_t places) {
  auto module = std::make_unique<Module>();
  module->name = "m";
  Function& function = module->add_function("f");
  const auto [groups, in, out] = channels;
  bool last = random() % 2 == 0;
  std::size_t rank = static_cast<std::size_t>(between(random, 1, 2));
  IntList stride, low, high, dilation;
  Shape x{between(random, 1, 3)}, w{out, in / groups}, spatial;
  for (std::size_t d = 0; d < rank; ++d) {
    stride.push_back(between(random, 1, 3));
    low.push_back(between(random, 0, 2));
    high.push_back(between(random, 0, 2));
    dilation.push_back(between(random, 1, 2));
    w.push_back(between(random, 1, 4));
    spatial.push_back((w.back().factor - 1) * dilation.back() + between(random, 1, places));
  }
  if (!last) x.push_back(in);
  x.insert(x.end(), spatial.begin(), spatial.end());
  if (last) x.push_back(in);
  Attributes attributes{{"stride", stride},     {"low", low},       {"high", high},
                        {"dilation", dilation}, {"groups", groups}, {"channels_last", last}};
  Value* vx = function.add_parameter({"x", Role::data, 0, 0, 0, {}}, {DType::f32, x});
  Value* vw = function.add_parameter({"w", Role::data, 0, 0, 0, {}}, {DType::f32, w});
  Builder builder(function.body);
  Value* y = builder.one("convolution", {vx, vw}, attributes);
  Value* g = function.add_parameter({"g", Role::data, 0, 0, 0, {}}, y->type);
  Attributes of_x = attributes, of_w = attributes;
  of_x.set("shape", x);
  of_w.set("shape", w);
  function.add_result({"y", Role::data}, random() % 2 == 0 ? builder.one("relu", {y}) : y);
  function.add_result({"dx", Role::data}, builder.one("convolution_input_gradient", {g, vw}, of_x));
  function.add_result({"dw", Role::data}, builder.one("convolution_weight_gradient", {vx, g}, of_w));
  return module;
}

void check_module(const Module& module, unsigned seed) {
  static const char* cpus[] = {"x86-64", "haswell", "znver5"};
  INFO("seed " << seed << "\n" << print(module));
  testing::Run fused = testing::run_both(module, cpus[seed % 3], 2);
  testing::check_close(fused, kSum);
  testing::Run plain = testing::run_both(module, cpus[seed % 3], 0);
  for (std::size_t i = 0; i < plain.got.size(); ++i) CHECK(plain.got[i] == fused.got[i]);
}

void check_seeds(unsigned from, unsigned to) {
  for (unsigned seed = from; seed < to; ++seed) {
    Random random(seed);
    check_module(*random_product(random), seed);
    const std::int64_t groups = between(random, 1, 3);
    check_module(
        *random_convolution(random, {groups, groups * between(random, 1, 4), groups * between(random, 1, 9)}, 9), seed);
    const std::int64_t depth = between(random, 1, 40);
    check_module(*random_convolution(random, {depth, depth, depth}, 14), seed);
    check_module(*random_convolution(random, {1, 1, between(random, 1, 40)}, 14), seed);
  }
}

}  // namespace

TEST_CASE("random products and convolutions") { check_seeds(0, 60); }

TEST_CASE("many random products and convolutions", "[slow]") { check_seeds(1000, 3000); }
