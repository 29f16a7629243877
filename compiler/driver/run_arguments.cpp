// The state that eval and predict work on, and metrics as they are printed.
#include "compiler/driver/run_arguments.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "gradc/image.h"

namespace gradc::driver {

namespace {

std::string count_text(double value) {
  std::ostringstream text;
  text << std::setprecision(15) << value;
  return text.str();
}

// Rows are the true classes, columns the predicted ones.
void print_table(const std::string& split, const runtime::Table& table) {
  std::size_t width = std::to_string(std::max(table.rows, table.columns) - 1).size();
  for (const double value : table.values) width = std::max(width, count_text(value).size());
  const auto cell = [&](const std::string& text) { std::cout << " " << std::setw(static_cast<int>(width)) << text; };
  std::cout << split << " " << table.name << ", true classes down, predicted across\n";
  cell("");
  for (std::int64_t j = 0; j < table.columns; ++j) cell(std::to_string(j));
  std::cout << "\n";
  for (std::int64_t i = 0; i < table.rows; ++i) {
    cell(std::to_string(i));
    for (std::int64_t j = 0; j < table.columns; ++j)
      cell(count_text(table.values[static_cast<std::size_t>(i * table.columns + j)]));
    std::cout << "\n";
  }
}

// By the first bytes: whatever is no image is read as NPY, which says what is wrong with it.
runtime::Column read_image_or_npy(const std::string& file, const std::string& name) {
  const runtime::Bytes bytes = runtime::read_file(file);
  const bool image = bytes.size() > 1 && (bytes[0] == std::byte{0x89} || bytes[0] == std::byte{'P'});
  return image ? runtime::read_images({file}, name) : runtime::read_npy(file, name);
}

}  // namespace

void print_metrics(const std::string& split, const runtime::Metrics& metrics) {
  for (const auto& [name, value] : metrics)
    std::cout << split << " " << name << " " << std::setprecision(6) << value << "\n";
  for (const runtime::Table& table : metrics.tables) print_table(split, table);
}

nlohmann::ordered_json json_of(const runtime::Metrics& metrics) {
  nlohmann::ordered_json line = nlohmann::ordered_json::object();
  for (const auto& [name, value] : metrics) line[name] = value;
  for (const runtime::Table& table : metrics.tables)
    for (std::int64_t i = 0; i < table.rows; ++i) {
      const auto* row = table.values.data() + i * table.columns;
      line[table.name].push_back(std::vector<double>(row, row + table.columns));
    }
  return line;
}

std::string vocabulary_in(const std::vector<std::string>& weights) {
  return weights.empty() ? "" : runtime::vocabulary_of(runtime::SafeTensors::read(weights.front()));
}

runtime::DataSet inputs_from_files(const std::vector<std::string>& items, const std::vector<runtime::Array>& inputs,
                                   const std::string& command) {
  std::vector<std::string> names;
  for (const runtime::Array& input : inputs) names.push_back(input.name);
  runtime::DataSet data;
  for (const std::string& item : items) {
    const std::size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (equals == std::string::npos) throw UserError(Location(), "--input " + item + ": expected NAME=FILE");
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw UserError(Location(),
                      "--input " + item + ": the program has no input `" + name + "`" + suggest_or_list(name, names));
    const std::string file = item.substr(equals + 1);
    data.add(read_image_or_npy(file, name));
  }
  for (const std::string& name : names)
    if (!data.find(name))
      throw UserError(Location(),
                      command + " needs a file for the input `" + name + "`: --input " + name + "=FILE.npy");
  return data;
}

runtime::Block state_from(const runtime::Provide& provide, const runtime::StateTable& table, const std::string& weights,
                          const runtime::DataSet& data, std::int64_t seed) {
  runtime::Block state(table.bytes);
  const runtime::Executable& init = provide("init", 1);
  runtime::Runner runner(init, nullptr);
  if (const int scalar = init.scalar("seed"); scalar >= 0) runner.set_integer_scalar(scalar, seed);
  runner.run({}, {}, state.data());
  if (weights.empty()) return state;
  const runtime::LoadReport report =
      runtime::load_weights(runtime::SafeTensors::read(weights), table, state.data(), runtime::Match::strict);
  for (const std::string& entry : report.unset) {
    const std::string input = entry.substr(0, entry.rfind('.'));  // "image.mean", "image.deviation"
    if (data.find(input))
      throw UserError(
          make_location(weights, 0, 0),
          "nothing has set `" + entry + "`: the run trained and evaluated no program that reads `" + input + "`");
  }
  return state;
}

}  // namespace gradc::driver
