// Loop nests that move data across: an access whose elements are neighbours along the outer loop, and far apart along
// the vector loop inside it. Lane by lane it costs an instruction and a cache line for each element.
//
//   loop i < 100 {                          1. for blocks of L rounds of both loops (L: the lanes of a vector),
//     loop j < 64 vector 16 {               2.   L vectors along i of such a load, one for each lane j, are
//       %0 = load f32 @x[i + 100*j]         →       transposed in registers and laid down as rows of a block;
//       store f32 %0 to @y[64*i + j]        3.   the rounds of i run as written, with rows for those loads and stores;
//     }                                     4.   rows of such a store are transposed, and stored as vectors along i.
//   }
//
// Rounds of such nests are independent: each reads, of what the nest writes, at most the element that it writes itself.
#include <llvm/IR/Constants.h>

#include <algorithm>
#include <cstdlib>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {
namespace {

constexpr std::int64_t kFar = 4;  // lanes more than this many elements apart are fetched one by one otherwise
const llvm::Align kRowAlign(32);  // of a row of a block: never less than a vector of 32 bytes

struct Steps {
  std::int64_t outer = 0, inner = 0;  // elements from one round to the next
};

// None where the element does not move evenly with both loops.
std::optional<Steps> steps_of(const Access& access, int outer, int inner) {
  Steps steps;
  for (const Subscript& s : access.subscripts) {
    if (s.value >= 0) return std::nullopt;
    const bool plain = s.check == Subscript::Check::proven && s.divisor == 1;
    for (const Affine::Part& part : s.affine.parts) {
      if (part.variable != outer && part.variable != inner) continue;
      if (!plain) return std::nullopt;
      (part.variable == outer ? steps.outer : steps.inner) += part.coefficient * s.stride;
    }
  }
  return steps;
}

// Bytes are left as they are: a vector of them is no vector of anything else.
bool is_across(const KernelProgram& program, const Instr& instr, int outer, int inner) {
  if (!instr.access || byte_size(program.buffers[static_cast<std::size_t>(instr.access->buffer)].dtype) < 4)
    return false;
  const auto steps = steps_of(*instr.access, outer, inner);
  return steps && steps->outer == 1 && std::abs(steps->inner) > kFar;
}

bool same_element(const Access& a, const Access& b) {
  return a.offset == b.offset && std::equal(a.subscripts.begin(), a.subscripts.end(), b.subscripts.begin(),
                                            b.subscripts.end(), [](const Subscript& x, const Subscript& y) {
                                              return x.affine == y.affine && x.value == y.value &&
                                                     x.divisor == y.divisor && x.stride == y.stride &&
                                                     x.check == y.check;
                                            });
}

// Scalar code and accesses only, and no access that finds what another round wrote.
bool rounds_are_independent(const KernelProgram& program, const std::vector<const Instr*>& body) {
  auto buffer = [&](const Instr* i) -> const KernelBuffer& {
    return program.buffers[static_cast<std::size_t>(program.root(i->access->buffer))];
  };
  for (const Instr* store : body) {
    if (store->op != Opcode::store) continue;
    for (const Instr* other : body) {
      if (!other->access || other == store || !may_alias(buffer(store), buffer(other))) continue;
      if (!same_element(*store->access, *other->access) || buffer(store).offset != buffer(other).offset) return false;
    }
  }
  return true;
}

}  // namespace

// The vector loop that ends the body of a serial one, where both together move data across.
const Instr* KernelEmitter::crossed_loop(const Instr& outer) const {
  if (lanes_ != 1 || !outer.loop->accumulators.empty() || outer.body.empty()) return nullptr;
  const Instr& inner = outer.body.back();
  if (inner.op != Opcode::loop || inner.loop->mark != Loop::Mark::vector || !inner.loop->accumulators.empty())
    return nullptr;
  const int lanes = natural_lanes(inner), i = outer.loop->variable, j = inner.loop->variable;
  if (lanes < 4 || outer.loop->extent < 2 || inner.loop->extent < 2) return nullptr;
  std::vector<const Instr*> body;
  for (std::size_t k = 0; k + 1 < outer.body.size(); ++k) body.push_back(&outer.body[k]);
  for (const Instr& instr : inner.body) body.push_back(&instr);
  bool any = false;
  for (const Instr* instr : body) {
    if (instr->op == Opcode::loop || instr->op == Opcode::tile || instr->op == Opcode::rarely) return nullptr;
    if (!is_across(program_, *instr, i, j)) continue;
    const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(instr->access->buffer)];
    if (!masked_moves(buffer.dtype) || buffer.elements == 0) return nullptr;
    any = true;
  }
  const bool whole = inner.loop->extent % lanes == 0 || unit_.target().masks;
  return any && whole && rounds_are_independent(program_, body) ? &inner : nullptr;
}

