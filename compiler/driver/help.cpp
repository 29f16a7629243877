// Layout and lesson of --help.
#include "compiler/driver/help.h"

namespace gradc::driver {

// clang-format off
const char* const kLesson = R"lesson(Lesson: a model is a JSON file, such as this spiral.json.

  {
    "name": "spiral",
    "inputs": { "x": "f32[N,2]", "label": "i32[N]" },
    "graph": [
      { "op": "linear", "name": "hidden", "x": "x", "units": 100 },
      { "op": "relu" },
      { "op": "linear", "name": "logits", "units": 3 }
    ],
    "outputs": { "probability": "softmax(logits)" },
    "programs": {
      "train": {
        "minimize": "mean(softmax_cross_entropy(logits, label))",
        "optimizer": { "kind": "adam", "learning_rate": 0.01 },
        "epochs": 100,
        "batch": 32
      },
      "test": { "report": { "accuracy": "argmax(logits, axis=1) == label" } }
    },
    "data": {
      "train": { "generate": { "kind": "spiral", "examples": 900, "seed": 1 } },
      "test": { "generate": { "kind": "spiral", "examples": 300, "seed": 2 } }
    }
  }

Save it, then:

  gradc check spiral.json                     is it right? all mistakes, with line, column and caret
  gradc summary spiral.json                   its layers, shapes and parameters
  gradc train spiral.json -o run              trains it; weights and metrics go to run/
  gradc eval spiral.json --weights run/best.safetensors
  gradc compile spiral.json -o spiral.o       the training step as an object, and spiral.h: no runtime
  gradc dump spiral.json --stage kernel       what became of it, from graph to asm
  gradc trace spiral.json --input x=1,2 --input label=0    every value and its adjoint

  gradc ops                                   what a model can be made of
  gradc ops conv2d                            one op or layer, with its attributes
  gradc schema                                the JSON Schema, for an editor that completes and checks

`gradc SUBCOMMAND --help` has the options and examples of each.)lesson";
// clang-format on

namespace {
constexpr std::size_t kColumn = 28, kWidth = 100;

// "  NAME   TEXT", the text in a column of its own.
std::string entry(const std::string& name, const std::string& text) {
  std::string lines = "  " + name;
  std::size_t column = lines.size();
  if (column >= kColumn) {
    lines += "\n" + std::string(kColumn, ' ');
    column = kColumn;
  }
  lines.append(kColumn - column, ' ');
  column = kColumn;
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (column > kColumn && column + 1 + word.size() > kWidth) {
      lines += "\n" + std::string(kColumn, ' ');
      column = kColumn;
    } else if (column > kColumn) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines + "\n";
}

class Layout : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = make_option_name(option, is_positional);
    if (const std::size_t comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
    if (!is_positional && option->get_type_size() != 0) name += " " + option->get_type_name();
    std::string text = option->get_description();
    if (!option->get_default_str().empty()) text += " (default: " + option->get_default_str() + ")";
    if (!is_positional && option->get_required()) text += "; required";
    return entry(name, text);
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_name(), command->get_description());
  }

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) text.erase(at, 1);
    return text;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_layout() { return std::make_shared<Layout>(); }

void show_examples(CLI::App& command, std::initializer_list<std::string_view> lines, std::string_view more) {
  std::string text = lines.size() == 1 ? "Example:\n" : "Examples:\n";
  for (const std::string_view line : lines) text += "  " + std::string(line) + "\n";
  if (!more.empty()) text += "\n" + std::string(more);
  while (text.ends_with('\n')) text.pop_back();
  command.footer(text);
}

}  // namespace gradc::driver
