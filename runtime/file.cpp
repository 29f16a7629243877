// Reading whole files, gzip and deflate by zlib, and replacing files atomically.
#include "gradc/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <utility>

#include "gradc/error.h"

namespace gradc::runtime {

namespace {

std::string reason() { return std::strerror(errno); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int close() { return ::close(std::exchange(value_, -1)); }

 private:
  int value_;
};

// A zlib inflater that frees itself.
struct Inflater {
  z_stream stream{};
  explicit Inflater(int window_bits) {
    if (inflateInit2(&stream, window_bits) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  void give(std::span<const std::byte> input) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
    stream.avail_in = static_cast<uInt>(std::min<std::size_t>(input.size(), std::numeric_limits<uInt>::max()));
  }
  void take(std::span<std::byte> output) {
    stream.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.avail_out = static_cast<uInt>(std::min<std::size_t>(output.size(), std::numeric_limits<uInt>::max()));
  }
};

Bytes gunzip(std::span<const std::byte> packed, const std::string& path) {
  Bytes unpacked;
  Inflater inflater(16 + MAX_WBITS);
  std::size_t used = 0, filled = 0;
  while (true) {
    if (filled == unpacked.size()) unpacked.resize(std::max<std::size_t>(1 << 16, 2 * unpacked.size()));
    inflater.give(packed.subspan(used));
    inflater.take(std::span(unpacked).subspan(filled));
    const std::size_t in = inflater.stream.avail_in, out = inflater.stream.avail_out;
    const int status = inflate(&inflater.stream, Z_NO_FLUSH);
    used += in - inflater.stream.avail_in;
    filled += out - inflater.stream.avail_out;
    const auto at = static_cast<std::int64_t>(used);
    if (status == Z_STREAM_END) {
      if (used == packed.size()) break;
      // What follows must be another member.
      if (packed.size() - used < 2 || packed[used] != std::byte{0x1f} || packed[used + 1] != std::byte{0x8b}) {
        throw DataError(path, at, std::to_string(packed.size() - used) + " bytes after the end of the gzip data");
      }
      inflateReset(&inflater.stream);
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const char* why = inflater.stream.msg ? inflater.stream.msg : "invalid data";
      throw DataError(path, at, "corrupt gzip data: " + std::string(why));
    } else if (used == packed.size() && inflater.stream.avail_out != 0) {
      throw DataError(path, at, "truncated: the file ends within its gzip data");
    }
  }
  unpacked.resize(filled);
  return unpacked;
}

// For pipes and devices, which have no old contents to keep.
void write_in_place(const std::string& path, const std::function<void(FileSink&)>& write) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) throw FileError(path, "cannot write: " + reason());
  FileSink sink(file.get(), path);
  write(sink);
  if (file.close() != 0) throw FileError(path, "cannot write: " + reason());
}

}  // namespace

