// Runs kernel programs plainly: the meaning that generated code must meet bit for bit.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "ir/kernel.h"
#include "ir/kernel_watch.h"

namespace gradc {
namespace {

// One buffer of a call: where it lies.
struct Place {
  std::byte* data = nullptr;
  std::int64_t size = 0;  // bytes of an element
};

// A combiner that keeps its body between calls.
class Combine {
 public:
  Combine(Combiner combiner, DType type)
      : body_(make_body({type, type},
                        [combiner](ScalarBuilder& builder, std::span<const Scalar> x) {
                          return combine(builder, combiner, x[0], x[1]);
                        })),
        run_(body_) {}
  Combine(const Combine&) = delete;

  ScalarValue operator()(ScalarValue a, ScalarValue b) {
    const std::array arguments{a, b};
    return run_.run(arguments, {});
  }

 private:
  ScalarBody body_;
  ScalarInterpreter run_;
};

void find_types(const std::vector<Instr>& body, std::vector<DType>& types) {
  for (const Instr& instr : body) {
    find_types(instr.body, types);
    if (instr.result >= 0) types.at(static_cast<std::size_t>(instr.result)) = instr.type;
    if (instr.op == Opcode::loop)
      for (const Accumulator& a : instr.loop->accumulators) types.at(static_cast<std::size_t>(a.result)) = a.type;
  }
}

class Interpreter {
 public:
  Interpreter(const KernelProgram& program, const KernelCall& call, KernelWatch* watch)
      : program_(program), call_(call), watch_(watch) {
    presets();
    for (const KernelBuffer& buffer : program.buffers) {
      places_.push_back(buffer.space == Space::view ? Place{} : place(buffer));
      starts_.push_back(0);
    }
    for_each_statement(program.entry, [&](const Statement& s) {
      if (s.kind == Statement::Kind::repeat)
        trips_.resize(std::max(trips_.size(), static_cast<std::size_t>(s.loop) + 1), 0);
    });
    move_views(-1);
  }

  void run() { statements(program_.entry); }

 private:
  // ---- statements ----

  void statements(const std::vector<Statement>& list) {
    for (const Statement& s : list) statement(s);
  }

  void statement(const Statement& s) {
    switch (s.kind) {
      case Statement::Kind::launch:
        if (watch_) watch_->statement(s);
        return launch(program_.kernels[static_cast<std::size_t>(s.kernel)]);
      case Statement::Kind::copy:
        if (watch_) watch_->statement(s);
        return copy(s);
      case Statement::Kind::repeat:
        for (std::int64_t i = 0; i < s.extent; ++i) {
          trips_[static_cast<std::size_t>(s.loop)] = i;
          move_views(s.loop);
          statements(s.body);
        }
        return;
      case Statement::Kind::repeat_while:
        for (std::int64_t trip = 0;; ++trip) {
          statements(s.before);
          if (!flag(s) || (s.extent > 0 && trip >= s.extent)) return;
          statements(s.body);
        }
      case Statement::Kind::choose:
        return statements(flag(s) ? s.body : s.otherwise);
    }
  }

  bool flag(const Statement& s) {
    if (watch_) {
      watch_->statement(s);
      read_by_watch(s.flag, 0);
    }
    return read(at(s.flag), 0).bits != 0;
  }

  // Places the views that begin where `loop` says; -1: all.
  void move_views(int loop) {
    for (std::size_t b = 0; b < places_.size(); ++b) {
      const KernelBuffer& view = program_.buffers[b];
      if (view.space != Space::view) continue;
      bool moves = loop < 0;
      std::int64_t start = view.start.offset;
      for (const Affine::Part& part : view.start.parts) {
        start += part.coefficient * trips_[static_cast<std::size_t>(part.variable)];
        moves = moves || part.variable == loop;
      }
      if (!moves) continue;
      const Place& base = at(view.base);
      starts_[b] = start;
      places_[b] = {base.data + start * base.size, base.size};
    }
  }

  // A view is told as what it is part of.
  void read_by_watch(int buffer, std::int64_t element) const {
    watch_->read(program_.root(buffer), starts_[static_cast<std::size_t>(buffer)] + element);
  }
  void write_by_watch(int buffer, std::int64_t element) const {
    watch_->write(program_.root(buffer), starts_[static_cast<std::size_t>(buffer)] + element);
  }

  // ---- memory ----

