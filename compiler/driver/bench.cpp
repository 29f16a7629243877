// gradc bench: the time of one call of a program, in one line.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/api/rehearsal.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "ir/kernel_work.h"

namespace gradc::driver {

namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  std::string program;
  int threads = 1;
  double seconds = 3;
  std::int64_t seed = 0;
};

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double rounded(double number, double digits) { return std::round(number * digits) / digits; }

// The spec's file without folder and ending.
std::string workload_of(const SpecArguments& spec, const ModelGraph& model) {
  return spec.spec == "-" ? model.name : std::filesystem::path(spec.spec).stem().string();
}

constexpr int kWarmUp = 3;
constexpr std::size_t kFewestSteps = 3;

// Sorted milliseconds of calls that last `seconds` together.
std::vector<double> measure(Rehearsal& run, double seconds) {
  for (int i = 0; i < kWarmUp; ++i) run.step();
  std::vector<double> times;
  double total = 0;
  while (total < seconds * 1e3 || times.size() < kFewestSteps) {
    const Clock::time_point start = Clock::now();
    run.step();
    times.push_back(milliseconds_since(start));
    total += times.back();
  }
  std::sort(times.begin(), times.end());
  return times;
}

int run(Session& session, const Arguments& given) {
  const Clock::time_point start = Clock::now();
  const std::unique_ptr<ModelGraph> model = given.spec.load(session);
  if (!model) return kUserMistake;
  const Options options = given.compile.options();
  const std::string name = chosen_program(*model, given.program);
  const CompiledProgram program = compile_program(*model, name, batch_of(*model, name, given.compile.batch), options);
  const double compile_ms = milliseconds_since(start);

  ModelCompiler compiler(*model, options);
  runtime::ThreadPool pool(given.threads);
  Rehearsal rehearsal(compiler, program, given.threads > 1 ? pool.context() : nullptr, given.seed);
  const auto peak = [&] {
    return runtime::measure_peak_gflops(float_of(program.executable, compiler.state()), vector_unit(options.target),
                                        given.threads);
  };
  const double before = peak();
  const std::vector<double> times = measure(rehearsal, given.seconds);
  const double peak_gflops = std::max(before, peak());
  const KernelWork work = work_of(program.kernels);
  const double flops = 2 * static_cast<double>(program.multiply_adds) + static_cast<double>(work.operations);
  const double gflops = flops / times[0] * 1e-6;

  nlohmann::ordered_json line;
  line["peer"] = std::string("gradc ") + GRADC_VERSION;
  line["workload"] = workload_of(given.spec, *model);
  line["threads"] = given.threads;
  line["median_ms"] = rounded(times[times.size() / 2], 1e4);
  line["min_ms"] = rounded(times[0], 1e4);
  line["steps"] = times.size();
  line["gflops"] = rounded(gflops, 1e2);
  line["peak_gflops"] = rounded(peak_gflops, 1e2);
  line["share_of_peak"] = peak_gflops > 0 ? nlohmann::ordered_json(rounded(gflops / peak_gflops, 1e4)) : nullptr;
  line["bytes"] = work.bytes();
  line["compile_ms"] = rounded(compile_ms, 1e2);
  line["arena_bytes"] = program.kernels.arena_bytes + program.kernels.worker_bytes * given.threads;
  std::cout << line.dump() << "\n";
  return kDone;
}

constexpr const char* kCounts =
    "One line of JSON. A step is one whole call of the program (of one that trains: forward, backward,\n"
    "update) on synthetic data drawn from the seed; three of them warm up.\n"
    "  workload       the spec's file without its ending\n"
    "  median_ms, min_ms, steps  of the steps measured\n"
    "  gflops         work of a step / min_ms. The work is 2 for each multiply-add of a product or\n"
    "                 convolution by its definition, whatever the code pads, and 1 for each addition,\n"
    "                 subtraction, multiplication, division and square root of floats that the code does\n"
    "                 elsewhere (2 for an fma)\n"
    "  peak_gflops    multiply-adds between registers of the same vector width, measured in the same run\n"
    "                 by as many threads; share_of_peak is gflops of it\n"
    "  bytes          what kernels read and write of memory in a step, each element once a kernel\n"
    "  compile_ms     from reading the spec to code that can be called; GRADC_CACHE=off leaves out the\n"
    "                 disk cache\n"
    "  arena_bytes    workspace of all threads";

}  // namespace

void add_bench(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("bench", "times one step of a program on synthetic data");
  given->spec.add_to(*command);
  command->add_option("--threads", given->threads, "worker threads")->check(integer(1, 1024))->capture_default_str();
  command->add_option("--seconds", given->seconds, "time that is measured; three steps at least")
      ->check(number(0, 1e6))
      ->capture_default_str();
  command->add_option("--program", given->program, "the program to time; default: the first that trains");
  command->add_option("--seed", given->seed, "of data and initial state")
      ->check(integer(std::numeric_limits<std::int64_t>::min()))
      ->capture_default_str();
  given->compile.add_to(*command);
  show_examples(*command,
                {"gradc bench spiral.json --seconds 1", "gradc bench spiral.json --batch 256 --threads 2 --seconds 1"},
                kCounts);
  command->callback([given, &session] { session.action = [given, &session] { return run(session, *given); }; });
}

}  // namespace gradc::driver
