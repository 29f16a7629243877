// From a model's data section to data sets in memory, and from a model to what the training loop uses of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/api/model_compiler.h"
#include "gradc/dataset.h"
#include "gradc/error.h"
#include "gradc/fit.h"

namespace gradc {

// Where files of the data section are looked for.
struct DataPlace {
  std::string directory;       // --data; "": the generator where there is one, else files beside the spec
  std::string spec_directory;  // of the spec
};

// The data inputs of a program for a batch of `batch`.
std::vector<runtime::Array> data_inputs(const ModelGraph& model, const std::string& program, std::int64_t batch);
// Reads or generates one split. What is wrong with the data is a UserError at the split's place in the spec.
// Text is numbered by `vocabulary`, "": by its own.
runtime::DataSet load_split(const DataSet& split, const DataPlace& place, const std::vector<runtime::Array>& inputs,
                            const std::string& vocabulary = "");
// What `f` returns. A DataError about a file or the generator of a split becomes a UserError at the split's place.
[[noreturn]] void rethrow_at_split(const DataSpec& data, const runtime::DataError& error);
template <class F>
auto at_splits(const DataSpec& data, F f) {
  try {
    return f();
  } catch (const runtime::DataError& error) {
    rethrow_at_split(data, error);
  }
}
// Training and validation examples: the train split, resampled as the data section says, and the validation split,
// declared or what resampling leaves. A fraction is not held out here: it follows the run's seed. Training reads the
// inputs `train`, the program that validates `validation`: examples that come from the train split have both.
struct TrainingData {
  runtime::DataSet train;
  std::optional<runtime::DataSet> validation;
};
TrainingData load_training(const ModelGraph& model, const DataPlace& place, const std::vector<runtime::Array>& train,
                           const std::vector<runtime::Array>& validation, const std::string& vocabulary = "");
// What the training loop averages of a program.
runtime::ProgramUse program_use(const ProgramInfo& program);
// Whether epochs and patience that the caller gave stay.
enum class Keep : std::uint8_t { given, nothing };
// One program as the whole run; or the model's plan, else its only program that trains. UserError at the place of the
// second one, or at `at`, where the model does not say. Both ask for the statistics of the model's inputs.
void use_program(runtime::FitOptions& options, const ModelGraph& model, const ProgramInfo& program, Keep keep);
void use_programs(runtime::FitOptions& options, const ModelGraph& model, const Location& at);
// Whether a higher value is a better one; where that is not said it follows from the report.
bool monitors_highest(const ModelGraph& model, const Monitor& monitor);
// The data inputs of all programs of a run.
std::vector<runtime::Array> training_inputs(const ModelGraph& model, const runtime::FitOptions& options);
// The program that evaluates: "test", else the first that does not train and has a loss or reports; null where there is
// none.
const ProgramInfo* evaluation_program(const ModelGraph& model);

// Programs on demand for the training loop. A model that this machine's memory can't hold is a UserError that says how
// much it would need.
runtime::Provide provider(ModelCompiler& compiler);
// The same guard for the state block alone, before anything of its size is allocated; provider() begins with it. Its
// place is the layer with the greatest array.
void check_state_fits(const ModelGraph& model, const runtime::StateTable& table);

}  // namespace gradc
