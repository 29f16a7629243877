// gradc profile: the time of each kernel of a program, and how near it is to what the machine can do.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/api/rehearsal.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "gradc/watch.h"
#include "ir/kernel_work.h"

namespace gradc::driver {

namespace {

using nlohmann::ordered_json;

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  std::string program, trace;
  int threads = 1;
  std::int64_t steps = 20, seed = 0;
};

// What the steps gave of one kernel (or of all copies): the least time of a step's calls of it together.
struct Row {
  std::string name, kind;
  std::vector<std::string> from;  // layers and places of the spec
  std::int64_t calls = 0;         // in a step
  double seconds = 0;
  double flops = 0, bytes = 0;  // of a step
};

struct Profile {
  std::vector<Row> rows;                                    // longest first
  double step_seconds = 0, peak_gflops = 0, bandwidth = 0;  // bandwidth: GB/s
  std::vector<runtime::Span> launches;                      // of the fastest step
  std::vector<std::vector<runtime::Span>> pieces;
};

// "conv1", "gradient of conv1", "relu 9:5" where the layer has no name, "12:5" where several layers or none stand
// there.
std::vector<std::string> origins(const Kernel& kernel, const ModelGraph& model) {
  std::vector<std::string> result;
  for (Location location : kernel.locations) {
    const bool gradient = location.gradient;
    location.gradient = false;
    const std::string place = std::to_string(location.line) + ":" + std::to_string(location.column);
    std::vector<std::string> layers;
    for (const LayerInfo& layer : model.layers)
      if (layer.location == location) layers.push_back(layer.name.empty() ? layer.op + " " + place : layer.name);
    result.push_back((gradient ? "gradient of " : "") + (layers.size() == 1 ? layers[0] : place));
  }
  return result;
}

std::vector<Row> rows_of(const CompiledProgram& program, const ModelGraph& model) {
  const KernelProgram& kernels = program.kernels;
  std::vector<Row> rows;
  for (const Kernel& kernel : kernels.kernels) {
    const KernelWork work = work_of(kernels, kernel);
    const auto useful = program.multiply_adds_by_kernel.find(kernel.name);
    const std::int64_t multiply_adds =
        useful == program.multiply_adds_by_kernel.end() ? work.tile_multiply_adds : useful->second;
    rows.push_back({kernel.name, kernel.kind, origins(kernel, model), 0, 1e30,
                    static_cast<double>(2 * multiply_adds + work.operations), static_cast<double>(work.bytes())});
  }
  rows.push_back({"copies", "copy", {}, 0, 1e30, 0, 0});
  return rows;
}

// Takes a step's launches into the rows, the last of which stands for copies.
void add_step(std::vector<Row>& rows, const std::vector<runtime::Span>& launches) {
  std::vector<double> seconds(rows.size());
  std::vector<std::int64_t> calls(rows.size());
  for (const runtime::Span& span : launches) {
    const std::size_t row = span.kernel < 0 ? rows.size() - 1 : static_cast<std::size_t>(span.kernel);
    seconds[row] += 1e-9 * static_cast<double>(span.end - span.start);
    ++calls[row];
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].seconds = std::min(rows[i].seconds, seconds[i]);
    rows[i].calls = calls[i];
  }
}

Profile measure(const ModelGraph& model, const Arguments& given) {
  const Options options = given.compile.options();
  const std::string name = chosen_program(model, given.program);
  const CompiledProgram program =
      compile_program(model, name, batch_of(model, name, given.compile.batch), options, Watch::yes);
  ModelCompiler compiler(model, options);
  runtime::ThreadPool pool(given.threads);
  runtime::Recorder recorder(given.threads > 1 ? &pool : nullptr, !given.trace.empty());
  Rehearsal rehearsal(compiler, program, recorder.context(), given.seed);
  Profile profile;
  profile.rows = rows_of(program, model);
  profile.peak_gflops = runtime::measure_peak_gflops(float_of(program.executable, compiler.state()),
                                                     vector_unit(options.target), given.threads);
  profile.bandwidth = runtime::measure_bandwidth(given.threads);
  profile.step_seconds = 1e30;
  for (std::int64_t step = -2; step < given.steps; ++step) {  // two warm up
    recorder.clear();
    const auto start = std::chrono::steady_clock::now();
    rehearsal.step();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (step < 0) continue;
    add_step(profile.rows, recorder.launches());
    if (seconds >= profile.step_seconds) continue;
    profile.step_seconds = seconds;
    if (given.trace.empty()) continue;
    profile.launches = recorder.launches();
    profile.pieces = recorder.pieces();
  }
  for (Row& row : profile.rows) {
    row.flops *= static_cast<double>(row.calls);
    row.bytes *= static_cast<double>(row.calls);
  }
  return profile;
}

