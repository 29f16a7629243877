// Images of 8 bits a channel: PNG, PGM and PPM files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

// Rows from the top, pixels from the left, the channels of a pixel beside each other.
struct Image {
  std::int64_t width = 0, height = 0, channels = 1;  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(std::int64_t w, std::int64_t h, std::int64_t c, std::uint8_t fill = 0);
  std::uint8_t& at(std::int64_t x, std::int64_t y, std::int64_t c) {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

// PNG (grey, palette or RGB of at most 8 bits, opaque, interlaced or not), PGM and PPM (plain or binary, at most 255).
// DataError with the byte where a file is none of these, damaged or truncated; nothing of a file's promised size is
// allocated before the file can hold it.
Image parse_image(std::span<const std::byte> bytes, const std::string& file);
Image read_image(const std::string& path);
// Images of one size as u8[channels, height, width], an example each.
Column read_images(const std::vector<std::string>& paths, const std::string& name);

Bytes png_of(const Image& image);

// The parts of parse_image.
Image parse_png(std::span<const std::byte> bytes, const std::string& file);
Image parse_pnm(std::span<const std::byte> bytes, const std::string& file);

}  // namespace gradc::runtime
