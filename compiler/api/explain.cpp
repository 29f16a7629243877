// Replays a step with a flag for every float value, in the order of the graph.
#include "compiler/api/explain.h"

#include "ir/op.h"

namespace gradc {

namespace {

// The function with one result for each float node: whether all of its elements are finite. State is read, not written.
std::vector<const Node*> watch_values(Function& function) {
  std::vector<const Node*> watched;
  std::vector<Value*> values;
  for (const auto& node : function.body.nodes)
    if (is_float(node->result()->type.dtype) && node->op->irregular != Irregular::constant) {
      watched.push_back(node.get());
      values.push_back(node->result());
    }
  function.results.clear();
  function.body.results.clear();
  Builder builder(function.body);
  for (std::size_t i = 0; i < values.size(); ++i)
    function.add_result({"finite" + std::to_string(i)}, builder.one("all", {builder.one("is_finite", {values[i]})}));
  return watched;
}

// What a reader needs of the node, before lowering takes the graph apart.
NonFiniteOrigin origin_of(const Node& node) {
  NonFiniteOrigin origin;
  if (!node.locations.empty()) origin.location = node.locations.front();
  const std::string name = node.result()->name.empty() ? "" : " `" + node.result()->name + "`";
  origin.message = (origin.location.gradient ? "the gradient's " : "") + node.op->name + name + " (" +
                   node.result()->type.str() + ") is the first value that is not finite";
  origin.location.gradient = false;
  return origin;
}

}  // namespace

std::optional<NonFiniteOrigin> explain_non_finite(ModelCompiler& compiler, const std::string& program,
                                                  const runtime::NonFinite& found) {
  const std::string names[] = {program};
  std::unique_ptr<Module> module = programs_of(compiler.model(), names);
  Options options = compiler.options();
  options.optimize = 0;
  specialize(*module, batch_binding(compiler.model(), found.batch), options);
  differentiate(*module, options);
  std::vector<NonFiniteOrigin> origins;
  for (const Node* node : watch_values(*module->function(program))) origins.push_back(origin_of(*node));
  const KernelModule kernels = compile_to_kernels(std::move(module), compiler.model().state, {}, options);
  const runtime::Executable executable = load(kernels, options.optimize).at(0);
  std::vector<std::uint8_t> finite(origins.size(), 1);
  std::vector<void*> outputs;
  for (std::uint8_t& flag : finite) outputs.push_back(&flag);
  // No result is an entry of the state, so nothing writes to it.
  runtime::Runner(executable, nullptr).run(found.inputs, outputs, const_cast<void*>(found.state));
  for (std::size_t i = 0; i < finite.size(); ++i)
    if (!finite[i]) return origins[i];
  return std::nullopt;
}

}  // namespace gradc
