// The entry of a program (gradc_entry of runtime/include/gradc/abi.h): a frame from its arguments, then its statements.
// A kernel with too little work, or without a pool, runs as one call over its whole range. Loops keep their index in
// the frame, where kernels find it.
#include <llvm/IR/Constants.h>

#include <algorithm>

#include "compiler/codegen/describe.h"
#include "compiler/codegen/unit.h"
#include "gradc/watch.h"

namespace gradc::codegen {
namespace {

// Scalar operations that may be worth a piece of their own: one to some microseconds, where a message between cores
// takes a tenth of one, or one. A pool may yet run the pieces on one thread.
constexpr std::int64_t kWorkOfPiece = 80000;
constexpr std::int64_t kPiecesPerWorker = 4;

class EntryEmitter {
 public:
  EntryEmitter(Unit& unit, const KernelProgram& program, const std::vector<llvm::Function*>& kernels, bool watched)
      : unit_(unit), program_(program), kernels_(kernels), watched_(watched), b_(unit.context()) {}
  void run(const std::string& symbol);

 private:
  llvm::Value* i64(std::int64_t v) { return b_.getInt64(static_cast<std::uint64_t>(v)); }
  llvm::Value* field(unsigned which, llvm::StructType* type, llvm::Value* of) {
    return b_.CreateLoad(type->getElementType(which), b_.CreateStructGEP(type, of, which));
  }
  void fill_frame();
  llvm::Value* wanted_pieces();
  void statements(const std::vector<Statement>& list);
  void statement(const Statement& statement);
  void tell(std::int64_t kernel, bool end);
  void launch(const Kernel& kernel, llvm::Function* function);
  void copy(const Statement& statement);
  void repeat(const Statement& statement);
  void repeat_while(const Statement& statement);
  void choose(const Statement& statement);
  llvm::Value* flag(const Statement& statement);
  llvm::Value* trip(int loop);  // where its index stands
  llvm::BasicBlock* new_block(const char* name) { return llvm::BasicBlock::Create(unit_.context(), name, function_); }
  llvm::Value* place(const KernelBuffer& buffer);
  llvm::Constant* default_scalars();

  Unit& unit_;
  const KernelProgram& program_;
  const std::vector<llvm::Function*>& kernels_;
  bool watched_;
  Builder b_;
  llvm::Function* function_ = nullptr;
  llvm::Value* frame_ = nullptr;
};

llvm::StructType* context_type(Unit& unit) {  // gradc_context
  return llvm::StructType::get(unit.context(), {unit.pointer(), unit.pointer(), unit.i64()});
}

llvm::Value* pieces_of(Unit& unit, Builder& b, llvm::Value* frame, std::int64_t most) {
  llvm::Value* wanted =
      b.CreateLoad(unit.i64(), b.CreateStructGEP(unit.frame(), frame, static_cast<unsigned>(FrameField::pieces)));
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, wanted, b.getInt64(static_cast<std::uint64_t>(most)));
}

// void piece(frame*, i64 piece, i64 worker): rounds [extent * piece / pieces, extent * (piece + 1) / pieces) of a
// kernel. What it needs to know is code, or in the frame: another core finds nothing new to read.
llvm::Function* piece_function(Unit& unit, const Kernel& kernel, llvm::Function* function, std::int64_t most) {
  Builder b(unit.context());
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {unit.pointer(), unit.i64(), unit.i64()}, false);
  llvm::Function* f =
      unit.function(type, llvm::GlobalValue::InternalLinkage, "piece." + std::string(function->getName()));
  b.SetInsertPoint(llvm::BasicBlock::Create(unit.context(), "entry", f));
  llvm::Value *frame = f->getArg(0), *extent = b.getInt64(static_cast<std::uint64_t>(kernel.parallel));
  llvm::Value* pieces = pieces_of(unit, b, frame, most);
  auto cut = [&](llvm::Value* piece) { return b.CreateUDiv(b.CreateMul(extent, piece), pieces); };
  llvm::Value* begin = cut(f->getArg(1));
  llvm::Value* end = cut(b.CreateAdd(f->getArg(1), b.getInt64(1)));
  b.CreateCall(function, {frame, begin, end, f->getArg(2)});
  b.CreateRetVoid();
  return f;
}

void EntryEmitter::run(const std::string& symbol) {
  std::vector<llvm::Type*> arguments(6, unit_.pointer());
  function_ = unit_.function(llvm::FunctionType::get(unit_.i32(), arguments, false), llvm::GlobalValue::ExternalLinkage,
                             symbol);
  b_.SetInsertPoint(llvm::BasicBlock::Create(unit_.context(), "entry", function_));
  fill_frame();
  statements(program_.entry);
  b_.CreateRet(b_.getInt32(0));
}

void EntryEmitter::statements(const std::vector<Statement>& list) {
  for (const Statement& s : list) statement(s);
}

