// Verifies kernel programs: one sentence a violation.
//
//  1. The header: slots, dtypes and sizes of buffers agree with the parameters; assigned offsets lie inside their
//  block.
//  2. Each kernel: values are defined once, before use, in a block that encloses the use, and have the dtype that the
//     opcode takes; marks and accumulators are sound.
//  3. Each access and each tile stays in its buffer, by interval arithmetic over the extents of the enclosing loops.
//  4. The entry: nothing is read from arena, outputs or a worker's space before something wrote it. What stands in a
//     loop that runs counts as run, in `while`'s body not, in `if` where both branches do it. A view is taken for the
//     whole of its base, is used only inside the loops that it moves with, and stays in its base.
#include <map>
#include <optional>
#include <set>

#include "ir/kernel.h"

namespace gradc {
namespace {

__extension__ using Wide = __int128;  // holds every sum of products of 64-bit numbers that an index makes

constexpr std::int64_t kAlignment = 64;
constexpr std::size_t kMaxSentences = 100;

// All values of an index. `far` where one leaves what 64 bits hold with room to spare; it stays set.
struct Interval {
  Wide low = 0, high = 0;
  bool far = false;
};

constexpr Wide kFar = Wide{1} << 62;

std::string str(Wide value) {
  if (value >= kFar) return "2^62 or more";
  if (value <= -kFar) return "-2^62 or less";
  return std::to_string(static_cast<std::int64_t>(value));
}

Interval limited(Wide low, Wide high, bool far) {
  if (low > high) std::swap(low, high);
  return {std::max(low, -kFar), std::min(high, kFar), far || low <= -kFar || high >= kFar};
}

Interval scaled(Interval a, std::int64_t factor) { return limited(a.low * factor, a.high * factor, a.far); }

Interval plus(Interval a, Interval b) { return limited(a.low + b.low, a.high + b.high, a.far || b.far); }

Interval steps(std::int64_t extent, std::int64_t stride) { return scaled({0, Wide{extent} - 1}, stride); }

bool is_writable(Space space) {
  return space == Space::output || space == Space::state || space == Space::arena || space == Space::worker;
}

bool starts_undefined(Space space) { return space == Space::output || space == Space::arena || space == Space::worker; }

// Where a buffer's memory is; of a view, its base's, where it has one.
Space space_of(const KernelProgram& program, const KernelBuffer& b) {
  if (b.space != Space::view || b.base < 0 || static_cast<std::size_t>(b.base) >= program.buffers.size())
    return b.space;
  return program.buffers[static_cast<std::size_t>(b.base)].space;
}

std::string ticked(std::string_view name) { return "`" + std::string(name) + "`"; }

// Collects sentences, each led by where it applies.
class Report {
 public:
  void operator()(const std::string& where, const std::string& what) {
    if (sentences_.size() < kMaxSentences) sentences_.push_back(where + ": " + what);
  }
  std::vector<std::string> take() { return std::move(sentences_); }

 private:
  std::vector<std::string> sentences_;
};

// Steps 2 and 3 for one kernel.
class KernelVerifier {
 public:
  KernelVerifier(const KernelProgram& program, const Kernel& kernel, Report& report)
      : program_(program), kernel_(kernel), report_(report), where_("kernel " + ticked(kernel.name)) {}

  void run() {
    if (kernel_.values < 0 || kernel_.variables < 1)
      return fail("counts " + std::to_string(kernel_.values) + " values and " + std::to_string(kernel_.variables) +
                  " loop variables");
    if (kernel_.parallel < 0) return fail("parallel extent " + std::to_string(kernel_.parallel) + " is negative");
    types_.assign(static_cast<std::size_t>(kernel_.values), std::nullopt);
    numbered_.assign(types_.size(), false);
    extents_.assign(static_cast<std::size_t>(kernel_.variables), std::nullopt);
    named_.assign(extents_.size(), false);
    extents_[0] = kernel_.parallel;
    named_[0] = true;
    unreached_ = kernel_.parallel == 0 ? 1 : 0;
    block(kernel_.body);
  }

 private:
  void fail(const std::string& what) { report_(where_, what); }
  void fail(const Instr& instr, const std::string& what) {
    std::string lead(name_of(instr.op));
    if (instr.result >= 0) lead = "%" + std::to_string(instr.result) + " = " + lead;
    fail(lead + ": " + what);
  }

  // ---- values ----