void KernelEmitter::crossed_loops(const Instr& outer, const Instr& inner) {
  const int lanes = natural_lanes(inner);
  Crossing crossing{&outer, &inner, lanes, {}};
  for (const Instr& instr : inner.body)
    if (is_across(program_, instr, outer.loop->variable, inner.loop->variable)) {
      llvm::Type* element = unit_.stored_type(program_.buffers[static_cast<std::size_t>(instr.access->buffer)].dtype);
      auto* rows = prologue_.CreateAlloca(llvm::ArrayType::get(element, static_cast<unsigned>(lanes * lanes)));
      rows->setAlignment(llvm::Align(64));
      crossing.accesses.push_back({&instr, rows});
    }
  std::vector<bool> around = std::exchange(varying_, varying_values(inner));
  const std::int64_t rest = outer.loop->extent % lanes, whole = outer.loop->extent - rest;
  if (whole > 0)
    counted(whole / lanes, [&](llvm::Value* block) { crossed_rows(crossing, b_.CreateMul(block, i64(lanes)), lanes); });
  if (rest > 0) crossed_rows(crossing, i64(whole), static_cast<int>(rest));
  varying_ = std::move(around);
}

// All rounds of the inner loop for `rows` rounds of the outer one.
void KernelEmitter::crossed_rows(const Crossing& crossing, llvm::Value* first_row, int rows) {
  const int lanes = crossing.lanes;
  const std::int64_t extent = crossing.inner->loop->extent, rest = extent % lanes, whole = extent - rest;
  if (whole > 0)
    counted(whole / lanes, [&](llvm::Value* block) {
      crossed_block(crossing, first_row, rows, b_.CreateMul(block, i64(lanes)), lanes);
    });
  if (rest > 0) crossed_block(crossing, first_row, rows, i64(whole), static_cast<int>(rest));
}

void KernelEmitter::crossed_block(const Crossing& crossing, llvm::Value* first_row, int rows, llvm::Value* first_lane,
                                  int columns) {
  Variable& i = variables_[static_cast<std::size_t>(crossing.outer->loop->variable)];
  Variable& j = variables_[static_cast<std::size_t>(crossing.inner->loop->variable)];
  i.base = first_row;
  for (const CrossedAccess& a : crossing.accesses)
    if (a.instr->op == Opcode::load) load_crossed(a, crossing, rows, first_lane, columns);
  const int width = static_cast<int>(std::bit_ceil(static_cast<unsigned>(columns)));
  counted(rows, [&](llvm::Value* row) {
    i.base = b_.CreateAdd(first_row, row);
    for (std::size_t k = 0; k + 1 < crossing.outer->body.size(); ++k) instruction(crossing.outer->body[k]);
    for (const CrossedAccess& a : crossing.accesses) {
      llvm::Type* element = a.rows->getAllocatedType()->getArrayElementType();
      crossed_[a.instr] = b_.CreateInBoundsGEP(element, a.rows, b_.CreateMul(row, i64(crossing.lanes)));
    }
    std::vector<llvm::Value*> no_totals;
    if (width == 1)
      single_round(*crossing.inner, first_lane, no_totals);
    else
      vector_round(*crossing.inner, width, first_lane, columns < width ? first_lanes(width, columns) : nullptr,
                   no_totals);
    crossed_.clear();
  });
  i.base = first_row;
  for (const CrossedAccess& a : crossing.accesses)
    if (a.instr->op == Opcode::store) store_crossed(a, crossing, rows, first_lane, columns);
  i.base = nullptr;
  j.base = nullptr;
}

// Where lane `column` of the block's first row lies.
KernelEmitter::Address KernelEmitter::crossed_address(const CrossedAccess& a, const Crossing& crossing,
                                                      llvm::Value* first_lane, int column) {
  Variable& j = variables_[static_cast<std::size_t>(crossing.inner->loop->variable)];
  j.base = b_.CreateAdd(first_lane, i64(column));
  return address(*a.instr->access);
}

