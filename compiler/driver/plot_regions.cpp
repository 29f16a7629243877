// Decision regions of a classifier of points in the plane, with the data on them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/driver/plot.h"
#include "compiler/driver/svg.h"
#include "gradc/image.h"

namespace gradc::driver {

namespace {

constexpr std::int64_t kSide = 800;  // pixels of the regions; twice those of the picture, which is smoother
constexpr std::int64_t kMostPoints = 1500;

struct Point {
  double x = 0, y = 0;
  std::int64_t label = -1;  // -1: unknown
};

struct Window {
  double left = -1.25, right = 1.25, bottom = -1.25, top = 1.25;
};

std::int64_t elements_of(const runtime::Array& array) {
  std::int64_t count = 1;
  for (std::size_t d = 1; d < array.shape.size(); ++d) count *= array.shape[d];
  return count;
}

double value_at(const runtime::Column& column, std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  if (column.dtype == GRADC_F32) return column.values<float>()[i];
  if (column.dtype == GRADC_F64) return column.values<double>()[i];
  if (column.dtype == GRADC_I32) return column.values<std::int32_t>()[i];
  if (column.dtype == GRADC_I64) return static_cast<double>(column.values<std::int64_t>()[i]);
  if (column.dtype == GRADC_U32) return column.values<std::uint32_t>()[i];
  return column.values<std::uint8_t>()[i];
}

// The one input of `predict`, two floats an example.
runtime::Array plane_input(const ModelGraph& model) {
  const std::vector<runtime::Array> inputs = data_inputs(model, "predict", 1);
  std::string list;
  for (const runtime::Array& input : inputs)
    list += (list.empty() ? "`" : ", `") + input.name + "` " + runtime::str(input.dtype, input.shape);
  const bool fits = inputs.size() == 1 && elements_of(inputs[0]) == 2 &&
                    (inputs[0].dtype == GRADC_F32 || inputs[0].dtype == GRADC_F64);
  if (!fits)
    throw UserError(Location(),
                    "regions need a model of points in the plane: one float input with two elements an "
                    "example; the program `predict` takes " +
                        list);
  return inputs[0];
}

// The training program's inputs hold the label: a whole number an example, or numbers of which the greatest counts.
std::vector<Point> read_points(const ModelGraph& model, const RegionsRequest& request, const runtime::Array& plane) {
  const bool test = request.split == "test";
  if (request.split == "none" || !(test ? model.data.test : model.data.train)) return {};
  const std::string program = chosen_program(model, "");
  const std::vector<runtime::Array> inputs = data_inputs(model, program, 1);
  const DataPlace place = request.data.place(request.spec);
  const runtime::DataSet data = runtime::conform(
      test ? load_split(*model.data.test, place, inputs) : load_training(model, place, inputs, inputs).train, inputs);
  const runtime::Column *at = data.find(plane.name), *label = nullptr;
  for (const runtime::Column& column : data.columns)
    if (column.name != plane.name && !label) label = &column;
  std::vector<Point> points;
  if (!at) return points;
  for (std::int64_t i = 0; i < std::min(data.examples, kMostPoints); ++i) {
    Point point{value_at(*at, 2 * i), value_at(*at, 2 * i + 1), -1};
    const std::int64_t width = label ? label->row_elements() : 0;
    if (width == 1) point.label = static_cast<std::int64_t>(std::max(0.0, value_at(*label, i)));
    for (std::int64_t k = 0; width > 1 && k < width; ++k)
      if (point.label < 0 || value_at(*label, i * width + k) > value_at(*label, i * width + point.label))
        point.label = k;
    points.push_back(point);
  }
  return points;
}

// Around the points, with a margin, the same length both ways.
Window window_around(const std::vector<Point>& points) {
  if (points.empty()) return {};
  double low[2] = {points[0].x, points[0].y}, high[2] = {points[0].x, points[0].y};
  for (const Point& point : points) {
    low[0] = std::min(low[0], point.x), high[0] = std::max(high[0], point.x);
    low[1] = std::min(low[1], point.y), high[1] = std::max(high[1], point.y);
  }
  const double half = std::max({high[0] - low[0], high[1] - low[1], 1e-6}) * 0.55;
  const double x = (low[0] + high[0]) / 2, y = (low[1] + high[1]) / 2;
  return {x - half, x + half, y - half, y + half};
}

runtime::DataSet mesh(const runtime::Array& plane, const Window& window) {
  runtime::Column column =
      runtime::make_column(plane.name, GRADC_F64, {plane.shape.begin() + 1, plane.shape.end()}, kSide * kSide, "mesh");
  const auto values = column.values<double>();
  std::size_t i = 0;
  for (std::int64_t row = 0; row < kSide; ++row)
    for (std::int64_t c = 0; c < kSide; ++c) {
      values[i++] = window.left + (window.right - window.left) * (static_cast<double>(c) + 0.5) / kSide;
      values[i++] = window.top - (window.top - window.bottom) * (static_cast<double>(row) + 0.5) / kSide;
    }
  runtime::DataSet data;
  data.add(std::move(column));
  return data;
}

void blend(std::string_view color, double share, std::uint8_t* pixel) {
  const unsigned long rgb = std::stoul(std::string(color.substr(1)), nullptr, 16);
  for (int c = 0; c < 3; ++c) {
    const auto full = static_cast<double>(rgb >> (16 - 8 * c) & 255);
    pixel[c] = static_cast<std::uint8_t>(std::lround(255 + (full - 255) * share));
  }
}

// The class of each place, deeper in color where the two best probabilities are further apart.
runtime::Image paint(const runtime::Column& scores, double threshold) {
  const std::int64_t classes = scores.row_elements(), places = kSide * kSide;
  double low = 0, high = 1;
  for (std::int64_t i = 0; i < places * classes; ++i) {
    low = std::min(low, value_at(scores, i));
    high = std::max(high, value_at(scores, i));
  }
  const bool probabilities = low >= 0 && high <= 1;
  runtime::Image image(kSide, kSide, 3);
  for (std::int64_t i = 0; i < places; ++i) {
    std::int64_t best = 0;
    double sure = 0.5;
    if (classes == 1) {
      best = value_at(scores, i) > threshold ? 1 : 0;
      if (probabilities && threshold == 0.5) sure = std::abs(2 * value_at(scores, i) - 1);
    } else {
      double first = -std::numeric_limits<double>::infinity(), second = first;
      for (std::int64_t k = 0; k < classes; ++k) {
        const double score = value_at(scores, i * classes + k);
        if (score > first) {
          second = first, first = score, best = k;
        } else {
          second = std::max(second, score);
        }
      }
      if (probabilities) sure = first - second;
    }
    blend(color_of(static_cast<std::size_t>(best)), 0.14 + 0.26 * sure, &image.pixels[static_cast<std::size_t>(3 * i)]);
  }
  return image;
}

runtime::Column scores_of(const runtime::DataSet& results, const std::string& wanted) {
  std::vector<std::string> names;
  for (const runtime::Column& column : results.columns) names.push_back(column.name);
  const runtime::Column* found = wanted.empty() ? nullptr : results.find(wanted);
  if (!wanted.empty() && !found)
    throw UserError(Location(),
                    "--output " + wanted + ": the model has no such output" + suggest_or_list(wanted, names));
  if (!found && !results.columns.empty()) found = results.columns.data();
  if (!found) throw UserError(Location(), "the model has no output with a value for each example");
  if (found->dtype != GRADC_F32 && found->dtype != GRADC_F64)
    throw UserError(Location(),
                    "the output `" + found->name + "` is " + found->type() + "; regions need floats: a score a class");
  runtime::Column copy = runtime::make_column(found->name, found->dtype, found->shape, found->examples, found->origin);
  std::copy_n(found->data.data(), found->data.bytes(), copy.data.data());
  return copy;
}

}  // namespace

std::string plot_regions(ModelGraph& model, const RegionsRequest& request) {
  if (!model.module->function("predict")) throw UserError(Location(), "the model has no outputs to draw");
  const runtime::Array plane = plane_input(model);
  const std::vector<Point> points = read_points(model, request, plane);
  const Window window = window_around(points);
  ModelCompiler compiler(model, request.compile.options());
  const runtime::Provide provide = provider(compiler);
  const runtime::DataSet data = mesh(plane, window);
  runtime::Block state = state_from(provide, compiler.state(), request.weights, data);
  runtime::ThreadPool pool(request.data.threads);
  const std::int64_t batch = request.compile.batch ? request.compile.batch : 1600;
  const runtime::Column scores =
      scores_of(runtime::predict(provide, "predict", state.data(), data, {}, batch, &pool), request.output);
  const runtime::Bytes png = runtime::png_of(paint(scores, request.threshold));
  std::int64_t classes = std::max<std::int64_t>(2, scores.row_elements());
  for (const Point& point : points) classes = std::max(classes, point.label + 1);
  Figure figure(Scale(window.left, window.right, Scale::Kind::exact),
                Scale(window.bottom, window.top, Scale::Kind::exact), kSide / 2.0, kSide / 2.0);
  figure.background_png({reinterpret_cast<const char*>(png.data()), png.size()});
  const double radius = points.size() > 600 ? 2.2 : 3;
  for (const Point& point : points)
    figure.dot(point.x, point.y, radius, point.label < 0 ? "#333" : color_of(static_cast<std::size_t>(point.label)),
               "white");
  std::vector<LegendEntry> legend;
  for (std::int64_t k = 0; k < std::min<std::int64_t>(classes, 20); ++k)
    legend.push_back({"class " + std::to_string(k), std::string(color_of(static_cast<std::size_t>(k))), "", true});
  return figure.str(plane.name + "[0]", plane.name + "[1]", legend);
}

}  // namespace gradc::driver
