// Checkpoints, metrics lines and the lock of a run directory.
#include "run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

namespace gradc::runtime {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr const char* kLast = "last.safetensors";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kFiles[] = {"spec.json", kLast, "best.safetensors", kMetrics};
constexpr const char* kPlace = "gradc.run";  // key of the metadata
constexpr const char* kVocabulary = "gradc.vocabulary";

// Metadata is UTF-8: byte b is written as the character U+00b.
std::string utf8_of_bytes(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    if (b >= 0x80) text += static_cast<char>(0xc0 | b >> 6);
    text += static_cast<char>(b >= 0x80 ? 0x80 | (b & 0x3f) : b);
  }
  return text;
}

// Doubles as their bits: NaN and infinities too come back as they were.
std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

json bits_of(const std::vector<std::vector<double>>& lists) {
  json all = json::array();
  for (const std::vector<double>& list : lists) {
    json bits = json::array();
    for (const double value : list) bits.push_back(bits_of(value));
    all.push_back(std::move(bits));
  }
  return all;
}

double number_of(const json& bits) { return std::bit_cast<double>(bits.get<std::uint64_t>()); }

std::vector<std::vector<double>> numbers_of(const json& lists) {
  std::vector<std::vector<double>> all;
  for (const json& list : lists) {
    all.emplace_back();
    for (const json& bits : list) all.back().push_back(number_of(bits));
  }
  return all;
}

json object_of(const Metrics& metrics) {
  json object = json::object();
  for (const auto& [name, value] : metrics) object[name] = value;  // NaN is written as null
  for (const Table& table : metrics.tables) {
    json rows = json::array();
    for (std::int64_t i = 0; i < table.rows; ++i) {
      const auto* row = table.values.data() + i * table.columns;
      rows.push_back(std::vector<double>(row, row + table.columns));
    }
    object[table.name] = std::move(rows);
  }
  return object;
}

Metrics metrics_of(const json& line, const char* set) {
  Metrics metrics;
  if (!line.contains(set) || !line[set].is_object()) return metrics;
  for (const auto& [name, value] : line[set].items()) {
    if (value.is_array()) {
      Table table{name, static_cast<std::int64_t>(value.size()), 0, {}};
      for (const json& row : value)
        for (const json& count : row) table.values.push_back(count.is_number() ? count.get<double>() : 0);
      if (table.rows > 0) table.columns = static_cast<std::int64_t>(table.values.size()) / table.rows;
      metrics.tables.push_back(std::move(table));
      continue;
    }
    metrics.emplace_back(name, value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN());
  }
  return metrics;
}

// The number of an epoch line, or nothing where the line is another one, or half of one.
std::optional<std::int64_t> epoch_of(const json& line) {
  if (!line.is_object() || !line.contains("event") || line["event"] != "epoch" || !line.contains("epoch")) return {};
  if (!line["epoch"].is_number_integer()) return {};
  return line["epoch"].get<std::int64_t>();
}

// Calls each(line with its newline, its JSON) for the whole lines of a file.
template <class F>
void for_lines(const std::string& path, F each) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const Bytes bytes = read_file(path);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const json parsed = json::parse(text.substr(0, end), nullptr, false);
    if (!parsed.is_discarded()) each(text.substr(0, end + 1), parsed);
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Metadata Place::metadata() const {
  json place = {{"epoch", epoch},
                {"stage", stage},
                {"stage_epoch", stage_epoch},
                {"position", position},
                {"step", step},
                {"seed", seed},
                {"batch", batch},
                {"batch_given", batch_given},
                {"examples", examples},
                {"best_epoch", best_epoch},
                {"best", bits_of(best)},
                {"worse", worse},
                {"sums", json::array()}};
  for (const Averages::Held& held : sums)
    place["sums"].push_back({{"metrics", bits_of(held.metrics)},
                             {"watched", bits_of(held.watched)},
                             {"examples", held.examples},
                             {"steps", held.steps}});
  for (const auto& [program, plateau] : plateaus)
    place["plateaus"][program] = {bits_of(plateau.factor), bits_of(plateau.best), plateau.epochs, plateau.bad,
                                  plateau.cooldown};
  Metadata metadata = {{"format", "gradc"}, {kPlace, place.dump()}};
  if (!vocabulary.empty()) metadata[kVocabulary] = utf8_of_bytes(vocabulary);
  for (const std::string& name : unset) metadata[kUnset] += name + "\n";
  return metadata;
}

std::string vocabulary_of(const SafeTensors& file) {
  const auto found = file.metadata().find(kVocabulary);
  if (found == file.metadata().end()) return "";
  std::string bytes;
  for (std::size_t i = 0; i < found->second.size(); ++i) {
    auto b = static_cast<unsigned char>(found->second[i]);
    const bool pair = (b == 0xc2 || b == 0xc3) && i + 1 < found->second.size();
    if (b >= 0x80 && !pair) throw DataError(file.file(), "corrupt checkpoint: its vocabulary can't be read");
    if (pair) b = static_cast<unsigned char>((b & 3) << 6 | (static_cast<unsigned char>(found->second[++i]) & 0x3f));
    if (bytes.find(static_cast<char>(b)) != std::string::npos)
      throw DataError(file.file(), "corrupt checkpoint: its vocabulary has a character twice");
    bytes += static_cast<char>(b);
  }
  return bytes;
}

bool Place::is_in(const SafeTensors& file) { return file.metadata().contains(kPlace); }

