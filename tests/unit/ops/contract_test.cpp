// What must hold of every op of the registry, tried on its samples.
#include <limits>

#include "compiler/autodiff/autodiff.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/support/catch.h"
#include "tests/unit/ops/sample_function.h"

using namespace gradc;

namespace {

template <class Visit>
void for_each_sample(Visit visit) {
  for (const Op* op : Registry::get().all())
    for (std::size_t i = 0; i < op->samples.size(); ++i) {
      INFO(title(*op, i));
      visit(*op, op->samples[i], i);
    }
}

bool has_float_result(const SampleFunction& f) {
  for (const Value* result : f.results)
    if (is_float(result->type.dtype)) return true;
  return false;
}

// The floats among the operands: what derivatives are taken by.
std::vector<std::size_t> float_operands(const Sample& sample) {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < sample.operands.size(); ++i)
    if (is_float(sample.operands[i].dtype)) which.push_back(i);
  return which;
}

bool all_f64(const Sample& sample) {
  for (const Type& type : sample.operands)
    if (type.dtype == DType::f32) return false;
  for (const auto& [name, value] : sample.attributes)
    if (const DType* dtype = std::get_if<DType>(&value); dtype && *dtype == DType::f32) return false;
  return true;
}

bool is_derivable(const Op& op, const Sample& sample) {
  return sample.differentiable && op.no_derivative.empty() && !float_operands(sample).empty();
}

// y = op(x), a direction u of y, and the cotangents of the float operands.
struct ReverseFunction {
  std::unique_ptr<SampleFunction> f;
  Value* u = nullptr;
  std::vector<Value*> gradients;
};

ReverseFunction reverse_function(const Op& op, const Sample& sample) {
  ReverseFunction made{sample_function(op, sample), nullptr, {}};
  SampleFunction& f = *made.f;
  made.u = f.function.add_parameter({.name = "u"}, f.results[0]->type);
  std::vector<Value*> wrt;
  for (std::size_t i : float_operands(sample)) wrt.push_back(f.operands[i]);
  made.gradients = reverse(f.function.body, f.results[0], made.u, wrt);
  for (Value* gradient : made.gradients) f.function.add_result({"d"}, gradient);
  return made;
}

std::vector<Tensor> moved(std::vector<Tensor> operands, const std::vector<std::size_t>& which,
                          const std::vector<Tensor>& direction, double step) {
  for (std::size_t k = 0; k < which.size(); ++k)
    for (std::int64_t i = 0; i < direction[k].elements(); ++i) {
      Tensor& x = operands[which[k]];
      x.set(i, x.get(i) + step * direction[k].get(i));
    }
  return operands;
}

std::vector<Tensor> directions(const Sample& sample, const std::vector<std::size_t>& which, std::mt19937_64& random) {
  std::vector<Tensor> result;
  for (std::size_t i : which) result.push_back(random_tensor(sample.operands[i], -1, 1, random));
  return result;
}

// Central differences with a step of 1e-6 are right to about 1e-10 of rounding and 1e-12 of curvature, relative to
// values near 1; derivatives up to 100 stay within 1e-6.
constexpr double kStep = 1e-6;
void check_close(double actual, double expected, double tolerance) {
  double scale = std::max({1.0, std::abs(expected), std::abs(actual)});
  CHECK(std::abs(actual - expected) <= tolerance * scale);
}

}  // namespace

TEST_CASE("every op says what it is") {
  for (const Op* op : Registry::get().all()) {
    INFO(op->name);
    CHECK_FALSE(op->doc.empty());
    for (const OperandSpec& operand : op->operands) CHECK_FALSE(operand.doc.empty());
    for (const AttributeSpec& attribute : op->attributes) {
      CHECK_FALSE(attribute.doc.empty());
      if (attribute.preset) CHECK(attribute.preset->index() == static_cast<std::size_t>(attribute.kind));
    }
    if (op->irregular != Irregular::region && op->irregular != Irregular::pseudo &&
        op->irregular != Irregular::constant)
      CHECK(op->samples.size() >= 3);
    bool has_rule = op->constant_gradient || !op->no_derivative.empty() || op->derivative || op->transpose || op->vjp ||
                    op->compose;
    CHECK(has_rule);
  }
}

