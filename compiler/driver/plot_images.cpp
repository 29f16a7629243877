// Grids of images: filters, templates, feature maps, samples.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/driver/plot.h"
#include "gradc/image.h"

namespace gradc::driver {

namespace {

constexpr std::int64_t kMostPixels = 1 << 26;
constexpr std::int64_t kWanted = 900;  // pixels of the whole picture's width that zoom and columns aim at

// Tiles one after the other, each [channels, height, width].
struct Tiles {
  std::int64_t count = 0, channels = 1, height = 0, width = 0;
  std::int64_t columns = 0;  // 0: any
  std::vector<double> values;
  bool bytes = false;  // 0 to 255
};

std::vector<double> values_of(const runtime::Column& array) {
  std::vector<double> values(static_cast<std::size_t>(array.elements()));
  const auto copy = [&](auto from) { std::copy(from.begin(), from.end(), values.begin()); };
  switch (array.dtype) {
    case GRADC_F32:
      copy(array.values<float>());
      break;
    case GRADC_F64:
      copy(array.values<double>());
      break;
    case GRADC_I32:
      copy(array.values<std::int32_t>());
      break;
    case GRADC_I64:
      copy(array.values<std::int64_t>());
      break;
    case GRADC_U32:
      copy(array.values<std::uint32_t>());
      break;
    default:
      copy(array.values<std::uint8_t>());
  }
  return values;
}

// "28x28", "3x32x32"
std::vector<std::int64_t> parse_shape(const std::string& text) {
  std::vector<std::int64_t> shape;
  std::size_t at = 0;
  while (at < text.size() && shape.size() < 3) {
    std::size_t used = 0;
    const std::string rest = text.substr(at);
    if (rest[0] < '0' || rest[0] > '9') break;
    const unsigned long long size = std::stoull(rest.substr(0, std::min<std::size_t>(rest.size(), 9)), &used);
    shape.push_back(static_cast<std::int64_t>(size));
    at += used;
    if (at < text.size() && text[at] == 'x' && at + 1 < text.size()) ++at;
  }
  const bool good = at == text.size() && shape.size() >= 2 && std::count(shape.begin(), shape.end(), 0) == 0 &&
                    (shape.size() == 2 || shape[0] == 1 || shape[0] == 3);
  if (!good)
    throw UserError(Location(), "--shape " + text + ": expected height and width as 28x28, or 3x32x32 for colors");
  if (shape.size() == 2) shape.insert(shape.begin(), 1);
  return shape;
}

[[noreturn]] void no_image(const runtime::Column& array) {
  std::vector<std::int64_t> shape = array.shape;
  shape.insert(shape.begin(), array.examples);
  throw UserError(Location(), "`" + array.name + "` is " + runtime::str(array.dtype, shape) +
                                  ": no images follow from this shape; give one, as in --shape 28x28");
}

// A row of numbers that is a square image, grey or in colors.
bool square(std::int64_t count, Tiles& tiles) {
  for (const std::int64_t channels : {1, 3}) {
    const std::int64_t area = count / channels;
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(area))));
    if (side < 2 || channels * side * side != count) continue;
    tiles.channels = channels;
    tiles.height = tiles.width = side;
    return true;
  }
  return false;
}

// [N, D] with D a square, [N, H, W], [N, 1 or 3, H, W]; else [N, C, H, W] as N rows of C grey tiles.
Tiles tiles_of(const runtime::Column& array, const GridRequest& request) {
  Tiles tiles;
  tiles.count = array.examples;
  tiles.bytes = array.dtype == GRADC_U8;
  const std::vector<std::int64_t>& shape = array.shape;
  if (!request.shape.empty()) {
    const std::vector<std::int64_t> tile = parse_shape(request.shape);
    tiles.channels = tile[0], tiles.height = tile[1], tiles.width = tile[2];
    const std::int64_t each = tile[0] * tile[1] * tile[2];
    if (array.elements() % each != 0)
      throw UserError(Location(), "--shape " + request.shape + ": `" + array.name + "` has " +
                                      std::to_string(array.elements()) + " elements, no multiple of " +
                                      std::to_string(each));
    tiles.count = array.elements() / each;
  } else if (shape.size() == 1) {
    if (!square(shape[0], tiles)) no_image(array);
  } else if (shape.size() == 2) {
    tiles.height = shape[0], tiles.width = shape[1];
  } else if (shape.size() == 3) {
    tiles.height = shape[1], tiles.width = shape[2];
    tiles.channels = shape[0] == 3 ? 3 : 1;
    if (shape[0] != 3 && shape[0] != 1) {
      tiles.count *= shape[0];
      if (array.examples > 1) tiles.columns = shape[0];
    }
  } else {
    no_image(array);
  }
  if (tiles.count == 0 || tiles.height == 0 || tiles.width == 0) no_image(array);
  tiles.values = values_of(array);
  return tiles;
}