Place Place::of(const SafeTensors& file) {
  const auto found = file.metadata().find(kPlace);
  if (found == file.metadata().end()) throw DataError(file.file(), "no checkpoint of a run: it holds weights only");
  try {
    const json held = json::parse(found->second);
    Place place;
    held.at("epoch").get_to(place.epoch);
    held.at("position").get_to(place.position);
    held.at("step").get_to(place.step);
    held.at("seed").get_to(place.seed);
    held.at("batch").get_to(place.batch);
    held.at("examples").get_to(place.examples);
    held.at("stage").get_to(place.stage);
    held.at("stage_epoch").get_to(place.stage_epoch);
    held.at("batch_given").get_to(place.batch_given);
    held.at("best_epoch").get_to(place.best_epoch);
    held.at("worse").get_to(place.worse);
    place.best = std::bit_cast<double>(held.at("best").get<std::uint64_t>());
    for (const json& sum : held.at("sums"))
      place.sums.push_back({numbers_of(sum.at("metrics")), numbers_of(sum.at("watched")),
                            sum.at("examples").get<std::int64_t>(), sum.at("steps").get<std::int64_t>()});
    if (held.contains("plateaus"))
      for (const auto& [program, numbers] : held["plateaus"].items())
        place.plateaus[program] = {number_of(numbers.at(0)), number_of(numbers.at(1)),
                                   numbers.at(2).get<std::int64_t>(), numbers.at(3).get<std::int64_t>(),
                                   numbers.at(4).get<std::int64_t>()};
    place.vocabulary = vocabulary_of(file);
    place.unset = unset_entries(file);
    if (place.epoch < 0 || place.stage < 0 || place.stage_epoch < 0 || place.position < 0 || place.step < 0 ||
        place.batch < 1)
      throw DataError(file.file(), "corrupt checkpoint");
    return place;
  } catch (const json::exception& error) {
    throw DataError(file.file(), "corrupt checkpoint: its place in the run can't be read");
  }
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::open() {
  if (!enabled() || lock_ >= 0) return;
  make_directory(path_);
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) throw FileError(path_, std::string("cannot open the run directory: ") + std::strerror(errno));
  // A file system without locks is no reason not to train.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw Error(path_, "the run directory is in use by another run");
  }
}

std::optional<SafeTensors> RunDirectory::open_checkpoint() {
  std::error_code error;
  if (!enabled() || !fs::is_directory(path_, error)) return {};
  open();
  if (!fs::exists(file(kLast), error)) return {};
  return SafeTensors::read(file(kLast));
}

std::string RunDirectory::set_aside() {
  std::error_code error;
  if (!enabled() || (!fs::exists(file(kLast), error) && !fs::exists(file(kMetrics), error))) return "";
  std::int64_t number = 1;
  while (fs::exists(file("previous-" + std::to_string(number)), error)) ++number;
  const std::string place = file("previous-" + std::to_string(number));
  make_directory(place);
  for (const char* name : kFiles) {
    if (!fs::exists(file(name), error)) continue;
    fs::rename(file(name), place + "/" + name, error);
    if (error) throw FileError(file(name), "cannot move it to " + place + ": " + error.message());
  }
  return place;
}

void RunDirectory::write_spec(const std::string& text) {
  if (!enabled() || text.empty()) return;
  replace_file(file("spec.json"), [&](FileSink& sink) { sink.write(text); }, Durable::no);
}

void RunDirectory::write_checkpoint(const char* name, const StateTable& table, const void* state, const Place& place) {
  if (enabled()) save_state(file(name), table, state, place.metadata());
}

void RunDirectory::rewind_metrics(std::int64_t epochs) {
  if (!enabled()) return;
  std::string kept;
  for_lines(file(kMetrics), [&](std::string_view text, const json& line) {
    const auto epoch = epoch_of(line);
    if (epoch && *epoch <= epochs) kept += text;
  });
  replace_file(file(kMetrics), [&](FileSink& sink) { sink.write(kept); }, Durable::no);
}

EpochEvent RunDirectory::read_epoch(std::int64_t epoch) const {
  EpochEvent event;
  if (!enabled()) return event;
  for_lines(file(kMetrics), [&](std::string_view, const json& line) {
    if (epoch_of(line) != epoch) return;
    event.epoch = epoch;
    event.step = line.value("step", std::int64_t{0});
    event.seconds = line.value("seconds", 0.0);
    event.stage = line.value("stage", std::string());
    event.programs = line.value("programs", std::vector<std::string>());
    event.train = metrics_of(line, "train");
    event.validation = metrics_of(line, "validation");
    event.test = metrics_of(line, "test");
  });
  return event;
}

void RunDirectory::append_line(const std::string& line) {
  const std::string path = file(kMetrics);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) throw FileError(path, std::string("cannot write: ") + std::strerror(errno));
  try {
    FileSink(descriptor, path).write(line + "\n");
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  ::close(descriptor);
}

void RunDirectory::append_epoch(const EpochEvent& event) {
  if (!enabled()) return;
  json line = {{"event", "epoch"}, {"epoch", event.epoch}, {"step", event.step}, {"seconds", event.seconds}};
  if (!event.stage.empty()) {
    line["stage"] = event.stage;
    line["programs"] = event.programs;
  }
  line["train"] = object_of(event.train);
  if (!event.validation.nothing()) line["validation"] = object_of(event.validation);
  if (!event.test.nothing()) line["test"] = object_of(event.test);
  for (const auto& [name, numbers] : event.watch) line["watch"][name] = object_of(numbers);
  append_line(line.dump());
}

void RunDirectory::append_end(const FitResult& result, const std::string& reason) {
  if (!enabled()) return;
  json line = {{"event", "end"},
               {"reason", reason},
               {"epoch", result.last.epoch},
               {"step", result.step},
               {"seconds", result.seconds}};
  if (result.best_epoch > 0) line["best"] = {{"epoch", result.best_epoch}, {"value", result.best}};
  append_line(line.dump());
}

}  // namespace gradc::runtime
