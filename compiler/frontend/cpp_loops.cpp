// The loops and branches of the C++ API.
#include "gradc/loops.h"

#include "compiler/frontend/cpp_access.h"
#include "compiler/frontend/loops.h"
#include "gradc/model.h"

namespace gradc {
inline namespace api {

namespace {

std::vector<LoopValue> loop_values(const Exprs& exprs, const std::string& what, const ModelBuilder& model,
                                   const Location& at) {
  std::vector<LoopValue> values;
  for (std::size_t i = 0; i < exprs.size(); ++i) {
    const std::string& name = exprs[i].name();
    values.push_back({name.empty() ? what + "[" + std::to_string(i) + "]" : name, operand_of(exprs[i], model, at), at});
  }
  return values;
}

Exprs wrapped(ModelBuilder& model, const std::vector<Value*>& values) {
  Exprs exprs;
  for (Value* value : values) exprs.emplace_back(model, value);
  return exprs;
}

using Body = std::function<ScanStep(const Exprs& carry, const Exprs& slices, Expr index)>;

ScanResult scan_in(ModelBuilder& model, const Exprs& carry, const Exprs& over, const Body& body,
                   const ScanOptions& options, const Location& at) {
  ScanRequest request{
      "", loop_values(carry, "carry", model, at), loop_values(over, "over", model, at), options.length, options.reverse,
      at};
  LoopResults results =
      gradc::scan(model, request, [&](const LoopValues& contents, const LoopValues& slices, Value* index) {
        ScanStep step = body(wrapped(model, contents), wrapped(model, slices), Expr(model, index));
        return LoopStep{loop_values(step.next, "next", model, at), loop_values(step.emit, "emit", model, at)};
      });
  return {wrapped(model, results.carried), wrapped(model, results.emitted)};
}

}  // namespace

ScanResult scan(const Exprs& carry, const Exprs& over, const Body& body, const ScanOptions& options, Place place) {
  const Location at = location_of(place);
  Exprs all = carry;
  all.insert(all.end(), over.begin(), over.end());
  return scan_in(model_of(all, "scan", at), carry, over, body, options, at);
}

ScanResult scan(Model& model, const Exprs& carry, const Body& body, const ScanOptions& options, Place place) {
  return scan_in(model.builder(), carry, {}, body, options, location_of(place));
}

Exprs while_loop(const Exprs& carry, const std::function<Expr(const Exprs& carry)>& condition,
                 const std::function<Exprs(const Exprs& carry, Expr index)>& body, std::int64_t max_trips,
                 Place place) {
  const Location at = location_of(place);
  ModelBuilder& model = model_of(carry, "while", at);
  if (max_trips < 0) throw UserError(at, "while: `max_trips` must be 0 or more, got " + std::to_string(max_trips));
  WhileRequest request{"", loop_values(carry, "carry", model, at), max_trips, at};
  auto asks = [&](const LoopValues& contents, Value*) {
    return LoopValue{"condition", operand_of(condition(wrapped(model, contents)), model, at), at};
  };
  auto works = [&](const LoopValues& contents, Value* index) {
    return loop_values(body(wrapped(model, contents), Expr(model, index)), "next", model, at);
  };
  return wrapped(model, gradc::while_loop(model, request, asks, works));
}

Exprs cond(const Expr& predicate, const std::function<Exprs()>& yes, const std::function<Exprs()>& no, Place place) {
  const Location at = location_of(place);
  ModelBuilder& model = model_of({predicate}, "cond", at);
  return wrapped(model, gradc::cond(
                            model, {"predicate", operand_of(predicate, model, at), at},
                            [&] { return loop_values(yes(), "then", model, at); },
                            [&] { return loop_values(no(), "else", model, at); }, at));
}

Expr cond(const Expr& predicate, const std::function<Expr()>& yes, const std::function<Expr()>& no, Place at) {
  return cond(predicate, std::function<Exprs()>([&] { return Exprs{yes()}; }),
              std::function<Exprs()>([&] { return Exprs{no()}; }), at)[0];
}

}  // namespace api
}  // namespace gradc
