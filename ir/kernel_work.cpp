// Counts operations and traffic of kernels: see kernel_work.h.
#include "ir/kernel_work.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace gradc {

namespace {

using Extents = std::map<int, std::int64_t>;  // of the loops around, by variable

std::int64_t rounds(const Extents& around) {
  std::int64_t product = 1;
  for (auto [variable, extent] : around) product *= extent;
  return product;
}

std::int64_t multiply_adds(const Tile& tile) {
  std::int64_t product = std::int64_t{tile.rows} * tile.columns;
  for (const Tile::Depth& depth : tile.depth) product *= depth.extent;
  return product;
}

// Calls f(instruction, loops around it) for every instruction, outer before inner.
template <class F>
void visit_nested(const std::vector<Instr>& block, Extents& around, const F& f) {
  for (const Instr& instr : block) {
    f(instr, around);
    if (instr.op == Opcode::rarely) continue;
    if (instr.op == Opcode::loop) around[instr.loop->variable] = instr.loop->extent;
    visit_nested(instr.body, around, f);
    if (instr.op == Opcode::loop) around.erase(instr.loop->variable);
  }
}

template <class F>
void visit_nested(const Kernel& kernel, const F& f) {
  Extents around{{0, kernel.parallel}};
  visit_nested(kernel.body, around, f);
}

std::int64_t float_operations(const Instr& instr) {
  if (!is_float(instr.type)) return 0;
  switch (instr.op) {
    case Opcode::add:
    case Opcode::sub:
    case Opcode::mul:
    case Opcode::div:
    case Opcode::sqrt:
    case Opcode::scale:
    case Opcode::exp2_sixteenths:
      return 1;
    case Opcode::fma:
      return 2;
    default:
      return 0;
  }
}

std::int64_t accumulations(const Loop& loop) {
  std::int64_t each = 0;
  for (const Accumulator& a : loop.accumulators)
    if (is_float(a.type) && (a.combiner == Combiner::sum || a.combiner == Combiner::product))
      each += a.times >= 0 ? 2 : 1;
  return each * loop.extent;
}

// Elements that a kernel touches, buffer by buffer. The same access twice counts once; others are taken to be apart, as
// far as the buffer is large enough.
class Touched {
 public:
  explicit Touched(const KernelProgram& program) : program_(program) {}

  void access(const Access& access, const Extents& around) {
    Extents moves;
    std::string key = std::to_string(access.offset);
    for (const Subscript& s : access.subscripts) {
      add_parts(s.affine, around, moves, key);
      key += "," + std::to_string(s.affine.offset) + "/" + std::to_string(s.divisor) + "*" + std::to_string(s.stride) +
             "v" + std::to_string(s.value);
      if (s.value >= 0) moves = around;
    }
    add(access.buffer, rounds(moves), key);
  }

  void tile_operand(int buffer, const Affine& base, const Extents& around, std::int64_t own) {
    Extents moves;
    std::string key = std::to_string(base.offset) + "t" + std::to_string(own);
    add_parts(base, around, moves, key);
    add(buffer, rounds(moves) * own, key);
  }

  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (auto [number, elements] : elements_) {
      const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(number)];
      if (buffer.space != Space::worker) sum += std::min(elements, buffer.elements) * byte_size(buffer.dtype);
    }
    return sum;
  }

 private:
  static void add_parts(const Affine& affine, const Extents& around, Extents& moves, std::string& key) {
    for (const Affine::Part& part : affine.parts) {
      key += "+" + std::to_string(part.coefficient) + "i" + std::to_string(part.variable);
      if (auto found = around.find(part.variable); found != around.end()) moves.insert(*found);
    }
  }

  void add(int buffer, std::int64_t elements, const std::string& key) {
    if (seen_.insert({buffer, key}).second) elements_[buffer] += elements;
  }

  const KernelProgram& program_;
  std::map<int, std::int64_t> elements_;
  std::set<std::pair<int, std::string>> seen_;
};

