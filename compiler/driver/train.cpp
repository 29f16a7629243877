// gradc train: compiles a model and trains it in process.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "compiler/api/explain.h"
#include "compiler/api/run_data.h"
#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::string directory, weights, program;
  std::int64_t epochs = 0;
  std::optional<std::int64_t> seed;
  bool resume = false, check_finite = false;
};

void print_metrics(const char* split, const runtime::Metrics& metrics) {
  for (const auto& [name, value] : metrics)
    std::cout << split << " " << name << " " << std::setprecision(6) << value << "\n";
}

void print_result(const Session& session, const Arguments& given, const runtime::FitResult& result) {
  if (session.json) {
    nlohmann::ordered_json line = {{"outcome", std::string(runtime::name_of(result.outcome))},
                                   {"epoch", result.last.epoch},
                                   {"step", result.step},
                                   {"seconds", result.seconds}};
    const std::pair<const char*, const runtime::Metrics*> splits[] = {
        {"train", &result.last.train}, {"validation", &result.last.validation}, {"test", &result.last.test}};
    for (const auto& [split, metrics] : splits)
      for (const auto& [name, value] : *metrics) line[split][name] = value;
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

int run(Session& session, const ModelGraph& model, const Arguments& given) {
  const ProgramInfo* program = model.program(chosen_program(model, given.program));
  if (program && !program->trains && !given.program.empty())
    throw UserError(program->location, "the program `" + program->name + "` does not train: it has no `minimize`");
  if (!program || !program->trains)
    throw UserError(program ? program->location : Location(),
                    "`" + model.name + "` has no program that trains; give one a `minimize` under `programs`");
  if (!model.data.train) throw UserError(program->location, "`" + model.name + "` has no `data.train` to train on");
  ModelCompiler compiler(model, given.compile.options());
  const ProgramInfo* test = evaluation_program(model);
  const DataPlace place = given.data.place(given.spec);

  const std::vector<runtime::Array> inputs = data_inputs(model, program->name, 1);
  std::optional<runtime::DataSet> train = load_split(*model.data.train, place, inputs), validation, held_out;
  if (model.data.validation) validation = load_split(*model.data.validation, place, inputs);
  if (model.data.test && test) held_out = load_split(*model.data.test, place, data_inputs(model, test->name, 1));

  runtime::FitOptions options;
  options.train = program_use(*program);
  if (test) options.test = program_use(*test);
  options.epochs = given.epochs ? given.epochs : program->epochs;
  if (given.compile.batch) options.batch = given.compile.batch;
  options.default_batch = program->batch;
  options.seed = given.seed;
  options.threads = given.data.threads;
  options.validation_fraction = model.data.validation_fraction;
  options.weights = given.weights;
  options.statistics = statistics_of(model);
  options.directory = given.directory;
  options.resume = given.resume;
  options.spec = model.resolved;
  options.check_finite = given.check_finite;
  options.catch_interrupt = true;
  options.quiet = session.quiet;

  Location culprit = program->location;
  options.explain = [&](const runtime::NonFinite& found) -> std::string {
    const std::optional<NonFiniteOrigin> origin = explain_non_finite(compiler, program->name, found);
    if (!origin) return "";
    culprit = origin->location;
    return "; " + origin->message;
  };

  runtime::Block state = make_state(compiler.state());
  const runtime::FitResult result =
      runtime::fit(provider(compiler), compiler.state(), state,
                   {&*train, validation ? &*validation : nullptr, held_out ? &*held_out : nullptr}, options);
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
  command->add_option("--weights", given->weights, "a safetensors file to begin with");
  command->add_option("--program", given->program, "which program to train; default: the first that trains");
  command->add_flag("--check-finite", given->check_finite,
                    "stops at the first NaN or infinity, with the state before that step");
  given->compile.add_to(*command);
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
