// One kernel → one LLVM function. Values that vary along the enclosing vector loop are LLVM vectors of its lanes; all
// others are scalars. Files: kernel_emitter.cpp (frame, blocks, tile calls), loops.cpp, rounds.cpp, blocks.cpp,
// transposed.cpp, scalars.cpp, accesses.cpp.
#pragma once

#include <llvm/IR/Instructions.h>

#include <array>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "compiler/codegen/chains.h"
#include "compiler/codegen/prefetch.h"
#include "compiler/codegen/repeats.h"
#include "compiler/codegen/unit.h"

namespace gradc::codegen {

// Buffers of one space may share bytes only where their ranges overlap; what the caller passes may overlap at will.
bool may_alias(const KernelBuffer& a, const KernelBuffer& b);

class KernelEmitter {
 public:
  KernelEmitter(Unit& unit, const KernelProgram& program, const Kernel& kernel);
  llvm::Function* run(llvm::GlobalValue::LinkageTypes linkage);

 private:
  // A loop variable: `base`, or `base + lane` in the vector loop that owns it.
  struct Variable {
    llvm::Value* base = nullptr;
    bool lanes = false;
    std::int64_t extent = 1;
  };
  // The element index of an access: base + lane * step + vector[lane], where `inside` holds for the lane.
  struct Address {
    llvm::Value* base = nullptr;  // i64
    std::int64_t step = 0;
    llvm::Value* vector = nullptr;        // lanes of i32 or i64, or null
    llvm::Value* inside = nullptr;        // i1, the same for all lanes, or null: always
    llvm::Value* inside_lanes = nullptr;  // lanes of i1, or null: always
    bool varies() const { return step != 0 || vector || inside_lanes; }
  };
  // A vector's lanes in memory, to be combined one by one.
  struct LaneSlots {
    llvm::Value* memory = nullptr;
    DType type = DType::f32;
    int lanes = 1;
  };
  // An access across two loops (transposed.cpp), and the block of rows that stands for it in a vector round.
  struct CrossedAccess {
    const Instr* instr;
    llvm::AllocaInst* rows;
  };
  struct Crossing {
    const Instr *outer, *inner;
    int lanes;
    std::vector<CrossedAccess> accesses;
  };

  // Code of a vector loop that repeats, and what its runs read: a row for each varying operand, or null where all runs
  // read the same.
  struct Rounds {
    Repeat repeat;
    std::vector<llvm::Value*> rows;
  };

  // kernel_emitter.cpp
  void collect(const std::vector<Instr>& block);
  void parallel_loop();
  void one_round();
  llvm::Function* function_of(const Chain& chain);
  void block(const std::vector<Instr>& instructions);
  void instruction(const Instr& instr);
  void tile(const Instr& instr);
  std::pair<llvm::Value*, llvm::Value*> steps(const Tile::Bound& bound, std::int64_t extent);
  void ask_for_result(const Tile& tile, llvm::Value* c);
  void rarely(const Instr& instr);
  llvm::Value* view_start(const KernelBuffer& view);
  llvm::Value* buffer_pointer(int buffer);
  llvm::Value* frame_field(FrameField field);
  void mark_aliases(llvm::Instruction* access, int buffer);
  llvm::Value* affine(const Affine& affine);  // of the bases, in i64
  llvm::Value* i64(std::int64_t value) { return b_.getInt64(static_cast<std::uint64_t>(value)); }
  llvm::BasicBlock* new_block(const char* name);
  void define(int value, llvm::Value* what, DType type);
  llvm::Value* value(int id);      // with a lane for each of the loop
  llvm::Value* raw(int id) const;  // as it was computed: one lane may stand for neighbouring ones
  DType type_of(int id) const { return types_[static_cast<std::size_t>(id)]; }

  // lanes
  static bool is_vector(const llvm::Value* v) { return v->getType()->isVectorTy(); }
  static int lanes_of(const llvm::Value* v);
  llvm::Value* widen(llvm::Value* v);  // to the lanes of the enclosing vector loop
  llvm::Value* iota(llvm::Type* element, std::int64_t step);
  llvm::Value* any_lane(llvm::Value* condition);
  llvm::Value* repeated(llvm::Value* v);  // each lane, until there are as many as the loop has
  // blocks.cpp
  static bool counts_blocks(const Instr& instr);
  int lanes_of_blocks() const;
  llvm::Value* block_numbers(const Instr& instr);
  void note_numbers(const Instr& instr);
  llvm::Value* first_number(int id) const;
  void note_places(const Instr& instr);
  llvm::Value* chosen_words(const Instr& instr);

