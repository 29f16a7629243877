// Entries are files named by their key: a magic line, the BLAKE3 of what follows, the number of objects, their sizes,
// the objects. They are written aside and renamed, and the oldest go when all together grow too large.
#include "compiler/codegen/cache.h"

#include <dlfcn.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/BLAKE3.h>
#include <llvm/Support/MemoryBuffer.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "ir/kernel_text.h"

namespace gradc::codegen {
namespace {

namespace fs = std::filesystem;

constexpr llvm::StringLiteral kMagic = "gradc objects 2\n";
constexpr std::size_t kDigestBytes = 32;
constexpr std::uintmax_t kMostBytes = std::uintmax_t{256} << 20;

using Digest = std::array<std::uint8_t, kDigestBytes>;

llvm::StringRef text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
llvm::StringRef text_of(const Digest& digest) { return text_of(std::as_bytes(std::span(digest))); }

// The folder, or "" where there is none.
fs::path folder() {
  const char* wanted = std::getenv("GRADC_CACHE");
  if (wanted && std::string(wanted) == "off") return {};
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (cache && *cache == '/') return fs::path(cache) / "gradc";
  return home && *home == '/' ? fs::path(home) / ".cache" / "gradc" : fs::path();
}

// Size and time of the file that this code was loaded from; "" where they cannot be told.
std::string build_stamp() {
  Dl_info info{};
  static const char here = 0;
  if (!dladdr(&here, &info) || !info.dli_fname) return {};
  std::string file = std::strchr(info.dli_fname, '/') ? info.dli_fname : "/proc/self/exe";
  struct stat status{};
  if (stat(file.c_str(), &status) != 0) return {};
  return std::to_string(status.st_size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec);
}

void put(std::string& out, std::uint64_t number) { out.append(reinterpret_cast<const char*>(&number), sizeof number); }

// Reads runs of bytes and numbers off a text; false once it ends too early.
struct Reader {
  llvm::StringRef text;
  bool bytes(llvm::StringRef& into, std::uint64_t size) {
    if (text.size() < size) return false;
    into = text.take_front(size);
    text = text.drop_front(size);
    return true;
  }
  bool number(std::uint64_t& value) {
    llvm::StringRef from;
    if (!bytes(from, sizeof value)) return false;
    std::memcpy(&value, from.data(), sizeof value);
    return true;
  }
};

void prune(const fs::path& directory) {
  struct Entry {
    fs::file_time_type time;
    std::uintmax_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  std::uintmax_t total = 0;
  std::error_code failed;
  for (const fs::directory_entry& file : fs::directory_iterator(directory, failed)) {
    std::error_code gone;
    Entry entry{file.last_write_time(gone), file.file_size(gone), file.path()};
    if (gone) continue;
    total += entry.bytes;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.time < b.time; });
  for (const Entry& entry : entries) {
    if (total <= kMostBytes) return;
    if (fs::remove(entry.path, failed)) total -= entry.bytes;
  }
}

}  // namespace

Objects::Objects(std::vector<std::vector<std::byte>> compiled) {
  auto kept = std::make_shared<const std::vector<std::vector<std::byte>>>(std::move(compiled));
  files.assign(kept->begin(), kept->end());
  held = std::move(kept);
}

std::string cache_key(const KernelModule& module, int optimize, bool watched) {
  std::string stamp = build_stamp();
  if (stamp.empty() || folder().empty()) return {};
  llvm::BLAKE3 hash;
  print(module, [&](std::string_view text) { hash.update(llvm::StringRef(text)); });
  hash.update("\nlevel " + std::to_string(optimize) + "\nllvm " + LLVM_VERSION_STRING + "\nbuild " + stamp +
              (watched ? "\nwatched" : ""));
  return llvm::toHex(hash.final<kDigestBytes>(), /*LowerCase=*/true);
}

std::optional<Objects> find_cached(const std::string& key) {
  if (key.empty()) return std::nullopt;
  auto file =
      llvm::MemoryBuffer::getFile((folder() / key).native(), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file) return std::nullopt;
  Reader reader{(*file)->getBuffer()};
  llvm::StringRef magic, digest, object;
  if (!reader.bytes(magic, kMagic.size()) || magic != kMagic || !reader.bytes(digest, kDigestBytes))
    return std::nullopt;
  if (text_of(llvm::BLAKE3::hash<kDigestBytes>(llvm::arrayRefFromStringRef(reader.text))) != digest)
    return std::nullopt;
  std::uint64_t count = 0;
  if (!reader.number(count) || reader.text.size() / sizeof count < count) return std::nullopt;
  std::vector<std::uint64_t> sizes(count);
  for (std::uint64_t& size : sizes) reader.number(size);
  Objects objects;
  for (std::uint64_t size : sizes) {
    if (!reader.bytes(object, size)) return std::nullopt;
    objects.files.push_back(std::as_bytes(std::span(object.data(), object.size())));
  }
  objects.held = std::move(*file);
  return objects;
}

void store_cached(const std::string& key, const Objects& objects) {
  if (key.empty()) return;
  std::string sizes;
  put(sizes, objects.files.size());
  for (auto object : objects.files) put(sizes, object.size());
  llvm::BLAKE3 hash;
  hash.update(sizes);
  for (auto object : objects.files) hash.update(text_of(object));
  fs::path directory = folder(), aside = directory / (key + "." + std::to_string(getpid()));
  std::error_code failed;
  fs::create_directories(directory, failed);
  {
    std::ofstream file(aside, std::ios::binary);
    auto write = [&](std::string_view text) { file.write(text.data(), static_cast<std::streamsize>(text.size())); };
    write(kMagic);
    write(text_of(hash.final<kDigestBytes>()));
    write(sizes);
    for (auto object : objects.files) write(text_of(object));
    file.close();
    if (!file) {
      fs::remove(aside, failed);
      return;
    }
  }
  fs::rename(aside, directory / key, failed);
  if (failed) fs::remove(aside, failed);
  prune(directory);
}

}  // namespace gradc::codegen
