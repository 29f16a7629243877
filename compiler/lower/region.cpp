// Regions: their nodes in order, and where their results go. A result that takes the place of an old value, as the new
// content of a state entry or of a carried value does, overwrites it where nothing needs it any more.
#include <algorithm>
#include <numeric>

#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"
#include "ir/diagnostic.h"

namespace gradc {

void Lowering::lower_region(const Region& region, const std::vector<Destination>& to) {
  bind_fusions(region);
  std::vector<const Node*> order = schedule(region, to);
  find_destinations(region, to, order);
  for (const Node* node : order) lower_node(*node);
  finish_results(region, to);
}

// A fusion's parameters are its operands, its results the values that its region yields.
void Lowering::bind_fusions(const Region& region) {
  for (const auto& node : region.nodes) {
    if (node->op->name != "fusion") continue;
    const Region& inner = *node->regions[0];
    for (std::size_t i = 0; i < inner.parameters.size(); ++i)
      buffers_.alias(inner.parameters[i].get(), node->operands[i]);
    for (std::size_t i = 0; i < inner.results.size(); ++i) buffers_.alias(node->result(i), inner.results[i]);
  }
}

namespace {

// The region's node that makes the value; null where none does.
const Node* outermost(const Region& region, const Value* value) {
  const Node* node = value->node;
  while (node && node->parent != &region) node = node->parent->owner;
  return node;
}

}  // namespace

// Whether nothing after `writer` reads the old value, and no result is that value.
bool Lowering::may_overwrite(const Region& region, const Value* old, const Node* writer, const Readers& readers,
                             const std::map<const Node*, std::size_t>& position) const {
  std::set<const Value*> names{old};
  std::vector<const Value*> open{old};
  while (!open.empty()) {
    const auto found = readers.find(open.back());
    open.pop_back();
    if (found == readers.end()) continue;
    for (const Node* node : found->second)
      if (!is_view(*node)) {
        if (position.at(node) > position.at(writer)) return false;
      } else if (names.insert(node->result()).second) {
        open.push_back(node->result());
      }
  }
  for (const Value* result : region.results)
    if (names.contains(result) || names.contains(buffers_.resolve(result))) return false;
  return true;
}

// Whether a loop or branch reads the old value: what is in its regions may do so after the new one is written.
bool Lowering::takes(const Node& control, const Value* old) const {
  return std::any_of(control.operands.begin(), control.operands.end(), [&](const Value* value) {
    while (value->node && is_view(*value->node)) value = value->node->operands[0];
    return buffers_.resolve(value) == buffers_.resolve(old);
  });
}

// What also goes elsewhere is made there, and copied to where the old value lies.
void Lowering::find_destinations(const Region& region, const std::vector<Destination>& to,
                                 const std::vector<const Node*>& order) {
  std::map<const Node*, std::size_t> position;
  for (std::size_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  const Readers readers = readers_in(region);
  for (bool updates : {false, true})
    for (std::size_t i = 0; i < to.size(); ++i) {
      if ((to[i].old != nullptr) != updates) continue;
      const Value* value = buffers_.resolve(region.results[i]);
      while (value->node && is_view(*value->node)) value = buffers_.resolve(value->node->operands[0]);
      const Node* writer = outermost(region, value);
      if (!writer || value->node->op->irregular == Irregular::constant || reserved_.contains(value)) continue;
      if (!updates) {
        reserved_[value] = to[i].buffer;
        continue;
      }
      const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(to[i].buffer)];
      bool control = writer == value->node && writer->op->irregular == Irregular::region;
      if (control && (buffer.space == Space::view || takes(*writer, to[i].old))) continue;
      if (!may_overwrite(region, to[i].old, writer, readers, position)) continue;
      // The new value has a number of its own, so that reads of the old one can be told apart.
      int fresh = buffers_.add(KernelBuffer(buffer));
      reserved_[value] = fresh;
      in_place_[fresh] = to[i].buffer;
    }
}

namespace {

struct Uses {
  bool reads = false, writes = false;
};

// What a kernel does to a buffer or a view of it.
Uses uses_of(const KernelProgram& program, const Kernel& kernel, int buffer) {
  Uses uses;
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::load) uses.reads |= program.root(instr.access->buffer) == buffer;
    if (instr.op == Opcode::store) uses.writes |= program.root(instr.access->buffer) == buffer;
    if (!instr.tile) return;
    uses.reads |= program.root(instr.tile->a) == buffer || program.root(instr.tile->b) == buffer;
    uses.writes |= program.root(instr.tile->c) == buffer;
  });
  return uses;
}

// Whether every read of the old value in the kernel is of an element that the same round writes anew.
bool reads_where_it_writes(const KernelProgram& program, const Kernel& kernel, int old, int fresh) {
  std::vector<const Access*> loads, stores;
  bool safe = true;
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::load && program.root(instr.access->buffer) == program.root(old)) {
      loads.push_back(instr.access.get());
      safe = safe && instr.access->buffer == old;
    }
    if (instr.op == Opcode::store && instr.access->buffer == fresh) stores.push_back(instr.access.get());
    if (instr.tile &&
        (program.root(instr.tile->a) == program.root(old) || program.root(instr.tile->b) == program.root(old)))
      safe = false;
  });
  for (const Access* load : loads)
    safe = safe && std::any_of(stores.begin(), stores.end(), [&](const Access* s) { return same_place(*load, *s); });
  return safe;
}

}  // namespace

