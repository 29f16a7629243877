// gradc ops: the op registry, as a list or one op in full.
#include <iostream>

#include "compiler/driver/command.h"
#include "ir/ops_doc.h"

namespace gradc::driver {

namespace {

void print_one(const Op& op) {
  std::cout << signature(op) << "\n\n  " << op.doc << "\n\n";
  for (const OperandSpec& operand : op.operands) std::cout << "  " << operand.name << ": " << operand.doc << "\n";
  for (const AttributeSpec& spec : op.attributes)
    std::cout << "  " << spec.name << " (" << name_of(spec.kind)
              << (spec.preset ? ", default " + str(*spec.preset) : "") << "): " << spec.doc << "\n";
  if (!op.spelling.empty()) std::cout << "  in expressions: " << op.spelling << "\n";
  std::cout << "  kind: " << name_of(op.kind) << "; family: " << op.family << "\n";
  if (!op.no_derivative.empty())
    std::cout << "  no derivative: " << op.no_derivative << "\n";
  else if (op.constant_gradient)
    std::cout << "  derivative: zero wherever it exists\n";
}

int print_all() {
  std::string family;
  std::vector<const Op*> ops = Registry::get().all();
  std::stable_sort(ops.begin(), ops.end(), [](const Op* a, const Op* b) { return a->family < b->family; });
  for (const Op* op : ops) {
    if (op->internal) continue;
    if (op->family != family) std::cout << (family.empty() ? "" : "\n") << op->family << ":\n";
    family = op->family;
    std::cout << "  " << signature(*op) << "\n";
  }
  return kDone;
}

}  // namespace

void add_ops(CLI::App& app, Session& session) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("ops", "lists the ops that specs and expressions can use, or describes one");
  command->add_option("NAME", *name, "the op to describe");
  auto markdown = std::make_shared<bool>(false);
  command->add_flag("--markdown", *markdown, "write the whole reference, as ir/OPS.md holds it");
  command->callback([name, markdown, &session] {
    session.action = [name, markdown]() -> int {
      if (*markdown) {
        std::cout << ops_markdown();
        return kDone;
      }
      if (name->empty()) return print_all();
      const Op* op = Registry::get().find(*name);
      if (!op) throw UserError(Location(), "no op is named `" + *name + "`" + suggest(*name, Registry::get().names()));
      print_one(*op);
      return kDone;
    };
  });
}

}  // namespace gradc::driver