void EntryEmitter::statement(const Statement& s) {
  switch (s.kind) {
    case Statement::Kind::launch: {
      auto k = static_cast<std::size_t>(s.kernel);
      tell(s.kernel, false);
      launch(program_.kernels[k], kernels_[k]);
      return tell(s.kernel, true);
    }
    case Statement::Kind::copy:
      tell(runtime::kCopy, false);
      copy(s);
      return tell(runtime::kCopy, true);
    case Statement::Kind::repeat:
      return repeat(s);
    case Statement::Kind::repeat_while:
      return repeat_while(s);
    case Statement::Kind::choose:
      return choose(s);
  }
}

// context->tell(context->watcher, kernel, end)
void EntryEmitter::tell(std::int64_t kernel, bool end) {
  if (!watched_) return;
  llvm::StructType* context = context_type(unit_);
  llvm::StructType* shape = llvm::StructType::get(unit_.context(), {context, unit_.pointer(), unit_.pointer()});
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {unit_.pointer(), unit_.i64(), unit_.i64()}, false);
  llvm::Value* given = function_->getArg(5);
  b_.CreateCall(type, field(1, shape, given), {field(2, shape, given), i64(kernel), i64(end)});
}

llvm::Value* EntryEmitter::trip(int loop) {
  llvm::Value* trips = b_.CreateStructGEP(unit_.frame(), frame_, static_cast<unsigned>(FrameField::trips));
  return b_.CreateConstInBoundsGEP1_64(unit_.i64(), trips, static_cast<std::uint64_t>(loop));
}

void EntryEmitter::repeat(const Statement& s) {
  if (s.extent == 0) return;
  llvm::BasicBlock *before = b_.GetInsertBlock(), *body = new_block("for"), *after = new_block("done");
  b_.CreateBr(body);
  b_.SetInsertPoint(body);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "t");
  i->addIncoming(i64(0), before);
  b_.CreateStore(i, trip(s.loop));
  statements(s.body);
  llvm::Value* next = b_.CreateAdd(i, i64(1), "", true, true);
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, i64(s.extent)), body, after);
  b_.SetInsertPoint(after);
}

void EntryEmitter::repeat_while(const Statement& s) {
  llvm::BasicBlock *before = b_.GetInsertBlock(), *check = new_block("while"), *body = new_block("do"),
                   *after = new_block("done");
  b_.CreateBr(check);
  b_.SetInsertPoint(check);
  llvm::PHINode* trips = b_.CreatePHI(unit_.i64(), 2, "trips");
  trips->addIncoming(i64(0), before);
  statements(s.before);
  llvm::Value* go_on = flag(s);
  if (s.extent > 0) go_on = b_.CreateAnd(go_on, b_.CreateICmpSLT(trips, i64(s.extent)));
  b_.CreateCondBr(go_on, body, after);
  b_.SetInsertPoint(body);
  statements(s.body);
  trips->addIncoming(b_.CreateAdd(trips, i64(1)), b_.GetInsertBlock());
  b_.CreateBr(check);
  b_.SetInsertPoint(after);
}

