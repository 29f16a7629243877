// NumPy's array format: reader and writer.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <bit>
#include <cmath>
#include <cstring>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

struct Header {
  bool big_endian = false;
  char kind = 'f';  // f, i, u, b
  std::int64_t width = 4;
  bool fortran = false;
  std::vector<std::int64_t> shape;
};

// Reads the dictionary of the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string file, std::int64_t offset)
      : text_(text), file_(std::move(file)), offset_(offset) {}

  Header parse() {
    Header header;
    unsigned seen = 0;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        descr(header);
        seen |= 1U;
      } else if (key == "fortran_order") {
        header.fortran = boolean();
        seen |= 2U;
      } else if (key == "shape") {
        header.shape = tuple();
        seen |= 4U;
      } else {
        fail("unknown key `" + key + "` in the NPY header");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (seen != 7U) fail("the NPY header lacks descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(file_, offset_ + static_cast<std::int64_t>(at_), what);
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("corrupt NPY header: expected `") + c + "`");
  }
  std::string quoted() {
    const char quote = accept('"') ? '"' : (expect('\''), '\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("corrupt NPY header: a string does not end");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("corrupt NPY header: expected True or False");
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      space();
      std::int64_t size = 0;
      const std::size_t begin = at_;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, text_[at_] - '0', &size)) {
          fail("a size in the NPY header overflows");
        }
      }
      if (at_ == begin) fail("corrupt NPY header: expected a size");
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }
  void descr(Header& header) {
    space();
    if (at_ < text_.size() && text_[at_] == '[') fail("structured arrays are not supported");
    const std::string code = quoted();
    const std::string_view order = std::string_view(code).substr(0, 1),
                           type = std::string_view(code).substr(order.size());
    header.big_endian = order == ">";
    if (order.find_first_of("<>|=") == std::string_view::npos ||
        (type != "f2" && type != "f4" && type != "f8" && type != "i1" && type != "i2" && type != "i4" && type != "i8" &&
         type != "u1" && type != "u2" && type != "u4" && type != "u8" && type != "b1")) {
      fail("the dtype `" + code + "` is not supported; known are f2, f4, f8, i1 to i8, u1 to u8 and b1");
    }
    header.kind = type[0];
    header.width = type[1] - '0';
  }

  std::string_view text_;
  std::string file_;
  std::int64_t offset_;
  std::size_t at_ = 0;
};

gradc_dtype dtype_of(const Header& header) {
  if (header.kind == 'f') return header.width == 8 ? GRADC_F64 : GRADC_F32;
  if (header.kind == 'b') return GRADC_BOOL;
  if (header.kind == 'u' && header.width == 1) return GRADC_U8;
  if (header.kind == 'u' && header.width == 4) return GRADC_U32;
  return header.width == 8 ? GRADC_I64 : GRADC_I32;
}

float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const auto fraction = static_cast<float>(half & 1023);
  float value = 0;
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent == 31) {
    value = fraction == 0 ? INFINITY : NAN;
  } else {
    value = std::ldexp(fraction + 1024, exponent - 25);
  }
  return half & 0x8000 ? -value : value;
}

