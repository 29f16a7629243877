// Generated code against the interpreter: every op of the registry and its gradient, on every sample, at every
// optimisation level, on one and on three threads. The samples of a family share a module.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>

#include "compiler/analysis/contraction.h"
#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "ir/text.h"
#include "tests/support/catch.h"
#include "tests/unit/api/family_modules.h"

using namespace gradc;

namespace {

// Random within the sample's bounds; or with many zeros, infinities, NaN and denormals among the floats. No denormals
// for products: by the order of the factors they become 0 before they meet an infinity, or not.
std::vector<Tensor> arguments(const Trial& trial, bool special, std::mt19937_64& random) {
  const double inf = std::numeric_limits<double>::infinity();
  const double specials[] = {0.0, -0.0, inf, -inf, std::nan(""), 1e-40, 1.0, -0.5};
  std::vector<Tensor> result;
  for (const auto& parameter : trial.function->body.parameters) {
    Tensor tensor = random_tensor(parameter->type, trial.sample->low, trial.sample->high, random);
    for (std::int64_t i = 0; special && is_float(parameter->type.dtype) && i < tensor.elements(); ++i)
      if (random() % 3 == 0) tensor.set(i, specials[random() % std::size(specials)]);
    for (std::int64_t i = 0; trial.op->name == "product" && i < tensor.elements(); ++i)
      if (tensor.get(i) != 0 && std::abs(tensor.get(i)) < 1e-30) tensor.set(i, 1.0);
    result.push_back(std::move(tensor));
  }
  return result;
}

std::vector<Tensor> run(const Function& function, const runtime::Executable& executable,
                        const std::vector<Tensor>& operands, runtime::ThreadPool* pool) {
  std::vector<Tensor> results;
  for (const Value* result : function.body.results) results.emplace_back(result->type);
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const Tensor& operand : operands) inputs.push_back(operand.data());
  for (Tensor& result : results) outputs.push_back(result.data());
  runtime::Runner(executable, pool).run(inputs, outputs, nullptr);
  return results;
}

// Elementwise results have the interpreter's bits. Sums may run in another order, which costs as many rounding errors
// as they have terms, relative to the greatest term: at most 37 in the samples, and 200 in the convolutions.
double tolerance(const Op& op, DType dtype) {
  if (op.kind == Kind::elementwise || !is_float(dtype)) return 0;
  return dtype == DType::f32 ? 1e-4 : 1e-12;
}

double greatest(const Tensor& tensor) {
  double result = 1;
  for (std::int64_t i = 0; i < tensor.elements(); ++i)
    if (std::isfinite(tensor.get(i))) result = std::max(result, std::abs(tensor.get(i)));
  return result;
}

// Where an element of a row-major tensor is; none outside of it.
std::optional<std::int64_t> offset_of(const std::vector<IndexMap>& index, const Tensor& tensor,
                                      const std::vector<std::int64_t>& variables) {
  const std::vector<std::int64_t> extents = sizes(tensor.type().shape);
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < index.size(); ++d) {
    std::int64_t at = index[d].offset;
    for (std::size_t v = 0; v < index[d].coefficients.size(); ++v) at += index[d].coefficients[v] * variables[v];
    if (at % index[d].divisor != 0 || at < 0 || at / index[d].divisor >= extents[d]) return std::nullopt;
    offset = offset * extents[d] + at / index[d].divisor;
  }
  return offset;
}

// Of a sum of products of parameters, the sum of those that lie inside of both: products with padding may be left out,
// and with them the NaN that an infinity makes of a zero. None of all other results.
std::optional<Tensor> without_padding(const Function& function, const Value* result,
                                      const std::vector<Tensor>& arguments) {
  const Node* node = result->node;
  if (!node || !node->op->indexed) return std::nullopt;
  const IndexedForm form = indexed_form(*node);
  if (!sums_products(form, result->type.dtype)) return std::nullopt;
  std::vector<const Tensor*> factors;
  for (const OperandAccess& access : form.accesses) {
    const Value* operand = node->operands[static_cast<std::size_t>(access.operand)];
    for (std::size_t i = 0; i < arguments.size(); ++i)
      if (function.body.parameters[i].get() == operand) factors.push_back(&arguments[i]);
  }
  if (factors.size() != 2) return std::nullopt;
  std::vector<std::int64_t> extents = form.domain;
  extents.insert(extents.end(), form.reduction.begin(), form.reduction.end());
  std::vector<std::int64_t> at(extents.size(), 0);
  const std::vector<IndexMap> to =
      form.result.empty() ? identity_maps(form.domain.size(), form.domain.size()) : form.result;
  Tensor sums(result->type);
  std::int64_t terms = 1;
  for (std::int64_t extent : extents) terms *= extent;
  for (std::int64_t i = 0; i < terms; ++i) {
    const auto x = offset_of(form.accesses[0].index, *factors[0], at),
               y = offset_of(form.accesses[1].index, *factors[1], at);
    const std::int64_t sum = *offset_of(to, sums, at);
    if (x && y) sums.set(sum, sums.get(sum) + factors[0]->get(*x) * factors[1]->get(*y));
    for (std::size_t v = at.size(); v-- > 0 && ++at[v] == extents[v];) at[v] = 0;
  }
  return sums;
}

