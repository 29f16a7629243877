// Looks through producers; never changes anything.
#include "compiler/passes/match.h"

#include <cmath>

#include "ir/op.h"

namespace gradc {

namespace {

// Literals beyond this are not scanned for equal elements.
constexpr std::int64_t kScannedElements = 64;

std::optional<double> uniform_literal(const Tensor& tensor) {
  if (tensor.elements() == 0 || tensor.elements() > kScannedElements) return std::nullopt;
  const double first = tensor.get(0);
  if (std::isnan(first)) return std::nullopt;
  for (std::int64_t i = 1; i < tensor.elements(); ++i) {
    if (tensor.get(i) != first || std::signbit(tensor.get(i)) != std::signbit(first)) return std::nullopt;
  }
  return first;
}

}  // namespace

Node* made_by(const Value* value, std::string_view name) {
  return value->node && value->node->op->name == name ? value->node : nullptr;
}

std::optional<double> uniform(const Value* value) {
  while (true) {
    if (const Node* node = made_by(value, "constant")) return uniform_literal(node->attributes.literal("value"));
    const Node* node = value->node;
    const bool moves = made_by(value, "broadcast") || made_by(value, "reshape") || made_by(value, "transpose");
    if (!moves) return std::nullopt;
    value = node->operands[0];
  }
}

bool is_uniform(const Value* value, double number) {
  const std::optional<double> found = uniform(value);
  return found && *found == number && std::signbit(*found) == std::signbit(number);
}

bool is_neutral_to_add(const Value* value) { return is_uniform(value, is_float(value->type.dtype) ? -0.0 : 0.0); }

bool is_invertible_power_of_two(DType dtype, double number) {
  if (!std::isnormal(number)) return false;
  int exponent = 0;
  if (std::abs(std::frexp(number, &exponent)) != 0.5) return false;
  const int bound = dtype == DType::f32 ? 126 : 1022;
  return std::abs(exponent - 1) <= bound;
}

}  // namespace gradc
