// Reader and writer of safetensors files. The reader trusts nothing: the file may come from anywhere.
#include "gradc/safetensors.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

namespace gradc::runtime {

namespace {

using nlohmann::json;

constexpr std::int64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

struct Width {
  const char* dtype;
  std::int64_t bytes;
};
constexpr Width kWidths[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                             {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                             {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};

std::int64_t width_of(std::string_view dtype) {
  for (const Width& width : kWidths) {
    if (width.dtype == dtype) return width.bytes;
  }
  return 0;
}

const char* dtype_word(gradc_dtype dtype) {
  constexpr const char* kWords[] = {"F32", "F64", "I32", "I64", "U32", "U8", "BOOL"};
  return kWords[dtype];
}

// Non-negative integers only; anything else is -1.
std::int64_t size_of(const json& value) {
  if (!value.is_number_unsigned()) return -1;
  const auto size = value.get<std::uint64_t>();
  return size > static_cast<std::uint64_t>(INT64_MAX) ? -1 : static_cast<std::int64_t>(size);
}

json parse_header(std::string_view text, const std::string& file) {
  std::set<std::string> names;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    // Deeper than {"name": {"shape": [1]}} is no header; failing here keeps a hostile one from using up the stack.
    if (depth > 3) throw DataError(file, 8, "corrupt safetensors header: nested too deeply");
    if (event == json::parse_event_t::key && depth == 1 && !names.insert(parsed.get<std::string>()).second) {
      throw DataError(file, 8, "corrupt safetensors header: `" + parsed.get<std::string>() + "` twice");
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::parse_error& error) {
    throw DataError(file, 8 + static_cast<std::int64_t>(error.byte), "corrupt safetensors header: no valid JSON");
  } catch (const json::out_of_range&) {
    throw DataError(file, 8, "corrupt safetensors header: a number is too large");
  }
}

SafeTensors::Entry parse_entry(const std::string& name, const json& value, std::int64_t data, std::int64_t length,
                               const std::string& file) {
  const auto fail = [&](const std::string& what) -> DataError {
    return {file, "corrupt safetensors header: `" + name + "`: " + what};
  };
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets")) {
    throw fail("no dtype, shape and data_offsets");
  }
  const json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
  SafeTensors::Entry entry;
  entry.name = name;
  if (!dtype.is_string() || width_of(dtype.get<std::string>()) == 0) throw fail("unknown dtype " + dtype.dump());
  entry.dtype = dtype.get<std::string>();
  if (!shape.is_array()) throw fail("its shape is no list");
  std::int64_t bytes = width_of(entry.dtype);
  bool overflow = false;
  for (const json& size : shape) {
    entry.shape.push_back(size_of(size));
    if (entry.shape.back() < 0) throw fail("its shape has " + size.dump());
    overflow = __builtin_mul_overflow(bytes, entry.shape.back(), &bytes) || overflow;
  }
  if (overflow) throw fail("the size of " + entry.type() + " overflows");
  if (!offsets.is_array() || offsets.size() != 2) throw fail("its data_offsets are not two numbers");
  const std::int64_t begin = size_of(offsets[0]), end = size_of(offsets[1]);
  if (begin < 0 || end < begin) throw fail("its data_offsets are " + offsets.dump());
  if (end > length) {
    throw fail("truncated: its data ends at byte " + std::to_string(end) + " of " + std::to_string(length));
  }
  if (end - begin != bytes) {
    throw fail(entry.type() + " takes " + std::to_string(bytes) + " bytes, its data_offsets span " +
               std::to_string(end - begin));
  }
  entry.offset = data + begin;
  entry.bytes = bytes;
  return entry;
}

// Arrays must cover the data without overlap and without holes, as the format demands.
void check_cover(const std::vector<SafeTensors::Entry>& entries, std::int64_t data, std::int64_t end,
                 const std::string& file) {
  std::vector<const SafeTensors::Entry*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  std::int64_t at = data;
  for (const auto* entry : order) {
    if (entry->offset < at) throw DataError(file, entry->offset, "the data of `" + entry->name + "` overlaps another");
    if (entry->offset > at) throw DataError(file, at, "bytes that belong to no array, before `" + entry->name + "`");
    at += entry->bytes;
  }
  if (at != end) throw DataError(file, at, std::to_string(end - at) + " bytes after the last array");
}

}  // namespace

std::string SafeTensors::Entry::type() const {
  std::string text = dtype;
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  text += "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

SafeTensors SafeTensors::read(const std::string& path) { return parse(read_file(path), path); }

SafeTensors SafeTensors::parse(Bytes bytes, std::string file) {
  const auto length = static_cast<std::int64_t>(bytes.size());
  if (length < 8) throw DataError(file, length, "truncated: a safetensors file begins with 8 bytes of header length");
  const auto header = load_little<std::uint64_t>(bytes.data());
  if (header > kLargestHeader || bytes.size() < 9 || bytes[8] != std::byte{'{'}) {
    throw DataError(file, 0, "not a safetensors file");
  }
  const auto data = 8 + static_cast<std::int64_t>(header);
  if (data > length) throw DataError(file, length, "truncated within the safetensors header");
  const json parsed = parse_header({reinterpret_cast<const char*>(bytes.data()) + 8, header}, file);
  SafeTensors result;
  for (const auto& [name, value] : parsed.items()) {
    if (name != "__metadata__") {
      result.entries_.push_back(parse_entry(name, value, data, length - data, file));
      continue;
    }
    if (!value.is_object()) throw DataError(file, 8, "corrupt safetensors header: __metadata__ is no object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string())
        throw DataError(file, 8, "corrupt safetensors header: metadata `" + key + "` is no string");
      result.metadata_[key] = text.get<std::string>();
    }
  }
  check_cover(result.entries_, data, length, file);
  std::sort(result.entries_.begin(), result.entries_.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  result.bytes_ = std::move(bytes);
  result.file_ = std::move(file);
  return result;
}

const SafeTensors::Entry* SafeTensors::find(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const Entry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors, const Metadata& metadata) {
  // Widest first, so that every array is aligned to its elements.
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return byte_size(a->dtype) > byte_size(b->dtype); });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<std::int64_t> sizes;
  std::int64_t at = 0;
  for (const TensorToWrite* tensor : order) {
    std::int64_t bytes = byte_size(tensor->dtype);
    for (const std::int64_t size : tensor->shape) bytes *= size;
    header[tensor->name] = {
        {"dtype", dtype_word(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
    sizes.push_back(bytes);
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  replace_file(path, [&](FileSink& sink) {
    char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 255);
    sink.write(length, sizeof length);
    sink.write(text);
    for (std::size_t i = 0; i < order.size(); ++i) sink.write(order[i]->data, sizes[i]);
  });
}

}  // namespace gradc::runtime
