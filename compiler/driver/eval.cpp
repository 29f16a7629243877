// gradc eval: metrics of trained weights over a data set.
#include <iostream>

#include "compiler/driver/ensemble.h"
#include "compiler/driver/help.h"
#include "gradc/resample.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::vector<std::string> weights, average;
  std::string split = "test", program;
};

// The seed of the run that wrote these weights.
std::uint64_t seed_of_run(const std::string& weights, const ProgramInfo& program) {
  const std::optional<std::int64_t> seed = runtime::seed_of_run(runtime::SafeTensors::read(weights));
  if (!seed)
    throw UserError(program.location, weights + " is no checkpoint of a run, whose seed says which examples validate");
  return static_cast<std::uint64_t>(*seed);
}

runtime::DataSet load(const ModelGraph& model, const ProgramInfo& program, const Arguments& given) {
  const DataPlace place = given.data.place(given.spec);
  const std::vector<runtime::Array> inputs = data_inputs(model, program.name, 1);
  const bool test = given.split == "test", train = given.split == "train";
  const bool resampled = model.data.resample.kind != Resample::Kind::none,
             fraction = model.data.validation_fraction > 0;
  const bool declared = test    ? model.data.test.has_value()
                        : train ? model.data.train.has_value()
                                : model.data.validation || (model.data.train && (resampled || fraction));
  if (!declared) throw UserError(program.location, "`" + model.name + "` has no `data." + given.split + "`");
  const std::string vocabulary = vocabulary_in(given.weights);
  if (test) return load_split(*model.data.test, place, inputs, vocabulary);
  if (!train && model.data.validation) return load_split(*model.data.validation, place, inputs, vocabulary);
  TrainingData data = load_training(model, place, inputs, inputs, vocabulary);
  if (fraction) {
    const runtime::Split split = runtime::hold_out(data.train.examples, model.data.validation_fraction,
                                                   seed_of_run(given.weights.front(), program));
    return runtime::rows_of(data.train, train ? split.train : split.validation);
  }
  if (!train && !data.validation)
    throw UserError(model.data.resample.location, "every example was drawn, so none is left to validate");
  return train ? std::move(data.train) : std::move(*data.validation);
}

int run(Session& session, ModelGraph& model, const Arguments& given) {
  const ProgramInfo* program =
      given.program.empty() ? evaluation_program(model) : model.program(chosen_program(model, given.program));
  if (!program)
    throw UserError(model.location,
                    "`" + model.name + "` has no program that evaluates; give one a `report` under `programs`");
  if (program->loss.empty() && program->reports.empty())
    throw UserError(program->location, "the program `" + program->name + "` has no loss and no reports to evaluate");
  std::optional<EnsembleEvaluation> ensemble;
  if (given.weights.size() > 1) ensemble.emplace(model, *program, given.average);
  if (!ensemble && !given.average.empty())
    throw UserError(Location(), "--average takes the mean over several --weights, only one is given");
  ModelCompiler compiler(model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  const runtime::DataSet data = load(model, *program, given);
  runtime::ThreadPool pool(given.data.threads);
  const std::int64_t batch = given.compile.batch ? given.compile.batch : program->batch;
  const runtime::Metrics metrics = at_splits(model.data, [&] {
    if (ensemble) return ensemble->run({provide, compiler.state(), given.weights, batch, &pool}, data);
    runtime::Block state = state_from(provide, compiler.state(), given.weights.front(), data);
    return runtime::evaluate(provide, program_use(*program), state.data(), data, batch, &pool);
  });
  if (session.json)
    std::cout << json_of(metrics).dump() << "\n";
  else
    print_metrics(given.split, metrics);
  return kDone;
}

}  // namespace

void add_eval(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "the reports and the loss of trained weights over a data set");
  given->spec.add_to(*command);
  command
      ->add_option("--weights", given->weights,
                   "safetensors files, as of run directories; of several, nodes are averaged over them first and "
                   "the reports computed from the averages")
      ->type_name("FILE…")
      ->required();
  command
      ->add_option("--average", given->average,
                   "what is averaged over several --weights; default: the outputs that are nodes. Every report must "
                   "follow from the averages (and the data); the loss is left out where it does not")
      ->type_name("NODE…");
  choice(command->add_option("--split", given->split, "whose examples"), {"train", "validation", "test"})
      ->capture_default_str();
  command->add_option("--program", given->program, "the program to evaluate; default: test");
  given->data.add_to(*command);
  given->compile.add_to(*command);
  show_examples(*command, {"gradc eval spiral.json --weights run/best.safetensors",
                           "gradc eval spiral.json --weights run/last.safetensors --split train"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(session, *model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
