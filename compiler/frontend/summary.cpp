// What `gradc summary` counts: multiply-adds and receptive fields, read off the nodes of the graph.
#include <algorithm>

#include "compiler/frontend/model_builder.h"

namespace gradc {

namespace {

// Every symbol 1: one example.
Type one_example(Type type) {
  for (Dim& dim : type.shape) dim.symbol.clear();
  return type;
}

bool is_product(const IndexedForm& form) {
  if (form.combiner != Combiner::sum || form.accesses.size() != 2 || form.body.results.size() != 1) return false;
  for (const Instr& instr : form.body.code)
    if (instr.result == form.body.results[0]) return instr.op == Opcode::mul;
  return false;
}

std::int64_t volume(const std::vector<std::int64_t>& sizes) {
  std::int64_t product = 1;
  for (std::int64_t size : sizes)
    if (__builtin_mul_overflow(product, size, &product)) return INT64_MAX;
  return product;
}

Attributes one_example(const Attributes& attributes) {
  Attributes result;
  for (const auto& [name, value] : attributes) {
    if (const Shape* shape = std::get_if<Shape>(&value))
      result.set(name, one_example(Type{DType::f32, *shape}).shape);
    else
      result.set(name, value);
  }
  return result;
}

}  // namespace

namespace {

// A loop's are those of all its rounds, where their number is known; a branch's are those of the larger one.
std::int64_t multiply_adds_of_regions(const Node& node) {
  std::int64_t most = 0;
  for (const auto& region : node.regions) {
    std::int64_t total = 0;
    for (const auto& inner : region->nodes)
      if (__builtin_add_overflow(total, multiply_adds(*inner), &total)) total = INT64_MAX;
    most = std::max(most, total);
  }
  if (node.op->name == "scan" && __builtin_mul_overflow(most, scan_rounds(node), &most)) most = INT64_MAX;
  return most;
}

}  // namespace

std::int64_t scan_rounds(const Node& node) {
  const Shape& length = node.attributes.shape("length");
  auto first = static_cast<std::size_t>(node.attributes.integer("carried"));
  return (length.empty() ? node.operands[first]->type.shape[0] : length[0]).factor;
}

std::int64_t multiply_adds(const Node& node) {
  if (node.op->has_regions()) return multiply_adds_of_regions(node);
  if (node.op->kind == Kind::elementwise || node.op->irregular == Irregular::pseudo) return 0;
  if (!node.op->compose && !node.op->indexed) return 0;
  Region region;
  Builder builder(region);
  std::vector<Value*> operands;
  for (const Value* operand : node.operands) operands.push_back(region.add_parameter(one_example(operand->type), ""));
  const Node* made = builder.make(*node.op, operands, one_example(node.attributes))[0]->node;
  if (node.op->indexed) {
    IndexedForm form = indexed_form(*made);
    if (!is_product(form)) return 0;
    std::int64_t total = 0;
    if (__builtin_mul_overflow(volume(form.domain), volume(form.reduction), &total)) total = INT64_MAX;
    return total;
  }
  std::size_t first = region.nodes.size();
  std::vector<Term> terms;
  for (Value* operand : operands) terms.push_back(builder.term(operand));
  node.op->compose(builder, call_of(*made), terms);
  std::int64_t total = 0;
  for (std::size_t i = first; i < region.nodes.size(); ++i)
    if (__builtin_add_overflow(total, multiply_adds(*region.nodes[i]), &total)) total = INT64_MAX;
  return total;
}

namespace {

// How far one result element looks into each operand, per dimension the largest.
struct Window {
  enum class Kind : std::uint8_t { point, window, all } kind = Kind::all;
  std::int64_t extent = 1, stride = 1;
};

Window window_of(const Node& node) {
  const std::string& op = node.op->name;
  auto largest = [](const IntList& list) { return list.empty() ? 1 : *std::max_element(list.begin(), list.end()); };
  if (node.attributes.has("window") && node.attributes.has("stride"))
    return {Window::Kind::window, largest(node.attributes.ints("window")), largest(node.attributes.ints("stride"))};
  if (op == "convolution") {
    const Shape& kernel = node.operands[1]->type.shape;
    const IntList& dilation = node.attributes.ints("dilation");
    std::int64_t extent = 1;
    for (std::size_t d = 2; d < kernel.size(); ++d) {
      std::int64_t step = d - 2 < dilation.size() ? dilation[d - 2] : 1;
      extent = std::max(extent, (kernel[d].factor - 1) * step + 1);
    }
    return {Window::Kind::window, extent, largest(node.attributes.ints("stride"))};
  }
  static const std::vector<std::string> pointwise = {"broadcast", "concatenate", "pad",      "reshape",
                                                     "reverse",   "slice",       "transpose"};
  bool point = node.op->kind == Kind::elementwise || std::count(pointwise.begin(), pointwise.end(), op) > 0;
  return {point ? Window::Kind::point : Window::Kind::all};
}

Field field_through(const Window& window, const Field& operand) {
  if (operand.extent <= 0 || window.kind == Window::Kind::point) return operand;
  if (window.kind == Window::Kind::all) return {-1, 1};
  return {operand.extent + (window.extent - 1) * operand.jump, operand.jump * window.stride};
}

}  // namespace

// As in evaluation, where a normalisation by the statistics of the batch looks at nothing but its element.
const Field& ModelBuilder::field_of(const Value* wanted) {
  static const Field whole{-1, 1};
  if (wanted->region != &region_) return whole;
  auto evaluated = [&](const Value* value) -> const Field& {
    for (auto found = evaluation_.find(value); found != evaluation_.end(); found = evaluation_.find(value))
      value = found->second;
    return fields_[value];
  };
  for (Value* input : inputs_) fields_.try_emplace(input, Field{1, 1});
  for (; fields_until_ < region_.nodes.size(); ++fields_until_) {
    const Node& node = *region_.nodes[fields_until_];
    Window window = window_of(node);
    Field field;
    for (const Value* operand : node.operands) {
      Field through = field_through(window, evaluated(operand));
      if (through.extent == -1 || field.extent == -1)
        field = {-1, 1};
      else
        field = {std::max(field.extent, through.extent), std::max(field.jump, through.jump)};
    }
    for (const auto& result : node.results) fields_[result.get()] = field;
  }
  return evaluated(wanted);
}

}  // namespace gradc
