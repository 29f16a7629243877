// Instructions compared without their operands, and where values are read.
#include "compiler/codegen/plain_code.h"

#include <bit>
#include <cstdint>

namespace gradc::codegen {

bool is_plain(const Instr& in) {
  return is_scalar(in.op) && in.op != Opcode::rarely && in.op != Opcode::argument && in.op != Opcode::index;
}

bool same_work(const Instr& a, const Instr& b) {
  return a.op == b.op && a.type == b.type && a.integer == b.integer &&
         std::bit_cast<std::uint64_t>(a.number) == std::bit_cast<std::uint64_t>(b.number) &&
         a.args.size() == b.args.size();
}

void note_uses(const Instr& in, std::size_t at, Places& last_use) {
  const auto use = [&](int value) {
    if (value >= 0) last_use[value] = at;
  };
  for (int arg : in.args) use(arg);
  use(in.yield);
  if (in.access)
    for (const Subscript& s : in.access->subscripts) use(s.value);
  if (in.loop)
    for (const Accumulator& a : in.loop->accumulators)
      for (int value : {a.init, a.update, a.times}) use(value);
  for (const Instr& inner : in.body) note_uses(inner, at, last_use);
}

}  // namespace gradc::codegen
