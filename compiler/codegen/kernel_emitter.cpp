// A kernel's function: its frame, the parallel loop, blocks of instructions, calls of register tiles.
#include "compiler/codegen/kernel_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>

namespace gradc::codegen {
namespace {

bool is_constant(Space space) { return space == Space::table || space == Space::scalar; }

}  // namespace

bool may_alias(const KernelBuffer& a, const KernelBuffer& b) {
  auto callers = [](Space s) { return s == Space::input || s == Space::output; };
  if (callers(a.space) && callers(b.space)) return true;
  if (a.space != b.space) return false;
  return a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes();
}

KernelEmitter::KernelEmitter(Unit& unit, const KernelProgram& program, const Kernel& kernel)
    : unit_(unit), program_(program), kernel_(kernel), b_(unit.context()), prologue_(unit.context()) {
  values_.resize(static_cast<std::size_t>(kernel.values));
  types_.resize(values_.size());
  variables_.resize(static_cast<std::size_t>(std::max(kernel.variables, 1)));
  variables_[0].extent = kernel.parallel;
  pointers_.resize(program.buffers.size());
  scopes_.resize(program.buffers.size());
  others_.resize(program.buffers.size());
  collect(kernel.body);
  ahead_ = rows_ahead(program, kernel);
}

// Extents of all loop variables, and an alias scope for every group of overlapping buffers in use.
void KernelEmitter::collect(const std::vector<Instr>& block) {
  std::vector<int> used;  // what views are part of stands for them
  auto walk = [&](auto& self, const std::vector<Instr>& instrs) -> void {
    for (const Instr& in : instrs) {
      if (in.loop) variables_[static_cast<std::size_t>(in.loop->variable)].extent = in.loop->extent;
      if (in.access) used.push_back(program_.root(in.access->buffer));
      self(self, in.body);
    }
  };
  walk(walk, block);
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  std::erase_if(used, [&](int b) { return is_constant(program_.buffers[static_cast<std::size_t>(b)].space); });

  llvm::MDBuilder md(unit_.context());
  llvm::MDNode* domain = md.createAnonymousAliasScopeDomain(kernel_.name);
  auto buffer = [&](int i) -> const KernelBuffer& { return program_.buffers[static_cast<std::size_t>(i)]; };
  std::vector<int> group(used.size());
  for (std::size_t i = 0; i < used.size(); ++i) group[i] = static_cast<int>(i);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < used.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (group[i] != group[j] && may_alias(buffer(used[i]), buffer(used[j]))) {
          int from = std::max(group[i], group[j]), to = std::min(group[i], group[j]);
          std::replace(group.begin(), group.end(), from, to);
          changed = true;
        }
  }
  std::vector<llvm::MDNode*> scope(used.size());
  for (std::size_t i = 0; i < used.size(); ++i)
    if (group[i] == static_cast<int>(i)) scope[i] = md.createAnonymousAliasScope(domain, buffer(used[i]).name);
  for (std::size_t i = 0; i < used.size(); ++i) {
    std::vector<llvm::Metadata*> others;
    for (std::size_t j = 0; j < used.size(); ++j)
      if (scope[j] && group[j] != group[i]) others.push_back(scope[j]);
    auto own = static_cast<std::size_t>(used[i]);
    scopes_[own] = llvm::MDNode::get(unit_.context(), {scope[static_cast<std::size_t>(group[i])]});
    others_[own] = others.empty() ? nullptr : llvm::MDNode::get(unit_.context(), others);
  }
}

llvm::Function* KernelEmitter::run(llvm::GlobalValue::LinkageTypes linkage) {
  function_ = declare_kernel(unit_, program_, kernel_, linkage);
  function_->getArg(0)->setName("frame");
  function_->addParamAttr(0, llvm::Attribute::NoAlias);
  function_->getArg(1)->setName("begin");
  function_->getArg(2)->setName("end");
  function_->getArg(3)->setName("worker");
  llvm::BasicBlock* entry = new_block("entry");
  b_.SetInsertPoint(new_block("body"));
  prologue_.SetInsertPoint(llvm::BranchInst::Create(b_.GetInsertBlock(), entry));
  parallel_loop();
  b_.CreateRetVoid();
  return function_;
}

