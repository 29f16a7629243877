// Loops of a kernel: serial, unrolled, and vector loops with their remainders and the lanes of their accumulators.
//
// A vector loop with accumulators runs L = Loop.lanes rounds at once, so that lane l sees rounds l, l + L, …; one
// without runs as many as the target's vectors hold. What remains is one masked round where the target has masks, else
// ever smaller vectors and then single rounds, each adding to the lane that its round belongs to. Long rounds of random
// bits that are few are masked ones throughout, so that there is one copy of them.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {

void KernelEmitter::loop(const Instr& instr) {
  const Loop& loop = *instr.loop;
  if (loop.extent <= 0) {
    for (const Accumulator& a : loop.accumulators) define(a.result, value(a.init), a.type);
    return;
  }
  switch (loop.mark) {
    case Loop::Mark::serial:
      if (const Instr* inner = crossed_loop(instr)) return crossed_loops(instr, *inner);
      return serial_loop(instr);
    case Loop::Mark::unroll:
      return unrolled_loop(instr);
    case Loop::Mark::vector:
      return vector_loop(instr);
  }
}

void KernelEmitter::serial_loop(const Instr& instr) {
  const Loop& loop = *instr.loop;
  Variable& variable = variables_[static_cast<std::size_t>(loop.variable)];
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("loop"), *after = new_block("after");
  std::vector<llvm::Value*> inits;
  for (const Accumulator& a : loop.accumulators) {
    auto varies = [&](int id) { return id >= 0 && varying_[static_cast<std::size_t>(id)]; };
    bool wide = lanes_ > 1 && (varies(a.init) || varies(a.update) || varies(a.times));
    inits.push_back(wide ? widen(value(a.init)) : value(a.init));
  }
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "i");
  i->addIncoming(i64(0), before);
  std::vector<llvm::PHINode*> totals;
  for (llvm::Value* init : inits) {
    totals.push_back(b_.CreatePHI(init->getType(), 2, "total"));
    totals.back()->addIncoming(init, before);
  }
  variable.base = i;
  ask_ahead(instr);
  block(instr.body);
  for (std::size_t k = 0; k < totals.size(); ++k) {
    const Accumulator& a = loop.accumulators[k];
    llvm::Value* sum = after_round(a, totals[k]);
    totals[k]->addIncoming(sum, b_.GetInsertBlock());
    define(a.result, sum, a.type);
  }
  llvm::Value* next = b_.CreateAdd(i, i64(1), "", true, true);
  // `combined` makes no blocks, so the totals come from the block that ends the round.
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(loop.extent)), round, after);
  b_.SetInsertPoint(after);
  variable.base = nullptr;
}

void KernelEmitter::unrolled_loop(const Instr& instr) {
  const Loop& loop = *instr.loop;
  std::vector<llvm::Value*> totals;
  for (const Accumulator& a : loop.accumulators) totals.push_back(value(a.init));
  for (std::int64_t i = 0; i < loop.extent; ++i) single_round(instr, i64(i), totals);
  for (std::size_t k = 0; k < totals.size(); ++k)
    define(loop.accumulators[k].result, totals[k], loop.accumulators[k].type);
}

// The body once at round `at`, in the lanes of whatever loop is around.
void KernelEmitter::single_round(const Instr& instr, llvm::Value* at, std::vector<llvm::Value*>& totals) {
  const Loop& loop = *instr.loop;
  Variable& variable = variables_[static_cast<std::size_t>(loop.variable)];
  variable.base = at;
  block(instr.body);
  for (std::size_t k = 0; k < totals.size(); ++k) {
    const Accumulator& a = loop.accumulators[k];
    const bool wide = is_vector(value(a.update)) || (a.times >= 0 && is_vector(value(a.times)));
    totals[k] = after_round(a, wide ? widen(totals[k]) : totals[k]);
  }
  variable.base = nullptr;
}

