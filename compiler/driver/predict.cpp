// gradc predict: outputs, or any node, for given inputs.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/driver/run_arguments.h"
#include "compiler/passes/pass.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  DataArguments data;
  std::vector<std::string> inputs;
  std::string weights, node, output, program = "predict";
};

// Makes the node of that name the only result of the program.
void expose_node(ModelGraph& model, const std::string& program, const std::string& node) {
  Function& function = *model.module->function(program);
  Value* found = nullptr;
  std::vector<std::string> names;
  walk(function.body, [&](const Node& inner) {
    for (const auto& result : inner.results) {
      if (result->name == node && inner.parent == &function.body) found = result.get();
      if (!result->name.empty()) names.push_back(result->name);
    }
  });
  if (!found)
    throw UserError(Location(),
                    "--node " + node + ": the program `" + program + "` computes no such node" + suggest(node, names));
  function.results = {{node, Role::data}};
  function.body.results = {found};
  eliminate_dead_code(function, {});
}

// NAME=FILE.npy for every input of the program.
runtime::DataSet data_from_files(const std::vector<std::string>& items, const std::vector<runtime::Array>& inputs) {
  std::vector<std::string> names;
  for (const runtime::Array& input : inputs) names.push_back(input.name);
  runtime::DataSet data;
  for (const std::string& item : items) {
    const std::size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    if (equals == std::string::npos) throw UserError(Location(), "--input " + item + ": expected NAME=FILE.npy");
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw UserError(Location(),
                      "--input " + item + ": the program has no input `" + name + "`" + suggest(name, names));
    data.add(runtime::read_npy(item.substr(equals + 1), name));
  }
  for (const std::string& name : names)
    if (!data.find(name))
      throw UserError(Location(), "predict needs a file for the input `" + name + "`: --input " + name + "=FILE.npy");
  return data;
}

nlohmann::json row_json(const runtime::Column& column, std::int64_t row) {
  nlohmann::json values = nlohmann::json::array();
  const std::int64_t width = column.row_elements();
  for (std::int64_t i = row * width; i < (row + 1) * width; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    switch (column.dtype) {
      case GRADC_F32:
        values.push_back(column.values<float>()[at]);
        break;
      case GRADC_F64:
        values.push_back(column.values<double>()[at]);
        break;
      case GRADC_I32:
        values.push_back(column.values<std::int32_t>()[at]);
        break;
      case GRADC_I64:
        values.push_back(column.values<std::int64_t>()[at]);
        break;
      case GRADC_U32:
        values.push_back(column.values<std::uint32_t>()[at]);
        break;
      default:
        values.push_back(column.values<std::uint8_t>()[at]);
    }
  }
  return column.shape.empty() ? values[0] : values;
}

void write_results(const runtime::DataSet& results, const std::string& output) {
  if (output.empty()) {  // one JSON object an example
    for (std::int64_t row = 0; row < results.examples; ++row) {
      nlohmann::ordered_json line;
      for (const runtime::Column& column : results.columns) line[column.name] = row_json(column, row);
      std::cout << line.dump() << "\n";
    }
    return;
  }
  if (results.columns.size() == 1) return runtime::write_npy(output, results.columns[0]);
  const std::filesystem::path path = output;
  for (const runtime::Column& column : results.columns)
    runtime::write_npy(
        (path.parent_path() / (path.stem().string() + "." + column.name + path.extension().string())).string(), column);
}

int run(ModelGraph& model, const Arguments& given) {
  const std::string program = chosen_program(model, given.program);
  if (!given.node.empty()) expose_node(model, program, given.node);
  ModelCompiler compiler(model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  const std::vector<runtime::Array> inputs = data_inputs(model, program, 1);
  if (given.inputs.empty() && !model.data.test)
    throw UserError(Location(), "predict needs --input NAME=FILE.npy, or a `data.test` in the spec");
  const runtime::DataSet data = given.inputs.empty()
                                    ? load_split(*model.data.test, given.data.place(given.spec), inputs)
                                    : data_from_files(given.inputs, inputs);
  runtime::Block state = state_from(provide, compiler.state(), given.weights);
  runtime::ThreadPool pool(given.data.threads);
  const ProgramInfo* info = model.program(program);
  const std::int64_t batch = given.compile.batch ? given.compile.batch : info ? info->batch : 64;
  write_results(runtime::predict(provide, program, state.data(), data, {}, batch, &pool), given.output);
  return kDone;
}

}  // namespace

void add_predict(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("predict", "outputs of trained weights, or any node's value, for every example");
  given->spec.add_to(*command);
  command->add_option("--weights", given->weights,
                      "a safetensors file, as of a run directory; without it, the initial weights");
  command->add_option("--input", given->inputs, "an array with the examples first; default: the spec's data.test")
      ->type_name("NAME=FILE.npy")
      ->take_all();
  command->add_option("--node", given->node, "this node instead of the outputs");
  command->add_option("--program", given->program, "the program to run")->capture_default_str();
  command->add_option("--output", given->output,
                      "an .npy file (one an output: FILE.NAME.npy); default: JSON lines to standard output");
  given->data.add_to(*command);
  given->compile.add_to(*command);
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(*model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