  // Dtype of a value that must be visible here.
  std::optional<DType> use(const Instr& instr, int value) {
    if (value >= 0 && value < kernel_.values && types_[static_cast<std::size_t>(value)])
      return types_[static_cast<std::size_t>(value)];
    fail(instr, "value %" + std::to_string(value) + " is not defined here");
    return std::nullopt;
  }

  void use_as(const Instr& instr, int value, DType wanted) {
    auto type = use(instr, value);
    if (type && *type != wanted)
      fail(instr, "value %" + std::to_string(value) + " is " + std::string(name_of(*type)) + ", not " +
                      std::string(name_of(wanted)));
  }

  void define(const Instr& instr, int value, DType type) {
    if (value < 0 || value >= kernel_.values)
      return fail(instr, "result %" + std::to_string(value) + " is not below the kernel's " +
                             std::to_string(kernel_.values) + " values");
    auto index = static_cast<std::size_t>(value);
    if (numbered_[index]) return fail(instr, "value %" + std::to_string(value) + " is defined twice");
    numbered_[index] = true;
    types_[index] = type;
    visible_.push_back(value);
  }

  // ---- blocks ----

  void block(const std::vector<Instr>& body) {
    for (const Instr& instr : body) instruction(instr);
  }

  // Hides what was defined since `mark`.
  void leave(std::size_t mark) {
    for (; visible_.size() > mark; visible_.pop_back()) types_[static_cast<std::size_t>(visible_.back())].reset();
  }

  void instruction(const Instr& instr) {
    switch (instr.op) {
      case Opcode::loop:
        return loop(instr);
      case Opcode::tile:
        return tile(instr);
      case Opcode::store:
        return store(instr);
      case Opcode::load:
        return load(instr);
      case Opcode::rarely:
        return rarely(instr);
      default:
        return scalar(instr);
    }
  }

  bool takes(const Instr& instr, std::size_t count) {
    if (instr.args.size() == count) return true;
    fail(instr, "takes " + std::to_string(count) + " values, not " + std::to_string(instr.args.size()));
    return false;
  }

  void same_operands(const Instr& instr, std::size_t count, bool floats, bool integers) {
    bool fits = is_float(instr.type) ? floats : integers;
    if (!fits) fail(instr, "does not compute on " + std::string(name_of(instr.type)));
    if (takes(instr, count))
      for (int arg : instr.args) use_as(instr, arg, instr.type);
  }

  void scalar(const Instr& instr) {
    switch (instr.op) {
      case Opcode::constant:
        takes(instr, 0);
        break;
      case Opcode::argument:
        fail(instr, "stands in scalar bodies only");
        break;
      case Opcode::index:
        index(instr);
        break;
      case Opcode::add:
      case Opcode::sub:
      case Opcode::mul:
      case Opcode::div:
        same_operands(instr, 2, true, true);
        break;
      case Opcode::neg:
        same_operands(instr, 1, true, true);
        break;
      case Opcode::fma:
        same_operands(instr, 3, true, false);
        break;
      case Opcode::scale:
        same_operands(instr, 2, true, false);
        break;
      case Opcode::sqrt:
        same_operands(instr, 1, true, false);
        break;
      case Opcode::bit_not:
        same_operands(instr, 1, false, true);
        break;
      case Opcode::rem:
      case Opcode::bit_and:
      case Opcode::bit_or:
      case Opcode::bit_xor:
      case Opcode::shift_left:
      case Opcode::shift_right:
      case Opcode::shift_right_arithmetic:
        same_operands(instr, 2, false, true);
        break;
      case Opcode::equal:
      case Opcode::not_equal:
      case Opcode::less:
      case Opcode::less_equal:
        comparison(instr);
        break;
      case Opcode::select:
        if (takes(instr, 3)) {
          use_as(instr, instr.args[0], DType::boolean);
          use_as(instr, instr.args[1], instr.type);
          use_as(instr, instr.args[2], instr.type);
        }
        break;
      case Opcode::convert:
        if (takes(instr, 1)) use(instr, instr.args[0]);
        break;
      case Opcode::bitcast:
        bitcast(instr);
        break;
      case Opcode::exp2_sixteenths:
        if (instr.type != DType::f32) fail("exp2_sixteenths gives an f32");
        if (takes(instr, 1)) use_as(instr, instr.args[0], DType::i32);
        break;
      case Opcode::rarely:
      case Opcode::load:
      case Opcode::store:
      case Opcode::loop:
      case Opcode::tile:
        internal_error("not a scalar instruction");
    }
    define(instr, instr.result, instr.type);
  }

