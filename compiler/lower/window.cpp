// Windows after emission: see window.h.
#include "compiler/lower/window.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <tuple>
#include <utility>

#include "compiler/lower/nest.h"

namespace gradc {

namespace {

constexpr std::int64_t kTaps = 32;       // rounds of sums as straight-line code
constexpr std::int64_t kStraight = 300;  // instructions of it
// Instructions of a kernel: of sums of products, and of others, as pooling, which take little of a step's time.
constexpr std::int64_t kOfProducts = 1000, kOfOthers = 120;
constexpr std::int64_t kTogether = 4;   // neighbours that share what they read
constexpr std::int64_t kFewRounds = 2;  // at an end: each for itself

// Instructions of code; straight-line loops written out.
std::int64_t code_size(const std::vector<Instr>& block) {
  std::int64_t size = 0;
  for (const Instr& instr : block)
    size += 1 + code_size(instr.body) * (instr.loop && instr.loop->mark == Loop::Mark::unroll ? instr.loop->extent : 1);
  return size;
}

bool has_products(const std::vector<Instr>& block) {
  bool any = false;
  visit(block, [&](const Instr& instr) {
    if (instr.loop)
      for (const Accumulator& a : instr.loop->accumulators) any |= a.times >= 0;
  });
  return any;
}

// Rounds of the loop and of all inside it; 0 where one of these is not one sum.
std::int64_t rounds_of_sum(const Instr& instr) {
  if (instr.op != Opcode::loop || instr.loop->mark != Loop::Mark::serial || instr.loop->accumulators.size() != 1)
    return 0;
  std::int64_t inside = 1;
  for (const Instr& in : instr.body) {
    if (in.op == Opcode::rarely) return 0;
    if (in.op == Opcode::loop) inside *= rounds_of_sum(in);
  }
  return instr.loop->extent * inside;
}

void write_out(std::vector<Instr>& block, bool whole) {
  for (Instr& instr : block) {
    const std::int64_t rounds = rounds_of_sum(instr);
    const bool few = rounds > 0 && rounds <= kTaps && rounds * code_size(instr.body) <= kStraight;
    const bool here = whole || few;
    if (here && instr.op == Opcode::loop) {
      Loop loop = *instr.loop;
      loop.mark = Loop::Mark::unroll;
      instr.loop = std::make_shared<const Loop>(std::move(loop));
    }
    write_out(instr.body, here);
  }
}

// A copy of code in which all values and loop variables that it defines are new.
class Copy {
 public:
  explicit Copy(Kernel& kernel) : kernel_(kernel) {}

  Instr of(const Instr& old) {
    Instr instr = old;
    for (int& a : instr.args) a = known(a);
    if (old.loop) {
      Loop loop = *old.loop;
      loop.variable = variables_[loop.variable] = kernel_.variables++;
      for (Accumulator& a : loop.accumulators) a.init = known(a.init);
      instr.body = all_of(old.body);
      for (Accumulator& a : loop.accumulators) {
        a.update = known(a.update);
        a.times = known(a.times);
        a.result = fresh(a.result);
      }
      instr.loop = std::make_shared<const Loop>(std::move(loop));
    } else {
      instr.body = all_of(old.body);
    }
    instr.yield = known(old.yield);
    if (old.op == Opcode::index) instr.integer = variable(static_cast<int>(old.integer));
    if (old.access) {
      Access access = *old.access;
      for (Subscript& s : access.subscripts) {
        s.value = known(s.value);
        s.affine = renamed(s.affine);
      }
      instr.access = std::make_shared<const Access>(std::move(access));
    }
    if (old.result >= 0) instr.result = fresh(old.result);
    return instr;
  }

 private:
  std::vector<Instr> all_of(const std::vector<Instr>& block) {
    std::vector<Instr> out;
    for (const Instr& old : block) out.push_back(of(old));
    return out;
  }

  int known(int value) const {
    const auto found = values_.find(value);
    return found == values_.end() ? value : found->second;
  }
  int fresh(int value) { return values_[value] = kernel_.values++; }
  int variable(int v) const {
    const auto found = variables_.find(v);
    return found == variables_.end() ? v : found->second;
  }
  Affine renamed(const Affine& affine) const {
    Affine out = affine_constant(affine.offset);
    for (const Affine::Part& p : affine.parts) out = out + affine_variable(variable(p.variable), p.coefficient);
    return out;
  }

  Kernel& kernel_;
  std::map<int, int> values_, variables_;
};

// Of a loop: from `first` to before `end`.
struct Rounds {
  std::int64_t first, end;
};

class WindowShaper {
 public:
  explicit WindowShaper(Kernel& kernel) : kernel_(kernel), extents_(extents_of(kernel)) {}

  void run() {
    write_out(kernel_.body, false);
    size_ = code_size(kernel_.body);
    most_ = has_products(kernel_.body) ? kOfProducts : kOfOthers;
    peel(kernel_.body);
    prove(kernel_.body);
    bring_together(kernel_.body);
    flatten_accesses(kernel_.body, extents_of(kernel_));
  }

 private:
  static bool is_plain_guard(const Subscript& s) {
    return s.check == Subscript::Check::guarded && s.value < 0 && s.divisor == 1;
  }

  // The rounds of the loop in which every guard that its variable decides holds.
  Rounds safe_rounds(const Instr& instr) const {
    Rounds safe{0, instr.loop->extent};
    visit(instr.body, [&](const Instr& in) {
      if (!in.access) return;
      for (const Subscript& s : in.access->subscripts) {
        const std::int64_t c = coefficient_of(s.affine, instr.loop->variable), far = std::abs(c);
        if (!is_plain_guard(s) || c == 0) continue;
        // 0 <= c v + others < extent, for the least and the greatest of the others.
        const Range others = range_of(s.affine + affine_variable(instr.loop->variable, -c), extents_);
        std::int64_t below = -others.low, above = s.extent - 1 - others.high;  // below <= c v <= above
        if (c < 0) std::tie(below, above) = std::pair(-above, -below);
        safe.first = std::max(safe.first, below <= 0 ? 0 : (below + far - 1) / far);
        safe.end = std::min(safe.end, above < 0 ? 0 : above / far + 1);
      }
    });
    return safe;
  }

