// A model's state to and from safetensors files: checkpoints whole, weights by name and shape.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "gradc/safetensors.h"

namespace gradc::runtime {

namespace {

constexpr std::size_t kMostNames = 12;

// Each name as `say` puts it, of many the first and how many more there are.
template <class T, class F>
void add_sentences(std::vector<std::string>& sentences, const std::vector<T>& items, const char* what, F say) {
  for (std::size_t i = 0; i < std::min(items.size(), kMostNames); ++i) sentences.push_back(say(items[i]));
  if (items.size() > kMostNames)
    sentences.push_back("and " + std::to_string(items.size() - kMostNames) + " more " + what);
}

std::string describe(const std::vector<std::string>& sentences) {
  std::string text = "the weights don't fit the model";
  for (std::size_t i = 0; i < sentences.size(); ++i) text += (i ? "; " : ": ") + sentences[i];
  return text;
}

bool is_weight(const StateArray& entry) {
  return entry.kind == StateKind::parameter || entry.kind == StateKind::statistic;
}

constexpr const char* kRunState =
    "gradc.run_state";  // key of the metadata: what is no weight, each name with a newline

// What a file says is no weight; of other files "conv1.weight.momentum" where conv1.weight is an entry of the model or
// of the file: a slot of some optimizer.
bool is_run_state(const std::string& name, const StateTable& table, const SafeTensors& file) {
  if (name == "step" || name == "key") return true;
  if (const auto said = file.metadata().find(kRunState); said != file.metadata().end())
    return ("\n" + said->second).find("\n" + name + "\n") != std::string::npos;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos) return false;
  const std::string owner = name.substr(0, dot);
  return table.find(owner) || file.find(owner);
}

double half_to_double(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = fraction ? NAN : INFINITY;
  } else {
    value = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
  }
  return bits >> 15 ? -value : value;
}

double load_float(std::string_view dtype, const std::byte* at) {
  if (dtype == "F64") return std::bit_cast<double>(load_little<std::uint64_t>(at));
  if (dtype == "F32") return std::bit_cast<float>(load_little<std::uint32_t>(at));
  const auto bits = load_little<std::uint16_t>(at);
  if (dtype == "F16") return half_to_double(bits);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

bool is_float_word(std::string_view dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16";
}

const char* word_of(gradc_dtype dtype) {
  constexpr const char* kWords[] = {"F32", "F64", "I32", "I64", "U32", "U8", "BOOL"};
  return kWords[dtype];
}

std::string type_of(const Array& array) {
  SafeTensors::Entry entry;
  entry.dtype = word_of(array.dtype);
  entry.shape = array.shape;
  return entry.type();
}

bool fits(const SafeTensors::Entry& found, const StateArray& wanted, bool exact) {
  if (found.shape != wanted.shape) return false;
  if (found.dtype == word_of(wanted.dtype)) return true;
  return !exact && is_float_word(found.dtype) && is_float_word(word_of(wanted.dtype));
}

void take(const SafeTensors& file, const SafeTensors::Entry& found, const StateArray& wanted, std::byte* to) {
  const std::byte* from = file.data(found);
  if (found.dtype == word_of(wanted.dtype)) {
    if (found.bytes) std::memcpy(to, from, static_cast<std::size_t>(found.bytes));
    return;
  }
  const std::int64_t count = wanted.elements();
  const std::int64_t width = count ? found.bytes / count : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = load_float(found.dtype, from + i * width);
    if (wanted.dtype == GRADC_F32) {
      const auto narrow = static_cast<float>(value);
      std::memcpy(to + 4 * i, &narrow, 4);
    } else {
      std::memcpy(to + 8 * i, &value, 8);
    }
  }
}

}  // namespace

std::vector<std::string> unset_entries(const SafeTensors& file) {
  std::vector<std::string> names;
  const auto found = file.metadata().find(kUnset);
  if (found == file.metadata().end()) return names;
  const std::string& text = found->second;
  for (std::size_t begin = 0, end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::vector<std::string> WeightsError::sentences(const std::vector<std::string>& missing,
                                                 const std::vector<std::string>& unexpected,
                                                 const std::vector<Difference>& different) {
  std::vector<std::string> all;
  add_sentences(all, missing, "that the file lacks",
                [](const std::string& name) { return "the file has no `" + name + "`"; });
  add_sentences(all, unexpected, "that the model lacks",
                [](const std::string& name) { return "the model has no `" + name + "`"; });
  add_sentences(all, different, "of another type", [](const Difference& d) {
    return "`" + d.name + "` is " + d.found + " in the file, " + d.expected + " in the model";
  });
  return all;
}

WeightsError::WeightsError(const std::string& file, std::vector<std::string> missing,
                           std::vector<std::string> unexpected, std::vector<Difference> different)
    : Error(file, describe(sentences(missing, unexpected, different))),
      missing_(std::move(missing)),
      unexpected_(std::move(unexpected)),
      different_(std::move(different)) {}

void save_state(const std::string& path, const StateTable& table, const void* state, const Metadata& metadata) {
  std::vector<TensorToWrite> tensors;
  std::string run_state;
  for (const StateArray& entry : table.entries) {
    tensors.push_back({entry.name, entry.dtype, entry.shape, static_cast<const std::byte*>(state) + entry.offset});
    if (!is_weight(entry)) run_state += entry.name + "\n";
  }
  Metadata all = metadata;
  all.emplace(kRunState, run_state);
  write_safetensors(path, tensors, all);
}

void restore_state(const SafeTensors& file, const StateTable& table, void* state) {
  LoadReport report;
  for (const StateArray& entry : table.entries) {
    const SafeTensors::Entry* found = file.find(entry.name);
    if (!found) {
      report.missing.push_back(entry.name);
    } else if (!fits(*found, entry, true)) {
      report.different.push_back({entry.name, type_of(entry), found->type()});
    }
  }
  for (const SafeTensors::Entry& found : file.entries()) {
    if (!table.find(found.name)) report.unexpected.push_back(found.name);
  }
  if (!report.missing.empty() || !report.unexpected.empty() || !report.different.empty()) {
    throw WeightsError(file.file(), report.missing, report.unexpected, report.different);
  }
  for (const StateArray& entry : table.entries) {
    take(file, *file.find(entry.name), entry, static_cast<std::byte*>(state) + entry.offset);
  }
}

LoadReport load_weights(const SafeTensors& file, const StateTable& table, void* state, Match match) {
  LoadReport report;
  const std::vector<std::string> unset = unset_entries(file);
  for (const StateArray& entry : table.entries) {
    if (!is_weight(entry)) continue;
    const SafeTensors::Entry* found = file.find(entry.name);
    if (std::find(unset.begin(), unset.end(), entry.name) != unset.end()) {
      report.unset.push_back(entry.name);
    } else if (!found) {
      report.missing.push_back(entry.name);
    } else if (!fits(*found, entry, false)) {
      report.different.push_back({entry.name, type_of(entry), found->type()});
    } else {
      report.loaded.push_back(entry.name);
    }
  }
  for (const SafeTensors::Entry& found : file.entries()) {
    if (!table.find(found.name) && !is_run_state(found.name, table, file)) report.unexpected.push_back(found.name);
  }
  const bool clean = report.missing.empty() && report.unexpected.empty() && report.different.empty();
  if (match == Match::strict && !clean) {
    throw WeightsError(file.file(), report.missing, report.unexpected, report.different);
  }
  for (const std::string& name : report.loaded) {
    const StateArray& entry = *table.find(name);
    take(file, *file.find(name), entry, static_cast<std::byte*>(state) + entry.offset);
  }
  return report;
}

}  // namespace gradc::runtime
