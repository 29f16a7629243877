// What `gradc summary` counts: multiply-adds and receptive fields, read off the nodes of the graph.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_map>

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

// A loop's are those of the most rounds that it may take, of one where nothing bounds them or their number is open; a
// branch's are those of the larger one.
std::int64_t multiply_adds_of_regions(const Node& node) {
  std::int64_t most = 0;
  for (const auto& region : node.regions) {
    std::int64_t total = 0;
    for (const auto& inner : region->nodes)
      if (__builtin_add_overflow(total, multiply_adds(*inner), &total)) total = INT64_MAX;
    most = std::max(most, total);
  }
  if (__builtin_mul_overflow(most, most_rounds(node).value_or(Dim(1)).factor, &most)) most = INT64_MAX;
  return most;
}

// A node on parameters of one example, in a region of its own. UserError where one example is too few for it.
struct Alone {
  Region region;
  Builder builder{region};
  std::vector<Value*> operands;
  const Node* node = nullptr;

  explicit Alone(const Node& from) {
    for (const Value* operand : from.operands) operands.push_back(region.add_parameter(one_example(operand->type), ""));
    node = builder.make(*from.op, operands, one_example(from.attributes))[0]->node;
  }
  // Appends the body of a composite; its results. The first node is the composite itself.
  std::vector<Term> write_body() {
    std::vector<Term> terms;
    for (Value* operand : operands) terms.push_back(builder.term(operand));
    return node->op->compose(builder, call_of(*node), terms);
  }
};

std::int64_t multiply_adds_alone(const Node& node);

}  // namespace

std::int64_t multiply_adds(const Node& node) {
  if (node.op->has_regions()) return multiply_adds_of_regions(node);
  if (node.op->kind == Kind::elementwise || node.op->irregular == Irregular::pseudo) return 0;
  if (!node.op->compose && !node.op->indexed) return 0;
  try {
    return multiply_adds_alone(node);
  } catch (const UserError&) {
    return 0;
  }
}