// A single round is what every launch asks for: nothing is repeated.
void KernelEmitter::parallel_loop() {
  if (kernel_.parallel == 1) {
    variables_[0].base = i64(0);
    return one_round();
  }
  llvm::Value *begin = function_->getArg(1), *end = function_->getArg(2);
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("parallel"), *after = new_block("done");
  b_.CreateCondBr(b_.CreateICmpSLT(begin, end), round, after);
  b_.SetInsertPoint(round);
  llvm::PHINode* i = b_.CreatePHI(unit_.i64(), 2, "p");
  i->addIncoming(begin, before);
  variables_[0].base = i;
  one_round();
  llvm::Value* next = b_.CreateAdd(i, i64(1), "", true, true);
  i->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, end), round, after);
  b_.SetInsertPoint(after);
}

llvm::BasicBlock* KernelEmitter::new_block(const char* name) {
  return llvm::BasicBlock::Create(unit_.context(), name, function_);
}

void KernelEmitter::block(const std::vector<Instr>& instructions) {
  std::size_t at = 0;
  if (repeating_ == &instructions)
    for (const Rounds& r : rounds_) {
      straight(instructions, at, r.repeat.begin - at);
      rounds(instructions, r);
      at = r.repeat.end();
    }
  straight(instructions, at, instructions.size() - at);
}

void KernelEmitter::instruction(const Instr& instr) {
  switch (instr.op) {
    case Opcode::load:
      return load(instr);
    case Opcode::store:
      return store(instr);
    case Opcode::loop:
      return loop(instr);
    case Opcode::tile:
      return tile(instr);
    case Opcode::rarely:
      return rarely(instr);
    default:
      note_numbers(instr);
      note_places(instr);
      return define(instr.result, scalar(instr), instr.type);
  }
}

// A round of the parallel loop. Scalar code that it repeats is a function, called in each place.
void KernelEmitter::one_round() {
  struct Place {
    const Chain* chain;
    const Chain::Call* call;
  };
  const std::vector<Chain> chains = repeated_chains(kernel_.body);
  std::map<std::size_t, Place> places;
  for (const Chain& chain : chains)
    for (const Chain::Call& call : chain.calls) places[call.begin] = {&chain, &call};
  std::map<const Chain*, llvm::Function*> functions;
  for (std::size_t i = 0; i < kernel_.body.size();) {
    const auto found = places.find(i);
    if (found == places.end()) {
      instruction(kernel_.body[i++]);
      continue;
    }
    const auto [chain, call] = found->second;
    llvm::Function*& function = functions[chain];
    if (!function) function = function_of(*chain);
    std::vector<llvm::Value*> operands;
    for (int operand : call->operands) operands.push_back(value(operand));
    llvm::Value* result = b_.CreateCall(function, operands);
    for (std::size_t k = i; k < i + chain->length; ++k)
      if (kernel_.body[k].result == call->result) define(call->result, result, kernel_.body[k].type);
    i += chain->length;
  }
}

llvm::Function* KernelEmitter::function_of(const Chain& chain) {
  const Chain::Call& call = chain.calls[0];
  const std::span<const Instr> code = std::span(kernel_.body).subspan(call.begin, chain.length);
  std::vector<llvm::Type*> parameters;
  for (int operand : call.operands) parameters.push_back(value(operand)->getType());
  llvm::Type* result = nullptr;
  for (const Instr& in : code)
    if (in.result == call.result) result = unit_.value_type(in.type);
  llvm::Function* f = unit_.function(llvm::FunctionType::get(result, parameters, false),
                                     llvm::GlobalValue::InternalLinkage, function_->getName().str() + ".chain");
  f->addFnAttr(llvm::Attribute::NoInline);
  f->setDoesNotAccessMemory();
  const llvm::IRBuilderBase::InsertPointGuard guard(b_);
  b_.SetInsertPoint(llvm::BasicBlock::Create(unit_.context(), "entry", f));
  const std::vector<llvm::Value*> outside = values_;
  for (std::size_t i = 0; i < call.operands.size(); ++i)
    values_[static_cast<std::size_t>(call.operands[i])] = f->getArg(static_cast<unsigned>(i));
  for (const Instr& in : code) instruction(in);
  b_.CreateRet(value(call.result));
  values_ = outside;
  return f;
}

