// scan, while and cond: statements of the entry, with the statements of their regions in them.
//
// Carried values lie in one buffer each over all trips: the region's parameter, its result, and the node's result.
// Slices and emissions are views that move over the whole with the loop. What is the same in every trip is read where
// it is.
#include <algorithm>

#include "compiler/lower/lowering.h"
#include "ir/diagnostic.h"

namespace gradc {

void Lowering::lower_control(const Node& node) {
  Group group;
  group.locations = node.locations;
  const Group* around = std::exchange(group_, &group);
  const std::size_t first_kernel = program_.kernels.size(), first_statement = lists_.back().size();
  const bool scan = node.op->attribute("sliced"), repeats = node.op->attribute("carried");
  if (scan) {
    lower_scan(node);
  } else if (repeats) {
    lower_while(node);
  } else {
    lower_cond(node);
  }
  for (const auto& result : node.results) written(result.get());
  const std::vector<Statement>& list = lists_.back();
  settle_control(first_kernel, {list.begin() + static_cast<std::ptrdiff_t>(first_statement), list.end()}, repeats);
  group_ = around;
}

// Carried values at the start: in the buffers of the node's results.
std::vector<Destination> Lowering::start_carried(const Node& node, std::size_t count, const Region& body) {
  std::vector<Destination> to;
  for (std::size_t k = 0; k < count; ++k) {
    to.push_back({reserve(node.result(k)), body.parameters[k].get()});
    write_to(node.operands[k], to[k].buffer);
  }
  return to;
}

// Operands from `first` on are the region's parameters of the same numbers less `offset`.
void Lowering::bind_arguments(const Node& node, std::size_t first, const Region& region, std::size_t offset) {
  for (std::size_t i = first; i < node.operands.size(); ++i) {
    const Value* value = buffers_.resolve(node.operands[i]);
    bool constant = value->node && value->node->op->irregular == Irregular::constant;
    if (!constant && value->type.elements() > 0) in_buffer(value);
    buffers_.alias(region.parameters[i - offset].get(), value);
  }
}

// The part of a stacked value that a trip reads or writes.
int Lowering::move_view(const Value* whole, const Type& slice, int loop, std::int64_t length, bool reverse) {
  const int buffer = in_buffer(whole);
  const KernelBuffer& described = program_.buffers[static_cast<std::size_t>(buffer)];
  KernelBuffer view = named_buffer(described.name + "_t" + std::to_string(program_.buffers.size()), slice, Space::view);
  const std::int64_t step = slice.elements();
  view.base = program_.root(buffer);
  view.start =
      described.start + (reverse ? affine_variable(loop, -step, step * (length - 1)) : affine_variable(loop, step));
  const int number = buffers_.add(std::move(view));
  raise_level(number, level());
  return number;
}

void Lowering::lower_scan(const Node& node) {
  const Region& body = *node.regions[0];
  const auto carried = static_cast<std::size_t>(node.attributes.integer("carried"));
  const auto sliced = static_cast<std::size_t>(node.attributes.integer("sliced"));
  const Shape& given = node.attributes.shape("length");
  const std::int64_t length = given.empty() ? node.operands[carried]->type.shape[0].factor : given[0].factor;
  const bool reverse = node.attributes.boolean("reverse");
  for (std::size_t i = carried; i < carried + sliced; ++i)
    if (node.operands[i]->type.elements() > 0) in_buffer(node.operands[i]);
  std::vector<Destination> to = start_carried(node, carried, body);
  bind_arguments(node, carried + sliced, body, 0);
  for (const auto& result : node.results) written(result.get());
  if (length == 0) return;
  Statement loop;
  loop.kind = Statement::Kind::repeat;
  loop.loop = loops_++;
  loop.extent = length;
  loop.body = nested([&] {
    for (std::size_t k = 0; k < carried; ++k) carry(body, k, to[k].buffer);
    for (std::size_t i = carried; i < carried + sliced; ++i) {
      const Value* slice = body.parameters[i].get();
      buffers_.bind(slice, move_view(node.operands[i], slice->type, loop.loop, length, reverse));
    }
    for (std::size_t i = carried; i < node.results.size(); ++i)
      to.push_back({move_view(node.result(i), body.results[i]->type, loop.loop, length, reverse), nullptr});
    lower_region(body, to);
  });
  append(std::move(loop));
}

void Lowering::lower_while(const Node& node) {
  const Region &condition = *node.regions[0], &body = *node.regions[1];
  const auto carried = static_cast<std::size_t>(node.attributes.integer("carried"));
  std::vector<Destination> to = start_carried(node, carried, body);
  bind_arguments(node, carried, condition, 0);
  bind_arguments(node, carried, body, 0);
  Statement loop;
  loop.kind = Statement::Kind::repeat_while;
  loop.extent = node.attributes.integer("max_trips");
  loop.flag = buffers_.add_arena("more_" + std::to_string(program_.buffers.size()), DType::boolean, 1);
  loop.before = nested([&] {
    for (std::size_t k = 0; k < carried; ++k) carry(condition, k, to[k].buffer);
    lower_region(condition, {{loop.flag, nullptr}});
  });
  loop.body = nested([&] {
    for (std::size_t k = 0; k < carried; ++k) carry(body, k, to[k].buffer);
    lower_region(body, to);
  });
  append(std::move(loop));
}

void Lowering::lower_cond(const Node& node) {
  Statement branch;
  branch.kind = Statement::Kind::choose;
  branch.flag = in_buffer(node.operands[0]);
  std::vector<Destination> to;
  for (const auto& result : node.results) to.push_back({reserve(result.get()), nullptr});
  for (const auto& region : node.regions) bind_arguments(node, 1, *region, 1);
  branch.body = nested([&] { lower_region(*node.regions[0], to); });
  branch.otherwise = nested([&] { lower_region(*node.regions[1], to); });
  append(std::move(branch));
}

// A carried value's parameter in the list at hand.
void Lowering::carry(const Region& region, std::size_t k, int buffer) {
  buffers_.bind(region.parameters[k].get(), buffer);
  raise_level(buffer, level());
}

// The buffer of a value, which is put into one where it is in none.
int Lowering::in_buffer(const Value* value) {
  constexpr std::int64_t kFew = 16;
  value = buffers_.resolve(value);
  if (int known = buffers_.find(value); known >= 0) return known;
  bool constant = value->node && value->node->op->irregular == Irregular::constant;
  if (constant && (value->type.elements() <= kFew || !is_splat(value->node->attributes.literal("value"))))
    return buffers_.table(value);
  materialize(value);
  return buffers_.find(value);
}

void Lowering::write_to(const Value* value, int buffer) {
  value = buffers_.resolve(value);
  if (value->type.elements() == 0) return;
  if (int from = buffers_.find(value); from >= 0) {
    if (from != buffer) copy(from, buffer);
    return;
  }
  auto known = reserved_.find(value);
  const int before = known == reserved_.end() ? -1 : known->second;
  reserved_[value] = buffer;
  lower_loop(*this, {value});
  if (before >= 0) {
    reserved_[value] = before;
  } else {
    reserved_.erase(value);
  }
  buffers_.unbind(value);
}

void Lowering::copy(int from, int to) {
  Statement s;
  s.kind = Statement::Kind::copy;
  s.from = from;
  s.to = to;
  raise_level(to, level());
  append(std::move(s));
}

void Lowering::open_list() {
  lists_.emplace_back();
  marks_.push_back(buffers_.mark());
}

// What was bound or packed in the list may never have been made where it is left.
std::vector<Statement> Lowering::close_list() {
  std::vector<Statement> list = std::move(lists_.back());
  const int closed = level();
  lists_.pop_back();
  buffers_.forget(marks_.back());
  marks_.pop_back();
  std::erase_if(packed_, [&](const auto& entry) { return level_of(entry.second) >= closed; });
  for (auto& [buffer, level] : levels_) level = std::min(level, std::max(0, closed - 1));
  return list;
}

int Lowering::level_of(int buffer) const {
  auto found = levels_.find(buffer);
  return found == levels_.end() ? 0 : found->second;
}

void Lowering::raise_level(int buffer, int level) {
  for (int b : {buffer, program_.root(buffer)}) levels_[b] = std::max(levels_[b], level);
}

}  // namespace gradc
