// Files, the spec argument and compile options of the subcommands.
#include "compiler/driver/command.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "compiler/api/read_array.h"
#include "compiler/codegen/codegen.h"
#include "compiler/frontend/spec.h"
#include "compiler/passes/rematerialize.h"
#include "gradc/dataset.h"
#include "gradc/file.h"

namespace gradc::driver {

bool Session::color() const { return isatty(STDERR_FILENO) && !std::getenv("NO_COLOR"); }

void Session::print_diagnostics() { std::cerr << diagnostics.render(color()); }

namespace {

// What read_text has read.
std::vector<std::filesystem::path>& sources() {
  static std::vector<std::filesystem::path> paths;
  return paths;
}

}  // namespace

std::string read_text(const std::string& path) {
  if (path == "-") {
    std::ostringstream text;
    text << std::cin.rdbuf();
    return text.str();
  }
  const runtime::Bytes bytes = runtime::read_file(path);
  sources().push_back(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void refuse_to_replace(const std::string& path) {
  std::error_code none;
  for (const std::filesystem::path& source : sources())
    if (std::filesystem::equivalent(source, path, none))
      throw UserError(make_location(path, 0, 0), "the result would replace what it is made from; give it another name");
}

void write_files(std::initializer_list<std::pair<std::string, std::string_view>> files) {
  std::deque<runtime::Replacement> aside;
  for (const auto& [path, bytes] : files) refuse_to_replace(path);
  for (const auto& [path, bytes] : files)
    if (path != "-") aside.emplace_back(path, [&text = bytes](runtime::FileSink& sink) { sink.write(text); });
  for (runtime::Replacement& file : aside) file.commit();
  for (const auto& [path, bytes] : files)
    if (path == "-") std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void write_file(const std::string& path, std::string_view bytes) { write_files({{path, bytes}}); }

void SpecArguments::add_to(CLI::App& app) {
  app.add_option("SPEC", spec, "the model, a JSON file; - reads standard input")->required();
  app.add_option("--set", set, "overrides a value of the spec, as in --set variables.width=64")
      ->type_name("PATH=VALUE")
      ->take_all();
}

std::unique_ptr<ModelGraph> SpecArguments::load(Session& session) const {
  SpecOptions options;
  options.watch = watch;
  for (const std::string& item : set) {
    std::size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UserError(Location(), "--set " + item + ": expected PATH=VALUE, as in variables.width=64");
    options.set.emplace_back(item.substr(0, equals), item.substr(equals + 1));
  }
  const std::string file = spec == "-" ? "<stdin>" : spec;
  options.read_array = read_array;
  options.generator_options = runtime::generator_options;
  options.wrong_generator_option = runtime::wrong_generator_option;
  if (spec != "-") options.directory = std::filesystem::path(spec).parent_path().string();
  std::unique_ptr<ModelGraph> model = load_spec(read_text(spec), file, options, session.diagnostics);
  if (model)
    for (const Diagnostic& warning : model->warnings) session.diagnostics.append(warning);
  if (!session.quiet || session.diagnostics.has_errors()) session.print_diagnostics();
  return session.diagnostics.has_errors() ? nullptr : std::move(model);
}

void CompileArguments::add_to(CLI::App& app, bool with_batch) {
  const char* group = "Compilation";
  app.add_option("--optimize", optimize, "0: no fusion, scalar code; 1: all but what costs compile time; 2: all")
      ->check(integer(0, 2))
      ->capture_default_str()
      ->group(group);
  app.add_option("--cpu", cpu, "what to compile for: native, or a name such as x86-64, haswell, znver5")
      ->capture_default_str()
      ->group(group)
      ->type_name("NAME");
  app.add_option("--memory-limit", memory_limit,
                 "most bytes of state and workspace that a program may need with one thread, as in 64MiB; kept by "
                 "computing values again instead of keeping them")
      ->group(group)
      ->type_name("SIZE");
  app.add_option("--rematerialize", rematerialize,
                 "computes values again instead of keeping them even without a limit: 0, nothing, to " +
                     std::to_string(kRematerializeRungs) + ", most")
      ->check(integer(0, kRematerializeRungs))
      ->capture_default_str()
      ->group(group);
  if (with_batch)
    app.add_option("--batch", batch, "examples a step; default: the spec's")
        ->check(integer(1, std::int64_t{1} << 32))
        ->group(group);
}

Options CompileArguments::options() const {
  Options result;
  result.optimize = optimize;
  result.rematerialize = rematerialize;
  if (!memory_limit.empty()) result.memory_limit = parse_size(memory_limit);
  if (cpu == "native") {
    result.target = host_target();
    return result;
  }
  const Target* target = find_target(cpu);
  if (!target) {
    std::vector<std::string> names{"native"};
    for (const Target& known : known_targets()) names.push_back(known.cpu);
    throw UserError(Location(), "--cpu: `" + cpu + "` is unknown" + suggest_or_list(cpu, names));
  }
  result.target = *target;
  return result;
}

CLI::Validator integer(std::int64_t low, std::int64_t high) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();
  std::string range = " from " + std::to_string(low) + " to " + std::to_string(high);
  if (high == kMost) range = low == kLeast ? " of 64 bits" : ", " + std::to_string(low) + " or more";
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        std::int64_t number = 0;
        const char* last = text.data() + text.size();
        auto [end, code] = std::from_chars(text.data(), last, number);
        if (code == std::errc() && end == last && number >= low && number <= high) return "";
        return "`" + text + "` is no integer" + range;
      },
      "");
}

std::pair<std::string, std::vector<double>> named_numbers(const std::string& item) {
  const std::size_t equals = item.find('=');
  if (equals == std::string::npos)
    throw UserError(Location(), "--input " + item + ": expected NAME=NUMBERS, as in x=1,2");
  std::vector<double> numbers;
  for (const std::string& word : CLI::detail::split(item.substr(equals + 1), ',')) {
    double number = 0;
    if (!CLI::detail::lexical_cast(word, number))
      throw UserError(Location(), "--input " + item + ": `" + word + "` is no number");
    numbers.push_back(number);
  }
  return {item.substr(0, equals), std::move(numbers)};
}

CLI::Validator number(double low, double high) {
  std::ostringstream range;
  range << low << " to " << high;
  return CLI::Validator(
      [=, range = range.str()](std::string& text) -> std::string {
        double value = 0;
        const char* last = text.data() + text.size();
        auto [end, code] = std::from_chars(text.data(), last, value);
        if (code == std::errc() && end == last && value >= low && value <= high) return "";
        return "`" + text + "` is no number from " + range;
      },
      "");
}

CLI::Option* choice(CLI::Option* option, const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : "|") + word;
  return option->type_name(list)->check(CLI::Validator(
      [words](std::string& text) -> std::string {
        if (std::find(words.begin(), words.end(), text) != words.end()) return "";
        return "`" + text + "` is unknown" + suggest_or_list(text, words);
      },
      ""));
}

std::int64_t parse_size(const std::string& text) {
  double number = 0;
  const char* last = text.data() + text.size();
  auto [end, code] = std::from_chars(text.data(), last, number);
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr Unit kUnits[] = {{"", 1},     {"B", 1},        {"kB", 1e3},        {"MB", 1e6},
                             {"GB", 1e9}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  for (const Unit& unit : kUnits)
    if (code == std::errc() && unit.name == std::string_view(end, static_cast<std::size_t>(last - end)) && number > 0 &&
        number * unit.bytes < 9e18)
      return static_cast<std::int64_t>(std::ceil(number * unit.bytes));
  throw UserError(Location(), "--memory-limit: `" + text + "` is no size; write it as 64MiB, 1.5GB or 4096");
}

}  // namespace gradc::driver
