// Loop nests after emission: see nest.h.
#include "compiler/lower/nest.h"

#include <algorithm>

namespace gradc {

namespace {

Affine substituted(const Affine& affine, int variable, const Affine& by) {
  std::int64_t c = coefficient_of(affine, variable);
  if (c == 0) return affine;
  Affine rest = affine;
  std::erase_if(rest.parts, [&](const Affine::Part& p) { return p.variable == variable; });
  return rest + by * c;
}

// index(variable) → Σ coefficient * index(part) + offset, keeping the result's number.
void write_index(std::vector<Instr>& out, const Instr& old, const Affine& by, int& next_value) {
  ScalarBuilder b(out, next_value);
  Scalar sum{};
  for (const Affine::Part& p : by.parts) {
    Scalar i = b.index(p.variable);
    if (p.coefficient != 1) i = i * b.integer(DType::i64, p.coefficient);
    sum = sum.id < 0 ? i : sum + i;
  }
  if (by.offset != 0 || sum.id < 0) {
    Scalar offset = b.integer(DType::i64, by.offset);
    sum = sum.id < 0 ? offset : sum + offset;
  }
  out.back().result = old.result;
}

// Whether every access of the instruction moves evenly over (outer, inner): outer's coefficient is inner's times its
// extent.
bool moves_evenly(const Instr& instr, int outer, int inner, std::int64_t inner_extent) {
  if (instr.op == Opcode::index) return instr.integer != outer && instr.integer != inner;
  if (instr.op == Opcode::tile) return false;
  if (!instr.access) return true;
  for (const Subscript& s : instr.access->subscripts) {
    std::int64_t co = coefficient_of(s.affine, outer), ci = coefficient_of(s.affine, inner);
    bool flat = s.check == Subscript::Check::proven && s.value < 0 && s.divisor == 1 && s.stride == 1;
    if (flat ? co != ci * inner_extent : co != 0 || ci != 0) return false;
  }
  return true;
}

void merge_perfect_nests(std::vector<Instr>& block, int& next_value) {
  for (Instr& instr : block) {
    merge_perfect_nests(instr.body, next_value);
    while (instr.op == Opcode::loop && instr.loop->accumulators.empty() && merge_with_inner(instr, next_value)) {
    }
  }
}

// The largest divisor of n in [low, high], or 0.
std::int64_t divisor_between(std::int64_t n, std::int64_t low, std::int64_t high) {
  for (std::int64_t d = std::min(high, n); d >= low; --d)
    if (n % d == 0) return d;
  return 0;
}

}  // namespace

Range range_of(const Affine& affine, const std::vector<std::int64_t>& extents) {
  Range r{affine.offset, affine.offset};
  for (const Affine::Part& p : affine.parts) {
    const std::int64_t reach = p.coefficient * (extents[static_cast<std::size_t>(p.variable)] - 1);
    (reach < 0 ? r.low : r.high) += reach;
  }
  return r;
}

std::vector<std::int64_t> extents_of(const Kernel& kernel) {
  std::vector<std::int64_t> extents(static_cast<std::size_t>(kernel.variables), 1);
  extents[0] = kernel.parallel;
  visit(kernel.body, [&](const Instr& instr) {
    if (instr.op == Opcode::loop) extents[static_cast<std::size_t>(instr.loop->variable)] = instr.loop->extent;
  });
  return extents;
}

bool same_place(const Access& a, const Access& b) {
  auto same = [](const Subscript& x, const Subscript& y) {
    return x.affine == y.affine && x.value == y.value && x.divisor == y.divisor && x.stride == y.stride;
  };
  return a.offset == b.offset &&
         std::equal(a.subscripts.begin(), a.subscripts.end(), b.subscripts.begin(), b.subscripts.end(), same);
}

void substitute(std::vector<Instr>& block, int variable, const Affine& by, int& next_value) {
  std::vector<Instr> out;
  out.reserve(block.size());
  for (Instr& instr : block) {
    if (instr.op == Opcode::index && instr.integer == variable) {
      if (by.parts.size() == 1 && by.offset == 0 && by.parts[0].coefficient == 1) {
        instr.integer = by.parts[0].variable;
        out.push_back(std::move(instr));
      } else {
        write_index(out, instr, by, next_value);
      }
      continue;
    }
    if (instr.access && std::any_of(instr.access->subscripts.begin(), instr.access->subscripts.end(),
                                    [&](const Subscript& s) { return coefficient_of(s.affine, variable) != 0; })) {
      Access access = *instr.access;
      for (Subscript& s : access.subscripts) s.affine = substituted(s.affine, variable, by);
      instr.access = std::make_shared<const Access>(std::move(access));
    }
    if (instr.tile) {
      Tile tile = *instr.tile;
      tile.a_base = substituted(tile.a_base, variable, by);
      tile.b_base = substituted(tile.b_base, variable, by);
      tile.c_base = substituted(tile.c_base, variable, by);
      for (Tile::Depth& depth : tile.depth)
        if (depth.within) depth.within->first = substituted(depth.within->first, variable, by);
      instr.tile = std::make_shared<const Tile>(std::move(tile));
    }
    substitute(instr.body, variable, by, next_value);
    out.push_back(std::move(instr));
  }
  block = std::move(out);
}

void flatten_accesses(std::vector<Instr>& block, const std::vector<std::int64_t>& extents) {
  for (Instr& instr : block) {
    flatten_accesses(instr.body, extents);
    if (!instr.access) continue;
    Access flat{instr.access->buffer, instr.access->offset, {}, instr.access->outside};
    Subscript all;
    for (const Subscript& s : instr.access->subscripts) {
      if (s.check == Subscript::Check::proven && s.value < 0 && s.divisor == 1)
        all.affine = all.affine + s.affine * s.stride;
      else
        flat.subscripts.push_back(s);
    }
    const Range met = range_of(all.affine, extents);
    if (met.low < 0) continue;
    all.extent = met.high + 1;
    if (met.high > 0 || flat.subscripts.empty()) flat.subscripts.push_back(all);
    instr.access = std::make_shared<const Access>(std::move(flat));
  }
}

bool merge_with_inner(Instr& outer, int& next_value) {
  if (outer.body.size() != 1 || outer.body[0].op != Opcode::loop) return false;
  if (outer.loop->mark != Loop::Mark::serial) return false;
  const Loop& inner = *outer.body[0].loop;
  bool all = true;
  visit(outer.body[0].body,
        [&](const Instr& i) { all = all && moves_evenly(i, outer.loop->variable, inner.variable, inner.extent); });
  if (!all) return false;
  Instr merged = std::move(outer.body[0]);
  Loop loop = *merged.loop;
  loop.extent *= outer.loop->extent;
  // Parts of the outer variable vanish: the inner one runs over the product.
  substitute(merged.body, outer.loop->variable, affine_constant(0), next_value);
  merged.loop = std::make_shared<const Loop>(std::move(loop));
  outer = std::move(merged);
  return true;
}

std::int64_t operations(const std::vector<Instr>& block) {
  std::int64_t sum = 0;
  for (const Instr& instr : block) {
    std::int64_t own = 1;
    if (instr.op == Opcode::loop) {
      own = operations(instr.body) * instr.loop->extent;
    } else if (instr.op == Opcode::tile) {
      own = 2 * static_cast<std::int64_t>(instr.tile->rows) * instr.tile->columns;
      for (const Tile::Depth& d : instr.tile->depth) own *= d.extent;
      own /= 8;  // tiles run far above one scalar operation a cycle
    }
    sum += own;
  }
  return sum;
}

void shape_nest(Kernel& kernel, std::int64_t grain) {
  flatten_accesses(kernel.body, extents_of(kernel));
  merge_perfect_nests(kernel.body, kernel.values);
  kernel.work = operations(kernel.body);
  Instr* nest = nullptr;
  int nests = 0;
  for (Instr& instr : kernel.body) {
    if (instr.op == Opcode::loop) nest = &instr, ++nests;
    if (instr.op == Opcode::store || instr.op == Opcode::tile) return;
  }
  if (nests != 1 || nest != &kernel.body.back() || !nest->loop->accumulators.empty()) return;
  Loop loop = *nest->loop;
  std::int64_t each = std::max<std::int64_t>(1, kernel.work / loop.extent);
  if (loop.mark == Loop::Mark::vector) {
    std::int64_t least = std::max<std::int64_t>(grain / each, 4L * loop.lanes);
    if (loop.extent < 2 * least) return;
    std::int64_t piece = divisor_between(loop.extent, least, 4 * least);
    if (piece == 0) return;
    substitute(nest->body, loop.variable, affine_variable(0, piece) + affine_variable(loop.variable), kernel.values);
    kernel.parallel = loop.extent / piece;
    loop.extent = piece;
    nest->loop = std::make_shared<const Loop>(loop);
    return;
  }
  kernel.parallel = loop.extent;
  std::vector<Instr> body = std::move(nest->body);
  substitute(body, loop.variable, affine_variable(0), kernel.values);
  kernel.body.pop_back();
  for (Instr& instr : body) kernel.body.push_back(std::move(instr));
}

}  // namespace gradc