// Chrome's trace event format: launches on the calling thread, and on each worker its pieces.
std::string trace_of(const Profile& profile, const std::vector<Row>& by_number) {
  ordered_json events = ordered_json::array();
  const auto add = [&](const runtime::Span& span, std::size_t thread) {
    const Row& row = by_number[span.kernel < 0 ? by_number.size() - 1 : static_cast<std::size_t>(span.kernel)];
    events.push_back({{"name", row.name},
                      {"cat", row.kind},
                      {"ph", "X"},
                      {"ts", 1e-3 * static_cast<double>(span.start)},
                      {"dur", 1e-3 * static_cast<double>(span.end - span.start)},
                      {"pid", 1},
                      {"tid", thread},
                      {"args", {{"from", row.from}}}});
  };
  const auto name_thread = [&](const std::string& name, std::size_t thread) {
    events.push_back({{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", thread}, {"args", {{"name", name}}}});
  };
  name_thread("launches", 0);
  for (const runtime::Span& span : profile.launches) add(span, 0);
  for (std::size_t worker = 0; worker < profile.pieces.size(); ++worker) {
    if (profile.pieces[worker].empty()) continue;
    name_thread("worker " + std::to_string(worker), worker + 1);
    for (const runtime::Span& span : profile.pieces[worker]) add(span, worker + 1);
  }
  return ordered_json({{"traceEvents", events}, {"displayTimeUnit", "ns"}}).dump() + "\n";
}

Row total_of(const std::vector<Row>& rows) {
  Row total{"total", "", {}, 0, 0, 0, 0};
  for (const Row& row : rows) {
    total.calls += row.calls;
    total.seconds += row.seconds;
    total.flops += row.flops;
    total.bytes += row.bytes;
  }
  return total;
}

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

struct Rates {
  double gflops, gbs;
};
Rates rates_of(const Row& row) { return {share(row.flops, row.seconds) * 1e-9, share(row.bytes, row.seconds) * 1e-9}; }

ordered_json json_of(const Row& row, const Profile& profile, double seconds) {
  const Rates rates = rates_of(row);
  return {{"name", row.name},
          {"kind", row.kind},
          {"from", row.from},
          {"calls", row.calls},
          {"ms", row.seconds * 1e3},
          {"share", share(row.seconds, seconds)},
          {"flops", row.flops},
          {"bytes", row.bytes},
          {"gflops", rates.gflops},
          {"share_of_peak", share(rates.gflops, profile.peak_gflops)},
          {"gigabytes_per_second", rates.gbs},
          {"share_of_bandwidth", share(rates.gbs, profile.bandwidth)}};
}

void print_json(const Profile& profile, const Row& total) {
  ordered_json result;
  result["peak_gflops"] = profile.peak_gflops;
  result["bandwidth"] = profile.bandwidth;
  result["step_ms"] = profile.step_seconds * 1e3;
  result["kernels"] = ordered_json::array();
  for (const Row& row : profile.rows) result["kernels"].push_back(json_of(row, profile, total.seconds));
  result["total"] = json_of(total, profile, total.seconds);
  std::cout << result.dump() << "\n";
}

std::string fixed(double number, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, number);
  return text;
}

std::vector<std::string> cells_of(const Row& row, const Profile& profile, double seconds) {
  constexpr std::size_t kMostOrigins = 3;
  const Rates rates = rates_of(row);
  std::string from;
  for (std::size_t i = 0; i < std::min(row.from.size(), kMostOrigins); ++i) from += (i ? ", " : "") + row.from[i];
  if (row.from.size() > kMostOrigins) from += ", … (" + std::to_string(row.from.size()) + ")";
  return {row.name,
          row.kind,
          std::to_string(row.calls),
          fixed(row.seconds * 1e6, 2),
          fixed(100 * share(row.seconds, seconds), 1),
          fixed(row.flops * 1e-6, 2),
          fixed(row.bytes * 1e-6, 2),
          fixed(rates.gflops, 1),
          fixed(100 * share(rates.gflops, profile.peak_gflops), 0),
          fixed(rates.gbs, 1),
          fixed(100 * share(rates.gbs, profile.bandwidth), 0),
          from};
}

void print_text(const Profile& profile, const Row& total) {
  std::vector<std::vector<std::string>> rows = {
      {"kernel", "kind", "calls", "us", "%", "Mflop", "MB", "GFLOP/s", "% of peak", "GB/s", "% of bandwidth", "from"}};
  for (const Row& row : profile.rows) rows.push_back(cells_of(row, profile, total.seconds));
  rows.push_back(cells_of(total, profile, total.seconds));
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      const bool number = i >= 2 && i + 1 < row.size();
      line += (i ? "  " : "") + (number ? space + row[i] : row[i] + (i + 1 < row.size() ? space : ""));
    }
    std::cout << line << "\n";
  }
  std::cout << "\na step " << fixed(profile.step_seconds * 1e6, 1) << " us, peak " << fixed(profile.peak_gflops, 1)
            << " GFLOP/s, bandwidth " << fixed(profile.bandwidth, 1) << " GB/s\n";
}

