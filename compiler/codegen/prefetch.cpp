// Asking for a row's memory while the row before it is computed.
//
// A round of a kernel that walks its row in several loops takes it from memory in the first and from the L1 cache in
// the others, while memory waits; and what a core fetches on its own guess ends with a page, as a row often does. So
// 1. streams are what the loops read or write one element after another, the next row's after this row's;
// 2. each is given to the loop with the most to compute for every stream that it has already: of equal ones, one that
//    is read to the last, where this row's data is done with, and one that is written to the first;
// 3. that loop asks, at every line of its row, for the same line of the next row; where nothing is written, of up to
//    four rows on.
// A single loop's loads come ahead of their use by themselves, unless a round is so long that the core sees no further.
// Only where the data is more than the L2 cache holds, and two rows of all streams fit into L1; of longer rows of a
// single loop, a part of a row ahead.
//
// Measured on a Zen 5, f32[32768,1000]: softmax 15.2 -> 10.9 ms, cross entropy by four rows 5.1 -> 4.6 ms, layer
// norm 11.0 -> 8.1, its gradient 19.9 -> 15.6, dropout 14.9 -> 11.1 (f32[8000,4096]: 13.4 -> 9.9); depthwise windows of
// 3x3 over f32[8,56,56,64] 0.53 -> 0.38, their weight gradient 0.48 -> 0.39.
#include "compiler/codegen/prefetch.h"

#include <algorithm>
#include <set>

namespace gradc::codegen {
namespace {

constexpr std::size_t kLongRound = 100;        // instructions
constexpr std::int64_t kShortRow = 8 * kLine;  // shorter rows follow each other as one run of memory

// Of a load or store at an affine place that needs no check; null for others, and for what a worker keeps in its cache.
const Subscript* plain_subscript(const KernelProgram& program, const Instr& instr) {
  if ((instr.op != Opcode::load && instr.op != Opcode::store) || instr.access->subscripts.size() != 1) return nullptr;
  const Subscript& s = instr.access->subscripts[0];
  const bool plain = s.check == Subscript::Check::proven && s.value < 0 && s.divisor == 1 && s.stride == 1;
  return plain && program.buffers[static_cast<std::size_t>(instr.access->buffer)].space != Space::worker ? &s : nullptr;
}

class NextRows {
 public:
  NextRows(const KernelProgram& program, const Kernel& kernel) : program_(program), kernel_(kernel) {}

  std::map<const Instr*, std::vector<Ahead>> run() {
    std::map<const Instr*, std::vector<Ahead>> asked;
    for (const Instr& instr : kernel_.body)
      if (instr.op == Opcode::loop && instr.loop->mark == Loop::Mark::vector) loops_.push_back(&instr);
    if (kernel_.parallel < 2 || loops_.empty()) return asked;
    if (loops_.size() == 1 && loops_[0]->body.size() < kLongRound) return asked;
    for (const Instr* loop : loops_) collect(*loop);
    std::int64_t row = 0;
    for (const Stream& s : streams_) row += s.bytes;
    if (row * kernel_.parallel <= program_.target.l2_bytes) return asked;
    if (2 * row > program_.target.l1_bytes && !come_nearer(row)) return asked;
    go_further(row);
    for (const Stream& stream : streams_)
      if (const Instr* loop = loop_for(stream, asked)) {
        asked[loop].push_back(stream.ahead);
        asked[loop].back().element.parts.push_back({loop->loop->variable, 1});
      }
    return asked;
  }

 private:
  struct Stream {
    Ahead ahead;
    std::int64_t bytes = 0;  // of a row
  };

