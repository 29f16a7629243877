// The kernel program: what a step is below the graph. Buffers, kernels, and one entry body that launches them.
//
// Everything is static: extents, strides, offsets. A kernel is a tree of loops over scalar code. Every access names its
// buffer and, per dimension, an affine index, an extent and a stride, so that the verifier can prove it in bounds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/diagnostic.h"
#include "ir/indexed.h"
#include "ir/location.h"
#include "ir/scalar.h"
#include "ir/target.h"
#include "ir/tensor.h"
#include "ir/type.h"

namespace gradc {

enum class Space : std::uint8_t {
  input,   // pointer `slot` of the caller's inputs
  output,  // pointer `slot` of the caller's outputs
  state,   // byte `offset` of the state block
  arena,   // byte `offset` of the workspace
  worker,  // byte `offset` of the running worker's own workspace
  table,   // constant data, part of the code
  scalar,  // field at byte `offset` of the call's scalars
  view,    // part of another buffer, which may move from trip to trip of the entry's loops
};
std::string_view name_of(Space space);

// offset + Σ coefficient * loop variable
struct Affine {
  struct Part {
    int variable = 0;
    std::int64_t coefficient = 0;
    friend bool operator==(const Part&, const Part&) = default;
  };
  std::int64_t offset = 0;
  std::vector<Part> parts;  // sorted by variable, no zero coefficients
  friend bool operator==(const Affine&, const Affine&) = default;
};

struct KernelBuffer {
  std::string name;
  DType dtype = DType::f32;
  std::int64_t elements = 0;
  Space space = Space::arena;
  int slot = -1;             // input, output
  std::int64_t offset = -1;  // state, arena, worker, scalar: bytes; -1 until plan_memory
  Tensor data;               // table
  int base = -1;             // view: a buffer before this one that is no view, of the same dtype
  Affine start;              // view: element of `base` at which it begins; variables are the entry's loops
  std::int64_t bytes() const { return elements * byte_size(dtype); }
};

// One dimension of an access: element index (affine + value) / divisor, which must lie in [0, extent).
struct Subscript {
  enum class Check : std::uint8_t {
    proven,   // always inside; the verifier proves it from the loops' extents
    guarded,  // outside (or a remainder of the division): a load gives `outside`, a store is dropped
    clamped,  // moved to the nearest index inside; loads only
  };
  Affine affine;
  int value = -1;  // an i32 or i64 value added to the index, or -1
  std::int64_t divisor = 1;
  std::int64_t extent = 1;
  std::int64_t stride = 1;  // elements
  Check check = Check::proven;
};

struct Access {
  int buffer = -1;
  std::int64_t offset = 0;  // elements, added to Σ index * stride
  std::vector<Subscript> subscripts;
  double outside = 0;  // what a guarded load gives outside
};

// Reassociates nothing that is not said here: a value accumulated over a loop.
//   serial: ((init ∘ v0) ∘ v1) ∘ …
//   vector: lane l takes v_l, v_{l+L}, … from the identity; lanes are combined by halves (l ∘ l + L/2, …), then init ∘
//   total.
struct Accumulator {
  Combiner combiner = Combiner::sum;
  DType type = DType::f32;
  int init = -1;    // value before the loop
  int update = -1;  // value of the loop's body, combined in every round
  int times = -1;   // sum of floats: update * times is added instead, as one fma (see ir/scalar.h); -1: none
  int result = -1;  // value after the loop
};

struct Loop {
  enum class Mark : std::uint8_t {
    serial,
    vector,  // rounds are independent but for accumulators; `lanes` of them run at once
    unroll,  // straight-line code
  };
  int variable = 0;         // unique in the kernel
  std::int64_t extent = 1;  // variable runs over [0, extent)
  Mark mark = Mark::serial;
  int lanes = 0;  // vector: lanes of the reassociation, a power of two
  std::vector<Accumulator> accumulators;
};

// A register tile of a contraction: for r < rows, c < columns
//   C[r, c] = (accumulate ? C[r, c] : 0) + Σ over depth of A[r, depth] * B[depth, c]
// with the sum in order of the depth loops (outer to inner), each step one fma (see ir/scalar.h), accumulators in
// dtype. Addresses, in elements: A: a.offset + Σ … + r * a_row + Σ depth_d * a_step_d; B the same with c * 1; C with r
// * c_row + c. `columns` is a multiple of the target's lanes: B and C have that many, whatever the result needs.
struct Tile {
  // Steps i of a depth loop for which first + step * i lies in [0, size) are taken, the others left out: their terms
  // are products with padding.
  struct Bound {
    Affine first;
    std::int64_t step = 1;  // not 0
    std::int64_t size = 0;
    // The steps that are taken, of `extent`, where `first` has this value: from .first to before .second.
    std::pair<std::int64_t, std::int64_t> steps(std::int64_t first, std::int64_t extent) const;
  };
  // In step i of a depth loop, rows r for which first + step * i + row * r lies in [0, size) take part, the others are
  // left out, as above. The loop is straight-line code.
  struct RowBound {
    static constexpr std::int64_t kMostSteps = 16;
    std::int64_t first = 0, step = 1, row = 1, size = 0;  // row: not 0
    // The rows that take part, of `rows`: from .first to before .second.
    std::pair<std::int64_t, std::int64_t> in_step(std::int64_t i, std::int64_t rows) const;
  };
  struct Depth {
    std::int64_t extent = 1, a_step = 0, b_step = 0;
    std::optional<Bound> within;
    std::optional<RowBound> rows;  // of one loop at most, which has no `within` and up to kMostSteps steps
  };
  DType dtype = DType::f32;
  int rows = 1;
  int columns = 16;
  bool accumulate = false;
  int a = -1, b = -1, c = -1;  // buffers
  Affine a_base, b_base, c_base;
  std::int64_t a_row = 0, c_row = 0;
  std::vector<Depth> depth;  // 1 to 4 loops, outer to inner
};

struct Kernel {
  std::string name;  // "k3_conv1": unique in the program
  std::string kind;  // loop, reduce, contract, pack, window, scatter: for people and profiles
  std::vector<Instr> body;
  int values = 0;             // value numbers in use
  int variables = 1;          // loop variables in use; variable 0 is the parallel one
  std::int64_t parallel = 1;  // extent of variable 0: rounds are independent and may run anywhere, in any order
  std::int64_t work = 0;      // estimated scalar operations, to decide on threads
  Locations locations;
};

// A step of the entry. Loops are counted in the program: a view begins where the indices of those around it say.
struct Statement {
  enum class Kind : std::uint8_t {
    launch,        // a kernel
    copy,          // a whole buffer to another of its size
    repeat,        // `for`: the body for each index of `loop`, from 0 to extent - 1
    repeat_while,  // `while`: `before`, then the body where `flag` is true, again and again
    choose,        // `if`: the body where `flag` is true, else `otherwise`
  };
  Kind kind = Kind::launch;
  int kernel = -1;
  int from = -1, to = -1;
  int loop = -1;                     // repeat: unique in the program
  std::int64_t extent = 0;           // repeat: trips; repeat_while: most trips, 0: any number
  int flag = -1;                     // repeat_while, choose: a bool buffer of one element
  std::vector<Statement> before;     // repeat_while: makes the flag
  std::vector<Statement> body;       // repeat, repeat_while, choose
  std::vector<Statement> otherwise;  // choose
};

// Visits statements in order, each before what stands in it.
template <class Statements, class F>
void for_each_statement(Statements& statements, const F& f) {
  for (auto& statement : statements) {
    f(statement);
    for_each_statement(statement.before, f);
    for_each_statement(statement.body, f);
    for_each_statement(statement.otherwise, f);
  }
}

struct KernelParameter {  // an input, output, or scalar of the entry, in order
  std::string name;
  Type type;
  std::int64_t lower = 0, upper = 0;  // declared range of integers; equal: none
  double preset = 0;                  // scalar
  std::int64_t offset = 0;            // scalar: byte in the scalars struct
};

struct KernelProgram {
  std::string name;
  Target target;
  std::vector<KernelParameter> inputs, outputs, scalars;
  std::vector<KernelBuffer> buffers;
  std::vector<Kernel> kernels;
  std::vector<Statement> entry;
  std::int64_t arena_bytes = 0;   // multiples of 64
  std::int64_t worker_bytes = 0;  // for each worker

