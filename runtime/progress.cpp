// Drawing of the progress bar and the lines of epochs.
#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace gradc::runtime {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBar = 24;
constexpr std::int64_t kManyEpochs = 50;

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value;
}

std::string number(double value, int width = 0) {
  char text[32];
  std::snprintf(text, sizeof text, "%-*.4g", width, value);
  return text;
}

std::string padded(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void add_metrics(std::string& line, const char* set, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) line += "  " + std::string(set) + " " + name + " " + number(value);
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 1e9) + 0.5);
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  }
  return text;
}

Progress::Progress(bool quiet, std::int64_t epochs, std::int64_t examples)
    : quiet_(quiet), epochs_(epochs), examples_(std::max<std::int64_t>(1, examples)) {
  const char* kind = std::getenv("TERM");
  terminal_ = isatty(STDERR_FILENO) && !(kind && std::string_view(kind) == "dumb");
  escapes_ = terminal_ && !is_set("NO_COLOR");
}

void Progress::begin_epoch(std::int64_t epoch, std::int64_t done) {
  epoch_ = epoch;
  last_done_ = done;
}

void Progress::step(std::int64_t done, double loss) {
  run_ += done - last_done_;
  last_done_ = done;
  if (quiet_ || !terminal_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + kRedraw;
  draw(done, loss, now);
}

void Progress::draw(std::int64_t done, double loss, Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(run_) / seconds : 0;
  const std::int64_t remaining = (epochs_ - epoch_) * examples_ + examples_ - done;
  const std::string lead = "epoch " + std::to_string(epoch_) + "/" + std::to_string(epochs_) + " ";
  // Fields of fixed width keep the bar from changing its length.
  std::string rest = padded(std::to_string(100 * done / examples_), 4) + "%  " +
                     (rate < 100 ? number(rate) : std::to_string(std::llround(rate))) + " examples/s";
  if (rate > 0) rest += "  " + duration_text(static_cast<double>(remaining) / rate) + " left";
  if (!std::isnan(loss)) rest += "  loss " + number(loss, 9);
  // The bar takes what the text leaves of the line; the last column stays free, where some terminals wrap.
  const int columns = terminal_columns() - 1, text = static_cast<int>(lead.size() + rest.size());
  const int bar = std::clamp(columns - text, 0, kBar), filled = static_cast<int>(bar * done / examples_);
  std::string line = lead;
  if (escapes_) line += "\x1b[36m";
  line += std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(bar - filled), '-');
  if (escapes_) line += "\x1b[0m";
  if (text > columns) rest.resize(static_cast<std::size_t>(std::max(0, columns - static_cast<int>(lead.size()))));
  line += rest;
  const std::size_t width = lead.size() + static_cast<std::size_t>(bar) + rest.size();
  if (width < drawn_) line.append(drawn_ - width, ' ');
  drawn_ = width;
  std::fprintf(stderr, "\r%s", line.c_str());
  std::fflush(stderr);
}

void Progress::clear() {
  if (drawn_ == 0) return;
  std::fprintf(stderr, "\r%s\r", std::string(drawn_, ' ').c_str());
  std::fflush(stderr);
  drawn_ = 0;
}

void Progress::note(const std::string& line) {
  if (quiet_) return;
  clear();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Progress::end_epoch(const EpochEvent& event) {
  if (quiet_) return;
  // Of many short epochs a line now and then is enough; metrics.jsonl has them all.
  const auto now = Clock::now();
  if (epochs_ > kManyEpochs && event.epoch < epochs_ && now < next_line_) return;
  next_line_ = now + kRedraw;
  std::string line = "epoch " + std::to_string(event.epoch) + "/" + std::to_string(epochs_);
  if (!event.stage.empty()) line += "  " + event.stage;
  add_metrics(line, "train", event.train);
  add_metrics(line, "validation", event.validation);
  add_metrics(line, "test", event.test);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "  %.1f s", event.seconds);
  note(line + seconds);
}

}  // namespace gradc::runtime