  // The scalars where the caller gives none.
  void presets() {
    if (call_.scalars) return;
    std::int64_t bytes = 0;
    for (const KernelParameter& p : program_.scalars) bytes = std::max(bytes, p.offset + byte_size(p.type.dtype));
    presets_.assign(static_cast<std::size_t>(bytes), std::byte{0});
    for (const KernelParameter& p : program_.scalars)
      write(Place{presets_.data() + p.offset, byte_size(p.type.dtype)}, 0, scalar_of(p.type.dtype, p.preset));
  }

  static std::byte* bytes_of(const void* data) { return static_cast<std::byte*>(const_cast<void*>(data)); }

  Place place(const KernelBuffer& b) const {
    auto base = [&]() -> std::byte* {
      auto slot = static_cast<std::size_t>(b.slot);
      switch (b.space) {
        case Space::input:
          ensure(slot < call_.inputs.size(), "an input is missing");
          return bytes_of(call_.inputs[slot]);
        case Space::output:
          ensure(slot < call_.outputs.size(), "an output is missing");
          return bytes_of(call_.outputs[slot]);
        case Space::table:
          return bytes_of(b.data.data());
        default:
          break;
      }
      ensure(b.offset >= 0, "a buffer has no offset: plan_memory must run before interpret");
      switch (b.space) {
        case Space::state:
          return bytes_of(call_.state) + b.offset;
        case Space::arena:
          return bytes_of(call_.workspace) + b.offset;
        case Space::worker:
          return bytes_of(call_.workspace) + program_.arena_bytes + b.offset;
        default:
          return (call_.scalars ? bytes_of(call_.scalars) : const_cast<std::byte*>(presets_.data())) + b.offset;
      }
    };
    return {base(), byte_size(b.dtype)};
  }

  static ScalarValue read(const Place& place, std::int64_t element) {
    ScalarValue value;
    std::memcpy(&value.bits, place.data + element * place.size, static_cast<std::size_t>(place.size));
    return value;
  }

  static void write(const Place& place, std::int64_t element, ScalarValue value) {
    std::memcpy(place.data + element * place.size, &value.bits, static_cast<std::size_t>(place.size));
  }

  const Place& at(int buffer) const { return places_[static_cast<std::size_t>(buffer)]; }

  void copy(const Statement& s) {
    const KernelBuffer &from = program_.buffers[static_cast<std::size_t>(s.from)],
                       &to = program_.buffers[static_cast<std::size_t>(s.to)];
    if (watch_) {
      for (std::int64_t i = 0; i < from.elements; ++i) read_by_watch(s.from, i);
      for (std::int64_t i = 0; i < to.elements; ++i) write_by_watch(s.to, i);
    }
    if (from.bytes() > 0) std::memmove(at(s.to).data, at(s.from).data, static_cast<std::size_t>(from.bytes()));
  }

  // ---- kernels ----

  void launch(const Kernel& kernel) {
    values_.assign(static_cast<std::size_t>(kernel.values), {});
    types_.assign(values_.size(), DType::f32);
    find_types(kernel.body, types_);
    variables_.assign(static_cast<std::size_t>(kernel.variables), 0);
    for (variables_[0] = 0; variables_[0] < kernel.parallel; ++variables_[0]) {
      if (watch_) watch_->round(variables_[0]);
      block(kernel.body);
    }
  }

  ScalarValue& value(int number) { return values_[static_cast<std::size_t>(number)]; }

  void block(const std::vector<Instr>& body) {
    for (const Instr& instr : body) instruction(instr);
  }

  void instruction(const Instr& instr) {
    switch (instr.op) {
      case Opcode::loop:
        return loop(instr);
      case Opcode::tile:
        return tile(*instr.tile);
      case Opcode::load:
        value(instr.result) = load(instr);
        return;
      case Opcode::store:
        return store(instr);
      case Opcode::index:
        value(instr.result) = scalar_from_integer(DType::i64, variable(instr.integer));
        return;
      case Opcode::rarely:
        if (value(instr.args[0]).bits != 0) {
          block(instr.body);
          value(instr.result) = value(instr.yield);
        } else {
          value(instr.result) = value(instr.args[1]);
        }
        return;
      default:
        return scalar(instr);
    }
  }

  void scalar(const Instr& instr) {
    std::array<ScalarValue, 3> values;
    std::array<DType, 3> types{};
    for (std::size_t i = 0; i < instr.args.size(); ++i) {
      values[i] = value(instr.args[i]);
      types[i] = types_[static_cast<std::size_t>(instr.args[i])];
    }
    const std::size_t count = instr.args.size();
    value(instr.result) = evaluate(instr, {values.data(), count}, {types.data(), count}, program_.target.fma);
  }

