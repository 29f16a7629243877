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
#include <map>

#include "ir/kernel.h"
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

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string name_text(std::string_view name) { return is_plain_name(name) ? std::string(name) : quoted(name); }

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

std::string affine_text(const Affine& affine, char variable = 'i') {
  std::string out;
  for (const Affine::Part& part : affine.parts) {
    bool negative = part.coefficient < 0;
    out += out.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    std::uint64_t size =
        negative ? 0 - static_cast<std::uint64_t>(part.coefficient) : static_cast<std::uint64_t>(part.coefficient);
    if (size != 1) out += std::to_string(size) + "*";
    out += variable + std::to_string(part.variable);
  }
  if (out.empty()) return std::to_string(affine.offset);
  if (affine.offset > 0) out += " + " + std::to_string(affine.offset);
  if (affine.offset < 0) out += " - " + std::to_string(0 - static_cast<std::uint64_t>(affine.offset));
  return out;
}

std::string value_text(int value) { return "%" + std::to_string(value); }

std::string locations_text(const Locations& locations) {
  std::string out;
  for (const Location& location : locations) {
    if (!location.known()) continue;
    out += out.empty() ? " loc(" : ", ";
    if (location.gradient) out += "gradient of ";
    out += quoted(*location.file) + ":" + std::to_string(location.line) + ":" + std::to_string(location.column);
  }
  return out.empty() ? out : out + ")";
}

class Printer {
 public:
  explicit Printer(const KernelProgram& program) : program_(program) {
    for (const KernelBuffer& buffer : program.buffers) ++uses_[buffer.name];
  }

  std::string run() {
    line("program @" + name_text(program_.name) + " {");
    ++depth_;
    header();
    for (std::size_t i = 0; i < program_.buffers.size(); ++i) buffer(static_cast<int>(i));
    for (const Kernel& k : program_.kernels) kernel(k);
    line("entry {");
    ++depth_;
    statements(program_.entry);
    close();
    close();
    return std::move(out_);
  }

 private:
  void line(const std::string& text) { out_.append(2 * static_cast<std::size_t>(depth_), ' ').append(text) += '\n'; }

  void close(const std::string& after = "") {
    --depth_;
    line("}" + after);
  }

  void statements(const std::vector<Statement>& list) {
    for (const Statement& s : list) statement(s);
  }

  void statement(const Statement& s) {
    switch (s.kind) {
      case Statement::Kind::launch:
        return line("launch " + kernel_name(s.kernel));
      case Statement::Kind::copy:
        return line("copy " + buffer_name(s.from) + " to " + buffer_name(s.to));
      case Statement::Kind::repeat:
        return nested("for t" + std::to_string(s.loop) + " < " + std::to_string(s.extent) + " {", s.body);
      case Statement::Kind::repeat_while: {
        std::string most = s.extent == 0 ? "" : " trips " + std::to_string(s.extent);
        nested("while " + buffer_name(s.flag) + most + " {", s.before, "");
        return nested("} do {", s.body);
      }
      case Statement::Kind::choose:
        if (s.otherwise.empty()) return nested("if " + buffer_name(s.flag) + " {", s.body);
        nested("if " + buffer_name(s.flag) + " {", s.body, "");
        return nested("} else {", s.otherwise);
    }
  }

  void nested(const std::string& head, const std::vector<Statement>& list, const char* end = "}") {
    line(head);
    ++depth_;
    statements(list);
    --depth_;
    if (*end != '\0') line(end);
  }

  void header() {
    const Target& t = program_.target;
    std::string text = "target " + quoted(t.cpu);
    if (!t.triple.empty()) text += " triple " + quoted(t.triple);
    text +=
        " vector_bytes " + std::to_string(t.vector_bytes) + " vector_registers " + std::to_string(t.vector_registers);
    if (t.fma) text += " fma";
    if (t.masks) text += " masks";
    line(text + " l1 " + std::to_string(t.l1_bytes) + " l2 " + std::to_string(t.l2_bytes));
    for (const KernelParameter& p : program_.inputs) parameter("input", p);
    for (const KernelParameter& p : program_.outputs) parameter("output", p);
    for (const KernelParameter& p : program_.scalars) parameter("scalar", p);
    if (program_.arena_bytes != 0) line("arena " + std::to_string(program_.arena_bytes));
    if (program_.worker_bytes != 0) line("worker " + std::to_string(program_.worker_bytes));
  }

