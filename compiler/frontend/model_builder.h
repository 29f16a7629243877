// The builder behind both front ends: what a model declares, its graph, and its programs.
//
// The whole model is one scratch region in which every value is made once, in training mode. A value that is another
// in evaluation mode (dropout, batch statistics) says which. Each program is a function that copies what it needs.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/frontend/initializers.h"
#include "compiler/frontend/model.h"
#include "compiler/frontend/optimizers.h"
#include "ir/graph.h"
#include "ir/op.h"

namespace gradc {

// An argument of an op: a value, or a number that takes the dtype of the values beside it.
struct Operand {
  Value* value = nullptr;
  double number = 0;
  bool several = false;  // all results of the value's node, of which one must be chosen before it is an argument

  Operand(Value* v) : value(v) {}   // NOLINT: a value is an operand
  Operand(double n) : number(n) {}  // NOLINT: a number is an operand
  // The results of one op: one of them, or several.
  explicit Operand(const std::vector<Value*>& results) : value(results[0]), several(results.size() > 1) {}
};

// How the results of a node are told apart: ".values", or "[0]" where they have no names.
std::vector<std::string> result_names(const Node& node);
// "top_k has several results; choose one: t.values, t.indices". `what` is how the spec spells it.
std::string several_results(const Node& node, const std::string& what);

// An entry of the state block that the model declares; slots come with the programs.
struct DeclaredState {
  std::string name;
  Initializer initializer;
  Value* value = nullptr;  // parameter of the scratch region
  StateEntry::Kind kind = StateEntry::Kind::parameter;
  Location location;
  Value* next = nullptr;   // statistic: its new content, …
  Value* owner = nullptr;  // … in a training program that computes this value
};

struct Regularizer {
  double l1 = 0, l2 = 0;        // adds l1 · Σ|w| + l2 · Σw²
  std::vector<std::string> on;  // globs over parameter names
  Location location;
};

struct ReportRequest {
  std::string name;
  Value* value = nullptr;
  Reduce reduce = Reduce::mean;
  bool boolean = false;   // truths were given
  bool weighted = false;  // the value is made by `ModelBuilder::weighted`
};

// One objective or evaluation, as asked for.
struct ProgramRequest {
  std::string name;
  Value* objective = nullptr;  // null: evaluates only
  bool maximize = false;
  OptimizerChoice optimizer;
  std::vector<std::string> parameters;  // globs; empty: all that are not frozen
  Location parameters_location;
  using Report = ReportRequest;
  std::vector<Report> reports;
  Monitor monitor;
  std::vector<std::pair<std::string, Value*>> outputs;  // handed out as they are
  std::int64_t epochs = 10, batch = 64;
  std::int64_t accumulate = 1;  // one update for so many batches
  Location location;
};

// Extent and step of a value's receptive field, in input pixels.
struct Field {
  std::int64_t extent = 0;  // 0: depends on no input; -1: on all of it
  std::int64_t jump = 1;
};

class ModelBuilder {
 public:
  explicit ModelBuilder(std::string name);
  ModelBuilder(const ModelBuilder&) = delete;
  ModelBuilder& operator=(const ModelBuilder&) = delete;

  const std::string& name() const { return name_; }

  // Declarations. A name given twice, or an initialiser that does not fit, is a UserError at `at`.
  Value* add_input(const std::string& name, Type type, const Location& at);
  Value* add_parameter(const std::string& path, Type type, Initializer initializer, const Location& at);
  Value* add_statistic(const std::string& path, Type type, Initializer initializer, const Location& at);
  // In training, where `owner` is computed, the statistic becomes `next`.
  void update_statistic(Value* statistic, Value* next, Value* owner);
  Value* find_input(std::string_view name) const;
  Value* find_state(std::string_view name) const;
  std::vector<std::string> parameter_names() const;
  const std::vector<Value*>& inputs() const { return inputs_; }

  Value* step();      // i64[]: training steps taken
  Value* key();       // u32[2]
  Value* next_key();  // the key of one more random op, and never that of another
  // A key for every round of the loops entered since the key was made; the key itself outside of loops.
  Value* key_of_round(Value* key);
  void in_evaluation(Value* training, Value* evaluation);
  Value* evaluated(const Value* training) const;  // what it is in evaluation mode; null: the same
  // An integer input holds numbers of [0, upper); other values are left alone.
  void declare_range(Value* value, std::int64_t upper);

  // Nodes. The scratch region's builder, with `at` for the nodes to come.
  Builder& at(const Location& at);
  Builder& builder() { return builder_; }
  std::vector<Value*> apply(const Op& op, std::span<const Operand> operands, Attributes attributes, const Location& at);
  Value* apply(std::string_view op, std::vector<Operand> operands, Attributes attributes, const Location& at);
  // Loops and branches (loops.h). While a region is entered, nodes are appended to it; `index`, i64[], is the number
  // of the round, null where there is none; `rounds` scales what the summary counts.
  void enter(Region& region, Value* index, std::int64_t rounds = 1);
  void leave();
  bool inside_region() const { return !entered_.empty(); }
  void declare_location(const Value* value, const Location& at) { declared_[value] = at; }
  // Keeps regions of a loop with a mistake alive, since messages may still speak of their values.
  void abandon(std::unique_ptr<Region> region) { abandoned_.push_back(std::move(region)); }
  Location location_of(const Value* value) const;  // of its node or declaration
  // A note for each operand: "`pool2` is f32[N,50,5,5], from here".
  std::vector<Diagnostic> notes_on(std::span<Value* const> operands, const Location& at) const;
  void warn(const Location& at, std::string message);