  // rounds.cpp
  std::vector<Rounds> rounds_of(const Instr& loop);
  void rounds(const std::vector<Instr>& block, const Rounds& rounds);
  void straight(const std::vector<Instr>& block, std::size_t begin, std::size_t length);
  bool takes_what_it_gives(const std::vector<Instr>& block, const Repeat& repeat, std::size_t time) const;
  void looped(const std::vector<Instr>& block, const Rounds& rounds, std::size_t first);

  // loops.cpp
  void loop(const Instr& instr);
  void serial_loop(const Instr& instr);
  void unrolled_loop(const Instr& instr);
  void vector_loop(const Instr& instr);
  int vectors_at_once(const Instr& instr) const;
  void vector_rounds(const Instr& instr, int lanes, std::int64_t rounds, std::vector<llvm::Value*>& totals);
  bool one_masked_round(const Instr& instr) const;
  void masked_rounds(const Instr& instr, int lanes);
  void vector_tail(const Instr& instr, int lanes, std::int64_t first, std::int64_t rounds,
                   std::vector<llvm::Value*>& totals);
  void scalar_rounds(const Instr& instr, std::int64_t lane, std::int64_t first, std::int64_t rounds,
                     std::vector<llvm::Value*>& totals);
  void vector_round(const Instr& instr, int lanes, llvm::Value* base, llvm::Value* mask,
                    std::vector<llvm::Value*>& totals, std::vector<llvm::Value*>* nans = nullptr);
  llvm::Value* no_nans(const Accumulator& accumulator);  // null: no maximum or minimum of floats
  llvm::Value* extremum(const Accumulator& accumulator, llvm::Value* total, llvm::Value*& nans);
  llvm::Value* further(const Accumulator& accumulator, llvm::Value* x, llvm::Value* y);  // y where one is NaN
  llvm::Value* with_nans(llvm::Value* total, llvm::Value* nans);
  void ask_ahead(const Instr& loop);
  void prefetch(llvm::Value* place, bool written);
  void single_round(const Instr& instr, llvm::Value* at, std::vector<llvm::Value*>& totals);
  llvm::Constant* first_lanes(int lanes, std::int64_t active);
  LaneSlots spill(DType type, llvm::Value* total);
  llvm::Value* read(const LaneSlots& slots, llvm::Value* lane);
  void write(const LaneSlots& slots, llvm::Value* lane, llvm::Value* v);
  void finish_accumulators(const Loop& loop, const std::vector<llvm::Value*>& totals);
  int natural_lanes(const Instr& instr) const;
  std::vector<bool> varying_values(const Instr& instr) const;
  void mark_varying(const std::vector<Instr>& block, int variable, std::vector<bool>& varying) const;
  llvm::Value* after_round(const Accumulator& accumulator, llvm::Value* total);
  llvm::Value* identity(const Accumulator& accumulator, int lanes);
  llvm::Value* combined(Combiner combiner, DType type, llvm::Value* a, llvm::Value* b);
  llvm::Value* lanes_at(llvm::Value* v, int first, int lanes);
  llvm::Value* with_lanes_at(llvm::Value* v, int first, llvm::Value* part);

  // transposed.cpp
  const Instr* crossed_loop(const Instr& outer) const;
  void crossed_loops(const Instr& outer, const Instr& inner);
  void crossed_rows(const Crossing& crossing, llvm::Value* first_row, int rows);
  void crossed_block(const Crossing& crossing, llvm::Value* first_row, int rows, llvm::Value* first_lane, int columns);
  Address crossed_address(const CrossedAccess& a, const Crossing& crossing, llvm::Value* first_lane, int column);
  void load_crossed(const CrossedAccess& a, const Crossing& crossing, int rows, llvm::Value* first_lane, int columns);
  void store_crossed(const CrossedAccess& a, const Crossing& crossing, int rows, llvm::Value* first_lane, int columns);
  void transpose(std::vector<llvm::Value*>& square);
  void counted(std::int64_t rounds, const std::function<void(llvm::Value*)>& f);