// The body once for rounds base, base + 1, … in `lanes` lanes; the mask says which of them are rounds at all.
void KernelEmitter::vector_round(const Instr& instr, int lanes, llvm::Value* base, llvm::Value* mask,
                                 std::vector<llvm::Value*>& totals, std::vector<llvm::Value*>* nans) {
  const Loop& loop = *instr.loop;
  Variable& variable = variables_[static_cast<std::size_t>(loop.variable)];
  int outer_lanes = std::exchange(lanes_, lanes);
  llvm::Value* outer_mask = std::exchange(mask_, mask);
  variable.base = base;
  variable.lanes = lanes > 1;
  ask_ahead(instr);
  block(instr.body);
  for (std::size_t k = 0; k < totals.size(); ++k) {
    const Accumulator& a = loop.accumulators[k];
    llvm::Value* sum = nans && (*nans)[k] ? extremum(a, totals[k], (*nans)[k]) : after_round(a, totals[k]);
    totals[k] = mask ? b_.CreateSelect(mask, sum, totals[k]) : sum;
  }
  variable.base = nullptr;
  variable.lanes = false;
  lanes_ = outer_lanes;
  mask_ = outer_mask;
}

// One request for each line that the lanes of this round span.
void KernelEmitter::ask_ahead(const Instr& loop) {
  const auto found = ahead_.find(&loop);
  if (found == ahead_.end() || lanes_ == 1) return;
  for (const Ahead& a : found->second) {
    const std::int64_t size = byte_size(a.type);
    llvm::Value* first = affine(a.element);
    for (std::int64_t at = 0; at < lanes_ * size; at += kLine) {
      llvm::Value* index = b_.CreateAdd(first, i64(at / size));
      prefetch(b_.CreateGEP(unit_.stored_type(a.type), buffer_pointer(a.buffer), index), a.written);
    }
  }
}

void KernelEmitter::prefetch(llvm::Value* place, bool written) {
  b_.CreateIntrinsic(llvm::Intrinsic::prefetch, {unit_.pointer()},
                     {place, b_.getInt32(written), b_.getInt32(3), b_.getInt32(1)});
}

void KernelEmitter::vector_loop(const Instr& instr) {
  const Loop& loop = *instr.loop;
  int lanes = loop.accumulators.empty() ? natural_lanes(instr) : std::max(loop.lanes, 1);
  if (loop.accumulators.empty())
    for (const int most = counts_blocks(instr) ? lanes_of_blocks() : lanes * vectors_at_once(instr);
         lanes < most && loop.extent >= 2 * lanes;)
      lanes *= 2;
  ensure(lanes_ == 1, "codegen: vector loops do not nest");
  ensure(std::has_single_bit(static_cast<unsigned>(lanes)), "codegen: the lanes of a vector loop are a power of two");
  // Lanes past the extent would hold the identity, which changes no total.
  int width = static_cast<int>(
      std::min(static_cast<std::uint64_t>(lanes), std::bit_ceil(static_cast<std::uint64_t>(loop.extent))));
  std::vector<llvm::Value*> totals;
  for (const Accumulator& a : loop.accumulators) totals.push_back(identity(a, width));
  if (loop.extent == 1) {
    single_round(instr, i64(0), totals);
  } else {
    std::vector<bool> outer = std::exchange(varying_, varying_values(instr));
    if (counts_blocks(instr)) {
      repeating_ = &instr.body;
      rounds_ = rounds_of(instr);
    }
    std::int64_t rest = loop.extent % lanes, whole = loop.extent - rest;
    if (whole > 0 && rest > 0 && one_masked_round(instr)) {
      masked_rounds(instr, lanes);
    } else {
      if (whole > 0) vector_rounds(instr, lanes, whole, totals);
      if (rest > 0) vector_tail(instr, lanes, whole, rest, totals);
    }
    varying_ = std::move(outer);
    repeating_ = nullptr;
  }
  finish_accumulators(loop, totals);
}

// Of the sums in the lanes of a loop: short ones hide each other's latency, many read longer runs of memory.
int KernelEmitter::vectors_at_once(const Instr& instr) const {
  constexpr std::size_t kShort = 12;
  constexpr int kMany = 4, kOperands = 4;  // registers beside the sums
  std::size_t size = 0;
  int sums = 0;
  bool nested = true;  // serial loops, one in the other
  auto walk = [&](auto& self, const std::vector<Instr>& block) -> void {
    bool inner = false;
    size += block.size();
    for (const Instr& in : block) {
      nested &= in.op != Opcode::rarely && !(in.loop && (inner || in.loop->mark != Loop::Mark::serial));
      if (!in.loop) continue;
      inner = true;
      sums = std::max(sums, static_cast<int>(in.loop->accumulators.size()));
      self(self, in.body);
    }
  };
  walk(walk, instr.body);
  if (nested && sums > 0 && size <= kShort) return 4;
  return sums >= kMany && 2 * sums + kOperands <= unit_.target().vector_registers ? 2 : 1;
}

