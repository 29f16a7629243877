// gradc compile: a model ahead of time, as an object file with its header, a shared object, LLVM IR or assembly.
#include <filesystem>
#include <iostream>

#include "compiler/api/model_compiler.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  CompileArguments compile;
  std::string output, emit = "obj", target;
};

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int run(const ModelGraph& model, const Arguments& given) {
  Options options = given.compile.options();
  options.target.triple = given.target;
  std::int64_t batch = given.compile.batch;
  for (const ProgramInfo& program : model.programs)
    if (!batch && program.trains) batch = program.batch;
  if (!batch) batch = model.programs.empty() ? 1 : model.programs.front().batch;
  KernelModule kernels = compile_to_kernels(programs_of(model, {}), model.state, batch_binding(model, batch), options);
  const std::filesystem::path output = given.output;
  std::filesystem::path header = output;
  header.replace_extension(".h");
  if (given.emit == "header") {
    write_file(given.output, emit_header(kernels));
    return kDone;
  }
  const Emit what = given.emit == "obj"   ? Emit::object
                    : given.emit == "so"  ? Emit::shared_object
                    : given.emit == "asm" ? Emit::assembly
                                          : Emit::llvm;
  if (header == output)
    throw UserError(Location(), "-o " + given.output + ": the header would overwrite it; name it .o or .so");
  const std::vector<std::byte> code = emit(kernels, what, options.optimize);
  if (what == Emit::object || what == Emit::shared_object)
    write_files({{given.output, text_of(code)},
                 {given.output == "-" ? kernels.name + ".h" : header.string(), emit_header(kernels)}});
  else
    write_file(given.output, text_of(code));
  return kDone;
}

}  // namespace

void add_compile(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "compile", "compiles every program of a model to native code that needs no runtime, and writes its C header");
  given->spec.add_to(*command);
  given->compile.add_to(*command);
  command->add_option("-o,--output", given->output, "the file to write; the header stands beside it, as .h")
      ->required();
  choice(command->add_option("--emit", given->emit, "what to write"), {"obj", "so", "header", "llvm", "asm"})
      ->capture_default_str();
  command->add_option("--target", given->target, "LLVM target triple; default: this machine's");
  show_examples(*command,
                {"gradc compile spiral.json -o spiral.o            and spiral.h; link both into any C or C++ program",
                 "gradc compile spiral.json -o spiral.s --emit asm --cpu haswell"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(*model, *given) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
