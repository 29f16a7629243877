// The memory plan: every arena and worker buffer gets its offset.
//
// 1. A buffer lives from the first statement that touches it to the last.
// 2. A loop kernel that writes an element where it alone reads a dying buffer of the same size updates it in place: the
// two
//    become one block.
// 3. Blocks are placed by size, largest first, each at the lowest 64-byte multiple where no block placed before lives
// at
//    the same time.
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include "compiler/lower/lower.h"
#include "compiler/lower/nest.h"

namespace gradc {

namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Block {
  std::int64_t bytes = 0;
  int first = std::numeric_limits<int>::max(), last = -1;  // statements
  std::int64_t offset = -1;
};

std::set<int> touched(const KernelProgram& program, const Statement& statement) {
  if (statement.kind == Statement::Kind::copy) return {statement.from, statement.to};
  std::set<int> buffers;
  visit(program.kernels[static_cast<std::size_t>(statement.kernel)].body, [&](const Instr& instr) {
    if (instr.access) buffers.insert(instr.access->buffer);
    if (instr.tile) buffers.insert({instr.tile->a, instr.tile->b, instr.tile->c});
  });
  return buffers;
}

// Whether the kernel reads `from` only at the element that it writes of `to`.
bool element_by_element(const Kernel& kernel, int from, int to) {
  if (kernel.kind != "loop") return false;
  std::vector<const Access*> loads, stores;
  bool plain = true;
  visit(kernel.body, [&](const Instr& instr) {
    if (!instr.access) return;
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
  explicit Plan(KernelProgram& program) : program_(program), block_of_(program.buffers.size()) {
    std::iota(block_of_.begin(), block_of_.end(), 0);
    for (const KernelBuffer& b : program.buffers)
      blocks_.push_back({b.bytes(), std::numeric_limits<int>::max(), -1, -1});
    for (std::size_t s = 0; s < program.entry.size(); ++s) {
      touched_.push_back(touched(program, program.entry[s]));
      for (int b : touched_.back()) {
        Block& block = blocks_[static_cast<std::size_t>(b)];
        block.first = std::min(block.first, static_cast<int>(s));
        block.last = std::max(block.last, static_cast<int>(s));
      }
    }
  }

  void run() {
    for (std::size_t s = 0; s < program_.entry.size(); ++s) update_in_place(static_cast<int>(s));
    place_arena();
    place_workers();
  }

 private:
  bool arena(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)].space == Space::arena; }
  Block& block(int buffer) { return blocks_[static_cast<std::size_t>(block_of_[static_cast<std::size_t>(buffer)])]; }

  void update_in_place(int s) {
    const Statement& statement = program_.entry[static_cast<std::size_t>(s)];
    if (statement.kind != Statement::Kind::launch) return;
    const Kernel& kernel = program_.kernels[static_cast<std::size_t>(statement.kernel)];
    std::set<int> taken;
    for (int to : touched_[static_cast<std::size_t>(s)]) {
      if (!arena(to) || block(to).first != s || block_of_[static_cast<std::size_t>(to)] != to) continue;
      for (int from : touched_[static_cast<std::size_t>(s)]) {
        if (from == to || !arena(from) || taken.contains(block_of_[static_cast<std::size_t>(from)])) continue;
        const Block& dying = block(from);
        const KernelBuffer& a = program_.buffers[static_cast<std::size_t>(from)];
        const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(to)];
        bool same_size = a.elements == b.elements && byte_size(a.dtype) == byte_size(b.dtype);
        if (dying.last != s || dying.first == s || !same_size || !element_by_element(kernel, from, to)) continue;
        Block& merged = block(from);
        merged.last = std::max(merged.last, block(to).last);
        block_of_[static_cast<std::size_t>(to)] = block_of_[static_cast<std::size_t>(from)];
        taken.insert(block_of_[static_cast<std::size_t>(from)]);
        break;
      }
    }
  }

  void place_arena() {
    std::vector<int> order;
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      if (arena(static_cast<int>(b)) && block_of_[b] == static_cast<int>(b) && blocks_[b].last >= 0)
        order.push_back(static_cast<int>(b));
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return blocks_[static_cast<std::size_t>(a)].bytes > blocks_[static_cast<std::size_t>(b)].bytes;
    });
    std::vector<const Block*> placed;  // sorted by offset
    for (int b : order) {
      Block& block = blocks_[static_cast<std::size_t>(b)];
      std::int64_t at = 0;
      for (const Block* other : placed) {
        if (other->last < block.first || block.last < other->first) continue;
        if (other->offset - at >= aligned(block.bytes)) break;
        at = std::max(at, other->offset + aligned(other->bytes));
      }
      block.offset = at;
      placed.insert(std::upper_bound(placed.begin(), placed.end(), &block,
                                     [](const Block* x, const Block* y) { return x->offset < y->offset; }),
                    &block);
      program_.arena_bytes = std::max(program_.arena_bytes, at + aligned(block.bytes));
    }
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      if (arena(static_cast<int>(b)))
        program_.buffers[b].offset = std::max<std::int64_t>(0, block(static_cast<int>(b)).offset);
  }

  // A worker runs one kernel at a time: the buffers of different kernels share its workspace.
  void place_workers() {
    for (const std::set<int>& buffers : touched_) {
      std::int64_t at = 0;
      for (int b : buffers) {
        KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(b)];
        if (buffer.space != Space::worker) continue;
        buffer.offset = std::max(buffer.offset, at);
        at = buffer.offset + aligned(buffer.bytes());
      }
      program_.worker_bytes = std::max(program_.worker_bytes, at);
    }
  }

  KernelProgram& program_;
  std::vector<int> block_of_;  // buffer → block, itself but for updates in place
  std::vector<Block> blocks_;
  std::vector<std::set<int>> touched_;
};

}  // namespace

void plan_memory(KernelProgram& program) {
  program.arena_bytes = program.worker_bytes = 0;
  Plan(program).run();
}

}  // namespace gradc
