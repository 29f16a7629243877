// Axes, lines, points and legends as SVG.
#include "compiler/driver/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace gradc::driver {

namespace {

constexpr double kLeft = 76, kTop = 22, kBottom = 56, kRight = 24;  // margins around the frame
constexpr double kTextWidth = 6.9;                                  // of a character of 12 pixels, on average

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  std::string result = text;
  while (result.back() == '0') result.pop_back();
  if (result.back() == '.') result.pop_back();
  return result == "-0" ? "0" : result;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '&') {
      result += "&amp;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      result += c;
    }
  }
  return result;
}

// Words of an element's attributes: attribute("x", 3) is ` x="3"`.
std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + escaped(value) + "\"";
}
std::string attribute(std::string_view name, double value) { return attribute(name, number(value)); }

std::string text_at(double x, double y, std::string_view anchor, const std::string& text) {
  return "<text" + attribute("x", x) + attribute("y", y) + attribute("text-anchor", anchor) + ">" + escaped(text) +
         "</text>\n";
}

std::string stroke(double x0, double y0, double x1, double y1, std::string_view color, double width) {
  return "<line" + attribute("x1", x0) + attribute("y1", y0) + attribute("x2", x1) + attribute("y2", y1) +
         attribute("stroke", color) + attribute("stroke-width", width) + "/>\n";
}

}  // namespace

std::string_view color_of(std::size_t index) {
  constexpr std::array<std::string_view, 10> kColors = {"#4269d0", "#e8590c", "#2f9e44", "#a463f2", "#d6336c",
                                                        "#0c8599", "#e0a100", "#9c6b4e", "#5c636a", "#74a9ff"};
  return kColors[index % kColors.size()];
}

Scale::Scale(double low, double high, Kind kind) : low_(low), high_(high), log_(kind == Kind::logarithmic) {
  if (log_) {
    place_log_ticks();
    return;
  }
  if (!(high_ > low_)) {
    const double around = low_ == 0 ? 1 : std::abs(low_) * 0.5;
    low_ -= around;
    high_ += around;
  }
  place_linear_ticks(kind);
}

// Steps of 1, 2 or 5 times a power of ten, five to ten of them.
void Scale::place_linear_ticks(Kind kind) {
  const double rough = (high_ - low_) / 6, power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  step_ = (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10) * power;
  if (kind == Kind::whole_numbers) step_ = std::max(1.0, std::round(step_));
  if (kind == Kind::widened) {
    low_ = std::floor(low_ / step_ + 1e-9) * step_;
    high_ = std::ceil(high_ / step_ - 1e-9) * step_;
  }
  for (double n = std::ceil(low_ / step_ - 1e-9); n * step_ <= high_ + 1e-9 * step_; ++n) ticks_.push_back(n * step_);
}

// Powers of ten; below three of them, 2 and 5 times each as well.
void Scale::place_log_ticks() {
  if (!(high_ > low_)) {
    low_ /= 2;
    high_ *= 2;
  }
  const bool few = std::log10(high_ / low_) < 3;
  const std::vector<double> digits = few ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  std::vector<double> all;
  for (double power = std::floor(std::log10(low_)) - 1; power <= std::ceil(std::log10(high_)) + 1; ++power)
    for (const double digit : digits) all.push_back(digit * std::pow(10, power));
  const double least = low_, most = high_;
  for (const double tick : all) {
    if (tick <= least * (1 + 1e-9)) low_ = tick;
    if (tick >= most * (1 - 1e-9)) {
      high_ = tick;
      break;
    }
  }
  const auto every = static_cast<std::size_t>(std::max(1.0, std::ceil(std::log10(high_ / low_) / 8)));
  std::size_t n = 0;
  for (const double tick : all)
    if (tick >= low_ * (1 - 1e-9) && tick <= high_ * (1 + 1e-9) && n++ % every == 0) ticks_.push_back(tick);
}

double Scale::place(double value) const {
  return log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
}

std::string Scale::label(double tick) const {
  char text[32];
  if (!log_) {
    if (std::abs(tick) < step_ * 1e-6) return "0";
    const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step_) + 1e-9)));
    if (std::abs(tick) >= 1e6 || decimals > 5)
      std::snprintf(text, sizeof text, "%.3g", tick);
    else
      std::snprintf(text, sizeof text, "%.*f", decimals, tick);
  } else {
    std::snprintf(text, sizeof text, "%.4g", tick);
  }
  return text;
}

