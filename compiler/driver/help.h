// What --help prints: its layout, the lesson at the end of `gradc --help`, and the examples of each subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace gradc::driver {

// A small model to paste, and commands from its check to its machine code.
extern const char* const kLesson;

// Lines no longer than 100 columns.
std::shared_ptr<CLI::FormatterBase> help_layout();

// Ends a subcommand's help with command lines, each with what it does behind two spaces or more, and `more` below.
void show_examples(CLI::App& command, std::initializer_list<std::string_view> lines, std::string_view more = "");

}  // namespace gradc::driver
