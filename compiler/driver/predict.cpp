// gradc predict: outputs, or any node, for given inputs.
#include <iostream>

#include "compiler/driver/ensemble.h"
#include "compiler/driver/help.h"
#include "compiler/driver/results.h"
#include "compiler/passes/pass.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::vector<std::string> inputs;
  std::vector<std::string> weights;
  std::string node, output, program = "predict";
};

// Whether a value's first dimension is the examples: that of an input.
bool is_for_each_example(const Function& function, const Type& type) {
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Shape& input = function.body.parameters[i]->type.shape;
    if (function.parameters[i].role != Role::data || input.empty() || type.shape.empty()) continue;
    if (type.shape[0] == input[0]) return true;
  }
  return false;
}

// Leaves those outputs that have a value for each example, and says which have none. UserError where none are left.
void keep_values_of_examples(Function& function) {
  std::vector<FunctionResult> results;
  std::vector<Value*> values;
  std::string others;
  for (std::size_t i = 0; i < function.results.size(); ++i) {
    Value* value = function.body.results[i];
    if (is_for_each_example(function, value->type)) {
      results.push_back(function.results[i]);
      values.push_back(value);
    } else if (function.results[i].role == Role::data) {
      others += (others.empty() ? "`" : ", `") + function.results[i].name + "` is " + value->type.str();
    }
  }
  if (others.empty()) return;
  const std::string rest = others + ", not a value for each example";
  if (values.empty())
    throw UserError(Location(), "the program `" + function.name + "` has nothing to hand out: its output " + rest +
                                    "; a program with a `report` of it gives it, by `gradc eval`");
  std::cerr << "note: the output " << rest << "; left out\n";
  function.results = std::move(results);
  function.body.results = std::move(values);
  eliminate_dead_code(function, {});
}

int run(ModelGraph& model, const Arguments& given) {
  const std::string program = chosen_program(model, given.program);
  Function& function = *model.module->function(program);
  if (!given.node.empty()) expose_nodes(function, {given.node}, "--node");
  keep_values_of_examples(function);
  ModelCompiler compiler(model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  const std::vector<runtime::Array> inputs = data_inputs(model, program, 1);
  if (given.inputs.empty() && !model.data.test)
    throw UserError(model.location, "predict needs --input NAME=FILE, or a `data.test` in the spec");
  const runtime::DataSet data = given.inputs.empty() ? load_split(*model.data.test, given.data.place(given.spec),
                                                                  inputs, vocabulary_in(given.weights))
                                                     : inputs_from_files(given.inputs, inputs, "predict");
  runtime::ThreadPool pool(given.data.threads);
  const ProgramInfo* info = model.program(program);
  const std::int64_t batch = given.compile.batch ? given.compile.batch : info ? info->batch : 64;
  const EnsembleRun run{provide, compiler.state(), given.weights, batch, &pool};
  const auto predict = [&] { return mean_prediction(run, program, data); };
  write_results(given.inputs.empty() ? at_splits(model.data, predict) : predict(), given.output);
  return kDone;
}

}  // namespace

void add_predict(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("predict", "outputs of trained weights, or any node's value, for every example");
  given->spec.add_to(*command);
  command
      ->add_option(
          "--weights", given->weights,
          "safetensors files, as of run directories; of several, the mean of the outputs; without, the initial weights")
      ->type_name("FILE…");
  command
      ->add_option("--input", given->inputs,
                   "an array with the examples first, or an image (PNG, PGM, PPM); default: the spec's data.test")
      ->type_name("NAME=FILE")
      ->take_all();
  command->add_option("--node", given->node, "this node instead of the outputs");
  command->add_option("--program", given->program, "the program to run")->capture_default_str();
  command->add_option("-o,--output", given->output,
                      "an .npy file (one an output: FILE.NAME.npy); default: JSON lines to standard output");
  given->data.add_to(*command);
  given->compile.add_to(*command);
  show_examples(
      *command,
      {"gradc predict spiral.json --weights run/best.safetensors                     of data.test, as JSON lines",
       "gradc predict spiral.json --weights run/best.safetensors --input x=points.npy --output p.npy",
       "gradc predict spiral.json --weights run/best.safetensors --node hidden"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(*model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