  void parameter(const char* kind, const KernelParameter& p) {
    std::string text = std::string(kind) + " " + name_text(p.name) + ": " + p.type.str();
    if (p.lower != p.upper) text += " range " + std::to_string(p.lower) + " to " + std::to_string(p.upper);
    if (kind == std::string_view("scalar"))
      text += " = " + number_text(DType::f64, p.preset) + " at " + std::to_string(p.offset);
    line(text);
  }

  std::string buffer_name(int index) const {
    if (index < 0 || static_cast<std::size_t>(index) >= program_.buffers.size()) return "@#" + std::to_string(index);
    const std::string& name = program_.buffers[static_cast<std::size_t>(index)].name;
    std::string text = "@" + name_text(name);
    return uses_.at(name) > 1 ? text + "#" + std::to_string(index) : text;
  }

  std::string kernel_name(int index) const {
    if (index < 0 || static_cast<std::size_t>(index) >= program_.kernels.size()) return "@#" + std::to_string(index);
    return "@" + name_text(program_.kernels[static_cast<std::size_t>(index)].name);
  }

  void buffer(int index) {
    const KernelBuffer& b = program_.buffers[static_cast<std::size_t>(index)];
    std::string text = "buffer " + buffer_name(index) + ": " + std::string(name_of(b.dtype)) + "[" +
                       std::to_string(b.elements) + "] " + std::string(name_of(b.space));
    switch (b.space) {
      case Space::input:
      case Space::output:
        line(text + " " + std::to_string(b.slot));
        return;
      case Space::table:
        table(text + " " + b.data.type().str(), b.data);
        return;
      case Space::view:
        line(text + " " + buffer_name(b.base) + " at " + affine_text(b.start, 't'));
        return;
      default:
        line(b.offset < 0 ? text : text + " at " + std::to_string(b.offset));
        return;
    }
  }

  static std::string element(const Tensor& data, std::int64_t i) {
    DType type = data.type().dtype;
    return is_float(type) ? number_text(type, data.get(i)) : std::to_string(data.get_integer(i));
  }

  void table(std::string text, const Tensor& data) {
    constexpr std::int64_t kPerLine = 16;
    std::int64_t size = data.elements() == 0 ? 0 : data.bytes() / data.elements();
    bool splat = data.elements() > 1;
    for (std::int64_t i = 1; i < data.elements() && splat; ++i)
      splat = std::memcmp(data.data(), data.data() + i * size, static_cast<std::size_t>(size)) == 0;
    if (splat) return line(text + " splat " + element(data, 0));
    text += " {";
    for (std::int64_t i = 0; i < data.elements(); ++i) {
      if (data.elements() > kPerLine && i % kPerLine == 0) {
        line(text);
        text = "  ";
      } else if (i > 0) {
        text += " ";
      }
      text += element(data, i);
      if (i + 1 < data.elements()) text += ",";
    }
    line(text + "}");
  }

  void kernel(const Kernel& k) {
    line("kernel @" + name_text(k.name) + " " + name_text(k.kind) + " parallel " + std::to_string(k.parallel) +
         " work " + std::to_string(k.work) + locations_text(k.locations) + " {");
    ++depth_;
    block(k.body);
    close();
  }

  void block(const std::vector<Instr>& body) {
    for (const Instr& instr : body) instruction(instr);
  }

  void instruction(const Instr& i) {
    switch (i.op) {
      case Opcode::loop:
        return loop(i);
      case Opcode::tile:
        return tile(*i.tile);
      case Opcode::store:
        return line("store " + std::string(name_of(i.type)) + " " + value_text(i.args.empty() ? -1 : i.args[0]) +
                    " to " + access(i.type, *i.access));
      case Opcode::rarely:
        line(definition(i) + arguments(i) + " {");
        ++depth_;
        block(i.body);
        line("yield " + value_text(i.yield));
        return close();
      case Opcode::load:
        return line(definition(i) + " " + access(i.type, *i.access));
      case Opcode::constant:
        return line(definition(i) + " " + constant(i));
      case Opcode::argument:
        return line(definition(i) + " " + std::to_string(i.integer));
      case Opcode::index:
        return line(definition(i) + " i" + std::to_string(i.integer));
      default:
        return line(definition(i) + arguments(i));
    }
  }