// What becomes black and what white.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;

  void add(std::span<const double> values) {
    for (const double value : values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  std::uint8_t level(double value) const {
    if (std::isnan(value)) return 0;
    if (!(high > low)) return 128;
    return static_cast<std::uint8_t>(std::lround(std::clamp((value - low) / (high - low), 0.0, 1.0) * 255));
  }
};

std::span<const double> tile_at(const Tiles& tiles, std::int64_t index) {
  const auto each = static_cast<std::size_t>(tiles.channels * tiles.height * tiles.width);
  return std::span(tiles.values).subspan(static_cast<std::size_t>(index) * each, each);
}

// auto: numbers that all lie in [0, 1] (or bytes) are shown as they are, others tile by tile.
std::vector<Range> ranges_of(const Tiles& tiles, const std::string& scale) {
  Range all;
  all.add(tiles.values);
  const bool unit = all.low >= 0 && all.high <= 1;
  std::vector<Range> ranges(static_cast<std::size_t>(tiles.count), all);
  if (scale == "all") return ranges;
  if (scale == "auto" && (tiles.bytes || unit)) {
    std::fill(ranges.begin(), ranges.end(), Range{0, tiles.bytes ? 255.0 : 1.0});
    return ranges;
  }
  for (std::int64_t i = 0; i < tiles.count; ++i) {
    Range own;
    own.add(tile_at(tiles, i));
    ranges[static_cast<std::size_t>(i)] = own;
  }
  return ranges;
}

struct Layout {
  std::int64_t columns = 1, rows = 1, zoom = 1;
  std::int64_t gap() const { return 2 + zoom / 4; }  // pixels between tiles, seen beside large pixels too
};

Layout layout_of(const Tiles& tiles, const GridRequest& request) {
  Layout layout;
  layout.columns = request.columns ? request.columns : tiles.columns;
  if (layout.columns == 0) {
    // As wide as high or wider, in columns of a round number where there are many.
    const double ratio = static_cast<double>(tiles.height) / static_cast<double>(tiles.width);
    layout.columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(tiles.count) * ratio * 1.2)));
    if (tiles.count % 10 == 0 && layout.columns > 5 && layout.columns < 20) layout.columns = 10;
    if (tiles.count <= 12)
      layout.columns = std::min<std::int64_t>(tiles.count, std::max<std::int64_t>(layout.columns, 5));
  }
  layout.columns = std::clamp<std::int64_t>(layout.columns, 1, tiles.count);
  layout.rows = (tiles.count + layout.columns - 1) / layout.columns;
  layout.zoom = request.zoom
                    ? request.zoom
                    : std::clamp<std::int64_t>(kWanted / (layout.columns * std::max(tiles.width, tiles.height)), 1,
                                               std::max<std::int64_t>(1, 96 / std::max(tiles.width, tiles.height)));
  return layout;
}

}  // namespace

std::string grid_png(const runtime::Column& array, const GridRequest& request) {
  const Tiles tiles = tiles_of(array, request);
  const std::vector<Range> ranges = ranges_of(tiles, request.scale);
  const Layout layout = layout_of(tiles, request);
  const std::int64_t gap = layout.gap();
  const std::int64_t wide = tiles.width * layout.zoom + gap, high = tiles.height * layout.zoom + gap;
  if (layout.columns > kMostPixels / wide || layout.rows > kMostPixels / high ||
      layout.columns * wide + gap > kMostPixels / (layout.rows * high + gap))
    throw UserError(Location(), "a picture of " + std::to_string(layout.columns) + " times " +
                                    std::to_string(layout.rows) + " tiles of " + std::to_string(wide) + "x" +
                                    std::to_string(high) + " pixels is too large; choose fewer, or a smaller --zoom");
  runtime::Image image(layout.columns * wide + gap, layout.rows * high + gap, tiles.channels, 255);
  for (std::int64_t i = 0; i < tiles.count; ++i) {
    const std::span<const double> tile = tile_at(tiles, i);
    const std::int64_t left = gap + i % layout.columns * wide, top = gap + i / layout.columns * high;
    for (std::int64_t y = 0; y < tiles.height * layout.zoom; ++y)
      for (std::int64_t x = 0; x < tiles.width * layout.zoom; ++x)
        for (std::int64_t c = 0; c < tiles.channels; ++c) {
          const std::int64_t at = (c * tiles.height + y / layout.zoom) * tiles.width + x / layout.zoom;
          image.at(left + x, top + y, c) =
              ranges[static_cast<std::size_t>(i)].level(tile[static_cast<std::size_t>(at)]);
        }
  }
  const runtime::Bytes png = runtime::png_of(image);
  return {reinterpret_cast<const char*>(png.data()), png.size()};
}

}  // namespace gradc::driver
