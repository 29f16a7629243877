// gradc summary: a model layer by layer.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/api/model_compiler.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"

namespace gradc::driver {

namespace {

// 431080 as 431,080
std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

struct Totals {
  std::int64_t parameters = 0, multiply_adds = 0, state_bytes = 0, workspace_bytes = -1, batch = 0;
};

// Memory of a training step: what the compiler plans for it.
Totals totals_of(const ModelGraph& model, const CompileArguments& compile) {
  Totals totals;
  for (const LayerInfo& layer : model.layers) totals.multiply_adds += layer.multiply_adds;
  for (const StateEntry& entry : model.state.entries)
    if (entry.kind == StateEntry::Kind::parameter) totals.parameters += entry.type.elements();
  totals.state_bytes = model.state.bytes;
  for (const ProgramInfo& program : model.programs) {
    if (!program.trains) continue;
    totals.batch = compile.batch ? compile.batch : program.batch;
    const std::string names[] = {program.name};
    KernelModule kernels = compile_to_kernels(programs_of(model, names), model.state,
                                              batch_binding(model, totals.batch), compile.options());
    totals.workspace_bytes = kernels.programs[0].arena_bytes + kernels.programs[0].worker_bytes;
    break;
  }
  return totals;
}

void print_text(const ModelGraph& model, const Totals& totals) {
  std::vector<std::vector<std::string>> rows = {{"layer", "op", "output", "parameters", "multiply-adds", "field"}};
  for (const LayerInfo& layer : model.layers)
    rows.push_back({layer.name, layer.op, layer.output.str(), grouped(layer.parameters), grouped(layer.multiply_adds),
                    layer.receptive_field ? std::to_string(layer.receptive_field) : "all"});
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool number = i >= 3;
      std::cout << (i ? "  " : "") << (number ? std::right : std::left) << std::setw(static_cast<int>(widths[i]))
                << row[i];
    }
    std::cout << "\n";
  }
  std::cout << "\nparameters " << grouped(totals.parameters) << ", multiply-adds " << grouped(totals.multiply_adds)
            << " an example\n";
  if (totals.workspace_bytes >= 0)
    std::cout << "training at batch " << totals.batch << ": state " << grouped(totals.state_bytes)
              << " bytes, workspace " << grouped(totals.workspace_bytes) << " bytes\n";
}

void print_json(const ModelGraph& model, const Totals& totals) {
  nlohmann::ordered_json result;
  result["name"] = model.name;
  result["layers"] = nlohmann::ordered_json::array();
  for (const LayerInfo& layer : model.layers)
    result["layers"].push_back({{"name", layer.name},
                                {"op", layer.op},
                                {"output", layer.output.str()},
                                {"parameters", layer.parameters},
                                {"multiply_adds", layer.multiply_adds},
                                {"receptive_field", layer.receptive_field}});
  result["parameters"] = totals.parameters;
  result["multiply_adds"] = totals.multiply_adds;
  result["state_bytes"] = totals.state_bytes;
  if (totals.workspace_bytes >= 0) result["workspace_bytes"] = totals.workspace_bytes;
  std::cout << result.dump() << "\n";
}

}  // namespace

void add_summary(CLI::App& app, Session& session) {
  struct Arguments {
    SpecArguments spec;
    CompileArguments compile;
  };
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("summary", "layers with shapes, parameters, multiply-adds and receptive fields");
  given->spec.add_to(*command);
  given->compile.add_to(*command);
  show_examples(*command, {"gradc summary spiral.json",
                           "gradc summary spiral.json --batch 256          what a larger batch takes"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      if (!model) return kUserMistake;
      const Totals totals = totals_of(*model, given->compile);
      if (session.json)
        print_json(*model, totals);
      else
        print_text(*model, totals);
      return kDone;
    };
  });
}

}  // namespace gradc::driver
