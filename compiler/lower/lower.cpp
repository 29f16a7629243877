// Fused graph → kernel program: buffers, the order of the steps, and which emitter takes which group.
#include "compiler/lower/lower.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "compiler/analysis/multiply_adds.h"
#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"
#include "ir/diagnostic.h"
#include "ir/kernel_work.h"

namespace gradc {

KernelBuffer named_buffer(const std::string& name, const Type& type, Space space) {
  KernelBuffer buffer;
  buffer.name = name;
  buffer.dtype = type.dtype;
  buffer.elements = type.elements();
  buffer.space = space;
  return buffer;
}

namespace {

std::string identifier(std::string_view text) {
  std::string out;
  for (char c : text) out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return out;
}

}  // namespace

bool is_view(const Node& node) {
  const Node* owner = node.parent ? node.parent->owner : nullptr;
  return node.op->irregular == Irregular::reshape && !(owner && owner->op->name == "fusion");
}

Lowering::Lowering(const Function& function, const StateLayout& state, const Options& options)
    : function_(function), state_(state), options_(options), buffers_(program_) {
  program_.name = function.name;
  program_.target = options.target;
}

KernelProgram Lowering::run() {
  open_list();
  bind_parameters();
  lower_region(function_.body, bind_results());
  program_.entry = close_list();
  unite();
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
    buffers_.bind(value, buffers_.add(std::move(buffer)));
  }
}

std::vector<Destination> Lowering::bind_results() {
  std::vector<Destination> to;
  for (std::size_t i = 0; i < function_.results.size(); ++i) {
    const FunctionResult& result = function_.results[i];
    const Type& type = function_.body.results[i]->type;
    if (result.role != Role::state) {
      KernelBuffer buffer = named_buffer(result.name, type, Space::output);
      buffer.slot = static_cast<int>(program_.outputs.size());
      program_.outputs.push_back({result.name, type, 0, 0, 0, 0});
      to.push_back({buffers_.add(std::move(buffer)), nullptr});
    } else if (const Value* old = function_.parameter(result.name)) {
      ensure(function_.parameters[static_cast<std::size_t>(old->index)].role == Role::state,
             "a state result has the name of a parameter that is no state");
      to.push_back({buffers_.find(old), old});
    } else {
      const StateEntry* entry = state_.find(result.name);
      ensure(entry && entry->type == type, "a state result is not in the state layout");
      KernelBuffer buffer = named_buffer(result.name, type, Space::state);
      buffer.offset = entry->offset;
      to.push_back({buffers_.add(std::move(buffer)), nullptr});
    }
  }
  return to;
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
  int at = 0;  // the list it goes to: for what packs, the outermost where what it reads stays
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::load) at = std::max(at, level_of(instr.access->buffer));
  });
  if (kernel.kind != "pack") at = level();
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::store) raise_level(instr.access->buffer, at);
    if (instr.tile) raise_level(instr.tile->c, at);
  });
  Statement launch;
  launch.kernel = static_cast<int>(program_.kernels.size());
  program_.kernels.push_back(std::move(kernel));
  lists_[static_cast<std::size_t>(at)].push_back(std::move(launch));
}

void Lowering::lower_node(const Node& node) {
  if (node.op->irregular == Irregular::constant) return;
  if (is_view(node)) {
    int buffer = buffers_.find(node.operands[0]);
    if (buffer >= 0) buffers_.bind(node.result(), buffer);
    return;
  }
  bool fusion = node.op->name == "fusion";
  if (node.op->irregular == Irregular::region && !fusion) return lower_control(node);
  Group group;
  group.locations = node.locations;
  if (fusion) {
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

bool Lowering::contract(const Node& node, const Group& group) {
  const std::size_t first = program_.kernels.size();
  if (!lower_contraction(*this, node, group)) return false;
  if (!multiply_adds_) return true;
  std::map<std::string, std::int64_t> own;  // with padding; not of other contractions that went before
  double padded = 0;
  for (std::size_t k = first; k < program_.kernels.size(); ++k)
    if (const Kernel& kernel = program_.kernels[k]; !multiply_adds_->contains(kernel.name)) {
      own[kernel.name] = work_of(program_, kernel).tile_multiply_adds;
      padded += static_cast<double>(own[kernel.name]);
    }
  const auto whole = static_cast<double>(multiply_adds_of(node));
  for (const auto& [name, tiles] : own)
    if (tiles > 0) (*multiply_adds_)[name] = std::llround(whole * static_cast<double>(tiles) / padded);
  return true;
}

void Lowering::lower_group(Group group) {
  std::size_t first = program_.kernels.size();
  const Group* around = std::exchange(group_, &group);
  std::size_t reductions = 0;
  for (const Node* node : group.nodes) {
    if (contract(*node, group)) continue;
    reductions += buffers_.is_reduction(*node);
  }
  std::erase_if(group.results, [&](const Value* v) { return buffers_.find(v) >= 0; });
  bool alone = reductions == 1 && group.results.size() == 1 && buffers_.is_reduction(*group.results[0]->node);
  if (reductions > 0 && !alone && !group.results.empty() && lower_rows(*this, group)) group.results.clear();
  for (const Value* result : group.results)
    if (result->node->op->irregular == Irregular::scatter_add || buffers_.is_reduction(*result->node))
      materialize(result);
  std::erase_if(group.results, [&](const Value* v) { return buffers_.find(v) >= 0; });
  if (!group.results.empty()) lower_loop(*this, group.results);
  group_ = around;
  if (!around) buffers_.forget_forms();
  settle(first);
}

void Lowering::materialize(const Value* value) {
  value = buffers_.resolve(value);
  if (buffers_.find(value) >= 0) return;
  ensure(value->node != nullptr, "a parameter has no buffer");
  const Node& node = *value->node;
  if (node.op->irregular == Irregular::scatter_add)
    lower_scatter(*this, node);
  else if (buffers_.is_reduction(node) && contract(node, Group{"", {&node}, {value}, node.locations}))
    return;
  else if (buffers_.is_reduction(node))
    lower_reduction(*this, node);
  else
    lower_loop(*this, {value});
}

const Value* Lowering::transposed(Value* value, const std::vector<std::int64_t>& order) {
  Builder builder(copies_);
  const Value* copy = builder.one("transpose", {value}, {{"permutation", order}});
  lower_loop(*this, {copy});
  return copy;
}

KernelProgram lower_function(const Function& function, const StateLayout& state, const Options& options) {
  return Lowering(function, state, options).run();
}

std::map<std::string, std::int64_t> multiply_adds_by_kernel(const Function& function, const StateLayout& state,
                                                            const Options& options) {
  std::map<std::string, std::int64_t> by_kernel;
  Lowering lowering(function, state, options);
  lowering.count_multiply_adds(by_kernel);
  lowering.run();
  return by_kernel;
}

}  // namespace gradc
