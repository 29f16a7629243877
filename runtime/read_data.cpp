// From a data source to columns: which reader, which files, which columns of a file belong to which input.
#include <algorithm>
#include <filesystem>
#include <map>

#include "generators.h"
#include "gradc/dataset.h"
#include "gradc/file.h"
#include "gradc/image.h"

namespace gradc::runtime {

namespace {

namespace fs = std::filesystem;

// `pattern` may have `*` for any run of characters.
bool matches(std::string_view text, std::string_view pattern) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() == '*') {
    return matches(text, pattern.substr(1)) || (!text.empty() && matches(text.substr(1), pattern));
  }
  return !text.empty() && text.front() == pattern.front() && matches(text.substr(1), pattern.substr(1));
}

// The files that a path means: itself, the same with or without .gz, or, with `*` in its last part, all that match,
// sorted.
std::vector<std::string> resolve(const std::string& path, const std::string& directory) {
  const fs::path whole = fs::path(path).is_absolute() ? fs::path(path) : fs::path(directory) / path;
  std::error_code error;
  const std::string file = whole.filename().string();
  if (file.find('*') != std::string::npos) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(whole.parent_path(), error)) {
      if (matches(entry.path().filename().string(), file)) found.push_back(entry.path().string());
    }
    if (found.empty()) throw FileError(whole.string(), "no file matches");
    std::sort(found.begin(), found.end());
    return found;
  }
  if (!fs::exists(whole, error)) {
    const std::string other =
        whole.extension() == ".gz" ? fs::path(whole).replace_extension().string() : whole.string() + ".gz";
    if (fs::exists(other, error)) return {other};
    if (!fs::path(path).is_absolute() && !fs::is_directory(directory.empty() ? "." : directory, error)) {
      throw FileError(directory, "there is no such data directory");
    }
  }
  return {whole.string()};
}

std::string resolve_one(const std::string& path, const std::string& directory) {
  const std::vector<std::string> found = resolve(path, directory);
  if (found.size() != 1)
    throw DataError(path, "means " + std::to_string(found.size()) + " files where one is expected");
  return found[0];
}

// Null where the program at hand has no such input: a program that predicts takes no labels.
const Array* input_named(std::string_view name, std::span<const Array> inputs) {
  for (const Array& input : inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

std::int64_t example_elements(const Array& input) {
  std::int64_t count = 1;
  for (std::size_t d = 1; d < input.shape.size(); ++d) count *= input.shape[d];
  return count;
}

// Columns of the table that belong to an input: those named `x` or `x.…`; in a table without such names the next ones,
// as many as an example of the input has elements.
std::vector<std::int64_t> columns_of(const CsvTable& table, const std::string& input, std::int64_t needed,
                                     std::int64_t& next) {
  std::vector<std::int64_t> chosen;
  for (std::size_t i = 0; i < table.names.size(); ++i) {
    const std::string& name = table.names[i];
    if (name == input || name.starts_with(input + ".")) chosen.push_back(static_cast<std::int64_t>(i));
  }
  if (chosen.empty()) {
    for (; static_cast<std::int64_t>(chosen.size()) < needed && next < table.width; ++next) chosen.push_back(next);
  }
  if (static_cast<std::int64_t>(chosen.size()) != needed) {
    throw DataError(table.origin, "`" + input + "` takes " + std::to_string(needed) + " columns, " +
                                      std::to_string(chosen.size()) + " of the file's " + std::to_string(table.width) +
                                      " are left or named for it");
  }
  return chosen;
}

DataSet read_csv_set(const DataSource& source, const std::string& directory, std::span<const Array> inputs) {
  DataSet data;
  std::map<std::string, std::pair<CsvTable, std::int64_t>> tables;  // with the next column to deal
  for (const auto& [name, path] : source.files) {
    const std::string file = resolve_one(path, directory);
    if (!tables.contains(file)) tables[file] = {read_csv(file), 0};
    auto& [table, next] = tables[file];
    const Array* input = input_named(name, inputs);
    // Of what no input takes, only the number of columns matters to the inputs after it: labels have one.
    const auto chosen = columns_of(table, name, input ? example_elements(*input) : 1, next);
    if (!input) continue;
    std::vector<std::int64_t> shape;
    if (!input->shape.empty()) shape.assign(input->shape.begin() + 1, input->shape.end());
    Column column = make_column(name, GRADC_F64, shape, table.rows, file);
    const auto values = column.values<double>();
    std::size_t at = 0;
    for (std::int64_t row = 0; row < table.rows; ++row) {
      for (const std::int64_t c : chosen) values[at++] = table.cells[static_cast<std::size_t>(row * table.width + c)];
    }
    data.add(std::move(column));
  }
  return data;
}

DataSet read_cifar_set(const DataSource& source, const std::string& directory, std::span<const Array> inputs) {
  std::string image, label, path;
  for (const auto& [name, file] : source.files) {
    const Array* input = input_named(name, inputs);
    if (input) (example_elements(*input) == 1 ? label : image) = name;
    if (!path.empty() && path != file)
      throw DataError(file, "image and label come from the same CIFAR file, but here is " + path + " too");
    path = file;
  }
  if (path.empty()) throw DataError("the CIFAR data names no file");
  auto [images, labels] = read_cifar(resolve(path, directory), image, label);
  DataSet data;
  if (!image.empty()) data.add(std::move(images));
  if (!label.empty()) data.add(std::move(labels));
  return data;
}

Column read_column(const std::string& format, const std::string& name, const std::string& path,
                   const std::string& directory, std::span<const Array> inputs, DataSet& data) {
  if (format == "npz") {
    const std::size_t colon = path.rfind(".npz:");  // FILE.npz:ARRAY; the array is named like the input otherwise
    if (colon == std::string::npos) return read_npz(resolve_one(path, directory), name, name);
    return read_npz(resolve_one(path.substr(0, colon + 4), directory), path.substr(colon + 5), name);
  }
  if (format == "image") return read_images(resolve(path, directory), name);
  const std::string file = resolve_one(path, directory);
  if (format == "idx") return read_idx(file, name);
  if (format == "npy") return read_npy(file, name);
  const std::int64_t length = example_elements(*input_named(name, inputs));
  return format == "lines" ? read_lines(file, name, length, data.vocabulary)
                           : read_text(file, name, length, data.vocabulary);
}

}  // namespace

std::vector<std::string> data_formats() { return {"cifar", "csv", "idx", "image", "lines", "npy", "npz", "text"}; }

DataSet read_data(const DataSource& source, const std::string& directory, std::span<const Array> inputs) {
  DataSet data;
  data.vocabulary = source.vocabulary;
  if (source.format.empty()) {
    data = generate(source.generator, source.options, inputs);
  } else if (source.format == "csv") {
    data = read_csv_set(source, directory, inputs);
  } else if (source.format == "cifar") {
    data = read_cifar_set(source, directory, inputs);
  } else {
    const auto formats = data_formats();
    if (std::find(formats.begin(), formats.end(), source.format) == formats.end()) {
      std::string known;
      for (const std::string& format : formats) known += (known.empty() ? "" : ", ") + format;
      throw DataError("unknown data format `" + source.format + "`; known are " + known);
    }
    for (const auto& [name, path] : source.files) {
      if (input_named(name, inputs)) data.add(read_column(source.format, name, path, directory, inputs, data));
    }
  }
  if (data.examples == 0) throw DataError("the data set has no examples");
  return data;
}

}  // namespace gradc::runtime
