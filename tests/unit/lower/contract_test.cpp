// Contractions: products with all kinds of dimensions, and the three products of a convolution.
#include "tests/unit/lower/harness.h"

using gradc::testing::check_everywhere;

namespace {

// Sums of up to a few hundred products, each step rounded once instead of twice.
constexpr double kSum = 1e-5;

std::string dot(const std::string& a, const std::string& b, const std::string& contract_a,
                const std::string& contract_b, const std::string& batch_a, const std::string& batch_b,
                const std::string& to) {
  return "func @f(data %a: " + a + ", data %b: " + b + ") -> (data %y) {\n  %0 = dot(%a, %b) {contract_a = [" +
         contract_a + "], contract_b = [" + contract_b + "], batch_a = [" + batch_a + "], batch_b = [" + batch_b +
         "]} : " + to + "\n  return %0\n}";
}

std::string conv(const std::string& attributes, const std::string& x, const std::string& w, const std::string& y) {
  std::string shape_x = x.substr(3), shape_w = w.substr(3);
  return "func @f(data %x: " + x + ", data %w: " + w + ", data %g: " + y + ") -> (data %y, data %dx, data %dw) {\n" +
         "  %0 = convolution(%x, %w) {" + attributes + "} : " + y + "\n" +
         "  %1 = convolution_input_gradient(%g, %w) {" + attributes + ", shape = shape" + shape_x + "} : " + x + "\n" +
         "  %2 = convolution_weight_gradient(%x, %g) {" + attributes + ", shape = shape" + shape_w + "} : " + w + "\n" +
         "  return %0, %1, %2\n}";
}

// The same bits at levels 0 and 2.
void check_levels(const std::string& text, double tolerance,
                  const std::vector<std::string>& cpus = {"x86-64", "haswell", "znver5"}) {
  auto module = gradc::testing::parse(text);
  for (const std::string& cpu : cpus) {
    INFO(cpu << "\n" << text);
    const gradc::testing::Run plain = gradc::testing::run_both(*module, cpu, 0),
                              fused = gradc::testing::run_both(*module, cpu, 2);
    gradc::testing::check_close(plain, tolerance);
    for (std::size_t i = 0; i < plain.got.size(); ++i) CHECK(plain.got[i] == fused.got[i]);
  }
}

}  // namespace

TEST_CASE("products in all orders") {
  check_everywhere(dot("f32[7,5]", "f32[5,9]", "1", "0", "", "", "f32[7,9]"), kSum);
  check_everywhere(dot("f32[7,5]", "f32[9,5]", "1", "1", "", "", "f32[7,9]"), kSum);
  check_everywhere(dot("f32[5,7]", "f32[5,9]", "0", "0", "", "", "f32[7,9]"), kSum);
  check_everywhere(dot("f32[31,33]", "f32[33,64]", "1", "0", "", "", "f32[31,64]"), kSum);
  check_everywhere(dot("f64[13,6]", "f64[6,17]", "1", "0", "", "", "f64[13,17]"), 1e-13);
  check_everywhere(dot("i32[3,6]", "i32[6,4]", "1", "0", "", "", "i32[3,4]"), 0);
}

TEST_CASE("products with a small side") {
  check_everywhere(dot("f32[1,50]", "f32[50,20]", "1", "0", "", "", "f32[1,20]"), kSum);
  check_everywhere(dot("f32[50]", "f32[50]", "0", "0", "", "", "f32[]"), kSum);
  check_everywhere(dot("f32[20,50]", "f32[50]", "1", "0", "", "", "f32[20]"), kSum);
  check_everywhere(dot("f32[50]", "f32[50,20]", "0", "0", "", "", "f32[20]"), kSum);
  check_everywhere(dot("f32[3,1]", "f32[1,20]", "1", "0", "", "", "f32[3,20]"), kSum);
  check_everywhere(dot("f32[3,0]", "f32[0,20]", "1", "0", "", "", "f32[3,20]"), 0);
  check_everywhere(dot("f32[2,2]", "f32[2,2]", "1", "0", "", "", "f32[2,2]"), kSum);
}

TEST_CASE("batched products and several dimensions") {
  check_everywhere(dot("f32[3,7,5]", "f32[3,5,9]", "2", "1", "0", "0", "f32[3,7,9]"), kSum);
  check_everywhere(dot("f32[2,3,4,5]", "f32[5,4,6]", "2, 3", "1, 0", "", "", "f32[2,3,6]"), kSum);
  check_everywhere(dot("f32[4,2,6]", "f32[6,3,4]", "2", "0", "0", "2", "f32[4,2,3]"), kSum);
}

TEST_CASE("deep products are cut along the depth") {
  check_everywhere(dot("f32[20,5000]", "f32[5000,18]", "1", "0", "", "", "f32[20,18]"), 1e-4);
  check_everywhere(dot("f32[4101,16]", "f32[4101,32]", "0", "0", "", "", "f32[16,32]"), 1e-4);
}