void EntryEmitter::choose(const Statement& s) {
  llvm::BasicBlock *yes = new_block("then"), *no = new_block("else"), *after = new_block("done");
  b_.CreateCondBr(flag(s), yes, no);
  for (auto [block, list] : {std::pair(yes, &s.body), std::pair(no, &s.otherwise)}) {
    b_.SetInsertPoint(block);
    statements(*list);
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
}

llvm::Value* EntryEmitter::flag(const Statement& s) {
  llvm::Value* byte = b_.CreateLoad(b_.getInt8Ty(), place(program_.buffers[static_cast<std::size_t>(s.flag)]));
  return b_.CreateICmpNE(byte, b_.getInt8(0));
}

void EntryEmitter::fill_frame() {
  int trips = 0;
  for_each_statement(program_.entry, [&](const Statement& s) {
    if (s.kind == Statement::Kind::repeat) trips = std::max(trips, s.loop + 1);
  });
  llvm::AllocaInst* frame = b_.CreateAlloca(unit_.frame_with(static_cast<unsigned>(trips)), nullptr, "frame");
  frame->setAlignment(llvm::Align(64));  // a line that no other core's is written beside
  frame_ = frame;
  llvm::Value *workspace = function_->getArg(3), *scalars = function_->getArg(4);
  llvm::Value* workers = b_.CreateGEP(b_.getInt8Ty(), workspace, i64(program_.arena_bytes));
  if (!program_.scalars.empty()) scalars = b_.CreateSelect(b_.CreateIsNull(scalars), default_scalars(), scalars);
  auto set = [&](FrameField field, llvm::Value* v) {
    b_.CreateStore(v, b_.CreateStructGEP(unit_.frame(), frame_, static_cast<unsigned>(field)));
  };
  set(FrameField::inputs, function_->getArg(0));
  set(FrameField::outputs, function_->getArg(1));
  set(FrameField::state, function_->getArg(2));
  set(FrameField::arena, workspace);
  set(FrameField::workers, workers);
  set(FrameField::scalars, scalars);
  set(FrameField::pieces, wanted_pieces());
}

// Of every kernel that has work for so many: 1 where there is no pool.
llvm::Value* EntryEmitter::wanted_pieces() {
  llvm::StructType* type = context_type(unit_);
  auto* serial = new llvm::GlobalVariable(unit_.module(), type, true, llvm::GlobalValue::PrivateLinkage,
                                          llvm::Constant::getNullValue(type), "serial");
  llvm::Value* given = function_->getArg(5);
  llvm::Value* context = b_.CreateSelect(b_.CreateIsNull(given), serial, given);
  llvm::Value* workers = field(2, type, context);
  llvm::Value* several = b_.CreateAnd(b_.CreateIsNotNull(field(0, type, context)), b_.CreateICmpSGT(workers, i64(1)));
  return b_.CreateSelect(several, b_.CreateMul(workers, i64(kPiecesPerWorker)), i64(1));
}

llvm::Constant* EntryEmitter::default_scalars() {
  std::vector<std::byte> bytes = scalar_defaults(program_);
  return unit_.bytes(bytes.data(), bytes.size(), "defaults." + program_.name);
}

void EntryEmitter::launch(const Kernel& kernel, llvm::Function* function) {
  if (kernel.parallel <= 0) return;
  std::int64_t most = std::min(kernel.parallel, kernel.work / kWorkOfPiece);
  auto whole = [&] { b_.CreateCall(function, {frame_, i64(0), i64(kernel.parallel), i64(0)}); };
  if (most <= 1) return whole();
  llvm::BasicBlock *pool = new_block("pool"), *serial = new_block("serial"), *after = new_block("done");
  llvm::Value* pieces = pieces_of(unit_, b_, frame_, most);
  b_.CreateCondBr(b_.CreateICmpSGT(pieces, i64(1)), pool, serial);
  b_.SetInsertPoint(pool);
  llvm::StructType* context = context_type(unit_);
  llvm::Value* given = function_->getArg(5);
  auto* type =
      llvm::FunctionType::get(b_.getVoidTy(), {unit_.pointer(), unit_.pointer(), unit_.pointer(), unit_.i64()}, false);
  b_.CreateCall(type, field(0, context, given),
                {field(1, context, given), piece_function(unit_, kernel, function, most), frame_, pieces});
  b_.CreateBr(after);
  b_.SetInsertPoint(serial);
  whole();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void EntryEmitter::copy(const Statement& statement) {
  const KernelBuffer& from = program_.buffers[static_cast<std::size_t>(statement.from)];
  const KernelBuffer& to = program_.buffers[static_cast<std::size_t>(statement.to)];
  ensure(from.bytes() == to.bytes(), "codegen: a copy is between buffers of one size");
  if (from.bytes() == 0) return;
  b_.CreateMemCpy(place(to), llvm::MaybeAlign(), place(from), llvm::MaybeAlign(),
                  static_cast<std::uint64_t>(from.bytes()));
}

llvm::Value* EntryEmitter::place(const KernelBuffer& buffer) {
  auto at = [&](llvm::Value* base) { return b_.CreateGEP(b_.getInt8Ty(), base, i64(buffer.offset)); };
  auto slot = [&](unsigned argument) {
    return b_.CreateLoad(unit_.pointer(), b_.CreateGEP(unit_.pointer(), function_->getArg(argument), i64(buffer.slot)));
  };
  switch (buffer.space) {
    case Space::input:
      return slot(0);
    case Space::output:
      return slot(1);
    case Space::state:
      return at(function_->getArg(2));
    case Space::arena:
      return at(function_->getArg(3));
    case Space::table:
      return unit_.table(buffer);
    case Space::scalar:
      return at(field(static_cast<unsigned>(FrameField::scalars), unit_.frame(), frame_));
    case Space::view: {
      const KernelBuffer& base = program_.buffers[static_cast<std::size_t>(buffer.base)];
      llvm::Value* start = i64(buffer.start.offset);
      for (const Affine::Part& part : buffer.start.parts)
        start =
            b_.CreateAdd(start, b_.CreateMul(b_.CreateLoad(unit_.i64(), trip(part.variable)), i64(part.coefficient)));
      return b_.CreateGEP(unit_.stored_type(buffer.dtype), place(base), start);
    }
    case Space::worker:
      break;
  }
  internal_error("codegen: a worker's buffer is no operand of a copy");
}

}  // namespace

void emit_entry(Unit& unit, const std::string& symbol, const KernelProgram& program,
                const std::vector<llvm::Function*>& kernels, bool watched) {
  EntryEmitter(unit, program, kernels, watched).run(symbol);
}

}  // namespace gradc::codegen