Figure::Figure(Scale x, Scale y, double width, double height)
    : x_(std::move(x)), y_(std::move(y)), width_(width), height_(height) {}

double Figure::px(double x) const { return kLeft + x_.place(x) * width_; }
double Figure::py(double y) const { return kTop + (1 - y_.place(y)) * height_; }

void Figure::line(const std::vector<std::pair<double, double>>& points, std::string_view color, std::string_view dash) {
  if (points.size() == 1) return dot(points[0].first, points[0].second, 3, color, color);
  std::string path;
  for (const auto& [x, y] : points) path += (path.empty() ? "M" : "L") + number(px(x)) + " " + number(py(y));
  shapes_ += "<path" + attribute("d", path) + attribute("stroke", color);
  if (!dash.empty()) shapes_ += attribute("stroke-dasharray", dash);
  shapes_ += " fill=\"none\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\n";
}

void Figure::dot(double x, double y, double radius, std::string_view color, std::string_view rim) {
  shapes_ += "<circle" + attribute("cx", px(x)) + attribute("cy", py(y)) + attribute("r", radius) +
             attribute("fill", color) + attribute("stroke", rim) + " stroke-width=\"0.8\"/>\n";
}

void Figure::background_png(std::string_view png) {
  background_ = "<image" + attribute("x", kLeft) + attribute("y", kTop) + attribute("width", width_) +
                attribute("height", height_) + " preserveAspectRatio=\"none\" href=\"data:image/png;base64," +
                base64(png) + "\"/>\n";
}

std::string Figure::axes(const std::string& x_label, const std::string& y_label) const {
  const double right = kLeft + width_, bottom = kTop + height_;
  std::string grid, labels;
  for (const double tick : x_.ticks()) {
    grid += stroke(px(tick), kTop, px(tick), bottom, "#e6e6e6", 1);
    labels += text_at(px(tick), bottom + 18, "middle", x_.label(tick));
  }
  for (const double tick : y_.ticks()) {
    grid += stroke(kLeft, py(tick), right, py(tick), "#e6e6e6", 1);
    labels += text_at(kLeft - 8, py(tick) + 4, "end", y_.label(tick));
  }
  labels += text_at(kLeft + width_ / 2, bottom + 42, "middle", x_label);
  const double middle = kTop + height_ / 2;
  labels += "<text text-anchor=\"middle\"" +
            attribute("transform", "translate(18 " + number(middle) + ") rotate(-90)") + ">" + escaped(y_label) +
            "</text>\n";
  const std::string frame = "<rect" + attribute("x", kLeft) + attribute("y", kTop) + attribute("width", width_) +
                            attribute("height", height_) + " fill=\"none\" stroke=\"#888\"/>\n";
  return (background_.empty() ? grid : background_) + shapes_ + frame + labels;
}

std::string Figure::legend_text(const std::vector<LegendEntry>& legend) const {
  const double left = kLeft + width_ + 18;
  std::string text;
  double y = kTop + 10;
  for (const LegendEntry& entry : legend) {
    if (entry.dot) {
      text += "<circle" + attribute("cx", left + 12) + attribute("cy", y) + " r=\"5\"" +
              attribute("fill", entry.color) + "/>\n";
    } else {
      text += "<line" + attribute("x1", left) + attribute("y1", y) + attribute("x2", left + 24) + attribute("y2", y) +
              attribute("stroke", entry.color) + " stroke-width=\"2.2\"";
      if (!entry.dash.empty()) text += attribute("stroke-dasharray", entry.dash);
      text += "/>\n";
    }
    text += text_at(left + 32, y + 4, "start", entry.text);
    y += 20;
  }
  return text;
}

std::string Figure::str(const std::string& x_label, const std::string& y_label,
                        const std::vector<LegendEntry>& legend) const {
  std::size_t longest = 0;
  for (const LegendEntry& entry : legend) longest = std::max(longest, entry.text.size());
  const double width = kLeft + width_ + (legend.empty() ? kRight : 62 + kTextWidth * static_cast<double>(longest));
  const double height = std::max(kTop + height_ + kBottom, kTop + 20 * static_cast<double>(legend.size()) + kRight);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", std::ceil(width)) +
         attribute("height", std::ceil(height)) +
         " font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#333\">\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
         axes(x_label, y_label) + legend_text(legend) + "</svg>\n";
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kDigits[word >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace gradc::driver
