// gradc trace: every node's value and adjoint, for given inputs: the picture of the lectures.
#include <charconv>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "compiler/api/run_data.h"
#include "compiler/autodiff/autodiff.h"
#include "compiler/driver/command.h"
#include "compiler/driver/help.h"
#include "compiler/passes/pass.h"
#include "ir/interpret.h"
#include "ir/op.h"

namespace gradc::driver {

namespace {

struct Arguments {
  SpecArguments spec;
  std::vector<std::string> inputs;
  std::string program, format = "text";
  std::int64_t seed = 0;
};

// One line of the trace.
struct Row {
  std::string name, op;
  Tensor value, adjoint;
  std::vector<std::string> operands;
};

std::string number_text(DType dtype, const Tensor& tensor, std::int64_t i) {
  if (!is_float(dtype)) return std::to_string(tensor.get_integer(i));
  char buffer[32];
  auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, tensor.get(i), std::chars_format::general, 6);
  return {buffer, end};
}

// [[1, 2], [3, 4]]; long tensors are cut.
std::string tensor_text(const Tensor& tensor) {
  constexpr std::int64_t kShown = 16;
  const std::vector<std::int64_t> shape = sizes(tensor.type().shape);
  std::string text(shape.size(), '[');
  const std::int64_t count = std::min(tensor.elements(), kShown);
  for (std::int64_t i = 0; i < count; ++i) {
    text += number_text(tensor.type().dtype, tensor, i);
    std::int64_t block = 1;
    std::string close, open;
    for (std::size_t d = shape.size(); d-- > 0;) {
      block *= shape[d];
      if ((i + 1) % block) break;
      close += ']';
      open += '[';
    }
    text += close;
    if (i + 1 < count) text += ", " + open;
  }
  return count < tensor.elements() ? text + ", … (" + std::to_string(tensor.elements()) + " elements)" : text;
}

// Integers must be whole, and within the range that the program declares for them.
void check_integers(const std::vector<double>& numbers, const Value& value, const Function& function,
                    const std::string& item) {
  if (is_float(value.type.dtype)) return;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Parameter& parameter = function.parameters[i];
    if (function.body.parameters[i].get() != &value) continue;
    for (const double number : numbers) {
      const ScalarValue held = scalar_of(value.type.dtype, number);
      if (static_cast<double>(integer_of(value.type.dtype, held)) != number)
        throw UserError(Location(), "--input " + item + ": not all are values of " + value.type.str());
      if (parameter.lower < parameter.upper &&
          !(number >= static_cast<double>(parameter.lower) && number < static_cast<double>(parameter.upper)))
        throw UserError(Location(), "--input " + item + ": outside of the range " + std::to_string(parameter.lower) +
                                        " to " + std::to_string(parameter.upper - 1));
    }
  }
}

// name=1,2,3 or, one value, for all elements.
Tensor parse_input(const std::string& item, const Function& function, std::string& name) {
  auto [given, numbers] = named_numbers(item);
  name = std::move(given);
  const Value* parameter = function.parameter(name);
  if (!parameter) {
    std::vector<std::string> known;
    for (const Parameter& p : function.parameters) known.push_back(p.name);
    throw UserError(Location(), "--input " + item + ": the program `" + function.name +
                                    "` has no input, parameter or scalar `" + name + "`" +
                                    suggest_or_list(name, known));
  }
  check_integers(numbers, *parameter, function, item);
  const std::int64_t count = parameter->type.elements();
  if (numbers.size() == 1) return Tensor::filled(parameter->type, numbers[0]);
  if (static_cast<std::int64_t>(numbers.size()) != count)
    throw UserError(Location(), "--input " + name + ": " + parameter->type.str() + " takes " + std::to_string(count) +
                                    " numbers, got " + std::to_string(numbers.size()));
  return Tensor::of(parameter->type, numbers);
}

// The state after `init`, by name.
std::map<std::string, Tensor> initial_state(const ModelGraph& model, std::int64_t seed) {
  std::map<std::string, Tensor> state;
  if (!model.module->function("init")) return state;
  check_state_fits(model, state_table(model.state));
  const std::string names[] = {"init"};
  std::unique_ptr<Module> module = programs_of(model, names);
  specialize(*module, batch_binding(model, 1), {});
  const Function& init = *module->function("init");
  std::vector<Tensor> arguments;
  for (const auto& parameter : init.body.parameters) {
    Tensor tensor(parameter->type);
    tensor.set_integer(0, seed);
    arguments.push_back(std::move(tensor));
  }
  std::vector<Tensor> results = interpret(init, arguments);
  for (std::size_t i = 0; i < results.size(); ++i) state.emplace(init.results[i].name, std::move(results[i]));
  return state;
}

