// Forward mode: tangents follow the nodes in their own order.
//
//   elementwise  Σ over active operands of derivative(operand, its tangent)
//   linear       Σ over the sets of `linear_in` of the op itself, that set's operands replaced by their tangents
//   composite    the tangents of its body's nodes, written out at the end of the region
//   general      its jvp; any op may give one, and then it is used
//
// A null term is a symbolic zero.
#include <algorithm>

#include "compiler/autodiff/autodiff.h"
#include "compiler/autodiff/sweep.h"

namespace gradc {

namespace {

class Forward : public Sweep {
 public:
  Forward(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt)
      : Sweep(region, outputs, wrt, "forward") {}

  void seed(const Value* value, Value* tangent) { accumulate(value, builder_.term(tangent)); }

  void run() {
    for (const Node* node : activity_.nodes()) visit(*node);
  }

 private:
  void visit(const Node& node) {
    std::vector<Term> tangents;
    for (const Value* operand : node.operands) tangents.push_back(derivative_of(operand));
    if (std::none_of(tangents.begin(), tangents.end(), [](const Term& t) { return bool(t); })) return;
    open(node, [&](const Derivation& derivation) { by_rule(node, derivation, tangents); });
  }

  void by_rule(const Node& node, const Derivation& derivation, const std::vector<Term>& tangents) {
    const Op& op = *node.op;
    if (op.jvp) {
      by_jvp(node, derivation, tangents);
    } else if (op.kind == Kind::elementwise && op.derivative) {
      by_derivative(node, derivation, tangents);
    } else if (op.kind == Kind::linear) {
      by_linearity(node, tangents);
    } else if (op.kind == Kind::composite && op.compose) {
      by_body(node, derivation);
    } else {
      fail(node);
    }
  }

  void give(const Node& node, std::size_t i, Term tangent, const char* rule) {
    const Value& result = *node.results[i];
    check_rule(node, result, tangent, rule);
    accumulate(&result, tangent);
  }

  void by_jvp(const Node& node, const Derivation& derivation, const std::vector<Term>& tangents) {
    const std::vector<Term> found = node.op->jvp(derivation, tangents);
    ensure(found.size() == node.results.size(), "a jvp gives a tangent for every result");
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (activity_.active(node.result(i))) give(node, i, found[i], "jvp");
    }
  }

  void by_derivative(const Node& node, const Derivation& derivation, const std::vector<Term>& tangents) {
    for (std::size_t i = 0; i < tangents.size(); ++i) {
      if (!tangents[i]) continue;
      give(node, 0, as_derivative_of(*node.result(), node.op->derivative(derivation, i, tangents[i])), "derivative");
    }
  }

  // The sets of operands in which the op is linear; the place of a variadic operand stands for all of them.
  static std::vector<std::vector<std::size_t>> linear_sets(const Node& node) {
    const Op& op = *node.op;
    std::vector<std::vector<std::size_t>> sets = op.linear_in;
    if (!op.variadic()) return sets;
    const std::size_t first = op.operands.size() - 1;
    for (std::vector<std::size_t>& set : sets) {
      if (std::find(set.begin(), set.end(), first) == set.end()) continue;
      for (std::size_t i = first + 1; i < node.operands.size(); ++i) set.push_back(i);
    }
    return sets;
  }

  void by_linearity(const Node& node, const std::vector<Term>& tangents) {
    std::vector<bool> covered(tangents.size(), false);
    for (const std::vector<std::size_t>& set : linear_sets(node)) {
      std::vector<Value*> operands = node.operands;
      bool any = false;
      for (const std::size_t i : set) {
        covered[i] = true;
        any |= bool(tangents[i]);
      }
      if (!any) continue;
      for (const std::size_t i : set) {
        operands[i] = tangents[i] ? tangents[i].value() : builder_.full(operands[i]->type, 0);
      }
      const std::vector<Value*> found = builder_.make(*node.op, operands, node.attributes);
      for (std::size_t i = 0; i < found.size(); ++i) give(node, i, builder_.term(found[i]), "linearity");
    }
    for (std::size_t i = 0; i < tangents.size(); ++i) {
      if (tangents[i] && !covered[i]) fail(node);
    }
  }

  void by_body(const Node& node, const Derivation& derivation) {
    const Body body = write_body(node, derivation);
    for (const Node* inner : body.active) visit(*inner);
    for (std::size_t i = 0; i < body.results.size(); ++i) give(node, i, derivative_of(body.results[i].value()), "body");
  }
};

void check_request(std::span<Value* const> wrt, std::span<Value* const> tangents) {
  ensure(wrt.size() == tangents.size(), "forward mode takes one tangent for every value");
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    const Location where = wrt[i]->node && !wrt[i]->node->locations.empty() ? wrt[i]->node->locations[0] : Location{};
    const std::string name = wrt[i]->name.empty() ? "a value" : "`" + wrt[i]->name + "`";
    if (!is_float(wrt[i]->type.dtype)) {
      throw UserError(where, "tangent: " + name + " is " + wrt[i]->type.str() + "; only floats have a tangent");
    }
    if (wrt[i]->type != tangents[i]->type) {
      throw UserError(where, "tangent: " + name + " is " + wrt[i]->type.str() + ", its tangent " +
                                 tangents[i]->type.str() + "; they must have one type");
    }
  }
}

}  // namespace

std::vector<Value*> forward(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt,
                            std::span<Value* const> tangents) {
  check_request(wrt, tangents);
  Forward sweep(region, outputs, wrt);
  for (std::size_t i = 0; i < wrt.size(); ++i) sweep.seed(wrt[i], tangents[i]);
  sweep.run();
  std::vector<Value*> result;
  for (Value* output : outputs) result.push_back(sweep.written(output));
  return result;
}

std::vector<Value*> push_forward(Region& region, std::span<Value* const> outputs, std::span<Value* const> wrt,
                                 std::span<Value* const> tangents) {
  ensure(wrt.size() == tangents.size(), "forward mode takes one tangent for every value");
  Forward sweep(region, outputs, wrt);
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    if (tangents[i]) sweep.seed(wrt[i], tangents[i]);
  }
  sweep.run();
  std::vector<Value*> result;
  for (const Value* output : outputs) result.push_back(sweep.derivative_of(output).value());
  return result;
}

}  // namespace gradc