int run(Session& session, const Arguments& given) {
  const std::unique_ptr<ModelGraph> model = given.spec.load(session);
  if (!model) return kUserMistake;
  Profile profile = measure(*model, given);
  if (!given.trace.empty()) write_file(given.trace, trace_of(profile, profile.rows));
  std::erase_if(profile.rows, [](const Row& row) { return row.calls == 0; });
  std::stable_sort(profile.rows.begin(), profile.rows.end(),
                   [](const Row& a, const Row& b) { return a.seconds > b.seconds; });
  const Row total = total_of(profile.rows);
  if (session.json)
    print_json(profile, total);
  else
    print_text(profile, total);
  return kDone;
}

constexpr const char* kColumns =
    "Times are those of a step's calls together, least of all steps; the last line is the fastest whole\n"
    "step. Mflop and MB are counted as `gradc bench` does: multiply-adds without padding, each element\n"
    "that a kernel reads or writes once. Peak and bandwidth are measured in the same run by as many\n"
    "threads; what stays in a cache is faster than the bandwidth of memory. Where a kernel is `from`:\n"
    "layers, or line:column of the spec.";

}  // namespace

void add_profile(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("profile", "the time of each kernel of a step, its rate, and share of peak");
  given->spec.add_to(*command);
  command->add_option("--threads", given->threads, "worker threads")->check(integer(1, 1024))->capture_default_str();
  command->add_option("--steps", given->steps, "steps that are measured")
      ->check(integer(1, 1000000))
      ->capture_default_str();
  command->add_option("--program", given->program, "the program to run; default: the first that trains");
  command->add_option("--trace", given->trace, "the fastest step as a trace for chrome://tracing or Perfetto")
      ->type_name("FILE.json");
  command->add_option("--seed", given->seed, "of data and initial state")->capture_default_str();
  given->compile.add_to(*command);
  show_examples(*command,
                {"gradc profile spiral.json",
                 "gradc profile spiral.json --trace step.json      for chrome://tracing or Perfetto"},
                kColumns);
  command->callback([given, &session] { session.action = [given, &session] { return run(session, *given); }; });
}

}  // namespace gradc::driver
