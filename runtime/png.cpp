// PNG files (RFC 2083, W3C PNG 2nd edition): chunks, deflate by zlib, filters, Adam7; written without a filter.
#include <zlib.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "gradc/image.h"

namespace gradc::runtime {

namespace {

constexpr std::array<unsigned char, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;
constexpr std::int64_t kMostDeflation = 1100;  // deflate packs at most 1032 bytes into one

// What IHDR says, with the palette.
struct Header {
  std::int64_t width = 0, height = 0;
  int depth = 8, color = 0;
  bool interlaced = false;
  std::vector<std::uint8_t> palette;  // red, green, blue

  std::int64_t samples() const { return color == 2 ? 3 : color == 4 ? 2 : color == 6 ? 4 : 1; }
  std::int64_t row_bytes(std::int64_t pixels) const { return (pixels * samples() * depth + 7) / 8; }
  std::int64_t pixel_bytes() const { return std::max<std::int64_t>(1, samples() * depth / 8); }
};

// Pixels of one pass of the interlacing: every `dx`-th from `x` on.
struct PassGrid {
  std::int64_t x, y, dx, dy;
  std::int64_t columns(const Header& h) const { return h.width > x ? (h.width - x + dx - 1) / dx : 0; }
  std::int64_t rows(const Header& h) const { return h.height > y ? (h.height - y + dy - 1) / dy : 0; }
};
constexpr std::array<PassGrid, 7> kAdam7 = {
    {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
constexpr std::array<PassGrid, 1> kWhole = {{{0, 0, 1, 1}}};

std::span<const PassGrid> passes(const Header& header) {
  return header.interlaced ? std::span<const PassGrid>(kAdam7) : std::span<const PassGrid>(kWhole);
}

Header parse_header(std::span<const std::byte> data, const std::string& file, std::int64_t at) {
  if (data.size() != 13) throw DataError(file, at, "IHDR has " + std::to_string(data.size()) + " bytes, not 13");
  Header h;
  h.width = load_big<std::uint32_t>(data.data());
  h.height = load_big<std::uint32_t>(data.data() + 4);
  h.depth = std::to_integer<int>(data[8]);
  h.color = std::to_integer<int>(data[9]);
  const int interlace = std::to_integer<int>(data[12]);
  h.interlaced = interlace == 1;
  const std::string size = std::to_string(h.width) + "x" + std::to_string(h.height);
  if (h.width < 1 || h.height < 1 || h.width > kMostPixels / h.height) {
    throw DataError(file, at, "an image of " + size + " pixels; 1 to 2^28 can be read");
  }
  const bool known = h.color == 0 || h.color == 2 || h.color == 3 || h.color == 4 || h.color == 6;
  const bool small = h.depth == 1 || h.depth == 2 || h.depth == 4;
  if (h.depth == 16 && known) throw DataError(file, at + 8, "16 bits a channel; convert it to 8");
  if (!known || !(h.depth == 8 || (small && (h.color == 0 || h.color == 3)))) {
    throw DataError(file, at + 8,
                    "no PNG has color type " + std::to_string(h.color) + " with " + std::to_string(h.depth) + " bits");
  }
  if (data[10] != std::byte{0} || data[11] != std::byte{0} || interlace > 1) {
    throw DataError(file, at + 10, "an unknown compression, filter or interlace method");
  }
  return h;
}

// Header, palette and the compressed data of all chunks, each chunk's checksum right.
struct Chunks {
  Header header;
  Bytes packed;
  bool has_header = false, ended = false;

  void read(std::span<const std::byte> bytes, const std::string& file) {
    std::size_t at = kSignature.size();
    while (!ended) {
      const auto place = static_cast<std::int64_t>(at);
      if (bytes.size() - at < 12) {
        throw DataError(file, static_cast<std::int64_t>(bytes.size()), "truncated: the PNG has no IEND");
      }
      const std::size_t size = load_big<std::uint32_t>(&bytes[at]);
      if (size > bytes.size() - at - 12)
        throw DataError(file, place, "truncated within a chunk of " + std::to_string(size) + " bytes");
      const std::string kind(reinterpret_cast<const char*>(&bytes[at + 4]), 4);
      const auto sum = crc32(0, reinterpret_cast<const Bytef*>(&bytes[at + 4]), static_cast<uInt>(size + 4));
      if (sum != load_big<std::uint32_t>(&bytes[at + 8 + size]))
        throw DataError(file, place, "the checksum of a chunk is wrong: the file is damaged");
      take(kind, bytes.subspan(at + 8, size), file, place + 8);
      at += size + 12;
    }
  }

  void take(const std::string& kind, std::span<const std::byte> data, const std::string& file, std::int64_t at) {
    if (!has_header && kind != "IHDR") throw DataError(file, at, "the first chunk is not IHDR");
    if (kind == "IHDR") {
      if (has_header) throw DataError(file, at, "a second IHDR");
      header = parse_header(data, file, at);
      has_header = true;
    } else if (kind == "PLTE") {
      if (data.empty() || data.size() % 3 != 0 || data.size() > 768)
        throw DataError(file, at, "a palette of " + std::to_string(data.size()) + " bytes");
      header.palette.resize(data.size());
      std::memcpy(header.palette.data(), data.data(), data.size());
    } else if (kind == "IDAT") {
      packed.insert(packed.end(), data.begin(), data.end());
    } else if (kind == "tRNS") {
      throw DataError(file, at, "the image has transparent pixels; flatten it");
    } else if (kind == "IEND") {
      ended = true;
    } else if ((kind[0] & 0x20) == 0) {
      throw DataError(file, at, "an unknown chunk that must be understood");
    }
  }
};

// Undoes a row's filter in place; `before` is the row above, null for the first.
void unfilter(int filter, std::span<std::uint8_t> row, const std::uint8_t* before, std::size_t step) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const int left = i >= step ? row[i - step] : 0, up = before ? before[i] : 0,
              corner = before && i >= step ? before[i - step] : 0;
    int guess = 0;
    if (filter == 1) guess = left;
    if (filter == 2) guess = up;
    if (filter == 3) guess = (left + up) / 2;
    if (filter == 4) {  // Paeth: whichever of the three is nearest to left + up − corner
      const int dl = std::abs(up - corner), du = std::abs(left - corner), dc = std::abs(left + up - 2 * corner);
      guess = dl <= du && dl <= dc ? left : du <= dc ? up : corner;
    }
    row[i] = static_cast<std::uint8_t>(row[i] + guess);
  }
}

int sample(const Header& header, const std::uint8_t* row, std::int64_t index) {
  if (header.depth == 8) return row[index];
  const std::int64_t bit = index * header.depth;
  return row[bit / 8] >> (8 - header.depth - bit % 8) & ((1 << header.depth) - 1);
}

void put_pixel(const Header& header, const std::uint8_t* row, std::int64_t column, Image& image, std::int64_t x,
               std::int64_t y, const std::string& file) {
  const std::int64_t first = column * header.samples();
  if (header.color == 3) {
    const auto entry = static_cast<std::size_t>(sample(header, row, first)) * 3;
    if (entry + 2 >= header.palette.size())
      throw DataError(file, "pixel " + std::to_string(x) + ", " + std::to_string(y) + " is outside of the palette");
    for (int c = 0; c < 3; ++c) image.at(x, y, c) = header.palette[entry + static_cast<std::size_t>(c)];
    return;
  }
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const int value = sample(header, row, first + c);
    image.at(x, y, c) = static_cast<std::uint8_t>(value * 255 / ((1 << header.depth) - 1));
  }
  if (header.color >= 4 && sample(header, row, first + image.channels) != 255)
    throw DataError(file, "the image has transparent pixels; flatten it");
}

Bytes inflate_all(const Header& header, const Bytes& packed, const std::string& file) {
  std::int64_t size = 0;
  for (const PassGrid& pass : passes(header)) {
    if (pass.columns(header) > 0) size += pass.rows(header) * (1 + header.row_bytes(pass.columns(header)));
  }
  const auto held = static_cast<std::int64_t>(packed.size());
  if (size > held * kMostDeflation)
    throw DataError(file, "truncated or damaged: " + std::to_string(held) + " packed bytes can't hold " +
                              std::to_string(header.width) + "x" + std::to_string(header.height) + " pixels");
  Bytes raw(static_cast<std::size_t>(size));
  uLongf length = raw.size();
  const int status = uncompress(reinterpret_cast<Bytef*>(raw.data()), &length,
                                reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  if (status != Z_OK || length != raw.size())
    throw DataError(file, "the image data is damaged, or not of the image's size");
  return raw;
}

void append_big(Bytes& bytes, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::byte>(number >> shift & 255));
}

void append_chunk(Bytes& bytes, const char* kind, std::span<const std::byte> data) {
  append_big(bytes, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = bytes.size();
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(kind[i]));
  bytes.insert(bytes.end(), data.begin(), data.end());
  append_big(bytes, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(&bytes[begin]),
                                                     static_cast<uInt>(bytes.size() - begin))));
}

}  // namespace