  void index(const Instr& instr) {
    if (instr.type != DType::i64) fail(instr, "is i64, not " + std::string(name_of(instr.type)));
    if (!extent(instr.integer)) fail(instr, "i" + std::to_string(instr.integer) + " is not a loop around it");
  }

  void comparison(const Instr& instr) {
    if (instr.type != DType::boolean) fail(instr, "gives bool, not " + std::string(name_of(instr.type)));
    if (!takes(instr, 2)) return;
    auto left = use(instr, instr.args[0]);
    if (left) use_as(instr, instr.args[1], *left);
  }

  void bitcast(const Instr& instr) {
    if (!takes(instr, 1)) return;
    auto from = use(instr, instr.args[0]);
    if (!from || *from == instr.type) return;
    if (byte_size(*from) != byte_size(instr.type) || *from == DType::boolean || instr.type == DType::boolean)
      fail(instr, std::string(name_of(*from)) + " and " + std::string(name_of(instr.type)) + " differ in size");
  }

  void rarely(const Instr& instr) {
    if (takes(instr, 2)) {
      use_as(instr, instr.args[0], DType::boolean);
      use_as(instr, instr.args[1], instr.type);
    }
    std::size_t mark = visible_.size();
    ++rarely_;
    block(instr.body);
    --rarely_;
    use_as(instr, instr.yield, instr.type);
    leave(mark);
    define(instr, instr.result, instr.type);
  }

  void loop(const Instr& instr) {
    if (rarely_ > 0) return fail(instr, "stands in the body of rarely, which may be skipped");
    if (!instr.loop) return fail(instr, "has no description");
    const Loop& l = *instr.loop;
    std::string name = "i" + std::to_string(l.variable);
    if (l.extent < 0) return fail(instr, name + " has the negative extent " + std::to_string(l.extent));
    if (l.variable < 1 || l.variable >= kernel_.variables)
      return fail(instr, name + " is not among the kernel's " + std::to_string(kernel_.variables) + " variables");
    auto variable = static_cast<std::size_t>(l.variable);
    if (named_[variable]) return fail(instr, name + " is the variable of two loops");
    named_[variable] = true;
    bool vector = l.mark == Loop::Mark::vector;
    if (vector && vectors_ > 0) fail(instr, name + " is marked vector inside another vector loop");
    if (vector && (l.lanes < 1 || (l.lanes & (l.lanes - 1)) != 0))
      fail(instr, name + " has " + std::to_string(l.lanes) + " lanes, which is no power of two");
    for (const Accumulator& a : l.accumulators) use_as(instr, a.init, a.type);

    std::size_t mark = visible_.size();
    extents_[variable] = l.extent;
    vectors_ += vector;
    if (vector) vector_variable_ = l.variable, vector_rounds_ = l.extent;
    unreached_ += l.extent == 0;
    block(instr.body);
    for (const Accumulator& a : l.accumulators) accumulator(instr, a, vector);
    unreached_ -= l.extent == 0;
    vectors_ -= vector;
    if (vector) vector_rounds_ = 0;
    extents_[variable].reset();
    leave(mark);
    for (const Accumulator& a : l.accumulators) define(instr, a.result, a.type);
  }

  void accumulator(const Instr& instr, const Accumulator& a, bool vector) {
    use_as(instr, a.update, a.type);
    bool logical = a.combiner == Combiner::any || a.combiner == Combiner::all;
    if (logical && is_float(a.type))
      fail(instr, std::string(name_of(a.combiner)) + " does not combine " + std::string(name_of(a.type)));
    if (a.times >= 0) use_as(instr, a.times, a.type);
    if (a.times >= 0 && (a.combiner != Combiner::sum || !is_float(a.type)))
      fail(instr, "only a sum of floats adds products");
    if (a.combiner == Combiner::none && vector) fail(instr, "a vector loop has no last value to give");
  }

  // ---- accesses ----

  std::optional<std::int64_t> extent(std::int64_t variable) const {
    if (variable < 0 || variable >= kernel_.variables) return std::nullopt;
    return extents_[static_cast<std::size_t>(variable)];
  }