template <class T>
void put(Column& column, std::int64_t index, T value) {
  std::memcpy(column.data.data() + index * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

template <class U>
U load(const std::byte* at, bool big_endian) {
  return big_endian ? load_big<U>(at) : load_little<U>(at);
}

// One element, at its place in the file, to element `to` of the column.
void store(const Header& header, const std::byte* at, std::int64_t to, Column& column) {
  const bool big = header.big_endian;
  switch (header.width) {
    case 1:
      if (header.kind == 'i') return put(column, to, static_cast<std::int32_t>(static_cast<std::int8_t>(*at)));
      return put(column, to,
                 header.kind == 'b' ? static_cast<std::uint8_t>(*at != std::byte{0}) : static_cast<std::uint8_t>(*at));
    case 2: {
      const auto bits = load<std::uint16_t>(at, big);
      if (header.kind == 'f') return put(column, to, half_to_float(bits));
      return put(column, to,
                 header.kind == 'i' ? static_cast<std::int32_t>(static_cast<std::int16_t>(bits))
                                    : static_cast<std::int32_t>(bits));
    }
    case 4:
      return put(column, to, load<std::uint32_t>(at, big));
    default: {
      const auto bits = load<std::uint64_t>(at, big);
      if (header.kind == 'u' && bits >> 63) {
        throw DataError(column.origin,
                        "element " + std::to_string(to) + " is " + std::to_string(bits) + ", too large for i64");
      }
      return put(column, to, bits);
    }
  }
}

// Column-major to row-major: the position of row-major element i in the file.
class FortranOrder {
 public:
  explicit FortranOrder(const std::vector<std::int64_t>& shape) : shape_(shape), index_(shape.size()) {}
  std::int64_t position() const {
    std::int64_t at = 0;
    for (std::size_t d = shape_.size(); d-- > 0;) at = at * shape_[d] + index_[d];
    return at;
  }
  void next() {
    for (std::size_t d = shape_.size(); d-- > 0;) {
      if (++index_[d] < shape_[d]) return;
      index_[d] = 0;
    }
  }

 private:
  const std::vector<std::int64_t>& shape_;
  std::vector<std::int64_t> index_;
};

void fill(const Header& header, const std::byte* data, Column& column) {
  const std::int64_t count = column.elements();
  const bool same =
      !header.big_endian && byte_size(column.dtype) == header.width && header.kind != 'b' && header.kind != 'u';
  if (!header.fortran && (same || (header.kind == 'u' && header.width == 1))) {
    if (std::endian::native == std::endian::little || header.width == 1) {
      if (count) std::memcpy(column.data.data(), data, static_cast<std::size_t>(count * header.width));
      return;
    }
  }
  FortranOrder order(header.shape);
  for (std::int64_t i = 0; i < count; ++i) {
    store(header, data + (header.fortran ? order.position() : i) * header.width, i, column);
    if (header.fortran) order.next();
  }
}

}  // namespace

Column parse_npy(std::span<const std::byte> bytes, const std::string& file, std::string name) {
  const auto length = static_cast<std::int64_t>(bytes.size());
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view magic(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kMagic.size()));
  if (length < 10 || magic != kMagic) {
    const bool cut = length < 10 && kMagic.starts_with(magic);
    throw DataError(file, 0,
                    cut ? "truncated within the NPY magic" : "not an NPY file: it does not begin with \\x93NUMPY");
  }
  const int version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3)
    throw DataError(file, 6, "NPY version " + std::to_string(version) + " is not 1, 2 or 3");
  const std::int64_t begin = version == 1 ? 10 : 12;
  if (length < begin) throw DataError(file, length, "truncated within the NPY header");
  const std::int64_t text =
      version == 1 ? load_little<std::uint16_t>(&bytes[8]) : load_little<std::uint32_t>(&bytes[8]);
  if (length - begin < text) throw DataError(file, length, "truncated within the NPY header");
  const auto* header_text = reinterpret_cast<const char*>(bytes.data() + begin);
  const Header header = HeaderParser({header_text, static_cast<std::size_t>(text)}, file, begin).parse();
  if (header.shape.empty()) throw DataError(file, begin, "the array has no axes; its first one should count examples");
  std::int64_t needed = header.width;
  bool overflow = false;
  for (const std::int64_t size : header.shape) overflow = __builtin_mul_overflow(needed, size, &needed) || overflow;
  const gradc_dtype dtype = dtype_of(header);
  if (overflow) throw DataError(file, begin, "the shape " + str(dtype, header.shape) + " overflows");
  const std::int64_t data = begin + text, held = length - data;
  if (held != needed) {
    throw DataError(file, held < needed ? length : data + needed,
                    std::string(held < needed ? "truncated" : "too long") + ": " + str(dtype, header.shape) +
                        " takes " + std::to_string(needed) + " bytes of elements, the file holds " +
                        std::to_string(held));
  }
  Column column =
      make_column(std::move(name), dtype, {header.shape.begin() + 1, header.shape.end()}, header.shape[0], file);
  fill(header, bytes.data() + data, column);
  return column;
}

Column read_npy(const std::string& path, std::string name) {
  return parse_npy(read_maybe_gzip(path), path, std::move(name));
}

void write_npy(const std::string& path, const Column& column) {
  constexpr const char* kCodes[] = {"<f4", "<f8", "<i4", "<i8", "<u4", "|u1", "|b1"};
  std::string header = "{'descr': '" + std::string(kCodes[column.dtype]) + "', 'fortran_order': False, 'shape': (";
  header += std::to_string(column.examples) + ",";
  for (const std::int64_t size : column.shape) header += " " + std::to_string(size) + ",";
  if (!column.shape.empty()) header.pop_back();
  header += "), }";
  // Version 1.0: magic, version, length of the header; the elements begin at a multiple of 64.
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  replace_file(path, [&](FileSink& sink) {
    const auto size = static_cast<std::uint16_t>(header.size());
    const char lead[] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(size & 255), static_cast<char>(size >> 8)};
    sink.write(lead, sizeof lead);
    sink.write(header);
    sink.write(column.data.data(), column.elements() * byte_size(column.dtype));
  });
}

}  // namespace gradc::runtime