  // Where a single loop walks rows that follow each other, what lies a part of a row ahead does as well as the next
  // row.
  bool come_nearer(std::int64_t row) {
    const std::int64_t extent = loops_[0]->loop->extent;
    auto follow = [&](const Stream& stream) { return coefficient_of(stream.ahead.element, 0) == extent; };
    if (loops_.size() > 1 || !std::all_of(streams_.begin(), streams_.end(), follow)) return false;
    std::int64_t parts = 1;
    while (2 * row / parts > program_.target.l1_bytes) parts *= 2;
    for (Stream& stream : streams_) stream.ahead.element.offset -= extent - extent / parts;
    return true;
  }

  // Where a kernel reads only, memory keeps up with several rows at once.
  void go_further(std::int64_t row) {
    constexpr std::int64_t kRows = 4;
    const bool writes = std::any_of(streams_.begin(), streams_.end(), [](const Stream& s) { return s.ahead.written; });
    const std::int64_t rows = std::min(kRows, program_.target.l1_bytes / 2 / row);
    if (writes || rows < 2) return;
    for (Stream& stream : streams_) stream.ahead.element.offset += (rows - 1) * coefficient_of(stream.ahead.element, 0);
  }

  void collect(const Instr& loop) {
    for (const Instr& instr : loop.body) {
      const Subscript* s = plain_subscript(program_, instr);
      if (!s) continue;
      const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(instr.access->buffer)];
      const std::int64_t bytes = loop.loop->extent * byte_size(buffer.dtype), step = coefficient_of(s->affine, 0);
      if (s->affine.parts.size() != 2 || step <= 0 || coefficient_of(s->affine, loop.loop->variable) != 1 ||
          bytes < kShortRow)
        continue;
      const bool written = instr.op == Opcode::store;
      const Ahead ahead{instr.access->buffer, buffer.dtype,
                        Affine{instr.access->offset + s->affine.offset + step, {{0, step}}}, written};
      const auto known = std::find_if(streams_.begin(), streams_.end(), [&](const Stream& other) {
        return other.ahead.buffer == ahead.buffer && other.ahead.element == ahead.element;
      });
      if (known == streams_.end())
        streams_.push_back({ahead, bytes});
      else
        known->ahead.written |= written;
    }
  }

  // Null: none has a row of this length in vectors of a line or more.
  const Instr* loop_for(const Stream& stream, const std::map<const Instr*, std::vector<Ahead>>& asked) const {
    const Instr* best = nullptr;
    std::size_t most = 0, shared = 1;
    for (const Instr* instr : loops_) {
      const std::int64_t size = byte_size(stream.ahead.type);
      if (instr->loop->lanes * size < kLine || instr->loop->extent * size != stream.bytes) continue;
      const auto found = asked.find(instr);
      const std::size_t work = instr->body.size() + instr->loop->accumulators.size();
      const std::size_t streams = 1 + (found == asked.end() ? 0 : found->second.size());
      // work / streams against most / shared
      const std::size_t here = work * shared, there = most * streams;
      if (here < there || (here == there && stream.ahead.written)) continue;
      best = instr;
      most = work;
      shared = streams;
    }
    return best;
  }

  const KernelProgram& program_;
  const Kernel& kernel_;
  std::vector<const Instr*> loops_;
  std::vector<Stream> streams_;
};

class SlidingRows {
  static constexpr std::int64_t kPage = 4096;  // shorter rows are guessed by the core itself

 public:
  SlidingRows(const KernelProgram& program, const Kernel& kernel) : program_(program), kernel_(kernel) {}

  std::map<const Instr*, std::vector<Ahead>> run() {
    std::map<const Instr*, std::vector<Ahead>> asked;
    unrolled_.assign(static_cast<std::size_t>(kernel_.variables), 0);
    collect(kernel_.body);
    bool slides = false;
    for (Walk& walk : walks_) slides |= ask(walk, asked);
    if (!slides) asked.clear();
    return asked;
  }

 private:
  // Accesses of one loop that differ by constants.
  struct Walk {
    std::vector<const Instr*> loops;  // around it, none of them unrolled
    Ahead access;                     // offset 0
    std::set<std::int64_t> offsets;
  };

