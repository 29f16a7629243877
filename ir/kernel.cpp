// Names, affine arithmetic and the state block of the kernel program.
#include "ir/kernel.h"

#include <algorithm>
#include <cstdlib>

namespace gradc {

std::string_view name_of(Space space) {
  switch (space) {
    case Space::input:
      return "input";
    case Space::output:
      return "output";
    case Space::state:
      return "state";
    case Space::arena:
      return "arena";
    case Space::worker:
      return "worker";
    case Space::table:
      return "table";
    case Space::scalar:
      return "scalar";
    case Space::view:
      return "view";
  }
  internal_error("unknown space");
}

std::string_view name_of(StateEntry::Kind kind) {
  switch (kind) {
    case StateEntry::Kind::parameter:
      return "parameter";
    case StateEntry::Kind::statistic:
      return "statistic";
    case StateEntry::Kind::slot:
      return "slot";
    case StateEntry::Kind::counter:
      return "counter";
    case StateEntry::Kind::key:
      return "key";
  }
  internal_error("unknown kind of state entry");
}

std::pair<std::int64_t, std::int64_t> Tile::Bound::steps(std::int64_t first, std::int64_t extent) const {
  const std::int64_t width = std::abs(step);
  // Of the dividends that are not negative, which are the ones that count, a division rounds downwards.
  auto taken = [&](std::int64_t n) { return std::min(std::max<std::int64_t>(n, 0) / width, extent); };
  const std::pair<std::int64_t, std::int64_t> found =
      step > 0 ? std::pair(taken(width - 1 - first), taken(size + width - 1 - first))
               : std::pair(taken(first - size + width), taken(first + width));
  return {found.first, std::max(found.first, found.second)};
}

std::pair<std::int64_t, std::int64_t> Tile::RowBound::in_step(std::int64_t i, std::int64_t rows) const {
  return Bound{{}, row, size}.steps(first + step * i, rows);
}

const StateEntry* StateLayout::find(std::string_view name) const {
  for (const StateEntry& entry : entries)
    if (entry.name == name) return &entry;
  return nullptr;
}

void StateLayout::place() {
  constexpr std::int64_t kAlignment = 64;
  bytes = 0;
  for (StateEntry& entry : entries) {
    entry.offset = bytes;
    std::int64_t end = 0;
    ensure(
        !__builtin_add_overflow(bytes, entry.type.bytes(), &end) && !__builtin_add_overflow(end, kAlignment - 1, &end),
        "the state block overflows 64 bits");
    bytes = end / kAlignment * kAlignment;
  }
}

namespace {

std::int64_t checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  ensure(!__builtin_add_overflow(a, b, &sum), "an affine index overflows 64 bits");
  return sum;
}

std::int64_t checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  ensure(!__builtin_mul_overflow(a, b, &product), "an affine index overflows 64 bits");
  return product;
}

}  // namespace

Affine affine_constant(std::int64_t offset) { return {offset, {}}; }

Affine affine_variable(int variable, std::int64_t coefficient, std::int64_t offset) {
  Affine affine{offset, {}};
  if (coefficient != 0) affine.parts.push_back({variable, coefficient});
  return affine;
}

Affine operator+(const Affine& a, const Affine& b) {
  Affine sum{checked_add(a.offset, b.offset), {}};
  sum.parts.reserve(a.parts.size() + b.parts.size());
  auto left = a.parts.begin(), right = b.parts.begin();
  while (left != a.parts.end() || right != b.parts.end()) {
    if (right == b.parts.end() || (left != a.parts.end() && left->variable < right->variable)) {
      sum.parts.push_back(*left++);
    } else if (left == a.parts.end() || right->variable < left->variable) {
      sum.parts.push_back(*right++);
    } else {
      std::int64_t coefficient = checked_add(left->coefficient, right->coefficient);
      if (coefficient != 0) sum.parts.push_back({left->variable, coefficient});
      ++left, ++right;
    }
  }
  return sum;
}

Affine operator*(const Affine& a, std::int64_t factor) {
  if (factor == 0) return {};
  Affine product{checked_multiply(a.offset, factor), a.parts};
  for (Affine::Part& part : product.parts) part.coefficient = checked_multiply(part.coefficient, factor);
  return product;
}

std::int64_t coefficient_of(const Affine& affine, int variable) {
  for (const Affine::Part& p : affine.parts)
    if (p.variable == variable) return p.coefficient;
  return 0;
}

}  // namespace gradc