void KernelEmitter::load_crossed(const CrossedAccess& a, const Crossing& crossing, int rows, llvm::Value* first_lane,
                                 int columns) {
  const int lanes = crossing.lanes, buffer = a.instr->access->buffer;
  llvm::Type* element = a.rows->getAllocatedType()->getArrayElementType();
  auto* vector = unit_.vector_of(element, lanes);
  const DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  llvm::Value* outside =
      b_.CreateVectorSplat(static_cast<unsigned>(lanes),
                           is_float(type) ? constant(type, 0, a.instr->access->outside)
                                          : constant(type, static_cast<std::int64_t>(a.instr->access->outside), 0));
  std::vector<llvm::Value*> block(static_cast<std::size_t>(lanes), llvm::PoisonValue::get(vector));
  for (int column = 0; column < columns; ++column) {
    Address at = crossed_address(a, crossing, first_lane, column);
    llvm::Value* mask = rows < lanes ? first_lanes(lanes, rows) : nullptr;
    if (at.inside) {
      llvm::Value* all = mask ? mask : first_lanes(lanes, lanes);
      mask = b_.CreateSelect(at.inside, all, llvm::Constant::getNullValue(all->getType()));
    }
    at.inside = nullptr;
    at.step = 1;
    const int outer = std::exchange(lanes_, lanes);
    block[static_cast<std::size_t>(column)] = load_contiguous(at, buffer, mask, outside);
    lanes_ = outer;
  }
  transpose(block);
  for (int row = 0; row < rows; ++row)
    b_.CreateAlignedStore(block[static_cast<std::size_t>(row)],
                          b_.CreateConstInBoundsGEP1_64(element, a.rows, static_cast<std::uint64_t>(row * lanes)),
                          kRowAlign);
}

void KernelEmitter::store_crossed(const CrossedAccess& a, const Crossing& crossing, int rows, llvm::Value* first_lane,
                                  int columns) {
  const int lanes = crossing.lanes, buffer = a.instr->access->buffer;
  llvm::Type* element = a.rows->getAllocatedType()->getArrayElementType();
  auto* vector = unit_.vector_of(element, lanes);
  const DType type = program_.buffers[static_cast<std::size_t>(buffer)].dtype;
  std::vector<llvm::Value*> block(static_cast<std::size_t>(lanes), llvm::PoisonValue::get(vector));
  for (int row = 0; row < rows; ++row)
    block[static_cast<std::size_t>(row)] = b_.CreateAlignedLoad(
        vector, b_.CreateConstInBoundsGEP1_64(element, a.rows, static_cast<std::uint64_t>(row * lanes)), kRowAlign);
  transpose(block);
  for (int column = 0; column < columns; ++column) {
    const Address at = crossed_address(a, crossing, first_lane, column);
    llvm::Value* place = element_pointer(buffer, at.base);
    llvm::Value* what = block[static_cast<std::size_t>(column)];
    const llvm::Align align(static_cast<std::uint64_t>(byte_size(type)));
    llvm::Instruction* store = rows < lanes
                                   ? b_.CreateMaskedStore(what, place, align, first_lanes(lanes, rows))
                                   : static_cast<llvm::Instruction*>(b_.CreateAlignedStore(what, place, align));
    mark_aliases(store, buffer);
  }
}

// Rows of a square become its columns: bit by bit of their numbers, row and column change places.
void KernelEmitter::transpose(std::vector<llvm::Value*>& square) {
  const std::size_t n = square.size();
  for (std::size_t bit = 1; bit < n; bit *= 2) {
    std::vector<int> low(n), high(n);
    for (std::size_t c = 0; c < n; ++c) {
      const bool set = (c & bit) != 0;
      low[c] = static_cast<int>(set ? n + c - bit : c);
      high[c] = static_cast<int>(set ? n + c : c + bit);
    }
    for (std::size_t r = 0; r < n; ++r) {
      if (r & bit) continue;
      llvm::Value *a = square[r], *b = square[r | bit];
      square[r] = b_.CreateShuffleVector(a, b, low);
      square[r | bit] = b_.CreateShuffleVector(a, b, high);
    }
  }
}

// f(round) for rounds [0, rounds), in a loop where there are several.
void KernelEmitter::counted(std::int64_t rounds, const std::function<void(llvm::Value*)>& f) {
  if (rounds == 1) return f(i64(0));
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("across"), *after = new_block("after");
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "r");
  i->addIncoming(i64(0), before);
  f(i);
  llvm::Value* next = b_.CreateAdd(i, i64(1), "", true, true);
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(rounds)), round, after);
  b_.SetInsertPoint(after);
}

}  // namespace gradc::codegen
