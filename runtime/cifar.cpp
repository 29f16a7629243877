// Reader of CIFAR-10 and CIFAR-100 in the binary version (Krizhevsky: Learning multiple layers of features, 2009).
#include <algorithm>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

constexpr std::int64_t kPixels = 3 * 32 * 32;

}  // namespace

// A record is the label (CIFAR-100: the coarse one, then the fine one) and 3072 bytes, red plane first.
std::pair<Column, Column> read_cifar(const std::vector<std::string>& paths, std::string image, std::string label) {
  std::vector<Bytes> files;
  std::vector<std::int64_t> labels;  // per record of the file: 1 or 2
  std::int64_t examples = 0;
  for (const std::string& path : paths) {
    files.push_back(read_maybe_gzip(path));
    const auto size = static_cast<std::int64_t>(files.back().size());
    const std::int64_t count = size % (kPixels + 1) == 0 ? 1 : 2;
    if (size == 0 || size % (kPixels + count) != 0) {
      throw DataError(path, size, "truncated or no CIFAR file: its size is no multiple of 3073 or 3074 bytes");
    }
    labels.push_back(count);
    examples += size / (kPixels + count);
  }
  const std::string origin =
      paths.size() == 1 ? paths[0] : paths[0] + " and " + std::to_string(paths.size() - 1) + " more";
  Column images = make_column(std::move(image), GRADC_U8, {3, 32, 32}, examples, origin);
  Column numbers = make_column(std::move(label), GRADC_I32, {}, examples, origin);
  std::byte* pixels = images.data.data();
  std::int32_t* number = numbers.values<std::int32_t>().data();
  for (std::size_t f = 0; f < files.size(); ++f) {
    const auto record = static_cast<std::size_t>(kPixels + labels[f]);
    for (std::size_t at = 0; at < files[f].size(); at += record) {
      const std::byte* from = &files[f][at] + labels[f];
      *number++ = std::to_integer<std::int32_t>(from[-1]);
      pixels = std::copy_n(from, kPixels, pixels);
    }
  }
  return {std::move(images), std::move(numbers)};
}

}  // namespace gradc::runtime
