// Reads a spec section by section into a ModelBuilder. Mistakes are collected; what depends on one is passed over.
#pragma once

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/frontend/evaluate.h"
#include "compiler/frontend/input_pipeline.h"
#include "compiler/frontend/json.h"
#include "compiler/frontend/layers.h"
#include "compiler/frontend/loops.h"
#include "compiler/frontend/model_builder.h"
#include "compiler/frontend/spec.h"

namespace gradc {

// A named sub-graph with arguments.
struct Block {
  const Json* graph = nullptr;
  std::vector<std::string> operands;
  std::vector<std::pair<std::string, std::optional<double>>> arguments;
  std::string result;  // node that it hands out; "": the last
  const Json* result_text = nullptr;
};

// A node as it stands in the spec, before it is built.
struct NodeDeclaration {
  enum class Kind : std::uint8_t { value, op, layer, function, block, loop } kind = Kind::value;
  const Json* json = nullptr;
  std::string name;
  std::string share;  // name of the node whose parameters it uses again
  std::int64_t repeat = 1;
  bool repeated = false;
  const Op* op = nullptr;
  const LayerSpec* layer = nullptr;
  const UserFunction* function = nullptr;
  const Block* block = nullptr;
  std::string block_name;
  const Json* loop = nullptr;  // what stands under `scan`, `while` or `cond`, …
  std::string loop_kind;       // … and which of these
  std::map<std::string, std::vector<std::pair<const Json*, std::shared_ptr<const Syntax>>>>
      expressions;  // "value", operands
  bool takes_previous = false;
  bool poisoned = false;           // its declaration has a mistake
  std::vector<std::size_t> needs;  // nodes of the same list
};

// One line of the resolved graph.
struct ResolvedNode {
  std::string name;                                          // in the list that it stands in
  std::string full;                                          // in the model
  std::vector<std::pair<std::string, std::string>> members;  // key, JSON text
  Value* value = nullptr;
  std::vector<std::pair<std::string, Value*>> results;  // those with names of their own: name.values
  std::int64_t multiply_adds = 0;                       // of a loop, beside those of its nodes
};

// The parts of a resolved spec that are written as the reader goes.
struct ResolvedSpec {
  std::vector<std::pair<std::string, std::string>> inputs, parameters, constants, variables, functions, outputs,
      programs;
  std::vector<ResolvedNode> graph;
  std::vector<std::string> regularize, freeze;
  std::string sample, data;
};

using JsonMembers = std::vector<std::pair<std::string, std::string>>;  // key, JSON text
std::string object_text(const JsonMembers& members);
std::string list_text(const std::vector<std::string>& strings);

class SpecReader {
 public:
  SpecReader(const Json& root, const SpecOptions& options, Diagnostics& diagnostics)
      : root_(root), options_(options), diagnostics_(diagnostics) {}
  // Null where there is an error.
  std::unique_ptr<ModelGraph> read();

 private:
  // ---- spec.cpp: sections with declarations ----
  void read_variables();
  void read_parameters();
  void read_constants();
  void check_names(const Syntax& syntax, const Json& text, const Scope& scope);
  void check_function(const UserFunction& function, const Location& at);
  void read_functions();
  void read_gradient(const Json& json, const std::string& what, UserFunction& function);
  void read_blocks();
  void read_block(const std::string& name, const Json& json);
  std::optional<Type> read_type(const Json& json);
  void declare(const std::string& name, Value* value, const Location& at);

  // ---- spec_inputs.cpp: inputs and their pipelines ----
  struct PreparedInput {
    Value* value = nullptr;  // what the graph reads; null after a mistake
    std::string type;        // for the resolved text, as are the steps
    std::vector<std::string> steps;
    std::optional<InputStep> mixup;
  };
  using PreparedInputs = std::vector<std::pair<std::string, PreparedInput>>;
  void read_inputs();
  void read_input(const JsonMember& member, PreparedInput& prepared);
  InputStep read_input_step(const Json& json, const std::string& what);
  void read_step_value(const Json& json, const std::string& name, InputStep& step);
  void mix_inputs(PreparedInputs& inputs);

