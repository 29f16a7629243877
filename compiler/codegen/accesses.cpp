// Loads and stores of a kernel: affine addresses per lane, guards, clamps, and the cheapest instruction for each.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <cstdlib>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {
namespace {

constexpr std::int64_t kShortStep = 4;                  // lanes at most this far apart are picked from whole vectors
constexpr std::int64_t kSmall = std::int64_t{1} << 30;  // indices below this are computed in 32 bits

llvm::Align alignment(DType type) { return llvm::Align(static_cast<std::uint64_t>(byte_size(type))); }

}  // namespace

// The least and greatest value over all rounds.
std::pair<std::int64_t, std::int64_t> KernelEmitter::range(const Affine& affine) const {
  std::int64_t low = affine.offset, high = affine.offset;
  for (const Affine::Part& part : affine.parts) {
    std::int64_t last = part.coefficient * (variables_[static_cast<std::size_t>(part.variable)].extent - 1);
    low += std::min<std::int64_t>(last, 0);
    high += std::max<std::int64_t>(last, 0);
  }
  return {low, high};
}

KernelEmitter::Address KernelEmitter::address(const Access& access) {
  const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(access.buffer)];
  Address a;
  a.base = i64(access.offset);
  for (const Subscript& s : access.subscripts) {
    llvm::Value* base = affine(s.affine);
    std::int64_t step = 0;
    for (const Affine::Part& part : s.affine.parts)
      if (variables_[static_cast<std::size_t>(part.variable)].lanes) step += part.coefficient;
    llvm::Value* extra = s.value >= 0 ? value(s.value) : nullptr;
    if (extra && !is_vector(extra)) {
      base = b_.CreateAdd(base, b_.CreateIntCast(extra, unit_.i64(), is_signed(type_of(s.value))));
      extra = nullptr;
    }
    if (step == 0 && !extra) {
      add_uniform(a, s, base);
    } else if (!extra && s.divisor == 1 && s.check == Subscript::Check::proven) {
      a.base = b_.CreateAdd(a.base, b_.CreateMul(base, i64(s.stride)));
      a.step += step * s.stride;
    } else {
      add_lanes(a, s, base, step, buffer);
    }
  }
  return a;
}

void KernelEmitter::add_uniform(Address& a, const Subscript& s, llvm::Value* index) {
  auto restrict = [&](llvm::Value* inside) { a.inside = a.inside ? b_.CreateAnd(a.inside, inside) : inside; };
  if (s.check == Subscript::Check::guarded) {
    restrict(b_.CreateICmpULT(index, i64(s.extent * s.divisor)));
    if (s.divisor != 1) restrict(b_.CreateICmpEQ(b_.CreateURem(index, i64(s.divisor)), i64(0)));
  }
  if (s.divisor != 1) index = b_.CreateSDiv(index, i64(s.divisor));
  if (s.check == Subscript::Check::clamped) {
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, i64(s.extent - 1));
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, index, i64(0));
  }
  a.base = b_.CreateAdd(a.base, b_.CreateMul(index, i64(s.stride)));
}

