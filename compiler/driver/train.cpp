// gradc train: compiles a model and trains it in process.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "compiler/api/explain.h"
#include "compiler/api/run_data.h"
#include "compiler/driver/help.h"
#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::string directory, weights, program, monitor;
  std::int64_t epochs = 0;
  std::optional<std::int64_t> patience;
  std::optional<std::int64_t> seed;
  bool resume = false, check_finite = false, strict = false;
};

void print_result(const Session& session, const Arguments& given, const runtime::FitResult& result) {
  if (session.json) {
    nlohmann::ordered_json line = {{"outcome", std::string(runtime::name_of(result.outcome))},
                                   {"epoch", result.last.epoch},
                                   {"step", result.step},
                                   {"seconds", result.seconds}};
    const std::pair<const char*, const runtime::Metrics*> splits[] = {
        {"train", &result.last.train}, {"validation", &result.last.validation}, {"test", &result.last.test}};
    for (const auto& [split, metrics] : splits)
      if (!metrics->nothing()) line[split] = json_of(*metrics);
    std::cout << line.dump() << "\n";
    return;
  }
  print_metrics("train", result.last.train);
  print_metrics("validation", result.last.validation);
  print_metrics("test", result.last.test);
  if (given.directory.empty()) return;
  const std::filesystem::path run = given.directory;
  std::cout << "weights " << (run / "last.safetensors").string() << ", best " << (run / "best.safetensors").string()
            << "\nmetrics " << (run / "metrics.jsonl").string() << "\n";
}

// NAME, highest=NAME or lowest=NAME.
void monitor(runtime::FitOptions& options, const ModelGraph& model, const Arguments& given) {
  std::string name = given.monitor;
  std::optional<bool> highest;
  if (const std::size_t equals = name.find('='); equals != std::string::npos) {
    const std::string way = name.substr(0, equals);
    if (way != "highest" && way != "lowest")
      throw UserError(Location(), "--monitor " + given.monitor + ": expected NAME, highest=NAME or lowest=NAME");
    highest = way == "highest";
    name.erase(0, equals + 1);
  }
  std::vector<std::string> known = {"loss"};
  for (const ProgramInfo& program : model.programs)
    for (const ReportInfo& report : program.reports)
      if (report.reduce != Reduce::confusion) known.push_back(report.name);
  if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end())
    throw UserError(Location(), "--monitor " + given.monitor + ": no program reports `" + name + "`" +
                                    suggest_or_list(name, known));
  const auto apply = [&](std::string& metric, bool& is_highest, std::int64_t& patience) {
    if (!name.empty()) {
      metric = name;
      is_highest = monitors_highest(model, {name, highest, 0, {}});
    }
    if (given.patience) patience = *given.patience;
  };
  apply(options.monitor, options.monitor_highest, options.patience);
  for (runtime::Stage& stage : options.plan) apply(stage.monitor, stage.monitor_highest, stage.patience);
}

// The plan, or one program as the whole run, with what the command line says of them.
void choose_programs(runtime::FitOptions& options, const ModelGraph& model, const Arguments& given) {
  if (given.program.empty()) {
    use_programs(options, model, Location());
  } else {
    const ProgramInfo* program = model.program(chosen_program(model, given.program));
    if (!program || !program->trains)
      throw UserError(program ? program->location : Location(),
                      "the program `" + given.program + "` does not train: it has no `minimize`");
    use_program(options, model, *program, Keep::nothing);
  }
  monitor(options, model, given);
  if (given.epochs == 0) return;
  options.epochs = given.epochs;
  if (options.plan.size() > 1)
    throw UserError(model.plan[1].location,
                    "--epochs can't say how long each stage of the plan is; use --set plan.0.epochs=… or the stage's "
                    "name in place of 0");
  if (!options.plan.empty()) options.plan[0].epochs = given.epochs;
}

