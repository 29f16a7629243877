// Code that repeats in the body of a vector loop, as a loop: the rounds of random bits, of many blocks at once. Written
// out they would be the most of what such a kernel takes to compile, and LLVM would mix rounds of one block with those
// of others as registers allow; a processor sees no further than a few rounds, and must find all blocks there.
#include <algorithm>
#include <utility>

#include "compiler/codegen/kernel_emitter.h"

namespace gradc::codegen {

namespace {

constexpr std::size_t kAtOnce = 2;  // runs in a round of the loop: no word then has to move for the next round

}  // namespace

void KernelEmitter::straight(const std::vector<Instr>& block, std::size_t begin, std::size_t length) {
  for (std::size_t i = begin; i < begin + length; ++i) instruction(block[i]);
}

// What differs from run to run is laid down in memory in front of the loop; it is known there.
std::vector<KernelEmitter::Rounds> KernelEmitter::rounds_of(const Instr& loop) {
  const std::vector<Instr>& block = loop.body;
  std::vector<int> results;
  for (const Accumulator& a : loop.loop->accumulators) results.insert(results.end(), {a.update, a.times});
  std::vector<Rounds> found;
  for (Repeat& repeat : repeats(block, results)) {
    std::vector<std::vector<llvm::Value*>> values;  // of each varying operand, by run
    bool known = true;
    for (const Repeat::Operand& operand : repeat.varying) {
      std::vector<llvm::Value*>& row = values.emplace_back();
      for (std::size_t time = 0; time < repeat.times; ++time) {
        row.push_back(raw(block[repeat.place(time, operand.instruction)].args[operand.argument]));
        known = known && !is_vector(row.back());
      }
    }
    if (!known) continue;
    Rounds rounds{std::move(repeat), {}};
    for (const std::vector<llvm::Value*>& row : values) {
      const bool same = std::all_of(row.begin(), row.end(), [&](llvm::Value* v) { return v == row[0]; });
      llvm::Type* type = row[0]->getType();
      rounds.rows.push_back(
          same ? nullptr : prologue_.CreateAlloca(llvm::ArrayType::get(type, static_cast<unsigned>(row.size()))));
      for (std::size_t time = 0; !same && time < row.size(); ++time)
        b_.CreateStore(row[time], b_.CreateConstInBoundsGEP1_64(type, rounds.rows.back(), time));
    }
    found.push_back(std::move(rounds));
  }
  return found;
}

// Runs are straight code until what they take has the lanes of what they give.
void KernelEmitter::rounds(const std::vector<Instr>& block, const Rounds& rounds) {
  const Repeat& r = rounds.repeat;
  std::size_t time = 0;
  do straight(block, r.place(time++, 0), r.length);
  while (time < r.times && ((r.times - time) % kAtOnce != 0 || !takes_what_it_gives(block, r, time - 1)));
  if (time < r.times) looped(block, rounds, time);
}

bool KernelEmitter::takes_what_it_gives(const std::vector<Instr>& block, const Repeat& r, std::size_t time) const {
  return std::all_of(r.carried.begin(), r.carried.end(), [&](const Repeat::Operand& c) {
    const int taken = block[r.place(time, c.instruction)].args[c.argument];
    return raw(taken)->getType() == raw(block[r.place(time, c.source)].result)->getType();
  });
}

// The runs from `first` on, with the instructions of that one and the next.
void KernelEmitter::looped(const std::vector<Instr>& block, const Rounds& rounds, std::size_t first) {
  const Repeat& r = rounds.repeat;
  const auto result = [&](std::size_t time, std::size_t i) { return block[r.place(time, i)].result; };
  llvm::BasicBlock *before = b_.GetInsertBlock(), *round = new_block("round"), *after = new_block("after");
  b_.CreateBr(round);
  b_.SetInsertPoint(round);
  llvm::PHINode* time = b_.CreatePHI(unit_.i64(), 2, "r");
  time->addIncoming(i64(static_cast<std::int64_t>(first)), before);
  std::map<std::size_t, llvm::PHINode*> carried;  // by what makes them
  for (const Repeat::Operand& c : r.carried) {
    llvm::PHINode*& phi = carried[c.source];
    if (phi) continue;
    llvm::Value* init = raw(result(first - 1, c.source));
    phi = b_.CreatePHI(init->getType(), 2);
    phi->addIncoming(init, before);
  }
  for (const auto& [source, phi] : carried) define(result(first - 1, source), phi, block[r.place(0, source)].type);
  std::map<int, llvm::Value*> outside;  // values that others stand for in the loop
  for (std::size_t k = 0; k < kAtOnce; ++k) {
    llvm::Value* at = b_.CreateAdd(time, i64(static_cast<std::int64_t>(k)));
    for (std::size_t v = 0; v < r.varying.size(); ++v) {
      if (!rounds.rows[v]) continue;
      const int id = block[r.place(first + k, r.varying[v].instruction)].args[r.varying[v].argument];
      llvm::Type* type = outside.try_emplace(id, raw(id)).first->second->getType();
      define(id, b_.CreateLoad(type, b_.CreateInBoundsGEP(type, rounds.rows[v], at)), type_of(id));
    }
    straight(block, r.place(first + k, 0), r.length);
  }
  for (const auto& [source, phi] : carried) phi->addIncoming(raw(result(first + kAtOnce - 1, source)), round);
  for (std::size_t i = 0; i < r.length; ++i)
    define(result(r.times - 1, i), raw(result(first + kAtOnce - 1, i)), block[r.place(0, i)].type);
  for (const auto& [id, v] : outside) define(id, v, type_of(id));
  llvm::Value* next = b_.CreateAdd(time, i64(static_cast<std::int64_t>(kAtOnce)), "", true, true);
  time->addIncoming(next, round);
  b_.CreateCondBr(b_.CreateICmpULT(next, i64(static_cast<std::int64_t>(r.times))), round, after);
  b_.SetInsertPoint(after);
}

}  // namespace gradc::codegen