  // All values of an affine index; nullopt, reported, where a variable is not in scope.
  std::optional<Interval> range(const Instr& instr, const Affine& affine) {
    Interval sum{affine.offset, affine.offset};
    int last = -1;
    for (const Affine::Part& part : affine.parts) {
      if (part.variable <= last || part.coefficient == 0) {
        fail(instr, "an index is not in order");
        return std::nullopt;
      }
      last = part.variable;
      auto rounds = extent(part.variable);
      if (!rounds) {
        fail(instr, "i" + std::to_string(part.variable) + " is not a loop around it");
        return std::nullopt;
      }
      if (*rounds > 0) sum = plus(sum, steps(*rounds, part.coefficient));
    }
    if (!sum.far) return sum;
    fail(instr, "an index overflows");
    return std::nullopt;
  }

  const KernelBuffer* buffer(const Instr& instr, int index, DType type) {
    if (index < 0 || static_cast<std::size_t>(index) >= program_.buffers.size()) {
      fail(instr, "buffer number " + std::to_string(index) + " does not exist");
      return nullptr;
    }
    const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(index)];
    if (b.dtype != type)
      fail(instr, ticked(b.name) + " is " + std::string(name_of(b.dtype)) + ", not " + std::string(name_of(type)));
    return &b;
  }

  void inside(const Instr& instr, const KernelBuffer& b, Interval elements) {
    if (unreached_ > 0 || (!elements.far && elements.low >= 0 && elements.high < b.elements)) return;
    fail(instr, "elements " + str(elements.low) + " to " + str(elements.high) + " of " + ticked(b.name) +
                    " leave [0, " + std::to_string(b.elements) + ")");
  }

  void access(const Instr& instr) {
    if (!instr.access) return fail(instr, "has no access");
    const Access& a = *instr.access;
    const KernelBuffer* b = buffer(instr, a.buffer, instr.type);
    Interval elements{a.offset, a.offset};
    bool sound = true, empty = false;
    for (std::size_t d = 0; d < a.subscripts.size(); ++d) {
      auto indices = subscript(instr, a.subscripts[d], d, empty);
      sound = sound && indices;
      if (indices) elements = plus(elements, scaled(*indices, a.subscripts[d].stride));
    }
    // A guard that lets nothing through touches nothing.
    if (b && sound && !empty) inside(instr, *b, elements);
  }

  // The indices that reach memory.
  std::optional<Interval> subscript(const Instr& instr, const Subscript& s, std::size_t dimension, bool& empty) {
    std::string lead = "dimension " + std::to_string(dimension) + ": ";
    auto indices = range(instr, s.affine);
    if (s.value >= 0) {
      auto type = use(instr, s.value);
      if (type && *type != DType::i32 && *type != DType::i64)
        fail(instr,
             lead + "index %" + std::to_string(s.value) + " is " + std::string(name_of(*type)) + ", not i32 or i64");
    }
    if (!indices) return std::nullopt;
    if (s.divisor < 1) {
      fail(instr, lead + "divisor " + std::to_string(s.divisor) + " is not positive");
      return std::nullopt;
    }
    if (s.extent < 0) {
      fail(instr, lead + "extent " + std::to_string(s.extent) + " is negative");
      return std::nullopt;
    }
    if (s.check == Subscript::Check::proven) return proven(instr, s, *indices, lead);
    if (s.check == Subscript::Check::clamped) {
      if (instr.op == Opcode::store) fail(instr, lead + "a store is never clamped");
      if (s.divisor != 1) fail(instr, lead + "a clamped index is not divided");
      if (s.extent == 0 && unreached_ == 0) fail(instr, lead + "a clamped index needs an extent above 0");
    }
    if (s.extent == 0) empty = true;
    return Interval{0, Wide{s.extent} - 1};
  }

  std::optional<Interval> proven(const Instr& instr, const Subscript& s, Interval indices, const std::string& lead) {
    if (s.value >= 0) {
      fail(instr, lead + "an index from a value needs a guard or a clamp");
      return std::nullopt;
    }
    bool divides = s.affine.offset % s.divisor == 0;
    for (const Affine::Part& part : s.affine.parts) divides = divides && part.coefficient % s.divisor == 0;
    if (!divides) {
      fail(instr, lead + "a division by " + std::to_string(s.divisor) + " that may leave a remainder needs a guard");
      return std::nullopt;
    }
    indices = {indices.low / s.divisor, indices.high / s.divisor, false};
    if (unreached_ == 0 && (indices.low < 0 || indices.high >= s.extent)) {
      fail(instr, lead + "index " + str(indices.low) + " to " + str(indices.high) + " leaves [0, " +
                      std::to_string(s.extent) + ")");
      return std::nullopt;
    }
    return indices;
  }

