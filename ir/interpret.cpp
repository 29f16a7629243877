// Evaluates graphs node by node: indexed forms as plain loops, composites through their bodies.
#include "ir/interpret.h"

#include <unordered_map>

#include "ir/op.h"

namespace gradc {

namespace {

ScalarValue element(const Tensor& tensor, std::int64_t i) {
  DType type = tensor.type().dtype;
  return is_float(type) ? scalar_of(type, tensor.get(i)) : scalar_from_integer(type, tensor.get_integer(i));
}

void store(Tensor& tensor, std::int64_t i, ScalarValue value) {
  DType type = tensor.type().dtype;
  if (is_float(type))
    tensor.set(i, number_of(type, value));
  else
    tensor.set_integer(i, integer_of(type, value));
}

std::int64_t product(const std::vector<std::int64_t>& sizes) {
  std::int64_t count = 1;
  for (std::int64_t size : sizes) count *= size;
  return count;
}

// Counts through a box in row-major order.
void advance(std::span<std::int64_t> index, const std::vector<std::int64_t>& box) {
  for (std::size_t d = box.size(); d-- > 0;) {
    if (++index[d] < box[d]) return;
    index[d] = 0;
  }
}

std::int64_t numerator(const IndexMap& map, std::span<const std::int64_t> index) {
  std::int64_t at = map.offset;
  for (std::size_t v = 0; v < map.coefficients.size(); ++v) at += map.coefficients[v] * index[v];
  return at;
}

// The offset of an access at `index`, or -1 where it falls outside.
std::int64_t offset_of(const OperandAccess& access, const std::vector<std::int64_t>& extents,
                       std::span<const std::int64_t> index) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < access.index.size(); ++d) {
    const IndexMap& map = access.index[d];
    std::int64_t at = numerator(map, index);
    if (at % map.divisor != 0) return -1;
    at /= map.divisor;
    if (at < 0 || at >= extents[d]) return -1;
    offset = offset * extents[d] + at;
  }
  return offset;
}

// Runs one indexed form over tensors.
class IndexedLoop {
 public:
  IndexedLoop(const IndexedForm& form, std::span<const Tensor> operands, Tensor& result)
      : form_(form), operands_(operands), result_(result), body_(form.body), arguments_(form.accesses.size()) {
    for (const OperandAccess& access : form.accesses) {
      extents_.push_back(sizes(operands[static_cast<std::size_t>(access.operand)].type().shape));
      for (const IndexMap& map : access.index) strided_ = strided_ || (map.divisor != 1 && !form.reduction.empty());
    }
  }

  void run() {
    std::vector<std::int64_t> index(form_.variables(), 0);
    std::span<std::int64_t> outer(index.data(), form_.domain.size());
    std::span<std::int64_t> inner(index.data() + form_.domain.size(), form_.reduction.size());
    DType type = result_.type().dtype;
    const std::int64_t rounds = product(form_.reduction);
    for (std::int64_t i = 0, n = product(form_.domain); i < n; ++i, advance(outer, form_.domain)) {
      ScalarValue value = identity_of(form_.combiner, type);
      for (std::int64_t j = 0; j < rounds; ++j, advance(inner, form_.reduction))
        if (!strided_ || is_term(index)) value = combined(type, value, body_at(index));
      store(result_, form_.result.empty() ? i : result_offset(index), value);
    }
  }

 private:
  // Sums in the common case without a detour through a scalar body.
  ScalarValue combined(DType type, ScalarValue a, ScalarValue b) const {
    if (form_.combiner == Combiner::none) return b;
    if (form_.combiner == Combiner::sum && is_float(type))
      return type == DType::f32
                 ? scalar_of(type, static_cast<float>(number_of(type, a)) + static_cast<float>(number_of(type, b)))
                 : scalar_of(type, number_of(type, a) + number_of(type, b));
    return combine(form_.combiner, type, a, b);
  }