TEST_CASE("every sample prints, parses and verifies") {
  for_each_sample([](const Op& op, const Sample& sample, std::size_t) {
    auto f = sample_function(op, sample);
    CHECK(verify(f->function).empty());
    for (bool defaults : {false, true}) {
      std::string text = print(f->function, {.defaults = defaults, .literal_elements = -1});
      Diagnostics diagnostics;
      auto module = parse_module(text, "sample.gir", diagnostics);
      INFO(text << diagnostics.render());
      REQUIRE(module);
      CHECK(print(*module->functions[0], {.defaults = defaults, .literal_elements = -1}) == text);
    }
  });
}

TEST_CASE("every op's indexed form fits its types") {
  for_each_sample([](const Op& op, const Sample& sample, std::size_t) {
    if (op.kind == Kind::composite || op.irregular != Irregular::none) return;
    auto f = sample_function(op, sample);
    IndexedForm form = indexed_form(*f->results[0]->node);
    std::vector<std::int64_t> result = sizes(f->results[0]->type.shape);
    if (form.result.empty())
      CHECK(form.domain == result);
    else
      CHECK(form.result.size() == result.size());
    std::int64_t domain = 1;
    for (std::int64_t extent : form.domain) domain *= extent;
    CHECK(domain == f->results[0]->type.elements());
    CHECK(form.accesses.size() == form.body.arguments.size());
    for (const OperandAccess& access : form.accesses) {
      CHECK(access.index.size() == sample.operands.at(static_cast<std::size_t>(access.operand)).rank());
      for (const IndexMap& map : access.index) CHECK(map.coefficients.size() == form.variables());
    }
    CHECK((form.combiner == Combiner::none) == form.reduction.empty());
  });
}

TEST_CASE("the shape rule says what the interpreter gives") {
  std::mt19937_64 random(1);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    auto f = sample_function(op, sample);
    std::vector<Tensor> results = interpret(f->function, random_operands(sample, random));
    REQUIRE(results.size() == f->results.size());
    for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i].type() == f->results[i]->type);
  });
}

TEST_CASE("gradients agree with finite differences") {
  std::mt19937_64 random(2);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    if (!is_derivable(op, sample) || op.constant_gradient || !all_f64(sample)) return;
    std::vector<std::size_t> which = float_operands(sample);
    ReverseFunction r = reverse_function(op, sample);
    std::vector<Tensor> x = random_operands(sample, random);
    Tensor u = random_tensor(r.u->type, -1, 1, random);
    auto run = [&](std::vector<Tensor> operands) {
      operands.push_back(u);
      return interpret(r.f->function, operands);
    };
    std::vector<Tensor> at = run(x);
    for (int round = 0; round < 4; ++round) {
      std::vector<Tensor> v = directions(sample, which, random);
      double expected =
          (inner_product(run(moved(x, which, v, kStep))[0], u) - inner_product(run(moved(x, which, v, -kStep))[0], u)) /
          (2 * kStep);
      double actual = 0;
      for (std::size_t k = 0; k < which.size(); ++k) actual += inner_product(at[1 + k], v[k]);
      check_close(actual, expected, 1e-6);
    }
  });
}

TEST_CASE("what has a constant gradient has gradient zero") {
  std::mt19937_64 random(3);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    if (!op.constant_gradient || float_operands(sample).empty()) return;
    if (!has_float_result(*sample_function(op, sample))) return;
    ReverseFunction r = reverse_function(op, sample);
    std::vector<Tensor> operands = random_operands(sample, random);
    operands.push_back(random_tensor(r.u->type, -1, 1, random));
    std::vector<Tensor> results = interpret(r.f->function, operands);
    for (std::size_t k = 1; k < results.size(); ++k)
      for (std::int64_t i = 0; i < results[k].elements(); ++i) CHECK(results[k].get(i) == 0);
  });
}