  void load(const Instr& instr) {
    takes(instr, 0);
    access(instr);
    define(instr, instr.result, instr.type);
  }

  void store(const Instr& instr) {
    if (rarely_ > 0) fail(instr, "stands in the body of rarely, which may be skipped");
    if (takes(instr, 1)) use_as(instr, instr.args[0], instr.type);
    access(instr);
    if (!instr.access) return;
    writable(instr, instr.access->buffer);
    if (kernel_.parallel > 1 && !in(Space::worker, instr.access->buffer) && !varies(*instr.access, 0))
      fail(instr, "every parallel round writes the same place");
    if (vector_rounds_ > 1 && !varies(*instr.access, vector_variable_))
      fail(instr, "every round of the vector loop writes the same place");
  }

  // Whether rounds of a loop may access different places.
  static bool varies(const Access& a, int variable) {
    for (const Subscript& s : a.subscripts)
      if (s.value >= 0 || depends(s.affine, variable)) return true;
    return false;
  }

  bool same_memory(int a, int b) const {
    auto known = [&](int i) { return i >= 0 && static_cast<std::size_t>(i) < program_.buffers.size(); };
    return a == b || (known(a) && known(b) && program_.root(a) == program_.root(b));
  }

  bool in(Space space, int buffer) const {
    return buffer >= 0 && static_cast<std::size_t>(buffer) < program_.buffers.size() &&
           program_.buffers[static_cast<std::size_t>(buffer)].space == space;
  }

  static bool depends(const Affine& affine, int variable) {
    for (const Affine::Part& part : affine.parts)
      if (part.variable == variable) return true;
    return false;
  }

  void writable(const Instr& instr, int index) {
    if (index < 0 || static_cast<std::size_t>(index) >= program_.buffers.size()) return;
    const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(index)];
    Space space = space_of(program_, b);
    if (!is_writable(space)) fail(instr, "writes to " + ticked(b.name) + ", which is " + std::string(name_of(space)));
  }

  void tile(const Instr& instr) {
    if (rarely_ > 0) fail(instr, "stands in the body of rarely, which may be skipped");
    if (vectors_ > 0) fail(instr, "stands in a vector loop");
    if (!instr.tile) return fail(instr, "has no description");
    const Tile& t = *instr.tile;
    if (!is_float(t.dtype)) return fail(instr, "does not compute on " + std::string(name_of(t.dtype)));
    int lanes = std::max(1, program_.target.lanes(byte_size(t.dtype)));
    if (t.rows < 1) return fail(instr, "has " + std::to_string(t.rows) + " rows");
    if (t.columns < 1 || t.columns % lanes != 0)
      return fail(instr, std::to_string(t.columns) + " columns are no multiple of the target's " +
                             std::to_string(lanes) + " lanes");
    if (t.depth.empty() || t.depth.size() > 4)
      return fail(instr, "has " + std::to_string(t.depth.size()) + " depth loops, not 1 to 4");
    if (same_memory(t.c, t.a) || same_memory(t.c, t.b)) fail(instr, "writes to an operand");
    writable(instr, t.c);
    if (kernel_.parallel > 1 && !in(Space::worker, t.c) && !depends(t.c_base, 0))
      fail(instr, "every parallel round writes the same place");
    tile_bounds(instr, t);
  }

