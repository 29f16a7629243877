// Scalar instructions as LLVM IR, by the contract of ir/scalar.h, for one value or for the lanes of a vector loop.
// Nothing here may become a library call on any x86-64.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/PatternMatch.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {

llvm::Value* KernelEmitter::scalar(const Instr& instr) {
  if (instr.op == Opcode::constant) return constant(instr.type, instr.integer, instr.number);
  if (instr.op == Opcode::index) {
    const Variable& variable = variables_[static_cast<std::size_t>(instr.integer)];
    ensure(variable.base != nullptr, "codegen: a loop variable is used inside its loop");
    if (!variable.lanes) return variable.base;
    return b_.CreateAdd(widen(variable.base), iota(unit_.i64(), 1));
  }
  if (llvm::Value* blocks = block_numbers(instr)) return blocks;
  if (llvm::Value* words = chosen_words(instr)) return words;
  std::vector<llvm::Value*> args;
  int least = lanes_, most = 1;  // of the vectors
  for (int id : instr.args) {
    args.push_back(raw(id));
    if (!is_vector(args.back())) continue;
    least = std::min(least, lanes_of(args.back()));
    most = std::max(most, lanes_of(args.back()));
  }
  if (most == 1) return arithmetic(instr, args);
  const int outer = std::exchange(lanes_, least == most ? most : lanes_);
  for (llvm::Value*& arg : args) arg = widen(repeated(arg));
  llvm::Value* result = arithmetic(instr, args);
  lanes_ = outer;
  return result;
}

llvm::Value* KernelEmitter::constant(DType type, std::int64_t integer, double number) {
  llvm::Type* t = unit_.value_type(type);
  if (type == DType::f32) return llvm::ConstantFP::get(t, llvm::APFloat(static_cast<float>(number)));
  if (type == DType::f64) return llvm::ConstantFP::get(t, llvm::APFloat(number));
  if (type == DType::boolean) return b_.getInt1(integer != 0);
  return llvm::ConstantInt::get(t, static_cast<std::uint64_t>(integer), true);
}

llvm::Value* KernelEmitter::arithmetic(const Instr& instr, std::vector<llvm::Value*>& a) {
  bool number = is_float(instr.type);
  switch (instr.op) {
    case Opcode::add:
      return number ? b_.CreateFAdd(a[0], a[1]) : b_.CreateAdd(a[0], a[1]);
    case Opcode::sub:
      return number ? b_.CreateFSub(a[0], a[1]) : b_.CreateSub(a[0], a[1]);
    case Opcode::mul:
      return number ? b_.CreateFMul(a[0], a[1]) : product(a[0], a[1]);
    case Opcode::div:
      return number ? b_.CreateFDiv(a[0], a[1]) : divide(instr.type, a[0], a[1], false);
    case Opcode::rem:
      return divide(instr.type, a[0], a[1], true);
    case Opcode::neg:
      return number ? b_.CreateFNeg(a[0]) : b_.CreateNeg(a[0]);
    case Opcode::fma:
      return unit_.multiply_add(b_, a[0], a[1], a[2]);
    case Opcode::scale:
      return scale(instr.type, a[0], a[1]);
    case Opcode::exp2_sixteenths:
      return exp2_sixteenths(a[0]);
    case Opcode::sqrt:
      return b_.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, a[0]);
    case Opcode::bit_and:
      return b_.CreateAnd(a[0], a[1]);
    case Opcode::bit_or:
      return b_.CreateOr(a[0], a[1]);
    case Opcode::bit_xor:
      return b_.CreateXor(a[0], a[1]);
    case Opcode::bit_not:
      return b_.CreateNot(a[0]);
    case Opcode::shift_left:
    case Opcode::shift_right:
    case Opcode::shift_right_arithmetic:
      return shift(instr.op, instr.type, a[0], a[1]);
    case Opcode::equal:
    case Opcode::not_equal:
    case Opcode::less:
    case Opcode::less_equal:
      return compare(instr.op, type_of(instr.args[0]), a[0], a[1]);
    case Opcode::select:
      return b_.CreateSelect(a[0], a[1], a[2]);
    case Opcode::convert:
      return convert(type_of(instr.args[0]), instr.type, a[0]);
    case Opcode::bitcast:
      return bitcast(type_of(instr.args[0]), instr.type, a[0]);
    case Opcode::constant:
    case Opcode::argument:
    case Opcode::index:
    case Opcode::rarely:
    case Opcode::load:
    case Opcode::store:
    case Opcode::loop:
    case Opcode::tile:
      break;
  }
  internal_error("codegen: `" + std::string(name_of(instr.op)) + "` is not an arithmetic instruction");
}