int run(Session& session, const ModelGraph& model, const Arguments& given) {
  runtime::FitOptions options;
  choose_programs(options, model, given);
  const std::string first = options.plan.empty() ? options.train.name : options.plan[0].turns[0].program.name;
  Location culprit = model.program(first)->location;
  if (!model.data.train) throw UserError(culprit, "`" + model.name + "` has no `data.train` to train on");
  ModelCompiler compiler(model, given.compile.options());
  const ProgramInfo* test = evaluation_program(model);
  const DataPlace place = given.data.place(given.spec);

  const std::vector<runtime::Array> inputs = training_inputs(model, options);
  const TrainingData examples = load_training(model, place, inputs, test ? data_inputs(model, test->name, 1) : inputs);
  std::optional<runtime::DataSet> held_out;
  if (model.data.test && test)
    held_out = load_split(*model.data.test, place, data_inputs(model, test->name, 1), examples.train.vocabulary);

  if (given.compile.batch) options.batch = given.compile.batch;
  options.seed = given.seed;
  options.threads = given.data.threads;
  options.validation_fraction = model.data.validation_fraction;
  options.weights = given.weights;
  options.partial_weights = !given.strict;
  options.directory = given.directory;
  options.resume = given.resume;
  options.spec = model.resolved;
  options.check_finite = given.check_finite;
  options.catch_interrupt = true;
  options.quiet = session.quiet;
  options.explain = [&](const runtime::NonFinite& found) -> std::string {
    const std::optional<NonFiniteOrigin> origin = explain_non_finite(compiler, found.program, found);
    if (!origin) return "";
    culprit = origin->location;
    return "; " + origin->message;
  };

  options.foresee = [&](std::string_view program, std::int64_t batch) { compiler.ahead(program, batch); };

  const runtime::Provide provide = provider(compiler);
  runtime::Block state(compiler.state().bytes);
  const runtime::FitResult result = at_splits(model.data, [&] {
    return runtime::fit(
        provide, compiler.state(), state,
        {&examples.train, examples.validation ? &*examples.validation : nullptr, held_out ? &*held_out : nullptr},
        options);
  });
  print_result(session, given, result);
  if (result.outcome == runtime::Outcome::interrupted) return kInterrupted;
  if (result.outcome != runtime::Outcome::non_finite) return kDone;
  throw UserError(culprit, result.message);
}

}  // namespace

void add_train(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("train", "compiles a model and trains it; weights and metrics go to a run directory");
  given->spec.add_to(*command);
  command->add_option("-o,--output", given->directory,
                      "the run directory: last and best weights, metrics.jsonl, the resolved spec");
  given->data.add_to(*command);
  command->add_option("--epochs", given->epochs, "passes over the training data; default: the spec's")
      ->check(integer(1));
  command->add_option("--seed", given->seed, "of initial weights, shuffling and random ops; default: 0")
      ->check(integer(std::numeric_limits<std::int64_t>::min()));
  command->add_flag("--resume", given->resume,
                    "continues the run in the directory, to the bits of a run never interrupted");
  command->add_option("--weights", given->weights,
                      "a safetensors file to begin with: what matches by name and shape is taken, the rest listed");
  command->add_flag("--strict", given->strict, "--weights must fit the model as a whole");
  command->add_option("--program", given->program, "one program to train, in place of the plan");
  command->add_option("--monitor", given->monitor,
                      "the metric that decides which epoch is best: NAME, highest=NAME or lowest=NAME; default: the "
                      "spec's, else loss");
  command->add_option("--patience", given->patience, "stops after so many epochs without a better one; 0: never")
      ->check(integer(0));
  command
      ->add_option("--watch", given->spec.watch,
                   "glob of parameters and named values whose norm, gradient norm, update ratio and share of zeros "
                   "go to metrics.jsonl; may be given again")
      ->take_all();
  command->add_flag("--check-finite", given->check_finite,
                    "stops at the first NaN or infinity, with the state before that step");
  given->compile.add_to(*command);
  show_examples(*command, {"gradc train spiral.json -o run",
                           "gradc train spiral.json -o run --resume --epochs 200       goes on where that run ended",
                           "gradc train spiral.json -o wide --set graph.hidden.units=200 --seed 1"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      if (given->resume && given->directory.empty())
        throw UserError(Location(), "--resume needs the run directory: -o RUN");
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(session, *model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