  // What a run needs.
  void freeze(std::string glob, const Location& at);
  void regularize(Regularizer regularizer);
  void add_program(ProgramRequest request);
  void check_program(const ProgramRequest& request) const;  // UserError at its place
  std::string batch_symbol() const;  // the first input's first dimension; "" where no input begins with a symbol
  ProgramRequest& program(std::size_t i) { return programs_[i]; }
  // Counts of (true class, predicted class). Both are classes, or [N, classes] with the highest as the class; `classes`
  // may be 0 where one of them says. UserError where they don't fit.
  Value* confusion(Value* predicted, Value* target, std::int64_t classes, const Location& at);
  // Σ weight · value and Σ weight of a batch, f64[2]: what has weight 0 does not count, whatever it is. The weight,
  // numbers or truths, broadcasts to the value, which begins with the batch. UserError where they don't fit.
  Value* weighted(Value* value, Value* weight, const Location& at);
  void plan(PlanStage stage) { plan_.push_back(std::move(stage)); }
  // Training programs report norms and the like of the parameters and named values that match.
  void watch(std::string glob) { watches_.push_back(std::move(glob)); }
  const std::vector<ProgramRequest>& programs() const { return programs_; }
  void add_input_statistics(InputStatistics statistics) { input_statistics_.push_back(std::move(statistics)); }
  void stop_sample_at(std::int64_t token) { sample_stop_ = token; }
  void set_data(DataSpec data) { data_ = std::move(data); }
  // The summary's row for all that was built since mark().
  struct Mark {
    std::size_t nodes = 0, states = 0;
  };
  Mark mark() const;
  std::int64_t multiply_adds_since(const Mark& since) const;  // of one example, in the region that is entered
  void record(const Mark& since, std::string name, std::string op, Value* output, const Location& at);
  void record(std::string name, std::string op, Value* output, std::int64_t multiply_adds, const Location& at);

  // The graph functions of every program, init included. May be called again after more was added.
  std::unique_ptr<ModelGraph> graph() const;

 private:
  friend class ProgramWriter;

  Value* declare_state(const std::string& path, Type type, Initializer initializer, StateEntry::Kind kind,
                       const Location& at);
  void check_new_name(const std::string& name, const Location& at) const;
  const Field& field_of(const Value* value);
  std::vector<Value*> values_of(const Op& op, std::span<const Operand> operands, const Location& at);
  // Ranges of operands that are labels by their op's entry.
  void declare_labels(const Op& op, std::span<Value* const> operands, std::span<Value* const> results);
  Value* constant_beside(double number, DType dtype, const Op& op, const Location& at);
  void write_init(Module& module, const StateLayout& state) const;
  StateLayout layout() const;
  bool trains_several() const;
  // The count of a training program's steps: `step`, or its own where several programs train.
  std::string counter_of(const ProgramRequest& request) const;
  void check_globs() const;
  std::vector<PlanStage> complete_plan() const;
  void check_monitor(const Monitor& monitor) const;

  struct Entered {
    Region* region;
    Value* index;
    std::int64_t rounds;
  };

  std::string name_;
  Region region_;
  Builder builder_;
  std::vector<Entered> entered_;
  std::vector<std::unique_ptr<Region>> abandoned_;
  std::vector<Value*> inputs_;
  std::unordered_map<const Value*, Location> declared_;
  std::unordered_map<const Value*, std::int64_t> ranges_;
  std::vector<DeclaredState> states_;
  std::unordered_map<std::string, std::size_t> state_index_;
  std::unordered_map<const Value*, Value*> evaluation_;
  std::unordered_map<const Value*, Field> fields_;
  std::size_t fields_until_ = 0;  // nodes whose fields are known
  Value* step_ = nullptr;
  Value* key_ = nullptr;
  int random_ops_ = 0;
  std::vector<std::pair<std::string, Location>> frozen_;
  std::vector<Regularizer> regularizers_;
  std::vector<ProgramRequest> programs_;
  std::vector<PlanStage> plan_;
  std::vector<std::string> watches_;
  std::vector<LayerInfo> layers_;
  std::vector<Diagnostic> warnings_;
  DataSpec data_;
  std::vector<InputStatistics> input_statistics_;
  std::optional<std::int64_t> sample_stop_;
};

// `*` stands for any characters, dots included.
bool matches(std::string_view glob, std::string_view name);

// Multiply-adds of one example: products in contractions, whatever op they hide in.
std::int64_t multiply_adds(const Node& node);

}  // namespace gradc
