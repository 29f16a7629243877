// Reading elements by NumPy's indices: x[0, 1:-1, ..., None].
#pragma once

#include <optional>
#include <span>

#include "compiler/frontend/model_builder.h"

namespace gradc {

struct IndexItem {
  enum class Kind : std::uint8_t {
    integer,   // one element; the dimension goes
    value,     // of the graph: `gather`, the dimension becomes those of the index
    range,     // start:stop:step
    ellipsis,  // all dimensions that no other item takes
    new_axis,  // a dimension of size 1
  };
  Kind kind = Kind::range;
  std::int64_t number = 0;
  Value* value = nullptr;
  std::optional<std::int64_t> start, stop;
  std::int64_t step = 1;
  Location location;
};

// A UserError at the item's place where it does not fit.
Value* index_value(ModelBuilder& model, Value* x, std::span<const IndexItem> items, const Location& at);

}  // namespace gradc
