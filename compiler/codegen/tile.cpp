// The register tile of a contraction as an outlined function: one per shape, shared by all contractions of a unit.
//
//   void tile(A, B, C, a_row, c_row, (extent, a_step, b_step) per depth loop), strides in elements
//
// Accumulators stay in vector registers over all depth loops; a step of the innermost one loads `columns` of B and one
// number of A per row, and does rows * vectors FMAs. Two strides are part of the shape, as most tiles have them and
// addresses get short by them: innermost a_step 1, and innermost b_step `columns` (a packed panel). So are the rows
// that take part in each step of a loop with a bound of rows.
#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <functional>

#include "compiler/codegen/unit.h"

namespace gradc::codegen {
namespace {

// Steps of the innermost depth loop in one round: more only where a step is short, as a scheduler that sees several
// long ones loads ahead until registers spill.
int unroll_of(int multiply_adds) { return multiply_adds >= 12 ? 1 : multiply_adds >= 6 ? 2 : 4; }

// Zen 5 loads four numbers a cycle into general registers, two into vector registers, and moves from the first to the
// second beside its multiply-adds.
bool loads_numbers_apart(const Target& target) { return target.cpu == "znver5"; }

class TileEmitter {
 public:
  TileEmitter(Unit& unit, const Tile& tile, llvm::Function* function)
      : unit_(unit), tile_(tile), function_(function), b_(unit.context()) {}
  void run();

 private:
  struct Operands {
    llvm::Value *a, *b;
  };
  using Rows = std::pair<std::int64_t, std::int64_t>;  // from .first to before .second
  struct Depth {
    llvm::Value *extent, *a_step, *b_step;
  };
  llvm::Value* i64(std::int64_t v) { return b_.getInt64(static_cast<std::uint64_t>(v)); }
  llvm::Value* advance(llvm::Value* pointer, llvm::Value* elements) {
    return b_.CreateGEP(element_, pointer, elements);
  }
  llvm::BasicBlock* new_block(const char* name) { return llvm::BasicBlock::Create(unit_.context(), name, function_); }
  Operands depth_loop(std::size_t level, Operands at);
  Operands inside(std::size_t level, Operands at);
  Operands counted(llvm::Value* rounds, Operands at, const std::function<Operands(Operands)>& body);
  void step(Operands at);
  llvm::Value* opaque(llvm::Value* value);
  llvm::Value* number(llvm::Value* place, int row);
  llvm::Value* rows_on(llvm::Value* base, int rows);

