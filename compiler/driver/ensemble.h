// Several trained states of one model as one: their predictions averaged, and reports computed from the averages.
#pragma once

#include <string>
#include <vector>

#include "compiler/driver/run_arguments.h"

namespace gradc::driver {

// Makes the named nodes the only results of a function; UserError for a name that it does not compute.
void expose_nodes(Function& function, const std::vector<std::string>& nodes, const std::string& option);

// Makes the named nodes inputs of a function, so that it no longer computes them.
void nodes_to_inputs(Function& function, const std::vector<std::string>& nodes, const std::string& option);

// What the states of the weight files are run on.
struct EnsembleRun {
  const runtime::Provide& provide;
  const runtime::StateTable& table;
  const std::vector<std::string>& weights;  // empty: the initial state
  std::int64_t batch;
  runtime::ThreadPool* pool;
};
// All outputs of a program for every example, averaged over the states in f64 and rounded once. Of one state, as it
// gives them; of several, all must be floats.
runtime::DataSet mean_prediction(const EnsembleRun& run, const std::string& program, const runtime::DataSet& data);

// Metrics of a program over states whose nodes are averaged first: `reports` are computed from the averages. Adds the
// functions that it needs to the model, before the model is compiled.
class EnsembleEvaluation {
 public:
  // `average`: names of nodes; empty: those that are outputs. UserError where a report reads more of the model than
  // the averages; the loss is left out there.
  EnsembleEvaluation(ModelGraph& model, const ProgramInfo& program, std::vector<std::string> average);
  runtime::Metrics run(const EnsembleRun& run, const runtime::DataSet& data) const;

 private:
  void choose_outputs(const ModelGraph& model, const Function& function);
  void cut(Function& function);

  std::string program_;
  runtime::ProgramUse use_;
  std::vector<std::string> average_;
};

}  // namespace gradc::driver
