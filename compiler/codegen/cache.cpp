// Entries are files named by their key: a magic line, the SHA-256 of what follows, the number of objects, then each
// with its size. They are written aside and renamed, and the oldest go when all together grow too large.
#include "compiler/codegen/cache.h"

#include <dlfcn.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/SHA256.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace gradc::codegen {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[] = "gradc objects 1\n";
constexpr std::size_t kMagicBytes = sizeof kMagic - 1, kDigestBytes = 32;
constexpr std::uintmax_t kMostBytes = std::uintmax_t{256} << 20;

std::string digest(const std::string& text) {
  llvm::SHA256 hash;
  hash.update(llvm::StringRef(text));
  std::array<std::uint8_t, kDigestBytes> bytes = hash.final();
  return {bytes.begin(), bytes.end()};
}

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

// Reads numbers and runs of bytes off a string; false once it ends too early.
struct Reader {
  const std::string& text;
  std::size_t at = 0;
  bool number(std::uint64_t& value) {
    if (text.size() - at < sizeof value) return false;
    std::memcpy(&value, text.data() + at, sizeof value);
    at += sizeof value;
    return true;
  }
  bool bytes(std::vector<std::byte>& into, std::uint64_t size) {
    if (text.size() - at < size) return false;
    const auto* first = reinterpret_cast<const std::byte*>(text.data() + at);
    into.assign(first, first + size);
    at += size;
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

std::string cache_key(const KernelModule& module, int optimize, bool watched) {
  std::string stamp = build_stamp();
  if (stamp.empty() || folder().empty()) return {};
  std::string bytes = digest(print(module) + "\nlevel " + std::to_string(optimize) + "\nllvm " + LLVM_VERSION_STRING +
                             "\nbuild " + stamp + (watched ? "\nwatched" : ""));
  std::string key;
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    key += "0123456789abcdef"[byte >> 4];
    key += "0123456789abcdef"[byte & 15];
  }
  return key;
}

std::optional<Objects> find_cached(const std::string& key) {
  if (key.empty()) return std::nullopt;
  std::ifstream file(folder() / key, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  content << file.rdbuf();
  std::string text = content.str();
  if (text.size() < kMagicBytes + kDigestBytes || text.compare(0, kMagicBytes, kMagic) != 0) return std::nullopt;
  if (digest(text.substr(kMagicBytes + kDigestBytes)) != text.substr(kMagicBytes, kDigestBytes)) return std::nullopt;
  Reader reader{text, kMagicBytes + kDigestBytes};
  std::uint64_t count = 0, size = 0;
  if (!reader.number(count)) return std::nullopt;
  Objects objects;
  for (std::uint64_t i = 0; i < count; ++i)
    if (!reader.number(size) || !reader.bytes(objects.emplace_back(), size)) return std::nullopt;
  return objects;
}

void store_cached(const std::string& key, const Objects& objects) {
  if (key.empty()) return;
  std::string body;
  put(body, objects.size());
  for (const std::vector<std::byte>& object : objects) {
    put(body, object.size());
    body.append(reinterpret_cast<const char*>(object.data()), object.size());
  }
  fs::path directory = folder(), aside = directory / (key + "." + std::to_string(getpid()));
  std::error_code failed;
  fs::create_directories(directory, failed);
  {
    std::ofstream file(aside, std::ios::binary);
    file << kMagic << digest(body) << body;
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