TEST_CASE("forward and reverse mode are transposes") {
  std::mt19937_64 random(4);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    if (!is_derivable(op, sample) || op.constant_gradient) return;
    std::vector<std::size_t> which = float_operands(sample);
    ReverseFunction r = reverse_function(op, sample);
    std::vector<Tensor> x = random_operands(sample, random), v = directions(sample, which, random);
    Tensor u = random_tensor(r.u->type, -1, 1, random);

    auto f = sample_function(op, sample);
    std::vector<Value*> wrt, tangents;
    for (std::size_t i : which) wrt.push_back(f->operands[i]);
    for (std::size_t i : which) tangents.push_back(f->function.add_parameter({.name = "t"}, sample.operands[i]));
    f->function.add_result({"t"}, forward(f->function.body, f->results, wrt, tangents)[0]);

    std::vector<Tensor> reverse_arguments = x, forward_arguments = x;
    reverse_arguments.push_back(u);
    forward_arguments.insert(forward_arguments.end(), v.begin(), v.end());
    std::vector<Tensor> gradients = interpret(r.f->function, reverse_arguments);
    double transposed = 0;
    for (std::size_t k = 0; k < which.size(); ++k) transposed += inner_product(v[k], gradients[1 + k]);
    // Rounding only: the same sums in another order.
    check_close(inner_product(interpret(f->function, forward_arguments)[1], u), transposed,
                all_f64(sample) ? 1e-11 : 1e-4);
  });
}

TEST_CASE("second derivatives agree with finite differences of first ones") {
  std::mt19937_64 random(5);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    if (!is_derivable(op, sample) || op.constant_gradient || !all_f64(sample)) return;
    std::vector<std::size_t> which = float_operands(sample);
    ReverseFunction r = reverse_function(op, sample);
    Function& function = r.f->function;
    // ⟨gradient, w⟩ summed over the operands, differentiated once more.
    std::vector<Value*> ws, wrt;
    for (std::size_t i : which) ws.push_back(function.add_parameter({.name = "w"}, sample.operands[i]));
    for (std::size_t i : which) wrt.push_back(r.f->operands[i]);
    Builder builder(function.body);
    Term total;
    for (std::size_t k = 0; k < which.size(); ++k) {
      Term product = builder.term(r.gradients[k]) * builder.term(ws[k]);
      total = add(total, apply("sum", {product}));
    }
    for (Value* second : reverse(function.body, total.value(), nullptr, wrt)) function.add_result({"s"}, second);

    std::vector<Tensor> x = random_operands(sample, random), w = directions(sample, which, random);
    Tensor u = random_tensor(r.u->type, -1, 1, random);
    auto run = [&](std::vector<Tensor> operands) {
      operands.push_back(u);
      operands.insert(operands.end(), w.begin(), w.end());
      return interpret(function, operands);
    };
    auto first_order = [&](const std::vector<Tensor>& results) {
      double sum = 0;
      for (std::size_t k = 0; k < which.size(); ++k) sum += inner_product(results[1 + k], w[k]);
      return sum;
    };
    std::vector<Tensor> at = run(x), v = directions(sample, which, random);
    double expected =
        (first_order(run(moved(x, which, v, kStep))) - first_order(run(moved(x, which, v, -kStep)))) / (2 * kStep);
    double actual = 0;
    for (std::size_t k = 0; k < which.size(); ++k) actual += inner_product(at[1 + which.size() + k], v[k]);
    check_close(actual, expected, 1e-5);
  });
}

TEST_CASE("special values run through every op and its gradient") {
  std::mt19937_64 random(6);
  const double inf = std::numeric_limits<double>::infinity();
  const double specials[] = {0.0, -0.0, inf, -inf, std::nan(""), 5e-324, -1e-40, 1e308, 1.0};
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    std::vector<Tensor> x = random_operands(sample, random);
    for (Tensor& tensor : x)
      for (std::int64_t i = 0; is_float(tensor.type().dtype) && i < tensor.elements(); ++i)
        tensor.set(i, specials[random() % std::size(specials)]);
    auto f = sample_function(op, sample);
    CHECK_NOTHROW(interpret(f->function, x));
    if (!is_derivable(op, sample) || op.constant_gradient) return;
    ReverseFunction r = reverse_function(op, sample);
    x.push_back(random_tensor(r.u->type, -1, 1, random));
    CHECK_NOTHROW(interpret(r.f->function, x));
  });
}
