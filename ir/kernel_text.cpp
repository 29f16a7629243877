// Prints kernel programs; kernel_parse.cpp reads what is printed here.
//
//   program @saxpy {
//     target "znver5" vector_bytes 64 vector_registers 32 fma masks l1 49152 l2 1048576
//     input x: f32[64,100]
//     scalar a: f32[] = 0.5 at 0
//     arena 25600
//     buffer @x: f32[6400] input 0
//     buffer @t: f32[6400] arena at 0
//     buffer @x_t: f32[100] view @x at 100*t0
//     kernel @k0 loop parallel 64 work 6400 loc("mlp.json":7:5) {
//       loop i1 < 100 vector 16 {
//         %0 = load f32 @x[i0 of 64 by 100, i1 of 100 by 1]
//         store f32 %0 to @t[100*i0 + i1 of 6400 by 1]
//       } giving %2 = sum f32 from %1 of %0
//       tile f32 8 x 32 @c[64*i0] row 64 += @a[i0] row 100 * @b[0] over 100 (1, 32)
//     }
//     entry {
//       launch @k0
//       copy @t to @y
//       for t0 < 64 { … }
//       while @more trips 100 { … } do { … }
//       if @flag { … } else { … }
//     }
//   }
//
// A subscript reads `(index + value) / divisor of extent by stride`, then `guarded` or `clamped`; an access ends in
// `at` its offset and `outside` what guards give. Depth loops of a tile read `extent (step of a, step of b)`. Names
// that are not plain words are quoted; a buffer whose name another one shares is `@name#number`.
#include <charconv>
#include <cmath>
#include <concepts>
#include <unordered_map>
#include <utility>

#include "ir/kernel_text.h"

namespace gradc {

bool is_plain_name(std::string_view name) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || !letter(name[0])) return false;
  for (char c : name)
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '.') return false;
  return name.back() != '.';
}

namespace {

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  out += '"';
}

void append_name(std::string& out, std::string_view name) {
  if (is_plain_name(name))
    out += name;
  else
    append_quoted(out, name);
}

template <class Float>
std::string shortest(Float value) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string number_text(DType type, double value) {
  if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return type == DType::f32 ? shortest(static_cast<float>(value)) : shortest(value);
}

// Pieces of text, by what they say.
struct Quoted {
  std::string_view text;
};
struct Name {
  std::string_view text;
};
struct Value {
  int number;
};
struct Index {  // of a buffer
  int number;
};
struct Launched {
  int kernel;
};
struct Sum {  // of loop variables
  const Affine& affine;
  char variable = 'i';
};

class Printer {
 public:
  Printer(const KernelProgram& program, const std::function<void(std::string_view)>& write)
      : program_(program), write_(write) {
    std::unordered_map<std::string_view, int> uses;
    for (const KernelBuffer& buffer : program.buffers) ++uses[buffer.name];
    for (const KernelBuffer& buffer : program.buffers) {
      put('@', Name{buffer.name});
      if (uses.at(buffer.name) > 1) put('#', names_.size());
      names_.push_back(std::exchange(out_, {}));
    }
  }

