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

// The floats among the results: what has a derivative.
std::vector<std::size_t> float_results(const SampleFunction& f) {
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < f.results.size(); ++i)
    if (is_float(f.results[i]->type.dtype)) which.push_back(i);
  return which;
}

bool is_derivable(const Op& op, const Sample& sample) {
  return sample.differentiable && op.no_derivative.empty() && !float_operands(sample).empty() &&
         !float_results(*sample_function(op, sample)).empty();
}

// Σ ⟨result, direction⟩ over the float results, as a scalar.
Value* weighted_sum(Builder& builder, const std::vector<Value*>& values, const std::vector<Value*>& directions) {
  Term total;
  for (std::size_t k = 0; k < values.size(); ++k)
    total = add(total, apply("sum", {builder.term(values[k]) * builder.term(directions[k])}));
  return total.value();
}

// y = op(x), and the cotangents of the float operands, given a direction u of every float result; as results of the
// function, after those of the op.
struct ReverseFunction {
  std::unique_ptr<SampleFunction> f;
  std::vector<std::size_t> results;  // which are floats
  std::vector<Value*> gradients;

  std::vector<Tensor> directions(std::mt19937_64& random) const {
    std::vector<Tensor> u;
    for (std::size_t i : results) u.push_back(random_tensor(f->results[i]->type, -1, 1, random));
    return u;
  }
  double weighted(const std::vector<Tensor>& found, const std::vector<Tensor>& u) const {
    double sum = 0;
    for (std::size_t k = 0; k < results.size(); ++k) sum += inner_product(found[results[k]], u[k]);
    return sum;
  }
};

ReverseFunction reverse_function(const Op& op, const Sample& sample) {
  ReverseFunction made{sample_function(op, sample), {}, {}};
  SampleFunction& f = *made.f;
  made.results = float_results(f);
  std::vector<Value*> wrt, outputs, directions;
  for (std::size_t i : made.results) {
    outputs.push_back(f.results[i]);
    directions.push_back(f.function.add_parameter({.name = "u" + std::to_string(i)}, f.results[i]->type));
  }
  for (std::size_t i : float_operands(sample)) wrt.push_back(f.operands[i]);
  Builder builder(f.function.body);
  made.gradients = reverse(f.function.body, weighted_sum(builder, outputs, directions), nullptr, wrt);
  for (Value* gradient : made.gradients) f.function.add_result({"d"}, gradient);
  return made;
}

std::vector<Tensor> joined(std::vector<Tensor> a, const std::vector<Tensor>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
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
    std::vector<Tensor> u = r.directions(random);
    auto run = [&](const std::vector<Tensor>& operands) { return interpret(r.f->function, joined(operands, u)); };
    std::vector<Tensor> at = run(x);
    for (int round = 0; round < 4; ++round) {
      std::vector<Tensor> v = directions(sample, which, random);
      double expected =
          (r.weighted(run(moved(x, which, v, kStep)), u) - r.weighted(run(moved(x, which, v, -kStep)), u)) /
          (2 * kStep);
      double actual = 0;
      for (std::size_t k = 0; k < which.size(); ++k) actual += inner_product(at[r.f->results.size() + k], v[k]);
      check_close(actual, expected, 1e-6);
    }
  });
}

TEST_CASE("what has a constant gradient has gradient zero") {
  std::mt19937_64 random(3);
  for_each_sample([&](const Op& op, const Sample& sample, std::size_t) {
    if (!op.constant_gradient || float_operands(sample).empty()) return;
    if (float_results(*sample_function(op, sample)).empty()) return;
    ReverseFunction r = reverse_function(op, sample);
    std::vector<Tensor> results =
        interpret(r.f->function, joined(random_operands(sample, random), r.directions(random)));
    for (std::size_t k = r.f->results.size(); k < results.size(); ++k)
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
    std::vector<Tensor> u = r.directions(random);

    auto f = sample_function(op, sample);
    std::vector<Value*> wrt, tangents, outputs;
    for (std::size_t i : which) wrt.push_back(f->operands[i]);
    for (std::size_t i : which) tangents.push_back(f->function.add_parameter({.name = "t"}, sample.operands[i]));
    for (std::size_t i : r.results) outputs.push_back(f->results[i]);
    for (Value* tangent : forward(f->function.body, outputs, wrt, tangents)) f->function.add_result({"t"}, tangent);

    std::vector<Tensor> gradients = interpret(r.f->function, joined(x, u));
    std::vector<Tensor> found = interpret(f->function, joined(x, v));
    double transposed = 0, pushed = 0;
    for (std::size_t k = 0; k < which.size(); ++k) transposed += inner_product(v[k], gradients[f->results.size() + k]);
    for (std::size_t k = 0; k < u.size(); ++k) pushed += inner_product(found[f->results.size() + k], u[k]);
    // Rounding only: the same sums in another order.
    check_close(pushed, transposed, all_f64(sample) ? 1e-11 : 1e-4);
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
    Value* total = weighted_sum(builder, r.gradients, ws);
    for (Value* second : reverse(function.body, total, nullptr, wrt)) function.add_result({"s"}, second);

    std::vector<Tensor> x = random_operands(sample, random), w = directions(sample, which, random);
    const std::vector<Tensor> directed = joined(r.directions(random), w);
    const std::size_t first = r.f->results.size();
    auto run = [&](const std::vector<Tensor>& operands) { return interpret(function, joined(operands, directed)); };
    auto first_order = [&](const std::vector<Tensor>& results) {
      double sum = 0;
      for (std::size_t k = 0; k < which.size(); ++k) sum += inner_product(results[first + k], w[k]);
      return sum;
    };
    std::vector<Tensor> at = run(x), v = directions(sample, which, random);
    double expected =
        (first_order(run(moved(x, which, v, kStep))) - first_order(run(moved(x, which, v, -kStep)))) / (2 * kStep);
    double actual = 0;
    for (std::size_t k = 0; k < which.size(); ++k) actual += inner_product(at[first + which.size() + k], v[k]);
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
    CHECK_NOTHROW(interpret(r.f->function, joined(x, r.directions(random))));
  });
}
