// Fused graph → kernel program: buffers, the order of the steps, and which emitter takes which group.
#include "compiler/lower/lower.h"

#include <algorithm>
#include <cctype>

#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"
#include "ir/diagnostic.h"

namespace gradc {

namespace {

KernelBuffer named_buffer(const std::string& name, const Type& type, Space space) {
  KernelBuffer buffer;
  buffer.name = name;
  buffer.dtype = type.dtype;
  buffer.elements = type.elements();
  buffer.space = space;
  return buffer;
}

std::string identifier(std::string_view text) {
  std::string out;
  for (char c : text) out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return out;
}

bool is_view(const Function& function, const Node& node) {
  return node.op->irregular == Irregular::reshape && node.parent == &function.body;
}

}  // namespace

Lowering::Lowering(const Function& function, const StateLayout& state, const Options& options)
    : function_(function), state_(state), options_(options), buffers_(program_) {
  program_.name = function.name;
  program_.target = options.target;
}

KernelProgram Lowering::run() {
  bind_parameters();
  bind_aliases();
  std::vector<const Node*> order = schedule(function_);
  find_destinations(order);
  for (const Node* node : order) lower_node(*node);
  finish_results();
  unite_state();
  drop_unused(program_);
  return std::move(program_);
}

void Lowering::bind_parameters() {
  std::int64_t scalars = 0;
  for (std::size_t i = 0; i < function_.parameters.size(); ++i) {
    const Parameter& parameter = function_.parameters[i];
    const Value* value = function_.body.parameters[i].get();
    KernelParameter described{parameter.name, value->type, parameter.lower, parameter.upper, parameter.preset, 0};
    KernelBuffer buffer = named_buffer(parameter.name, value->type, Space::input);
    if (parameter.role == Role::data) {
      buffer.slot = static_cast<int>(program_.inputs.size());
      program_.inputs.push_back(described);
    } else if (parameter.role == Role::scalar) {
      std::int64_t size = byte_size(value->type.dtype);
      scalars = (scalars + size - 1) / size * size;
      buffer.space = Space::scalar;
      buffer.offset = described.offset = scalars;
      scalars += size;
      program_.scalars.push_back(described);
    } else {
      const StateEntry* entry = state_.find(parameter.name);
      ensure(entry && entry->type == value->type, "a state parameter is not in the state layout");
      buffer.space = Space::state;
      buffer.offset = entry->offset;
    }
    int number = buffers_.add(std::move(buffer));
    if (parameter.role == Role::state) state_buffers_[parameter.name] = number;
    buffers_.bind(value, number);
  }
  for (std::size_t i = 0; i < function_.results.size(); ++i) {
    const FunctionResult& result = function_.results[i];
    const Type& type = function_.body.results[i]->type;
    if (result.role != Role::state) {
      KernelBuffer buffer = named_buffer(result.name, type, Space::output);
      buffer.slot = static_cast<int>(program_.outputs.size());
      program_.outputs.push_back({result.name, type, 0, 0, 0, 0});
      result_buffers_.push_back(buffers_.add(std::move(buffer)));
    } else if (auto known = state_buffers_.find(result.name); known != state_buffers_.end()) {
      result_buffers_.push_back(known->second);
    } else {
      const StateEntry* entry = state_.find(result.name);
      ensure(entry && entry->type == type, "a state result is not in the state layout");
      KernelBuffer buffer = named_buffer(result.name, type, Space::state);
      buffer.offset = entry->offset;
      state_buffers_[result.name] = buffers_.add(std::move(buffer));
      result_buffers_.push_back(state_buffers_[result.name]);
    }
  }
}

// A fusion's parameters are its operands, its results the values that its region yields.
void Lowering::bind_aliases() {
  for (const auto& node : function_.body.nodes) {
    if (node->op->name != "fusion") continue;
    const Region& region = *node->regions[0];
    for (std::size_t i = 0; i < region.parameters.size(); ++i)
      buffers_.alias(region.parameters[i].get(), node->operands[i]);
    for (std::size_t i = 0; i < region.results.size(); ++i) buffers_.alias(node->result(i), region.results[i]);
  }
}

namespace {

const Node* outermost(const Function& function, const Value* value) {
  const Node* node = value->node;
  while (node && node->parent != &function.body) node = node->parent->owner;
  return node;
}

}  // namespace

// Whether nothing after `writer` reads the old value of a state entry, and no result is that value.
bool Lowering::may_overwrite(const Value* state, const Node* writer,
                             const std::map<const Node*, std::size_t>& position) const {
  std::set<const Value*> names{state};
  for (const auto& node : function_.body.nodes) {
    bool reads =
        std::any_of(node->operands.begin(), node->operands.end(), [&](const Value* v) { return names.contains(v); });
    if (!reads) continue;
    if (is_view(function_, *node))
      names.insert(node->result());
    else if (position.at(node.get()) > position.at(writer))
      return false;
  }
  for (const Value* result : function_.body.results)
    if (names.contains(result) || names.contains(buffers_.resolve(result))) return false;
  return true;
}

void Lowering::find_destinations(const std::vector<const Node*>& order) {
  std::map<const Node*, std::size_t> position;
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  for (std::size_t i = 0; i < function_.results.size(); ++i) {
    const Value* value = buffers_.resolve(function_.body.results[i]);
    while (value->node && is_view(function_, *value->node)) value = buffers_.resolve(value->node->operands[0]);
    if (!value->node || value->node->op->irregular == Irregular::constant || reserved_.contains(value)) continue;
    if (function_.results[i].role != Role::state) {
      reserved_[value] = result_buffers_[i];
      continue;
    }
    const Value* old = function_.parameter(function_.results[i].name);
    if (old && !may_overwrite(old, outermost(function_, value), position)) continue;
    // The new value has a number of its own, so that reads of the old one can be told apart.
    int fresh = buffers_.add(program_.buffers[static_cast<std::size_t>(result_buffers_[i])]);
    reserved_[value] = fresh;
    in_place_[fresh] = result_buffers_[i];
  }
}

int Lowering::reserve(const Value* value) {
  value = buffers_.resolve(value);
  if (auto known = reserved_.find(value); known != reserved_.end()) return known->second;
  std::string name = value->name.empty() ? "t" : identifier(value->name);
  int buffer = buffers_.add_arena(name + "_" + std::to_string(program_.buffers.size()), value->type.dtype,
                                  value->type.elements());
  reserved_[value] = buffer;
  return buffer;
}

std::string Lowering::kernel_name(const Value* hint) {
  std::string name = identifier(hint->name);
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    name = hint->node ? identifier(hint->node->op->name) : "value";
  return "k" + std::to_string(program_.kernels.size()) + "_" + name;
}

void Lowering::add(Kernel kernel, const Value* hint) {
  kernel.name = kernel_name(buffers_.resolve(hint));
  if (group_) kernel.locations = group_->locations;
  Statement launch;
  launch.kernel = static_cast<int>(program_.kernels.size());
  program_.kernels.push_back(std::move(kernel));
  program_.entry.push_back(launch);
}

void Lowering::lower_node(const Node& node) {
  if (node.op->irregular == Irregular::constant) return;
  if (is_view(function_, node)) {
    int buffer = buffers_.find(node.operands[0]);
    if (buffer >= 0) buffers_.bind(node.result(), buffer);
    return;
  }
  Group group;
  group.locations = node.locations;
  if (node.op->name == "fusion") {
    group.kind = node.attributes.string("kind");
    for (const auto& inner : node.regions[0]->nodes) group.nodes.push_back(inner.get());
  } else {
    group.nodes.push_back(&node);
  }
  for (const auto& result : node.results) {
    const Value* value = buffers_.resolve(result.get());
    bool fresh = std::find(group.results.begin(), group.results.end(), value) == group.results.end();
    if (fresh && buffers_.find(value) < 0 && value->node && value->node->op->irregular != Irregular::constant)
      group.results.push_back(value);
  }
  if (!group.results.empty()) lower_group(std::move(group));
}

void Lowering::lower_group(Group group) {
  std::size_t first = program_.kernels.size();
  group_ = &group;
  std::size_t reductions = 0;
  for (const Node* node : group.nodes) {
    if (lower_contraction(*this, *node, group)) continue;
    reductions += is_reduction(*node);
  }
  std::erase_if(group.results, [&](const Value* v) { return buffers_.find(v) >= 0; });
  bool alone = reductions == 1 && group.results.size() == 1 && is_reduction(*group.results[0]->node);
  if (reductions > 0 && !alone && !group.results.empty() && lower_rows(*this, group)) group.results.clear();
  for (const Value* result : group.results)
    if (result->node->op->irregular == Irregular::scatter_add || is_reduction(*result->node)) materialize(result);
  std::erase_if(group.results, [&](const Value* v) { return buffers_.find(v) >= 0; });
  if (!group.results.empty()) lower_loop(*this, group.results);
  group_ = nullptr;
  settle_state(first);
}

void Lowering::materialize(const Value* value) {
  value = buffers_.resolve(value);
  if (buffers_.find(value) >= 0) return;
  ensure(value->node != nullptr, "a parameter has no buffer");
  const Node& node = *value->node;
  if (node.op->irregular == Irregular::scatter_add)
    lower_scatter(*this, node);
  else if (is_reduction(node) && lower_contraction(*this, node, Group{"", {&node}, {value}, node.locations}))
    return;
  else if (is_reduction(node))
    lower_reduction(*this, node);
  else
    lower_loop(*this, {value});
}

namespace {

// Whether every read of the old value in the kernel is of an element that the same round writes anew.
bool reads_where_it_writes(const Kernel& kernel, int old, int fresh) {
  std::vector<const Access*> loads, stores;
  bool safe = true;
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::load && instr.access->buffer == old) loads.push_back(instr.access.get());
    if (instr.op == Opcode::store && instr.access->buffer == fresh) stores.push_back(instr.access.get());
    if (instr.tile && (instr.tile->a == old || instr.tile->b == old)) safe = false;
  });
  for (const Access* load : loads)
    safe = safe && std::any_of(stores.begin(), stores.end(), [&](const Access* s) { return same_place(*load, *s); });
  return safe;
}

