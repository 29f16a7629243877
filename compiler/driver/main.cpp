// The gradc command: parses the command line, runs one subcommand, turns errors into messages and exit codes.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <new>

#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "gradc/error.h"

namespace {

using namespace gradc;
using namespace gradc::driver;

int report(Session& session, const UserError& error) {
  for (const Diagnostic& diagnostic : error.diagnostics()) session.diagnostics.append(diagnostic);
  session.print_diagnostics();
  return kUserMistake;
}

Location place_of_file(const std::string& file) { return file.empty() ? Location() : make_location(file, 0, 0); }

int run(Session& session) {
  try {
    return session.action();
  } catch (const UserError& error) {
    return report(session, error);
  } catch (const runtime::WeightsError& error) {
    Diagnostic all{Severity::error, place_of_file(error.file()), "the weights don't fit the model", {}};
    for (const std::string& each :
         runtime::WeightsError::sentences(error.missing(), error.unexpected(), error.different()))
      all.notes.push_back({Severity::note, Location(), each, {}});
    return report(session, UserError(std::move(all)));
  } catch (const runtime::Error& error) {
    return report(session, UserError(place_of_file(error.file()), error.message()));
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory\n";
    return kUserMistake;
  } catch (const std::exception& defect) {
    std::cerr << "gradc: " << defect.what() << "\nThis is a defect of gradc; please report it with the model.\n";
    return kDefect;
  }
}

// "--epochs" of "--epochs=3".
std::string option_name(const std::string& word) { return word.substr(0, word.find('=')); }

// UserError where a word that looks like an option is none of this subcommand, nor of those above it.
void check_options(const CLI::App& app, int argc, char** argv, int first) {
  for (int i = first; i < argc; ++i) {
    const std::string name = option_name(argv[i]);
    if (name == "--") return;
    if (!name.starts_with("--")) continue;
    std::vector<std::string> names;
    bool known = false;
    for (const CLI::App* holder = &app; holder; holder = holder->get_parent())
      for (const CLI::Option* option : holder->get_options())
        for (const std::string& each : option->get_lnames()) {
          names.push_back("--" + each);
          known = known || names.back() == name;
        }
    if (!known) throw UserError(Location(), app.get_name() + " has no option `" + name + "`" + suggest(name, names));
  }
}

// CLI11 says of `gradc trian` only that a subcommand is missing, of `--epoch` only that it was not expected.
void check_words(const CLI::App& app, int argc, char** argv, int first = 1) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (names.empty()) return check_options(app, argc, argv, first);
  const int before = first;
  while (first < argc && argv[first][0] == '-') ++first;
  check_options(app, first, argv, before);
  if (first >= argc) return;
  if (std::find(names.begin(), names.end(), argv[first]) == names.end())
    throw UserError(Location(), app.get_name() + " has no subcommand `" + std::string(argv[first]) + "`" +
                                    suggest_or_list(argv[first], names));
  check_words(*app.get_subcommand(argv[first]), argc, argv, first + 1);
}

// In the style of all other messages.
std::string failure(const CLI::App* app, const CLI::Error& error) {
  std::string what = error.what();
  if (what.size() > 1 && std::isupper(what[0]) && !std::isupper(what[1]))
    what[0] = static_cast<char>(std::tolower(what[0]));
  std::string command = app->get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  return "error: " + what + "\nSee `" + command + " --help`.\n";
}

// `gradc help train` is `gradc train --help`.
std::vector<char*> words_of(int argc, char** argv) {
  static char help[] = "--help";
  std::vector<char*> words(argv, argv + argc);
  if (words.size() < 2 || std::string_view(words[1]) != "help") return words;
  words.erase(words.begin() + 1);
  words.push_back(help);
  return words;
}

// CLI11 has exit codes of its own; a mistake in the command line is the user's to mend like any other.
int parse_and_run(CLI::App& app, Session& session, int argc, char** argv) {
  try {
    std::vector<char*> words = words_of(argc, argv);
    check_words(app, static_cast<int>(words.size()), words.data());
    app.parse(static_cast<int>(words.size()), words.data());
  } catch (const UserError& error) {
    return report(session, error);
  } catch (const CLI::ExtrasError&) {
    return report(session, UserError(Location(), "unexpected argument `" + app.remaining(true).front() + "`"));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUserMistake;
  }
  return run(session);
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  CLI::App app("gradc compiles neural networks and their training to native code.", "gradc");
  Session session;
  app.formatter(help_layout());
  app.set_help_flag("-h,--help", "shows this text");
  app.set_version_flag("--version", std::string("gradc ") + GRADC_VERSION, "shows the version");
  app.require_subcommand(1);
  app.fallthrough();
  app.failure_message(failure);
  app.add_flag("--json", session.json, "results as JSON; of every subcommand");
  app.add_flag("--quiet", session.quiet, "no progress on standard error; of every subcommand");
#define GRADC_COMMAND(name) add_##name(app, session);
#include "compiler/driver/commands.def"
#undef GRADC_COMMAND
  app.footer(kLesson);  // after the subcommands, which would inherit it
  const int status = parse_and_run(app, session, argc, argv);
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "error: can't write to standard output\n";
    return kUserMistake;
  }
  return status;
}