void check_same(const Trial& trial, const std::vector<Tensor>& operands, const std::vector<Tensor>& expected,
                const std::vector<Tensor>& actual) {
  for (std::size_t r = 0; r < expected.size(); ++r) {
    double within = tolerance(*trial.op, expected[r].type().dtype) * greatest(expected[r]);
    auto same = [&](double want, double got) {
      return (std::isnan(want) && std::isnan(got)) || want == got || std::abs(want - got) <= within;
    };
    for (std::int64_t i = 0; i < expected[r].elements(); ++i) {
      double want = expected[r].get(i), got = actual[r].get(i);
      if (same(want, got)) continue;
      if (std::isnan(want))
        if (const auto inside = without_padding(*trial.function, trial.function->body.results[r], operands);
            inside && same(inside->get(i), got))
          continue;
      INFO("result " << r << " element " << i);
      CHECK(got == want);
      return;
    }
  }
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  auto bytes = [](const Tensor& tensor) {
    const auto* data = static_cast<const std::byte*>(tensor.data());
    return std::span(data, static_cast<std::size_t>(tensor.bytes()));
  };
  return std::ranges::equal(a, b,
                            [&](const Tensor& x, const Tensor& y) { return std::ranges::equal(bytes(x), bytes(y)); });
}

std::vector<runtime::Executable> compile(const Module& module, int optimize) {
  Options options;
  options.optimize = optimize;
  options.target = host_target();
  options.verify_each = true;
  return load(compile_to_kernels(clone_module(module), StateLayout{}, {}, options), optimize);
}

// The executables of a family; where it does not compile, one sample after the other, to say which.
std::vector<runtime::Executable> compile(const FamilyModule& family, int optimize) {
  try {
    return compile(*family.module, optimize);
  } catch (const std::exception&) {
  }
  std::vector<runtime::Executable> executables;
  for (const Trial& trial : family.trials) {
    Module alone;
    alone.name = "alone";
    alone.functions.push_back(clone_function(*trial.function));
    executables.emplace_back();
    try {
      executables.back() = compile(alone, optimize).at(0);
    } catch (const std::exception& error) {
      FAIL_CHECK(title(*trial.op, trial.which) << ": " << error.what());
    }
  }
  return executables;
}

void check_family(const FamilyModule& family, int optimize) {
  std::vector<runtime::Executable> executables = compile(family, optimize);
  REQUIRE(executables.size() == family.trials.size());
  runtime::ThreadPool pool(3);
  std::mt19937_64 random(7);
  for (std::size_t i = 0; i < family.trials.size(); ++i) {
    const Trial& trial = family.trials[i];
    if (!executables[i].entry) continue;
    for (bool special : {false, true}) {
      INFO(title(*trial.op, trial.which) << (special ? " with special values" : ""));
      std::vector<Tensor> operands = arguments(trial, special, random);
      std::vector<Tensor> expected = interpret(*trial.function, operands);
      std::vector<Tensor> serial = run(*trial.function, executables[i], operands, nullptr);
      check_same(trial, operands, expected, serial);
      CHECK(same_bits(serial, run(*trial.function, executables[i], operands, &pool)));
    }
  }
}

}  // namespace

TEST_CASE("generated code of every op agrees with the interpreter") {
  for (const auto& [name, family] : families())
    for (int optimize : {0, 1, 2}) {
      INFO(name << " at level " << optimize);
      check_family(family, optimize);
    }
}