void KernelEmitter::vector_rounds(const Instr& instr, int lanes, std::int64_t rounds,
                                  std::vector<llvm::Value*>& totals) {
  if (rounds == lanes) return vector_round(instr, lanes, i64(0), nullptr, totals);
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("vector"), *after = new_block("after");
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "v");
  i->addIncoming(i64(0), before);
  const auto carried = [&](llvm::Value*& v) {
    llvm::PHINode* phi = b_.CreatePHI(v->getType(), 2, "total");
    phi->addIncoming(v, before);
    v = phi;
    return phi;
  };
  std::vector<llvm::Value*> nans(totals.size(), nullptr);
  std::vector<llvm::PHINode*> phis, nan_phis;
  for (std::size_t k = 0; k < totals.size(); ++k) {
    phis.push_back(carried(totals[k]));
    nans[k] = is_vector(totals[k]) ? no_nans(instr.loop->accumulators[k]) : nullptr;
    nan_phis.push_back(nans[k] ? carried(nans[k]) : nullptr);
  }
  vector_round(instr, lanes, i, nullptr, totals, &nans);
  llvm::Value* next = b_.CreateAdd(i, i64(lanes), "", true, true);
  llvm::BasicBlock* end = b_.GetInsertBlock();
  i->addIncoming(next, end);
  for (std::size_t k = 0; k < phis.size(); ++k) {
    phis[k]->addIncoming(totals[k], end);
    if (nans[k]) nan_phis[k]->addIncoming(nans[k], end);
  }
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(rounds)), round, after);
  b_.SetInsertPoint(after);
  for (std::size_t k = 0; k < totals.size(); ++k)
    if (nans[k]) totals[k] = with_nans(totals[k], nans[k]);
}

// Whether the remainder runs as a round like all others, each with a mask: where a round is long, a second copy of it
// costs more to compile than masks, a twentieth of its time, cost to run, unless it runs often.
bool KernelEmitter::one_masked_round(const Instr& instr) const {
  constexpr std::int64_t kOften = 1 << 18;  // elements
  return unit_.target().masks && instr.loop->accumulators.empty() && counts_blocks(instr) &&
         kernel_.parallel * instr.loop->extent < kOften;
}

void KernelEmitter::masked_rounds(const Instr& instr, int lanes) {
  ensure(lanes <= 128, "codegen: the lanes of a masked round are counted in bytes");
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("masked"), *after = new_block("after");
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "v");
  i->addIncoming(i64(0), before);
  llvm::Value* left =
      b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, b_.CreateSub(i64(instr.loop->extent), i), i64(lanes));
  const int outer = std::exchange(lanes_, lanes);
  llvm::Value* mask = b_.CreateICmpULT(iota(b_.getInt8Ty(), 1), widen(b_.CreateTrunc(left, b_.getInt8Ty())));
  lanes_ = outer;
  std::vector<llvm::Value*> none;
  vector_round(instr, lanes, i, mask, none);
  llvm::Value* next = b_.CreateAdd(i, i64(lanes), "", true, true);
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(instr.loop->extent)), round, after);
  b_.SetInsertPoint(after);
}

// ---- Maxima and minima of a loop ----
//
// The combiner asks of each total whether it is NaN, on the way from one round to the next. A loop asks the operands
// instead, two with one comparison, beside a maximum that loses NaN; which vector's lane it was does not matter, as in
// the end there is one total. So it does where the totals of the lanes become one.

llvm::Value* KernelEmitter::no_nans(const Accumulator& a) {
  const bool extremum = a.combiner == Combiner::max || a.combiner == Combiner::min;
  if (!extremum || !is_float(a.type)) return nullptr;
  const DType stored = unit_.target().masks ? DType::boolean : a.type == DType::f64 ? DType::i64 : DType::i32;
  return llvm::Constant::getNullValue(
      llvm::FixedVectorType::get(unit_.value_type(stored), unit_.target().lanes(byte_size(a.type))));
}

