// Writes one kernel: see emit.h.
#include "compiler/lower/emit.h"

#include <algorithm>

namespace gradc {

Coordinate coordinate(Affine affine) {
  Coordinate c;
  c.affine = std::move(affine);
  return c;
}

KernelWriter::KernelWriter(const KernelProgram& program, std::string kind) : program_(program) {
  kernel_.kind = std::move(kind);
  blocks_.emplace_back();
}

int KernelWriter::open(std::int64_t extent, Loop::Mark mark, int lanes) {
  Block block;
  block.loop.variable = kernel_.variables++;
  block.loop.extent = extent;
  block.loop.mark = mark;
  block.loop.lanes = lanes;
  block.instance = ++instances_;
  extents_.push_back(extent);
  variable_level_.push_back(static_cast<int>(blocks_.size()));
  blocks_.push_back(std::move(block));
  return kernel_.variables - 1;
}

std::vector<Scalar> KernelWriter::close(std::vector<Accumulator> accumulators) {
  Block block = std::move(blocks_.back());
  blocks_.pop_back();
  std::vector<Scalar> results = results_of(accumulators);
  block.loop.accumulators = std::move(accumulators);
  Instr instr;
  instr.op = Opcode::loop;
  instr.body = std::move(block.code);
  instr.loop = std::make_shared<const Loop>(std::move(block.loop));
  blocks_.back().code.push_back(std::move(instr));
  return results;
}

std::vector<Scalar> KernelWriter::results_of(std::vector<Accumulator>& accumulators) {
  std::vector<Scalar> results;
  for (Accumulator& a : accumulators) {
    a.result = kernel_.values++;
    define(a.result, depth());
    results.push_back({nullptr, a.result, a.type});
  }
  return results;
}

std::optional<std::vector<Scalar>> KernelWriter::close_run(int count, std::vector<Accumulator> accumulators) {
  if (count == 1) return close(std::move(accumulators));
  for (int i = 0; i < count; ++i) close();
  std::vector<Instr> nest;
  nest.push_back(std::move(blocks_.back().code.back()));
  blocks_.back().code.pop_back();
  flatten_accesses(nest, extents_);
  for (int i = 1; i < count; ++i) {
    Instr* outer = &nest[0];
    for (int k = i; k + 1 < count && outer->body.size() == 1; ++k) outer = &outer->body[0];
    if (!merge_with_inner(*outer, kernel_.values)) return std::nullopt;
  }
  Loop loop = *nest[0].loop;
  extents_[static_cast<std::size_t>(loop.variable)] = loop.extent;
  std::vector<Scalar> results = results_of(accumulators);
  loop.accumulators = std::move(accumulators);
  nest[0].loop = std::make_shared<const Loop>(std::move(loop));
  blocks_.back().code.push_back(std::move(nest[0]));
  return results;
}

bool KernelWriter::visible(Scalar value) const {
  auto [level, instance] = value_level_.at(static_cast<std::size_t>(value.id));
  return level <= depth() && blocks_[static_cast<std::size_t>(level)].instance == instance;
}

void KernelWriter::define(int value, int level) {
  if (value_level_.size() <= static_cast<std::size_t>(value))
    value_level_.resize(static_cast<std::size_t>(value) + 1, {0, -1});
  value_level_[static_cast<std::size_t>(value)] = {level, blocks_[static_cast<std::size_t>(level)].instance};
}

int KernelWriter::level_of(const Affine& affine) const {
  int level = 0;
  for (const Affine::Part& p : affine.parts)
    level = std::max(level, variable_level_[static_cast<std::size_t>(p.variable)]);
  return level;
}

int KernelWriter::level_of(const Instr& instr) const {
  int level = 0;
  auto value = [&](int v) {
    if (v >= 0 && static_cast<std::size_t>(v) < value_level_.size())
      level = std::max(level, value_level_[static_cast<std::size_t>(v)].first);
  };
  for (int a : instr.args) value(a);
  if (instr.op == Opcode::index) level = variable_level_[static_cast<std::size_t>(instr.integer)];
  if (instr.access)
    for (const Subscript& s : instr.access->subscripts) {
      level = std::max(level, level_of(s.affine));
      value(s.value);
    }
  for (const Instr& inner : instr.body) level = std::max(level, level_of(inner));
  return level;
}

void KernelWriter::place(Instr instr, int level) {
  if (instr.result >= 0) define(instr.result, level);
  blocks_[static_cast<std::size_t>(level)].code.push_back(std::move(instr));
}

void KernelWriter::place(std::vector<Instr> code) {
  for (Instr& instr : code) {
    int level = level_of(instr);
    place(std::move(instr), level);
  }
}

Scalar KernelWriter::number(DType type, double value) {
  return write([&](ScalarBuilder& b) { return b.number(type, value); });
}

Scalar KernelWriter::constant(DType type, ScalarValue value) {
  if (is_float(type)) return number(type, number_of(type, value));
  return write([&](ScalarBuilder& b) { return b.integer(type, integer_of(type, value)); });
}

Scalar KernelWriter::index(int variable) {
  return write([&](ScalarBuilder& b) { return b.index(variable); });
}

Scalar KernelWriter::emit(Opcode op, DType type, std::span<const Scalar> args) {
  return write([&](ScalarBuilder& b) { return b.emit(op, type, args); });
}

Scalar KernelWriter::convert(Scalar x, DType to) {
  if (x.type == to) return x;
  return emit(Opcode::convert, to, std::span(&x, 1));
}

void KernelWriter::remap(const std::vector<Instr>& from, std::vector<Instr>& to, std::vector<int>& numbers,
                         std::span<const Scalar> arguments, std::span<const Scalar> indices) {
  for (const Instr& old : from) {
    if (old.op == Opcode::argument) {
      numbers[static_cast<std::size_t>(old.result)] = arguments[static_cast<std::size_t>(old.integer)].id;
      continue;
    }
    if (old.op == Opcode::index) {
      numbers[static_cast<std::size_t>(old.result)] = indices[static_cast<std::size_t>(old.integer)].id;
      continue;
    }
    Instr instr = old;
    instr.body.clear();
    for (int& a : instr.args) a = numbers[static_cast<std::size_t>(a)];
    remap(old.body, instr.body, numbers, arguments, indices);
    if (old.yield >= 0) instr.yield = numbers[static_cast<std::size_t>(old.yield)];
    if (old.result >= 0) {
      instr.result = kernel_.values++;
      numbers[static_cast<std::size_t>(old.result)] = instr.result;
    }
    to.push_back(std::move(instr));
  }
}

Scalar KernelWriter::splice(const ScalarBody& body, std::span<const Scalar> arguments,
                            std::span<const Scalar> indices) {
  std::vector<int> numbers(static_cast<std::size_t>(body.values), -1);
  std::vector<Instr> code;
  remap(body.code, code, numbers, arguments, indices);
  place(std::move(code));
  DType type = DType::f32;
  for (const Instr& i : body.code)
    if (i.result == body.results[0]) type = i.type;
  return {nullptr, numbers[static_cast<std::size_t>(body.results[0])], type};
}

Scalar KernelWriter::load(Access access, bool here) {
  Instr instr;
  instr.op = Opcode::load;
  instr.type = program_.buffers[static_cast<std::size_t>(access.buffer)].dtype;
  instr.result = kernel_.values++;
  instr.access = std::make_shared<const Access>(std::move(access));
  Scalar result{nullptr, instr.result, instr.type};
  int level = here ? depth() : level_of(instr);
  place(std::move(instr), level);
  return result;
}

void KernelWriter::store(Access access, Scalar value) {
  Instr instr;
  instr.op = Opcode::store;
  instr.type = value.type;
  instr.args = {value.id};
  instr.access = std::make_shared<const Access>(std::move(access));
  place(std::move(instr), depth());
}

void KernelWriter::tile(Tile tile) {
  Instr instr;
  instr.op = Opcode::tile;
  instr.type = tile.dtype;
  instr.tile = std::make_shared<const Tile>(std::move(tile));
  place(std::move(instr), depth());
}

Range KernelWriter::range(const Affine& affine) const { return range_of(affine, extents_); }

Scalar KernelWriter::value_of(const Coordinate& c) {
  return write([&](ScalarBuilder& b) {
    Scalar sum{};
    auto add = [&](Scalar term) { sum = sum.id < 0 ? term : sum + term; };
    for (const Affine::Part& p : c.affine.parts) {
      Scalar i = b.index(p.variable);
      add(p.coefficient == 1 ? i : i * b.integer(DType::i64, p.coefficient));
    }
    if (c.value >= 0) add(Scalar{&b, c.value, DType::i64});
    if (c.affine.offset != 0 || sum.id < 0) add(b.integer(DType::i64, c.affine.offset));
    return c.divisor == 1 ? sum : sum / b.integer(DType::i64, c.divisor);
  });
}

bool KernelWriter::proven(const Coordinate& c, std::int64_t extent) const {
  if (c.value >= 0 || c.divisor != 1) return false;
  Range r = range(c.affine);
  return r.low >= 0 && r.high < extent;
}

Scalar KernelWriter::inside(const Coordinate& c, std::int64_t extent) {
  Coordinate numerator = c;
  numerator.divisor = 1;
  Scalar n = value_of(numerator);
  Range r = range(c.affine);
  bool known = c.value < 0;
  return write([&](ScalarBuilder& b) {
    n.builder = &b;
    Scalar all{};
    auto also = [&](Scalar condition) { all = all.id < 0 ? condition : all & condition; };
    if (!known || r.low < 0) also(b.integer(DType::i64, 0) <= n);
    if (!known || r.high >= extent * c.divisor) also(n < b.integer(DType::i64, extent * c.divisor));
    if (c.divisor != 1) also(n % b.integer(DType::i64, c.divisor) == b.integer(DType::i64, 0));
    return all.id < 0 ? b.integer(DType::boolean, 1) : all;
  });
}

Coordinate KernelWriter::linear(std::span<const std::pair<std::int64_t, Coordinate>> terms, std::int64_t offset,
                                std::int64_t divisor) {
  Coordinate result;
  result.divisor = divisor;
  // A single divided term keeps its division: ±(a / d) + offset = (±a + offset * d) / d.
  if (terms.size() == 1 && terms[0].second.divisor != 1 && terms[0].second.value < 0 &&
      (terms[0].first == 1 || terms[0].first == -1)) {
    const Coordinate& c = terms[0].second;
    result.affine = c.affine * terms[0].first + affine_constant(offset * c.divisor);
    result.divisor = divisor * c.divisor;
  } else {
    result.affine = affine_constant(offset);
    for (const auto& [factor, c] : terms) {
      if (c.divisor == 1 && c.value < 0) {
        result.affine = result.affine + c.affine * factor;
      } else if (c.divisor == 1 && factor == 1 && result.value < 0) {
        result.affine = result.affine + c.affine;
        result.value = c.value;
      } else {
        Scalar term = value_of(c);
        result.value = write([&](ScalarBuilder& b) {
                         Scalar t = Scalar{&b, term.id, DType::i64} * b.integer(DType::i64, factor);
                         return result.value < 0 ? t : t + Scalar{&b, result.value, DType::i64};
                       }).id;
      }
    }
  }
  bool divides = result.value < 0 && result.affine.offset % result.divisor == 0;
  for (const Affine::Part& p : result.affine.parts) divides = divides && p.coefficient % result.divisor == 0;
  if (divides && result.divisor != 1) {
    result.affine.offset /= result.divisor;
    for (Affine::Part& p : result.affine.parts) p.coefficient /= result.divisor;
    result.divisor = 1;
  }
  return result;
}

Kernel KernelWriter::finish() {
  ensure(blocks_.size() == 1, "a kernel was finished inside a loop");
  kernel_.body = std::move(blocks_[0].code);
  return std::move(kernel_);
}

Access access_of(const KernelWriter& writer, int buffer, const std::vector<std::int64_t>& sizes,
                 const Coordinates& coordinates, double outside, bool clamp_values) {
  Access access;
  access.buffer = buffer;
  access.outside = outside;
  std::vector<std::int64_t> strides = row_major_strides(sizes);
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    const Coordinate& c = coordinates[d];
    Subscript s;
    s.affine = c.affine;
    s.value = c.value;
    s.divisor = c.divisor;
    s.extent = sizes[d];
    s.stride = strides[d];
    if (!writer.proven(c, sizes[d]))
      s.check = clamp_values && c.value >= 0 && c.divisor == 1 ? Subscript::Check::clamped : Subscript::Check::guarded;
    access.subscripts.push_back(std::move(s));
  }
  return access;
}

}  // namespace gradc