  // scalars.cpp
  llvm::Value* scalar(const Instr& instr);
  llvm::Value* constant(DType type, std::int64_t integer, double number);
  llvm::Value* arithmetic(const Instr& instr, std::vector<llvm::Value*>& args);
  llvm::Value* product(llvm::Value* x, llvm::Value* y);
  llvm::Value* divide(DType type, llvm::Value* x, llvm::Value* y, bool remainder);
  llvm::Value* by_parts(llvm::Type* type, int lanes, const std::function<llvm::Value*(int)>& part);
  llvm::Value* scale(DType type, llvm::Value* x, llvm::Value* n);
  llvm::Value* scale_by_factors(DType type, llvm::Value* x, llvm::Value* n);
  llvm::Value* exp2_sixteenths(llvm::Value* i);
  llvm::Value* exp2_sixteenths_in_memory(llvm::Value* i);
  llvm::Value* shift(Opcode op, DType type, llvm::Value* x, llvm::Value* count);
  llvm::Value* compare(Opcode op, DType type, llvm::Value* x, llvm::Value* y);
  llvm::Value* convert(DType from, DType to, llvm::Value* x);
  llvm::Value* bitcast(DType from, DType to, llvm::Value* x);

  // accesses.cpp
  Address address(const Access& access);
  void add_uniform(Address& a, const Subscript& s, llvm::Value* index);
  void add_lanes(Address& a, const Subscript& s, llvm::Value* base, std::int64_t step, const KernelBuffer& buffer);
  void restrict_lanes(Address& a, llvm::Value* inside);
  void load(const Instr& instr);
  void store(const Instr& instr);
  llvm::Value* load_uniform(const Address& a, int buffer, llvm::Value* outside);
  llvm::Value* load_lanes(const Address& a, int buffer, llvm::Value* outside);
  llvm::Value* load_contiguous(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside);
  llvm::Value* load_interleaved(const Address& a, int buffer);
  llvm::Value* load_gathered(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside);
  llvm::Value* load_each(const Address& a, int buffer, llvm::Value* mask, llvm::Value* outside);
  void store_lanes(const Address& a, int buffer, llvm::Value* what);
  llvm::Value* element_pointer(int buffer, llvm::Value* index);
  llvm::Value* lane_indices(const Address& a, bool with_base);
  llvm::Value* lane_mask(const Address& a);  // of the tail and the guards; null: all lanes
  std::pair<std::int64_t, std::int64_t> range(const Affine& affine) const;
  bool masked_moves(DType type) const;

  Unit& unit_;
  const KernelProgram& program_;
  const Kernel& kernel_;
  llvm::Function* function_ = nullptr;
  Builder b_;
  Builder prologue_;  // entry block of the function: pointers to buffers, allocas
  std::vector<llvm::Value*> values_;
  std::vector<DType> types_;
  std::vector<Variable> variables_;
  std::vector<llvm::Value*> pointers_;                // of buffers, once used
  std::vector<llvm::MDNode*> scopes_, others_;        // alias scope of each buffer, and the list of all others
  std::map<const Instr*, std::vector<Ahead>> ahead_;  // of loops
  std::vector<bool> varying_;                         // values that vary along the enclosing vector loop
  std::map<const Instr*, llvm::Value*> crossed_;      // the row of a block that stands for an access in this round
  const std::vector<Instr>* repeating_ = nullptr;     // the body of the vector loop being emitted
  std::vector<Rounds> rounds_;                        // of that body
  int lanes_ = 1;                                     // of the enclosing vector loop's round being emitted
  int lane_variable_ = -1;
  std::map<int, llvm::Value*> firsts_;  // values that are this number + lane; a multiple of the block
  std::set<int> multiples_;             // values that are multiples of the block
  static constexpr int kEvery = -1;
  std::map<int, int> places_;  // values that are the lane's place in its block (kEvery), or whether it is this one
  std::map<int, std::array<llvm::Value*, 4>> chosen_;  // values that are the words of blocks, by place
  llvm::Value* mask_ = nullptr;                        // lanes that are rounds at all; null: every one
};

}  // namespace gradc::codegen
