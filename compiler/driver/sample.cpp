// gradc sample: draws from a trained model what its `sample` section describes.
#include <filesystem>
#include <iostream>

#include "compiler/driver/ensemble.h"
#include "compiler/driver/help.h"
#include "compiler/driver/plot.h"
#include "compiler/driver/results.h"

namespace gradc::driver {

namespace {

// Line ends and the like by their escapes.
std::string printable(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
  return result;
}

// Tokens as characters, up to where each sequence stops.
std::string text_of(const runtime::Column& column, const std::string& vocabulary, std::optional<std::int64_t> stop) {
  std::string text;
  const std::int64_t length = column.row_elements();
  for (std::int64_t row = 0; row < column.examples; ++row) {
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t token = column.values<std::int32_t>()[static_cast<std::size_t>(row * length + i)];
      if (token == stop) break;
      const bool known = token >= 0 && token < static_cast<std::int64_t>(vocabulary.size());
      text += known ? std::string(1, vocabulary[static_cast<std::size_t>(token)]) : "?";
    }
    text += '\n';
  }
  return text;
}

// The length of the UTF-8 character that begins there; of what is none, one byte.
std::size_t character_length(const std::string& text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  for (std::size_t i = 1; i < length; ++i)
    if (at + i >= text.size() || (static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 1;
  return length;
}

// A prompt as the tokens of the vocabulary in the weights: "[18, 47]".
std::string prompt_tokens(const std::string& prompt, const std::string& weights) {
  if (weights.empty())
    throw UserError(Location(), "--prompt: the characters are numbered by the vocabulary in --weights");
  const std::string vocabulary = vocabulary_in({weights});
  if (vocabulary.empty())
    throw UserError(Location(), "--prompt: " + weights + " has no vocabulary; its model was not trained on text");
  std::string tokens, lacking;
  for (std::size_t i = 0, length = 0; i < prompt.size(); i += length) {
    length = character_length(prompt, i);
    const std::string character = prompt.substr(i, length);
    const std::string shown = character == "\n" ? "`\\n`" : "`" + character + "`";
    for (const char byte : character) {
      const std::size_t token = vocabulary.find(byte);
      if (token != std::string::npos)
        tokens += (tokens.empty() ? "" : ", ") + std::to_string(token);
      else if (lacking.find(shown) == std::string::npos)
        lacking += (lacking.empty() ? "" : ", ") + shown;
    }
  }
  if (!lacking.empty())
    throw UserError(Location(), "--prompt: the vocabulary of " + weights + " lacks " + lacking + "; it has `" +
                                    printable(vocabulary) + "`");
  return "[" + tokens + "]";
}

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  std::vector<std::string> inputs;
  std::string weights, output = "-";
  std::string temperature, length;
  std::optional<std::string> prompt;
  std::int64_t count = 0, seed = 0;
  int threads = 1;
  GridRequest grid;
};

// Inputs that are no inputs of the program but nodes: they are taken from files instead of being computed.
void take_nodes_from_files(Function& function, const std::vector<std::string>& items) {
  std::vector<std::string> nodes;
  for (const std::string& item : items) {
    const std::string name = item.substr(0, item.find('='));
    if (!function.parameter(name)) nodes.push_back(name);
  }
  if (!nodes.empty()) nodes_to_inputs(function, nodes, "--input");
}

runtime::DataSet draw(const ModelGraph& model, const Arguments& given) {
  ModelCompiler compiler(model, given.compile.options());
  const runtime::Provide provide = provider(compiler);
  runtime::DataSet data = inputs_from_files(given.inputs, data_inputs(model, "sample", 1), "sample");
  if (data.columns.empty()) data.examples = given.count ? given.count : 16;
  if (given.count && given.count != data.examples)
    throw UserError(Location(), "--count " + std::to_string(given.count) + ": the inputs have " +
                                    std::to_string(data.examples) + " examples");
  runtime::Block state = state_from(provide, compiler.state(), given.weights, data, given.seed);
  runtime::ThreadPool pool(given.threads);
  // One batch: random ops draw for all samples at once.
  return runtime::predict(provide, "sample", state.data(), data, {}, data.examples, &pool);
}

int run(ModelGraph& model, const Arguments& given) {
  if (!model.program("sample"))
    throw UserError(
        model.location,
        "`" + model.name + "` has no `sample` section, as in \"sample\": { \"outputs\": { \"image\": \"decoded\" } }");
  take_nodes_from_files(*model.module->function("sample"), given.inputs);
  const runtime::DataSet results = draw(model, given);
  const runtime::Column& first = results.columns.front();
  const std::string vocabulary =
      vocabulary_in(given.weights.empty() ? std::vector<std::string>{} : std::vector{given.weights});
  const bool tokens = results.columns.size() == 1 && first.dtype == GRADC_I32 && first.shape.size() == 1;
  const std::filesystem::path ending = std::filesystem::path(given.output).extension();
  if (tokens && !vocabulary.empty() && ending != ".npy" && ending != ".png") {
    write_file(given.output, text_of(first, vocabulary, model.sample_stop));
    return kDone;
  }
  if (ending != ".png") {
    write_results(results, given.output == "-" ? "" : given.output);
    return kDone;
  }
  if (results.columns.size() != 1)
    throw UserError(Location(), "-o " + given.output + ": a picture shows one output, `sample` has " +
                                    std::to_string(results.columns.size()));
  write_file(given.output, grid_png(results.columns[0], given.grid));
  return kDone;
}

}  // namespace

void add_sample(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("sample", "draws from a trained model what its `sample` section describes");
  given->spec.add_to(*command);
  command->add_option("--weights", given->weights, "a safetensors file; without it, the initial weights");
  command->add_option("--seed", given->seed, "of what is drawn")->check(integer(0))->capture_default_str();
  command->add_option("--count", given->count, "how many samples; default: 16, or as many as the inputs have")
      ->check(integer(1, 1000000));
  command
      ->add_option("--input", given->inputs,
                   "an input, or a node that is read from a file instead of being drawn, as in z=latent.npy")
      ->type_name("NAME=FILE");
  command->add_option("-o,--output", given->output, "a .png grid, an .npy file, or - for text or JSON lines")
      ->capture_default_str();
  command->add_option("--shape", given->grid.shape, "of one image of a grid, as 28x28 or 3x32x32");
  choice(command->add_option("--scale", given->grid.scale, "of a grid, as for `gradc plot images`"),
         {"auto", "each", "all"})
      ->capture_default_str();
  command->add_option("--columns", given->grid.columns, "of a grid")->check(integer(1, 100000));
  command->add_option("--threads", given->threads, "worker threads; the results are the same bits for any number")
      ->check(integer(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--temperature", given->temperature,
                   "of a sequence: less than 1 draws likelier tokens more often, 0 the likeliest; default: the spec's")
      ->check(number(0, 1e6));
  command->add_option("--length", given->length, "rounds of a sequence; default: the spec's")->check(integer(1));
  command
      ->add_option("--prompt", given->prompt,
                   "of a sequence of text: what it begins with; counts as a part of its length")
      ->type_name("TEXT");
  given->compile.add_to(*command, false);
  show_examples(*command,
                {"gradc sample vae.json --weights run-vae/best.safetensors -o digits.png",
                 "gradc sample vae.json --weights run-vae/best.safetensors --count 4 --seed 7 -o digits.npy"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      if (!given->temperature.empty()) given->spec.set.push_back("sample.temperature=" + given->temperature);
      if (!given->length.empty()) given->spec.set.push_back("sample.length=" + given->length);
      if (given->prompt) given->spec.set.push_back("sample.prompt=" + prompt_tokens(*given->prompt, given->weights));
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(*model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
