// gradc plot: curves of metrics, decision regions, grids of images.
#include "compiler/driver/plot.h"

#include <filesystem>

#include "compiler/driver/ensemble.h"
#include "compiler/driver/help.h"

namespace gradc::driver {

namespace {

struct CurvesArguments {
  CurvesRequest request;
  std::string output;
};

struct RegionsArguments {
  RegionsRequest request;
  std::string output;
};

struct ImagesArguments {
  SpecArguments spec;
  CompileArguments compile;
  std::vector<std::string> inputs;
  std::string array, weights, name, node, program = "predict", output;
  GridRequest grid;
};

void need_ending(const std::string& path, const std::string& ending) {
  if (path == "-" || std::filesystem::path(path).extension() == ending) return;
  throw UserError(Location(), "-o " + path + ": the picture is written as " + ending + "; name it so");
}

runtime::Column weights_column(const std::string& file, const std::string& name) {
  const runtime::SafeTensors weights = runtime::SafeTensors::read(file);
  const runtime::SafeTensors::Entry* found = weights.find(name);
  std::vector<std::string> names;
  for (const runtime::SafeTensors::Entry& entry : weights.entries()) names.push_back(entry.name);
  if (!found)
    throw UserError(make_location(file, 0, 0), "no array is named `" + name + "`" + suggest_or_list(name, names));
  if (found->dtype != "F32" && found->dtype != "F64")
    throw UserError(Location(), "`" + name + "` is " + found->type() + "; only f32 and f64 are drawn");
  if (found->shape.empty()) throw UserError(Location(), "`" + name + "` is one number, no image");
  runtime::Column column = runtime::make_column(name, found->dtype == "F32" ? GRADC_F32 : GRADC_F64,
                                                {found->shape.begin() + 1, found->shape.end()}, found->shape[0], file);
  std::copy_n(weights.data(*found), column.data.bytes(), column.data.data());
  return column;
}

// A node's value for the inputs.
runtime::Column node_column(Session& session, const ImagesArguments& given) {
  std::unique_ptr<ModelGraph> model = given.spec.load(session);
  if (!model) throw UserError(Location(), given.spec.spec + " has mistakes");
  const std::string program = chosen_program(*model, given.program);
  expose_nodes(*model->module->function(program), {given.node}, "--node");
  ModelCompiler compiler(*model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  const runtime::DataSet data = inputs_from_files(given.inputs, data_inputs(*model, program, 1), "plot");
  runtime::ThreadPool pool(1);
  const std::vector<std::string> weights =
      given.weights.empty() ? std::vector<std::string>{} : std::vector<std::string>{given.weights};
  runtime::DataSet result = mean_prediction({provide, compiler.state(), weights, data.examples, &pool}, program, data);
  if (result.columns.empty()) throw UserError(Location(), "--node " + given.node + " has no value for each example");
  return std::move(result.columns[0]);
}

int run_images(Session& session, const ImagesArguments& given) {
  need_ending(given.output, ".png");
  const bool array = !given.array.empty(), name = !given.name.empty(), node = !given.node.empty();
  if (array + name + node != 1)
    throw UserError(Location(),
                    "what is drawn? one of: --array FILE.npy, --weights FILE --name ARRAY, or SPEC --weights "
                    "FILE --node NODE --input NAME=FILE");
  if (name && given.weights.empty())
    throw UserError(Location(), "--name " + given.name + " needs the --weights that have it");
  if (node && given.spec.spec.empty())
    throw UserError(Location(), "--node " + given.node + " needs the SPEC that has it");
  const runtime::Column column = array  ? runtime::read_npy(given.array, "array")
                                 : name ? weights_column(given.weights, given.name)
                                        : node_column(session, given);
  write_file(given.output, grid_png(column, given.grid));
  return kDone;
}

void add_output(CLI::App& command, std::string& output, const char* what) {
  command.add_option("-o,--output", output, what)->required();
}

void add_curves(CLI::App& app, Session& session) {
  auto given = std::make_shared<CurvesArguments>();
  CLI::App* command = app.add_subcommand("curves", "a metric over the epochs of one or several runs, as SVG");
  command->add_option("RUN", given->request.runs, "run directories, or their metrics.jsonl")->required();
  command->add_option("--metric", given->request.metric, "loss, or a report's name")->capture_default_str();
  choice(command->add_option("--split", given->request.splits,
                             "train, validation or test; default: all that have the metric"),
         {"train", "validation", "test"});
  command->add_flag("--log", given->request.logarithmic, "a logarithmic scale; leaves out what is not greater than 0");
  add_output(*command, given->output, "the SVG file; - writes to standard output");
  show_examples(*command, {"gradc plot curves run -o curves.svg",
                           "gradc plot curves run wide --metric accuracy --split test -o accuracy.svg"});
  command->callback([given, &session] {
    session.action = [given] {
      need_ending(given->output, ".svg");
      write_file(given->output, plot_curves(given->request));
      return kDone;
    };
  });
}

void add_regions(CLI::App& app, Session& session) {
  auto given = std::make_shared<RegionsArguments>();
  RegionsRequest& request = given->request;
  CLI::App* command =
      app.add_subcommand("regions", "what a classifier of points in the plane makes of each place, as SVG");
  request.spec.add_to(*command);
  command->add_option("--weights", request.weights, "a safetensors file; without it, the initial weights");
  command->add_option("--output-name", request.output, "the output with a score for each class; default: the first");
  command->add_option("--threshold", request.threshold, "of a model with one score: class 1 above it")
      ->capture_default_str();
  choice(command->add_option("--split", request.split, "whose examples are drawn: train, test or none"),
         {"train", "test", "none"})
      ->capture_default_str();
  request.data.add_to(*command);
  request.compile.add_to(*command);
  add_output(*command, given->output, "the SVG file; - writes to standard output");
  show_examples(*command, {"gradc plot regions spiral.json --weights run/best.safetensors -o regions.svg"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      need_ending(given->output, ".svg");
      std::unique_ptr<ModelGraph> model = given->request.spec.load(session);
      if (!model) return kUserMistake;
      write_file(given->output, plot_regions(*model, given->request));
      return kDone;
    };
  });
}

void add_images(CLI::App& app, Session& session) {
  auto given = std::make_shared<ImagesArguments>();
  CLI::App* command = app.add_subcommand("images", "filters, templates, feature maps or samples as a PNG grid");
  command->add_option("SPEC", given->spec.spec, "the model, for --node");
  command->add_option("--set", given->spec.set, "overrides a value of the spec")->type_name("PATH=VALUE")->take_all();
  command->add_option("--array", given->array, "an .npy file: images one after the other, or rows of their pixels");
  command->add_option("--weights", given->weights, "a safetensors file");
  command->add_option("--name", given->name,
                      "an array of the weights: filters [out,in,height,width], templates [units,pixels]");
  command->add_option("--node", given->node, "a node of the model: its feature maps");
  command->add_option("--program", given->program, "the program that computes the node")->capture_default_str();
  command->add_option("--input", given->inputs, "the model's inputs: an .npy file, or an image (PNG, PGM, PPM)")
      ->type_name("NAME=FILE");
  command->add_option("--shape", given->grid.shape, "of one image, as 28x28 or 3x32x32; default: from the array");
  choice(command->add_option(
             "--scale", given->grid.scale,
             "each: every image from its least number, black, to its greatest; all: all alike; auto: as it is "
             "where all numbers are in [0, 1], else each"),
         {"auto", "each", "all"})
      ->capture_default_str();
  command->add_option("--columns", given->grid.columns, "images beside each other")->check(integer(1, 100000));
  command->add_option("--zoom", given->grid.zoom, "pixels for each of an image")->check(integer(1, 1000));
  given->compile.add_to(*command, false);
  add_output(*command, given->output, "the PNG file; - writes to standard output");
  show_examples(*command, {"gradc plot images --weights run-lenet5/best.safetensors --name conv1.weight -o filters.png",
                           "gradc plot images lenet5.json --weights run-lenet5/best.safetensors --node conv1 --input "
                           "image=digit.png -o maps.png",
                           "gradc plot images --array digits.npy --shape 28x28 -o digits.png"});
  command->callback([given, &session] { session.action = [given, &session] { return run_images(session, *given); }; });
}

}  // namespace

void add_plot(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("plot", "pictures: curves of metrics, decision regions, grids of images");
  command->require_subcommand(1);
  show_examples(*command,
                {"gradc plot curves run -o curves.svg",
                 "gradc plot regions spiral.json --weights run/best.safetensors -o regions.svg",
                 "gradc plot images --weights run-lenet5/best.safetensors --name conv1.weight -o filters.png"});
  add_curves(*command, session);
  add_regions(*command, session);
  add_images(*command, session);
}

}  // namespace gradc::driver