  bool is_term(std::span<const std::int64_t> index) const {
    for (const OperandAccess& access : form_.accesses)
      for (const IndexMap& map : access.index)
        if (numerator(map, index) % map.divisor != 0) return false;
    return true;
  }

  ScalarValue body_at(std::span<const std::int64_t> index) {
    for (std::size_t k = 0; k < form_.accesses.size(); ++k) {
      const OperandAccess& access = form_.accesses[k];
      const Tensor& operand = operands_[static_cast<std::size_t>(access.operand)];
      std::int64_t offset = offset_of(access, extents_[k], index);
      if (offset < 0 && !access.guarded) internal_error("an unguarded access falls outside its operand");
      arguments_[k] = offset < 0 ? scalar_of(operand.type().dtype, access.outside) : element(operand, offset);
    }
    return body_.run(arguments_, index);
  }

  std::int64_t result_offset(std::span<const std::int64_t> index) const {
    OperandAccess access{0, form_.result, false, 0};
    std::int64_t offset = offset_of(access, sizes(result_.type().shape), index.first(form_.domain.size()));
    if (offset < 0) internal_error("a result index falls outside");
    return offset;
  }

  const IndexedForm& form_;
  std::span<const Tensor> operands_;
  Tensor& result_;
  ScalarInterpreter body_;
  std::vector<ScalarValue> arguments_;
  std::vector<std::vector<std::int64_t>> extents_;
  bool strided_ = false;  // a reduction with divided indices
};

std::vector<Tensor> interpret_composite(const Node& node, std::span<const Tensor> operands) {
  Region region;
  Builder builder(region);
  builder.locations = node.locations;
  std::vector<Term> terms;
  for (const Tensor& operand : operands) terms.push_back(builder.term(region.add_parameter(operand.type(), "")));
  Call call = call_of(node);
  for (const Term& result : node.op->compose(builder, call, terms)) region.results.push_back(result.value());
  return interpret(region, operands);
}

using Values = std::unordered_map<const Value*, Tensor>;

void run_region(const Region& region, std::span<const Tensor> arguments, Values& values) {
  ensure(arguments.size() == region.parameters.size(), "interpret: one argument a parameter");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].type() != region.parameters[i]->type)
      internal_error("interpret: parameter " + region.parameters[i]->type.str() + " given " +
                     arguments[i].type().str());
    values[region.parameters[i].get()] = arguments[i];
  }
  for (const auto& node : region.nodes) {
    std::vector<Tensor> operands;
    for (const Value* operand : node->operands) operands.push_back(values.at(operand));
    std::vector<Tensor> results = interpret(*node, operands);
    for (std::size_t i = 0; i < results.size(); ++i) values[node->results[i].get()] = std::move(results[i]);
  }
}

}  // namespace

std::vector<Tensor> interpret(const Node& node, std::span<const Tensor> operands) {
  if (node.op->irregular == Irregular::pseudo)
    throw UserError(
        node.locations.empty() ? Location() : node.locations.front(),
        node.op->name + ": can't be evaluated before the passes `inline_calls` and `grad` have written it out");
  if (node.op->evaluate) return node.op->evaluate(call_of(node), operands);
  if (node.op->kind == Kind::composite) return interpret_composite(node, operands);
  IndexedForm form = indexed_form(node);
  std::vector<Tensor> results{Tensor(node.result()->type)};
  IndexedLoop(form, operands, results[0]).run();
  return results;
}

std::vector<Tensor> interpret(const Region& region, std::span<const Tensor> arguments) {
  Values values;
  run_region(region, arguments, values);
  std::vector<Tensor> results;
  for (const Value* result : region.results) results.push_back(values.at(result));
  return results;
}

std::vector<Tensor> interpret(const Function& function, std::span<const Tensor> arguments) {
  return interpret(function.body, arguments);
}

std::map<const Value*, Tensor> interpret_all(const Function& function, std::span<const Tensor> arguments) {
  Values values;
  run_region(function.body, arguments, values);
  return {values.begin(), values.end()};
}

}  // namespace gradc