  Unit& unit_;
  const Tile& tile_;
  llvm::Function* function_;
  Builder b_;
  llvm::Type* element_ = nullptr;
  llvm::Type* vector_ = nullptr;
  int lanes_ = 1, vectors_ = 1;
  std::vector<Depth> depth_;
  llvm::Value* row_bytes_[3] = {};    // 1, 3 and 5 rows of A
  std::vector<llvm::Value*> totals_;  // rows * vectors
  Rows rows_{0, tile_.rows};          // that take part in the steps at hand
};

bool unit_a(const Tile& t) { return t.depth.back().a_step == 1; }
bool panel_b(const Tile& t) { return t.depth.back().b_step == t.columns; }

void TileEmitter::run() {
  element_ = unit_.value_type(tile_.dtype);
  lanes_ = std::min(unit_.target().lanes(byte_size(tile_.dtype)), tile_.columns);
  ensure(tile_.columns % lanes_ == 0, "codegen: a tile's columns are a multiple of the target's lanes");
  vectors_ = tile_.columns / lanes_;
  vector_ = unit_.vector_of(element_, lanes_);
  b_.SetInsertPoint(new_block("entry"));
  llvm::Value *a = function_->getArg(0), *b = function_->getArg(1), *c = function_->getArg(2);
  llvm::Value *a_row = function_->getArg(3), *c_row = function_->getArg(4);
  for (std::size_t d = 0; d < tile_.depth.size(); ++d) {
    unsigned first = 5 + 3 * static_cast<unsigned>(d);
    depth_.push_back({function_->getArg(first), function_->getArg(first + 1), function_->getArg(first + 2)});
  }
  if (unit_a(tile_)) depth_.back().a_step = i64(1);
  if (panel_b(tile_)) depth_.back().b_step = i64(tile_.columns);
  llvm::Align align(static_cast<std::uint64_t>(byte_size(tile_.dtype)));
  auto place = [&](int r, int v) {
    llvm::Value* row = advance(c, b_.CreateMul(c_row, i64(r)));
    return advance(row, i64(v * lanes_));
  };
  for (int i = 0; i < 3; ++i) row_bytes_[i] = b_.CreateMul(a_row, i64((2 * i + 1) * byte_size(tile_.dtype)));
  for (int r = 0; r < tile_.rows; ++r) {
    for (int v = 0; v < vectors_; ++v)
      totals_.push_back(tile_.accumulate ? static_cast<llvm::Value*>(b_.CreateAlignedLoad(vector_, place(r, v), align))
                                         : llvm::Constant::getNullValue(vector_));
  }
  depth_loop(0, {a, b});
  for (int r = 0; r < tile_.rows; ++r)
    for (int v = 0; v < vectors_; ++v)
      b_.CreateAlignedStore(totals_[static_cast<std::size_t>(r * vectors_ + v)], place(r, v), align);
  b_.CreateRetVoid();
}

// Runs the body `rounds` times (a value, perhaps 0); operands and totals go from round to round.
TileEmitter::Operands TileEmitter::counted(llvm::Value* rounds, Operands at,
                                           const std::function<Operands(Operands)>& body) {
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("depth"), *after = new_block("after");
  b_.CreateCondBr(b_.CreateICmpSGT(rounds, i64(0)), round, after);
  b_.SetInsertPoint(round);
  llvm::PHINode* left = b_.CreatePHI(unit_.i64(), 2, "left");
  left->addIncoming(rounds, before);
  std::vector<llvm::Value*> initial = totals_;
  initial.push_back(at.a);
  initial.push_back(at.b);
  std::vector<llvm::PHINode*> phis;
  for (llvm::Value* v : initial) {
    phis.push_back(b_.CreatePHI(v->getType(), 2));
    phis.back()->addIncoming(v, before);
  }
  for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] = phis[i];
  Operands end = body({phis[totals_.size()], phis[totals_.size() + 1]});
  std::vector<llvm::Value*> last = totals_;
  last.push_back(end.a);
  last.push_back(end.b);
  llvm::Value* next = b_.CreateSub(left, i64(1));
  llvm::BasicBlock* latch = b_.GetInsertBlock();
  for (std::size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(last[i], latch);
  left->addIncoming(next, latch);
  b_.CreateCondBr(b_.CreateICmpSGT(next, i64(0)), round, after);
  b_.SetInsertPoint(after);
  std::vector<llvm::Value*> merged;
  for (std::size_t i = 0; i < phis.size(); ++i) {
    llvm::PHINode* phi = b_.CreatePHI(last[i]->getType(), 2);
    phi->addIncoming(initial[i], before);
    phi->addIncoming(last[i], latch);
    merged.push_back(phi);
  }
  totals_.assign(merged.begin(), merged.end() - 2);
  return {merged[merged.size() - 2], merged.back()};
}

// A step of this depth loop; where the next one begins.
TileEmitter::Operands TileEmitter::inside(std::size_t level, Operands at) {
  if (rows_.first < rows_.second) {
    if (level + 1 < depth_.size())
      depth_loop(level + 1, at);
    else
      step(at);
  }
  return {advance(at.a, depth_[level].a_step), advance(at.b, depth_[level].b_step)};
}

TileEmitter::Operands TileEmitter::depth_loop(std::size_t level, Operands at) {
  const Depth& d = depth_[level];
  if (const auto& bound = tile_.depth[level].rows) {
    const Rows all = rows_;
    for (std::int64_t i = 0; i < tile_.depth[level].extent; ++i) {
      rows_ = bound->in_step(i, tile_.rows);
      at = inside(level, at);
    }
    rows_ = all;
    return at;
  }
  if (level + 1 < depth_.size()) return counted(d.extent, at, [&](Operands now) { return inside(level, now); });
  int unroll = unroll_of(tile_.rows * vectors_);
  auto once = [&](Operands now) { return inside(level, now); };
  if (unroll == 1) return counted(d.extent, at, once);
  at = counted(b_.CreateSDiv(d.extent, i64(unroll)), at, [&](Operands now) {
    for (int k = 0; k < unroll; ++k) now = inside(level, now);
    return now;
  });
  return counted(b_.CreateSRem(d.extent, i64(unroll)), at, once);
}

// A value in a general register of which the optimiser knows nothing.
llvm::Value* TileEmitter::opaque(llvm::Value* value) {
  auto* type = llvm::FunctionType::get(value->getType(), {value->getType()}, false);
  return b_.CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", false), {value});
}

// A number of A in all lanes. With one vector a row, a step loads more often than it multiplies: some rows then come by
// a general register, where loads of those have ways of their own.
llvm::Value* TileEmitter::number(llvm::Value* place, int row) {
  constexpr int kEach = 7;  // more often gains nothing
  const llvm::Align align(static_cast<std::uint64_t>(byte_size(tile_.dtype)));
  if (vectors_ > 1 || !loads_numbers_apart(unit_.target()) || row % kEach != kEach / 2) {
    llvm::Value* one = b_.CreateAlignedLoad(element_, place, align);
    return lanes_ > 1 ? b_.CreateVectorSplat(static_cast<unsigned>(lanes_), one) : one;
  }
  llvm::Value* bits =
      opaque(b_.CreateAlignedLoad(b_.getIntNTy(8 * static_cast<unsigned>(byte_size(tile_.dtype))), place, align));
  return b_.CreateBitCast(b_.CreateVectorSplat(static_cast<unsigned>(lanes_), bits), vector_);
}

// The address `rows` rows of A after a base, where that is base + {1, 3, 5 rows} * {1, 2, 4, 8}; else null.
llvm::Value* TileEmitter::rows_on(llvm::Value* base, int rows) {
  if (rows == 0) return base;
  for (int i = 0; i < 3; ++i)
    for (unsigned scale = 1; scale <= 8; scale *= 2)
      if (rows == (2 * i + 1) * static_cast<int>(scale))
        return b_.CreateGEP(b_.getIntNTy(8 * scale), base, row_bytes_[i]);
  return nullptr;
}

void TileEmitter::step(Operands at) {
  llvm::Align align(static_cast<std::uint64_t>(byte_size(tile_.dtype)));
  std::vector<llvm::Value*> columns;
  for (int v = 0; v < vectors_; ++v)
    columns.push_back(b_.CreateAlignedLoad(vector_, advance(at.b, i64(v * lanes_)), align));
  // Of rows 0, 5, 10, …: strength reduction would make the addresses one long chain of additions through all rounds.
  std::vector<llvm::Value*> bases = {opaque(at.a)};
  for (int r = 0; r < tile_.rows; ++r) {
    if (r > 0 && r % 5 == 0) bases.push_back(b_.CreateGEP(b_.getInt8Ty(), bases.back(), row_bytes_[2]));
    if (r < rows_.first || r >= rows_.second) continue;
    llvm::Value* place = nullptr;
    for (std::size_t i = bases.size(); i-- > 0 && !place;) place = rows_on(bases[i], r - 5 * static_cast<int>(i));
    llvm::Value* one = number(place, r);
    for (int v = 0; v < vectors_; ++v) {
      llvm::Value*& total = totals_[static_cast<std::size_t>(r * vectors_ + v)];
      total = unit_.multiply_add(b_, one, columns[static_cast<std::size_t>(v)], total);
    }
  }
}

}  // namespace

std::string tile_name(const Tile& tile) {
  std::string name = "tile." + std::string(name_of(tile.dtype)) + "." + std::to_string(tile.rows) + "x" +
                     std::to_string(tile.columns) + ".d" + std::to_string(tile.depth.size()) +
                     (tile.accumulate ? ".add" : "") + (unit_a(tile) ? ".a1" : "") + (panel_b(tile) ? ".panel" : "");
  for (std::size_t d = 0; d < tile.depth.size(); ++d) {
    if (!tile.depth[d].rows) continue;
    name += ".rows" + std::to_string(d);
    for (std::int64_t i = 0; i < tile.depth[d].extent; ++i) {
      const auto [from, to] = tile.depth[d].rows->in_step(i, tile.rows);
      name += "_" + std::to_string(from) + "to" + std::to_string(to);
    }
  }
  return name;
}

llvm::Function* Unit::tile(const Tile& tile) {
  ensure(!tile.depth.empty(), "codegen: a tile has a depth");
  std::string name = tile_name(tile);
  llvm::Function*& known = tiles_[name];
  if (known) return known;
  std::vector<llvm::Type*> arguments(3, pointer());
  arguments.resize(5 + 3 * tile.depth.size(), i64());
  known = function(llvm::FunctionType::get(llvm::Type::getVoidTy(context_), arguments, false),
                   llvm::GlobalValue::InternalLinkage, name);
  known->addFnAttr(llvm::Attribute::NoInline);
  known->addParamAttr(2, llvm::Attribute::NoAlias);
  TileEmitter(*this, tile, known).run();
  return known;
}

}  // namespace gradc::codegen
