// The state that eval and predict work on, and metrics as they are printed.
#include "compiler/driver/run_arguments.h"

#include <iomanip>
#include <iostream>
#include <sstream>

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

runtime::Block state_from(const runtime::Provide& provide, const runtime::StateTable& table,
                          const std::string& weights) {
  runtime::Block state = make_state(table);
  runtime::Runner(provide("init", 1), nullptr).run({}, {}, state.data());
  if (!weights.empty())
    runtime::load_weights(runtime::SafeTensors::read(weights), table, state.data(), runtime::Match::strict);
  return state;
}

}  // namespace gradc::driver