  void tile_bounds(const Instr& instr, const Tile& t) {
    Interval a_depth, b_depth;
    bool reads = true;  // a depth of no rounds reads nothing
    int rows = 0;
    for (const Tile::Depth& d : t.depth) {
      if (d.extent < 0) return fail(instr, "has the negative depth " + std::to_string(d.extent));
      if (d.within) {
        if (d.within->step == 0) return fail(instr, "has a bound whose step is 0");
        range(instr, d.within->first);
      }
      if (d.rows) {
        if (d.rows->row == 0) return fail(instr, "has a bound of rows whose step is 0");
        if (d.within) return fail(instr, "has two bounds on one loop");
        if (++rows > 1) return fail(instr, "has bounds of rows on two loops");
        if (d.extent > Tile::RowBound::kMostSteps)
          return fail(instr, "has a bound of rows on " + std::to_string(d.extent) + " steps, not up to " +
                                 std::to_string(Tile::RowBound::kMostSteps));
      }
      reads = reads && d.extent > 0;
      a_depth = plus(a_depth, steps(d.extent, d.a_step));
      b_depth = plus(b_depth, steps(d.extent, d.b_step));
    }
    const KernelBuffer* a = buffer(instr, t.a, t.dtype);
    const KernelBuffer* b = buffer(instr, t.b, t.dtype);
    const KernelBuffer* c = buffer(instr, t.c, t.dtype);
    auto a_base = range(instr, t.a_base), b_base = range(instr, t.b_base), c_base = range(instr, t.c_base);
    Interval columns = steps(t.columns, 1);
    if (a && a_base && reads) inside(instr, *a, plus(plus(*a_base, a_depth), steps(t.rows, t.a_row)));
    if (b && b_base && reads) inside(instr, *b, plus(plus(*b_base, b_depth), columns));
    if (c && c_base) inside(instr, *c, plus(plus(*c_base, columns), steps(t.rows, t.c_row)));
  }

  const KernelProgram& program_;
  const Kernel& kernel_;
  Report& report_;
  std::string where_;
  std::vector<std::optional<DType>> types_;  // of the values visible here
  std::vector<bool> numbered_;               // values defined anywhere so far
  std::vector<int> visible_;
  std::vector<std::optional<std::int64_t>> extents_;  // of the loops around
  std::vector<bool> named_;                           // variables taken by a loop anywhere so far
  int vectors_ = 0, rarely_ = 0;
  int vector_variable_ = 0;
  std::int64_t vector_rounds_ = 0;  // of the vector loop around
  int unreached_ = 0;               // enclosing loops of no rounds: nothing in them runs
};

class ProgramVerifier {
 public:
  explicit ProgramVerifier(const KernelProgram& program) : program_(program) {}

  std::vector<std::string> run() {
    blocks();
    loops(program_.entry);
    for (const KernelBuffer& b : program_.buffers) buffer(b);
    std::set<std::string_view> names;
    for (const Kernel& kernel : program_.kernels) {
      if (!names.insert(kernel.name).second) report_("kernel " + ticked(kernel.name), "another kernel has its name");
      KernelVerifier(program_, kernel, report_).run();
    }
    entry();
    return report_.take();
  }

 private:
  // ---- header ----

  void blocks() {
    std::string where = "program " + ticked(program_.name);
    if (program_.arena_bytes < 0 || program_.arena_bytes % kAlignment != 0)
      report_(where, "arena of " + std::to_string(program_.arena_bytes) + " bytes is no multiple of 64");
    if (program_.worker_bytes < 0 || program_.worker_bytes % kAlignment != 0)
      report_(where, "worker's space of " + std::to_string(program_.worker_bytes) + " bytes is no multiple of 64");
  }

  // Extents of the entry's loops.
  void loops(const std::vector<Statement>& list) {
    for_each_statement(list, [&](const Statement& s) {
      if (s.kind == Statement::Kind::repeat_while && s.extent < 0)
        report_("while", "trips " + std::to_string(s.extent) + " are negative");
      if (s.kind != Statement::Kind::repeat) return;
      std::string where = "for t" + std::to_string(s.loop);
      if (s.loop < 0) return report_(where, "has no number");
      if (s.extent < 0) return report_(where, "extent " + std::to_string(s.extent) + " is negative");
      if (!extents_.emplace(s.loop, s.extent).second) report_(where, "another loop has its number");
    });
  }

  void buffer(const KernelBuffer& b) {
    std::string where = "buffer " + ticked(b.name);
    constexpr std::int64_t kMaxElements = std::int64_t{1} << 60;
    if (b.elements < 0 || b.elements > kMaxElements)
      return report_(where, std::to_string(b.elements) + " elements are none or too many");
    switch (b.space) {
      case Space::input:
        return slot(where, b, program_.inputs);
      case Space::output:
        return slot(where, b, program_.outputs);
      case Space::arena:
        return placed(where, b, kAlignment, program_.arena_bytes);
      case Space::worker:
        return placed(where, b, kAlignment, program_.worker_bytes);
      case Space::state:
        return placed(where, b, kAlignment, -1);
      case Space::scalar:
        return scalar(where, b);
      case Space::table:
        if (b.data.type().dtype != b.dtype || b.data.elements() != b.elements)
          report_(where, "is " + std::string(name_of(b.dtype)) + "[" + std::to_string(b.elements) + "] and its table " +
                             b.data.type().str());
        return;
      case Space::view:
        return view(where, b);
    }
  }

