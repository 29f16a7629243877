// Data sections, program descriptions, and the guard against models larger than memory.
#include "compiler/api/run_data.h"

#include <unistd.h>

#include <algorithm>

#include "gradc/resample.h"
#include "ir/diagnostic.h"

namespace gradc {

std::vector<runtime::Array> data_inputs(const ModelGraph& model, const std::string& program, std::int64_t batch) {
  const Function* function = model.module->function(program);
  if (!function) internal_error("no function is named @" + program);
  std::vector<runtime::Array> inputs;
  for (std::size_t i = 0; i < function->parameters.size(); ++i) {
    const Parameter& parameter = function->parameters[i];
    if (parameter.role != Role::data) continue;
    const Type& type = function->body.parameters[i]->type;
    runtime::Array array;
    array.name = parameter.name;
    array.dtype = static_cast<gradc_dtype>(type.dtype);
    array.lower = parameter.lower;
    array.upper = parameter.upper;
    for (const Dim& dim : type.shape) array.shape.push_back(dim.is_static() ? dim.factor : dim.factor * batch);
    inputs.push_back(std::move(array));
  }
  return inputs;
}

namespace {

// Where in the spec the message of the runtime is about: the file of the split that it names first, or its generator;
// none where it speaks of something else.
std::optional<Location> place_of(const DataSet& split, std::string_view message) {
  if (message.starts_with("generator " + split.generator + ":")) return split.location;
  std::size_t first = std::string_view::npos;
  std::optional<Location> place;
  for (std::size_t i = 0; i < split.files.size(); ++i) {
    const std::string& named = split.files[i].second;
    const std::string file = named.substr(0, named.find(':'));  // "digits.npz:images"
    const std::size_t at = message.find(file);
    if (at >= first || (at > 0 && message[at - 1] != '/' && message[at - 1] != ' ')) continue;
    first = at;
    place = i < split.places.size() ? split.places[i] : split.location;
  }
  return place;
}

}  // namespace

runtime::DataSet load_split(const DataSet& split, const DataPlace& place, const std::vector<runtime::Array>& inputs,
                            const std::string& vocabulary) {
  runtime::DataSource source;
  source.vocabulary = vocabulary;
  const bool from_files = !split.files.empty() && (!place.directory.empty() || split.generator.empty());
  if (!place.directory.empty() && split.files.empty())
    throw UserError(split.location, "a data directory is given, but this split names no files");
  if (from_files) {
    source.format = split.format;
    source.files = split.files;
  } else {
    source.generator = split.generator;
    source.options = split.options;
  }
  try {
    return runtime::read_data(source, place.directory.empty() ? place.spec_directory : place.directory, inputs);
  } catch (const runtime::Error& error) {
    throw UserError(place_of(split, error.what()).value_or(split.location), error.what());
  }
}

void rethrow_at_split(const DataSpec& data, const runtime::DataError& error) {
  for (const auto* split : {&data.train, &data.validation, &data.test})
    if (*split)
      if (const auto place = place_of(**split, error.what())) throw UserError(*place, error.what());
  throw error;
}

namespace {

void merge(std::vector<runtime::Array>& all, const std::vector<runtime::Array>& more) {
  for (const runtime::Array& input : more)
    if (std::none_of(all.begin(), all.end(), [&](const runtime::Array& other) { return other.name == input.name; }))
      all.push_back(input);
}

}  // namespace

TrainingData load_training(const ModelGraph& model, const DataPlace& place, const std::vector<runtime::Array>& train,
                           const std::vector<runtime::Array>& validation, const std::string& vocabulary) {
  const Resample& resample = model.data.resample;
  std::vector<runtime::Array> inputs = train;
  const bool held_out = resample.kind != Resample::Kind::none || model.data.validation_fraction > 0;
  if (held_out && !model.data.validation) merge(inputs, validation);
  TrainingData data{load_split(*model.data.train, place, inputs, vocabulary), {}};
  if (model.data.validation)
    data.validation = load_split(*model.data.validation, place, validation, data.train.vocabulary);
  if (resample.kind == Resample::Kind::none) return data;
  const auto seed = static_cast<std::uint64_t>(resample.seed);
  try {
    const runtime::Split split = resample.kind == Resample::Kind::k_fold
                                     ? runtime::k_fold(data.train.examples, resample.folds, resample.fold, seed)
                                     : runtime::bootstrap(data.train.examples, seed);
    if (!data.validation && !split.validation.empty()) data.validation = runtime::rows_of(data.train, split.validation);
    data.train = runtime::rows_of(data.train, split.train);
  } catch (const runtime::Error& error) {
    throw UserError(resample.location, error.what());
  }
  return data;
}

runtime::ProgramUse program_use(const ProgramInfo& program) {
  runtime::ProgramUse use;
  use.name = program.name;
  use.loss = program.loss;
  for (const ReportInfo& report : program.reports)
    use.reports.emplace_back(report.name, static_cast<runtime::Reduce>(report.reduce), report.weighted);
  for (const WatchedInfo& watched : program.watched)
    use.watched.push_back({watched.name, watched.result, watched.numbers});
  if (const auto& rule = program.plateau)
    use.plateau = runtime::PlateauRule{rule->factor, rule->patience, rule->cooldown, rule->threshold};
  return use;
}

namespace {

std::vector<runtime::InputStatistics> statistics_of(const ModelGraph& model) {
  std::vector<runtime::InputStatistics> result;
  for (const InputStatistics& each : model.input_statistics) result.push_back({each.input, each.mean, each.deviation});
  return result;
}

}  // namespace

bool monitors_highest(const ModelGraph& model, const Monitor& monitor) {
  if (monitor.highest) return *monitor.highest;
  for (const ProgramInfo& program : model.programs)
    for (const ReportInfo& report : program.reports)
      if (report.name == monitor.metric || program.name + "." + report.name == monitor.metric) return report.boolean;
  return false;
}

void use_program(runtime::FitOptions& options, const ModelGraph& model, const ProgramInfo& program, Keep keep) {
  options.plan.clear();
  options.statistics = statistics_of(model);
  options.train = program_use(program);
  if (const ProgramInfo* test = evaluation_program(model)) options.test = program_use(*test);
  options.default_batch = program.batch;
  if (keep == Keep::given && options.monitor != "loss") return;
  options.monitor = program.monitor.metric;
  options.monitor_highest = monitors_highest(model, program.monitor);
  if (keep == Keep::nothing || options.patience == 0) options.patience = program.monitor.patience;
  if (keep == Keep::nothing) options.epochs = program.epochs;
}

void use_programs(runtime::FitOptions& options, const ModelGraph& model, const Location& at) {
  std::vector<const ProgramInfo*> trains;
  std::string names;
  for (const ProgramInfo& program : model.programs)
    if (program.trains) {
      trains.push_back(&program);
      names += (names.empty() ? "`" : ", `") + program.name + "`";
    }
  if (trains.empty())
    throw UserError(model.programs.empty() ? at : model.programs[0].location,
                    "`" + model.name + "` has no program that trains; give one a `minimize` under `programs`");
  if (model.plan.empty() && trains.size() > 1)
    throw UserError(trains[1]->location,
                    "`" + model.name + "` has several programs that train, " + names + "; say their order in `plan`");
  if (model.plan.empty()) return use_program(options, model, *trains[0], Keep::nothing);
  options.plan.clear();
  options.statistics = statistics_of(model);
  for (const PlanStage& planned : model.plan) {
    runtime::Stage stage;
    stage.name = planned.name;
    for (const auto& [name, steps] : planned.turns) stage.turns.push_back({program_use(*model.program(name)), steps});
    stage.epochs = *planned.epochs;
    stage.batch = *planned.batch;
    if (const ProgramInfo* test = evaluation_program(model)) stage.test = program_use(*test);
    stage.monitor = planned.monitor->metric;
    stage.monitor_highest = monitors_highest(model, *planned.monitor);
    stage.patience = planned.monitor->patience;
    options.plan.push_back(std::move(stage));
  }
}

std::vector<runtime::Array> training_inputs(const ModelGraph& model, const runtime::FitOptions& options) {
  std::vector<runtime::Array> all;
  const auto add = [&](const std::string& program) { merge(all, data_inputs(model, program, 1)); };
  if (options.plan.empty()) add(options.train.name);
  for (const runtime::Stage& stage : options.plan)
    for (const runtime::Turn& turn : stage.turns) add(turn.program.name);
  // What evaluates may read statistics of the training examples that no program trained on.
  const ProgramInfo* test = evaluation_program(model);
  const bool evaluates = model.data.test || model.data.validation || model.data.validation_fraction > 0 ||
                         model.data.resample.kind != Resample::Kind::none;
  if (!test || !evaluates) return all;
  std::vector<runtime::Array> read = data_inputs(model, test->name, 1);
  std::erase_if(read, [&](const runtime::Array& input) {
    return std::none_of(model.input_statistics.begin(), model.input_statistics.end(),
                        [&](const InputStatistics& each) { return each.input == input.name; });
  });
  merge(all, read);
  return all;
}

const ProgramInfo* evaluation_program(const ModelGraph& model) {
  if (const ProgramInfo* test = model.program("test"); test && !test->trains) return test;
  for (const ProgramInfo& program : model.programs)
    if (!program.trains && (!program.loss.empty() || !program.reports.empty())) return &program;
  return nullptr;
}

namespace {

std::string gibibytes(std::int64_t bytes) {
  const std::int64_t tenths = bytes / ((std::int64_t{1} << 30) / 10);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

std::int64_t machine_bytes() { return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE); }

void check_memory(const runtime::Executable& executable, const runtime::StateTable& state, const Location& at) {
  const std::int64_t machine = machine_bytes();
  std::int64_t batch = 0;
  for (const runtime::Array& input : executable.inputs) batch += input.bytes();
  for (const runtime::Array& output : executable.outputs) batch += output.bytes();
  const std::int64_t workspace = executable.workspace_bytes + executable.worker_bytes;
  const std::int64_t needed = state.bytes + workspace + batch;
  if (needed <= machine) return;
  throw UserError(at, "the program `" + executable.program + "` needs " + gibibytes(needed) + " of memory (state " +
                          gibibytes(state.bytes) + ", workspace " + gibibytes(workspace) + "), this machine has " +
                          gibibytes(machine));
}

}  // namespace

void check_state_fits(const ModelGraph& model, const runtime::StateTable& table) {
  if (table.bytes <= machine_bytes()) return;
  const auto greatest = std::max_element(
      table.entries.begin(), table.entries.end(),
      [](const runtime::StateArray& a, const runtime::StateArray& b) { return a.bytes() < b.bytes(); });
  Location at = model.location;
  for (const LayerInfo& layer : model.layers)
    if (greatest->name.starts_with(layer.name + ".")) at = layer.location;
  throw UserError(at, "the model's state needs " + gibibytes(table.bytes) + " of memory, `" + greatest->name +
                          "` alone " + gibibytes(greatest->bytes()) + "; this machine has " +
                          gibibytes(machine_bytes()));
}

runtime::Provide provider(ModelCompiler& compiler) {
  check_state_fits(compiler.model(), compiler.state());
  return [&compiler](std::string_view program, std::int64_t batch) -> const runtime::Executable& {
    const runtime::Executable& executable = compiler.executable(program, batch);
    const ProgramInfo* info = compiler.model().program(executable.program);
    check_memory(executable, compiler.state(), info ? info->location : Location());
    return executable;
  };
}

}  // namespace gradc
