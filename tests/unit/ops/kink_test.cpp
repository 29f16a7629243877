// Stated subgradients at kinks, gradients beside unselected branches, and known answers of single ops.
#include <limits>

#include "compiler/autodiff/autodiff.h"
#include "tests/support/catch.h"
#include "tests/unit/ops/sample_function.h"

using namespace gradc;

namespace {

const double kInf = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

struct Operand {
  std::string type;
  Values values;
};

Values values_of(const Tensor& tensor) {
  Values values;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) values.push_back(tensor.get(i));
  return values;
}

// The result of an op, then the gradients of the sum of the result by every float operand.
std::vector<Values> value_and_gradients(const std::string& name, const std::vector<Operand>& operands,
                                        Attributes attributes = {}) {
  const Op* op = Registry::get().find(name);
  REQUIRE(op);
  Sample sample{.attributes = std::move(attributes)};
  std::vector<Tensor> arguments;
  for (const Operand& operand : operands) {
    sample.operands.push_back(*parse_type(operand.type));
    arguments.push_back(Tensor::of(sample.operands.back(), operand.values));
  }
  auto f = sample_function(*op, sample);
  if (is_float(f->results[0]->type.dtype)) {
    std::vector<Value*> wrt;
    for (Value* operand : f->operands)
      if (is_float(operand->type.dtype)) wrt.push_back(operand);
    Builder builder(f->function.body);
    Value* ones = builder.full(f->results[0]->type, 1);
    for (Value* gradient : reverse(f->function.body, f->results[0], ones, wrt)) f->function.add_result({"d"}, gradient);
  }
  std::vector<Values> result;
  for (const Tensor& tensor : interpret(f->function, arguments)) result.push_back(values_of(tensor));
  return result;
}

Values gradient(const std::string& name, const std::vector<Operand>& operands, Attributes attributes = {},
                std::size_t which = 0) {
  return value_and_gradients(name, operands, std::move(attributes)).at(1 + which);
}

Values value(const std::string& name, const std::vector<Operand>& operands, Attributes attributes = {}) {
  return value_and_gradients(name, operands, std::move(attributes)).at(0);
}

void check_near(const Values& actual, const Values& expected, double within) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) CHECK(std::abs(actual[i] - expected[i]) <= within);
}

}  // namespace

TEST_CASE("elementwise kinks have their stated subgradient") {
  CHECK(gradient("relu", {{"f64[3]", {0, -1, 2}}}) == Values{0, 0, 1});
  CHECK(gradient("abs", {{"f64[3]", {0, -1, 2}}}) == Values{0, -1, 1});
  CHECK(gradient("sign", {{"f64[2]", {0, 3}}}) == Values{0, 0});
  CHECK(gradient("clip", {{"f64[4]", {-2, -1, 1, 2}}}, {{"low", -1.0}, {"high", 1.0}}) == Values{0, 1, 1, 0});
  for (const char* name : {"maximum", "minimum"})
    for (std::size_t which : {0u, 1u})
      CHECK(gradient(name, {{"f64[1]", {3}}, {"f64[1]", {3}}}, {}, which) == Values{0.5});
  CHECK(gradient("maximum", {{"f64[2]", {1, 2}}, {"f64[2]", {2, 1}}}) == Values{0, 1});
  CHECK(gradient("minimum", {{"f64[2]", {1, 2}}, {"f64[2]", {2, 1}}}) == Values{1, 0});
}