TEST_CASE("convolutions") {
  check_everywhere(
      conv("stride = [1, 1], low = [2, 2], high = [2, 2], dilation = [1, 1], groups = 1, channels_last = false",
           "f32[2,3,7,6]", "f32[5,3,5,5]", "f32[2,5,7,6]"),
      kSum);
  check_everywhere(
      conv("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = true",
           "f32[2,7,6,4]", "f32[20,4,3,3]", "f32[2,7,6,20]"),
      kSum);
  check_everywhere(
      conv("stride = [2, 3], low = [1, 0], high = [0, 2], dilation = [1, 1], groups = 1, channels_last = true",
           "f32[2,9,8,3]", "f32[8,3,4,3]", "f32[2,4,3,8]"),
      kSum);
  check_everywhere(
      conv("stride = [1, 2], low = [2, 1], high = [2, 1], dilation = [2, 1], groups = 1, channels_last = false",
           "f32[1,3,9,8]", "f32[4,3,3,2]", "f32[1,4,9,5]"),
      kSum);
  check_everywhere(
      conv("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 2, channels_last = false",
           "f32[2,4,5,5]", "f32[6,2,3,3]", "f32[2,6,5,5]"),
      kSum);
  check_everywhere(
      conv("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 2, channels_last = true",
           "f32[2,5,5,6]", "f32[8,3,3,3]", "f32[2,5,5,8]"),
      kSum);
  check_everywhere(
      conv("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 6, channels_last = true",
           "f32[2,5,5,6]", "f32[6,1,3,3]", "f32[2,5,5,6]"),
      kSum);
  check_everywhere(conv("stride = [1], low = [0], high = [0], dilation = [1], groups = 1, channels_last = false",
                        "f32[3,4,9]", "f32[5,4,1]", "f32[3,5,9]"),
                   kSum);
  check_everywhere(conv("stride = [1, 1, 1], low = [0, 1, 0], high = [1, 0, 0], dilation = [1, 1, 1], groups = 1, "
                        "channels_last = true",
                        "f32[2,3,4,5,2]", "f32[3,2,2,2,2]", "f32[2,3,4,4,3]"),
                   kSum);
}

// A kernel's rows and columns are walked as one over a copy that stores the columns apart: of images of one channel,
// and of the last two dimensions of channels first.
TEST_CASE("convolutions of one channel") {
  auto check = [](const std::string& attributes, const std::string& x, const std::string& w, const std::string& y) {
    check_levels(conv(attributes + ", groups = 1", x, w, y), kSum);
  };
  check("stride = [1, 1], low = [2, 2], high = [2, 2], dilation = [1, 1], channels_last = true", "f32[3,9,8,1]",
        "f32[20,1,5,5]", "f32[3,9,8,20]");
  check("stride = [1, 1], low = [0, 0], high = [0, 0], dilation = [1, 1], channels_last = true", "f32[5,11,10,1]",
        "f32[6,1,5,5]", "f32[5,7,6,6]");
  check("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], channels_last = true", "f32[2,13,14,1]",
        "f32[33,1,3,3]", "f32[2,13,14,33]");
  check("stride = [2, 2], low = [1, 1], high = [1, 1], dilation = [1, 1], channels_last = true", "f32[2,12,10,1]",
        "f32[16,1,4,4]", "f32[2,6,5,16]");
  check("stride = [2, 3], low = [1, 0], high = [0, 2], dilation = [1, 1], channels_last = true", "f32[3,11,14,1]",
        "f32[17,1,2,7]", "f32[3,6,4,17]");
  check("stride = [1, 1], low = [2, 3], high = [2, 3], dilation = [2, 3], channels_last = true", "f32[2,9,11,1]",
        "f32[12,1,3,3]", "f32[2,9,11,12]");
  check("stride = [1, 1], low = [2, 1], high = [2, 1], dilation = [1, 1], channels_last = false", "f32[2,1,9,10]",
        "f32[9,1,5,3]", "f32[2,9,9,10]");
  check("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], channels_last = false", "f32[2,3,6,7]",
        "f32[10,3,3,3]", "f32[2,10,6,7]");
}

// Blocks of lanes that stay in the second-level cache one by one, but not together: haswell's with 1152 products a sum,
// znver5's with 2304.
TEST_CASE("convolutions of many channels") {
  check_levels(conv("stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = true",
                    "f32[2,2,3,128]", "f32[50,128,3,3]", "f32[2,2,3,50]"),
               1e-4);
  check_levels(R"(func @f(data %x: f32[2,3,2,256], data %w: f32[97,256,3,3]) -> (data %y) {
    %0 = convolution(%x, %w) {stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = true} : f32[2,3,2,97]
    %1 = relu(%0) : f32[2,3,2,97]
    return %1
  })",
               1e-4, {"znver5"});
}