  void view(const std::string& where, const KernelBuffer& b) {
    if (b.base < 0 || &b - program_.buffers.data() <= b.base)
      return report_(where, "the base of a view comes before it");
    const KernelBuffer& base = at(b.base);
    if (base.space == Space::view || base.space == Space::worker)
      return report_(where, ticked(base.name) + " is " + std::string(name_of(base.space)) + " and has no views");
    if (base.dtype != b.dtype)
      report_(where, "is " + std::string(name_of(b.dtype)) + " and its base " + std::string(name_of(base.dtype)));
    Interval first{b.start.offset, b.start.offset};
    for (const Affine::Part& part : b.start.parts) {
      auto extent = extents_.find(part.variable);
      if (extent == extents_.end()) return report_(where, "there is no loop t" + std::to_string(part.variable));
      if (extent->second == 0) return;  // nothing of it is ever reached
      first = plus(first, steps(extent->second, part.coefficient));
    }
    Wide end = first.high + b.elements;
    if (b.elements > 0 && (first.far || first.low < 0 || end > base.elements))
      report_(where, "elements " + str(first.low) + " to " + str(end - 1) + " of " + ticked(base.name) + " leave [0, " +
                         std::to_string(base.elements) + ")");
  }

  void slot(const std::string& where, const KernelBuffer& b, const std::vector<KernelParameter>& parameters) {
    if (b.slot < 0 || static_cast<std::size_t>(b.slot) >= parameters.size())
      return report_(where, std::string(name_of(b.space)) + " " + std::to_string(b.slot) + " does not exist");
    const KernelParameter& p = parameters[static_cast<std::size_t>(b.slot)];
    if (p.type.dtype != b.dtype || p.type.elements() != b.elements)
      report_(where, "is " + std::string(name_of(b.dtype)) + "[" + std::to_string(b.elements) + "] and " +
                         std::string(name_of(b.space)) + " " + ticked(p.name) + " " + p.type.str());
  }

  // `limit`: bytes of the block, or -1 where it isn't known here.
  void placed(const std::string& where, const KernelBuffer& b, std::int64_t alignment, std::int64_t limit) {
    if (b.offset == -1) return;
    if (b.offset < 0 || b.offset % alignment != 0)
      return report_(where, "offset " + std::to_string(b.offset) + " is no multiple of " + std::to_string(alignment));
    if (limit >= 0 && Wide{b.offset} + b.bytes() > limit)
      report_(where, "bytes " + std::to_string(b.offset) + " to " + str(Wide{b.offset} + b.bytes()) + " leave the " +
                         std::string(name_of(b.space)) + "'s " + std::to_string(limit));
  }

  void scalar(const std::string& where, const KernelBuffer& b) {
    if (b.elements != 1) report_(where, "a scalar has one element, not " + std::to_string(b.elements));
    placed(where, b, byte_size(b.dtype), -1);
    if (b.offset == -1) return;
    for (const KernelParameter& p : program_.scalars)
      if (p.offset == b.offset && p.type.dtype == b.dtype) return;
    report_(where, "no scalar of " + std::string(name_of(b.dtype)) + " lies at byte " + std::to_string(b.offset));
  }

  // ---- entry ----

  bool is_buffer(int index) const { return index >= 0 && static_cast<std::size_t>(index) < program_.buffers.size(); }
  const KernelBuffer& at(int index) const { return program_.buffers[static_cast<std::size_t>(index)]; }

  void entry() {
    written_.assign(program_.buffers.size(), false);
    statements(program_.entry);
  }

  void statements(const std::vector<Statement>& list) {
    for (const Statement& s : list) statement(s);
  }

  void statement(const Statement& s) {
    switch (s.kind) {
      case Statement::Kind::launch:
        return launch(s);
      case Statement::Kind::copy:
        return copy(s);
      case Statement::Kind::repeat: {
        std::vector<bool> before = written_;
        open_.insert(s.loop);
        statements(s.body);
        open_.erase(s.loop);
        if (s.extent == 0) written_ = std::move(before);
        return;
      }
      case Statement::Kind::repeat_while: {
        statements(s.before);
        flag("while", s.flag);
        std::vector<bool> before = written_;
        statements(s.body);
        written_ = std::move(before);
        return;
      }
      case Statement::Kind::choose: {
        flag("if", s.flag);
        std::vector<bool> before = written_;
        statements(s.body);
        std::swap(before, written_);
        statements(s.otherwise);
        for (std::size_t i = 0; i < written_.size(); ++i) written_[i] = written_[i] && before[i];
        return;
      }
    }
  }

