// SplitMix64 and what is drawn from it.
#include "gradc/random.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace gradc::runtime {

namespace {

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio

}  // namespace

Random::Random(std::uint64_t seed, std::uint64_t purpose, std::uint64_t number)
    : state_(mix(mix(mix(seed + kGolden) + purpose + kGolden) + number + kGolden)) {}

std::uint64_t Random::bits() { return mix(state_ += kGolden); }

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

// Values below 2^64 mod bound are drawn again, so that every remainder is as likely.
std::int64_t Random::below(std::int64_t bound) {
  const auto n = static_cast<std::uint64_t>(bound);
  const std::uint64_t refuse = (0 - n) % n;
  std::uint64_t drawn = bits();
  while (drawn < refuse) drawn = bits();
  return static_cast<std::int64_t>(drawn % n);
}

double Random::normal() {
  if (std::exchange(has_spare_, false)) return spare_;
  double x = 0, y = 0, s = 0;
  do {
    x = uniform(-1, 1);
    y = uniform(-1, 1);
    s = x * x + y * y;
  } while (s >= 1 || s < 1e-300);
  const double scale = std::sqrt(-2 * portable_log(s) / s);
  spare_ = y * scale;
  has_spare_ = true;
  return x * scale;
}

void shuffle(std::span<std::int64_t> numbers, Random& random) {
  for (std::size_t i = numbers.size(); i > 1; --i) {
    std::swap(numbers[i - 1], numbers[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  }
}

std::vector<std::int64_t> permutation(std::int64_t count, Random random) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  shuffle(numbers, random);
  return numbers;
}

// log x = e·log 2 + 2·artanh((m − 1)/(m + 1)) with m in [√½, √2): the series to s^23 leaves less than 1e-18.
double portable_log(double x) {
  const auto word = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<int>(word >> 52) - 1023;
  double m = std::bit_cast<double>((word & 0x000fffffffffffffU) | 0x3ff0000000000000U);
  if (m > 1.4142135623730951) {
    m /= 2;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return exponent * 0.6931471805599453 + 2 * s * sum;
}

// Reduced to an eighth of a turn, where Taylor's series to x^19 leaves less than 1e-18.
void portable_sin_cos(double turns, double* sine, double* cosine) {
  turns -= std::floor(turns);
  const int quarter = static_cast<int>(std::floor(turns * 4 + 0.5));
  const double x = (turns - quarter * 0.25) * 6.283185307179586;
  const double square = x * x;
  double s = 1, c = 1;
  for (int k = 18; k >= 2; k -= 2) {
    s = 1 - s * square / (k * (k + 1));
    c = 1 - c * square / (k * (k - 1));
  }
  s *= x;
  switch (quarter & 3) {
    case 0:
      *sine = s, *cosine = c;
      break;
    case 1:
      *sine = c, *cosine = -s;
      break;
    case 2:
      *sine = -s, *cosine = -c;
      break;
    default:
      *sine = -c, *cosine = s;
      break;
  }
}

}  // namespace gradc::runtime