  static std::string definition(const Instr& i) {
    return value_text(i.result) + " = " + std::string(name_of(i.op)) + " " + std::string(name_of(i.type));
  }

  static std::string constant(const Instr& i) {
    if (is_float(i.type)) return number_text(i.type, i.number);
    return std::to_string(i.integer);
  }

  static std::string arguments(const Instr& i) {
    std::string text;
    for (int arg : i.args) text += (text.empty() ? " " : ", ") + value_text(arg);
    return text;
  }

  std::string access(DType type, const Access& a) const {
    std::string text = buffer_name(a.buffer) + "[";
    for (std::size_t d = 0; d < a.subscripts.size(); ++d) {
      if (d > 0) text += ", ";
      text += subscript(a.subscripts[d]);
    }
    text += "]";
    if (a.offset != 0) text += " at " + std::to_string(a.offset);
    if (a.outside != 0 || std::signbit(a.outside))
      text += " outside " + number_text(is_float(type) ? type : DType::f64, a.outside);
    return text;
  }

  static std::string subscript(const Subscript& s) {
    std::string text = affine_text(s.affine);
    if (s.value >= 0) text = (text == "0" ? "" : text + " + ") + value_text(s.value);
    if (s.divisor != 1) text = "(" + text + ") / " + std::to_string(s.divisor);
    text += " of " + std::to_string(s.extent) + " by " + std::to_string(s.stride);
    if (s.check == Subscript::Check::guarded) text += " guarded";
    if (s.check == Subscript::Check::clamped) text += " clamped";
    return text;
  }

  void loop(const Instr& i) {
    const Loop& l = *i.loop;
    std::string text = "loop i" + std::to_string(l.variable) + " < " + std::to_string(l.extent);
    if (l.mark == Loop::Mark::vector) text += " vector " + std::to_string(l.lanes);
    if (l.mark == Loop::Mark::unroll) text += " unroll";
    line(text + " {");
    ++depth_;
    block(i.body);
    std::string after;
    for (const Accumulator& a : l.accumulators)
      after += (after.empty() ? " giving " : ", ") + value_text(a.result) + " = " + std::string(name_of(a.combiner)) +
               " " + std::string(name_of(a.type)) + " from " + value_text(a.init) + " of " + value_text(a.update) +
               (a.times >= 0 ? " * " + value_text(a.times) : "");
    close(after);
  }

  void tile(const Tile& t) {
    std::string text = "tile " + std::string(name_of(t.dtype)) + " " + std::to_string(t.rows) + " x " +
                       std::to_string(t.columns) + " " + buffer_name(t.c) + "[" + affine_text(t.c_base) + "] row " +
                       std::to_string(t.c_row) + (t.accumulate ? " += " : " = ") + buffer_name(t.a) + "[" +
                       affine_text(t.a_base) + "] row " + std::to_string(t.a_row) + " * " + buffer_name(t.b) + "[" +
                       affine_text(t.b_base) + "] over ";
    for (std::size_t d = 0; d < t.depth.size(); ++d) {
      if (d > 0) text += ", ";
      text += std::to_string(t.depth[d].extent) + " (" + std::to_string(t.depth[d].a_step) + ", " +
              std::to_string(t.depth[d].b_step) + ")";
    }
    line(text);
  }

  const KernelProgram& program_;
  std::map<std::string, int> uses_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string print(const KernelProgram& program) { return Printer(program).run(); }

std::string print(const KernelModule& module) {
  std::string out = "module @" + name_text(module.name) + " {\n";
  for (const StateEntry& entry : module.state.entries)
    out += "  state " + name_text(entry.name) + ": " + entry.type.str() + " " + std::string(name_of(entry.kind)) +
           " at " + std::to_string(entry.offset) + "\n";
  out += "  state_bytes " + std::to_string(module.state.bytes) + "\n}\n";
  for (const KernelProgram& program : module.programs) out += "\n" + print(program);
  return out;
}

}  // namespace gradc