TEST_CASE("activations have their stated subgradient") {
  CHECK(gradient("leaky_relu", {{"f64[3]", {0, -1, 2}}}, {{"negative_slope", 0.25}}) == Values{0.25, 0.25, 1});
  CHECK(gradient("elu", {{"f64[3]", {0, 1000, -1000}}}, {{"alpha", 0.5}}) == Values{0.5, 1, 0});
  check_near(gradient("selu", {{"f64[2]", {0, 1000}}}), {1.7581, 1.0507}, 1e-4);
  CHECK(gradient("hard_tanh", {{"f64[4]", {-1, 1, -2, 2}}}) == Values{1, 1, 0, 0});
  CHECK(gradient("hard_sigmoid", {{"f64[4]", {-3, 3, -4, 4}}}) == Values{1. / 6, 1. / 6, 0, 0});
  CHECK(gradient("softsign", {{"f64[3]", {0, 1, 1e200}}}) == Values{1, 0.25, 0});
  CHECK(gradient("maxout", {{"f64[4]", {3, 3, 1, 2}}}, {{"pieces", std::int64_t{2}}}) == Values{0.5, 0.5, 0, 1});
  CHECK(gradient("gelu", {{"f64[3]", {0, 1e200, -1e200}}}, {{"approximate", true}}) == Values{0.5, 1, 0});
  CHECK(gradient("gelu", {{"f64[3]", {0, 40, -40}}}) == Values{0.5, 1, 0});
}

TEST_CASE("losses have their stated subgradient, and no NaN far from the target") {
  CHECK(gradient("absolute_error", {{"f64[3]", {1, 2, 3}}, {"f64[]", {2}}}) == Values{-1, 0, 1});
  CHECK(gradient("absolute_error", {{"f64[3]", {0, 2, 7}}, {"f64[]", {1}}}, {}, 1) == Values{-1});
  CHECK(gradient("huber", {{"f64[4]", {0.5, 1, 3, kInf}}, {"f64[]", {0}}}) == Values{0.5, 1, 1, 1});
  CHECK(gradient("binary_hinge", {{"f64[3]", {1, 0, 2}}, {"f64[]", {1}}}) == Values{0, -1, 0});
  CHECK(gradient("perceptron_loss", {{"f64[3]", {0, -1, 1}}, {"f64[]", {1}}}) == Values{0, -1, 0});
  CHECK(gradient("multiclass_hinge", {{"f64[1,3]", {1, 0, 2}}, {"i32[1]", {0}}}) == Values{-1, 0, 1});
  CHECK(gradient("binary_cross_entropy_with_logits", {{"f64[3]", {0, 1000, -1000}}, {"f64[3]", {1, 0, 0}}}) ==
        Values{-0.5, 1, 0});
  CHECK(gradient("softmax_cross_entropy_soft", {{"f64[1,2]", {800, -800}}, {"f64[1,2]", {0, 1}}}) == Values{1, -1});
  CHECK(gradient("softmax_cross_entropy_soft", {{"f64[1,3]", {-kInf, 0, 0}}, {"f64[1,3]", {0, 1, 0}}}) ==
        Values{0, -0.5, 0.5});
  check_near(gradient("softmax_cross_entropy", {{"f64[1,2]", {0, 0}}, {"i32[1]", {0}}}, {{"label_smoothing", 0.5}}),
             {-0.25, 0.25}, 1e-15);
  CHECK(gradient("cosine_similarity", {{"f64[2]", {0, 0}}, {"f64[2]", {3, 4}}}, {}, 1) == Values{0, 0});
  for (double d : gradient("cosine_loss", {{"f64[2]", {0, 0}}, {"f64[2]", {0, 0}}})) CHECK(d == 0);
}