std::vector<Tensor> arguments_of(const Function& function, const ModelGraph& model, const Arguments& given) {
  std::map<std::string, Tensor> values = initial_state(model, given.seed);
  for (const std::string& item : given.inputs) {
    std::string name;
    Tensor tensor = parse_input(item, function, name);
    values.insert_or_assign(name, std::move(tensor));
  }
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Parameter& parameter = function.parameters[i];
    const Type& type = function.body.parameters[i]->type;
    auto found = values.find(parameter.name);
    if (found != values.end())
      arguments.push_back(found->second);
    else if (parameter.role == Role::scalar)
      arguments.push_back(Tensor::scalar(type.dtype, parameter.preset));
    else
      throw UserError(parameter.location, "trace needs a value for `" + parameter.name + "` (" + type.str() +
                                              "): --input " + parameter.name + "=…");
  }
  return arguments;
}

// The scalar that is traced back from: the loss, else the first scalar float result.
std::size_t traced_result(const Function& function, const ProgramInfo* program) {
  for (std::size_t i = 0; i < function.results.size(); ++i)
    if (program && !program->loss.empty() && function.results[i].name == program->loss) return i;
  for (std::size_t i = 0; i < function.results.size(); ++i)
    if (function.results[i].role == Role::data && is_float(function.body.results[i]->type.dtype)) return i;
  throw UserError(Location(), "@" + function.name + " has no float output to trace");
}

// The forward part of a program: everything that leads to one result, gradients and updates dropped.
std::unique_ptr<Function> forward_part(const Function& function, std::size_t result) {
  std::unique_ptr<Function> forward = clone_function(function);
  forward->results = {forward->results[result]};
  forward->body.results = {forward->body.results[result]};
  eliminate_dead_code(*forward, {});
  return forward;
}

std::vector<Row> trace(Function& function, const std::vector<Tensor>& arguments) {
  std::vector<Value*> values;
  for (const auto& parameter : function.body.parameters) values.push_back(parameter.get());
  for (const auto& node : function.body.nodes)
    for (const auto& result : node->results) values.push_back(result.get());
  std::vector<Value*> floats;
  for (Value* value : values)
    if (is_float(value->type.dtype)) floats.push_back(value);
  Value* output = function.body.results[0];
  Builder builder(function.body);
  // A vector output is traced as the sum of its elements.
  Value* seed = output->type.rank() ? builder.full(output->type, 1) : nullptr;
  std::vector<Value*> adjoints = reverse(function.body, output, seed, floats);
  const std::map<const Value*, Tensor> computed = interpret_all(function, arguments);
  std::map<const Value*, const Value*> adjoint_of;
  for (std::size_t i = 0; i < floats.size(); ++i) adjoint_of[floats[i]] = adjoints[i];
  std::vector<Row> rows;
  std::map<const Value*, std::string> names;
  for (const Value* value : values) {
    names[value] = value->name.empty() ? "%" + std::to_string(rows.size()) : value->name;
    Row row{names[value], value->node ? value->node->op->name : "input", computed.at(value), {}, {}};
    auto adjoint = adjoint_of.find(value);
    if (adjoint != adjoint_of.end()) row.adjoint = computed.at(adjoint->second);
    if (value->node)
      for (const Value* operand : value->node->operands) row.operands.push_back(names[operand]);
    rows.push_back(std::move(row));
  }
  return rows;
}

// The state after one whole step, where the program trains.
std::vector<Row> updated_state(const ModelGraph& model, const std::string& program, const Arguments& given) {
  const std::string names[] = {program};
  std::unique_ptr<Module> module = programs_of(model, names);
  specialize(*module, batch_binding(model, 1), {});
  differentiate(*module, {});
  const Function& function = *module->function(program);
  std::vector<Tensor> results = interpret(function, arguments_of(function, model, given));
  std::vector<Row> rows;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (function.results[i].role == Role::state && is_float(results[i].type().dtype))
      rows.push_back({function.results[i].name, "after the step", std::move(results[i]), {}, {}});
  return rows;
}