void KernelEmitter::define(int value, llvm::Value* what, DType type) {
  auto at = static_cast<std::size_t>(value);
  if (at >= values_.size()) {
    values_.resize(at + 1);
    types_.resize(at + 1);
  }
  values_[at] = what;
  types_[at] = type;
}

llvm::Value* KernelEmitter::value(int id) { return repeated(raw(id)); }

llvm::Value* KernelEmitter::raw(int id) const {
  ensure(id >= 0 && static_cast<std::size_t>(id) < values_.size() && values_[static_cast<std::size_t>(id)],
         "codegen: a value is defined before its use");
  return values_[static_cast<std::size_t>(id)];
}

// condition ? slow : fast, with the slow body behind a branch that no lane takes as a rule.
void KernelEmitter::rarely(const Instr& instr) {
  llvm::Value* condition = value(instr.args[0]);
  llvm::Value* fast = value(instr.args[1]);
  llvm::Value* any = any_lane(condition);
  llvm::BasicBlock *before = b_.GetInsertBlock(), *slow_block = new_block("rarely"), *after = new_block("usual");
  b_.CreateCondBr(any, slow_block, after, llvm::MDBuilder(unit_.context()).createBranchWeights(1, 2000));
  b_.SetInsertPoint(slow_block);
  block(instr.body);
  llvm::Value* slow = value(instr.yield);
  if (is_vector(condition) || is_vector(slow) || is_vector(fast)) {
    slow = widen(slow);
    condition = widen(condition);
  }
  llvm::Value* mixed_fast = is_vector(slow) ? widen(fast) : fast;
  llvm::Value* mixed = b_.CreateSelect(condition, slow, mixed_fast);
  llvm::BasicBlock* slow_end = b_.GetInsertBlock();
  b_.CreateBr(after);
  if (is_vector(mixed) && !is_vector(fast)) {  // the splat must dominate the merge
    b_.SetInsertPoint(before->getTerminator());
    fast = widen(fast);
  }
  b_.SetInsertPoint(after);
  llvm::PHINode* merged = b_.CreatePHI(mixed->getType(), 2);
  merged->addIncoming(fast, before);
  merged->addIncoming(mixed, slow_end);
  define(instr.result, merged, instr.type);
}

void KernelEmitter::tile(const Instr& instr) {
  const Tile& t = *instr.tile;
  llvm::Value *a = affine(t.a_base), *b = affine(t.b_base);
  std::vector<llvm::Value*> depth;
  for (const Tile::Depth& d : t.depth) {
    llvm::Value* extent = i64(d.extent);
    if (d.within) {
      const auto [begin, end] = steps(*d.within, d.extent);
      a = b_.CreateAdd(a, b_.CreateMul(begin, i64(d.a_step)));
      b = b_.CreateAdd(b, b_.CreateMul(begin, i64(d.b_step)));
      extent = b_.CreateSub(end, begin);
    }
    depth.insert(depth.end(), {extent, i64(d.a_step), i64(d.b_step)});
  }
  llvm::Value* c = element_pointer(t.c, affine(t.c_base));
  std::vector<llvm::Value*> args = {element_pointer(t.a, a), element_pointer(t.b, b), c, i64(t.a_row), i64(t.c_row)};
  args.insert(args.end(), depth.begin(), depth.end());
  if (!t.accumulate) ask_for_result(t, c);
  b_.CreateCall(unit_.tile(t), args);
}