  void collect(const std::vector<Instr>& body) {
    for (const Instr& instr : body) {
      if (instr.op == Opcode::loop && instr.loop->mark == Loop::Mark::unroll) {
        for (std::int64_t i = 0; i < instr.loop->extent; ++i) {
          unrolled_[static_cast<std::size_t>(instr.loop->variable)] = i;
          collect(instr.body);
        }
        unrolled_[static_cast<std::size_t>(instr.loop->variable)] = 0;
      } else if (instr.op == Opcode::loop) {
        loops_.push_back(&instr);
        collect(instr.body);
        loops_.pop_back();
      } else if (!loops_.empty()) {
        note(instr);
      }
    }
  }

  void note(const Instr& instr) {
    const Subscript* s = plain_subscript(program_, instr);
    if (!s) return;
    const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(instr.access->buffer)];
    if (buffer.bytes() <= program_.target.l2_bytes) return;
    Ahead ahead{instr.access->buffer, buffer.dtype, {}, instr.op == Opcode::store};
    std::int64_t offset = instr.access->offset + s->affine.offset;
    for (const Affine::Part& part : s->affine.parts) {
      const bool walked = part.variable == 0 || std::any_of(loops_.begin(), loops_.end(), [&](const Instr* loop) {
                            return loop->loop->variable == part.variable;
                          });
      if (walked)
        ahead.element.parts.push_back(part);
      else
        offset += part.coefficient * unrolled_[static_cast<std::size_t>(part.variable)];
    }
    auto known = std::find_if(walks_.begin(), walks_.end(), [&](const Walk& w) {
      return w.loops == loops_ && w.access.buffer == ahead.buffer && w.access.element == ahead.element &&
             w.access.written == ahead.written;
    });
    if (known == walks_.end()) known = walks_.insert(known, {loops_, ahead, {}});
    known->offsets.insert(offset);
  }

  // Whether it reads some of its elements again in the next row.
  bool ask(const Walk& walk, std::map<const Instr*, std::vector<Ahead>>& asked) const {
    const Affine& element = walk.access.element;
    const std::int64_t size = byte_size(walk.access.type);
    std::int64_t column = 0, row = 0;
    for (std::size_t l = walk.loops.size(); l-- > 0 && row == 0;) {
      const Loop& loop = *walk.loops[l]->loop;
      const std::int64_t step = coefficient_of(element, loop.variable);
      if (loop.mark == Loop::Mark::vector || step == 0) continue;
      if (step * size >= kPage && loop.extent > 1 && l + 1 < walk.loops.size())
        row = step;
      else
        column = std::max(column, step);
    }
    if (row == 0 && kernel_.parallel > 1 && coefficient_of(element, 0) * size >= kPage)
      row = coefficient_of(element, 0);
    if (row == 0 || column == 0) return false;
    std::set<std::int64_t> next;
    bool again = false;
    for (const std::int64_t offset : walk.offsets) {
      if (walk.offsets.contains(offset + row))
        again = true;
      else
        next.insert(offset + row);
    }
    for (const std::int64_t offset : next) {
      if (next.contains(offset + column)) continue;
      Ahead ahead = walk.access;
      ahead.element.offset = offset;
      asked[walk.loops.back()].push_back(std::move(ahead));
    }
    return again;
  }

  const KernelProgram& program_;
  const Kernel& kernel_;
  std::vector<const Instr*> loops_;
  std::vector<std::int64_t> unrolled_;  // the round of each unrolled loop
  std::vector<Walk> walks_;
};

}  // namespace

std::map<const Instr*, std::vector<Ahead>> rows_ahead(const KernelProgram& program, const Kernel& kernel) {
  std::map<const Instr*, std::vector<Ahead>> asked = NextRows(program, kernel).run();
  return asked.empty() ? SlidingRows(program, kernel).run() : asked;
}

}  // namespace gradc::codegen
