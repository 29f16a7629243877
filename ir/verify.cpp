// Checks the invariants of graphs.
#include "ir/verify.h"

#include <set>
#include <unordered_set>
#include <utility>

#include "ir/diagnostic.h"
#include "ir/op.h"
#include "ir/text.h"

namespace gradc {

namespace {

class Verifier {
 public:
  explicit Verifier(const Function& function) : function_(function) {}

  std::vector<std::string> run() {
    signature();
    region(function_.body);
    return std::move(violations_);
  }

 private:
  void fail(const std::string& what) { violations_.push_back("@" + function_.name + ": " + what); }

  void signature() {
    if (function_.parameters.size() != function_.body.parameters.size())
      fail("parameters and their values differ in number");
    if (function_.results.size() != function_.body.results.size()) fail("results and their values differ in number");
    if (!violations_.empty()) return;
    std::set<std::string> names;
    for (std::size_t i = 0; i < function_.parameters.size(); ++i) {
      const Parameter& parameter = function_.parameters[i];
      if (!names.insert(parameter.name).second) fail("two parameters are named `" + parameter.name + "`");
      if (parameter.role == Role::scalar && function_.body.parameters[i]->type.rank() != 0)
        fail("scalar `" + parameter.name + "` has the type " + function_.body.parameters[i]->type.str());
    }
    names.clear();
    for (std::size_t i = 0; i < function_.results.size(); ++i) result(i, names);
  }

  void result(std::size_t i, std::set<std::string>& names) {
    const FunctionResult& result = function_.results[i];
    if (!names.insert(result.name).second) fail("two results are named `" + result.name + "`");
    if (result.role == Role::scalar) fail("result `" + result.name + "` has the role scalar");
    const Value* entry = result.role == Role::state ? function_.parameter(result.name) : nullptr;
    if (entry && entry->type != function_.body.results[i]->type)
      fail("state `" + result.name + "` is " + entry->type.str() + " and becomes " +
           function_.body.results[i]->type.str());
  }

  void region(const Region& region) {
    for (std::size_t i = 0; i < region.parameters.size(); ++i) {
      const Value& value = *region.parameters[i];
      if (value.region != &region || value.node || value.index != static_cast<int>(i))
        fail("parameter `" + value.name + "` does not know its place");
      visible_.insert(&value);
    }
    for (const auto& node : region.nodes) this->node(*node, region);
    for (const Value* value : region.results)
      if (!visible_.contains(value)) fail("a region yields a value that is not defined in it: `" + value->name + "`");
  }

  void node(const Node& node, const Region& region) {
    const std::string& op = node.op->name;
    if (node.parent != &region) fail(op + " does not know its region");
    bool defined = true;
    for (const Value* operand : node.operands)
      if (!visible_.contains(operand)) {
        fail(op + " reads `" + operand->name + "`, which is not defined before it in its region");
        defined = false;
      }
    for (const auto& inner : node.regions) {
      if (inner->owner != &node) fail("a region of " + op + " does not know its node");
      std::unordered_set<const Value*> outside = std::exchange(visible_, {});  // a region is closed
      this->region(*inner);
      visible_ = std::move(outside);
    }
    if (defined) types(node);
    for (std::size_t i = 0; i < node.results.size(); ++i) {
      const Value& value = *node.results[i];
      if (value.node != &node || value.region != &region || value.index != static_cast<int>(i))
        fail("result " + std::to_string(i) + " of " + op + " does not know its place");
      visible_.insert(&value);
    }
  }

  void types(const Node& node) {
    try {
      if (!(with_defaults(*node.op, node.attributes) == node.attributes))
        fail(node.op->name + ": attributes lack their defaults");
      std::vector<Type> inferred = infer_types(*node.op, node.operands, node.attributes, node.regions);
      if (inferred.size() != node.results.size()) fail(node.op->name + ": the number of results is wrong");
      for (std::size_t i = 0; i < std::min(inferred.size(), node.results.size()); ++i)
        if (inferred[i] != node.results[i]->type)
          fail(node.op->name + ": the result is typed " + node.results[i]->type.str() + " and computes " +
               inferred[i].str());
    } catch (const CallError& error) {
      fail(node.op->name + ": " + error.message);
    }
  }

  const Function& function_;
  std::unordered_set<const Value*> visible_;
  std::vector<std::string> violations_;
};

}  // namespace

std::vector<std::string> verify(const Function& function) { return Verifier(function).run(); }

std::vector<std::string> verify(const Module& module) {
  std::vector<std::string> all;
  std::set<std::string> names;
  for (const auto& function : module.functions) {
    if (!names.insert(function->name).second) all.push_back("two functions are named @" + function->name);
    for (std::string& violation : verify(*function)) all.push_back(std::move(violation));
  }
  return all;
}

void verify_or_die(const Module& module, const std::string& after) {
  std::vector<std::string> violations = verify(module);
  if (violations.empty()) return;
  std::string text = "the graph is not well-formed after " + after + ":\n";
  for (std::size_t i = 0; i < violations.size() && i < 5; ++i) text += "  " + violations[i] + "\n";
  internal_error(text + print(module));
}

}  // namespace gradc