bool writes(const Kernel& kernel, int buffer) {
  bool found = false;
  visit(kernel.body, [&](const Instr& instr) {
    found = found || (instr.op == Opcode::store && instr.access->buffer == buffer) ||
            (instr.tile && instr.tile->c == buffer);
  });
  return found;
}

}  // namespace

// Where the kernels of a group read old state after or beside writing the new, the new goes to the arena first.
void Lowering::settle_state(std::size_t first_kernel) {
  for (auto pair = in_place_.begin(); pair != in_place_.end();) {
    auto [fresh, old] = *pair;
    bool written = false, safe = true;
    for (std::size_t k = first_kernel; k < program_.kernels.size(); ++k) {
      written = written || writes(program_.kernels[k], fresh);
      if (written) safe = safe && reads_where_it_writes(program_.kernels[k], old, fresh);
    }
    if (safe) {
      ++pair;
      continue;
    }
    KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(fresh)];
    buffer.name += "_next";
    buffer.space = Space::arena;
    buffer.offset = -1;
    pair = in_place_.erase(pair);
  }
}

// From here on the old and the new value of what is updated in place are one buffer.
void Lowering::unite_state() {
  for (auto [fresh, old] : in_place_) redirect(program_, fresh, old);
}

void Lowering::finish_results() {
  std::vector<Statement> last;
  auto copy = [](int from, int to) {
    Statement s;
    s.kind = Statement::Kind::copy;
    s.from = from;
    s.to = to;
    return s;
  };
  for (std::size_t i = 0; i < function_.results.size(); ++i) {
    const Value* value = buffers_.resolve(function_.body.results[i]);
    int to = result_buffers_[i];
    int from = buffers_.find(value);
    auto updated = in_place_.find(from);
    if (from == to || (updated != in_place_.end() && updated->second == to) || value->type.elements() == 0) continue;
    if (from < 0) {
      auto old = reserved_.find(value);
      int before = old == reserved_.end() ? -1 : old->second;
      reserved_[value] = to;
      lower_loop(*this, {value});
      if (before >= 0) reserved_[value] = before;
      buffers_.unbind(value);
    } else if (program_.buffers[static_cast<std::size_t>(to)].space != Space::state) {
      program_.entry.push_back(copy(from, to));
    } else if (Space space = program_.buffers[static_cast<std::size_t>(from)].space;
               space == Space::arena || space == Space::input) {
      last.push_back(copy(from, to));
    } else {
      // The other entry may be written back too: keep what it holds now.
      KernelBuffer described = program_.buffers[static_cast<std::size_t>(to)];
      int kept = buffers_.add_arena(described.name + "_next", described.dtype, described.elements);
      program_.entry.push_back(copy(from, kept));
      last.push_back(copy(kept, to));
    }
  }
  for (const Statement& statement : last) program_.entry.push_back(statement);
}

KernelProgram lower_function(const Function& function, const StateLayout& state, const Options& options) {
  return Lowering(function, state, options).run();
}

}  // namespace gradc