// A subscript whose index differs between lanes by more than a step: index = base + lane * step + value.
void KernelEmitter::add_lanes(Address& a, const Subscript& s, llvm::Value* base, std::int64_t step,
                              const KernelBuffer& buffer) {
  llvm::Value* extra = s.value >= 0 && is_vector(value(s.value)) ? value(s.value) : nullptr;
  auto [low, high] = range(s.affine);
  bool whole = extra && s.affine.parts.empty() && s.affine.offset == 0 && s.value >= 0;  // the value is the index
  bool small = low > -kSmall && high < kSmall && s.extent * s.divisor < kSmall &&
               (s.value < 0 || (whole && type_of(s.value) == DType::i32));
  llvm::Type* t = small ? static_cast<llvm::Type*>(unit_.i32()) : unit_.i64();
  llvm::Value* index = widen(b_.CreateIntCast(base, t, true));
  if (step != 0) index = b_.CreateAdd(index, iota(t, step));
  if (extra) {
    extra = b_.CreateIntCast(extra, unit_.vector_of(t, lanes_), is_signed(type_of(s.value)));
    index = whole ? extra : b_.CreateAdd(index, extra);
  }
  auto splat = [&](std::int64_t v) {
    return llvm::ConstantInt::get(unit_.vector_of(t, lanes_), static_cast<std::uint64_t>(v), true);
  };
  bool contiguous = !extra && s.divisor == 1;
  if (s.check == Subscript::Check::guarded) {
    restrict_lanes(a, b_.CreateICmpULT(index, splat(s.extent * s.divisor)));
    if (s.divisor != 1) restrict_lanes(a, b_.CreateICmpEQ(b_.CreateURem(index, splat(s.divisor)), splat(0)));
    if (contiguous) {
      a.base = b_.CreateAdd(a.base, b_.CreateMul(base, i64(s.stride)));
      a.step += step * s.stride;
      return;
    }
  }
  if (s.divisor != 1) index = b_.CreateSDiv(index, splat(s.divisor));
  if (s.check == Subscript::Check::clamped) {
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, splat(s.extent - 1));
    index = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, index, splat(0));
  }
  // Lanes outside may hold any number here: they are masked, or moved to the buffer's first element.
  llvm::Type* wide = buffer.elements < kSmall ? static_cast<llvm::Type*>(unit_.i32()) : unit_.i64();
  index = b_.CreateIntCast(index, unit_.vector_of(wide, lanes_), true);
  index = b_.CreateMul(index, llvm::ConstantInt::get(index->getType(), static_cast<std::uint64_t>(s.stride), true));
  a.vector = a.vector ? b_.CreateAdd(a.vector, index) : index;
}

void KernelEmitter::restrict_lanes(Address& a, llvm::Value* inside) {
  a.inside_lanes = a.inside_lanes ? b_.CreateAnd(a.inside_lanes, inside) : inside;
}

llvm::Value* KernelEmitter::element_pointer(int buffer, llvm::Value* index) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  return b_.CreateInBoundsGEP(unit_.stored_type(type), buffer_pointer(buffer), index);
}

llvm::Value* KernelEmitter::lane_mask(const Address& a) {
  if (!mask_ || !a.inside_lanes) return mask_ ? mask_ : a.inside_lanes;
  return b_.CreateAnd(mask_, a.inside_lanes);
}

// Masked loads and stores of this dtype are instructions, not a branch for each lane.
bool KernelEmitter::masked_moves(DType type) const {
  return unit_.target().masks || (unit_.target().vector_bytes >= 32 && byte_size(type) >= 4);
}

void KernelEmitter::load(const Instr& instr) {
  if (const auto row = crossed_.find(&instr); row != crossed_.end()) {
    llvm::Type* type = unit_.vector_of(unit_.stored_type(instr.type), lanes_);
    return define(instr.result, b_.CreateAlignedLoad(type, row->second, alignment(instr.type)), instr.type);
  }
  const Access& access = *instr.access;
  const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(access.buffer)];
  llvm::Value* outside = constant(buffer.dtype, static_cast<std::int64_t>(access.outside), access.outside);
  if (is_float(buffer.dtype)) outside = constant(buffer.dtype, 0, access.outside);
  if (buffer.elements == 0) return define(instr.result, outside, instr.type);
  Address a = address(access);
  llvm::Value* loaded = a.varies() ? load_lanes(a, access.buffer, outside) : load_uniform(a, access.buffer, outside);
  define(instr.result, loaded, instr.type);
}

llvm::Value* KernelEmitter::load_uniform(const Address& a, int buffer, llvm::Value* outside) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Value* index = a.inside ? b_.CreateSelect(a.inside, a.base, i64(0)) : a.base;
  auto* load = b_.CreateAlignedLoad(unit_.stored_type(type), element_pointer(buffer, index), alignment(type));
  mark_aliases(load, buffer);
  llvm::Value* v = type == DType::boolean ? b_.CreateICmpNE(load, b_.getInt8(0)) : load;
  return a.inside ? b_.CreateSelect(a.inside, v, outside) : v;
}