  void flag(const std::string& where, int buffer) {
    if (!is_buffer(buffer)) return report_(where, "its flag does not exist");
    const KernelBuffer& b = at(buffer);
    if (b.dtype != DType::boolean || b.elements != 1)
      report_(where, "its flag " + ticked(b.name) + " is " + std::string(name_of(b.dtype)) + "[" +
                         std::to_string(b.elements) + "], not bool[1]");
    if (b.space == Space::worker) report_(where, "a worker's space holds no flag");
    read(where, buffer);
  }

  void launch(const Statement& s) {
    if (s.kernel < 0 || static_cast<std::size_t>(s.kernel) >= program_.kernels.size())
      return report_("entry", "kernel number " + std::to_string(s.kernel) + " does not exist");
    const Kernel& kernel = program_.kernels[static_cast<std::size_t>(s.kernel)];
    for (std::size_t i = 0; i < written_.size(); ++i)
      if (program_.buffers[i].space == Space::worker) written_[i] = false;
    if (kernel.parallel > 0) flow("launch of " + ticked(kernel.name), kernel.body);
  }

  void copy(const Statement& s) {
    if (!is_buffer(s.from) || !is_buffer(s.to)) return report_("entry", "copies a buffer that does not exist");
    const KernelBuffer &from = at(s.from), &to = at(s.to);
    std::string where = "copy of " + ticked(from.name) + " to " + ticked(to.name);
    if (from.bytes() != to.bytes())
      report_(where, "sizes differ: " + std::to_string(from.bytes()) + " and " + std::to_string(to.bytes()) + " bytes");
    Space space = space_of(program_, to);
    if (!is_writable(space)) report_(where, ticked(to.name) + " is " + std::string(name_of(space)));
    if (from.space == Space::worker || to.space == Space::worker) report_(where, "a worker's space is not copied");
    read(where, s.from);
    write(where, s.to);
  }

  // The buffer whose memory one is, -1 where there is none; says where a view is used outside its loops.
  int root(const std::string& where, int buffer) {
    if (!is_buffer(buffer)) return -1;
    const KernelBuffer& b = at(buffer);
    if (b.space != Space::view) return buffer;
    for (const Affine::Part& part : b.start.parts)
      if (!open_.contains(part.variable) && strays_.insert(buffer).second)
        report_(where, ticked(b.name) + " is used outside loop t" + std::to_string(part.variable));
    return is_buffer(b.base) ? b.base : -1;
  }

  void read(const std::string& where, int buffer) {
    int base = root(where, buffer);
    if (base < 0 || written_[static_cast<std::size_t>(base)]) return;
    if (!starts_undefined(at(base).space) || at(buffer).elements == 0) return;
    report_(where, "reads " + ticked(at(buffer).name) + " before anything writes it");
    written_[static_cast<std::size_t>(base)] = true;  // one sentence is enough
  }

  void write(const std::string& where, int buffer) {
    if (int base = root(where, buffer); base >= 0) written_[static_cast<std::size_t>(base)] = true;
  }

  void flow(const std::string& where, const std::vector<Instr>& body) {
    for (const Instr& instr : body) {
      if (instr.op == Opcode::load && instr.access) read(where, instr.access->buffer);
      if (instr.op == Opcode::store && instr.access) write(where, instr.access->buffer);
      if (instr.op == Opcode::loop && instr.loop && instr.loop->extent == 0) continue;
      flow(where, instr.body);
      if (instr.op != Opcode::tile || !instr.tile) continue;
      const Tile& t = *instr.tile;
      read(where, t.a);
      read(where, t.b);
      if (t.accumulate) read(where, t.c);
      write(where, t.c);
    }
  }

  const KernelProgram& program_;
  Report report_;
  std::vector<bool> written_;            // by buffer, at the statement at hand
  std::map<int, std::int64_t> extents_;  // of the entry's loops
  std::set<int> open_;                   // loops around the statement at hand
  std::set<int> strays_;                 // views used outside their loops
};

}  // namespace

std::vector<std::string> verify(const KernelProgram& program) { return ProgramVerifier(program).run(); }

}  // namespace gradc
