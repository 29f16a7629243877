// Curves of metrics over epochs, several runs in one picture.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "compiler/driver/plot.h"
#include "compiler/driver/svg.h"

namespace gradc::driver {

namespace {

constexpr const char* kSplits[] = {"train", "validation", "test"};

struct Curve {
  std::string run, split;
  std::vector<std::pair<double, double>> points;  // epoch, value
};

// The epoch lines of a run's metrics.
std::vector<nlohmann::json> epochs_of(const std::string& run) {
  std::filesystem::path file = run;
  if (std::filesystem::is_directory(file)) file /= "metrics.jsonl";
  const std::string text = read_text(file.string());
  std::vector<nlohmann::json> epochs;
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const nlohmann::json line = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                                      text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    begin = end + 1;
    if (line.is_discarded() && end == text.size()) break;  // a run that goes on, or was killed, ends so
    if (!line.is_object())
      throw UserError(make_location(file.string(), static_cast<int>(number), 1), "not a line of metrics");
    if (line.value("event", "") == "epoch" && line.contains("epoch") && line["epoch"].is_number())
      epochs.push_back(line);
  }
  if (epochs.empty()) throw UserError(make_location(file.string(), 0, 0), "no epoch is finished yet");
  return epochs;
}

Curve curve_of(const std::vector<nlohmann::json>& epochs, const std::string& run, const char* split,
               const CurvesRequest& request) {
  Curve curve{run, split, {}};
  for (const nlohmann::json& line : epochs) {
    if (!line.contains(split) || !line[split].contains(request.metric)) continue;
    const nlohmann::json& value = line[split][request.metric];
    const double number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (std::isfinite(number) && (!request.logarithmic || number > 0))
      curve.points.emplace_back(line["epoch"].get<double>(), number);
  }
  return curve;
}

std::vector<std::string> metric_names(const std::vector<nlohmann::json>& epochs) {
  std::set<std::string> names;
  for (const nlohmann::json& line : epochs)
    for (const char* split : kSplits)
      if (line.contains(split) && line[split].is_object())
        for (const auto& [name, value] : line[split].items()) names.insert(name);
  return {names.begin(), names.end()};
}

// What tells runs apart: the path, without what all have in common before the last parts.
std::string short_name(const std::string& run) {
  std::filesystem::path path = run;
  if (path.filename() == "metrics.jsonl") path = path.parent_path();
  std::string name = path.lexically_normal().string();
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  constexpr std::size_t kMost = 30;
  return name.size() <= kMost ? name : "…" + name.substr(name.size() - kMost);
}

std::vector<Curve> read_curves(const CurvesRequest& request) {
  std::vector<Curve> curves;
  std::vector<std::string> known;
  for (const std::string& run : request.runs) {
    const std::vector<nlohmann::json> epochs = epochs_of(run);
    for (const std::string& name : metric_names(epochs)) known.push_back(name);
    for (const char* split : kSplits) {
      const bool wanted = request.splits.empty() || std::count(request.splits.begin(), request.splits.end(), split);
      Curve curve = curve_of(epochs, short_name(run), split, request);
      if (wanted && !curve.points.empty()) curves.push_back(std::move(curve));
    }
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  if (curves.empty() && std::count(known.begin(), known.end(), request.metric))
    throw UserError(Location(), "the metric `" + request.metric + "` has no value to draw" +
                                    (request.logarithmic ? " that is greater than 0, as --log asks for" : ""));
  if (curves.empty())
    throw UserError(Location(),
                    "no run has the metric `" + request.metric + "`" + suggest_or_list(request.metric, known));
  return curves;
}

}  // namespace

// One run: a color for each split. Several: a color for each run, a dash for each split.
std::string plot_curves(const CurvesRequest& request) {
  const std::vector<Curve> curves = read_curves(request);
  double first = std::numeric_limits<double>::infinity(), last = -first, low = first, high = -first;
  for (const Curve& curve : curves)
    for (const auto& [epoch, value] : curve.points) {
      first = std::min(first, epoch), last = std::max(last, epoch);
      low = std::min(low, value), high = std::max(high, value);
    }
  const Scale values(low, high, request.logarithmic ? Scale::Kind::logarithmic : Scale::Kind::widened);
  Figure figure(Scale(first, last, Scale::Kind::whole_numbers), values, 620, 360);
  std::vector<LegendEntry> legend;
  std::vector<std::string> runs, splits;
  const auto index = [](std::vector<std::string>& known, const std::string& name) {
    const auto found = std::find(known.begin(), known.end(), name);
    const auto at = static_cast<std::size_t>(found - known.begin());
    if (found == known.end()) known.push_back(name);
    return at;
  };
  for (const Curve& curve : curves) index(splits, curve.split);
  constexpr const char* kDashes[] = {"", "6 4", "2 3"};
  for (const Curve& curve : curves) {
    const std::size_t run = index(runs, curve.run), split = index(splits, curve.split);
    const bool single = request.runs.size() == 1;
    const std::string color(color_of(single ? split : run)), dash = single ? "" : kDashes[split];
    figure.line(curve.points, color, dash);
    const std::string text = single ? curve.split : splits.size() == 1 ? curve.run : curve.run + " " + curve.split;
    legend.push_back({text, color, dash, false});
  }
  const std::string y_label = splits.size() == 1 ? splits[0] + " " + request.metric : request.metric;
  return figure.str("epoch", y_label, legend);
}

}  // namespace gradc::driver