llvm::Value* KernelEmitter::load_lanes(const Address& a, int buffer, llvm::Value* outside) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Type* stored = unit_.stored_type(type);
  if (type == DType::boolean) outside = b_.CreateZExt(outside, stored);
  llvm::BasicBlock *before = b_.GetInsertBlock(), *after = nullptr;
  llvm::Value* nothing = widen(outside);
  if (a.inside) {  // the same for all lanes: the whole load behind a branch
    llvm::BasicBlock* inside = new_block("inside");
    after = new_block("loaded");
    before = b_.GetInsertBlock();
    b_.CreateCondBr(a.inside, inside, after);
    b_.SetInsertPoint(inside);
  }
  llvm::Value* mask = lane_mask(a);
  llvm::Value* v;
  if (!a.vector && a.step == 1 && (!mask || masked_moves(type)))
    v = load_contiguous(a, buffer, mask, nothing);
  else if (!a.vector && !mask && (a.step == -1 || (a.step > 1 && a.step <= kShortStep)))
    v = load_interleaved(a, buffer);
  else if (unit_.target().masks && byte_size(type) >= 4 && (a.vector || mask))
    v = load_gathered(a, buffer, mask, nothing);
  else
    v = load_each(a, buffer, mask, nothing);
  if (a.inside) {
    llvm::BasicBlock* end = b_.GetInsertBlock();
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
    llvm::PHINode* merged = b_.CreatePHI(v->getType(), 2);
    merged->addIncoming(nothing, before);
    merged->addIncoming(v, end);
    v = merged;
  }
  return type == DType::boolean ? b_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType())) : v;
}

llvm::Value* KernelEmitter::load_contiguous(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Type* vector = unit_.vector_of(unit_.stored_type(type), lanes_);
  llvm::Value* at = element_pointer(buffer, a.base);
  llvm::Instruction* load;
  if (mask)
    load = b_.CreateMaskedLoad(vector, at, alignment(type), mask, outside);
  else
    load = b_.CreateAlignedLoad(vector, at, alignment(type));
  mark_aliases(load, buffer);
  return load;
}

// Lanes `step` elements apart: whole vectors from the first to the last lane's element, and a shuffle for each. The
// last vector ends at the last lane's element, so that nothing beyond is read.
llvm::Value* KernelEmitter::load_interleaved(const Address& a, int buffer) {
  std::int64_t last = (lanes_ - 1) * std::abs(a.step);
  llvm::Value* first = a.step < 0 ? b_.CreateSub(a.base, i64(last)) : a.base;
  llvm::Value* picked = nullptr;
  for (std::int64_t piece = 0; piece < std::abs(a.step); ++piece) {
    std::int64_t start = std::min(piece * lanes_, last + 1 - lanes_);
    Address whole;
    whole.base = b_.CreateAdd(first, i64(start));
    llvm::Value* loaded = load_contiguous(whole, buffer, nullptr, nullptr);
    std::vector<int> lanes;
    for (int l = 0; l < lanes_; ++l) {
      std::int64_t element = a.step < 0 ? last - l : l * a.step, in_piece = element - start;
      bool here = in_piece >= 0 && in_piece < lanes_ && element >= piece * lanes_;
      lanes.push_back(here ? lanes_ + static_cast<int>(in_piece) : element < piece * lanes_ ? l : -1);
    }
    picked = b_.CreateShuffleVector(picked ? picked : loaded, loaded, lanes);
  }
  return picked;
}

llvm::Value* KernelEmitter::lane_indices(const Address& a, bool with_base) {
  llvm::Value* index = a.vector;
  if (a.step != 0 || !index) {
    llvm::Type* t = index ? index->getType()->getScalarType() : static_cast<llvm::Type*>(unit_.i64());
    llvm::Value* steps = iota(t, a.step);
    index = index ? b_.CreateAdd(index, steps) : steps;
  }
  if (!with_base) return index;
  index = b_.CreateIntCast(index, unit_.vector_of(unit_.i64(), lanes_), true);
  return b_.CreateAdd(index, widen(a.base));
}

