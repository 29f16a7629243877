// Writes out every `gradient` and `tangent` node.
//
//   1. Nodes are visited in order, so that a gradient inside what another one differentiates is written out first.
//   2. At a pseudo node the sweep of compiler/autodiff is appended right there; its values stand for the node's
//   results.
//
//   %d = gradient(%y, %x)          →    …the nodes of the reverse sweep…
//   %t = tangent(%y, %x, %v) {wrt = 1}  →  …the nodes of the forward sweep…
#include "compiler/autodiff/autodiff.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"
#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

namespace {

std::vector<Value*> write_gradient(Region& region, const Node& node) {
  const std::span<Value* const> operands(node.operands);
  const bool has_cotangent = node.attributes.has("cotangent") && node.attributes.boolean("cotangent");
  return reverse(region, operands[0], has_cotangent ? operands[1] : nullptr, operands.subspan(has_cotangent ? 2 : 1));
}

std::vector<Value*> write_tangent(Region& region, const Node& node) {
  const std::span<Value* const> operands(node.operands);
  const auto count = static_cast<std::size_t>(node.attributes.integer("wrt"));
  return forward(region, operands.first(1), operands.subspan(1, count), operands.subspan(1 + count, count));
}

// A mistake lies at the op that has no derivative; the note says who asked for one.
[[noreturn]] void rethrow_with_origin(const UserError& error, const Node& node) {
  std::vector<Diagnostic> diagnostics = error.diagnostics();
  if (!node.locations.empty() && !diagnostics.empty()) {
    Diagnostic note;
    note.severity = Severity::note;
    note.location = node.locations.front();
    note.message = "differentiated because of this";
    if (!diagnostics.front().location.known()) diagnostics.front().location = note.location;
    diagnostics.front().notes.push_back(std::move(note));
  }
  throw UserError(std::move(diagnostics));
}

}  // namespace

bool grad(Function& function, const Options&) {
  return rewrite(function.body, [](Builder& builder, Node& node) -> std::optional<std::vector<Value*>> {
    const bool reverse_mode = node.op->name == "gradient";
    if (!reverse_mode && node.op->name != "tangent") return std::nullopt;
    try {
      return reverse_mode ? write_gradient(builder.region(), node) : write_tangent(builder.region(), node);
    } catch (const UserError& error) {
      rethrow_with_origin(error, node);
    }
  });
}

}  // namespace gradc