llvm::Value* KernelEmitter::extremum(const Accumulator& a, llvm::Value* total, llvm::Value*& nans) {
  llvm::Value* x = widen(value(a.update));
  const int lanes = lanes_of(x), width = std::min(lanes, lanes_of(nans));
  for (int l = 0; l < lanes; l += 2 * width) {
    llvm::Value* one = lanes_at(x, l, width);
    llvm::Value* unordered = b_.CreateFCmpUNO(one, l + width < lanes ? lanes_at(x, l + width, width) : one);
    nans = b_.CreateOr(
        nans, with_lanes_at(llvm::Constant::getNullValue(nans->getType()), 0,
                            b_.CreateSExt(unordered, unit_.vector_of(nans->getType()->getScalarType(), width))));
  }
  return further(a, total, x);
}

llvm::Value* KernelEmitter::further(const Accumulator& a, llvm::Value* x, llvm::Value* y) {
  const auto first = a.combiner == Combiner::max ? llvm::CmpInst::FCMP_OGT : llvm::CmpInst::FCMP_OLT;
  return b_.CreateSelect(b_.CreateFCmp(first, x, y), x, y);
}

llvm::Value* KernelEmitter::with_nans(llvm::Value* total, llvm::Value* nans) {
  std::vector<int> lanes(static_cast<std::size_t>(lanes_of(total)));
  for (std::size_t l = 0; l < lanes.size(); ++l) lanes[l] = static_cast<int>(l) % lanes_of(nans);
  llvm::Value* is_nan = b_.CreateShuffleVector(b_.CreateIsNotNull(nans), lanes);
  return b_.CreateSelect(is_nan, llvm::ConstantFP::getNaN(total->getType()), total);
}

// The last `rounds` < lanes rounds, from `first` on.
void KernelEmitter::vector_tail(const Instr& instr, int lanes, std::int64_t first, std::int64_t rounds,
                                std::vector<llvm::Value*>& totals) {
  auto part_round = [&](int lane, int width, llvm::Value* mask) {
    std::vector<llvm::Value*> part;
    for (llvm::Value* total : totals) part.push_back(lanes_at(total, lane, width));
    if (width == 1)
      single_round(instr, i64(first + lane), part);
    else
      vector_round(instr, width, i64(first + lane), mask, part);
    for (std::size_t k = 0; k < totals.size(); ++k) totals[k] = with_lanes_at(totals[k], lane, part[k]);
  };
  if (unit_.target().masks) {
    int width = static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(rounds)));
    return part_round(0, width, rounds < width ? first_lanes(width, rounds) : nullptr);
  }
  int lane = 0;
  for (int width = lanes / 2; width > 1 && width >= natural_lanes(instr); width /= 2) {
    if (rounds - lane < width) continue;
    part_round(lane, width, nullptr);
    lane += width;
  }
  if (rounds - lane == 1)
    part_round(lane, 1, nullptr);
  else if (rounds - lane > 1)
    scalar_rounds(instr, lane, first + lane, rounds - lane, totals);
}

llvm::Constant* KernelEmitter::first_lanes(int lanes, std::int64_t active) {
  std::vector<llvm::Constant*> bits;
  for (int i = 0; i < lanes; ++i) bits.push_back(b_.getInt1(i < active));
  return llvm::ConstantVector::get(bits);
}

