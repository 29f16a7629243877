// Lifetimes of buffers over the tree of statements.
#include "compiler/lower/lifetimes.h"

#include <algorithm>

#include "compiler/lower/nest.h"

namespace gradc {

namespace {

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

}  // namespace

Lifetimes::Lifetimes(const KernelProgram& program) : lifetimes_(program.buffers.size()) {
  number(program, program.entry);
  for (std::size_t s = 0; s < touched_.size(); ++s)
    for (const auto& [b, touch] : touched_[s]) {
      Lifetime& lifetime = lifetimes_[static_cast<std::size_t>(b)];
      lifetime.first = std::min(lifetime.first, static_cast<int>(s));
      lifetime.last = std::max(lifetime.last, static_cast<int>(s));
    }
  for (const Lifetime& loop : loops_) outlast(loop);
}

void Lifetimes::number(const KernelProgram& program, const std::vector<Statement>& list) {
  for (const Statement& s : list) {
    const int first = static_cast<int>(statements_.size());
    number(program, s.before);
    statements_.push_back(&s);  // of a while: where it reads its flag
    touched_.push_back(gradc::touched(program, s));
    number(program, s.body);
    number(program, s.otherwise);
    if (s.kind != Statement::Kind::repeat && s.kind != Statement::Kind::repeat_while) continue;
    statements_.push_back(&s);
    touched_.emplace_back();
    loops_.push_back({first, static_cast<int>(statements_.size()) - 1});
  }
}

void Lifetimes::outlast(const Lifetime& loop) {
  std::map<int, Touch> earliest;  // of the buffers touched in the loop
  for (int s = loop.first; s <= loop.last; ++s)
    for (const auto& [b, touch] : touched(s)) earliest.emplace(b, touch);
  for (const auto& [b, touch] : earliest) {
    Lifetime& lifetime = lifetimes_[static_cast<std::size_t>(b)];
    bool inside = lifetime.first >= loop.first && lifetime.last <= loop.last;
    if (inside && touch.writes && !touch.reads) continue;
    lifetime.first = std::min(lifetime.first, loop.first);
    lifetime.last = std::max(lifetime.last, loop.last);
  }
}

}  // namespace gradc