void touch_tile(const Tile& tile, const Extents& around, Touched& read, Touched& written) {
  std::int64_t a = tile.a_row != 0 ? tile.rows : 1, b = tile.columns;
  for (const Tile::Depth& depth : tile.depth) {
    if (depth.a_step != 0) a *= depth.extent;
    if (depth.b_step != 0) b *= depth.extent;
  }
  read.tile_operand(tile.a, tile.a_base, around, a);
  read.tile_operand(tile.b, tile.b_base, around, b);
  const std::int64_t c = std::int64_t{tile.rows} * tile.columns;
  if (tile.accumulate) read.tile_operand(tile.c, tile.c_base, around, c);
  written.tile_operand(tile.c, tile.c_base, around, c);
}

void count_launches(const std::vector<Statement>& statements, std::int64_t times, std::vector<std::int64_t>& launches) {
  for (const Statement& statement : statements) {
    std::int64_t inner = times;
    if (statement.kind == Statement::Kind::launch) launches[static_cast<std::size_t>(statement.kernel)] += times;
    if (statement.kind == Statement::Kind::repeat) inner *= statement.extent;
    if (statement.kind == Statement::Kind::repeat_while) inner *= std::max<std::int64_t>(1, statement.extent);
    count_launches(statement.before, inner, launches);
    count_launches(statement.body, inner, launches);
    count_launches(statement.otherwise, inner, launches);
  }
}

void count_copies(const KernelProgram& program, const std::vector<Statement>& statements, std::int64_t times,
                  KernelWork& work) {
  for (const Statement& statement : statements) {
    std::int64_t inner = times;
    if (statement.kind == Statement::Kind::copy) {
      const std::int64_t bytes = program.buffers[static_cast<std::size_t>(statement.from)].bytes();
      work.read_bytes += times * bytes;
      work.written_bytes += times * bytes;
    }
    if (statement.kind == Statement::Kind::repeat) inner *= statement.extent;
    if (statement.kind == Statement::Kind::repeat_while) inner *= std::max<std::int64_t>(1, statement.extent);
    for (const auto* list : {&statement.before, &statement.body, &statement.otherwise})
      count_copies(program, *list, inner, work);
  }
}

}  // namespace

KernelWork work_of(const KernelProgram& program, const Kernel& kernel) {
  KernelWork work;
  Touched read(program), written(program);
  visit_nested(kernel, [&](const Instr& instr, const Extents& around) {
    if (instr.op == Opcode::load) read.access(*instr.access, around);
    if (instr.op == Opcode::store) written.access(*instr.access, around);
    if (instr.op == Opcode::loop) work.operations += rounds(around) * accumulations(*instr.loop);
    work.operations += rounds(around) * float_operations(instr);
    if (!instr.tile) return;
    work.tile_multiply_adds += rounds(around) * multiply_adds(*instr.tile);
    touch_tile(*instr.tile, around, read, written);
  });
  work.read_bytes = read.bytes();
  work.written_bytes = written.bytes();
  return work;
}

std::vector<std::int64_t> launches_of(const KernelProgram& program) {
  std::vector<std::int64_t> launches(program.kernels.size());
  count_launches(program.entry, 1, launches);
  return launches;
}

KernelWork work_of(const KernelProgram& program) {
  KernelWork total;
  const std::vector<std::int64_t> launches = launches_of(program);
  for (std::size_t k = 0; k < program.kernels.size(); ++k) {
    const KernelWork one = work_of(program, program.kernels[k]);
    total.operations += launches[k] * one.operations;
    total.tile_multiply_adds += launches[k] * one.tile_multiply_adds;
    total.read_bytes += launches[k] * one.read_bytes;
    total.written_bytes += launches[k] * one.written_bytes;
  }
  count_copies(program, program.entry, 1, total);
  return total;
}

}  // namespace gradc