namespace {

std::int64_t multiply_adds_alone(const Node& node) {
  Alone alone(node);
  if (node.op->indexed) {
    IndexedForm form = indexed_form(*alone.node);
    if (!is_product(form)) return 0;
    std::int64_t total = 0;
    if (__builtin_mul_overflow(volume(form.domain), volume(form.reduction), &total)) total = INT64_MAX;
    return total;
  }
  std::size_t first = alone.region.nodes.size();
  alone.write_body();
  std::int64_t total = 0;
  for (std::size_t i = first; i < alone.region.nodes.size(); ++i)
    if (__builtin_add_overflow(total, multiply_adds(*alone.region.nodes[i]), &total)) total = INT64_MAX;
  return total;
}

// How far one result element looks into an operand: at one place, through a window that moves along with it, or at all
// of it.
struct Window {
  enum class Kind : std::uint8_t { point, window, all } kind = Kind::all;
  std::int64_t extent = 1, stride = 1;
};

Field field_through(const Window& window, const Field& operand) {
  if (operand.extent <= 0 || window.kind == Window::Kind::point) return operand;
  if (window.kind == Window::Kind::all) return {-1, 1};
  return {operand.extent + (window.extent - 1) * operand.jump, operand.jump * window.stride};
}

Field widest(const Field& a, const Field& b) {
  if (a.extent == -1 || b.extent == -1) return {-1, 1};
  return {std::max(a.extent, b.extent), std::max(a.jump, b.jump)};
}

// What is known of a value: how much it sees, and which of its dimensions are spatial: of [N, C, spatial…] all from the
// third on.
struct Seen {
  Field field;
  std::vector<bool> spatial;
};

std::vector<bool> spatial_dims(const Type& type) {
  std::vector<bool> spatial(type.rank(), true);
  for (std::size_t d = 0; d < std::min<std::size_t>(2, spatial.size()); ++d) spatial[d] = false;
  return spatial;
}

// A dimension of an operand that moves with the result and is summed over besides is looked at through a window, of
// the spatial dimensions the largest. One that is summed over alone is looked at as a whole: where there is a window
// too it is that of the channels, which do not count.
Window window_of(const IndexedForm& form, const std::vector<Seen>& operands) {
  Window window{Window::Kind::point};
  bool whole = false;
  for (const OperandAccess& access : form.accesses)
    for (std::size_t d = 0; d < access.index.size(); ++d) {
      const IndexMap& map = access.index[d];
      std::int64_t stride = 0, extent = 1;
      bool reduced = false;
      for (std::size_t v = 0; v < map.coefficients.size(); ++v) {
        const std::int64_t step = std::abs(map.coefficients[v]);
        if (step == 0) continue;
        if (v < form.domain.size()) {
          stride = std::max(stride, step);
          continue;
        }
        reduced = true;
        extent += step * (form.reduction[v - form.domain.size()] - 1);
      }
      if (!reduced) continue;
      if (stride == 0) whole = true;
      if (stride == 0 || !operands[static_cast<std::size_t>(access.operand)].spatial[d]) continue;
      window = {Window::Kind::window, std::max(window.extent, extent), std::max(window.stride, stride)};
    }
  return whole && window.kind == Window::Kind::point ? Window{} : window;
}

// A dimension of the result is spatial where a dimension of the operand that it holds a part of is.
std::vector<bool> reshaped(const Seen& from, const Shape& before, const Shape& after) {
  std::vector<bool> spatial(after.size(), false);
  std::size_t i = 0;
  std::int64_t left = 1, right = 1;  // products of the sizes taken so far
  for (std::size_t d = 0; d < after.size(); ++d) {
    right *= after[d].factor;
    while (i < before.size() && left < right) {
      left *= before[i].factor;
      if (before[i].factor > 1) spatial[d] = spatial[d] || from.spatial[i];
      ++i;
    }
    if (left > right && i > 0) spatial[d] = spatial[d] || from.spatial[i - 1];
  }
  return spatial;
}

Seen seen_through_body(Alone& alone, const std::vector<Seen>& operands);

// How a node that has an indexed form or a body looks at its operands.
Window window_of(const Node& node, const std::vector<Seen>& operands) {
  Alone alone(node);
  if (node.op->indexed) return window_of(indexed_form(*alone.node), operands);
  std::vector<Seen> fresh = operands;
  for (Seen& operand : fresh) operand.field = {1, 1};
  const Seen inside = seen_through_body(alone, fresh);
  if (inside.field.extent <= 0) return {};
  return {Window::Kind::window, inside.field.extent, inside.field.jump};
}

// What the results of a node see where its operands see so much.
Seen seen_through(const Node& node, const std::vector<Seen>& operands) {
  Window window;
  Seen seen{{}, spatial_dims(node.result()->type)};
  const std::size_t rank = node.result()->type.rank();
  if (node.op->irregular == Irregular::reshape) {
    window.kind = Window::Kind::point;
    seen.spatial =
        reshaped(operands[0], one_example(node.operands[0]->type).shape, one_example(node.result()->type).shape);
  } else if (node.op->kind == Kind::elementwise) {
    window.kind = Window::Kind::point;
  } else if (node.op->indexed || (node.op->compose && !node.op->has_regions())) {
    try {
      window = window_of(node, operands);
    } catch (const UserError&) {  // one example is too few for it
      window = {};
    }
  }
  if (node.op->irregular != Irregular::reshape)
    for (const Seen& operand : operands)
      if (operand.spatial.size() == rank && rank > 0) seen.spatial = operand.spatial;
  for (const Seen& operand : operands) seen.field = widest(seen.field, field_through(window, operand.field));
  return seen;
}

// What the results of a composite see of its operands.
Seen seen_through_body(Alone& alone, const std::vector<Seen>& operands) {
  const std::size_t first = alone.region.nodes.size();
  const std::vector<Term> results = alone.write_body();
  std::unordered_map<const Value*, Seen> all;
  for (std::size_t i = 0; i < operands.size(); ++i) all[alone.operands[i]] = operands[i];
  for (std::size_t i = first; i < alone.region.nodes.size(); ++i) {
    const Node& node = *alone.region.nodes[i];
    std::vector<Seen> read;
    for (const Value* operand : node.operands) read.push_back(all[operand]);
    const Seen seen = seen_through(node, read);
    for (const auto& result : node.results) all[result.get()] = seen;
  }
  Seen seen;
  for (const Term& result : results) seen.field = widest(seen.field, all[result.value()].field);
  return seen;
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
    std::vector<Seen> operands;
    for (const Value* operand : node.operands) operands.push_back({evaluated(operand), spatial_dims(operand->type)});
    const Field field = seen_through(node, operands).field;
    for (const auto& result : node.results) fields_[result.get()] = field;
  }
  return evaluated(wanted);
}

}  // namespace gradc
