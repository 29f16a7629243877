// Reduction of angles: Cody and Waite for ordinary ones, Payne and Hanek for huge ones.
#include "ir/elementary_angle.h"

#include <array>
#include <cstdint>
#include <vector>

#include "ir/elementary.h"

namespace gradc::elementary {

double greatest_ordinary_angle(DType type) { return type == DType::f32 ? 3200 : 800000; }

// With q quarters: s1 = x - q P1 is exact. s2 = s1 - q P2 and s3 = s2 - q P3 are exact where much cancels; what they
// round off elsewhere is kept in e2 and e3.
ReducedAngle reduce_angle(ScalarBuilder& b, Scalar x) {
  // pi/2 in parts of 13, 13, 13, 24 bits for at most 2^11 quarters, and of 33, 33, 33, 53 bits for at most 2^19.
  const bool f32 = x.type == DType::f32;
  const Scalar p1 = b.number(x.type, f32 ? 0x1.922p+0 : 0x1.921fb544p+0);
  const Scalar p2 = b.number(x.type, f32 ? -0x1.2afp-18 : 0x1.0b4611a6p-34);
  const Scalar p3 = b.number(x.type, f32 ? 0x1.0b4p-34 : 0x1.3198a2ep-69);
  const Scalar p4 = b.number(x.type, f32 ? 0x1.84698ap-48 : 0x1.b839a252049c1p-104);
  const Rounded quarters = round_small(b, x * 0x1.45f306dc9c883p-1);
  const Scalar q = -quarters.value;
  const Scalar s1 = b.fma(q, p1, x);
  const Scalar s2 = b.fma(q, p2, s1);
  const Scalar e2 = b.fma(q, p2, s1 - s2);
  const Scalar s3 = b.fma(q, p3, s2);
  const Scalar e3 = b.fma(q, p3, s2 - s3);
  return {quarters.integer, quick_two_sum(s3, b.fma(q, p4, e2 + e3))};
}

namespace {

// 2/pi = 0.a2f9836e…, in words of 32 bits (fdlibm's e_rem_pio2.c has the same in words of 24).
constexpr std::array<std::uint32_t, 40> kTwoOverPi = {
    0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
    0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
    0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
    0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b,
    0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab, 0xf0cfbc20, 0x9af4361d};

// 32 bits of 2/pi from bit `first` after the point; zeros before it.
std::int64_t bits_of_two_over_pi(int first) {
  std::uint64_t bits = 0;
  for (int i = first; i < first + 32; ++i) bits = bits << 1 | (i < 0 ? 0 : kTwoOverPi.at(i / 32) >> (31 - i % 32) & 1);
  return static_cast<std::int64_t>(bits);
}

Scalar int64(ScalarBuilder& b, std::int64_t value) { return b.integer(DType::i64, value); }
Scalar low_word(ScalarBuilder& b, Scalar x) { return x & int64(b, 0xffffffff); }
Scalar high_word(ScalarBuilder& b, Scalar x) { return x >> int64(b, 32); }

// `count` words of 32 bits, the most significant first: those of 2/pi from bit `offset` - `zeros` on, where 0 <= offset
// < 32 * 2^stages. Shifts the whole table by powers of two words, then by bits.
std::vector<Scalar> window(ScalarBuilder& b, Scalar offset, int zeros, int stages, int count) {
  std::vector<Scalar> words;
  for (int i = 0; i < (1 << stages) + count; ++i) words.push_back(int64(b, bits_of_two_over_pi(32 * i - zeros)));
  for (int stage = stages; stage-- > 0;) {
    const Scalar shifts = ((offset >> int64(b, 5 + stage)) & int64(b, 1)) != int64(b, 0);
    const std::size_t step = std::size_t{1} << stage;
    for (std::size_t i = 0; i < count + step; ++i) words[i] = b.select(shifts, words[i + step], words[i]);
    words.resize(count + step);
  }
  const Scalar shift = offset & int64(b, 31);
  std::vector<Scalar> shifted;
  for (int i = 0; i < count; ++i) {
    const Scalar two = (words[i] << int64(b, 32)) | words[i + 1];
    shifted.push_back(high_word(b, two << shift));
  }
  return shifted;
}

// Fraction and quarters of a product in 64 bits of which two stand before the point; signed, nearest.
struct Turns {
  Scalar quarter, fraction;  // i64; fraction * 2^-62
};
Turns split_turns(ScalarBuilder& b, Scalar product) {
  const Scalar quarter = (product + int64(b, std::int64_t{1} << 61)) >> int64(b, 62);
  return {quarter, product - (quarter << int64(b, 62))};
}

// x = m 2^e with an integer m of 24 bits. Of 2/pi, the bits that make multiples of 4 of the product are left out.
ReducedAngle reduce_huge_f32(ScalarBuilder& b, Scalar x) {
  const Scalar bits = b.convert(bits_of(b, x), DType::i64);
  const Scalar m = (bits & int64(b, 0x7fffff)) | int64(b, 0x800000);
  const Scalar e = ((bits >> int64(b, 23)) & int64(b, 0xff)) - int64(b, 127 + 23);
  constexpr int kZeros = 14;  // e >= -12
  const std::vector<Scalar> w = window(b, e + int64(b, kZeros - 2), kZeros, 2, 3);
  const Scalar product = ((m * w[0]) << int64(b, 32)) + m * w[1] + high_word(b, m * w[2]);
  const Turns turns = split_turns(b, product);
  const Scalar r = b.convert(turns.fraction, DType::f64) * (0x1.921fb54442d18p+0 * 0x1p-62);
  const Scalar high = b.convert(r, DType::f32);
  const Scalar low = b.convert(r - b.convert(high, DType::f64), DType::f32);
  return {b.convert(turns.quarter, DType::i32), {high, low}};
}

// The same with 53 bits of m in two limbs, and six words of 2/pi.
ReducedAngle reduce_huge_f64(ScalarBuilder& b, Scalar x) {
  const Scalar bits = bits_of(b, x);
  const Scalar m = (bits & int64(b, 0xfffffffffffff)) | int64(b, 0x10000000000000);
  const Scalar e = ((bits >> int64(b, 52)) & int64(b, 0x7ff)) - int64(b, 1023 + 52);
  constexpr int kZeros = 54;  // e >= -33
  constexpr int kWords = 6;
  const std::vector<Scalar> w = window(b, e + int64(b, kZeros - 2), kZeros, 5, kWords);
  const Scalar m_low = low_word(b, m), m_high = high_word(b, m);
  std::vector<Scalar> limbs(kWords + 1, int64(b, 0));  // least significant first
  Scalar carry = int64(b, 0), pending = int64(b, 0);   // into this limb: carry, and high words of the limb before
  Scalar next = int64(b, 0);                           // m_high * w of the limb before
  for (int i = 0; i < kWords; ++i) {
    const Scalar word = w[kWords - 1 - i];
    const Scalar low = m_low * word;
    const Scalar sum = low_word(b, low) + pending + low_word(b, next) + carry;
    limbs[i] = low_word(b, sum);
    carry = high_word(b, sum) + high_word(b, next);
    pending = high_word(b, low);
    next = m_high * word;
  }
  const Scalar top = (limbs[5] << int64(b, 32)) | limbs[4];
  const Scalar rest = (limbs[3] << int64(b, 32)) | limbs[2];
  const Turns turns = split_turns(b, top);
  // fraction + rest 2^-64 as a pair; the fraction itself may have more than 53 bits.
  const Scalar high = b.convert(turns.fraction, DType::f64);
  const Scalar middle = b.convert(turns.fraction - b.convert(high, DType::i64), DType::f64);
  const Scalar low = b.convert(rest >> int64(b, 11), DType::f64) * 0x1p-53;
  const Pair f = quick_two_sum(high * 0x1p-62, (middle + low) * 0x1p-62);
  const Scalar half_pi = b.number(DType::f64, 0x1.921fb54442d18p+0);
  const Pair r = two_product(b, f.high, half_pi);
  const Scalar r_low = b.fma(f.low, half_pi, b.fma(f.high, b.number(DType::f64, 0x1.1a62633145c07p-54), r.low));
  return {turns.quarter, quick_two_sum(r.high, r_low)};
}

}  // namespace

ReducedAngle reduce_huge_angle(ScalarBuilder& b, Scalar x) {
  const Scalar magnitude = abs(b, x);
  const ReducedAngle a = x.type == DType::f32 ? reduce_huge_f32(b, magnitude) : reduce_huge_f64(b, magnitude);
  const Scalar negative = x < b.number(x.type, 0), finite = is_finite(b, x);
  const Scalar sign = sign_bit(b, x);
  const Scalar high = b.select(finite, flip_sign(b, a.r.high, sign), b.number(x.type, kNaN));
  return {b.select(negative, -a.quarter, a.quarter), {high, flip_sign(b, a.r.low, sign)}};
}

}  // namespace gradc::elementary
