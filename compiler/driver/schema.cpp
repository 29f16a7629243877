// gradc schema: the JSON Schema of model specs.
#include <iostream>

#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/frontend/spec.h"

namespace gradc::driver {

void add_schema(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("schema", "prints the JSON Schema of model specs, for editors to complete and check with");
  show_examples(*command, {"gradc schema > gradc.schema.json"});
  command->callback([&session] {
    session.action = [] {
      std::cout << json_schema();
      return kDone;
    };
  });
}

}  // namespace gradc::driver
