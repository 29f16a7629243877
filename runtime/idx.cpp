// Reader of IDX files, the format of MNIST (LeCun, Cortes, Burges: The MNIST database of handwritten digits).
#include <algorithm>
#include <bit>
#include <limits>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

struct Kind {
  int code;
  std::int64_t width;
  gradc_dtype dtype;
};
constexpr Kind kKinds[] = {{0x08, 1, GRADC_U8},  {0x09, 1, GRADC_I32}, {0x0b, 2, GRADC_I32},
                           {0x0c, 4, GRADC_I32}, {0x0d, 4, GRADC_F32}, {0x0e, 8, GRADC_F64}};

void convert(const Kind& kind, const std::byte* from, Column& to) {
  const std::int64_t count = to.elements();
  if (kind.dtype == GRADC_U8) {
    std::copy_n(from, count, to.data.data());
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::byte* at = from + i * kind.width;
    const auto n = static_cast<std::size_t>(i);
    switch (kind.code) {
      case 0x09:
        to.values<std::int32_t>()[n] = static_cast<std::int8_t>(*at);
        break;
      case 0x0b:
        to.values<std::int32_t>()[n] = static_cast<std::int16_t>(load_big<std::uint16_t>(at));
        break;
      case 0x0c:
        to.values<std::int32_t>()[n] = static_cast<std::int32_t>(load_big<std::uint32_t>(at));
        break;
      case 0x0d:
        to.values<float>()[n] = std::bit_cast<float>(load_big<std::uint32_t>(at));
        break;
      case 0x0e:
        to.values<double>()[n] = std::bit_cast<double>(load_big<std::uint64_t>(at));
        break;
    }
  }
}

}  // namespace

// Magic 0, 0, dtype, rank; then the sizes, big-endian; then the elements.
Column read_idx(const std::string& path, std::string name) {
  const Bytes bytes = read_maybe_gzip(path);
  const auto length = static_cast<std::int64_t>(bytes.size());
  if (length < 4) throw DataError(path, length, "truncated: an IDX file begins with 4 bytes of magic");
  const Kind* kind = nullptr;
  for (const Kind& candidate : kKinds) {
    if (candidate.code == std::to_integer<int>(bytes[2])) kind = &candidate;
  }
  const auto rank = std::to_integer<std::int64_t>(bytes[3]);
  if (bytes[0] != std::byte{0} || bytes[1] != std::byte{0} || !kind || rank == 0) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string magic;
    for (std::size_t i = 0; i < 4; ++i) {
      magic += kDigits[std::to_integer<unsigned>(bytes[i]) >> 4U];
      magic += kDigits[std::to_integer<unsigned>(bytes[i]) & 15U];
    }
    throw DataError(path, 0,
                    "not an IDX file: magic 0x" + magic + ", expected 0x0000, a dtype and a rank (0x00000803)");
  }
  if (length < 4 + 4 * rank) throw DataError(path, length, "truncated within the IDX sizes");
  std::vector<std::int64_t> sizes;
  std::int64_t count = 1;
  bool overflow = false;
  for (std::int64_t d = 0; d < rank; ++d) {
    sizes.push_back(load_big<std::uint32_t>(&bytes[static_cast<std::size_t>(4 + 4 * d)]));
    overflow = __builtin_mul_overflow(count, sizes.back(), &count) || overflow;
  }
  std::int64_t needed = 0;
  if (overflow || __builtin_mul_overflow(count, kind->width, &needed)) {
    throw DataError(path, 4, "the sizes " + str(kind->dtype, sizes) + " overflow");
  }
  const std::int64_t begin = 4 + 4 * rank, held = length - begin;
  if (held != needed) {
    throw DataError(path, held < needed ? length : begin + needed,
                    std::string(held < needed ? "truncated" : "too long") + ": " + str(kind->dtype, sizes) + " takes " +
                        std::to_string(needed) + " bytes of elements, the file holds " + std::to_string(held));
  }
  Column column = make_column(std::move(name), kind->dtype, {sizes.begin() + 1, sizes.end()}, sizes[0], path);
  convert(*kind, bytes.data() + begin, column);
  return column;
}

}  // namespace gradc::runtime
