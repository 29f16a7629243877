// gradc opt: passes by name over a graph in text form.
#include <iostream>

#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/passes/evaluate.h"

namespace gradc::driver {

void add_opt(CLI::App& app, Session& session) {
  struct Arguments {
    std::string file, passes;
    std::vector<std::string> bindings, inputs;
    std::string evaluate;
    bool print_changed = false, locations = false, list = false;
    CompileArguments compile;
  };
  auto given = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("opt", "runs passes by name over a graph in text form (.gir)");
  command->add_option("FILE", given->file, "the graph; - reads standard input");
  command->add_option("--pass", given->passes, "names, separated by commas");
  command->add_option("--bind", given->bindings, "sizes of symbols, for bind_symbols")
      ->type_name("SYMBOL=SIZE")
      ->take_all();
  command
      ->add_option("--evaluate", given->evaluate,
                   "prints what the interpreter finds for this function after the passes, instead of the graph")
      ->type_name("FUNCTION");
  command
      ->add_option("--input", given->inputs, "numbers of a parameter for --evaluate, row by row; one number: for all")
      ->type_name("NAME=NUMBERS")
      ->take_all();
  command->add_flag("--print-changed", given->print_changed, "prints the graph after each pass that changed it");
  command->add_flag("--locations", given->locations, "prints the locations of nodes");
  command->add_flag("--list", given->list, "lists the passes");
  given->compile.add_to(*command, false);
  show_examples(*command,
                {"gradc opt --list                                 the passes", "gradc dump spiral.json -o spiral.gir",
                 "gradc opt spiral.gir --bind N=32 --pass bind_symbols,grad,simplify,eliminate_dead_code"});
  command->callback([given, &session] {
    session.action = [given]() -> int {
      if (given->list) {
        for (const Pass& pass : all_passes()) std::cout << pass.name << "\t" << pass.doc << "\n";
        return kDone;
      }
      if (given->file.empty()) throw UserError(Location(), "opt needs a FILE, or --list");
      OptRequest request;
      request.file = given->file;
      request.text = read_text(given->file);
      request.print_changed = given->print_changed;
      request.locations = given->locations;
      for (const std::string& name : CLI::detail::split(given->passes, ','))
        if (!name.empty()) request.passes.push_back(name);
      for (const std::string& item : given->bindings) {
        std::size_t equals = item.find('=');
        std::int64_t size = 0;
        if (equals == std::string::npos || !CLI::detail::lexical_cast(item.substr(equals + 1), size) || size < 0)
          throw UserError(Location(), "--bind " + item + ": expected SYMBOL=SIZE");
        request.binding[item.substr(0, equals)] = size;
      }
      if (!given->evaluate.empty()) {
        EvaluateRequest wanted{given->evaluate, {}};
        for (const std::string& item : given->inputs) wanted.inputs.push_back(named_numbers(item));
        return evaluate(request, wanted, given->compile.options(), std::cout, std::cerr);
      }
      return opt(request, given->compile.options(), std::cout, std::cerr);
    };
  });
}

}  // namespace gradc::driver
