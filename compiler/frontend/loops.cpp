// Builds the closed regions of scan, while and cond.
#include "compiler/frontend/loops.h"

#include <algorithm>

namespace gradc {

namespace {

// A region under construction. Where its body throws, it is kept for messages about its values.
class OpenRegion {
 public:
  explicit OpenRegion(ModelBuilder& model) : model_(model), region_(std::make_unique<Region>()) {}
  OpenRegion(const OpenRegion&) = delete;
  OpenRegion& operator=(const OpenRegion&) = delete;
  ~OpenRegion() {
    if (entered_) model_.leave();
    if (region_) model_.abandon(std::move(region_));
  }

  Value* parameter(const Type& type, const std::string& name, const Location& at) {
    Value* value = region_->add_parameter(type, name);
    model_.declare_location(value, at);
    return value;
  }
  void enter(Value* index, std::int64_t rounds) {
    model_.enter(*region_, index, rounds);
    entered_ = true;
  }
  void leave(const std::vector<Value*>& results) {
    model_.leave();
    entered_ = false;
    region_->results = results;
  }
  bool uses(const Value* value) const { return count_uses(*region_).contains(value); }
  // Out of the region, but not out of memory: it may be known by its address.
  void drop_last_parameter() {
    auto apart = std::make_unique<Region>();
    apart->parameters.push_back(std::move(region_->parameters.back()));
    region_->parameters.pop_back();
    model_.abandon(std::move(apart));
  }
  std::unique_ptr<Region> take() { return std::move(region_); }