// Of integers. Random bits are a chain of products of low halves, each of which LLVM would ask for the bits that it
// leaves 0, through all those before it: half of the time that such a kernel takes to compile. A fence between them
// ends the search; it is no instruction, and exists for floats only.
llvm::Value* KernelEmitter::product(llvm::Value* x, llvm::Value* y) {
  namespace m = llvm::PatternMatch;
  llvm::Value* result = b_.CreateMul(x, y);
  const auto low_half = m::m_And(m::m_Value(), m::m_SpecificInt(0xffffffff));
  if (!is_vector(x) || x->getType()->getScalarSizeInBits() != 64 || llvm::isa<llvm::Constant>(result) ||
      !(m::match(x, low_half) || m::match(y, low_half)))
    return result;
  llvm::Type* floats = unit_.vector_of(b_.getDoubleTy(), lanes_of(x));
  llvm::Value* fence =
      b_.CreateIntrinsic(llvm::Intrinsic::arithmetic_fence, {floats}, {b_.CreateBitCast(result, floats)});
  return b_.CreateBitCast(fence, x->getType());
}

// A vector by parts of `lanes` lanes: part(l) gives those from l on.
llvm::Value* KernelEmitter::by_parts(llvm::Type* type, int lanes, const std::function<llvm::Value*(int)>& part) {
  llvm::Value* whole = llvm::PoisonValue::get(type);
  for (int l = 0; l < lanes_of(whole); l += lanes) whole = with_lanes_at(whole, l, part(l));
  return whole;
}

llvm::Value* KernelEmitter::scale(DType type, llvm::Value* x, llvm::Value* n) {
  namespace x86 = llvm::Intrinsic;
  const int lanes = lanes_of(x), most = unit_.target().lanes(byte_size(type));
  if (!unit_.target().masks || lanes * byte_size(type) < 16) return scale_by_factors(type, x, n);
  if (lanes > most)
    return by_parts(x->getType(), most, [&](int l) { return scale(type, lanes_at(x, l, most), lanes_at(n, l, most)); });
  const bool f32 = type == DType::f32;
  const std::int64_t bytes = lanes * byte_size(type);
  const llvm::Intrinsic::ID id =
      bytes == 64   ? (f32 ? x86::x86_avx512_mask_scalef_ps_512 : x86::x86_avx512_mask_scalef_pd_512)
      : bytes == 32 ? (f32 ? x86::x86_avx512_mask_scalef_ps_256 : x86::x86_avx512_mask_scalef_pd_256)
                    : (f32 ? x86::x86_avx512_mask_scalef_ps_128 : x86::x86_avx512_mask_scalef_pd_128);
  llvm::Type* mask = b_.getIntNTy(static_cast<unsigned>(std::max(8, lanes)));
  std::vector<llvm::Value*> args = {x, n, x, llvm::Constant::getAllOnesValue(mask)};
  constexpr unsigned kCurrentRounding = 4;
  if (bytes == 64) args.push_back(b_.getInt32(kCurrentRounding));
  return b_.CreateIntrinsic(id, {}, args);
}

