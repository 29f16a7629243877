// Draws digits: what LeNet-5 learns where no data set is at hand.
#include <algorithm>
#include <array>
#include <cmath>

#include "generators.h"

namespace gradc::runtime {

namespace {

constexpr int kSide = 28;

// A piece of a digit in the unit square, y down: part of an ellipse, or a line where both radii are zero.
struct Stroke {
  double x, y;        // ellipse: centre; line: from
  double rx, ry;      // ellipse: radii
  double begin, end;  // ellipse: turns, clockwise from the right; line: to
};
constexpr Stroke line(double x0, double y0, double x1, double y1) { return {x0, y0, 0, 0, x1, y1}; }

constexpr std::size_t kMostStrokes = 3;
struct Glyph {
  std::array<Stroke, kMostStrokes> strokes;
  std::size_t count;
};
constexpr Glyph kGlyphs[] = {
    {{{{0.5, 0.5, 0.32, 0.47, 0, 1}}}, 1},                                                                     // 0
    {{{line(0.34, 0.22, 0.55, 0.03), line(0.55, 0.03, 0.55, 0.97)}}, 2},                                       // 1
    {{{{0.5, 0.29, 0.3, 0.26, 0.52, 1.1}, line(0.74, 0.44, 0.2, 0.96), line(0.2, 0.96, 0.83, 0.96)}}, 3},      // 2
    {{{{0.46, 0.27, 0.3, 0.24, 0.55, 1.25}, {0.46, 0.74, 0.33, 0.23, 0.75, 1.45}}}, 2},                        // 3
    {{{line(0.66, 0.97, 0.66, 0.03), line(0.66, 0.03, 0.15, 0.68), line(0.15, 0.68, 0.88, 0.68)}}, 3},         // 4
    {{{line(0.8, 0.05, 0.28, 0.05), line(0.28, 0.05, 0.25, 0.47), {0.48, 0.67, 0.32, 0.29, 0.61, 1.42}}}, 3},  // 5
    {{{{0.78, 0.68, 0.58, 0.65, 0.5, 0.72}, {0.5, 0.7, 0.3, 0.27, 0, 1}}}, 2},                                 // 6
    {{{line(0.15, 0.05, 0.85, 0.05), line(0.85, 0.05, 0.4, 0.97), line(0.36, 0.52, 0.76, 0.52)}}, 3},          // 7
    {{{{0.5, 0.27, 0.25, 0.23, 0, 1}, {0.5, 0.73, 0.31, 0.24, 0, 1}}}, 2},                                     // 8
    {{{{0.5, 0.3, 0.3, 0.26, 0, 1}, {0.24, 0.32, 0.56, 0.65, 0.0, 0.2}}}, 2},                                  // 9
};

// Unit square → pixels: scale, shear, rotation, shift, and a wave along each axis.
struct Map {
  double a, b, c, d, x, y;
  double wave, phase;

  void operator()(double u, double v, double* px, double* py) const {
    double bend_u = 0, bend_v = 0, unused = 0;
    portable_sin_cos(0.8 * v + phase, &bend_u, &unused);
    portable_sin_cos(0.8 * u + 2 * phase, &bend_v, &unused);
    const double s = u - 0.5 + wave * bend_u, t = v - 0.5 + wave * bend_v;
    *px = a * s + b * t + x;
    *py = c * s + d * t + y;
  }
};

Map random_map(Random& random) {
  const double width = random.uniform(12, 20), height = random.uniform(15, 22);
  const double shear = random.uniform(-0.3, 0.3);
  double sine = 0, cosine = 0;
  portable_sin_cos(random.uniform(-0.05, 0.05), &sine, &cosine);
  Map map{};
  map.a = cosine * width;
  map.c = sine * width;
  map.b = cosine * shear * width - sine * height;
  map.d = sine * shear * width + cosine * height;
  map.x = random.uniform(11.5, 15.5);
  map.y = random.uniform(11.5, 15.5);
  map.wave = random.uniform(0, 0.06);
  map.phase = random.uniform();
  return map;
}

struct Canvas {
  std::array<double, kSide * kSide> ink{};
  double half_width = 1;

  // A segment with round ends, its rim one pixel soft.
  void segment(double x0, double y0, double x1, double y1) {
    const double reach = half_width + 1;
    const auto low = [&](double v) { return std::clamp(static_cast<int>(std::floor(v - reach)), 0, kSide); };
    const auto high = [&](double v) { return std::clamp(static_cast<int>(std::ceil(v + reach)) + 1, 0, kSide); };
    const double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
    for (int y = low(std::min(y0, y1)); y < high(std::max(y0, y1)); ++y) {
      for (int x = low(std::min(x0, x1)); x < high(std::max(x0, x1)); ++x) {
        const double along = square > 0 ? std::clamp(((x - x0) * dx + (y - y0) * dy) / square, 0.0, 1.0) : 0.0;
        const double ex = x - x0 - along * dx, ey = y - y0 - along * dy;
        const double cover = std::clamp(half_width + 0.5 - std::sqrt(ex * ex + ey * ey), 0.0, 1.0);
        double& pixel = ink[static_cast<std::size_t>(y * kSide + x)];
        pixel = std::max(pixel, cover);
      }
    }
  }

  void stroke(const Stroke& stroke, const Map& map) {
    const bool is_line = stroke.rx == 0;
    const int parts = is_line ? 4 : 3 + static_cast<int>(14 * (stroke.end - stroke.begin));
    double last_x = 0, last_y = 0;
    for (int i = 0; i <= parts; ++i) {
      const double t = static_cast<double>(i) / parts;
      double u = 0, v = 0;
      if (is_line) {
        u = stroke.x + t * (stroke.begin - stroke.x);
        v = stroke.y + t * (stroke.end - stroke.y);
      } else {
        double sine = 0, cosine = 0;
        portable_sin_cos(stroke.begin + t * (stroke.end - stroke.begin), &sine, &cosine);
        u = stroke.x + stroke.rx * cosine;
        v = stroke.y + stroke.ry * sine;
      }
      double x = 0, y = 0;
      map(u, v, &x, &y);
      if (i > 0) segment(last_x, last_y, x, y);
      last_x = x;
      last_y = y;
    }
  }
};

}  // namespace

void draw_glyph(int digit, double noise, Random& random, std::span<std::uint8_t, 784> pixels) {
  Canvas canvas;
  const Map map = random_map(random);
  canvas.half_width = random.uniform(0.5, 1.6);
  const double brightness = random.uniform(0.7, 1);
  const Glyph& glyph = kGlyphs[digit];
  // Every other seven has its bar.
  const std::size_t strokes = glyph.count - (digit == 7 && random.uniform() < 0.5 ? 1 : 0);
  for (std::size_t i = 0; i < strokes; ++i) {
    Stroke stroke = glyph.strokes[i];
    // Lines meet at shared points, so only ellipses move by themselves.
    if (stroke.rx != 0) {
      stroke.x += random.uniform(-0.03, 0.03);
      stroke.y += random.uniform(-0.03, 0.03);
    }
    canvas.stroke(stroke, map);
  }
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    // Irwin and Hall: the sum of four 16-bit parts of one draw, scaled to deviation 1.
    const std::uint64_t bits = random.bits();
    const auto sum =
        static_cast<double>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    const double normal = (sum / 65536 - 2) * 1.7320508075688772;
    const double value = canvas.ink[i] * brightness + noise * normal;
    pixels[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 1.0) * 255 + 0.5);
  }
}

}  // namespace gradc::runtime