  void loop(const Instr& instr) {
    const Loop& l = *instr.loop;
    auto rounds = [&](auto at_end) {
      std::int64_t& i = variables_[static_cast<std::size_t>(l.variable)];
      for (i = 0; i < l.extent; ++i) {
        block(instr.body);
        at_end(i);
      }
    };
    if (l.accumulators.empty()) return rounds([](std::int64_t) {});
    if (l.mark == Loop::Mark::vector) return vector_loop(l, rounds);
    std::vector<ScalarValue> totals;
    for (const Accumulator& a : l.accumulators) totals.push_back(value(a.init));
    rounds([&](std::int64_t) {
      for (std::size_t k = 0; k < totals.size(); ++k) totals[k] = after_round(l.accumulators[k], totals[k]);
    });
    for (std::size_t k = 0; k < totals.size(); ++k) value(l.accumulators[k].result) = totals[k];
  }

  // Lane i % lanes takes round i; then lanes are combined by halves.
  template <class Rounds>
  void vector_loop(const Loop& l, Rounds rounds) {
    auto lanes = static_cast<std::size_t>(l.lanes);
    std::vector<std::vector<ScalarValue>> totals;
    for (const Accumulator& a : l.accumulators) totals.emplace_back(lanes, identity_of(a.combiner, a.type));
    rounds([&](std::int64_t i) {
      std::size_t lane = static_cast<std::size_t>(i) % lanes;
      for (std::size_t k = 0; k < totals.size(); ++k) totals[k][lane] = after_round(l.accumulators[k], totals[k][lane]);
    });
    for (std::size_t k = 0; k < totals.size(); ++k) {
      const Accumulator& a = l.accumulators[k];
      for (std::size_t half = lanes / 2; half > 0; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane)
          totals[k][lane] = combined(a, totals[k][lane], totals[k][lane + half]);
      value(a.result) = combined(a, value(a.init), totals[k][0]);
    }
  }

  ScalarValue after_round(const Accumulator& a, ScalarValue total) {
    if (a.times < 0) return combined(a, total, value(a.update));
    Instr fma;
    fma.op = Opcode::fma;
    fma.type = a.type;
    const ScalarValue args[] = {value(a.update), value(a.times), total};
    const DType types[] = {a.type, a.type, a.type};
    return evaluate(fma, args, types, program_.target.fma);
  }

  ScalarValue combined(const Accumulator& a, ScalarValue left, ScalarValue right) {
    auto [found, inserted] = combiners_.try_emplace({a.combiner, a.type}, nullptr);
    if (inserted) found->second = std::make_unique<Combine>(a.combiner, a.type);
    return (*found->second)(left, right);
  }

  // ---- accesses ----

  std::int64_t variable(std::int64_t number) const { return variables_[static_cast<std::size_t>(number)]; }

  std::int64_t index(const Affine& affine) const {
    std::int64_t sum = affine.offset;
    for (const Affine::Part& part : affine.parts) sum += part.coefficient * variable(part.variable);
    return sum;
  }

  // The element of an access, or -1 where a guard keeps it out.
  std::int64_t element(const Access& a) {
    std::int64_t sum = a.offset;
    for (const Subscript& s : a.subscripts) {
      std::int64_t i = index(s.affine);
      if (s.value >= 0) {
        std::int64_t added = integer_of(types_[static_cast<std::size_t>(s.value)], value(s.value));
        i = static_cast<std::int64_t>(static_cast<std::uint64_t>(i) + static_cast<std::uint64_t>(added));
      }
      if (s.divisor != 1) {
        if (i % s.divisor != 0) return -1;
        i /= s.divisor;
      }
      if (s.check == Subscript::Check::clamped) i = std::clamp<std::int64_t>(i, 0, s.extent - 1);
      if (i < 0 || i >= s.extent) return -1;
      sum += i * s.stride;
    }
    return sum;
  }

  ScalarValue load(const Instr& instr) {
    const Access& a = *instr.access;
    std::int64_t i = element(a);
    if (i < 0) return scalar_of(instr.type, a.outside);
    if (watch_) read_by_watch(a.buffer, i);
    ScalarValue loaded = read(at(a.buffer), i);
    if (instr.type == DType::boolean) loaded.bits = loaded.bits != 0;
    return loaded;
  }

  void store(const Instr& instr) {
    const Access& a = *instr.access;
    std::int64_t i = element(a);
    if (i < 0) return;
    if (watch_) write_by_watch(a.buffer, i);
    write(at(a.buffer), i, value(instr.args[0]));
  }

  // ---- tiles ----

  void tile(const Tile& t) { t.dtype == DType::f32 ? run_tile<float>(t) : run_tile<double>(t); }