// 2^n as two factors: the first keeps a product with a number near 1 normal, so that the second rounds once. Adding
// 1.5 * 2^(fraction - 4) leaves the sixteenths in the low bits.
llvm::Value* KernelEmitter::scale_by_factors(DType type, llvm::Value* x, llvm::Value* n) {
  const bool f32 = type == DType::f32;
  const double magic = f32 ? 0x1.8p19 : 0x1.8p48;
  const std::int64_t bias = f32 ? 127 : 1023, fraction = f32 ? 23 : 52;
  llvm::Type* integers = f32 ? static_cast<llvm::Type*>(unit_.i32()) : unit_.i64();
  if (is_vector(x)) integers = llvm::FixedVectorType::get(integers, static_cast<unsigned>(lanes_of(x)));
  const auto number = [&](std::int64_t i) { return llvm::ConstantInt::get(integers, static_cast<std::uint64_t>(i)); };
  llvm::Value* base = llvm::ConstantFP::get(x->getType(), magic);
  llvm::Value* sixteenths =
      b_.CreateSub(b_.CreateBitCast(b_.CreateFAdd(n, base), integers), b_.CreateBitCast(base, integers));
  llvm::Value* whole = b_.CreateAShr(sixteenths, number(4));
  llvm::Value* half = b_.CreateAShr(whole, number(1));
  const auto power = [&](llvm::Value* exponent) {
    return b_.CreateBitCast(b_.CreateShl(b_.CreateAdd(exponent, number(bias)), number(fraction)), x->getType());
  };
  return b_.CreateFMul(b_.CreateFMul(x, power(half)), power(b_.CreateSub(whole, half)));
}

// Truncating; x / 0 is 0, x % 0 is x, the lowest / -1 is the lowest.
llvm::Value* KernelEmitter::divide(DType type, llvm::Value* x, llvm::Value* y, bool remainder) {
  ensure(!is_float(type), "codegen: the remainder of floats is written out by its op");
  llvm::Type* t = y->getType();
  llvm::Value *zero = llvm::ConstantInt::get(t, 0), *one = llvm::ConstantInt::get(t, 1);
  llvm::Value* by_zero = b_.CreateICmpEQ(y, zero);
  if (!is_signed(type)) {
    llvm::Value* safe = b_.CreateSelect(by_zero, one, y);
    if (remainder) return b_.CreateSelect(by_zero, x, b_.CreateURem(x, safe));
    return b_.CreateSelect(by_zero, zero, b_.CreateUDiv(x, safe));
  }
  llvm::Value* by_minus_one = b_.CreateICmpEQ(y, llvm::ConstantInt::getAllOnesValue(t));
  llvm::Value* safe = b_.CreateSelect(b_.CreateOr(by_zero, by_minus_one), one, y);
  if (remainder) return b_.CreateSelect(by_zero, x, b_.CreateSRem(x, safe));
  llvm::Value* quotient = b_.CreateSelect(by_minus_one, b_.CreateNeg(x), b_.CreateSDiv(x, safe));
  return b_.CreateSelect(by_zero, zero, quotient);
}

// Counts are taken modulo the width; an unsigned value has no sign for an arithmetic shift to copy.
llvm::Value* KernelEmitter::shift(Opcode op, DType type, llvm::Value* x, llvm::Value* count) {
  unsigned width = x->getType()->getScalarSizeInBits();
  count = b_.CreateAnd(count, llvm::ConstantInt::get(count->getType(), width - 1));
  if (op == Opcode::shift_left) return b_.CreateShl(x, count);
  bool arithmetic = op == Opcode::shift_right_arithmetic && is_signed(type);
  return arithmetic ? b_.CreateAShr(x, count) : b_.CreateLShr(x, count);
}

llvm::Value* KernelEmitter::compare(Opcode op, DType type, llvm::Value* x, llvm::Value* y) {
  bool number = is_float(type), sign = is_signed(type);
  switch (op) {
    case Opcode::equal:
      return number ? b_.CreateFCmpOEQ(x, y) : b_.CreateICmpEQ(x, y);
    case Opcode::not_equal:
      return number ? b_.CreateFCmpUNE(x, y) : b_.CreateICmpNE(x, y);
    case Opcode::less:
      return number ? b_.CreateFCmpOLT(x, y) : sign ? b_.CreateICmpSLT(x, y) : b_.CreateICmpULT(x, y);
    default:
      return number ? b_.CreateFCmpOLE(x, y) : sign ? b_.CreateICmpSLE(x, y) : b_.CreateICmpULE(x, y);
  }
}

