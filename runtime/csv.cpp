// Reader of numbers as comma-separated text.
#include <cctype>
#include <charconv>
#include <cmath>

#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::runtime {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

bool parse_number(std::string_view text, double& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

// Calls each(cell, index) for the cells of a line; returns how many there are.
template <class F>
std::int64_t for_cells(std::string_view line, F each) {
  std::int64_t index = 0;
  while (true) {
    const std::size_t comma = line.find(',');
    each(trim(line.substr(0, comma)), index++);
    if (comma == std::string_view::npos) return index;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

CsvTable read_csv(const std::string& path) {
  const Bytes bytes = read_maybe_gzip(path);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  CsvTable table;
  table.origin = path;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (trim(line).empty()) continue;
    const std::string where = "line " + std::to_string(number);
    bool is_header = false;
    const auto cell = [&](std::string_view content, std::int64_t index) {
      double value = 0;
      if (is_header) {
        table.names.emplace_back(content);
      } else if (!parse_number(content, value)) {
        throw DataError(
            path, where + ", column " + std::to_string(index + 1) + ": `" + std::string(content) + "` is not a number");
      } else if (std::isnan(value)) {
        throw DataError(path, where + ", column " + std::to_string(index + 1) + ": NaN");
      } else {
        table.cells.push_back(value);
      }
    };
    if (table.width == 0) {
      for_cells(line, [&](std::string_view content, std::int64_t) {
        double value = 0;
        const bool letter =
            !content.empty() && (std::isalpha(static_cast<unsigned char>(content[0])) || content[0] == '_');
        if (letter && !parse_number(content, value)) is_header = true;
      });
    }
    const std::int64_t width = for_cells(line, cell);
    if (table.width != 0 && width != table.width) {
      throw DataError(path, where + ": " + std::to_string(width) + " columns, but the lines before have " +
                                std::to_string(table.width));
    }
    table.width = width;
    if (!is_header) ++table.rows;
  }
  if (table.rows == 0) throw DataError(path, "no numbers in it");
  return table;
}

}  // namespace gradc::runtime