  std::pair<std::int64_t, std::int64_t> steps(const Tile::Depth& depth) const {
    if (!depth.within) return {0, depth.extent};
    return depth.within->steps(index(depth.within->first), depth.extent);
  }

  template <class T>
  void run_tile(const Tile& t) {
    const std::int64_t a = index(t.a_base), b = index(t.b_base), c = index(t.c_base);
    T* result = reinterpret_cast<T*>(at(t.c).data) + c;
    std::vector<T> totals(static_cast<std::size_t>(t.rows) * static_cast<std::size_t>(t.columns), T{0});
    if (watch_) watch_tile(t, a, b, c);
    T* total = totals.data();
    if (t.accumulate)
      for (int r = 0; r < t.rows; ++r) std::copy_n(result + r * t.c_row, t.columns, total + r * t.columns);
    depth<T>(t, 0, reinterpret_cast<const T*>(at(t.a).data) + a, reinterpret_cast<const T*>(at(t.b).data) + b,
             {0, t.rows}, total);
    for (int r = 0; r < t.rows; ++r) std::copy_n(total + r * t.columns, t.columns, result + r * t.c_row);
  }

  using Rows = std::pair<std::int64_t, std::int64_t>;  // from .first to before .second

  static Rows rows_of(const Tile& t, const Tile::Depth& depth, std::int64_t step, const Rows& around) {
    return depth.rows ? depth.rows->in_step(step, t.rows) : around;
  }

  template <class T>
  void depth(const Tile& t, std::size_t level, const T* a, const T* b, const Rows& rows, T* totals) const {
    if (level < t.depth.size()) {
      const Tile::Depth& d = t.depth[level];
      const auto [begin, end] = steps(d);
      for (std::int64_t i = begin; i < end; ++i)
        depth<T>(t, level + 1, a + i * d.a_step, b + i * d.b_step, rows_of(t, d, i, rows), totals);
      return;
    }
    for (std::int64_t r = rows.first; r < rows.second; ++r) {
      const T left = a[r * t.a_row];
      T* row = totals + r * t.columns;
      if (program_.target.fma) {
        for (int c = 0; c < t.columns; ++c) row[c] = std::fma(left, b[c], row[c]);
      } else {
        for (int c = 0; c < t.columns; ++c) row[c] = left * b[c] + row[c];
      }
    }
  }

  void watch_tile(const Tile& t, std::int64_t a, std::int64_t b, std::int64_t c) {
    watch_depth(t, 0, a, b, {0, t.rows});
    for (int pass = t.accumulate ? 0 : 1; pass < 2; ++pass)
      for (int row = 0; row < t.rows; ++row)
        for (int column = 0; column < t.columns; ++column)
          pass == 0 ? read_by_watch(t.c, c + row * t.c_row + column) : write_by_watch(t.c, c + row * t.c_row + column);
  }

  void watch_depth(const Tile& t, std::size_t level, std::int64_t a, std::int64_t b, const Rows& rows) {
    if (level < t.depth.size()) {
      const Tile::Depth& d = t.depth[level];
      const auto [begin, end] = steps(d);
      for (std::int64_t i = begin; i < end; ++i)
        watch_depth(t, level + 1, a + i * d.a_step, b + i * d.b_step, rows_of(t, d, i, rows));
      return;
    }
    for (std::int64_t row = rows.first; row < rows.second; ++row) read_by_watch(t.a, a + row * t.a_row);
    if (rows.first == rows.second) return;
    for (int column = 0; column < t.columns; ++column) read_by_watch(t.b, b + column);
  }

  const KernelProgram& program_;
  const KernelCall& call_;
  KernelWatch* watch_;
  std::vector<std::byte> presets_;
  std::vector<Place> places_;
  std::vector<std::int64_t> starts_;  // of views, in their base; 0 for other buffers
  std::vector<std::int64_t> trips_;   // index of each of the entry's loops
  std::map<std::pair<Combiner, DType>, std::unique_ptr<Combine>> combiners_;
  // Of the kernel at hand.
  std::vector<ScalarValue> values_;
  std::vector<DType> types_;
  std::vector<std::int64_t> variables_;
};

}  // namespace

void interpret(const KernelProgram& program, const KernelCall& call, KernelWatch* watch) {
  // The program's own accesses are all that keeps memory whole.
  std::vector<std::string> violations = verify(program);
  if (!violations.empty()) internal_error("interpret: " + violations.front());
  Interpreter(program, call, watch).run();
}

void interpret(const KernelProgram& program, const KernelCall& call) { interpret(program, call, nullptr); }

}  // namespace gradc