// Tile::Bound::steps where the program runs.
std::pair<llvm::Value*, llvm::Value*> KernelEmitter::steps(const Tile::Bound& bound, std::int64_t extent) {
  const std::int64_t width = std::abs(bound.step);
  llvm::Value* first = affine(bound.first);
  auto taken = [&](llvm::Value* n) {
    n = b_.CreateUDiv(b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, n, i64(0)), i64(width));
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, n, i64(extent));
  };
  if (bound.step > 0)
    return {taken(b_.CreateSub(i64(width - 1), first)), taken(b_.CreateSub(i64(bound.size + width - 1), first))};
  return {taken(b_.CreateAdd(first, i64(width - bound.size))), taken(b_.CreateAdd(first, i64(width)))};
}

// Asks for the lines of a result that no cache holds while the tile is computed: its stores would wait for them.
void KernelEmitter::ask_for_result(const Tile& t, llvm::Value* c) {
  const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(t.c)];
  if (buffer.space == Space::worker || buffer.bytes() <= unit_.target().l2_bytes) return;
  const std::int64_t line = kLine / byte_size(t.dtype);
  for (std::int64_t row = 0; row < t.rows; ++row)
    for (std::int64_t column = 0; column < t.columns; column += line)
      prefetch(b_.CreateGEP(unit_.value_type(t.dtype), c, i64(row * t.c_row + column)), true);
}

llvm::Value* KernelEmitter::frame_field(FrameField field) {
  auto* load = prologue_.CreateLoad(
      unit_.pointer(), prologue_.CreateStructGEP(unit_.frame(), function_->getArg(0), static_cast<unsigned>(field)));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(unit_.context(), {}));
  return load;
}

llvm::Value* KernelEmitter::buffer_pointer(int index) {
  llvm::Value*& known = pointers_[static_cast<std::size_t>(index)];
  if (known) return known;
  const KernelBuffer& buffer = program_.buffers[static_cast<std::size_t>(index)];
  auto at = [&](llvm::Value* base) {
    ensure(buffer.offset >= 0, "codegen: buffers are placed before code is generated");
    return prologue_.CreateConstInBoundsGEP1_64(prologue_.getInt8Ty(), base, static_cast<std::uint64_t>(buffer.offset),
                                                buffer.name);
  };
  auto slot = [&](FrameField field) {
    auto* place = prologue_.CreateConstInBoundsGEP1_64(unit_.pointer(), frame_field(field),
                                                       static_cast<std::uint64_t>(buffer.slot));
    auto* load = prologue_.CreateLoad(unit_.pointer(), place, buffer.name);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(unit_.context(), {}));
    return load;
  };
  switch (buffer.space) {
    case Space::input:
      known = slot(FrameField::inputs);
      break;
    case Space::output:
      known = slot(FrameField::outputs);
      break;
    case Space::state:
      known = at(frame_field(FrameField::state));
      break;
    case Space::arena:
      known = at(frame_field(FrameField::arena));
      break;
    case Space::scalar:
      known = at(frame_field(FrameField::scalars));
      break;
    case Space::table:
      known = unit_.table(buffer);
      break;
    case Space::view: {
      llvm::Value* base = buffer_pointer(buffer.base);
      known = prologue_.CreateGEP(unit_.stored_type(buffer.dtype), base, view_start(buffer), buffer.name);
      break;
    }
    case Space::worker: {
      llvm::Value* skip = prologue_.CreateMul(function_->getArg(3), i64(program_.worker_bytes));
      known = at(prologue_.CreateInBoundsGEP(prologue_.getInt8Ty(), frame_field(FrameField::workers), skip));
      break;
    }
  }
  return known;
}