llvm::Value* KernelEmitter::convert(DType from, DType to, llvm::Value* x) {
  if (from == to) return x;
  int lanes = is_vector(x) ? lanes_ : 1;
  llvm::Type* t = unit_.vector_of(unit_.value_type(to), lanes);
  if (to == DType::boolean) {
    llvm::Value* zero = llvm::Constant::getNullValue(x->getType());
    return is_float(from) ? b_.CreateFCmpUNE(x, zero) : b_.CreateICmpNE(x, zero);
  }
  if (is_float(from) && is_float(to)) return b_.CreateFPCast(x, t);
  if (is_float(to)) return is_signed(from) ? b_.CreateSIToFP(x, t) : b_.CreateUIToFP(x, t);
  if (is_float(from)) {
    auto saturate = is_signed(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return b_.CreateIntrinsic(saturate, {t, x->getType()}, {x});
  }
  return b_.CreateIntCast(x, t, is_signed(from));
}

llvm::Value* KernelEmitter::bitcast(DType from, DType to, llvm::Value* x) {
  if (from == to) return x;
  llvm::Type* t = unit_.vector_of(unit_.value_type(to), is_vector(x) ? lanes_ : 1);
  if (to == DType::boolean) return b_.CreateICmpNE(x, llvm::Constant::getNullValue(x->getType()));
  if (from == DType::boolean) return b_.CreateZExt(x, t);
  return b_.CreateBitCast(x, t);
}

// A lookup in registers where they hold the table: one of 16 lanes, or two of 8.
llvm::Value* KernelEmitter::exp2_sixteenths(llvm::Value* i) {
  namespace x86 = llvm::Intrinsic;
  const int lanes = lanes_of(i), most = unit_.target().masks ? 16 : 8;
  if (!is_vector(i) || !(unit_.target().masks || unit_.target().vector_bytes >= 32))
    return exp2_sixteenths_in_memory(i);
  if (lanes > most)
    return by_parts(unit_.vector_of(b_.getFloatTy(), lanes), most,
                    [&](int l) { return exp2_sixteenths(lanes_at(i, l, most)); });
  const llvm::ArrayRef<float> table(kExp2Sixteenths);
  std::vector<int> widened(static_cast<std::size_t>(most), -1);
  std::iota(widened.begin(), widened.begin() + lanes, 0);
  llvm::Value* index = lanes < most ? b_.CreateShuffleVector(i, widened) : i;
  llvm::Value* found = nullptr;
  if (most == 16) {
    found = b_.CreateIntrinsic(x86::x86_avx512_permvar_sf_512, {},
                               {llvm::ConstantDataVector::get(unit_.context(), table), index});
  } else {
    const auto half = [&](llvm::ArrayRef<float> part) {
      return b_.CreateIntrinsic(x86::x86_avx2_permps, {},
                                {llvm::ConstantDataVector::get(unit_.context(), part), index});
    };
    llvm::Value* eight = llvm::ConstantInt::get(index->getType(), 8);
    llvm::Value* low = b_.CreateICmpEQ(b_.CreateAnd(index, eight), llvm::Constant::getNullValue(index->getType()));
    found = b_.CreateSelect(low, half(table.take_front(8)), half(table.drop_front(8)));
  }
  return lanes < most ? lanes_at(found, 0, lanes) : found;
}

llvm::Value* KernelEmitter::exp2_sixteenths_in_memory(llvm::Value* i) {
  llvm::Constant* table = unit_.exp2_sixteenths();
  const auto look_up = [&](llvm::Value* at) {
    llvm::Value* place = b_.CreateGEP(b_.getFloatTy(), table, b_.CreateAnd(at, b_.getInt32(15)));
    return b_.CreateLoad(b_.getFloatTy(), place);
  };
  if (!is_vector(i)) return look_up(i);
  return by_parts(unit_.vector_of(b_.getFloatTy(), lanes_of(i)), 1, [&](int l) { return look_up(lanes_at(i, l, 1)); });
}

}  // namespace gradc::codegen
