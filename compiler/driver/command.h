// What the subcommands share: the session, the spec argument, compile options.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/frontend/model.h"
#include "compiler/pipeline.h"
#include "ir/diagnostic.h"

namespace gradc::driver {

inline constexpr int kDone = 0, kUserMistake = 1, kDefect = 2, kInterrupted = 130;

// One run of the command.
struct Session {
  bool json = false;
  bool quiet = false;
  Diagnostics diagnostics;
  std::function<int()> action;  // set by the subcommand that was chosen

  bool color() const;        // standard error is a terminal and NO_COLOR is not set
  void print_diagnostics();  // to standard error
};

// The whole text of a file; "-" is standard input. UserError where it can't be read.
std::string read_text(const std::string& path);
// UserError where a result would replace a file that read_text has read.
void refuse_to_replace(const std::string& path);
// Writes aside and renames, so that no half-written file is left. "-" is standard output.
void write_file(const std::string& path, std::string_view bytes);
// All of them or none.
void write_files(std::initializer_list<std::pair<std::string, std::string_view>> files);

// SPEC and --set.
struct SpecArguments {
  std::string spec;
  std::vector<std::string> set, watch;

  void add_to(CLI::App& app);
  // The model, warnings printed; null after printing what is wrong with it.
  std::unique_ptr<ModelGraph> load(Session& session) const;
};

// --optimize, --cpu, --memory-limit, --rematerialize, --batch.
struct CompileArguments {
  int optimize = 2;
  std::string cpu = "native";
  std::string memory_limit;
  int rematerialize = 0;
  std::int64_t batch = 0;  // 0: the program's

  void add_to(CLI::App& app, bool with_batch = true);
  Options options() const;  // UserError for an unknown CPU or a malformed size
};

// An option's check: a whole number in [low, high], with no digit left over and no overflow.
CLI::Validator integer(std::int64_t low, std::int64_t high = std::numeric_limits<std::int64_t>::max());
// The words of --input x=1,2,3.
std::pair<std::string, std::vector<double>> named_numbers(const std::string& item);
// A number in [low, high].
CLI::Validator number(double low, double high);
// One of a few words, which the help lists.
CLI::Option* choice(CLI::Option* option, const std::vector<std::string>& words);

std::int64_t parse_size(const std::string& text);  // "64MiB", "1.5GB", "4096"

#define GRADC_COMMAND(name) void add_##name(CLI::App& app, Session& session);
#include "compiler/driver/commands.def"
#undef GRADC_COMMAND

}  // namespace gradc::driver
