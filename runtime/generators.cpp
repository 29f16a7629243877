// The generators: points in the plane that no line separates, and drawn digits.
#include "generators.h"

#include <algorithm>
#include <cmath>

namespace gradc::runtime {

namespace {

struct Options {
  std::int64_t examples = 0, classes = 0;
  std::uint64_t seed = 0;
  double noise = 0;
};

// A point of class `label`; `index` counts the points of the class, of which there are `count`.
using Point = void (*)(const Options& options, int label, std::int64_t index, std::int64_t count, Random& random,
                       double* point);

// `classes` arms of two thirds of a turn, equally spaced (as in Stanford's CS231n, "Putting it together").
void spiral(const Options& options, int label, std::int64_t index, std::int64_t count, Random& random, double* point) {
  const double radius = static_cast<double>(index) / static_cast<double>(std::max<std::int64_t>(1, count - 1));
  const double turns = static_cast<double>(label) / static_cast<double>(options.classes) +
                       radius * (4 / 6.283185307179586) + options.noise / 6.283185307179586 * random.normal();
  double sine = 0, cosine = 0;
  portable_sin_cos(turns, &sine, &cosine);
  point[0] = radius * sine;
  point[1] = radius * cosine;
}

// The four quadrants: class 0 where both signs agree.
void xor_quadrants(const Options& options, int label, std::int64_t index, std::int64_t, Random& random, double* point) {
  const double x = random.uniform(0.1, 1), y = random.uniform(0.1, 1);
  const bool left = index % 2 != 0, down = left != (label == 1);
  point[0] = (left ? -x : x) + options.noise * random.normal();
  point[1] = (down ? -y : y) + options.noise * random.normal();
}

// Rings around the origin, class k at radius (k + 1) / classes.
void rings(const Options& options, int label, std::int64_t, std::int64_t, Random& random, double* point) {
  double sine = 0, cosine = 0;
  portable_sin_cos(random.uniform(), &sine, &cosine);
  const double radius = (label + 1) / static_cast<double>(options.classes) + options.noise * random.normal();
  point[0] = radius * cosine;
  point[1] = radius * sine;
}

// Class 1 in three discs, class 0 everywhere else in [-1, 1]².
void three_modes(const Options& options, int label, std::int64_t index, std::int64_t, Random& random, double* point) {
  constexpr double kCentres[3][2] = {{-0.5, -0.4}, {0.5, -0.4}, {0, 0.5}};
  constexpr double kRadius = 0.25, kMargin = 0.05;
  while (true) {
    point[0] = random.uniform(-1, 1);
    point[1] = random.uniform(-1, 1);
    bool inside = false, near = false;
    for (int mode = 0; mode < 3; ++mode) {
      const double dx = point[0] - kCentres[mode][0], dy = point[1] - kCentres[mode][1];
      const double square = dx * dx + dy * dy;
      inside = inside || (mode == index % 3 && square < kRadius * kRadius);
      near = near || square < (kRadius + kMargin) * (kRadius + kMargin);
    }
    if (label == 1 ? inside : !near) break;
  }
  point[0] += options.noise * random.normal();
  point[1] += options.noise * random.normal();
}

// Clouds with normal deviation `noise` around points on the unit circle.
void blobs(const Options& options, int label, std::int64_t, std::int64_t, Random& random, double* point) {
  double sine = 0, cosine = 0;
  portable_sin_cos(static_cast<double>(label) / static_cast<double>(options.classes), &sine, &cosine);
  point[0] = cosine + options.noise * random.normal();
  point[1] = sine + options.noise * random.normal();
}

// Points anywhere in [-1, 1]², for labels that hold together or not at all.
void discs(const Options&, int, std::int64_t, std::int64_t, Random& random, double* point) {
  point[0] = random.uniform(-1, 1);
  point[1] = random.uniform(-1, 1);
}

// Whether the point is in each of `classes` discs of radius 0.6, whose centres lie around the origin at 0.4.
void discs_target(const Options& options, const double* point, Random&, double* target) {
  for (std::int64_t k = 0; k < options.classes; ++k) {
    double sine = 0, cosine = 0;
    portable_sin_cos(static_cast<double>(k) / static_cast<double>(options.classes), &sine, &cosine);
    const double dx = point[0] - 0.4 * sine, dy = point[1] - 0.4 * cosine;
    target[k] = dx * dx + dy * dy < 0.36 ? 1 : 0;
  }
}

// A place on one period, in [-π, π).
void sine(const Options&, int, std::int64_t, std::int64_t, Random& random, double* point) {
  point[0] = random.uniform(-0.5, 0.5) * 6.283185307179586;
}

void sine_target(const Options& options, const double* point, Random& random, double* target) {
  double cosine = 0;
  portable_sin_cos(point[0] / 6.283185307179586, target, &cosine);
  *target += options.noise * random.normal();
}

// What is learned of a point where it is no class: numbers that follow from it.
using Target = void (*)(const Options& options, const double* point, Random& random, double* target);

struct Generator {
  const char* name;
  Point point;  // null: glyphs
  std::int64_t examples, classes;
  bool any_classes;  // whether `classes` is an option
  double noise;
  std::int64_t elements = 2;  // of a point
  Target target = nullptr;    // null: the class; it has as many numbers as there are classes
};
constexpr Generator kGenerators[] = {
    {"blobs", blobs, 300, 3, true, 0.15},
    {"discs", discs, 1000, 3, true, 0, 2, discs_target},
    {"glyphs", nullptr, 6000, 10, false, 0.08, 784},
    {"rings", rings, 1000, 2, true, 0.05},
    {"sine", sine, 300, 1, false, 0, 1, sine_target},
    {"spiral", spiral, 300, 3, true, 0.2},
    {"three_modes", three_modes, 1000, 2, false, 0},
    {"xor", xor_quadrants, 1000, 2, false, 0},
};

// Streams of random numbers go by these, so that the data of a seed stays what it is: never renumber.
constexpr const char* kStreams[] = {"glyphs", "rings", "spiral", "three_modes", "xor", "blobs", "discs", "sine"};

Random random_of(const Generator& generator, const Options& options, std::int64_t example) {
  std::uint64_t stream = 0;
  while (std::string_view(kStreams[stream]) != generator.name) ++stream;
  return {options.seed, stream, static_cast<std::uint64_t>(example)};
}

const Generator& find_generator(std::string_view name) {
  std::string known;
  for (const Generator& generator : kGenerators) {
    if (generator.name == name) return generator;
    known += (known.empty() ? "" : ", ") + std::string(generator.name);
  }
  throw DataError("unknown generator `" + std::string(name) + "`; known are " + known);
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

struct Range {
  std::string_view option;
  double low, high;
  bool whole;
};
constexpr Range kRanges[] = {{"examples", 1, 100'000'000, true},
                             {"seed", 0, 0x1p53, true},
                             {"classes", 2, 1000, true},
                             {"noise", 0, 1e6, false}};

Options parse_options(const Generator& generator, std::span<const std::pair<std::string, double>> given) {
  Options options{generator.examples, generator.classes, 0, generator.noise};
  for (const auto& [name, value] : given) {
    if (const std::string wrong = wrong_generator_option(generator.name, name, value); !wrong.empty())
      throw DataError(std::string(generator.name) + ": " + wrong);
    if (name == "examples") options.examples = static_cast<std::int64_t>(value);
    if (name == "seed") options.seed = static_cast<std::uint64_t>(value);
    if (name == "classes") options.classes = static_cast<std::int64_t>(value);
    if (name == "noise") options.noise = value;
  }
  return options;
}

std::int64_t example_elements(const Array& input) {
  std::int64_t count = 1;
  for (std::size_t d = 1; d < input.shape.size(); ++d) count *= input.shape[d];
  return count;
}

// Class i mod classes for example i, so that the classes are balanced; each example from a stream of its own.
Column draw_points(const Generator& generator, const Options& options, const std::string& name) {
  const std::string origin = "generator " + std::string(generator.name);
  const bool glyphs = generator.point == nullptr;
  Column column = glyphs ? make_column(name, GRADC_U8, {28, 28}, options.examples, origin)
                         : make_column(name, GRADC_F64, {generator.elements}, options.examples, origin);
  for (std::int64_t i = 0; i < options.examples; ++i) {
    Random random = random_of(generator, options, i);
    const auto label = static_cast<int>(i % options.classes);
    const std::int64_t count = (options.examples - label + options.classes - 1) / options.classes;
    if (glyphs) {
      draw_glyph(label, options.noise, random,
                 column.values<std::uint8_t>().subspan(static_cast<std::size_t>(i) * 784).first<784>());
    } else {
      generator.point(options, label, i / options.classes, count, random,
                      column.values<double>().data() + generator.elements * i);
    }
  }
  return column;
}

// Numbers that follow from the points, drawn again.
Column draw_targets(const Generator& generator, const Options& options, const Array& input) {
  const std::string origin = "generator " + std::string(generator.name);
  if (example_elements(input) != options.classes) {
    throw DataError(origin, "input `" + input.name + "` takes neither its points, " +
                                std::to_string(generator.elements) + " elements an example, nor its targets, " +
                                std::to_string(options.classes) + ": it has " +
                                std::to_string(example_elements(input)));
  }
  Column column =
      make_column(input.name, GRADC_F64, {input.shape.begin() + 1, input.shape.end()}, options.examples, origin);
  for (std::int64_t i = 0; i < options.examples; ++i) {
    Random random = random_of(generator, options, i);
    double point[2] = {};
    generator.point(options, 0, i, options.examples, random, point);
    generator.target(options, point, random, column.values<double>().data() + i * options.classes);
  }
  return column;
}

Column draw_labels(const Generator& generator, const Options& options, const Array& input) {
  const std::string origin = "generator " + std::string(generator.name);
  const std::int64_t width = example_elements(input);
  if (width != 1 && width != options.classes) {
    throw DataError(origin, "input `" + input.name + "` takes neither its points nor a label of " +
                                std::to_string(options.classes) + " classes: an example has " + std::to_string(width) +
                                " elements");
  }
  std::vector<std::int64_t> shape(input.shape.begin() + 1, input.shape.end());
  Column column = make_column(input.name, GRADC_I32, std::move(shape), options.examples, origin);
  const auto values = column.values<std::int32_t>();
  for (std::int64_t i = 0; i < options.examples; ++i) {
    const std::int64_t label = i % options.classes;
    values[static_cast<std::size_t>(width == 1 ? i : i * width + label)] =
        width == 1 ? static_cast<std::int32_t>(label) : 1;
  }
  return column;
}

}  // namespace

std::vector<std::string> generator_names() {
  std::vector<std::string> names;
  for (const Generator& generator : kGenerators) names.emplace_back(generator.name);
  return names;
}

std::string wrong_generator_option(std::string_view generator, std::string_view option, double value) {
  std::string known;
  bool is_known = false;
  for (const auto& [name, preset] : generator_options(generator)) {
    known += (known.empty() ? "" : ", ") + name;
    is_known = is_known || name == option;
  }
  if (!is_known) return "unknown option `" + std::string(option) + "`; known are " + known;
  for (const Range& range : kRanges) {
    if (range.option != option) continue;
    if (value >= range.low && value <= range.high && (!range.whole || std::trunc(value) == value)) return "";
    return std::string(option) + " is " + number_text(value) + ", not a " + (range.whole ? "whole " : "") +
           "number from " + std::to_string(static_cast<std::int64_t>(range.low)) + " to " +
           std::to_string(static_cast<std::int64_t>(range.high));
  }
  return "";
}

std::vector<std::pair<std::string, double>> generator_options(std::string_view name) {
  const Generator& generator = find_generator(name);
  std::vector<std::pair<std::string, double>> options = {{"examples", static_cast<double>(generator.examples)}};
  if (generator.any_classes) options.emplace_back("classes", static_cast<double>(generator.classes));
  options.emplace_back("noise", generator.noise);
  options.emplace_back("seed", 0);
  return options;
}

DataSet generate(const std::string& name, std::span<const std::pair<std::string, double>> given,
                 std::span<const Array> inputs) {
  const Generator& generator = find_generator(name);
  const Options options = parse_options(generator, given);
  DataSet data;
  bool has_points = false;
  for (const Array& input : inputs) {
    if (input.shape.empty())
      throw DataError("input `" + input.name + "` has no batch axis, so no data set can feed it");
    // Labels of two classes, one-hot, look like points: points come first.
    if (!has_points && example_elements(input) == generator.elements) {
      data.add(draw_points(generator, options, input.name));
      has_points = true;
    } else if (generator.target) {
      data.add(draw_targets(generator, options, input));
    } else {
      data.add(draw_labels(generator, options, input));
    }
  }
  return data;
}

}  // namespace gradc::runtime
