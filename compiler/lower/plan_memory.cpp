// The memory plan: every arena and worker buffer gets its offset.
//
// 1. Every buffer has a lifetime over the entry's statements (lifetimes.h).
// 2. A copy of a dying buffer to a new one goes: the two become one buffer.
// 3. A loop kernel that writes an element where it alone reads a dying buffer of the same size updates it in place: the
//    two become one block.
// 4. Blocks are placed at 64-byte multiples, none over another that lives at the same time (place_blocks.h).
#include <algorithm>
#include <numeric>
#include <set>

#include "compiler/lower/buffers.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/nest.h"
#include "compiler/lower/place_blocks.h"

namespace gradc {

namespace {

// Whether the kernel reads `from` only at the element that it writes of `to`.
bool element_by_element(const KernelProgram& program, const Kernel& kernel, int from, int to) {
  if (kernel.kind != "loop") return false;
  std::vector<const Access*> loads, stores;
  bool plain = true;
  visit(kernel.body, [&](const Instr& instr) {
    if (!instr.access) return;
    const int root = program.root(instr.access->buffer);
    if ((root == from || root == to) && root != instr.access->buffer) plain = false;
    if (instr.op == Opcode::load && instr.access->buffer == from) loads.push_back(instr.access.get());
    if (instr.op == Opcode::store && instr.access->buffer == to) stores.push_back(instr.access.get());
    if (instr.op == Opcode::load && instr.access->buffer == to) plain = false;
    if (instr.op == Opcode::store && instr.access->buffer == from) plain = false;
  });
  if (!plain || loads.empty() || stores.size() != 1) return false;
  return std::all_of(loads.begin(), loads.end(), [&](const Access* l) { return same_place(*l, *stores[0]); });
}

class Plan {
 public:
  explicit Plan(KernelProgram& program) : program_(program), lifetimes_(program), block_of_(program.buffers.size()) {
    std::iota(block_of_.begin(), block_of_.end(), 0);
    for (std::size_t b = 0; b < program.buffers.size(); ++b)
      blocks_.push_back({aligned(program.buffers[b].bytes()),
                         arena(static_cast<int>(b)) ? lifetimes_.of(static_cast<int>(b)) : Lifetime{}, -1});
  }

  // The first copy whose two buffers can be one; null where there is none.
  const Statement* idle_copy() const {
    for (std::size_t s = 0; s < statements().size(); ++s) {
      const Statement& copy = *statements()[s];
      if (copy.kind != Statement::Kind::copy || !arena(copy.from) || !arena(copy.to) || copy.from == copy.to) continue;
      const KernelBuffer &a = program_.buffers[static_cast<std::size_t>(copy.from)],
                         &b = program_.buffers[static_cast<std::size_t>(copy.to)];
      if (a.dtype == b.dtype && a.elements == b.elements && lifetimes_.of(copy.from).last == static_cast<int>(s) &&
          lifetimes_.of(copy.to).first == static_cast<int>(s))
        return &copy;
    }
    return nullptr;
  }

  void run() {
    for (std::size_t s = 0; s < statements().size(); ++s) update_in_place(static_cast<int>(s));
    program_.arena_bytes = place(blocks_);
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      if (arena(static_cast<int>(b)))
        program_.buffers[b].offset = std::max<std::int64_t>(0, block(static_cast<int>(b)).offset);
    place_workers();
  }

 private:
  const std::vector<const Statement*>& statements() const { return lifetimes_.statements(); }
  bool arena(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)].space == Space::arena; }
  Block& block(int buffer) { return blocks_[static_cast<std::size_t>(block_of_[static_cast<std::size_t>(buffer)])]; }

  void update_in_place(int s) {
    const Statement& statement = *statements()[static_cast<std::size_t>(s)];
    if (statement.kind != Statement::Kind::launch) return;
    const Kernel& kernel = program_.kernels[static_cast<std::size_t>(statement.kernel)];
    std::set<int> taken;
    for (const auto& [to, written] : lifetimes_.touched(s)) {
      if (!arena(to) || block(to).lifetime.first != s || block_of_[static_cast<std::size_t>(to)] != to) continue;
      for (const auto& [from, read] : lifetimes_.touched(s)) {
        if (from == to || !arena(from) || taken.contains(block_of_[static_cast<std::size_t>(from)])) continue;
        const Lifetime& dying = block(from).lifetime;
        const KernelBuffer& a = program_.buffers[static_cast<std::size_t>(from)];
        const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(to)];
        bool same_size = a.elements == b.elements && byte_size(a.dtype) == byte_size(b.dtype);
        if (dying.last != s || dying.first == s || !same_size || !element_by_element(program_, kernel, from, to))
          continue;
        merge(from, to);
        taken.insert(block_of_[static_cast<std::size_t>(from)]);
        break;
      }
    }
  }

  // From here on `to` lies where `from` does.
  void merge(int from, int to) {
    Lifetime& merged = block(from).lifetime;
    merged.last = std::max(merged.last, block(to).lifetime.last);
    block(to).lifetime = Lifetime{};
    block_of_[static_cast<std::size_t>(to)] = block_of_[static_cast<std::size_t>(from)];
  }

  // A worker runs one kernel at a time: the buffers of different kernels share its workspace.
  void place_workers() {
    for (std::size_t s = 0; s < statements().size(); ++s) {
      std::int64_t at = 0;
      for (const auto& [b, touch] : lifetimes_.touched(static_cast<int>(s))) {
        KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(b)];
        if (buffer.space != Space::worker) continue;
        buffer.offset = std::max(buffer.offset, at);
        at = buffer.offset + aligned(buffer.bytes());
      }
      program_.worker_bytes = std::max(program_.worker_bytes, at);
    }
  }

  KernelProgram& program_;
  Lifetimes lifetimes_;
  std::vector<int> block_of_;  // buffer → block, itself but for updates in place
  std::vector<Block> blocks_;
};

}  // namespace

void plan_memory(KernelProgram& program) {
  while (const Statement* copy = Plan(program).idle_copy()) {
    std::vector<int> numbers(program.buffers.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    const auto [earlier, later] = std::minmax(copy->from, copy->to);
    numbers[static_cast<std::size_t>(later)] = earlier;  // views of either come after it
    renumber(program, numbers);
    drop_idle_copies(program.entry);
  }
  drop_unused(program);
  program.arena_bytes = program.worker_bytes = 0;
  Plan(program).run();
}

}  // namespace gradc
