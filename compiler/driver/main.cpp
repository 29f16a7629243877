// The gradc command: parses the command line, runs one subcommand, turns errors into messages and exit codes.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <new>

#include "compiler/driver/command.h"
#include "gradc/error.h"

namespace {

using namespace gradc;
using namespace gradc::driver;

constexpr const char* kAbout =
    "gradc compiles neural networks and their training to native code.\n\n"
    "  gradc check model.json             is the model right? (all mistakes, with line and column)\n"
    "  gradc summary model.json           its layers, shapes, parameters\n"
    "  gradc train model.json -o run      trains it; weights and metrics go to run/\n"
    "  gradc eval model.json --weights run/best.safetensors\n"
    "  gradc compile model.json -o m.o    a training step as an object file and m.h\n"
    "  gradc dump model.json --stage fused   what became of it, at any stage\n";

int report(Session& session, const UserError& error) {
  for (const Diagnostic& diagnostic : error.diagnostics()) session.diagnostics.append(diagnostic);
  session.print_diagnostics();
  return kUserMistake;
}

int run(Session& session) {
  try {
    return session.action();
  } catch (const UserError& error) {
    return report(session, error);
  } catch (const runtime::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    return kUserMistake;
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory\n";
    return kUserMistake;
  } catch (const std::exception& defect) {
    std::cerr << "gradc: " << defect.what() << "\nThis is a defect of gradc; please report it with the model.\n";
    return kDefect;
  }
}

// CLI11 says of `gradc trian` only that a subcommand is missing.
void check_subcommand(const CLI::App& app, int argc, char** argv, int first = 1) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (names.empty()) return;
  while (first < argc && argv[first][0] == '-') ++first;
  if (first >= argc) return;
  if (std::find(names.begin(), names.end(), argv[first]) == names.end())
    throw UserError(Location(), (app.get_parent() ? app.get_name() + ": " : "") + "there is no subcommand `" +
                                    std::string(argv[first]) + "`" + suggest_or_list(argv[first], names));
  check_subcommand(*app.get_subcommand(argv[first]), argc, argv, first + 1);
}

// In the style of all other messages.
std::string failure(const CLI::App*, const CLI::Error& error) {
  std::string what = error.what();
  if (what.size() > 1 && std::isupper(what[0]) && std::islower(what[1]))
    what[0] = static_cast<char>(std::tolower(what[0]));
  return "error: " + what + "\nRun with --help for more information.\n";
}

// CLI11 has exit codes of its own; a mistake in the command line is the user's to mend like any other.
int parse_and_run(CLI::App& app, Session& session, int argc, char** argv) {
  try {
    check_subcommand(app, argc, argv);
    app.parse(argc, argv);
  } catch (const UserError& error) {
    return report(session, error);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUserMistake;
  }
  return run(session);
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  CLI::App app(kAbout, "gradc");
  Session session;
  app.set_version_flag("--version", std::string("gradc ") + GRADC_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.failure_message(failure);
  app.add_flag("--json", session.json, "results as JSON");
  app.add_flag("--quiet", session.quiet, "no progress on standard error");
#define GRADC_COMMAND(name) add_##name(app, session);
#include "compiler/driver/commands.def"
#undef GRADC_COMMAND
  const int status = parse_and_run(app, session, argc, argv);
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "error: can't write to standard output\n";
    return kUserMistake;
  }
  return status;
}