  // The buffer that a view is part of; any other buffer is its own.
  int root(int buffer) const {
    const KernelBuffer& b = buffers[static_cast<std::size_t>(buffer)];
    return b.space == Space::view ? b.base : buffer;
  }
};

// The state block that all programs of a model share: entries at 64-byte multiples, in order.
struct StateEntry {
  std::string name;  // "conv1.weight", "conv1.weight.momentum", "step"
  Type type;
  enum class Kind : std::uint8_t { parameter, statistic, slot, counter, key } kind = Kind::parameter;
  std::int64_t offset = 0;
};
struct StateLayout {
  std::vector<StateEntry> entries;
  std::int64_t bytes = 0;

  const StateEntry* find(std::string_view name) const;
  void place();  // assigns offsets and bytes
};
std::string_view name_of(StateEntry::Kind kind);

// A model below the graph: what becomes one object.
struct KernelModule {
  std::string name;
  StateLayout state;
  std::vector<KernelProgram> programs;  // "init" among them
};

std::string print(const KernelProgram& program);
std::string print(const KernelModule& module);
std::unique_ptr<KernelProgram> parse_kernel_program(std::string_view text, const std::string& file,
                                                    Diagnostics& diagnostics);
std::unique_ptr<KernelModule> parse_kernel_module(std::string_view text, const std::string& file,
                                                  Diagnostics& diagnostics);
// One sentence a violation: accesses provably inside their buffers, values defined before use and of the right dtype,
// closed sets of marks, no arena buffer read before it is written.
std::vector<std::string> verify(const KernelProgram& program);

// What an entry is called with; interpreter and native code see the same. Workspace contents are undefined at entry.
struct KernelCall {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  void* state = nullptr;
  void* workspace = nullptr;  // arena_bytes + workers * worker_bytes, 64-byte aligned
  const void* scalars = nullptr;
};
// Runs a program with one worker, in the exact order of operations that the kernel program states.
void interpret(const KernelProgram& program, const KernelCall& call);
// Runs it as interpret() does and says what a run alone can show, one sentence each: reads of workspace or outputs that
// nothing has written or another buffer has overwritten, parallel rounds that touch what another one writes.
std::vector<std::string> check_run(const KernelProgram& program, const KernelCall& call);

// Affine arithmetic.
Affine affine_constant(std::int64_t offset);
Affine affine_variable(int variable, std::int64_t coefficient = 1, std::int64_t offset = 0);
Affine operator+(const Affine& a, const Affine& b);
Affine operator*(const Affine& a, std::int64_t factor);
std::int64_t coefficient_of(const Affine& affine, int variable);  // 0: it has no part

}  // namespace gradc