TEST_CASE("lengths have a gradient at 0 and at ties") {
  CHECK(gradient("norm", {{"f64[2]", {3, -4}}}) == Values{0.6, -0.8});
  CHECK(gradient("norm", {{"f64[2]", {0, 0}}}) == Values{0, 0});
  CHECK(gradient("norm", {{"f64[3]", {0, -2, 2}}}, {{"order", 1.0}}) == Values{0, -1, 1});
  CHECK(gradient("norm", {{"f64[3]", {0, -2, 2}}}, {{"order", kInf}}) == Values{0, -0.5, 0.5});
  CHECK(gradient("clip_by_norm", {{"f64[2]", {0, 0}}}, {{"max_norm", 1.0}}) == Values{1, 1});
  CHECK(gradient("clip_by_norm", {{"f64[2]", {0, 1}}}, {{"max_norm", 1.0}}) == Values{1, 1});
  CHECK(value("clip_by_norm", {{"f64[2]", {3, 4}}}, {{"max_norm", 1.0}}) == Values{3 * (1 / 5.), 4 * (1 / 5.)});
  CHECK(gradient("standardize", {{"f64[3]", {7, 7, 7}}}) == Values{0, 0, 0});
  CHECK(gradient("local_response_norm", {{"f64[1,2]", {0, 0}}}, {{"size", std::int64_t{3}}, {"k", 1.0}}) ==
        Values{1, 1});
}

TEST_CASE("reductions share a gradient evenly among ties, max_pool gives it to the first") {
  CHECK(gradient("cumulative_max", {{"f64[3]", {1, 1, 0}}}) == Values{2, 1, 0});
  CHECK(gradient("cumulative_min", {{"f64[3]", {1, 1, 2}}}) == Values{2, 1, 0});
  CHECK(gradient("cumulative_product", {{"f64[3]", {2, 0, 3}}}) == Values{1, 8, 0});  // d(a + ab + abc)
  CHECK(gradient("max", {{"f64[4]", {5, 1, 5, 5}}}) == Values{1. / 3, 0, 1. / 3, 1. / 3});
  CHECK(gradient("min", {{"f64[2,2]", {1, 1, 0, 4}}}, {{"axis", IntList{1}}}) == Values{0.5, 0.5, 1, 0});
  CHECK(gradient("max_pool", {{"f64[1,1,2,4]", {7, 7, 1, 2, 7, 7, 2, 2}}}, {{"window", IntList{2, 2}}}) ==
        Values{1, 0, 0, 1, 0, 0, 0, 0});
  // Overlapping windows add up.
  CHECK(gradient("max_pool", {{"f64[1,1,3]", {1, 4, 2}}}, {{"window", IntList{2}}, {"stride", IntList{1}}}) ==
        Values{0, 2, 0});
}

TEST_CASE("the gradient of a product is right with zeros") {
  CHECK(gradient("product", {{"f64[3]", {2, 3, 4}}}) == Values{12, 8, 6});
  CHECK(gradient("product", {{"f64[3]", {2, 0, 4}}}) == Values{0, 8, 0});
  CHECK(gradient("product", {{"f64[3]", {0, 0, 4}}}) == Values{0, 0, 0});
  Values x(40, 1);
  x[17] = 0;
  x[3] = 5;
  Values expected(40, 0);
  expected[17] = 5;
  CHECK(gradient("product", {{"f64[40]", x}}) == expected);
}

TEST_CASE("branches that are not taken leave no NaN") {
  CHECK(gradient("power", {{"f64[3]", {0, 0, 3}}, {"f64[3]", {2, 1, 0}}}) == Values{0, 1, 0});
  CHECK(gradient("power", {{"f64[2]", {0, 0}}, {"f64[2]", {2, -1}}}, {}, 1) == Values{0, 0});
  CHECK(gradient("atan2", {{"f64[1]", {0}}, {"f64[1]", {0}}}) == Values{0});
  CHECK(gradient("relu", {{"f64[2]", {-kInf, kInf}}}) == Values{0, 1});
  CHECK(gradient("select", {{"bool[2]", {1, 0}}, {"f64[2]", {kInf, kInf}}, {"f64[2]", {1, 1}}}) == Values{1, 0});
  CHECK(gradient("softplus", {{"f64[2]", {-1000, 1000}}}) == Values{0, 1});
  CHECK(gradient("expm1", {{"f64[1]", {-40}}})[0] == Approx(std::exp(-40.0)).epsilon(1e-14));
  CHECK(gradient("softmax", {{"f64[3]", {1000, 1000, -1000}}}) == Values{0, 0, 0});
  CHECK(gradient("log_sum_exp", {{"f64[2]", {1000, -1000}}}) == Values{1, 0});
  CHECK(gradient("log_sum_exp", {{"f64[2]", {-kInf, 0}}}) == Values{0, 1});
  CHECK(gradient("log_softmax", {{"f64[1,2]", {800, -800}}}) == Values{-1, 1});
}