 private:
  ModelBuilder& model_;
  std::unique_ptr<Region> region_;
  bool entered_ = false;
};

Value* value_of(ModelBuilder& model, const LoopValue& given) {
  return given.operand.value ? given.operand.value
                             : model.at(given.location).constant(DType::f32, given.operand.number);
}

Shape slice_shape(const Type& type) { return {type.shape.begin() + 1, type.shape.end()}; }

// The number of rounds: as given, or that of the first sliced value; all must agree.
Dim rounds_of(const ScanRequest& request, const std::vector<Value*>& over) {
  std::optional<Dim> length = request.length;
  const LoopValue* first = nullptr;
  for (std::size_t i = 0; i < over.size(); ++i) {
    const LoopValue& given = request.over[i];
    const Type& type = over[i]->type;
    if (type.rank() == 0)
      throw UserError(given.location,
                      "scan: `" + given.name + "` runs over " + type.str() + ", which has no dimension");
    if (!length) {
      length = type.shape[0];
      first = &given;
    }
    if (type.shape[0] == *length) continue;
    Diagnostic error{Severity::error,
                     given.location,
                     "scan: `" + given.name + "` runs over " + type.str() + ", which is " + type.shape[0].str() +
                         " rounds; " + (first ? "`" + first->name + "` is " : "`length` is ") + length->str(),
                     {}};
    if (first) error.notes.push_back({Severity::note, first->location, "`" + first->name + "` stands here", {}});
    throw UserError(std::move(error));
  }
  if (!length) throw UserError(request.at, "scan: runs over nothing; give `length`, the number of rounds");
  if (length->factor < 0) throw UserError(request.at, "scan: `length` is " + length->str());
  return *length;
}

// New content of a carried value: of its type, where a number is one filled with it.
Value* next_content(ModelBuilder& model, const std::string& op, const LoopValue& carried, const Value* content,
                    const LoopValue& next) {
  const Type& type = content->type;
  if (!next.operand.value) return model.at(next.location).full(type, next.operand.number);
  if (next.operand.value->type == type) return next.operand.value;
  Diagnostic error{Severity::error,
                   next.location,
                   op + ": `" + carried.name + "` is carried as " + type.str() + " and becomes " +
                       next.operand.value->type.str() + "; it must keep its type",
                   {}};
  error.notes.push_back(
      {Severity::note, carried.location, "`" + carried.name + "` begins as " + type.str() + " here", {}});
  throw UserError(std::move(error));
}

std::vector<Value*> next_contents(ModelBuilder& model, const std::string& op, const std::vector<LoopValue>& carry,
                                  const std::vector<Value*>& contents, const std::vector<LoopValue>& next,
                                  const Location& at) {
  if (next.size() != carry.size())
    throw UserError(at, op + ": carries " + std::to_string(carry.size()) + " values, its body yields " +
                            std::to_string(next.size()));
  std::vector<Value*> results;
  for (std::size_t i = 0; i < carry.size(); ++i)
    results.push_back(next_content(model, op, carry[i], contents[i], next[i]));
  return results;
}

const Op& op_named(const char* name) {
  const Op* op = Registry::get().find(name);
  ensure(op, "an op of loops is missing");
  return *op;
}

std::vector<std::unique_ptr<Region>> list_of(OpenRegion& a, OpenRegion* b = nullptr) {
  std::vector<std::unique_ptr<Region>> regions;
  regions.push_back(a.take());
  if (b) regions.push_back(b->take());
  return regions;
}

}  // namespace

LoopResults scan(ModelBuilder& model, const ScanRequest& request, const ScanBody& body) {
  std::vector<Value*> operands, over, carry, slices;
  for (const LoopValue& given : request.carry) operands.push_back(value_of(model, given));
  for (const LoopValue& given : request.over) over.push_back(value_of(model, given));
  const Dim rounds = rounds_of(request, over);
  OpenRegion region(model);
  for (std::size_t i = 0; i < operands.size(); ++i)
    carry.push_back(region.parameter(operands[i]->type, request.carry[i].name, request.carry[i].location));
  for (std::size_t i = 0; i < over.size(); ++i)
    slices.push_back(region.parameter({over[i]->type.dtype, slice_shape(over[i]->type)}, request.over[i].name,
                                      request.over[i].location));
  Value* index = region.parameter({DType::i64, {}}, "index", request.at);
  region.enter(index, rounds.factor);
  LoopStep step = body(carry, slices, index);
  std::vector<Value*> results = next_contents(model, "scan", request.carry, carry, step.next, request.at);
  for (const LoopValue& emitted : step.emit) results.push_back(value_of(model, emitted));
  region.leave(results);
  operands.insert(operands.end(), over.begin(), over.end());
  Builder& builder = model.at(request.at);
  auto sliced = std::ssize(over);
  if (region.uses(index)) {
    operands.push_back(builder.one("iota", {}, {{"shape", Shape{rounds}}, {"dtype", DType::i64}}));
    ++sliced;
  } else {
    region.drop_last_parameter();
  }
  Attributes attributes = {{"carried", std::ssize(carry)}, {"sliced", sliced}, {"reverse", request.reverse}};
  if (sliced == 0) attributes.set("length", Shape{rounds});
  std::vector<Value*> made = builder.make(op_named("scan"), operands, attributes, list_of(region));
  const auto split = made.begin() + std::ssize(carry);
  return {{made.begin(), split}, {split, made.end()}};
}

std::vector<Value*> while_loop(ModelBuilder& model, const WhileRequest& request, const WhileCondition& condition,
                               const WhileBody& body) {
  std::vector<Value*> operands;
  for (const LoopValue& given : request.carry) operands.push_back(value_of(model, given));
  // The number of the round is one more carried value, where it is used.
  OpenRegion asks(model), works(model);
  bool counts = false;
  auto run = [&](OpenRegion& region, auto&& build) {
    std::vector<Value*> carry;
    for (std::size_t i = 0; i < operands.size(); ++i)
      carry.push_back(region.parameter(operands[i]->type, request.carry[i].name, request.carry[i].location));
    Value* index = region.parameter({DType::i64, {}}, "index", request.at);
    region.enter(index, 1);
    std::vector<Value*> results = build(carry, index);
    counts = counts || region.uses(index) || std::count(results.begin(), results.end(), index) > 0;
    if (&region == &works && counts) results.push_back((model.at(request.at).term(index) + 1).value());
    region.leave(results);
  };
  run(asks, [&](const LoopValues& carry, Value* index) {
    LoopValue given = condition(carry, index);
    Value* value = value_of(model, given);
    if (value->type != Type{DType::boolean, {}})
      throw UserError(given.location,
                      "while: the condition must be bool[], got " + value->type.str() +
                          (value->type.dtype == DType::boolean ? "; reduce it with `any` or `all`" : ""));
    return std::vector<Value*>{value};
  });
  run(works, [&](const LoopValues& carry, Value* index) {
    return next_contents(model, "while", request.carry, carry, body(carry, index), request.at);
  });
  Builder& builder = model.at(request.at);
  const std::size_t carried = operands.size();
  if (counts) operands.push_back(builder.constant(DType::i64, 0));
  if (!counts) {
    asks.drop_last_parameter();
    works.drop_last_parameter();
  }
  auto regions = list_of(asks, &works);
  Attributes attributes = {{"carried", std::ssize(operands)}, {"max_trips", request.max_trips}};
  std::vector<Value*> made = builder.make(op_named("while"), operands, attributes, std::move(regions));
  made.resize(carried);
  return made;
}

std::vector<Value*> cond(ModelBuilder& model, const LoopValue& predicate, const Branch& yes, const Branch& no,
                         const Location& at) {
  Value* chosen = value_of(model, predicate);
  if (chosen->type != Type{DType::boolean, {}})
    throw UserError(predicate.location, "cond: what decides must be bool[], got " + chosen->type.str() +
                                            (chosen->type.dtype == DType::boolean
                                                 ? "; reduce it with `any` or `all`, or choose by element with `select`"
                                                 : ""));
  OpenRegion first(model), second(model);
  std::vector<LoopValue> then, otherwise;
  auto run = [&](OpenRegion& region, const Branch& build, std::vector<LoopValue>& results) {
    region.enter(nullptr, 1);
    results = build();
    for (LoopValue& result : results) result.operand = value_of(model, result);
    std::vector<Value*> values;
    for (const LoopValue& result : results) values.push_back(result.operand.value);
    region.leave(values);
  };
  run(first, yes, then);
  run(second, no, otherwise);
  if (then.size() != otherwise.size())
    throw UserError(at, "cond: its branches yield " + std::to_string(then.size()) + " and " +
                            std::to_string(otherwise.size()) + " values");
  for (std::size_t i = 0; i < then.size(); ++i) {
    const Type &a = then[i].operand.value->type, &b = otherwise[i].operand.value->type;
    if (a == b) continue;
    Diagnostic error{Severity::error,
                     otherwise[i].location,
                     "cond: its branches yield " + a.str() + " and " + b.str() + "; they must have one type",
                     {}};
    error.notes.push_back({Severity::note, then[i].location, "the first branch yields " + a.str() + " here", {}});
    throw UserError(std::move(error));
  }
  return model.at(at).make(op_named("cond"), {chosen}, {}, list_of(first, &second));
}

}  // namespace gradc
