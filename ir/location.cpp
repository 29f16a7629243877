// Sets of source locations.
#include "ir/location.h"

#include <algorithm>
#include <tuple>

namespace gradc {

namespace {

auto key(const Location& at) {
  return std::make_tuple(at.file ? std::string_view(*at.file) : std::string_view(), at.line, at.column, at.gradient);
}

}  // namespace

std::string Location::str() const {
  if (!known()) return "<unknown>";
  std::string text = gradient ? "gradient of " + *file : *file;
  if (line) text += ":" + std::to_string(line);
  if (line && column) text += ":" + std::to_string(column);
  return text;
}

bool operator==(const Location& a, const Location& b) { return key(a) == key(b); }
bool operator<(const Location& a, const Location& b) { return key(a) < key(b); }

void unite(Locations& into, const Locations& from) {
  for (const Location& at : from) {
    auto place = std::lower_bound(into.begin(), into.end(), at);
    if (place == into.end() || !(*place == at)) into.insert(place, at);
  }
}

Locations gradient_of(const Locations& primal) {
  Locations result;
  for (Location at : primal) {
    at.gradient = true;
    unite(result, {at});
  }
  return result;
}

Location make_location(std::string file, std::uint32_t line, std::uint32_t column) {
  return {std::make_shared<const std::string>(std::move(file)), line, column, false};
}

}  // namespace gradc
