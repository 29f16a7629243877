// gradc eval: metrics of trained weights over a data set.
#include <iostream>

#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::string weights, split = "test", program;
};

int run(Session& session, const ModelGraph& model, const Arguments& given) {
  const ProgramInfo* program =
      given.program.empty() ? evaluation_program(model) : model.program(chosen_program(model, given.program));
  if (!program)
    throw UserError(Location(),
                    "`" + model.name + "` has no program that evaluates; give one a `report` under `programs`");
  const std::optional<DataSet>& split = given.split == "train"        ? model.data.train
                                        : given.split == "validation" ? model.data.validation
                                                                      : model.data.test;
  if (!split) throw UserError(program->location, "`" + model.name + "` has no `data." + given.split + "`");
  ModelCompiler compiler(model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  const runtime::DataSet data = load_split(*split, given.data.place(given.spec), data_inputs(model, program->name, 1));
  runtime::Block state = state_from(provide, compiler.state(), given.weights);
  runtime::ThreadPool pool(given.data.threads);
  const std::int64_t batch = given.compile.batch ? given.compile.batch : program->batch;
  const runtime::Metrics metrics = runtime::evaluate(provide, program_use(*program), state.data(), data, batch, &pool);
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
  command->add_option("--weights", given->weights, "a safetensors file, as of a run directory")->required();
  command->add_option("--split", given->split, "train, validation or test")
      ->check(CLI::IsMember(std::vector<std::string>{"train", "validation", "test"}))
      ->capture_default_str();
  command->add_option("--program", given->program, "the program to evaluate; default: test");
  given->data.add_to(*command);
  given->compile.add_to(*command);
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(session, *model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