TEST_CASE("an index outside is clamped by gather and dropped by scatter_add, also in the gradient") {
  CHECK(value("gather", {{"f64[3]", {1, 2, 4}}, {"i32[3]", {-5, 1, 9}}}) == Values{1, 2, 4});
  CHECK(gradient("gather", {{"f64[3]", {1, 2, 4}}, {"i32[3]", {-5, 0, 9}}}) == Values{2, 0, 1});
  CHECK(value("scatter_add", {{"i32[3]", {-1, 1, 2}}, {"f64[3]", {1, 2, 4}}}, {{"size", std::int64_t{2}}}) ==
        Values{0, 2});
  CHECK(gradient("scatter_add", {{"i32[3]", {-1, 1, 2}}, {"f64[3]", {1, 2, 4}}}, {{"size", std::int64_t{2}}}) ==
        Values{0, 1, 0});
}

// Scores (3.2, 5.1, -1.7), first class right.
TEST_CASE("softmax and cross entropy of the lecture's scores") {
  const Operand scores{"f64[1,3]", {3.2, 5.1, -1.7}};
  check_near(value("softmax", {scores}), {0.13, 0.87, 0.00}, 0.005);
  std::vector<Values> loss = value_and_gradients("softmax_cross_entropy", {scores, {"i32[1]", {0}}});
  check_near(loss[0], {2.04}, 0.005);
  check_near(loss[1], {0.13 - 1, 0.87, 0.00}, 0.005);
  CHECK(std::abs(value("softmax_cross_entropy", {{"f64[1,10]", Values(10, 0.7)}, {"i32[1]", {4}}})[0] -
                 std::log(10.0)) <= 1e-12);
}

TEST_CASE("the lecture's max-pool") {
  CHECK(value("max_pool", {{"f64[1,1,4,4]", {1, 1, 2, 4, 5, 6, 7, 8, 3, 2, 1, 0, 1, 2, 3, 4}}},
              {{"window", IntList{2, 2}}}) == Values{6, 8, 3, 4});
}

TEST_CASE("a width of 5 under a filter of 3 with padding 1") {
  auto width = [](std::int64_t stride) {
    Attributes attributes = {{"low", IntList{1}}, {"high", IntList{1}}, {"stride", IntList{stride}}};
    return value("convolution", {{"f64[1,1,5]", Values(5, 1)}, {"f64[1,1,3]", Values(3, 1)}}, attributes).size();
  };
  CHECK(width(1) == 5);
  CHECK(width(2) == 3);
  CHECK(width(3) == 2);
}

TEST_CASE("uniform numbers fill the unit interval, normal ones have mean 0 and deviation 1") {
  const std::vector<Operand> key = {{"u32[2]", {12345, 678}}, {"i64[]", {9}}};
  const Attributes attributes = {{"shape", Shape{4096}}, {"dtype", DType::f64}};
  double mean = 0, square = 0;
  for (double u : value("random_uniform", key, attributes)) {
    CHECK((u >= 0 && u < 1));
    mean += u / 4096;
  }
  CHECK(std::abs(mean - 0.5) < 0.02);  // four standard errors of 4096 numbers
  mean = 0;
  for (double z : value("random_normal", key, attributes)) {
    mean += z / 4096;
    square += z * z / 4096;
  }
  CHECK(std::abs(mean) < 0.0625);
  CHECK(std::abs(square - 1) < 0.09);
}
