// Writes arrays as NPY or as JSON lines.
#include "compiler/driver/results.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/driver/command.h"

namespace gradc::driver {

namespace {

nlohmann::json row_json(const runtime::Column& column, std::int64_t row) {
  nlohmann::json values = nlohmann::json::array();
  const std::int64_t width = column.row_elements();
  for (std::int64_t i = row * width; i < (row + 1) * width; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    switch (column.dtype) {
      case GRADC_F32:
        values.push_back(column.values<float>()[at]);
        break;
      case GRADC_F64:
        values.push_back(column.values<double>()[at]);
        break;
      case GRADC_I32:
        values.push_back(column.values<std::int32_t>()[at]);
        break;
      case GRADC_I64:
        values.push_back(column.values<std::int64_t>()[at]);
        break;
      case GRADC_U32:
        values.push_back(column.values<std::uint32_t>()[at]);
        break;
      default:
        values.push_back(column.values<std::uint8_t>()[at]);
    }
  }
  return column.shape.empty() ? values[0] : values;
}

}  // namespace

void write_results(const runtime::DataSet& results, const std::string& output) {
  if (output.empty()) {  // one JSON object an example
    for (std::int64_t row = 0; row < results.examples; ++row) {
      nlohmann::ordered_json line;
      for (const runtime::Column& column : results.columns) line[column.name] = row_json(column, row);
      std::cout << line.dump() << "\n";
    }
    return;
  }
  refuse_to_replace(output);
  if (results.columns.size() == 1) return runtime::write_npy(output, results.columns[0]);
  const std::filesystem::path path = output;
  for (const runtime::Column& column : results.columns)
    runtime::write_npy(
        (path.parent_path() / (path.stem().string() + "." + column.name + path.extension().string())).string(), column);
}

}  // namespace gradc::driver
