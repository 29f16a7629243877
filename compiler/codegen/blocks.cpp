// Numbers of blocks of neighbouring elements, as random bits count them: where lane l has number first + l, number >> 2
// is one for four lanes. What is computed from such numbers alone takes a quarter of the lanes, and each of these is
// repeated where it meets the others.
#include <llvm/IR/Constants.h>

#include <algorithm>
#include <array>
#include <utility>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {

namespace {

constexpr std::int64_t kShift = 2, kBlock = 1 << kShift;

bool is_shift(const Instr& instr) {
  return (instr.op == Opcode::shift_right || instr.op == Opcode::shift_right_arithmetic) && instr.type == DType::i64;
}

const llvm::ConstantInt* constant_of(const llvm::Value* v) { return llvm::dyn_cast<llvm::ConstantInt>(v); }

}  // namespace

// Whether the body counts blocks and does much with their numbers: more lanes then share each.
bool KernelEmitter::counts_blocks(const Instr& instr) {
  constexpr std::size_t kMuch = 60;
  return instr.body.size() >= kMuch && std::any_of(instr.body.begin(), instr.body.end(), is_shift);
}

// Each round of random bits waits for the one before it; the more blocks at once, the less of that shows. Half of the
// registers hold four words of 64 bits for each block.
int KernelEmitter::lanes_of_blocks() const {
  constexpr std::int64_t kWords = 4, kWordBytes = 8;
  const Target& target = unit_.target();
  return static_cast<int>(kBlock * (target.vector_registers / 2 * target.vector_bytes) / (kWords * kWordBytes));
}

// Keeps which values are first + lane, with a first that is a multiple of the block; and which are multiples.
void KernelEmitter::note_numbers(const Instr& instr) {
  if (instr.type != DType::i64 || instr.result < 0) return;
  firsts_.erase(instr.result);
  multiples_.erase(instr.result);
  if (instr.op == Opcode::constant) {
    if (instr.integer % kBlock == 0) multiples_.insert(instr.result);
  } else if (instr.op == Opcode::index) {
    const Variable& variable = variables_[static_cast<std::size_t>(instr.integer)];
    if (variable.lanes && lanes_ % kBlock == 0) firsts_[instr.result] = variable.base;
  } else if (instr.op == Opcode::mul || instr.op == Opcode::add) {
    const int a = instr.args[0], b = instr.args[1];
    const bool both = multiples_.contains(a) && multiples_.contains(b);
    if (both || (instr.op == Opcode::mul && (multiples_.contains(a) || multiples_.contains(b))))
      multiples_.insert(instr.result);
    for (const auto& [number, other] : {std::pair(a, b), std::pair(b, a)}) {
      llvm::Value* first = first_number(number);
      if (!first || is_vector(raw(other))) continue;
      if (instr.op == Opcode::add && multiples_.contains(other))
        firsts_[instr.result] = b_.CreateAdd(first, raw(other));
      else if (const auto* factor = constant_of(raw(other)); instr.op == Opcode::mul && factor && factor->isOne())
        firsts_[instr.result] = first;
    }
  }
}

llvm::Value* KernelEmitter::first_number(int id) const {
  const auto found = firsts_.find(id);
  return found == firsts_.end() ? nullptr : found->second;
}

// Of a shift of such numbers; null for all else.
llvm::Value* KernelEmitter::block_numbers(const Instr& instr) {
  if (!is_shift(instr) || lanes_ % kBlock != 0) return nullptr;
  llvm::Value* first = first_number(instr.args[0]);
  const llvm::ConstantInt* shift = constant_of(raw(instr.args[1]));
  if (!first || !shift || shift->getSExtValue() != kShift) return nullptr;
  llvm::Value* block = b_.CreateAShr(first, i64(kShift));
  const int outer = std::exchange(lanes_, lanes_ / static_cast<int>(kBlock));
  llvm::Value* blocks = lanes_ == 1 ? block : b_.CreateAdd(widen(block), iota(unit_.i64(), 1));
  lanes_ = outer;
  return blocks;
}

// Which element of its block each lane is, where that is one element in all blocks: number & 3 is lane & 3.
void KernelEmitter::note_places(const Instr& instr) {
  const auto is = [&](int arg, std::int64_t integer) {
    const llvm::ConstantInt* constant = constant_of(raw(instr.args[static_cast<std::size_t>(arg)]));
    return constant && constant->getSExtValue() == integer;
  };
  places_.erase(instr.result);
  chosen_.erase(instr.result);
  if (lanes_ % kBlock != 0) return;
  if (instr.op == Opcode::bit_and && instr.type == DType::i64 && first_number(instr.args[0]) && is(1, kBlock - 1))
    places_[instr.result] = kEvery;
  if (instr.op == Opcode::equal && places_.contains(instr.args[0]) && places_[instr.args[0]] == kEvery)
    for (int place = 0; place < kBlock; ++place)
      if (is(1, place)) places_[instr.result] = place;
}

// select(number & 3 == place, word, others), where the words belong to blocks: four of them stand one after the other,
// as pairs first. Null for all else.
llvm::Value* KernelEmitter::chosen_words(const Instr& instr) {
  if (instr.op != Opcode::select || lanes_ % kBlock != 0 || lanes_ == kBlock) return nullptr;
  const auto place = places_.find(instr.args[0]);
  if (place == places_.end() || place->second == kEvery) return nullptr;
  const int blocks = lanes_ / static_cast<int>(kBlock);
  const auto word = [&](int id) -> llvm::Value* {
    const auto* low = llvm::dyn_cast<llvm::TruncInst>(raw(id));
    const bool half =
        low && low->getSrcTy()->getScalarType()->isIntegerTy(64) && low->getDestTy()->getScalarType()->isIntegerTy(32);
    return half && lanes_of(low) == blocks ? low->getOperand(0) : nullptr;
  };
  std::array<llvm::Value*, kBlock> words{};
  if (const auto others = chosen_.find(instr.args[2]); others != chosen_.end())
    words = others->second;
  else
    words.fill(word(instr.args[2]));
  llvm::Value*& own = words[static_cast<std::size_t>(place->second)];
  own = word(instr.args[1]);
  if (!own || !words[0] || !words[1] || !words[2] || !words[3]) return nullptr;
  chosen_[instr.result] = words;
  const auto mixed = [&](llvm::Value* x, llvm::Value* y, int step) {
    std::vector<int> pick;
    for (int i = 0; i < lanes_of(x); i += step) pick.insert(pick.end(), {i, lanes_of(x) + i});
    return b_.CreateShuffleVector(x, y, pick);
  };
  const auto pair = [&](llvm::Value* x, llvm::Value* y) {
    llvm::Type* halves = unit_.vector_of(unit_.i32(), 2 * blocks);
    return b_.CreateBitCast(mixed(b_.CreateBitCast(x, halves), b_.CreateBitCast(y, halves), 2),
                            unit_.vector_of(unit_.i64(), blocks));
  };
  return b_.CreateBitCast(mixed(pair(words[0], words[1]), pair(words[2], words[3]), 1),
                          unit_.vector_of(unit_.i32(), lanes_));
}

}  // namespace gradc::codegen
