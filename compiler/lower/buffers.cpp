// What is known of graph values while a function is lowered: see buffers.h.
#include "compiler/lower/buffers.h"

#include <cstring>
#include <numeric>

#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"

namespace gradc {

int Buffers::add(KernelBuffer buffer) {
  program_.buffers.push_back(std::move(buffer));
  return static_cast<int>(program_.buffers.size()) - 1;
}

namespace {

KernelBuffer make_buffer(std::string name, DType dtype, std::int64_t elements, Space space) {
  KernelBuffer buffer;
  buffer.name = std::move(name);
  buffer.dtype = dtype;
  buffer.elements = elements;
  buffer.space = space;
  return buffer;
}

}  // namespace

int Buffers::add_arena(std::string name, DType dtype, std::int64_t elements) {
  return add(make_buffer(std::move(name), dtype, elements, Space::arena));
}

int Buffers::add_worker(std::string name, DType dtype, std::int64_t elements) {
  return add(make_buffer(std::move(name), dtype, elements, Space::worker));
}

const Value* Buffers::resolve(const Value* value) const {
  for (auto found = alias_.find(value); found != alias_.end(); found = alias_.find(value)) value = found->second;
  return value;
}

void Buffers::bind(const Value* value, int buffer) {
  value = resolve(value);
  of_[value] = buffer;
  bound_.push_back(value);
}

void Buffers::forget(std::size_t mark) {
  for (; bound_.size() > mark; bound_.pop_back()) of_.erase(bound_.back());
}

int Buffers::find(const Value* value) const {
  auto found = of_.find(resolve(value));
  return found == of_.end() ? -1 : found->second;
}

int Buffers::table(const Value* constant) {
  constant = resolve(constant);
  if (int known = find(constant); known >= 0) return known;
  const Tensor& data = constant->node->attributes.literal("value");
  KernelBuffer buffer =
      make_buffer("table" + std::to_string(program_.buffers.size()), data.type().dtype, data.elements(), Space::table);
  buffer.data = data;
  of_[constant] = add(std::move(buffer));
  return of_[constant];
}

const IndexedForm& Buffers::form(const Node& node) const {
  auto known = forms_.find(&node);
  if (known == forms_.end()) known = forms_.emplace(&node, indexed_form(node)).first;
  return known->second;
}

bool Buffers::is_reduction(const Node& node) const {
  return node.op->irregular == Irregular::none && node.op->kind != Kind::elementwise && node.results.size() == 1 &&
         !form(node).reduction.empty();
}

std::set<const Value*> computed_from(const Buffers& buffers, const Value* value) {
  value = buffers.resolve(value);
  std::set<const Value*> met{value};
  std::vector<const Value*> open{value};
  while (!open.empty()) {
    const Value* at = open.back();
    open.pop_back();
    if (buffers.find(at) >= 0 || !at->node || buffers.is_reduction(*at->node)) continue;
    for (const Value* operand : at->node->operands)
      if (const Value* v = buffers.resolve(operand); met.insert(v).second) open.push_back(v);
  }
  return met;
}

namespace {

void renumber(std::vector<Instr>& block, const std::vector<int>& numbers) {
  auto number = [&](int& buffer) { buffer = numbers[static_cast<std::size_t>(buffer)]; };
  for (Instr& instr : block) {
    if (instr.access && instr.access->buffer != numbers[static_cast<std::size_t>(instr.access->buffer)]) {
      Access access = *instr.access;
      number(access.buffer);
      instr.access = std::make_shared<const Access>(std::move(access));
    }
    if (instr.tile) {
      Tile tile = *instr.tile;
      number(tile.a);
      number(tile.b);
      number(tile.c);
      instr.tile = std::make_shared<const Tile>(std::move(tile));
    }
    renumber(instr.body, numbers);
  }
}

}  // namespace

void renumber(KernelProgram& program, const std::vector<int>& numbers) {
  auto number = [&](int& buffer) {
    if (buffer >= 0) buffer = numbers[static_cast<std::size_t>(buffer)];
  };
  for (Kernel& kernel : program.kernels) renumber(kernel.body, numbers);
  for (KernelBuffer& buffer : program.buffers) number(buffer.base);
  for_each_statement(program.entry, [&](Statement& statement) {
    number(statement.from);
    number(statement.to);
    number(statement.flag);
  });
}

void drop_idle_copies(std::vector<Statement>& list) {
  std::erase_if(list, [](const Statement& s) { return s.kind == Statement::Kind::copy && s.from == s.to; });
  for (Statement& s : list) {
    drop_idle_copies(s.before);
    drop_idle_copies(s.body);
    drop_idle_copies(s.otherwise);
  }
}

void drop_unused(KernelProgram& program) {
  std::vector<bool> used(program.buffers.size(), false);
  auto use = [&](int buffer) { used[static_cast<std::size_t>(buffer)] = true; };
  for (std::size_t b = 0; b < used.size(); ++b) {
    Space space = program.buffers[b].space;
    used[b] = space == Space::input || space == Space::output || space == Space::scalar;
  }
  for (const Kernel& kernel : program.kernels)
    visit(kernel.body, [&](const Instr& instr) {
      if (instr.access) use(instr.access->buffer);
      if (instr.tile) use(instr.tile->a), use(instr.tile->b), use(instr.tile->c);
    });
  for_each_statement(program.entry, [&](const Statement& statement) {
    for (int buffer : {statement.from, statement.to, statement.flag})
      if (buffer >= 0) use(buffer);
  });
  for (const KernelBuffer& buffer : program.buffers)
    if (used[static_cast<std::size_t>(&buffer - program.buffers.data())] && buffer.base >= 0) use(buffer.base);
  std::vector<int> numbers(used.size(), -1);
  std::vector<KernelBuffer> kept;
  for (std::size_t b = 0; b < used.size(); ++b)
    if (used[b]) {
      numbers[b] = static_cast<int>(kept.size());
      kept.push_back(std::move(program.buffers[b]));
    }
  program.buffers = std::move(kept);
  renumber(program, numbers);
}

bool is_splat(const Tensor& tensor) {
  std::int64_t size = byte_size(tensor.type().dtype);
  for (std::int64_t i = 1; i < tensor.elements(); ++i)
    if (std::memcmp(tensor.data(), tensor.data() + i * size, static_cast<std::size_t>(size)) != 0) return false;
  return tensor.elements() > 0;
}

}  // namespace gradc
