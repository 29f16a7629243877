// Images: what is written is read again; every truncation and every damaged byte is told, none crashes.
#include "gradc/image.h"

#include "gradc/random.h"
#include "tests/support/catch.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::runtime;
using namespace gradc::test;

namespace {

Image noise(std::int64_t width, std::int64_t height, std::int64_t channels) {
  Image image(width, height, channels);
  Random random(5);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return image;
}

Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

std::string error_of(const Bytes& bytes) {
  try {
    parse_image(bytes, "a.png");
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("images: PNG there and back") {
  for (const std::int64_t channels : {1, 3}) {
    const Image image = noise(7, 5, channels);
    const Image again = parse_image(png_of(image), "a.png");
    CHECK(again.width == 7);
    CHECK(again.height == 5);
    CHECK(again.channels == channels);
    CHECK(again.pixels == image.pixels);
  }
}

TEST_CASE("images: every truncation of a PNG is told, and every byte that is another") {
  const Bytes whole = png_of(noise(7, 5, 3));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(error_of(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))) != "");
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes damaged = whole;
    damaged[i] ^= std::byte{0x11};
    CHECK(error_of(damaged) != "");
  }
}

TEST_CASE("images: a PNG's promised size is not allocated before its data can fill it") {
  // 16384x16384 RGB with right checksums (by Python's zlib) and three bytes of image data.
  constexpr char kHuge[] =
      "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x40\x00\x00\x00\x40\x00\x08\x02\x00\x00\x00\x26\xaa\x87\xd3"
      "\x00\x00\x00\x03IDAT\x61\x62\x63\x33\xaf\xd6\x72\x00\x00\x00\x00IEND\xae\x42\x60\x82";
  CHECK(error_of(bytes_of({kHuge, sizeof kHuge - 1})) ==
        "a.png: truncated or damaged: 3 packed bytes can't hold 16384x16384 pixels");
  CHECK(error_of(bytes_of("P5 1000000 1000 255\n")) == "a.png: byte 2: an image of 1000000x1000 pixels");
  CHECK(error_of(bytes_of("P5 10000 10000 255\nabc")) ==
        "a.png: byte 22: truncated: 10000x10000 pixels take at least 100000000 bytes, the file holds 3");
}

TEST_CASE("images: PGM and PPM, plain and binary, with comments") {
  const Image grey = parse_image(bytes_of("P2 # plain\n3 2\n# most\n15\n0 1 2\n13 14 15\n"), "a.pgm");
  CHECK(grey.channels == 1);
  CHECK(grey.pixels == std::vector<std::uint8_t>{0, 17, 34, 221, 238, 255});
  const Image color = parse_image(bytes_of("P6\n1 2 255\nabcdef"), "a.ppm");
  CHECK(color.channels == 3);
  CHECK(color.pixels == std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(error_of(bytes_of("P5\n2 2 255\nabc")) ==
        "a.png: byte 14: truncated: 2x2 pixels take at least 4 bytes, the file holds 3");
  CHECK(error_of(bytes_of("P5\n2 2 1000\nabcdefgh")) ==
        "a.png: byte 11: the greatest value is 1000, it must be 1 to 255");
  CHECK(error_of(bytes_of("P2 1 1 7 9")) == "a.png: byte 10: a pixel is 9, the greatest value 7");
  CHECK(error_of(bytes_of("P2 1 x 7 9")) == "a.png: byte 5: a number is expected, the height");
  CHECK(error_of(bytes_of("P4 1 1 x")) == "a.png: byte 0: a PBM file has one bit a pixel; convert it to PGM");
  CHECK(error_of(bytes_of("GIF89a")) == "a.png: byte 0: not an image that can be read: PNG, PGM or PPM");
  CHECK(error_of({}) != "");
}

TEST_CASE("images: several of one size are the examples of a column, channels first") {
  const TemporaryDirectory dir;
  const std::string a = dir.write("a.ppm", "P6 2 1 255\nabcdef"), b = dir.write("b.ppm", "P6 2 1 255\nghijkl");
  const Column column = read_images({a, b}, "image");
  CHECK(column.examples == 2);
  CHECK(column.type() == "u8[3,1,2]");
  const auto values = column.values<std::uint8_t>();
  CHECK(std::string(values.begin(), values.end()) == "adbecfgjhkil");
  const std::string c = dir.write("c.pgm", "P5 2 1 255\nab");
  CHECK(has(message_of<DataError>([&] { read_images({a, c}, "image"); }),
            "the image is u8[1,1,2] (channels, height, width), but " + a + " is u8[3,1,2]"));
}
