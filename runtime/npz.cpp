// Reader of NPZ files: zip archives of NPY arrays, stored or deflated.
// Format: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64).
#include <zlib.h>

#include <algorithm>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::uint64_t kIn64 = 0xffffffffU;  // a 32-bit field that says: see the zip64 record

struct Entry {
  std::string name;
  int method = 0;
  std::uint32_t crc = 0;
  std::uint64_t packed = 0, unpacked = 0, header = 0;
};

// Reads of the archive that can't leave it.
class Archive {
 public:
  Archive(const Bytes& bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::span<const std::byte> part(std::uint64_t at, std::uint64_t length, const char* what) const {
    if (at > bytes_.size() || length > bytes_.size() - at) {
      throw DataError(file_, static_cast<std::int64_t>(std::min<std::uint64_t>(at, bytes_.size())),
                      std::string("truncated or corrupt zip archive: ") + what + " lies beyond the end of the file");
    }
    return std::span(bytes_).subspan(at, length);
  }
  std::uint16_t u16(std::uint64_t at, const char* what) const {
    return load_little<std::uint16_t>(part(at, 2, what).data());
  }
  std::uint32_t u32(std::uint64_t at, const char* what) const {
    return load_little<std::uint32_t>(part(at, 4, what).data());
  }
  std::uint64_t u64(std::uint64_t at, const char* what) const {
    return load_little<std::uint64_t>(part(at, 8, what).data());
  }
  [[noreturn]] void fail(std::uint64_t at, const std::string& what) const {
    throw DataError(file_, static_cast<std::int64_t>(at), what);
  }
  std::uint64_t size() const { return bytes_.size(); }

  // The end record is the last thing of the file but for a comment of at most 65,535 bytes.
  std::uint64_t find_end() const {
    constexpr std::uint64_t kEndSize = 22, kComment = 65535;
    for (std::uint64_t back = kEndSize; back <= std::min(size(), kEndSize + kComment); ++back) {
      if (u32(size() - back, "the end record") == kEnd) return size() - back;
    }
    fail(size(), "truncated or not an NPZ file: no end record of a zip archive");
  }

  std::vector<Entry> entries() const {
    const std::uint64_t end = find_end();
    std::uint64_t count = u16(end + 10, "the end record"), at = u32(end + 16, "the end record");
    if (end >= 20 && u32(end - 20, "the zip64 locator") == kLocator64) {
      const std::uint64_t record = u64(end - 12, "the zip64 locator");
      if (u32(record, "the zip64 end record") != kEnd64) fail(record, "corrupt zip archive: no zip64 end record");
      count = u64(record + 32, "the zip64 end record");
      at = u64(record + 48, "the zip64 end record");
    }
    std::vector<Entry> all;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (u32(at, "the directory") != kCentralHeader) fail(at, "corrupt zip archive: no directory entry");
      Entry entry;
      const std::uint64_t name = u16(at + 28, "the directory"), extra = u16(at + 30, "the directory");
      entry.method = u16(at + 10, "the directory");
      entry.crc = u32(at + 16, "the directory");
      entry.packed = u32(at + 20, "the directory");
      entry.unpacked = u32(at + 24, "the directory");
      entry.header = u32(at + 42, "the directory");
      const auto text = part(at + 46, name, "a name");
      entry.name.assign(reinterpret_cast<const char*>(text.data()), text.size());
      widen(entry, at + 46 + name, extra);
      at += 46 + name + extra + u16(at + 32, "the directory");
      all.push_back(std::move(entry));
    }
    return all;
  }

  Bytes unpack(const Entry& entry) const {
    if (u32(entry.header, "a local header") != kLocalHeader) fail(entry.header, "corrupt zip archive: no local header");
    const std::uint64_t begin =
        entry.header + 30 + u16(entry.header + 26, "a local header") + u16(entry.header + 28, "a local header");
    const auto packed = part(begin, entry.packed, "an array");
    Bytes data;
    if (entry.method == 0) {
      if (entry.packed != entry.unpacked) fail(entry.header, "corrupt zip archive: a stored array of two sizes");
      data.assign(packed.begin(), packed.end());
    } else if (entry.method == 8) {
      data = inflate_raw(packed, static_cast<std::int64_t>(entry.unpacked), file_, static_cast<std::int64_t>(begin));
    } else {
      fail(entry.header, "zip method " + std::to_string(entry.method) + " is not supported; stored and deflated are");
    }
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size());
    if (crc != entry.crc) fail(begin, "corrupt: the checksum of `" + entry.name + "` is wrong");
    return data;
  }

 private:
  // The zip64 extra field holds, in this order, those of the three that did not fit 32 bits.
  void widen(Entry& entry, std::uint64_t at, std::uint64_t length) const {
    const std::uint64_t end = at + length;
    while (at + 4 <= end) {
      const int tag = u16(at, "an extra field");
      const std::uint64_t size = u16(at + 2, "an extra field");
      if (tag == 1) {
        std::uint64_t field = at + 4;
        for (std::uint64_t* value : {&entry.unpacked, &entry.packed, &entry.header}) {
          if (*value != kIn64) continue;
          *value = u64(field, "an extra field");
          field += 8;
        }
      }
      at += 4 + size;
    }
  }

  const Bytes& bytes_;
  const std::string& file_;
};

}  // namespace

Column read_npz(const std::string& path, const std::string& array, std::string name) {
  const Bytes bytes = read_file(path);
  const Archive archive(bytes, path);
  std::string held;
  for (const Entry& entry : archive.entries()) {
    if (entry.name == array + ".npy" || entry.name == array) {
      return parse_npy(archive.unpack(entry), path + ":" + entry.name, std::move(name));
    }
    held += (held.empty() ? "`" : ", `") +
            (entry.name.ends_with(".npy") ? entry.name.substr(0, entry.name.size() - 4) : entry.name) + "`";
  }
  throw DataError(path, "no array `" + array + "` in it" + (held.empty() ? "" : "; it has " + held));
}

}  // namespace gradc::runtime