// Where the kernels of a group read an old value after or beside writing the new, the new goes to the arena first.
void Lowering::settle(std::size_t first_kernel) {
  std::set<int> written, unsafe;
  for (std::size_t k = first_kernel; k < program_.kernels.size(); ++k) {
    const Kernel& kernel = program_.kernels[k];
    visit(kernel.body, [&](const Instr& instr) {
      const int to = instr.op == Opcode::store ? instr.access->buffer : instr.tile ? instr.tile->c : -1;
      if (in_place_.contains(to)) written.insert(to);
    });
    for (int fresh : written)
      if (!reads_where_it_writes(program_, kernel, in_place_.at(fresh), fresh)) unsafe.insert(fresh);
  }
  for (int fresh : unsafe) take_apart(fresh);
}

// The same for a loop or branch with all that is in it: a loop that writes the new value must not read the old one at
// all, but to copy it to where the new one will be.
void Lowering::settle_control(std::size_t first_kernel, const std::vector<Statement>& made, bool repeats) {
  std::vector<int> unsafe;
  for (auto [fresh, old] : in_place_) {
    const int old_root = program_.root(old), fresh_root = program_.root(fresh);
    bool written = false, safe = true;
    for (std::size_t k = first_kernel; k < program_.kernels.size(); ++k) {
      const Kernel& kernel = program_.kernels[k];
      written = written || uses_of(program_, kernel, fresh_root).writes;
      if (repeats) {
        safe = safe && !uses_of(program_, kernel, old_root).reads;
      } else if (written) {
        safe = safe && reads_where_it_writes(program_, kernel, old, fresh);
      }
    }
    auto copies = [&, fresh = fresh](const Statement& s, bool first) {
      if (s.kind != Statement::Kind::copy) return;
      written = written || program_.root(s.to) == fresh_root;
      if (program_.root(s.from) == old_root && !(first && s.to == fresh)) safe = false;
    };
    for (const Statement& s : made) {
      copies(s, true);
      for (const auto* list : {&s.before, &s.body, &s.otherwise})
        for_each_statement(*list, [&](const Statement& inner) { copies(inner, !repeats); });
    }
    if (written && !safe) unsafe.push_back(fresh);
  }
  for (int fresh : unsafe) take_apart(fresh);
}

void Lowering::take_apart(int fresh) {
  KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(fresh)];
  KernelBuffer apart;
  apart.name = buffer.name + "_next";
  apart.dtype = buffer.dtype;
  apart.elements = buffer.elements;
  buffer = std::move(apart);
  in_place_.erase(fresh);
}

// 1. Results that replace nothing are written.
// 2. Old values that are results as well, under another name, are kept, since their place will be written.
// 3. Then the new values go to the places of the old ones.
void Lowering::finish_results(const Region& region, const std::vector<Destination>& to) {
  auto is_old = [&](int buffer) {
    return std::any_of(to.begin(), to.end(), [&](const Destination& d) { return d.old && d.buffer == buffer; });
  };
  std::vector<std::pair<const Value*, int>> constants;
  std::vector<std::pair<int, int>> copies;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const Value* value = buffers_.resolve(region.results[i]);
    const int from = buffers_.find(value);
    auto updated = in_place_.find(from);
    if (value->type.elements() == 0 || from == to[i].buffer) continue;
    if (updated != in_place_.end() && updated->second == to[i].buffer) continue;
    if (!to[i].old) {
      write_to(value, to[i].buffer);
    } else if (from < 0) {
      constants.emplace_back(value, to[i].buffer);
    } else if (is_old(from)) {
      const KernelBuffer& described = program_.buffers[static_cast<std::size_t>(from)];
      int kept = buffers_.add_arena(described.name + "_kept" + std::to_string(program_.buffers.size()), described.dtype,
                                    described.elements);
      copy(from, kept);
      copies.emplace_back(kept, to[i].buffer);
    } else {
      copies.emplace_back(from, to[i].buffer);
    }
  }
  for (auto [value, buffer] : constants) write_to(value, buffer);
  for (auto [from, buffer] : copies) copy(from, buffer);
  // What is in place now stays so.
  for (const Destination& d : to)
    if (d.old)
      std::erase_if(in_place_,
                    [&](const auto& pair) { return pair.second == d.buffer && united_.insert(pair).second; });
}

// From here on the old and the new value of what is updated in place are one buffer.
void Lowering::unite() {
  std::vector<int> numbers(program_.buffers.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  for (auto [fresh, old] : united_) numbers[static_cast<std::size_t>(fresh)] = old;
  for (int& number : numbers)
    while (numbers[static_cast<std::size_t>(number)] != number) number = numbers[static_cast<std::size_t>(number)];
  renumber(program_, numbers);
  drop_idle_copies(program_.entry);
}

}  // namespace gradc