  void run() {
    line("program @", Name{program_.name}, " {");
    ++depth_;
    header();
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) buffer(static_cast<int>(i));
    for (const Kernel& k : program_.kernels) kernel(k);
    line("entry {");
    ++depth_;
    statements(program_.entry);
    close();
    close();
    write_(out_);
  }

 private:
  // ---- pieces ----

  void put_one(std::string_view text) { out_.append(text); }
  void put_one(char c) { out_ += c; }
  template <std::integral Number>
  void put_one(Number number) {
    char buffer[24];
    out_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
  }
  void put_one(DType type) { put(name_of(type)); }
  void put_one(Quoted text) { append_quoted(out_, text.text); }
  void put_one(Name name) { append_name(out_, name.text); }
  void put_one(Value value) { put('%', value.number); }
  void put_one(Index buffer) {
    const auto index = static_cast<std::size_t>(buffer.number);
    index < names_.size() ? put(names_[index]) : put("@#", buffer.number);
  }
  void put_one(Launched launched) {
    const auto index = static_cast<std::size_t>(launched.kernel);
    if (index < program_.kernels.size())
      put('@', Name{program_.kernels[index].name});
    else
      put("@#", launched.kernel);
  }
  void put_one(Sum sum) {
    const std::size_t start = out_.size();
    auto sign = [&](std::int64_t number) {  // gives its size
      const bool first = out_.size() == start;
      put(number < 0 ? (first ? "-" : " - ") : (first ? "" : " + "));
      return number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    };
    for (const Affine::Part& part : sum.affine.parts) {
      if (const std::uint64_t size = sign(part.coefficient); size != 1) put(size, '*');
      put(sum.variable, part.variable);
    }
    if (sum.affine.offset != 0 || out_.size() == start) put(sign(sum.affine.offset));
  }
  void put_one(const Subscript& s) {
    if (s.divisor != 1) put('(');
    const bool value_alone = s.value >= 0 && s.affine.parts.empty() && s.affine.offset == 0;
    if (!value_alone) put(Sum{s.affine});
    if (s.value >= 0) put(value_alone ? "" : " + ", Value{s.value});
    if (s.divisor != 1) put(") / ", s.divisor);
    put(" of ", s.extent, " by ", s.stride);
    if (s.check == Subscript::Check::guarded) put(" guarded");
    if (s.check == Subscript::Check::clamped) put(" clamped");
  }

  template <class... Pieces>
  void put(const Pieces&... pieces) {
    (put_one(pieces), ...);
  }

  void begin() { out_.append(2 * static_cast<std::size_t>(depth_), ' '); }
  template <class... Pieces>
  void end(const Pieces&... pieces) {
    put(pieces..., '\n');
  }
  template <class... Pieces>
  void line(const Pieces&... pieces) {
    begin();
    end(pieces...);
  }

  void close() {
    --depth_;
    line('}');
  }

  // ---- statements ----

  void statements(const std::vector<Statement>& list) {
    for (const Statement& s : list) statement(s);
  }

  void statement(const Statement& s) {
    switch (s.kind) {
      case Statement::Kind::launch:
        return line("launch ", Launched{s.kernel});
      case Statement::Kind::copy:
        return line("copy ", Index{s.from}, " to ", Index{s.to});
      case Statement::Kind::repeat:
        line("for t", s.loop, " < ", s.extent, " {");
        nested(s.body);
        return line('}');
      case Statement::Kind::repeat_while:
        begin();
        put("while ", Index{s.flag});
        if (s.extent != 0) put(" trips ", s.extent);
        end(" {");
        nested(s.before);
        line("} do {");
        nested(s.body);
        return line('}');
      case Statement::Kind::choose:
        line("if ", Index{s.flag}, " {");
        nested(s.body);
        if (!s.otherwise.empty()) {
          line("} else {");
          nested(s.otherwise);
        }
        return line('}');
    }
  }

  void nested(const std::vector<Statement>& list) {
    ++depth_;
    statements(list);
    --depth_;
  }

  // ---- header and buffers ----

  void header() {
    const Target& t = program_.target;
    begin();
    put("target ", Quoted{t.cpu});
    if (!t.triple.empty()) put(" triple ", Quoted{t.triple});
    put(" vector_bytes ", t.vector_bytes, " vector_registers ", t.vector_registers);
    if (t.fma) put(" fma");
    if (t.masks) put(" masks");
    end(" l1 ", t.l1_bytes, " l2 ", t.l2_bytes);
    for (const KernelParameter& p : program_.inputs) parameter("input", p);
    for (const KernelParameter& p : program_.outputs) parameter("output", p);
    for (const KernelParameter& p : program_.scalars) parameter("scalar", p);
    if (program_.arena_bytes != 0) line("arena ", program_.arena_bytes);
    if (program_.worker_bytes != 0) line("worker ", program_.worker_bytes);
  }

  void parameter(std::string_view kind, const KernelParameter& p) {
    begin();
    put(kind, ' ', Name{p.name}, ": ", p.type.str());
    if (p.lower != p.upper) put(" range ", p.lower, " to ", p.upper);
    if (kind == "scalar") put(" = ", number_text(DType::f64, p.preset), " at ", p.offset);
    end();
  }

  void buffer(int index) {
    const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(index)];
    begin();
    put("buffer ", Index{index}, ": ", b.dtype, '[', b.elements, "] ", name_of(b.space));
    switch (b.space) {
      case Space::input:
      case Space::output:
        return end(' ', b.slot);
      case Space::table:
        put(' ', b.data.type().str());
        return table(b.data);
      case Space::view:
        return end(' ', Index{b.base}, " at ", Sum{b.start, 't'});
      default:
        if (b.offset >= 0) put(" at ", b.offset);
        return end();
    }
  }

  static std::string element(const Tensor& data, std::int64_t i) {
    DType type = data.type().dtype;
    return is_float(type) ? number_text(type, data.get(i)) : std::to_string(data.get_integer(i));
  }

  void table(const Tensor& data) {
    constexpr std::int64_t kPerLine = 16;
    std::int64_t size = data.elements() == 0 ? 0 : data.bytes() / data.elements();
    bool splat = data.elements() > 1;
    for (std::int64_t i = 1; i < data.elements() && splat; ++i)
      splat = std::memcmp(data.data(), data.data() + i * size, static_cast<std::size_t>(size)) == 0;
    if (splat) return end(" splat ", element(data, 0));
    put(" {");
    for (std::int64_t i = 0; i < data.elements(); ++i) {
      if (data.elements() > kPerLine && i % kPerLine == 0) {
        end();
        begin();
        put("  ");
      } else if (i > 0) {
        put(' ');
      }
      put(element(data, i));
      if (i + 1 < data.elements()) put(',');
    }
    end('}');
  }

  // ---- kernels ----

  void kernel(const Kernel& k) {
    begin();
    put("kernel @", Name{k.name}, ' ', Name{k.kind}, " parallel ", k.parallel, " work ", k.work);
    locations(k.locations);
    end(" {");
    ++depth_;
    block(k.body);
    close();
    write_(out_);
    out_.clear();
  }

  void locations(const Locations& locations) {
    bool any = false;
    for (const Location& location : locations) {
      if (!location.known()) continue;
      put(std::exchange(any, true) ? ", " : " loc(", location.gradient ? "gradient of " : "", Quoted{*location.file},
          ':', location.line, ':', location.column);
    }
    if (any) put(')');
  }

  void block(const std::vector<Instr>& body) {
    for (const Instr& instr : body) instruction(instr);
  }

  void instruction(const Instr& i) {
    if (i.op == Opcode::loop) return loop(i);
    if (i.op == Opcode::tile) return tile(*i.tile);
    begin();
    if (i.op == Opcode::store) {
      put("store ", i.type, ' ', Value{i.args.empty() ? -1 : i.args[0]}, " to ");
      return access(i.type, *i.access);
    }
    put(Value{i.result}, " = ", name_of(i.op), ' ', i.type);
    switch (i.op) {
      case Opcode::load:
        put(' ');
        return access(i.type, *i.access);
      case Opcode::constant:
        return is_float(i.type) ? end(' ', number_text(i.type, i.number)) : end(' ', i.integer);
      case Opcode::argument:
        return end(' ', i.integer);
      case Opcode::index:
        return end(" i", i.integer);
      default:
        break;
    }
    for (std::size_t k = 0; k < i.args.size(); ++k) put(k == 0 ? " " : ", ", Value{i.args[k]});
    if (i.op != Opcode::rarely) return end();
    end(" {");
    ++depth_;
    block(i.body);
    line("yield ", Value{i.yield});
    close();
  }

  void access(DType type, const Access& a) {
    put(Index{a.buffer}, '[');
    for (std::size_t d = 0; d < a.subscripts.size(); ++d) put(d == 0 ? "" : ", ", a.subscripts[d]);
    put(']');
    if (a.offset != 0) put(" at ", a.offset);
    if (a.outside != 0 || std::signbit(a.outside))
      put(" outside ", number_text(is_float(type) ? type : DType::f64, a.outside));
    end();
  }

  void loop(const Instr& i) {
    const Loop& l = *i.loop;
    begin();
    put("loop i", l.variable, " < ", l.extent);
    if (l.mark == Loop::Mark::vector) put(" vector ", l.lanes);
    if (l.mark == Loop::Mark::unroll) put(" unroll");
    end(" {");
    ++depth_;
    block(i.body);
    --depth_;
    begin();
    put('}');
    for (std::size_t k = 0; k < l.accumulators.size(); ++k) {
      const Accumulator& a = l.accumulators[k];
      put(k == 0 ? " giving " : ", ", Value{a.result}, " = ", name_of(a.combiner), ' ', a.type, " from ", Value{a.init},
          " of ", Value{a.update});
      if (a.times >= 0) put(" * ", Value{a.times});
    }
    end();
  }

  void tile(const Tile& t) {
    begin();
    put("tile ", t.dtype, ' ', t.rows, " x ", t.columns, ' ', Index{t.c}, '[', Sum{t.c_base}, "] row ", t.c_row,
        t.accumulate ? " += " : " = ", Index{t.a}, '[', Sum{t.a_base}, "] row ", t.a_row, " * ", Index{t.b}, '[',
        Sum{t.b_base}, "] over ");
    for (std::size_t d = 0; d < t.depth.size(); ++d) {
      const Tile::Depth& depth = t.depth[d];
      put(d == 0 ? "" : ", ", depth.extent, " (", depth.a_step, ", ", depth.b_step, ')');
      if (depth.within)
        put(" within (", Sum{depth.within->first}, ", ", depth.within->step, " of ", depth.within->size, ')');
      if (const auto& rows = depth.rows)
        put(" rows (", rows->first, ", ", rows->step, ", ", rows->row, " of ", rows->size, ')');
    }
    end();
  }

  const KernelProgram& program_;
  const std::function<void(std::string_view)>& write_;
  std::vector<std::string> names_;  // of buffers
  std::string out_;                 // what is not written yet
  int depth_ = 0;
};

}  // namespace

std::string print(const KernelProgram& program) {
  std::string text;
  Printer(program, [&](std::string_view piece) { text += piece; }).run();
  return text;
}

void print(const KernelModule& module, const std::function<void(std::string_view)>& write) {
  std::string head = "module @";
  append_name(head, module.name);
  head += " {\n";
  for (const StateEntry& entry : module.state.entries) {
    append_name(head += "  state ", entry.name);
    head +=
        ": " + entry.type.str() + " " + std::string(name_of(entry.kind)) + " at " + std::to_string(entry.offset) + "\n";
  }
  write(head + "  state_bytes " + std::to_string(module.state.bytes) + "\n}\n");
  for (const KernelProgram& program : module.programs) {
    write("\n");
    Printer(program, write).run();
  }
}

std::string print(const KernelModule& module) {
  std::string text;
  print(module, [&](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace gradc
