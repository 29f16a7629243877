// Where a value comes from: a place in a spec or in C++ source, kept through every pass.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gradc {

struct Location {
  std::shared_ptr<const std::string> file;  // null: unknown
  std::uint32_t line = 0;                   // from 1
  std::uint32_t column = 0;                 // from 1; 0: the whole line
  bool gradient = false;                    // a node that autodiff made for the one at this place

  bool known() const { return file != nullptr; }
  std::string str() const;  // "lenet5.json:14:19", with "gradient of " in front where it applies
  friend bool operator==(const Location& a, const Location& b);
  friend bool operator<(const Location& a, const Location& b);
};

// A sorted set of locations; a node that stands for several has several.
using Locations = std::vector<Location>;
void unite(Locations& into, const Locations& from);
Locations gradient_of(const Locations& primal);

Location make_location(std::string file, std::uint32_t line, std::uint32_t column);

}  // namespace gradc
