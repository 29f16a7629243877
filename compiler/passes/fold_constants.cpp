// Evaluates nodes whose operands are literals, by the interpreter, so that the bits are those of the graph's meaning.
//
//   1. A node folds where all it reads are literals (or counts, as `iota` makes them), it computes or moves elements
//      one by one, and the result is small.
//   2. A broadcast is never folded: it costs nothing, and rules see through it. Nor is a count by itself.
//
//   %c = constant() {value = dense<f32[]: 2>}
//   %d = sqrt(%c) : f32[]   →   %d = constant() {value = dense<f32[]: 1.4142135>}
#include "compiler/passes/match.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/interpret.h"
#include "ir/op.h"

namespace gradc {

namespace {

constexpr std::int64_t kFoldedElements = 256;

bool is_small(const Type& type) { return is_static(type.shape) && type.elements() <= kFoldedElements; }

// The content of a literal, of a count, or of a broadcast of one.
std::optional<Tensor> literal(const Value* value) {
  if (const Node* node = made_by(value, "constant")) return node->attributes.literal("value");
  if (!is_small(value->type)) return std::nullopt;
  if (const Node* node = made_by(value, "iota")) return interpret(*node, {})[0];
  const Node* node = made_by(value, "broadcast");
  const std::optional<Tensor> inner = node ? literal(node->operands[0]) : std::nullopt;
  return inner ? std::optional(interpret(*node, std::span(&*inner, 1))[0]) : std::nullopt;
}

bool computes_one_by_one(const Node& node) {
  if (node.op->kind == Kind::elementwise || node.op->irregular == Irregular::reshape) return true;
  if (!node.op->indexed || node.op->name == "broadcast") return false;
  return indexed_form(node).combiner == Combiner::none;
}

std::optional<std::vector<Value*>> fold(Builder& builder, Node& node) {
  if (node.operands.empty() || node.results.size() != 1 || !is_small(node.result()->type)) return std::nullopt;
  std::vector<Tensor> operands;
  for (const Value* operand : node.operands) {
    std::optional<Tensor> content = literal(operand);
    if (!content) return std::nullopt;
    operands.push_back(std::move(*content));
  }
  if (!computes_one_by_one(node)) return std::nullopt;
  return std::vector<Value*>{builder.constant(interpret(node, operands)[0])};
}

}  // namespace

bool fold_constants(Function& function, const Options& options) {
  return !is_to_be_differentiated(function, options) && rewrite(function.body, fold);
}

}  // namespace gradc
