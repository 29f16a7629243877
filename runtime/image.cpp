// Images by their first bytes; PGM and PPM (netpbm.sourceforge.net/doc/pgm.html, ppm.html).
#include "gradc/image.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace gradc::runtime {

namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 30;

// The numbers of a header or of a plain image: decimal, between blanks and comments.
class Numbers {
 public:
  Numbers(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::int64_t next(const char* what) {
    skip_blanks();
    const std::size_t begin = at_;
    std::int64_t number = 0;
    while (at_ < bytes_.size() && is_digit(at_) && number <= kMostPixels) {
      number = number * 10 + std::to_integer<std::int64_t>(bytes_[at_++]) - '0';
    }
    if (begin == bytes_.size()) throw DataError(file_, place(), std::string("truncated: ") + what + " is missing");
    if (begin == at_) throw DataError(file_, place(), std::string("a number is expected, ") + what);
    if (number > kMostPixels) throw DataError(file_, place(), std::string(what) + " is more than 2^30");
    return number;
  }
  std::int64_t place() const { return static_cast<std::int64_t>(at_); }
  void pass_one() { ++at_; }

 private:
  bool is_digit(std::size_t i) const { return bytes_[i] >= std::byte{'0'} && bytes_[i] <= std::byte{'9'}; }
  void skip_blanks() {
    for (; at_ < bytes_.size(); ++at_) {
      if (bytes_[at_] == std::byte{'#'}) {
        while (at_ < bytes_.size() && bytes_[at_] != std::byte{'\n'}) ++at_;
        if (at_ == bytes_.size()) return;
      }
      if (std::string_view(" \t\r\n\v\f").find(std::to_integer<char>(bytes_[at_])) == std::string_view::npos) return;
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t at_ = 2;
};

// 0 … most to 0 … 255, rounded.
std::uint8_t scaled(std::int64_t value, std::int64_t most) {
  return static_cast<std::uint8_t>((value * 255 + most / 2) / most);
}

}  // namespace

Image::Image(std::int64_t w, std::int64_t h, std::int64_t c, std::uint8_t fill)
    : width(w), height(h), channels(c), pixels(static_cast<std::size_t>(w * h * c), fill) {}

Image parse_pnm(std::span<const std::byte> bytes, const std::string& file) {
  const char kind = static_cast<char>(std::to_integer<int>(bytes[1]));
  if (kind == '1' || kind == '4') throw DataError(file, 0, "a PBM file has one bit a pixel; convert it to PGM");
  const bool plain = kind == '2' || kind == '3';
  const std::int64_t channels = kind == '3' || kind == '6' ? 3 : 1;
  Numbers numbers(bytes, file);
  const std::int64_t width = numbers.next("the width"), height = numbers.next("the height"),
                     most = numbers.next("the greatest value");
  if (width < 1 || height < 1 || width > kMostPixels / 3 / height) {
    throw DataError(file, 2, "an image of " + std::to_string(width) + "x" + std::to_string(height) + " pixels");
  }
  if (most < 1 || most > 255) {
    throw DataError(file, numbers.place(), "the greatest value is " + std::to_string(most) + ", it must be 1 to 255");
  }
  numbers.pass_one();
  const std::int64_t count = width * height * channels,
                     held = static_cast<std::int64_t>(bytes.size()) - numbers.place();
  if (held < (plain ? 2 * count - 1 : count)) {
    throw DataError(file, static_cast<std::int64_t>(bytes.size()),
                    "truncated: " + std::to_string(width) + "x" + std::to_string(height) + " pixels take at least " +
                        std::to_string(plain ? 2 * count - 1 : count) + " bytes, the file holds " +
                        std::to_string(std::max<std::int64_t>(0, held)));
  }
  Image image(width, height, channels);
  const std::int64_t begin = numbers.place();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t value =
        plain ? numbers.next("a pixel") : std::to_integer<std::int64_t>(bytes[static_cast<std::size_t>(begin + i)]);
    if (value > most) {
      throw DataError(file, plain ? numbers.place() : begin + i,
                      "a pixel is " + std::to_string(value) + ", the greatest value " + std::to_string(most));
    }
    image.pixels[static_cast<std::size_t>(i)] = scaled(value, most);
  }
  return image;
}

Image parse_image(std::span<const std::byte> bytes, const std::string& file) {
  const auto begins = [&](std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  if (begins("\x89PNG")) return parse_png(bytes, file);
  if (bytes.size() >= 2 && bytes[0] == std::byte{'P'} && bytes[1] >= std::byte{'1'} && bytes[1] <= std::byte{'6'}) {
    return parse_pnm(bytes, file);
  }
  throw DataError(file, 0, "not an image that can be read: PNG, PGM or PPM");
}

Image read_image(const std::string& path) { return parse_image(read_file(path), path); }

Column read_images(const std::vector<std::string>& paths, const std::string& name) {
  Column column;
  std::int64_t example = 0;
  for (const std::string& path : paths) {
    const Image image = read_image(path);
    const std::vector<std::int64_t> shape = {image.channels, image.height, image.width};
    if (example == 0) {
      column = make_column(name, GRADC_U8, shape, static_cast<std::int64_t>(paths.size()), path);
    } else if (column.shape != shape) {
      throw DataError(path, "the image is " + str(GRADC_U8, shape) + " (channels, height, width), but " +
                                paths.front() + " is " + column.type());
    }
    std::uint8_t* to = column.values<std::uint8_t>().data() + example++ * column.row_elements();
    const std::int64_t area = image.width * image.height;
    for (std::int64_t i = 0; i < area; ++i) {
      for (std::int64_t c = 0; c < image.channels; ++c) {
        to[c * area + i] = image.pixels[static_cast<std::size_t>(i * image.channels + c)];
      }
    }
  }
  return column;
}

}  // namespace gradc::runtime