void print_text(const std::vector<Row>& rows, const std::vector<Row>& updated) {
  std::size_t widths[] = {5, 2, 5};
  std::vector<std::array<std::string, 4>> lines = {{"node", "op", "value", "adjoint"}};
  auto add = [&](const Row& row) {
    std::string op = row.op;
    for (std::size_t i = 0; i < row.operands.size(); ++i)
      op += (i ? ", " : "(") + row.operands[i] + (i + 1 == row.operands.size() ? ")" : "");
    lines.push_back({row.name, op, tensor_text(row.value), row.adjoint.elements() ? tensor_text(row.adjoint) : "-"});
  };
  for (const Row& row : rows) add(row);
  for (const Row& row : updated) add(row);
  for (const auto& line : lines)
    for (std::size_t i = 0; i < 3; ++i) widths[i] = std::max(widths[i], line[i].size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < 3; ++i) std::cout << std::left << std::setw(static_cast<int>(widths[i]) + 2) << line[i];
    std::cout << line[3] << "\n";
  }
}

void print_dot(const std::vector<Row>& rows) {
  auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
  std::cout << "digraph trace {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n";
  for (const Row& row : rows) {
    std::string label = row.name + ": " + row.op + "\nvalue " + tensor_text(row.value);
    if (row.adjoint.elements()) label += "\nadjoint " + tensor_text(row.adjoint);
    std::cout << "  " << quoted(row.name) << " [label=" << quoted(label) << "];\n";
    for (const std::string& operand : row.operands)
      std::cout << "  " << quoted(operand) << " -> " << quoted(row.name) << ";\n";
  }
  std::cout << "}\n";
}

void print_json(const std::vector<Row>& rows, const std::vector<Row>& updated) {
  auto elements = [](const Tensor& tensor) {
    nlohmann::json list = nlohmann::json::array();
    for (std::int64_t i = 0; i < tensor.elements(); ++i) list.push_back(tensor.get(i));
    return list;
  };
  nlohmann::ordered_json all = {{"nodes", nlohmann::json::array()}, {"after", nlohmann::json::array()}};
  for (const Row& row : rows) {
    nlohmann::ordered_json item = {{"name", row.name},
                                   {"op", row.op},
                                   {"type", row.value.type().str()},
                                   {"value", elements(row.value)},
                                   {"operands", row.operands}};
    if (row.adjoint.elements()) item["adjoint"] = elements(row.adjoint);
    all["nodes"].push_back(item);
  }
  for (const Row& row : updated) all["after"].push_back({{"name", row.name}, {"value", elements(row.value)}});
  std::cout << all.dump() << "\n";
}

int run(const ModelGraph& model, const Arguments& given, bool json) {
  const std::string name = chosen_program(model, given.program);
  const std::string names[] = {name};
  std::unique_ptr<Module> module = programs_of(model, names);
  const ProgramInfo* program = model.program(name);
  Function& whole = *module->function(name);
  std::unique_ptr<Function> forward = forward_part(whole, traced_result(whole, program));
  module->functions.clear();
  module->functions.push_back(std::move(forward));
  specialize(*module, batch_binding(model, 1), {});
  Function& function = *module->functions[0];
  const std::vector<Row> rows = trace(function, arguments_of(function, model, given));
  const std::vector<Row> updated = program && program->trains ? updated_state(model, name, given) : std::vector<Row>();
  if (json)
    print_json(rows, updated);
  else if (given.format == "dot")
    print_dot(rows);
  else
    print_text(rows, updated);
  return kDone;
}

}  // namespace

void add_trace(CLI::App& app, Session& session) {
  auto given = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("trace", "every node's value and adjoint for given inputs, with a batch of one");
  given->spec.add_to(*command);
  command->add_option("--input", given->inputs, "value of an input, parameter or scalar: numbers separated by commas")
      ->type_name("NAME=NUMBERS")
      ->take_all();
  command->add_option("--program", given->program, "the program to trace; default: the one that trains");
  command->add_option("--seed", given->seed, "of the initial parameters")
      ->check(integer(std::numeric_limits<std::int64_t>::min()))
      ->capture_default_str();
  choice(command->add_option("--format", given->format, "dot: for Graphviz"), {"text", "dot"})->capture_default_str();
  show_examples(*command, {"gradc trace spiral.json --input x=1,2 --input label=0",
                           "gradc trace spiral.json --input x=1,2 --program predict",
                           "gradc trace spiral.json --input x=1,2 --input label=0 --format dot"});
  command->callback([given, &session] {
    session.action = [given, &session]() -> int {
      std::unique_ptr<ModelGraph> model = given->spec.load(session);
      return model ? run(*model, *given, session.json) : kUserMistake;
    };
  });
}

}  // namespace gradc::driver