// Rounds [first, first + rounds) one by one; round first + i belongs to lane lane + i.
void KernelEmitter::scalar_rounds(const Instr& instr, std::int64_t lane, std::int64_t first, std::int64_t rounds,
                                  std::vector<llvm::Value*>& totals) {
  const Loop& loop = *instr.loop;
  std::vector<LaneSlots> slots;
  for (std::size_t k = 0; k < totals.size(); ++k) slots.push_back(spill(loop.accumulators[k].type, totals[k]));
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("single"), *after = new_block("after");
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "s");
  i->addIncoming(i64(0), before);
  Variable& variable = variables_[static_cast<std::size_t>(loop.variable)];
  variable.base = b_.CreateAdd(i, i64(first));
  block(instr.body);
  for (std::size_t k = 0; k < slots.size(); ++k) {
    const Accumulator& a = loop.accumulators[k];
    llvm::Value* at = b_.CreateAnd(b_.CreateAdd(i, i64(lane)), i64(slots[k].lanes - 1));
    write(slots[k], at, after_round(a, read(slots[k], at)));
  }
  llvm::Value* next = b_.CreateAdd(i, i64(1), "", true, true);
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(rounds)), round, after);
  b_.SetInsertPoint(after);
  variable.base = nullptr;
  for (std::size_t k = 0; k < slots.size(); ++k) {
    if (slots[k].lanes == 1) {
      totals[k] = read(slots[k], i64(0));
      continue;
    }
    for (int l = 0; l < slots[k].lanes; ++l)
      totals[k] = b_.CreateInsertElement(totals[k], read(slots[k], i64(l)), static_cast<unsigned>(l));
  }
}

KernelEmitter::LaneSlots KernelEmitter::spill(DType type, llvm::Value* total) {
  LaneSlots slots{nullptr, type, lanes_of(total)};
  slots.memory =
      prologue_.CreateAlloca(llvm::ArrayType::get(unit_.stored_type(type), static_cast<unsigned>(slots.lanes)));
  for (int l = 0; l < slots.lanes; ++l) write(slots, i64(l), lanes_at(total, l, 1));
  return slots;
}

llvm::Value* KernelEmitter::read(const LaneSlots& slots, llvm::Value* lane) {
  llvm::Type* type = unit_.stored_type(slots.type);
  llvm::Value* v = b_.CreateLoad(type, b_.CreateInBoundsGEP(type, slots.memory, lane));
  return slots.type == DType::boolean ? b_.CreateTrunc(v, b_.getInt1Ty()) : v;
}

void KernelEmitter::write(const LaneSlots& slots, llvm::Value* lane, llvm::Value* v) {
  llvm::Type* type = unit_.stored_type(slots.type);
  if (slots.type == DType::boolean) v = b_.CreateZExt(v, type);
  b_.CreateStore(v, b_.CreateInBoundsGEP(type, slots.memory, lane));
}

// Combines lanes by halves, then the value before the loop with the total.
void KernelEmitter::finish_accumulators(const Loop& loop, const std::vector<llvm::Value*>& totals) {
  for (std::size_t k = 0; k < totals.size(); ++k) {
    const Accumulator& a = loop.accumulators[k];
    llvm::Value* total = totals[k];
    if (is_vector(total) && lanes_ == 1) {
      const int width = lanes_of(total);
      const bool apart = no_nans(a) != nullptr;
      llvm::Value* nan =
          apart ? any_lane(b_.CreateFCmpUNO(lanes_at(total, 0, width / 2), lanes_at(total, width / 2, width / 2)))
                : nullptr;
      for (int half = width / 2; half >= 1; half /= 2) {
        llvm::Value *low = lanes_at(total, 0, half), *high = lanes_at(total, half, half);
        total = apart ? further(a, low, high) : combined(a.combiner, a.type, low, high);
      }
      if (apart) total = b_.CreateSelect(nan, llvm::ConstantFP::getNaN(total->getType()), total);
    }
    llvm::Value* init = is_vector(total) ? widen(value(a.init)) : value(a.init);
    if (is_vector(init)) total = widen(total);
    define(a.result, combined(a.combiner, a.type, init, total), a.type);
  }
}

// Vectors are filled by the narrowest dtype of four bytes or more; wider ones take several registers, bytes fewer bits.
int KernelEmitter::natural_lanes(const Instr& instr) const {
  bool four = false, eight = false;
  auto walk = [&](auto& self, const std::vector<Instr>& block) -> void {
    for (const Instr& in : block) {
      DType type = in.access ? program_.buffers[static_cast<std::size_t>(in.access->buffer)].dtype : in.type;
      if (in.op != Opcode::loop) {
        four |= byte_size(type) == 4;
        eight |= byte_size(type) == 8;
      }
      self(self, in.body);
    }
  };
  walk(walk, instr.body);
  return unit_.target().lanes(four ? 4 : eight ? 8 : 1);
}

