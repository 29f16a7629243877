// Wrong use of every op: extreme attributes and unfit operands end in a UserError or in something that runs.
#include <limits>

#include "ir/diagnostic.h"
#include "ir/verify.h"
#include "tests/support/catch.h"
#include "tests/unit/ops/sample_function.h"

using namespace gradc;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::vector<Attribute> extremes_like(const Attribute& attribute) {
  std::vector<Attribute> result;
  const std::int64_t integers[] = {kLeast, -7, -1, 0, 1, 2, 3, 7, std::int64_t{1} << 31, std::int64_t{1} << 62, kMost};
  if (std::holds_alternative<bool>(attribute)) return {true, false};
  if (std::holds_alternative<std::int64_t>(attribute))
    for (std::int64_t value : integers) result.push_back(value);
  if (std::holds_alternative<double>(attribute))
    for (double value : {-kInfinity, -1e300, -1.5, -0.0, 1.0, 3e9, 1e300, kInfinity, std::nan("")})
      result.push_back(value);
  if (std::holds_alternative<DType>(attribute))
    for (DType value : kAllDTypes) result.push_back(value);
  if (std::holds_alternative<IntList>(attribute))
    for (std::size_t length : {0u, 1u, 2u, 3u, 4u})
      for (std::int64_t value : integers) result.push_back(IntList(length, value));
  if (std::holds_alternative<Shape>(attribute))
    for (std::size_t length : {0u, 1u, 2u, 4u, 5u}) {
      for (std::int64_t value : integers) result.push_back(Shape(length, Dim(value)));
      result.push_back(Shape(length, Dim(3, "N")));
    }
  return result;
}

std::vector<Type> unfit_types(const Type& type) {
  std::vector<Type> result;
  for (DType dtype : kAllDTypes) result.push_back({dtype, type.shape});
  for (std::size_t i = 0; i < type.rank(); ++i)
    for (const Dim& dim : {Dim(0), Dim(1), Dim(2), Dim(11), Dim(1, "N"), Dim(std::int64_t{1} << 40)}) {
      result.push_back(type);
      result.back().shape[i] = dim;
    }
  result.push_back({type.dtype, {}});
  result.push_back({type.dtype, {Dim(1, "N")}});
  result.push_back({type.dtype, {3, Dim(1, "N"), 2, 2}});
  Type longer = type;
  longer.shape.push_back(Dim(2));
  result.push_back(longer);
  return result;
}

bool is_small(const Type& type) {
  for (const Dim& dim : type.shape)
    if (!dim.is_static() || dim.factor > 4096) return false;
  return type.elements() <= 4096;
}

// Whether the call is refused; where it is not, and small, it runs.
bool refused(const Op& op, const Sample& sample) {
  std::unique_ptr<SampleFunction> f;
  try {
    f = sample_function(op, sample);
  } catch (const UserError& error) {
    CHECK_FALSE(error.diagnostics().at(0).message.empty());
    return true;
  }
  CHECK(verify(f->function).empty());
  for (const Type& type : sample.operands)
    if (!is_small(type)) return false;
  for (const auto& [name, value] : sample.attributes)
    if (const Shape* shape = std::get_if<Shape>(&value); shape && !is_small({DType::u8, *shape})) return false;
  for (const Value* result : f->results)
    if (!is_small(result->type)) return false;
  std::mt19937_64 random(1);
  interpret(f->function, random_operands(sample, random));
  return false;
}

}  // namespace

TEST_CASE("extreme attributes are refused or work") {
  int refusals = 0;
  for (const Op* op : Registry::get().all())
    for (std::size_t i = 0; i < op->samples.size(); ++i)
      for (const auto& [name, given] : with_defaults(*op, op->samples[i].attributes))
        for (const Attribute& value : extremes_like(given)) {
          Sample sample = op->samples[i];
          sample.attributes.set(name, value);
          INFO(title(*op, i) << name << " = " << str(value));
          refusals += refused(*op, sample);
        }
  CHECK(refusals > 1000);
}

TEST_CASE("unfit operands are refused or work") {
  int refusals = 0;
  for (const Op* op : Registry::get().all())
    for (std::size_t i = 0; i < op->samples.size(); ++i)
      for (std::size_t operand = 0; operand < op->samples[i].operands.size(); ++operand)
        for (const Type& type : unfit_types(op->samples[i].operands[operand])) {
          Sample sample = op->samples[i];
          sample.operands[operand] = type;
          INFO(title(*op, i) << "operand " << operand << " as " << type.str());
          refusals += refused(*op, sample);
        }
  CHECK(refusals > 1000);
}

TEST_CASE("a wrong number of operands is refused") {
  for (const Op* op : Registry::get().all())
    for (std::size_t i = 0; i < op->samples.size(); ++i) {
      INFO(title(*op, i));
      Sample more = op->samples[i];
      more.operands.push_back({DType::f32, {2}});
      CHECK(refused(*op, more));
      if (more.operands.size() == 1) continue;
      Sample fewer = op->samples[i];
      fewer.operands.resize(op->variadic() ? 0 : fewer.operands.size() - 1);
      CHECK(refused(*op, fewer));
    }
}
