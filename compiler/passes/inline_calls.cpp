// Replaces calls by the body of what they call.
//
//   %y = call(%x) {callee = "f"}   →   the nodes of @f with its parameter replaced by %x
//
// Calls inside the body are inlined on the way. A function that calls itself, on whatever way, is a UserError.
#include <algorithm>

#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

namespace {

class Inliner {
 public:
  Inliner(const Module& module, std::string caller) : module_(module), open_{std::move(caller)} {}

  bool run(Region& region) {
    return rewrite(region, [this](Builder& builder, Node& node) -> std::optional<std::vector<Value*>> {
      if (node.op->name != "call") return std::nullopt;
      return inline_call(builder, node);
    });
  }

 private:
  std::vector<Value*> inline_call(Builder& builder, const Node& node) {
    const Function& callee = resolve_callee(node);
    open_.push_back(callee.name);
    ValueMap map;
    for (std::size_t i = 0; i < node.operands.size(); ++i) map[callee.body.parameters[i].get()] = node.operands[i];
    for (const auto& inner : callee.body.nodes) {
      if (inner->op->name == "call") {
        inline_nested(builder, *inner, map);
      } else {
        unite(builder.clone(*inner, map)->locations, node.locations);
      }
    }
    open_.pop_back();
    std::vector<Value*> results;
    for (const Value* value : callee.body.results) results.push_back(map.at(value));
    return results;
  }

  void inline_nested(Builder& builder, const Node& call, ValueMap& map) {
    Region aside;  // the call with its operands mapped; inlined from there
    Node& copy = *Builder(aside).clone(call, map);
    const std::vector<Value*> results = inline_call(builder, copy);
    for (std::size_t i = 0; i < results.size(); ++i) map[call.results[i].get()] = results[i];
  }

  const Function& resolve_callee(const Node& node) const {
    const Location at = node.locations.empty() ? Location{} : node.locations.front();
    const std::string& name = node.attributes.string("callee");
    if (std::find(open_.begin(), open_.end(), name) != open_.end()) {
      std::string chain;
      for (const std::string& caller : open_) chain += "`" + caller + "` calls ";
      throw UserError(at, "call: a function calls itself: " + chain + "`" + name + "`");
    }
    const Function* callee = module_.function(name);
    if (!callee) {
      std::vector<std::string> names;
      for (const auto& function : module_.functions) names.push_back(function->name);
      throw UserError(at, "call: no function is named `" + name + "`" + suggest(name, names));
    }
    if (callee->body.parameters.size() != node.operands.size()) {
      throw UserError(at, "call: `" + name + "` takes " + std::to_string(callee->body.parameters.size()) +
                              " arguments, not " + std::to_string(node.operands.size()));
    }
    check_types(*callee, node, at);
    return *callee;
  }

  static void check_types(const Function& callee, const Node& node, const Location& at) {
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      const Type& wanted = callee.body.parameters[i]->type;
      if (node.operands[i]->type == wanted) continue;
      throw UserError(at, "call: argument `" + callee.parameters[i].name + "` of `" + callee.name + "` is " +
                              wanted.str() + ", not " + node.operands[i]->type.str());
    }
  }

  const Module& module_;
  std::vector<std::string> open_;  // the functions being inlined, the outermost first
};

}  // namespace

bool inline_calls(Function& function, const Options& options) {
  ensure(options.module != nullptr, "inline_calls runs on a function of a module");
  bool changed = false;
  // A call inside a region of an inlined body is met in the next round; no chain is longer than there are functions.
  for (std::size_t round = 0; Inliner(*options.module, function.name).run(function.body); ++round) {
    if (round > options.module->functions.size()) {
      throw UserError(Location{}, "call: `" + function.name + "` ends up calling itself");
    }
    changed = true;
  }
  return changed;
}

}  // namespace gradc
