// Pictures with axes as SVG text: what `gradc plot` draws curves and regions with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gradc::driver {

// Colours that are told apart by most eyes (after Observable 10), for runs and classes.
std::string_view color_of(std::size_t index);

// The range of an axis, its ticks, and where values lie between 0 and 1.
class Scale {
 public:
  enum class Kind : std::uint8_t { widened, exact, whole_numbers, logarithmic };  // widened: to round numbers
  // A logarithmic one needs low > 0.
  Scale(double low, double high, Kind kind);
  double place(double value) const;  // in [0, 1] within the range
  double low() const { return low_; }
  double high() const { return high_; }
  const std::vector<double>& ticks() const { return ticks_; }
  std::string label(double tick) const;

 private:
  void place_linear_ticks(Kind kind);
  void place_log_ticks();
  double low_, high_, step_ = 1;
  bool log_;
  std::vector<double> ticks_;
};

struct LegendEntry {
  std::string text, color, dash;
  bool dot = false;  // a point instead of a line
};

// A frame with grid, ticks, labels and legend; shapes are placed in the scales' units.
class Figure {
 public:
  Figure(Scale x, Scale y, double width, double height);  // of the framed area, in pixels

  void line(const std::vector<std::pair<double, double>>& points, std::string_view color, std::string_view dash);
  void dot(double x, double y, double radius, std::string_view color, std::string_view rim);
  void background_png(std::string_view png);  // over the whole framed area
  std::string str(const std::string& x_label, const std::string& y_label, const std::vector<LegendEntry>& legend) const;

 private:
  double px(double x) const;
  double py(double y) const;
  std::string axes(const std::string& x_label, const std::string& y_label) const;
  std::string legend_text(const std::vector<LegendEntry>& legend) const;
  Scale x_, y_;
  double width_, height_;
  std::string background_, shapes_;
};

std::string base64(std::string_view bytes);

}  // namespace gradc::driver