// Of the element of its base at which a view begins.
llvm::Value* KernelEmitter::view_start(const KernelBuffer& view) {
  llvm::Value* start = i64(view.start.offset);
  for (const Affine::Part& part : view.start.parts) {
    llvm::Value* trips =
        prologue_.CreateStructGEP(unit_.frame(), function_->getArg(0), static_cast<unsigned>(FrameField::trips));
    auto* trip = prologue_.CreateLoad(unit_.i64(), prologue_.CreateConstInBoundsGEP1_64(
                                                       unit_.i64(), trips, static_cast<std::uint64_t>(part.variable)));
    start = prologue_.CreateAdd(start, prologue_.CreateMul(trip, i64(part.coefficient)));
  }
  return start;
}

void KernelEmitter::mark_aliases(llvm::Instruction* access, int index) {
  auto at = static_cast<std::size_t>(program_.root(index));
  if (is_constant(program_.buffers[at].space)) {
    if (access->mayReadFromMemory())
      access->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(unit_.context(), {}));
    return;
  }
  if (scopes_[at]) access->setMetadata(llvm::LLVMContext::MD_alias_scope, scopes_[at]);
  if (others_[at]) access->setMetadata(llvm::LLVMContext::MD_noalias, others_[at]);
}

llvm::Value* KernelEmitter::affine(const Affine& affine) {
  llvm::Value* sum = i64(affine.offset);
  for (const Affine::Part& part : affine.parts) {
    llvm::Value* base = variables_[static_cast<std::size_t>(part.variable)].base;
    ensure(base != nullptr, "codegen: a loop variable is used inside its loop");
    sum = b_.CreateAdd(sum, b_.CreateMul(base, i64(part.coefficient)));
  }
  return sum;
}

int KernelEmitter::lanes_of(const llvm::Value* v) {
  const auto* type = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  return type ? static_cast<int>(type->getNumElements()) : 1;
}

llvm::Value* KernelEmitter::widen(llvm::Value* v) {
  if (lanes_ == 1 || is_vector(v)) return v;
  return b_.CreateVectorSplat(static_cast<unsigned>(lanes_), v);
}

llvm::Value* KernelEmitter::repeated(llvm::Value* v) {
  const int lanes = lanes_of(v);
  if (lanes == 1 || lanes >= lanes_) return v;
  // Low halves are picked where they stand, instead of brought together first.
  int step = 1;
  if (const auto* half = llvm::dyn_cast<llvm::TruncInst>(v);
      half && half->getSrcTy()->getScalarSizeInBits() == 64 && half->getDestTy()->getScalarSizeInBits() == 32) {
    step = 2;
    v = b_.CreateBitCast(half->getOperand(0), unit_.vector_of(unit_.i32(), 2 * lanes));
  }
  std::vector<int> pick(static_cast<std::size_t>(lanes_));
  for (int l = 0; l < lanes_; ++l) pick[static_cast<std::size_t>(l)] = step * (l / (lanes_ / lanes));
  return b_.CreateShuffleVector(v, pick);
}

llvm::Value* KernelEmitter::iota(llvm::Type* element, std::int64_t step) {
  std::vector<llvm::Constant*> lanes;
  for (int i = 0; i < lanes_; ++i)
    lanes.push_back(llvm::ConstantInt::get(element, static_cast<std::uint64_t>(step * i), true));
  return lanes_ == 1 ? lanes[0] : llvm::ConstantVector::get(lanes);
}

llvm::Value* KernelEmitter::any_lane(llvm::Value* condition) {
  if (!is_vector(condition)) return condition;
  if (mask_) condition = b_.CreateAnd(condition, mask_);
  return b_.CreateOrReduce(condition);
}

llvm::Function* declare_kernel(Unit& unit, const KernelProgram& program, const Kernel& kernel,
                               llvm::GlobalValue::LinkageTypes linkage) {
  return unit.function(unit.kernel_type(), linkage, program.name + "." + kernel.name);
}

llvm::Function* emit_kernel(Unit& unit, const KernelProgram& program, const Kernel& kernel,
                            llvm::GlobalValue::LinkageTypes linkage) {
  return KernelEmitter(unit, program, kernel).run(linkage);
}

}  // namespace gradc::codegen