llvm::Value* KernelEmitter::load_gathered(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Type* stored = unit_.stored_type(type);
  llvm::Value* places =
      b_.CreateGEP(stored, b_.CreateGEP(stored, buffer_pointer(buffer), a.base), lane_indices(a, false));
  auto* load = b_.CreateMaskedGather(unit_.vector_of(stored, lanes_), places, alignment(type), mask, outside);
  mark_aliases(load, buffer);
  return load;
}

// Lane by lane; lanes outside read the buffer's first element and drop it.
llvm::Value* KernelEmitter::load_each(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Type* stored = unit_.stored_type(type);
  llvm::Value* all = llvm::PoisonValue::get(unit_.vector_of(stored, lanes_));
  llvm::Value* indices = a.vector || mask ? lane_indices(a, true) : nullptr;
  if (mask) indices = b_.CreateSelect(mask, indices, llvm::Constant::getNullValue(indices->getType()));
  for (int l = 0; l < lanes_; ++l) {
    llvm::Value* index =
        indices ? b_.CreateExtractElement(indices, static_cast<unsigned>(l)) : b_.CreateAdd(a.base, i64(a.step * l));
    auto* load = b_.CreateAlignedLoad(stored, element_pointer(buffer, index), alignment(type));
    mark_aliases(load, buffer);
    all = b_.CreateInsertElement(all, load, static_cast<unsigned>(l));
  }
  return mask ? b_.CreateSelect(mask, all, outside) : all;
}

void KernelEmitter::store(const Instr& instr) {
  const Access& access = *instr.access;
  const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(access.buffer)];
  if (buffer.elements == 0) return;
  if (const auto row = crossed_.find(&instr); row != crossed_.end()) {
    b_.CreateAlignedStore(widen(value(instr.args[0])), row->second, alignment(buffer.dtype));
    return;
  }
  Address a = address(access);
  llvm::Value* what = value(instr.args[0]);
  if (buffer.dtype == DType::boolean) what = b_.CreateZExt(what, unit_.vector_of(b_.getInt8Ty(), lanes_of(what)));
  llvm::BasicBlock* after = nullptr;
  if (a.inside) {
    llvm::BasicBlock* inside = new_block("inside");
    after = new_block("stored");
    b_.CreateCondBr(a.inside, inside, after);
    b_.SetInsertPoint(inside);
  }
  if (a.varies() || is_vector(what)) {
    store_lanes(a, access.buffer, widen(what));
  } else {
    auto* store = b_.CreateAlignedStore(what, element_pointer(access.buffer, a.base), alignment(buffer.dtype));
    mark_aliases(store, access.buffer);
  }
  if (after) {
    b_.CreateBr(after);
    b_.SetInsertPoint(after);
  }
}

void KernelEmitter::store_lanes(const Address& a, int buffer, llvm::Value* what) {
  DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Type* stored = unit_.stored_type(type);
  llvm::Value* mask = lane_mask(a);
  if (!a.vector && a.step == 1) {
    llvm::Value* at = element_pointer(buffer, a.base);
    llvm::Instruction* store;
    if (mask)
      store = b_.CreateMaskedStore(what, at, alignment(type), mask);
    else
      store = b_.CreateAlignedStore(what, at, alignment(type));
    return mark_aliases(store, buffer);
  }
  if (mask) {
    llvm::Value* places =
        b_.CreateGEP(stored, b_.CreateGEP(stored, buffer_pointer(buffer), a.base), lane_indices(a, false));
    return mark_aliases(b_.CreateMaskedScatter(what, places, alignment(type), mask), buffer);
  }
  llvm::Value* indices = a.vector ? lane_indices(a, true) : nullptr;
  for (int l = 0; l < lanes_; ++l) {
    llvm::Value* index =
        indices ? b_.CreateExtractElement(indices, static_cast<unsigned>(l)) : b_.CreateAdd(a.base, i64(a.step * l));
    llvm::Value* one = b_.CreateExtractElement(what, static_cast<unsigned>(l));
    mark_aliases(b_.CreateAlignedStore(one, element_pointer(buffer, index), alignment(type)), buffer);
  }
}

}  // namespace gradc::codegen
