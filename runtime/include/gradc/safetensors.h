// Safetensors files: named arrays with a JSON header; and the state of a model as such a file.
// Format: https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gradc/error.h"
#include "gradc/executable.h"
#include "gradc/file.h"

namespace gradc::runtime {

using Metadata = std::map<std::string, std::string>;

// A file in memory, its header checked: every array lies inside, none overlap, sizes match dtypes and shapes.
class SafeTensors {
 public:
  struct Entry {
    std::string name, dtype;  // the format's word: "F32", "BF16", "I64", …
    std::vector<std::int64_t> shape;
    std::int64_t offset = 0, bytes = 0;  // in the file
    std::string type() const;            // "f32[20,1,5,5]"
  };
  static SafeTensors read(const std::string& path);  // FileError, DataError
  static SafeTensors parse(Bytes bytes, std::string file);

  const std::vector<Entry>& entries() const { return entries_; }  // sorted by name
  const Entry* find(std::string_view name) const;
  const std::byte* data(const Entry& entry) const { return bytes_.data() + entry.offset; }
  const Metadata& metadata() const { return metadata_; }
  const std::string& file() const { return file_; }

 private:
  Bytes bytes_;
  std::string file_;
  std::vector<Entry> entries_;
  Metadata metadata_;
};

struct TensorToWrite {
  std::string name;
  gradc_dtype dtype = GRADC_F32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;
};
// Replaces the file, as replace_file does.
void write_safetensors(const std::string& path, std::span<const TensorToWrite> tensors, const Metadata& metadata);

// Key of the metadata: entries that nothing has set yet, each name with a newline.
inline constexpr const char* kUnset = "gradc.unset";

std::vector<std::string> unset_entries(const SafeTensors& file);

// The whole state block under its names.
void save_state(const std::string& path, const StateTable& table, const void* state, const Metadata& metadata);
// The inverse: every entry must be there in its dtype and shape, and nothing else. WeightsError otherwise; then the
// state is untouched.
void restore_state(const SafeTensors& file, const StateTable& table, void* state);

enum class Match : std::uint8_t {
  strict,   // every parameter and statistic must be there, in its shape, and nothing else
  partial,  // what matches by name and shape is taken
};
struct LoadReport {
  std::vector<std::string> loaded, missing, unexpected;
  std::vector<std::string> unset;  // in the file, whose metadata says that nothing has set them: not taken
  std::vector<WeightsError::Difference> different;
};
// Parameters and statistics by name and shape; F16, BF16, F32 and F64 convert into each other. Optimizer slots, step
// and key of a checkpoint are passed over. Strict: WeightsError where anything is missing, unexpected or different, and
// then the state is untouched.
LoadReport load_weights(const SafeTensors& file, const StateTable& table, void* state, Match match);

}  // namespace gradc::runtime
