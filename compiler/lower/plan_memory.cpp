// The memory plan: every arena and worker buffer gets its offset.
//
// 1. The entry's statements are numbered as they stand. A buffer lives from the first that touches it to the last;
// views
//    are their base. What is touched in a loop and outside, or read in a loop before it is written there, lives over
//    the whole loop; all else in a loop is new in every trip, and whole before it is read, as lowering makes it.
// 2. A copy of a dying buffer to a new one goes: the two become one buffer.
// 3. A loop kernel that writes an element where it alone reads a dying buffer of the same size updates it in place: the
//    two become one block.
// 4. Blocks are placed by size, largest first, each at the lowest 64-byte multiple where no block placed before lives
//    at the same time.
#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "compiler/lower/buffers.h"
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

struct Touch {
  bool reads = false, writes = false;
};
using Touches = std::map<int, Touch>;

// What a launch, a copy or the reading of a flag touches.
Touches touched(const KernelProgram& program, const Statement& statement) {
  Touches touches;
  auto read = [&](int buffer) { touches[program.root(buffer)].reads = true; };
  auto write = [&](int buffer) { touches[program.root(buffer)].writes = true; };
  if (statement.kind == Statement::Kind::copy) {
    read(statement.from);
    write(statement.to);
  } else if (statement.flag >= 0) {
    read(statement.flag);
  } else if (statement.kernel >= 0) {
    visit(program.kernels[static_cast<std::size_t>(statement.kernel)].body, [&](const Instr& instr) {
      if (instr.op == Opcode::load) read(instr.access->buffer);
      if (instr.op == Opcode::store) write(instr.access->buffer);
      if (!instr.tile) return;
      read(instr.tile->a);
      read(instr.tile->b);
      write(instr.tile->c);
    });
  }
  return touches;
}

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

// A loop's statements: [first, last].
struct Span {
  int first = 0, last = 0;
};

class Plan {
 public:
  explicit Plan(KernelProgram& program) : program_(program), block_of_(program.buffers.size()) {
    std::iota(block_of_.begin(), block_of_.end(), 0);
    for (const KernelBuffer& b : program.buffers)
      blocks_.push_back({b.bytes(), std::numeric_limits<int>::max(), -1, -1});
    number(program.entry);
    for (std::size_t s = 0; s < touched_.size(); ++s)
      for (const auto& [b, touch] : touched_[s]) {
        Block& block = blocks_[static_cast<std::size_t>(b)];
        block.first = std::min(block.first, static_cast<int>(s));
        block.last = std::max(block.last, static_cast<int>(s));
      }
    // Inner loops stand before outer ones.
    for (Span loop : loops_) outlast(loop);
  }

  // The first copy whose two buffers can be one; null where there is none.
  const Statement* idle_copy() const {
    for (std::size_t s = 0; s < statements_.size(); ++s) {
      const Statement& copy = *statements_[s];
      if (copy.kind != Statement::Kind::copy || !arena(copy.from) || !arena(copy.to) || copy.from == copy.to) continue;
      const Block &from = blocks_[static_cast<std::size_t>(copy.from)],
                  &to = blocks_[static_cast<std::size_t>(copy.to)];
      const KernelBuffer &a = program_.buffers[static_cast<std::size_t>(copy.from)],
                         &b = program_.buffers[static_cast<std::size_t>(copy.to)];
      if (a.dtype == b.dtype && a.elements == b.elements && from.last == static_cast<int>(s) &&
          to.first == static_cast<int>(s))
        return &copy;
    }
    return nullptr;
  }

  void run() {
    for (std::size_t s = 0; s < statements_.size(); ++s) update_in_place(static_cast<int>(s));
    place_arena();
    place_workers();
  }

 private:
  void number(const std::vector<Statement>& list) {
    for (const Statement& s : list) {
      const int first = static_cast<int>(statements_.size());
      number(s.before);
      statements_.push_back(&s);  // of a while: where it reads its flag
      touched_.push_back(touched(program_, s));
      number(s.body);
      number(s.otherwise);
      if (s.kind != Statement::Kind::repeat && s.kind != Statement::Kind::repeat_while) continue;
      statements_.push_back(&s);  // its end, behind all that is in it
      touched_.emplace_back();
      loops_.push_back({first, static_cast<int>(statements_.size()) - 1});
    }
  }

  void outlast(Span loop) {
    std::map<int, Touch> earliest;  // of the buffers touched in the loop
    for (int s = loop.first; s <= loop.last; ++s)
      for (const auto& [b, touch] : touched_[static_cast<std::size_t>(s)]) earliest.emplace(b, touch);
    for (const auto& [b, touch] : earliest) {
      Block& block = blocks_[static_cast<std::size_t>(b)];
      bool inside = block.first >= loop.first && block.last <= loop.last;
      if (inside && touch.writes && !touch.reads) continue;
      block.first = std::min(block.first, loop.first);
      block.last = std::max(block.last, loop.last);
    }
  }

  bool arena(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)].space == Space::arena; }
  Block& block(int buffer) { return blocks_[static_cast<std::size_t>(block_of_[static_cast<std::size_t>(buffer)])]; }

  void update_in_place(int s) {
    const Statement& statement = *statements_[static_cast<std::size_t>(s)];
    if (statement.kind != Statement::Kind::launch) return;
    const Kernel& kernel = program_.kernels[static_cast<std::size_t>(statement.kernel)];
    std::set<int> taken;
    for (const auto& [to, written] : touched_[static_cast<std::size_t>(s)]) {
      if (!arena(to) || block(to).first != s || block_of_[static_cast<std::size_t>(to)] != to) continue;
      for (const auto& [from, read] : touched_[static_cast<std::size_t>(s)]) {
        if (from == to || !arena(from) || taken.contains(block_of_[static_cast<std::size_t>(from)])) continue;
        const Block& dying = block(from);
        const KernelBuffer& a = program_.buffers[static_cast<std::size_t>(from)];
        const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(to)];
        bool same_size = a.elements == b.elements && byte_size(a.dtype) == byte_size(b.dtype);
        if (dying.last != s || dying.first == s || !same_size || !element_by_element(program_, kernel, from, to))
          continue;
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
    for (const Touches& touches : touched_) {
      std::int64_t at = 0;
      for (const auto& [b, touch] : touches) {
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
  std::vector<const Statement*> statements_;  // by number
  std::vector<Touches> touched_;
  std::vector<Span> loops_;
};

}  // namespace

void plan_memory(KernelProgram& program) {
  while (const Statement* copy = Plan(program).idle_copy()) {
    std::vector<int> numbers(program.buffers.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    numbers[static_cast<std::size_t>(copy->from)] = copy->to;
    renumber(program, numbers);
    drop_idle_copies(program.entry);
  }
  drop_unused(program);
  program.arena_bytes = program.worker_bytes = 0;
  Plan(program).run();
}

}  // namespace gradc
