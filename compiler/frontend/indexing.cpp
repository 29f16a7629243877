// An index as ops: one slice for integers and ranges, a reversal for negative steps, a gather for each value, and a
// reshape that drops and adds dimensions.
#include "compiler/frontend/indexing.h"

#include <algorithm>

namespace gradc {

namespace {

using Item = IndexItem;

class Indexing {
 public:
  Indexing(ModelBuilder& model, Value* x, std::span<const Item> items, const Location& at)
      : model_(model), x_(x), items_(items), at_(at) {}

  Value* build() {
    assign();
    check_values();
    const std::size_t rank = x_->type.rank();
    IntList starts(rank, 0), limits(rank, INT64_MAX), strides(rank, 1), reversed;
    for (std::size_t d = 0; d < rank; ++d) cut(d, starts[d], limits[d], strides[d], reversed);
    Value* result = x_;
    if (cuts_)
      result = model_.apply("slice", {result}, {{"start", starts}, {"limit", limits}, {"stride", strides}}, at_);
    if (!reversed.empty()) result = model_.apply("reverse", {result}, {{"axis", reversed}}, at_);
    Shape shape = final_shape(result->type.shape);
    for (std::size_t d = rank; d-- > 0;)
      if (const Item* item = item_of_[d]; item && item->kind == Item::Kind::value)
        result = model_.apply("gather", {result, item->value}, {{"axis", static_cast<std::int64_t>(d)}}, at_);
    return shape == result->type.shape ? result : model_.apply("reshape", {result}, {{"shape", shape}}, at_);
  }

 private:
  static bool takes_dimension(const Item& item) {
    return item.kind != Item::Kind::ellipsis && item.kind != Item::Kind::new_axis;
  }

  // Which item each dimension has; null: all of it. `order_` is the result: dimensions of x, -1 for a new one.
  void assign() {
    const std::size_t rank = x_->type.rank();
    const auto taken = static_cast<std::size_t>(std::count_if(items_.begin(), items_.end(), takes_dimension));
    if (taken > rank) {
      std::size_t left = rank;
      for (const Item& item : items_)
        if (takes_dimension(item) && left-- == 0)
          throw UserError(item.location, x_->type.str() + " has " + std::to_string(rank) +
                                             " dimensions, the index is for " + std::to_string(taken));
    }
    item_of_.assign(rank, nullptr);
    std::size_t dimension = 0;
    bool dots = false;
    auto rest = [&](std::size_t until) {
      for (; dimension < until; ++dimension) order_.push_back(static_cast<std::int64_t>(dimension));
    };
    for (const Item& item : items_) {
      if (item.kind == Item::Kind::new_axis) {
        order_.push_back(-1);
      } else if (item.kind == Item::Kind::ellipsis) {
        if (dots) throw UserError(item.location, "an index can have one `...`");
        dots = true;
        rest(dimension + rank - taken);
      } else {
        item_of_[dimension] = &item;
        rest(dimension + 1);
      }
    }
    rest(rank);
  }

  void check_values() const {
    const Item* array = nullptr;
    std::size_t first = items_.size(), last = 0, advanced = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const Item& item = items_[i];
      if (item.kind != Item::Kind::value && item.kind != Item::Kind::integer) continue;
      first = std::min(first, i), last = i, ++advanced;
      if (item.kind != Item::Kind::value) continue;
      const Type& type = item.value->type;
      if (type.dtype == DType::boolean)
        throw UserError(item.location, "an index can't be " + type.str() +
                                           ", since the result's size would depend on it; use `select`");
      if (!is_integer(type.dtype)) throw UserError(item.location, "an index must be an integer, got " + type.str());
      if (type.rank() == 0) continue;
      if (array)
        throw UserError(item.location, "an index can have one array, this has " + array->value->type.str() + " and " +
                                           type.str() + "; index in two steps, or use `take_along_axis`");
      array = &item;
    }
    if (array && last - first + 1 != advanced)
      throw UserError(array->location, "an array and a number of an index must stand side by side; index in two steps");
  }

  void cut(std::size_t d, std::int64_t& start, std::int64_t& limit, std::int64_t& stride, IntList& reversed) {
    const Item* item = item_of_[d];
    if (!item || item->kind == Item::Kind::value) return;
    const Dim& dim = x_->type.shape[d];
    bool range = item->kind == Item::Kind::range;
    if (range && item->step == 0) throw UserError(item->location, "the step of an index must not be 0");
    if (range && !item->start && !item->stop && std::abs(item->step) == 1) {
      if (item->step < 0) reversed.push_back(static_cast<std::int64_t>(d));
      return;
    }
    const std::string where = "dimension " + std::to_string(d) + " of " + x_->type.str();
    cuts_ = true;
    if (!dim.is_static()) {
      if (range) throw UserError(item->location, "can't cut a range out of " + where + ", since its size is open");
      start = item->number;
      limit = start == -1 ? INT64_MAX : start + 1;
      return;
    }
    const std::int64_t size = dim.factor;
    if (!range) {
      if (item->number < -size || item->number >= size)
        throw UserError(item->location, "index " + std::to_string(item->number) + " is outside " + where);
      start = item->number < 0 ? item->number + size : item->number;
      limit = start + 1;
      return;
    }
    cut_range(*item, size, start, limit, stride);
    if (item->step < 0) reversed.push_back(static_cast<std::int64_t>(d));
  }

  // Python's rule: bounds count from the end where negative, and are moved inside. A negative step runs down from
  // start to above stop; its elements, in rising order, are start - (count - 1) · |step|, …, start.
  static void cut_range(const Item& item, std::int64_t size, std::int64_t& start, std::int64_t& limit,
                        std::int64_t& stride) {
    const bool down = item.step < 0;
    auto inside = [&](std::int64_t bound) {
      std::int64_t at = bound < 0 ? (bound < -size ? -1 : bound + size) : bound;
      return down ? std::clamp<std::int64_t>(at, -1, size - 1) : std::clamp<std::int64_t>(at, 0, size);
    };
    std::int64_t first = item.start ? inside(*item.start) : down ? size - 1 : 0;
    std::int64_t end = item.stop ? inside(*item.stop) : down ? -1 : size;
    std::int64_t distance = down ? first - end : end - first;
    stride = item.step == INT64_MIN ? INT64_MAX : std::abs(item.step);
    if (distance <= 0) {
      start = limit = 0;
      stride = 1;
      return;
    }
    std::int64_t covered = (distance - 1) / stride * stride + 1;  // from the first element to the last
    start = down ? first - covered + 1 : first;
    limit = start + covered;
    stride = std::min(stride, std::max<std::int64_t>(size, 1));
  }

  Shape final_shape(const Shape& cut) const {
    Shape shape;
    for (std::int64_t d : order_) {
      const Item* item = d < 0 ? nullptr : item_of_[static_cast<std::size_t>(d)];
      if (d < 0)
        shape.push_back(Dim(1));
      else if (item && item->kind == Item::Kind::value)
        shape.insert(shape.end(), item->value->type.shape.begin(), item->value->type.shape.end());
      else if (!item || item->kind != Item::Kind::integer)
        shape.push_back(cut[static_cast<std::size_t>(d)]);
    }
    return shape;
  }

  ModelBuilder& model_;
  Value* x_;
  std::span<const Item> items_;
  const Location& at_;
  std::vector<const Item*> item_of_;
  std::vector<std::int64_t> order_;
  bool cuts_ = false;
};

}  // namespace

Value* index_value(ModelBuilder& model, Value* x, std::span<const IndexItem> items, const Location& at) {
  return Indexing(model, x, items, at).build();
}

}  // namespace gradc
