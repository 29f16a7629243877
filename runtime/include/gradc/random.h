// Random numbers of the data side: shuffles, splits, generators. The same on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gradc::runtime {

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014). Integers only up to the
// last multiplication, and no libm: what is drawn depends on nothing but the seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  // A stream of its own for each tuple of numbers.
  Random(std::uint64_t seed, std::uint64_t purpose, std::uint64_t number = 0);

  std::uint64_t bits();
  double uniform();  // [0, 1), multiples of 2^-53
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  std::int64_t below(std::int64_t bound);  // [0, bound), unbiased; bound > 0
  double normal();                         // mean 0, deviation 1 (Marsaglia's polar method)

 private:
  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

void shuffle(std::span<std::int64_t> numbers, Random& random);  // Fisher and Yates
std::vector<std::int64_t> permutation(std::int64_t count, Random random);

// Functions that generators need, by IEEE arithmetic alone.
double portable_log(double x);                                      // x > 0 and normal
void portable_sin_cos(double turns, double* sine, double* cosine);  // of 2π·turns

}  // namespace gradc::runtime
