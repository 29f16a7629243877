// gradc dump: what became of a model, at any stage.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "compiler/api/model_compiler.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/lower/memory_use.h"
#include "ir/text.h"

namespace gradc::driver {

namespace {

const std::vector<std::string> kStages = {"graph", "grad", "optimized", "fused", "kernel", "memory", "llvm", "asm"};
constexpr std::ptrdiff_t kGraphStages = 4;  // the first ones

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  std::string stage = "graph", program, format = "text", output = "-";
  bool locations = false;
};

std::string graph_text(const Module& module, const Arguments& given) {
  if (given.format == "text") return print(module, {.locations = given.locations});
  std::string text;
  for (const auto& function : module.functions) text += print_dot(*function);
  return text;
}

std::string percent_above(std::int64_t bytes, std::int64_t bound) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%",
                bound == 0 ? 0.0 : 100.0 * static_cast<double>(bytes - bound) / static_cast<double>(bound));
  return text;
}

// The fullest moment of a step, and what lives in the arena then.
std::string peak_text(const KernelProgram& program) {
  const MemoryUse use = memory_use(program);
  if (use.peak < 0) return "";
  const std::string at =
      use.kernel < 0 ? "between kernels" : program.kernels[static_cast<std::size_t>(use.kernel)].name;
  std::string text = "  peak: " + std::to_string(use.most) + " bytes live at statement " + std::to_string(use.peak) +
                     " of " + std::to_string(use.statements) + ", " + at + "; the arena is " +
                     percent_above(program.arena_bytes, use.most) + " larger\n" + "  values alone: at most " +
                     std::to_string(use.most_values) + " bytes, at statement " + std::to_string(use.values_peak) +
                     "\n  living at the peak:\n";
  for (int b : use.living) {
    const KernelBuffer& buffer = program.buffers[static_cast<std::size_t>(b)];
    text += "    " + std::to_string(buffer.bytes()) + "\t" + buffer.name + "\n";
  }
  return text;
}

// The peak, then one row a buffer of the workspace and the state: where it lies and how large it is.
std::string memory_text(const KernelModule& module) {
  std::string text;
  for (const KernelProgram& program : module.programs) {
    text += "program @" + program.name + ": arena " + std::to_string(program.arena_bytes) + " bytes, " +
            std::to_string(program.worker_bytes) + " a worker; state " + std::to_string(module.state.bytes) + "\n" +
            peak_text(program) + "  buffers:\n";
    for (const KernelBuffer& buffer : program.buffers) {
      if (buffer.space == Space::table || buffer.space == Space::scalar) continue;
      std::string where = buffer.offset < 0 ? "slot " + std::to_string(buffer.slot) : std::to_string(buffer.offset);
      if (buffer.space == Space::view) where = "of " + program.buffers[static_cast<std::size_t>(buffer.base)].name;
      text += "    " + std::string(name_of(buffer.space)) + "\t" + where + "\t" + std::to_string(buffer.bytes()) +
              "\t" + buffer.name + "\n";
    }
  }
  return text;
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string dump(const ModelGraph& model, const Arguments& given) {
  const bool graph = std::find(kStages.begin(), kStages.end(), given.stage) - kStages.begin() < kGraphStages;
  if (given.format == "dot" && !graph)
    throw UserError(Location(), "--format dot draws graphs, and stage " + given.stage +
                                    " is none; --stage fused is the last that is");
  const Options options = given.compile.options();
  const std::string names[] = {chosen_program(model, given.program)};
  std::unique_ptr<Module> module = programs_of(model, names);
  if (given.stage == "graph") return graph_text(*module, given);
  const ProgramInfo* program = model.program(names[0]);
  const std::int64_t batch = given.compile.batch ? given.compile.batch : program ? program->batch : 1;
  specialize(*module, batch_binding(model, batch), options);
  differentiate(*module, options);
  if (given.stage == "grad") return graph_text(*module, given);
  optimize(*module, options);
  fit_memory(*module, model.state, options);
  if (given.stage == "optimized") return graph_text(*module, given);
  fuse(*module, options);
  if (given.stage == "fused") return graph_text(*module, given);
  KernelModule kernels = lower(*module, model.state, options);
  if (given.stage == "kernel") return print(kernels);
  if (given.stage == "memory") return memory_text(kernels);
  return text_of(emit(kernels, given.stage == "llvm" ? Emit::llvm : Emit::assembly, options.optimize));
}

}  // namespace

void add_dump(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("dump", "prints what became of a program at a stage of the compiler");
  given->spec.add_to(*command);
  given->compile.add_to(*command);
  choice(command->add_option("--stage", given->stage, "what to print"), kStages)->capture_default_str();
  command->add_option("--program", given->program, "train, test, predict, init, …; default: the one that trains");
  choice(command->add_option("--format", given->format, "text, or dot (Graphviz) up to stage fused"), {"text", "dot"})
      ->capture_default_str();
  command->add_option("-o,--output", given->output, "default: standard output")->type_name("FILE");
  command->add_flag("--locations", given->locations, "prints each node's place in the spec");
  show_examples(*command, {"gradc dump spiral.json --stage fused --batch 32",
                           "gradc dump spiral.json --stage memory            what lives when in the workspace",
                           "gradc dump spiral.json --format dot -o spiral.dot"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      if (!model) return kUserMistake;
      write_file(given->output, dump(*model, *given));
      return kDone;
    };
  });
}

}  // namespace gradc::driver