Bytes read_file(const std::string& path) {
  if (path.empty()) throw FileError("", "cannot open a file without a name");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw FileError(path, "cannot open: " + reason());
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw FileError(path, "cannot read: " + reason());
  if (S_ISDIR(status.st_mode)) throw FileError(path, "cannot read: it is a directory");
  if (S_ISCHR(status.st_mode)) throw FileError(path, "cannot read: it is a device, which may have no end");
  Bytes contents(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0);
  std::size_t filled = 0;
  std::byte beyond{};
  while (true) {
    const bool full = filled == contents.size();  // then one more byte shows whether this is the end
    const ssize_t got =
        full ? ::read(file.get(), &beyond, 1) : ::read(file.get(), contents.data() + filled, contents.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw FileError(path, "cannot read: " + reason());
    if (got == 0) break;
    if (full) {
      contents.resize(std::max<std::size_t>(1 << 16, 2 * contents.size()));
      contents[filled] = beyond;
    }
    filled += static_cast<std::size_t>(got);
  }
  contents.resize(filled);
  return contents;
}

Bytes read_maybe_gzip(const std::string& path) {
  Bytes contents = read_file(path);
  if (contents.size() >= 2 && contents[0] == std::byte{0x1f} && contents[1] == std::byte{0x8b}) {
    return gunzip(contents, path);
  }
  return contents;
}

Bytes inflate_raw(std::span<const std::byte> packed, std::int64_t size, const std::string& file, std::int64_t at) {
  // Deflate shrinks to 1/1032 at best; a larger promise is a lie, and no memory is taken for it.
  if (size < 0 || static_cast<std::uint64_t>(size) / 1040 > packed.size() + 64) {
    throw DataError(
        file, at,
        "corrupt deflate data: " + std::to_string(packed.size()) + " bytes can't unpack to " + std::to_string(size));
  }
  Bytes unpacked(static_cast<std::size_t>(size));
  Inflater inflater(-MAX_WBITS);
  std::size_t used = 0, filled = 0;
  int status = Z_OK;
  std::byte beyond{};
  while (status != Z_STREAM_END) {
    inflater.give(packed.subspan(used));
    const bool full = filled == unpacked.size();
    inflater.take(full ? std::span(&beyond, 1) : std::span(unpacked).subspan(filled));
    const std::size_t in = inflater.stream.avail_in, out = inflater.stream.avail_out;
    status = inflate(&inflater.stream, Z_NO_FLUSH);
    used += in - inflater.stream.avail_in;
    const std::size_t written = out - inflater.stream.avail_out;
    const auto here = at + static_cast<std::int64_t>(used);
    if (full && written != 0) throw DataError(file, here, "corrupt deflate data: more than the promised size");
    filled += written;
    if (status == Z_STREAM_END) break;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK && status != Z_BUF_ERROR) throw DataError(file, here, "corrupt deflate data");
    if (used == packed.size() && (inflater.stream.avail_out != 0 || full)) {
      throw DataError(file, here, "truncated deflate data");
    }
  }
  if (filled != unpacked.size()) {
    throw DataError(file, at,
                    "corrupt deflate data: " + std::to_string(filled) + " bytes instead of " + std::to_string(size));
  }
  return unpacked;
}

void FileSink::write(const void* data, std::int64_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t written =
        ::write(descriptor_, from, static_cast<std::size_t>(std::min<std::int64_t>(bytes, 1 << 30)));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw FileError(path_, "cannot write: " + reason());
    from += written;
    bytes -= written;
  }
}

Replacement::Replacement(const std::string& wanted, const std::function<void(FileSink&)>& write, Durable durable) {
  if (wanted.empty()) throw FileError("", "cannot write a file without a name");
  std::error_code error;
  const bool exists = std::filesystem::exists(wanted, error);
  if (exists && std::filesystem::is_directory(wanted, error)) {
    throw FileError(wanted, "cannot write: it is a directory");
  }
  if (exists && !std::filesystem::is_regular_file(wanted, error)) {
    write_in_place(wanted, write);
    return;
  }
  // A link stays one: what it points to is replaced.
  path_ = exists ? std::filesystem::canonical(wanted, error).string() : wanted;
  const std::string aside = path_ + ".tmp";
  Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) throw FileError(path_, "cannot write: " + reason());
  aside_ = aside;
  try {
    FileSink sink(file.get(), path_);
    write(sink);
    if (durable == Durable::yes && ::fsync(file.get()) != 0 && errno != EINVAL)
      throw FileError(path_, "cannot write: " + reason());
    if (file.close() != 0) throw FileError(path_, "cannot write: " + reason());
  } catch (...) {
    ::unlink(aside_.c_str());
    throw;
  }
}

Replacement::~Replacement() {
  if (!aside_.empty()) ::unlink(aside_.c_str());
}

void Replacement::commit() {
  if (aside_.empty()) return;
  if (::rename(aside_.c_str(), path_.c_str()) != 0) throw FileError(path_, "cannot write: " + reason());
  aside_.clear();
}

void replace_file(const std::string& path, const std::function<void(FileSink&)>& write, Durable durable) {
  Replacement(path, write, durable).commit();
}

void make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error && !std::filesystem::is_directory(path, error)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw FileError(path, "cannot make the directory: " + error.message());
}

}  // namespace gradc::runtime