Image parse_png(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < kSignature.size() || std::memcmp(bytes.data(), kSignature.data(), kSignature.size()) != 0) {
    throw DataError(file, 0, "the PNG's first 8 bytes are damaged: it was copied as text, or is truncated");
  }
  Chunks chunks;
  chunks.read(bytes, file);
  const Header& header = chunks.header;
  if (header.color == 3 && header.palette.empty()) throw DataError(file, "the PNG has no palette");
  Bytes raw = inflate_all(header, chunks.packed, file);
  Image image(header.width, header.height, header.color == 0 || header.color == 4 ? 1 : 3);
  auto* at = reinterpret_cast<std::uint8_t*>(raw.data());
  for (const PassGrid& pass : passes(header)) {
    const std::int64_t columns = pass.columns(header), rows = columns > 0 ? pass.rows(header) : 0;
    const std::int64_t size = header.row_bytes(columns);
    const std::uint8_t* before = nullptr;
    for (std::int64_t r = 0; r < rows; ++r, at += 1 + size) {
      if (*at > 4)
        throw DataError(
            file, "row " + std::to_string(pass.y + r * pass.dy) + " has the unknown filter " + std::to_string(*at));
      unfilter(*at, {at + 1, static_cast<std::size_t>(size)}, before, static_cast<std::size_t>(header.pixel_bytes()));
      before = at + 1;
      for (std::int64_t c = 0; c < columns; ++c) {
        put_pixel(header, at + 1, c, image, pass.x + c * pass.dx, pass.y + r * pass.dy, file);
      }
    }
  }
  return image;
}

Bytes png_of(const Image& image) {
  Bytes bytes;
  for (const unsigned char c : kSignature) bytes.push_back(static_cast<std::byte>(c));
  Bytes header;
  append_big(header, static_cast<std::uint32_t>(image.width));
  append_big(header, static_cast<std::uint32_t>(image.height));
  for (const int part : {8, image.channels == 3 ? 2 : 0, 0, 0, 0}) header.push_back(static_cast<std::byte>(part));
  append_chunk(bytes, "IHDR", header);
  const auto row = static_cast<std::size_t>(image.width * image.channels);
  Bytes raw;
  raw.reserve((row + 1) * static_cast<std::size_t>(image.height));
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    raw.push_back(std::byte{0});
    const auto* from = reinterpret_cast<const std::byte*>(image.pixels.data() + y * row);
    raw.insert(raw.end(), from, from + row);
  }
  uLongf length = compressBound(raw.size());
  Bytes packed(length);
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &length, reinterpret_cast<const Bytef*>(raw.data()),
                raw.size(), 9) != Z_OK)
    throw std::bad_alloc();
  packed.resize(length);
  append_chunk(bytes, "IDAT", packed);
  append_chunk(bytes, "IEND", {});
  return bytes;
}

}  // namespace gradc::runtime