  // ---- spec_values.cpp: values of the tree, checked ----
  bool check_keys(const Json& object, const std::vector<std::string>& known, const std::string& what);
  const Json* section(const std::string& name, Json::Kind kind);  // null where it is missing or wrong
  bool expect(const Json& json, Json::Kind kind, const std::string& what);
  double number_of(const Json& json, const Scope& scope, const std::string& what);
  std::int64_t integer_of(const Json& json, const Scope& scope, const std::string& what, std::int64_t low = INT64_MIN);
  const std::string& string_of(const Json& json, const std::string& what);
  bool boolean_of(const Json& json, const std::string& what);
  std::vector<std::string> strings_of(const Json& json, const std::string& what);  // one or a list
  SyntaxPtr expression_of(const Json& json, const std::string& what);              // a string or a number
  Evaluator evaluator(const Json& json, const Scope& scope);
  Attribute attribute_of(const Json& json, const AttributeSpec& spec, const std::string& op, const Scope& scope);
  LayerValue layer_value_of(const Json& json, const LayerAttribute& spec, const std::string& layer, const Scope& scope);
  Initializer initializer_from_file(const Json& json, const std::string& what);
  Initializer initializer_of(const Json& json, const Type* type, const Scope& scope, const std::string& what);
  Tensor tensor_of(const Json& json, std::optional<Type> type, const Scope& scope, const std::string& what);
  // Runs and reports a UserError that it throws; false then, and where it met something poisoned.
  template <class F>
  bool guarded(F f) {
    try {
      f();
      return true;
    } catch (const UserError& error) {
      for (Diagnostic diagnostic : error.diagnostics()) {
        constexpr std::size_t kMost = 4;  // of nested blocks the innermost ones
        const auto end = uses_.rbegin() + static_cast<std::ptrdiff_t>(std::min(uses_.size(), kMost));
        diagnostic.notes.insert(diagnostic.notes.end(), uses_.rbegin(), end);
        diagnostics_.append(diagnostic);
      }
    } catch (const Poisoned&) {
      poisoned_ = true;
    }
    return false;
  }

