// Whole files: reading (through gzip where a file is one), and replacing a file so that no moment shows half of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradc::runtime {

using Bytes = std::vector<std::byte>;

// The contents of a file; FileError where it can't be read.
Bytes read_file(const std::string& path);
// The same, unpacked where it begins with gzip's magic. Several members are joined. DataError where it is truncated or
// corrupt, with the offset in the packed file.
Bytes read_maybe_gzip(const std::string& path);
// Inflates raw deflate data (of a zip archive) to exactly `size` bytes. `file` and `at` are for messages.
Bytes inflate_raw(std::span<const std::byte> packed, std::int64_t size, const std::string& file, std::int64_t at);

// Writes to a descriptor; throws FileError where not everything can be written.
class FileSink {
 public:
  FileSink(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  void write(const void* data, std::int64_t bytes);
  void write(std::string_view text) { write(text.data(), static_cast<std::int64_t>(text.size())); }

 private:
  int descriptor_;
  std::string path_;
};

// Without a flush to the disk (some milliseconds) a loss of power, not of the process, may leave an empty file.
enum class Durable : std::uint8_t { no, yes };

// The new contents of a file, written aside; commit() renames it over `path`. Where any of it fails, FileError says
// why, the old file stays as it was and nothing is left aside; nor is anything without a commit. A pipe or device is
// written in place at once.
class Replacement {
 public:
  Replacement(const std::string& path, const std::function<void(FileSink&)>& write, Durable durable = Durable::yes);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement();
  void commit();

 private:
  std::string path_, aside_;  // no `aside_`: nothing to rename
};

// Both at once.
void replace_file(const std::string& path, const std::function<void(FileSink&)>& write, Durable durable = Durable::yes);

// Makes a directory and those above it.
void make_directory(const std::string& path);

// Little-endian and big-endian numbers at any address.
template <class T>
T load_little(const std::byte* at) {
  T value{};
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value | static_cast<T>(at[i]) << (8 * i));
  return value;
}
template <class T>
T load_big(const std::byte* at) {
  T value{};
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(at[i]) << (8 * (sizeof(T) - 1 - i)));
  }
  return value;
}

}  // namespace gradc::runtime