  // Inner loops first, as far as the kernel stays small.
  void peel(std::vector<Instr>& block) {
    std::vector<Instr> out;
    for (Instr& instr : block) {
      peel(instr.body);
      if (instr.op == Opcode::loop && instr.loop->mark == Loop::Mark::serial) {
        const Rounds safe = safe_rounds(instr);
        const std::int64_t extent = instr.loop->extent, ends = (safe.first > 0) + (safe.end < extent),
                           grown = ends * code_size({instr});
        if (ends > 0 && (safe.end - safe.first) * 2 >= extent && size_ + grown <= most_) {
          size_ += grown;
          cut(instr, {{0, safe.first}, safe, {safe.end, extent}}, out);
          continue;
        }
      }
      out.push_back(std::move(instr));
    }
    block = std::move(out);
  }

  // The loop as one for each of these parts, each going on with the sums of the one before.
  void cut(const Instr& whole, std::vector<Rounds> parts, std::vector<Instr>& out) {
    std::erase_if(parts, [](const Rounds& r) { return r.first >= r.end; });
    std::vector<Accumulator> sums = whole.loop->accumulators;
    for (const Rounds& rounds : parts) {
      Instr part = Copy(kernel_).of(whole);
      Loop loop = *part.loop;
      loop.extent = rounds.end - rounds.first;
      if (loop.extent <= kFewRounds) loop.mark = Loop::Mark::unroll;
      for (std::size_t k = 0; k < sums.size(); ++k) {
        loop.accumulators[k].init = sums[k].init;
        if (&rounds == &parts.back()) loop.accumulators[k].result = sums[k].result;
        sums[k].init = loop.accumulators[k].result;
      }
      substitute(part.body, loop.variable, affine_variable(loop.variable, 1, rounds.first), kernel_.values);
      part.loop = std::make_shared<const Loop>(std::move(loop));
      out.push_back(std::move(part));
      extents_.resize(static_cast<std::size_t>(kernel_.variables), 1);
      visit({out.back()}, [&](const Instr& i) {
        if (i.op == Opcode::loop) extents_[static_cast<std::size_t>(i.loop->variable)] = i.loop->extent;
      });
    }
  }

  // Neighbouring rounds around the lanes, each with taps of its own, run together in them: they share what they read.
  //   loop i { loop j vector { … } }  →  loop i' { loop j vector { loop i" < 4 unroll { … } } }, and the rest of i
  void bring_together(std::vector<Instr>& block) {
    std::vector<Instr> out;
    for (Instr& instr : block) {
      if (instr.op == Opcode::loop && has_lanes_of_taps(instr) && instr.loop->extent >= kTogether) {
        const std::int64_t whole = instr.loop->extent / kTogether, rest = instr.loop->extent % kTogether;
        out.push_back(together(Copy(kernel_).of(instr), 0, whole, kTogether));
        if (rest > 0) out.push_back(together(std::move(instr), whole * kTogether, 1, rest));
        continue;
      }
      bring_together(instr.body);
      out.push_back(std::move(instr));
    }
    block = std::move(out);
  }

  static bool has_lanes_of_taps(const Instr& instr) {
    if (instr.loop->mark != Loop::Mark::serial || !instr.loop->accumulators.empty() || instr.body.size() != 1)
      return false;
    const Instr& lanes = instr.body[0];
    if (lanes.op != Opcode::loop || lanes.loop->mark != Loop::Mark::vector || !lanes.loop->accumulators.empty())
      return false;
    bool taps = false;
    for (const Instr& in : lanes.body) {
      if (in.op == Opcode::rarely || (in.loop && in.loop->mark != Loop::Mark::unroll)) return false;
      taps |= in.op == Opcode::loop;
    }
    return taps;
  }

  Instr together(Instr outer, std::int64_t first, std::int64_t blocks, std::int64_t each) {
    Loop around = *outer.loop;
    around.extent = blocks;
    Loop near;
    near.variable = kernel_.variables++;
    near.extent = each;
    near.mark = Loop::Mark::unroll;
    std::vector<Instr>& body = outer.body[0].body;
    substitute(body, around.variable, affine_variable(around.variable, each, first) + affine_variable(near.variable),
               kernel_.values);
    Instr rounds;
    rounds.op = Opcode::loop;
    rounds.loop = std::make_shared<const Loop>(std::move(near));
    rounds.body = std::move(body);
    body.clear();
    body.push_back(std::move(rounds));
    outer.loop = std::make_shared<const Loop>(std::move(around));
    return outer;
  }

  void prove(std::vector<Instr>& block) {
    for (Instr& instr : block) {
      prove(instr.body);
      if (!instr.access) continue;
      Access access = *instr.access;
      for (Subscript& s : access.subscripts) {
        const Range met = range_of(s.affine, extents_);
        if (is_plain_guard(s) && met.low >= 0 && met.high < s.extent) s.check = Subscript::Check::proven;
      }
      instr.access = std::make_shared<const Access>(std::move(access));
    }
  }

  Kernel& kernel_;
  std::int64_t size_ = 0, most_ = 0;   // instructions
  std::vector<std::int64_t> extents_;  // of loop variables
};

}  // namespace

void shape_window(Kernel& kernel) { WindowShaper(kernel).run(); }

}  // namespace gradc