  // ---- spec_graph.cpp: nodes and blocks ----
  struct GraphPlace {
    Scope& scope;
    std::string names;       // prefix of node names: "3a."
    std::string parameters;  // prefix of parameters; another one where a block is shared
    bool shared = false;
    int depth = 0;
    std::size_t hidden = 0;  // how much of `names` the resolved text leaves out: the loop around it
  };
  static constexpr int kBlockDepth = 32;
  std::vector<Diagnostic> uses_;  // notes: the blocks that are being built, the outermost first
  struct Use {
    std::vector<Diagnostic>& uses;
    Use(std::vector<Diagnostic>& all, const Location& at, std::string note) : uses(all) {
      uses.push_back({Severity::note, at, std::move(note), {}});
    }
    ~Use() { uses.pop_back(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
  };
  struct BuiltNode {
    Operand operand{0.0};
    bool poisoned = true;
  };
  // What a node may take as its first operand: null for nothing, or something with a mistake of its own.
  struct Before {
    Value* value = nullptr;
    bool poisoned = false;
  };
  // Builds a list of nodes; `before` is what the first one may take.
  std::vector<BuiltNode> read_graph(const Json& list, const GraphPlace& place, Before before);
  NodeDeclaration declare_node(const Json& json, const Json& list, const GraphPlace& place);
  void choose_kind(NodeDeclaration& node, const Json& list, const GraphPlace& place);
  void choose_op(NodeDeclaration& node, const Json& json);
  void read_name(NodeDeclaration& node);
  void read_repeat(NodeDeclaration& node, const GraphPlace& place);
  void read_expressions(NodeDeclaration& node);
  void look_at_expressions(const NodeDeclaration& node, const GraphPlace& place);
  void check_node_keys(const NodeDeclaration& node);
  std::vector<std::string> operand_names(const NodeDeclaration& node) const;
  std::vector<std::string> attribute_names(const NodeDeclaration& node) const;
  void link(std::vector<NodeDeclaration>& nodes, const GraphPlace& place);
  std::vector<std::size_t> order(const std::vector<NodeDeclaration>& nodes);
  void report_cycle(const std::vector<NodeDeclaration>& nodes, const std::vector<std::size_t>& path);
  Operand build_node(const NodeDeclaration& node, const GraphPlace& place, Before before);
  Operand build_copy(const NodeDeclaration& node, const GraphPlace& place, Before before, const std::string& name);
  std::vector<Operand> operands_of(const NodeDeclaration& node, const GraphPlace& place, Before before,
                                   ResolvedNode& resolved);
  Operand build_value(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved);
  Operand build_op(const NodeDeclaration& node, const GraphPlace& place, Before before, ResolvedNode& resolved);
  Operand build_function(const NodeDeclaration& node, const GraphPlace& place, Before before, ResolvedNode& resolved);
  Operand build_layer_node(const NodeDeclaration& node, const GraphPlace& place, Before before, ResolvedNode& resolved);
  void read_layer_attributes(const NodeDeclaration& node, const GraphPlace& place, LayerCall& call);
  void write_out_operands(const NodeDeclaration& node, const GraphPlace& place, const std::string& name,
                          const std::vector<Operand>& operands);
  void name_result(Value* value, const GraphPlace& place, const std::string& name);
  Operand build_block(const NodeDeclaration& node, const GraphPlace& place, Before before, const std::string& name);
  void name_results(const GraphPlace& place, const std::string& name, const Operand& operand, ResolvedNode& resolved);

  // ---- spec_loops.cpp ----
  static std::vector<std::string> names_read_by_loop(const Json& loop);
  Operand build_loop(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved);
  Operand build_scan(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved);
  Operand build_while(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved);
  Operand build_cond(const NodeDeclaration& node, const GraphPlace& place, ResolvedNode& resolved);
  std::vector<LoopValue> read_loop_values(const Json* json, const std::string& what, const Scope& scope,
                                          std::string& resolved);
  std::vector<LoopValue> read_next(const Json& loop, const std::string& what, const std::vector<LoopValue>& carry,
                                   const Scope& scope, std::string& resolved);
  std::vector<LoopValue> read_branch(const NodeDeclaration& node, const GraphPlace& place, const std::string& which,
                                     std::string& resolved);
  void read_body(const Json& loop, const std::string& what, const GraphPlace& inside);
  std::string resolved_body() const;
  void bind_loop_names(Scope& scope, const std::vector<LoopValue>& names, const LoopValues& values);
  void inside_loop(const NodeDeclaration& node, const GraphPlace& place, const std::string& part,
                   const std::function<void(Scope&, const GraphPlace&)>& read);

  // ---- spec_programs.cpp: outputs, programs, regularisers ----
  void read_outputs(Operand last);
  std::vector<std::pair<std::string, Value*>> last_node(const Operand& last);
  void read_regularize();
  void read_freeze();
  void read_programs();
  void read_program(const JsonMember& member);
  void read_objective(const Json& json, const std::string& what, ProgramRequest& request, JsonMembers& shown);
  std::vector<ProgramRequest::Report> read_reports(const Json& json, const std::string& what, JsonMembers& resolved);
  ProgramRequest::Report read_reduced(const Json& json, const std::string& what, std::string& resolved);
  Monitor read_monitor(const Json& json, const std::string& what, const Monitor& preset);
  static void show_monitor(const Monitor& monitor, JsonMembers& resolved);
  void read_plan();
  void read_stage(const Json& json);
  static std::string resolved_stage(const PlanStage& stage);
  OptimizerChoice read_optimizer(const Json& json);
  void read_hyperparameter(const Json& json, const Hyperparameter& number, OptimizerChoice& choice);
  ScheduleChoice read_schedule(const Json& json, const std::string& what);
  static std::string resolved_optimizer(const OptimizerChoice& choice);
  std::vector<double> read_length(const Json& json, const std::string& what);
  std::vector<std::pair<std::string, Value*>> read_results(const Json& json, const std::string& what,
                                                           std::vector<std::pair<std::string, std::string>>& resolved);

  // ---- spec_sample.cpp ----
  void read_sample();
  struct SequenceSpec {
    std::int64_t length = 0;
    double temperature = 1;
    std::optional<std::int64_t> stop;
    std::vector<std::int64_t> prompt;  // the first tokens, which are given
    Location prompt_at;
  };
  SequenceSpec read_sequence_numbers(const Json& json);
  std::vector<LoopValue> read_starts(const Json& carry, std::vector<std::string>& resolved);
  LoopStep read_round(const Json& json, const SequenceSpec& spec, const std::vector<LoopValue>& carry,
                      const std::vector<std::string>& starts, const GraphPlace& inside, Scope& scope);
  Value* read_sequence(const Json& json);

  // ---- spec_data.cpp ----
  void read_data();
  void read_validation(const Json& json, DataSpec& data);
  Resample read_resample(const Json& json);
  DataSet read_data_set(const Json& json, const std::string& what);
  void read_generator(const Json& json, DataSet& set);
  std::string resolved_split(const Json& json, const DataSet& set) const;
  std::string resolved_data(const Json& json, const DataSpec& data) const;

  // ---- spec_resolved.cpp ----
  std::string print_resolved(const Syntax& syntax, const Scope& scope);
  std::string reference_to(const Value* value, const std::string& spelled);
  std::string reference_to_several(const Node& node);
  void resolve_previous(ResolvedNode& node, const std::string& operand, Value* before);
  std::string resolved_text(const ModelGraph& model) const;
  static std::string resolved_node(const ResolvedNode& node);

  const Json& root_;
  const SpecOptions& options_;
  Diagnostics& diagnostics_;
  std::unique_ptr<ModelBuilder> model_;
  Scope globals_;  // variables, inputs, parameters, constants
  Scope graph_;    // nodes of the top-level graph
  Functions functions_;
  std::map<std::string, Block, std::less<>> blocks_;
  std::map<std::string, LayerCall, std::less<>> built_layers_;  // by full name, for sharing
  std::map<std::string, std::pair<const Block*, std::map<std::string, double>>, std::less<>> built_blocks_;
  std::map<const Value*, std::string> references_;  // how the resolved text names a value, …
  std::map<const Node*, std::string> several_;      // … and all results of a node
  std::int64_t batch_ = 64;
  bool poisoned_ = false;
  std::size_t nodes_built_ = 0;
  ResolvedSpec resolved_;
  std::vector<std::vector<ResolvedNode>> outer_graphs_;  // of the lists around the one being read, the outermost first
};

// Formats of files and kinds of generators that the data section names.
const std::vector<std::string>& data_formats();
const std::vector<std::string>& data_generators();

std::string to_json(const LayerValue& value);
std::string to_json(const Attribute& value);
std::string to_json(const Json& json);

}  // namespace gradc
