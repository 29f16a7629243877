// Index maps and combiners.
#include "ir/indexed.h"

#include <cmath>
#include <limits>

namespace gradc {

std::string_view name_of(Combiner combiner) {
  constexpr std::string_view names[] = {"none", "sum", "product", "max", "min", "any", "all"};
  return names[static_cast<int>(combiner)];
}

namespace {

// The lowest (sign -1) or highest (sign 1) value of a dtype.
ScalarValue extreme(DType type, int sign) {
  if (is_float(type)) return scalar_of(type, sign * std::numeric_limits<double>::infinity());
  switch (type) {
    case DType::i32:
      return scalar_from_integer(type, sign < 0 ? INT32_MIN : INT32_MAX);
    case DType::i64:
      return scalar_from_integer(type, sign < 0 ? INT64_MIN : INT64_MAX);
    case DType::u32:
      return scalar_from_integer(type, sign < 0 ? 0 : std::int64_t{UINT32_MAX});
    case DType::u8:
      return scalar_from_integer(type, sign < 0 ? 0 : 255);
    default:
      return scalar_from_integer(type, sign < 0 ? 0 : 1);
  }
}

}  // namespace

ScalarValue identity_of(Combiner combiner, DType type) {
  switch (combiner) {
    case Combiner::none:
    case Combiner::sum:
    case Combiner::any:
      return ScalarValue{0};
    case Combiner::product:
    case Combiner::all:
      return scalar_from_integer(type, 1);
    case Combiner::max:
      return extreme(type, -1);
    case Combiner::min:
      return extreme(type, 1);
  }
  return {};
}

Scalar combine(ScalarBuilder& builder, Combiner combiner, Scalar a, Scalar b) {
  switch (combiner) {
    case Combiner::none:
      return b;
    case Combiner::sum:
      return a + b;
    case Combiner::product:
      return a * b;
    case Combiner::any:
      return a | b;
    case Combiner::all:
      return a & b;
    case Combiner::max:
    case Combiner::min: {
      Scalar first = combiner == Combiner::max ? a > b : a < b;
      if (is_float(a.type)) first = first | (a != a);
      return builder.select(first, a, b);
    }
  }
  return b;
}

ScalarValue combine(Combiner combiner, DType type, ScalarValue a, ScalarValue b) {
  ScalarBody body = make_body({type, type}, [&](ScalarBuilder& builder, std::span<const Scalar> x) {
    return combine(builder, combiner, x[0], x[1]);
  });
  const ScalarValue arguments[] = {a, b};
  return ScalarInterpreter(body).run(arguments, {});
}

IndexMap variable(std::size_t variables, std::size_t which, std::int64_t coefficient, std::int64_t offset) {
  IndexMap map;
  map.coefficients.assign(variables, 0);
  map.coefficients[which] = coefficient;
  map.offset = offset;
  return map;
}

IndexMap constant_index(std::size_t variables, std::int64_t offset) {
  IndexMap map;
  map.coefficients.assign(variables, 0);
  map.offset = offset;
  return map;
}

std::vector<IndexMap> identity_maps(std::size_t variables, std::size_t rank) {
  std::vector<IndexMap> maps;
  maps.reserve(rank);
  for (std::size_t d = 0; d < rank; ++d) maps.push_back(variable(variables, d));
  return maps;
}

}  // namespace gradc
