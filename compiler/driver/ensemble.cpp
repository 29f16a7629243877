// Averages over trained states: predictions, and reports that follow from them.
#include "compiler/driver/ensemble.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/passes/pass.h"

namespace gradc::driver {

namespace {

// Names of nodes at the top level, with their values.
std::vector<std::pair<std::string, Value*>> named_nodes(const Function& function) {
  std::vector<std::pair<std::string, Value*>> nodes;
  walk(function.body, [&](const Node& node) {
    for (const auto& result : node.results)
      if (!result->name.empty() && node.parent == &function.body) nodes.emplace_back(result->name, result.get());
  });
  return nodes;
}

Value* find_node(const Function& function, const std::string& name, const std::string& option) {
  std::vector<std::string> names;
  for (const auto& [known, value] : named_nodes(function)) {
    if (known == name) return value;
    names.push_back(known);
  }
  throw UserError(Location(), option + " " + name + ": the program `" + function.name + "` computes no such node" +
                                  suggest_or_list(name, names));
}

// Whether a value follows from the state, not from data alone.
bool reads_state(const Function& function, Value* root) {
  std::unordered_set<const Value*> state, seen;
  for (std::size_t i = 0; i < function.parameters.size(); ++i)
    if (function.parameters[i].role == Role::state) state.insert(function.body.parameters[i].get());
  std::vector<Value*> open = {root};
  while (!open.empty()) {
    Value* value = open.back();
    open.pop_back();
    if (state.contains(value)) return true;
    if (!seen.insert(value).second || !value->node) continue;
    open.insert(open.end(), value->node->operands.begin(), value->node->operands.end());
  }
  return false;
}

template <class T>
void add_to(std::vector<double>& sums, const runtime::Column& column) {
  const auto values = column.values<T>();
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] += static_cast<double>(values[i]);
}

template <class T>
void store_mean(const std::vector<double>& sums, double count, runtime::Column& column) {
  const auto values = column.values<T>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(sums[i] / count);
}

bool is_float_column(const runtime::Column& column) { return column.dtype == GRADC_F32 || column.dtype == GRADC_F64; }

}  // namespace

void expose_nodes(Function& function, const std::vector<std::string>& nodes, const std::string& option) {
  std::vector<Value*> values;
  values.reserve(nodes.size());
  for (const std::string& name : nodes) values.push_back(find_node(function, name, option));
  function.results.clear();
  for (const std::string& name : nodes) function.results.push_back({name, Role::data});
  function.body.results = std::move(values);
  eliminate_dead_code(function, {});
}

void nodes_to_inputs(Function& function, const std::vector<std::string>& nodes, const std::string& option) {
  for (const std::string& name : nodes) {
    Value* node = find_node(function, name, option);
    Parameter parameter;
    parameter.name = name;
    node->name.clear();
    Value* input = function.add_parameter(std::move(parameter), node->type);
    replace_uses(function.body, {{node, input}});
  }
  eliminate_dead_code(function, {});
}

runtime::DataSet mean_prediction(const EnsembleRun& run, const std::string& program, const runtime::DataSet& data) {
  const std::size_t members = std::max<std::size_t>(1, run.weights.size());
  runtime::DataSet mean;
  std::vector<std::vector<double>> sums;
  for (std::size_t member = 0; member < members; ++member) {
    runtime::Block state = state_from(run.provide, run.table, run.weights.empty() ? "" : run.weights[member], data);
    mean = runtime::predict(run.provide, program, state.data(), data, {}, run.batch, run.pool);
    if (members == 1) return mean;
    sums.resize(mean.columns.size());
    for (std::size_t c = 0; c < sums.size(); ++c) {
      const runtime::Column& column = mean.columns[c];
      if (!is_float_column(column))
        throw UserError(Location(), "the output `" + column.name + "` is " + column.type() +
                                        ": only floats can be averaged over several --weights");
      sums[c].resize(static_cast<std::size_t>(column.elements()));
      column.dtype == GRADC_F32 ? add_to<float>(sums[c], column) : add_to<double>(sums[c], column);
    }
  }
  const auto count = static_cast<double>(members);
  for (std::size_t c = 0; c < sums.size(); ++c) {
    runtime::Column& column = mean.columns[c];
    column.dtype == GRADC_F32 ? store_mean<float>(sums[c], count, column) : store_mean<double>(sums[c], count, column);
  }
  return mean;
}

EnsembleEvaluation::EnsembleEvaluation(ModelGraph& model, const ProgramInfo& program, std::vector<std::string> average)
    : program_(program.name), use_(program_use(program)), average_(std::move(average)) {
  const Function& function = *model.module->function(program_);
  if (average_.empty()) choose_outputs(model, function);
  auto members = clone_function(function), averaged = clone_function(function);
  // Renamed last: messages are about the program as the user knows it.
  expose_nodes(*members, average_, "--average");
  cut(*averaged);
  members->name = program_ + ".members";
  averaged->name = program_ + ".average";
  use_.name = averaged->name;
  model.module->functions.push_back(std::move(members));
  model.module->functions.push_back(std::move(averaged));
}

// The nodes that `outputs` hands out under any name.
void EnsembleEvaluation::choose_outputs(const ModelGraph& model, const Function& function) {
  const auto nodes = named_nodes(function);
  if (const Function* predict = model.module->function("predict"))
    for (const Value* value : predict->body.results)
      for (const auto& [name, node] : nodes)
        if (!name.empty() && value->name == name) average_.push_back(name);
  if (average_.empty())
    throw UserError(Location(), "several --weights: what is averaged? no output is a node that the program `" +
                                    program_ + "` computes; --average NAME names nodes, as in --average logits");
}

// The averaged nodes become inputs; what is left must follow from them and the data.
void EnsembleEvaluation::cut(Function& function) {
  for (const std::string& name : average_)
    if (const Type& type = find_node(function, name, "--average")->type; !is_float(type.dtype))
      throw UserError(Location(), "--average " + name + ": it is " + type.str() + ", only floats can be averaged");
  nodes_to_inputs(function, average_, "--average");
  for (std::size_t i = function.results.size(); i-- > 0;) {
    const std::string name = function.results[i].name;
    if (!reads_state(function, function.body.results[i])) continue;
    std::string list;
    for (const std::string& averaged : average_) list += (list.empty() ? "`" : ", `") + averaged + "`";
    if (name != use_.loss)
      throw UserError(Location(), "the report `" + name + "` of program `" + program_ +
                                      "` does not follow from the averages of " + list +
                                      " alone; name the node that it reads with --average");
    use_.loss.clear();
    function.results.erase(function.results.begin() + static_cast<std::ptrdiff_t>(i));
    function.body.results.erase(function.body.results.begin() + static_cast<std::ptrdiff_t>(i));
  }
  eliminate_dead_code(function, {});
}

runtime::Metrics EnsembleEvaluation::run(const EnsembleRun& run, const runtime::DataSet& data) const {
  runtime::DataSet with_averages = mean_prediction(run, program_ + ".members", data);
  for (const runtime::Column& column : data.columns) {
    runtime::Column copy =
        runtime::make_column(column.name, column.dtype, column.shape, column.examples, column.origin);
    std::copy_n(column.data.data(), column.data.bytes(), copy.data.data());
    with_averages.add(std::move(copy));
  }
  runtime::Block state = state_from(run.provide, run.table, "", with_averages);
  return runtime::evaluate(run.provide, use_, state.data(), with_averages, run.batch, run.pool);
}

}  // namespace gradc::driver