// What a kernel holds where it meets padding alone must not matter: it is NaN there, and 0 for the expected results.
TEST_CASE("products with padding are left out where a whole tile, or each of its rows, knows of it") {
  struct Case {
    std::string image, taps, nothing;  // the taps that are NaN, and the same as zeros
    bool (*leaves_out)(std::int64_t row, std::int64_t column);
  };
  const auto in_row = [](std::int64_t row, std::int64_t) { return row == 0; };
  const auto in_corner = [](std::int64_t row, std::int64_t column) { return row == 0 && column == 0; };
  const auto in_column = [](std::int64_t, std::int64_t column) { return column == 0; };
  const Case cases[] = {{"2,6,6,16", "nan, nan, nan, 0, 0, 0, 0, 0, 0", "0, 0, 0, 1, 1, 1, 1, 1, 1", in_row},
                        {"24,4,4,16", "nan, nan, nan, nan, 0, 0, nan, 0, 0", "0, 0, 0, 0, 1, 1, 0, 1, 1", in_corner},
                        {"1,14,14,16", "nan, 0, 0, nan, 0, 0, nan, 0, 0", "0, 1, 1, 0, 1, 1, 0, 1, 1", in_column}};
  for (const Case& c : cases) {
    const std::string attributes =
        "{stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = true}";
    const std::string image = "f32[" + c.image + "]", broadcast = ") {shape = shape[16,16,3,3], dims = [2, 3]}\n";
    auto module = gradc::testing::parse(
        "func @f(data %x: " + image + ", data %w: f32[16,16,3,3]) -> (data %y, data %z) {\n" +
        "  %nan = constant() {value = dense<f32[3,3]: " + c.taps + ">}\n  %a = broadcast(%nan" + broadcast +
        "  %zero = constant() {value = dense<f32[3,3]: " + c.nothing + ">}\n  %b = broadcast(%zero" + broadcast +
        "  %v = add(%w, %a)\n  %u = multiply(%w, %b)\n" +  //
        "  %y = convolution(%x, %v) " + attributes + "\n  %z = convolution(%x, %u) " + attributes +
        "\n  return %y, %z\n}");
    const gradc::testing::Run run = gradc::testing::run_both(*module, "znver5", 2);
    const std::vector<std::int64_t> shape = sizes(run.got[0].type().shape);
    for (std::int64_t i = 0; i < run.got[0].elements(); ++i) {
      const std::int64_t column = i / shape[3] % shape[2], row = i / shape[3] / shape[2] % shape[1];
      INFO(c.image << " row " << row << " column " << column);
      if (c.leaves_out(row, column))
        REQUIRE(run.got[0].get(i) == Approx(run.expected[1].get(i)).margin(1e-4));
      else
        REQUIRE(std::isnan(run.got[0].get(i)));
    }
  }
}

TEST_CASE("the weight gradient of a kernel over one channel reads the result's gradient in place") {
  auto module = gradc::testing::parse(
      R"(func @f(data %x: f32[8,28,28,1], data %g: f32[8,28,28,20]) -> (data %dw) {
    %0 = convolution_weight_gradient(%x, %g) {stride = [1, 1], low = [2, 2], high = [2, 2], dilation = [1, 1], groups = 1, channels_last = true, shape = shape[20,1,5,5]} : f32[20,1,5,5]
    return %0
  })");
  gradc::testing::Run plain = gradc::testing::run_both(*module, "znver5", 0);
  gradc::testing::Run fused = gradc::testing::run_both(*module, "znver5", 2);
  gradc::testing::check_close(fused, 1e-4);
  CHECK(plain.got[0] == fused.got[0]);
  const std::int64_t gradient = 8 * 28 * 28 * 20 * 4;
  CHECK(fused.program.arena_bytes < gradient);
}

TEST_CASE("epilogues") {
  check_everywhere(
      R"(func @f(data %x: f32[13,21], data %w: f32[30,21], data %b: f32[30], state %v: f32[13,30], scalar %lr: f32[] = 0.5) -> (data %y, state %v) {
    %0 = dot(%x, %w) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []} : f32[13,30]
    %1 = broadcast(%b) {shape = shape[13,30], dims = [1]} : f32[13,30]
    %2 = add(%0, %1) : f32[13,30]
    %3 = relu(%2) : f32[13,30]
    %4 = broadcast(%lr) {shape = shape[13,30], dims = []} : f32[13,30]
    %5 = multiply(%3, %4) : f32[13,30]
    %6 = add(%v, %5) : f32[13,30]
    return %3, %6
  })",
      kSum);
  check_everywhere(R"(func @f(data %x: f32[13,21], data %w: f32[21,30], data %m: f32[30,13]) -> (data %y) {
    %0 = dot(%x, %w) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []} : f32[13,30]
    %1 = transpose(%0) {permutation = [1, 0]} : f32[30,13]
    %2 = multiply(%1, %m) : f32[30,13]
    %3 = reshape(%2) {shape = shape[5,6,13]} : f32[5,6,13]
    %4 = exp(%3) : f32[5,6,13]
    return %4
  })",
                   1e-4);
}

TEST_CASE("prologues") {
  check_everywhere(R"(func @f(data %x: f32[13,21], data %w: f32[21,30]) -> (data %y) {
    %0 = relu(%x) : f32[13,21]
    %1 = tanh(%w) : f32[21,30]
    %2 = dot(%0, %1) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []} : f32[13,30]
    return %2
  })",
                   kSum);
}