std::vector<bool> KernelEmitter::varying_values(const Instr& instr) const {
  std::vector<bool> varying(values_.size(), false);
  mark_varying(instr.body, instr.loop->variable, varying);
  return varying;
}

void KernelEmitter::mark_varying(const std::vector<Instr>& block, int variable, std::vector<bool>& varying) const {
  auto is = [&](int id) { return id >= 0 && varying[static_cast<std::size_t>(id)]; };
  auto set = [&](int id, bool v) {
    if (id >= 0) varying[static_cast<std::size_t>(id)] = v;
  };
  for (const Instr& in : block) {
    mark_varying(in.body, variable, varying);
    bool v = std::any_of(in.args.begin(), in.args.end(), is);
    if (in.op == Opcode::index) v = in.integer == variable;
    if (in.op == Opcode::rarely) v |= is(in.yield);
    if (in.access)
      for (const Subscript& s : in.access->subscripts) {
        v |= is(s.value);
        for (const Affine::Part& part : s.affine.parts) v |= part.variable == variable;
      }
    if (in.loop)
      for (const Accumulator& a : in.loop->accumulators) set(a.result, is(a.init) || is(a.update) || is(a.times));
    set(in.result, v);
  }
}

llvm::Value* KernelEmitter::identity(const Accumulator& a, int lanes) {
  ScalarValue bits = identity_of(a.combiner, a.type);
  llvm::Value* one =
      is_float(a.type) ? constant(a.type, 0, number_of(a.type, bits)) : constant(a.type, integer_of(a.type, bits), 0);
  return lanes == 1 ? one : b_.CreateVectorSplat(static_cast<unsigned>(lanes), one);
}

// The total after a round, in as many lanes as before it.
llvm::Value* KernelEmitter::after_round(const Accumulator& a, llvm::Value* total) {
  auto operand = [&](int id) { return is_vector(total) ? widen(value(id)) : value(id); };
  if (a.times >= 0) return unit_.multiply_add(b_, operand(a.update), operand(a.times), total);
  return combined(a.combiner, a.type, total, operand(a.update));
}

llvm::Value* KernelEmitter::combined(Combiner combiner, DType type, llvm::Value* x, llvm::Value* y) {
  int lanes = lanes_of(x);
  int outer = std::exchange(lanes_, lanes);
  int first = static_cast<int>(values_.size());
  int next = first + 2;
  define(first, x, type);
  define(first + 1, y, type);
  std::vector<Instr> code;
  ScalarBuilder builder(code, next);
  Scalar result = combine(builder, combiner, Scalar{&builder, first, type}, Scalar{&builder, first + 1, type});
  block(code);
  llvm::Value* total = value(result.id);
  values_.resize(static_cast<std::size_t>(first));
  types_.resize(static_cast<std::size_t>(first));
  lanes_ = outer;
  return total;
}

llvm::Value* KernelEmitter::lanes_at(llvm::Value* v, int first, int lanes) {
  if (!is_vector(v)) return v;
  if (lanes == 1) return b_.CreateExtractElement(v, static_cast<unsigned>(first));
  std::vector<int> pick(static_cast<std::size_t>(lanes));
  std::iota(pick.begin(), pick.end(), first);
  return b_.CreateShuffleVector(v, pick);
}

llvm::Value* KernelEmitter::with_lanes_at(llvm::Value* v, int first, llvm::Value* part) {
  if (v->getType() == part->getType()) return part;
  int lanes = lanes_of(v);
  if (!is_vector(part)) return b_.CreateInsertElement(v, part, static_cast<unsigned>(first));
  int width = lanes_of(part);
  std::vector<int> grow(static_cast<std::size_t>(lanes), -1), blend(static_cast<std::size_t>(lanes));
  std::iota(grow.begin(), grow.begin() + width, 0);
  std::iota(blend.begin(), blend.end(), 0);
  for (int l = 0; l < width; ++l) blend[static_cast<std::size_t>(first + l)] = lanes + l;
  return b_.CreateShuffleVector(v, b_.CreateShuffleVector(part, grow), blend);
}

}  // namespace gradc::codegen
