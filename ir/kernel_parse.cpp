// Parses kernel programs as kernel_text.cpp prints them. The first mistake ends it, with its place; what the text means
// is verify()'s to judge.
#include <charconv>
#include <limits>
#include <map>

#include "ir/kernel.h"
#include "ir/lexer.h"

namespace gradc {
namespace {

constexpr int kMaxNesting = 64;
constexpr std::int64_t kMaxValues = 1 << 22;
constexpr std::int64_t kMaxVariables = 1 << 16;
constexpr std::int64_t kMaxTable = 1 << 28;                      // elements
constexpr std::int64_t kMaxCoefficient = std::int64_t{1} << 53;  // 64 terms of this size stay inside 64 bits
constexpr int kMaxTerms = 64;

struct ParseFailure {};

using Kind = Token::Kind;

class Parser {
 public:
  Parser(std::string_view text, const std::string& file, Diagnostics& diagnostics)
      : lexer_(text), file_(file), diagnostics_(diagnostics) {
    take();
  }

  KernelProgram program();
  KernelModule module();
  void end() {
    if (token_.kind != Kind::end) fail("expected the end of the text instead of " + describe());
  }

 private:
  // Tokens.
  [[noreturn]] void fail_at(const Token& at, const std::string& message) {
    diagnostics_.error(make_location(file_, at.line, at.column), message);
    throw ParseFailure();
  }
  [[noreturn]] void fail(const std::string& message) { fail_at(token_, message); }
  Token take();
  std::string describe() const;
  bool is(std::string_view text) const {
    return token_.text == text && (token_.kind == Kind::word || token_.kind == Kind::mark);
  }
  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string name(const char* what);
  std::int64_t integer(const char* what, std::int64_t low, std::int64_t high);
  std::int64_t integer(const char* what) {
    return integer(what, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  }
  std::int64_t count(const char* what) { return integer(what, 0, std::numeric_limits<std::int64_t>::max()); }
  double number(DType type);
  DType dtype();
  Type type();
  int value();
  int variable(char letter = 'i');
  template <class Enum>
  std::optional<Enum> named(Enum last);

  // Header.
  void target(Target& target);
  KernelParameter parameter(bool scalar);
  void buffer();
  void table(KernelBuffer& buffer);
  void kernel();
  std::vector<Statement> statements();
  Statement statement();
  Locations locations();

  // Code.
  std::vector<Instr> block(int* yield);
  Instr instruction();
  Instr defined();
  void operands(Instr& instr);
  Instr store();
  Instr loop();
  Tile::Bound bound();
  Tile::RowBound row_bound();
  Instr tile();
  Accumulator accumulator();
  Access access(DType type);
  Subscript subscript();
  void index(Affine& affine, int* value, char letter = 'i');
  Affine tile_base();
  int buffer_reference();
  int kernel_reference();
  std::string reference(int* number);

  Lexer lexer_;
  Token token_;
  const std::string& file_;
  Diagnostics& diagnostics_;
  KernelProgram program_;
  std::map<std::string, std::vector<int>> buffers_;  // by name
  std::map<std::string, int> kernels_;
  int nesting_ = 0;
  int values_ = 0, variables_ = 1;  // of the kernel at hand
};

Token Parser::take() {
  Token taken = std::move(token_);
  token_ = lexer_.next();
  if (token_.kind == Kind::bad) fail(token_.text);
  return taken;
}

std::string Parser::describe() const {
  if (token_.kind == Kind::end) return "the end of the text";
  if (token_.kind == Kind::string) return "\"" + token_.text + "\"";
  return "`" + token_.text + "`";
}

bool Parser::accept(std::string_view text) {
  if (!is(text)) return false;
  take();
  return true;
}

void Parser::expect(std::string_view text) {
  if (!accept(text)) fail("expected `" + std::string(text) + "` instead of " + describe());
}

std::string Parser::name(const char* what) {
  if (token_.kind != Kind::word && token_.kind != Kind::string)
    fail("expected " + std::string(what) + " instead of " + describe());
  return take().text;
}

std::int64_t Parser::integer(const char* what, std::int64_t low, std::int64_t high) {
  Token at = token_;
  std::string text = accept("-") ? "-" : "";
  if (token_.kind != Kind::number) fail("expected " + std::string(what) + " instead of " + describe());
  text += take().text;
  std::int64_t result = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc() && error != std::errc::result_out_of_range)
    fail_at(at, "expected an integer instead of `" + text + "`");
  if (error == std::errc() && end != text.data() + text.size())
    fail_at(at, "expected an integer instead of `" + text + "`");
  if (error != std::errc() || result < low || result > high)
    fail_at(at,
            std::string(what) + " " + text + " is outside [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  return result;
}

double Parser::number(DType type) {
  Token at = token_;
  bool negative = accept("-");
  double sign = negative ? -1.0 : 1.0;
  if (accept("inf")) return sign * std::numeric_limits<double>::infinity();
  if (accept("nan")) return __builtin_copysign(std::numeric_limits<double>::quiet_NaN(), sign);
  if (token_.kind != Kind::number) fail("expected a number instead of " + describe());
  std::string text = take().text;
  // A number of f32 is read as one, so that it is rounded once.
  float narrow = 0;
  double wide = 0;
  auto [end, error] = type == DType::f32 ? std::from_chars(text.data(), text.data() + text.size(), narrow)
                                         : std::from_chars(text.data(), text.data() + text.size(), wide);
  if (error == std::errc::result_out_of_range)
    fail_at(at, "number " + text + " does not fit " + std::string(name_of(type)));
  if (error != std::errc() || end != text.data() + text.size()) fail_at(at, "malformed number `" + text + "`");
  double magnitude = type == DType::f32 ? static_cast<double>(narrow) : wide;
  return negative ? -magnitude : magnitude;
}

DType Parser::dtype() {
  if (token_.kind == Kind::word)
    if (auto found = dtype_named(token_.text)) {
      take();
      return *found;
    }
  fail("expected a dtype (f32, f64, i32, i64, u32, u8, bool) instead of " + describe());
}

Type Parser::type() {
  Type result{dtype(), {}};
  expect("[");
  while (!is("]")) {
    if (!result.shape.empty()) expect(",");
    Token at = token_;
    result.shape.push_back(Dim(count("a dimension")));
    if (!element_count(result.shape)) fail_at(at, "the shape has more elements than 64 bits count");
  }
  expect("]");
  auto elements = element_count(result.shape);
  if (elements && elements->factor > std::numeric_limits<std::int64_t>::max() / 8)
    fail("the shape has more bytes than 64 bits count");
  return result;
}

int Parser::value() {
  expect("%");
  int number = static_cast<int>(integer("a value's number", 0, kMaxValues - 1));
  values_ = std::max(values_, number + 1);
  return number;
}

// `letter`: i in kernels, t in the entry.
int Parser::variable(char letter) {
  Token at = token_;
  const std::string what = std::string("a loop variable (") + letter + "0, " + letter + "1, …)";
  std::string text = name(what.c_str());
  std::int64_t number = 0;
  const char* last = text.data() + text.size();
  bool valid = text.size() > 1 && text[0] == letter;
  if (valid) {
    auto [end, error] = std::from_chars(text.data() + 1, last, number);
    valid = error == std::errc() && end == last && number < kMaxVariables;
  }
  if (!valid) fail_at(at, "expected " + what + " instead of `" + text + "`");
  variables_ = std::max(variables_, static_cast<int>(number) + 1);
  return static_cast<int>(number);
}

// The enumerator, from 0 to `last`, whose name the word at hand is.
template <class Enum>
std::optional<Enum> Parser::named(Enum last) {
  if (token_.kind != Kind::word) return std::nullopt;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (name_of(static_cast<Enum>(i)) == token_.text) {
      take();
      return static_cast<Enum>(i);
    }
  return std::nullopt;
}

void Parser::target(Target& target) {
  target.cpu = name("a CPU");
  while (true) {
    if (accept("triple")) {
      target.triple = name("a triple");
    } else if (accept("vector_bytes")) {
      target.vector_bytes = static_cast<int>(integer("vector_bytes", 1, 1 << 16));
    } else if (accept("vector_registers")) {
      target.vector_registers = static_cast<int>(integer("vector_registers", 1, 1 << 16));
    } else if (accept("fma")) {
      target.fma = true;
    } else if (accept("masks")) {
      target.masks = true;
    } else if (accept("l1")) {
      target.l1_bytes = count("l1");
    } else if (accept("l2")) {
      target.l2_bytes = count("l2");
    } else {
      return;
    }
  }
}

KernelParameter Parser::parameter(bool scalar) {
  KernelParameter p;
  p.name = name("a parameter's name");
  expect(":");
  p.type = type();
  if (accept("range")) {
    p.lower = integer("the lower end of a range");
    expect("to");
    p.upper = integer("the upper end of a range");
  }
  if (scalar) {
    expect("=");
    p.preset = number(DType::f64);
    expect("at");
    p.offset = count("an offset");
  }
  return p;
}

// The name after `@`, and its `#number` where one stands.
std::string Parser::reference(int* number) {
  expect("@");
  *number = -1;
  std::string text;
  if (!is("#")) text = name("a name");
  if (accept("#")) *number = static_cast<int>(integer("a number", 0, std::numeric_limits<int>::max()));
  return text;
}

int Parser::buffer_reference() {
  Token at = token_;
  int number = -1;
  std::string text = reference(&number);
  auto found = buffers_.find(text);
  if (found == buffers_.end()) {
    std::vector<std::string> names;
    for (const auto& [name, numbers] : buffers_) names.push_back(name);
    fail_at(at, "unknown buffer `" + text + "`" + suggest(text, names));
  }
  if (number < 0 && found->second.size() > 1)
    fail_at(at, "several buffers are named `" + text + "`: write @" + text + "#" + std::to_string(found->second[0]));
  if (number < 0) return found->second[0];
  for (int candidate : found->second)
    if (candidate == number) return number;
  fail_at(at, "no buffer `" + text + "` has the number " + std::to_string(number));
}

int Parser::kernel_reference() {
  Token at = token_;
  int number = -1;
  std::string text = reference(&number);
  auto found = kernels_.find(text);
  if (found != kernels_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, index] : kernels_) names.push_back(name);
  fail_at(at, "unknown kernel `" + text + "`" + suggest(text, names));
}

void Parser::buffer() {
  Token at = token_;
  KernelBuffer b;
  int number = -1;
  b.name = reference(&number);
  int index = static_cast<int>(program_.buffers.size());
  if (number >= 0 && number != index)
    fail_at(at, "buffer number " + std::to_string(number) + " is the " + std::to_string(index) + "th, counted from 0");
  expect(":");
  b.dtype = dtype();
  expect("[");
  b.elements = integer("a buffer's elements", 0, std::numeric_limits<std::int64_t>::max() / 8);
  expect("]");
  auto space = named(Space::view);
  if (!space) fail("expected input, output, state, arena, worker, table, scalar or view instead of " + describe());
  b.space = *space;
  if (b.space == Space::input || b.space == Space::output) {
    b.slot = static_cast<int>(integer("a slot", 0, std::numeric_limits<int>::max()));
  } else if (b.space == Space::table) {
    table(b);
  } else if (b.space == Space::view) {
    b.base = buffer_reference();
    expect("at");
    this->index(b.start, nullptr, 't');
  } else if (accept("at")) {
    b.offset = count("an offset");
  }
  buffers_[b.name].push_back(index);
  program_.buffers.push_back(std::move(b));
}

void Parser::table(KernelBuffer& buffer) {
  Token at = token_;
  Type whole = type();
  if (whole.elements() > kMaxTable)
    fail_at(at,
            "a table of " + std::to_string(whole.elements()) + " elements is larger than " + std::to_string(kMaxTable));
  DType dtype = whole.dtype;
  std::int64_t elements = whole.elements();
  buffer.data = Tensor(std::move(whole));
  auto element = [&](std::int64_t i) {
    if (is_float(dtype)) {
      buffer.data.set(i, number(dtype));
    } else {
      buffer.data.set_integer(i, integer("an element"));
    }
  };
  if (accept("splat")) {
    if (elements == 0) fail("a table without elements has nothing to splat");
    element(0);
    std::size_t size = static_cast<std::size_t>(byte_size(dtype));
    for (std::int64_t i = 1; i < elements; ++i)
      std::memcpy(buffer.data.data() + static_cast<std::size_t>(i) * size, buffer.data.data(), size);
    return;
  }
  expect("{");
  for (std::int64_t i = 0; i < elements; ++i) {
    if (i > 0) expect(",");
    element(i);
  }
  expect("}");
}

Locations Parser::locations() {
  Locations result;
  if (!accept("loc")) return result;
  expect("(");
  do {
    bool gradient = accept("gradient");
    if (gradient) expect("of");
    std::string file = name("a file");
    expect(":");
    auto line = static_cast<std::uint32_t>(integer("a line", 0, std::numeric_limits<std::uint32_t>::max()));
    expect(":");
    auto column = static_cast<std::uint32_t>(integer("a column", 0, std::numeric_limits<std::uint32_t>::max()));
    Location location = make_location(std::move(file), line, column);
    location.gradient = gradient;
    unite(result, {location});
  } while (accept(","));
  expect(")");
  return result;
}

void Parser::kernel() {
  Token at = token_;
  Kernel k;
  int number = -1;
  k.name = reference(&number);
  if (kernels_.contains(k.name)) fail_at(at, "kernel `" + k.name + "` is defined twice");
  k.kind = name("a kernel's kind");
  expect("parallel");
  k.parallel = count("a kernel's parallel extent");
  expect("work");
  k.work = count("a kernel's work");
  k.locations = locations();
  values_ = 0;
  variables_ = 1;
  k.body = block(nullptr);
  k.values = values_;
  k.variables = variables_;
  kernels_[k.name] = static_cast<int>(program_.kernels.size());
  program_.kernels.push_back(std::move(k));
}

std::vector<Statement> Parser::statements() {
  if (++nesting_ > kMaxNesting) fail("statements nest deeper than " + std::to_string(kMaxNesting));
  std::vector<Statement> list;
  expect("{");
  while (!is("}")) list.push_back(statement());
  expect("}");
  --nesting_;
  return list;
}

Statement Parser::statement() {
  Statement s;
  if (accept("launch")) {
    s.kernel = kernel_reference();
  } else if (accept("copy")) {
    s.kind = Statement::Kind::copy;
    s.from = buffer_reference();
    expect("to");
    s.to = buffer_reference();
  } else if (accept("for")) {
    s.kind = Statement::Kind::repeat;
    s.loop = variable('t');
    expect("<");
    s.extent = count("a loop's extent");
    s.body = statements();
  } else if (accept("while")) {
    s.kind = Statement::Kind::repeat_while;
    s.flag = buffer_reference();
    if (accept("trips")) s.extent = integer("trips", 1, std::numeric_limits<std::int64_t>::max());
    s.before = statements();
    expect("do");
    s.body = statements();
  } else if (accept("if")) {
    s.kind = Statement::Kind::choose;
    s.flag = buffer_reference();
    s.body = statements();
    if (accept("else")) s.otherwise = statements();
  } else {
    fail("expected launch, copy, for, while or if instead of " + describe());
  }
  return s;
}

// { … }; with `yield` set, it ends in one.
std::vector<Instr> Parser::block(int* yield) {
  if (++nesting_ > kMaxNesting) fail("blocks nest deeper than " + std::to_string(kMaxNesting));
  std::vector<Instr> body;
  expect("{");
  while (!is("}")) {
    if (yield && accept("yield")) {
      *yield = value();
      break;
    }
    body.push_back(instruction());
  }
  if (yield && *yield < 0) fail("expected `yield` instead of " + describe());
  expect("}");
  --nesting_;
  return body;
}

Instr Parser::instruction() {
  if (is("%")) return defined();
  if (accept("store")) return store();
  if (accept("loop")) return loop();
  if (accept("tile")) return tile();
  fail("expected an instruction (%n = …, store, loop, tile) instead of " + describe());
}

Instr Parser::defined() {
  Instr instr;
  instr.result = value();
  expect("=");
  Token at = token_;
  auto op = named(Opcode::load);
  if (!op || *op == Opcode::argument) {
    std::vector<std::string> names;
    for (int i = 0; i <= static_cast<int>(Opcode::load); ++i) names.emplace_back(name_of(static_cast<Opcode>(i)));
    fail_at(at, "unknown opcode `" + at.text + "`" + suggest(at.text, names));
  }
  instr.op = *op;
  instr.type = dtype();
  switch (instr.op) {
    case Opcode::load:
      instr.access = std::make_shared<Access>(access(instr.type));
      break;
    case Opcode::index:
      instr.integer = variable();
      break;
    case Opcode::constant:
      if (is_float(instr.type)) {
        instr.number = number(instr.type);
      } else {
        instr.integer = integer("a constant");
      }
      break;
    case Opcode::rarely:
      operands(instr);
      instr.body = block(&instr.yield);
      break;
    default:
      operands(instr);
      break;
  }
  return instr;
}

void Parser::operands(Instr& instr) {
  do instr.args.push_back(value());
  while (accept(","));
}

Instr Parser::store() {
  Instr instr;
  instr.op = Opcode::store;
  instr.type = dtype();
  instr.args = {value()};
  expect("to");
  instr.access = std::make_shared<Access>(access(instr.type));
  return instr;
}

Instr Parser::loop() {
  Instr instr;
  instr.op = Opcode::loop;
  Loop l;
  l.variable = variable();
  expect("<");
  l.extent = count("a loop's extent");
  if (accept("vector")) {
    l.mark = Loop::Mark::vector;
    l.lanes = static_cast<int>(integer("lanes", 1, 1 << 16));
  } else if (accept("unroll")) {
    l.mark = Loop::Mark::unroll;
  }
  instr.body = block(nullptr);
  if (accept("giving")) {
    do l.accumulators.push_back(accumulator());
    while (accept(","));
  }
  instr.loop = std::make_shared<Loop>(std::move(l));
  return instr;
}

Accumulator Parser::accumulator() {
  Accumulator a;
  a.result = value();
  expect("=");
  auto combiner = named(Combiner::all);
  if (!combiner) fail("expected a combiner (sum, product, max, min, any, all) instead of " + describe());
  a.combiner = *combiner;
  a.type = dtype();
  expect("from");
  a.init = value();
  expect("of");
  a.update = value();
  if (accept("*")) a.times = value();
  return a;
}

Access Parser::access(DType type) {
  Access a;
  a.buffer = buffer_reference();
  expect("[");
  while (!is("]")) {
    if (!a.subscripts.empty()) expect(",");
    a.subscripts.push_back(subscript());
  }
  expect("]");
  if (accept("at")) a.offset = integer("an offset");
  if (accept("outside")) a.outside = number(is_float(type) ? type : DType::f64);
  return a;
}

Subscript Parser::subscript() {
  Subscript s;
  bool divided = accept("(");
  index(s.affine, &s.value);
  if (divided) {
    expect(")");
    expect("/");
    s.divisor = integer("a divisor", 1, kMaxCoefficient);
  }
  expect("of");
  s.extent = count("an extent");
  expect("by");
  s.stride = integer("a stride");
  if (accept("guarded")) {
    s.check = Subscript::Check::guarded;
  } else if (accept("clamped")) {
    s.check = Subscript::Check::clamped;
  }
  return s;
}

// A sum of integers, variables with coefficients and, where `value` is wanted, one value.
void Parser::index(Affine& affine, int* value_out, char letter) {
  int terms = 0;
  bool negative = accept("-");
  do {
    if (++terms > kMaxTerms) fail("an index has more than " + std::to_string(kMaxTerms) + " terms");
    std::int64_t sign = negative ? -1 : 1;
    if (is("%")) {
      if (!value_out || *value_out >= 0 || negative) fail("an index adds at most one value, and only in a subscript");
      *value_out = value();
    } else if (token_.kind == Kind::number) {
      std::int64_t size = integer("an index", 0, kMaxCoefficient);
      affine = affine + (accept("*") ? affine_variable(variable(letter), sign * size) : affine_constant(sign * size));
    } else {
      affine = affine + affine_variable(variable(letter), sign);
    }
    negative = is("-");
  } while (accept("+") || accept("-"));
}

Affine Parser::tile_base() {
  Affine base;
  expect("[");
  index(base, nullptr);
  expect("]");
  return base;
}

Tile::Bound Parser::bound() {
  Tile::Bound bound;
  expect("(");
  index(bound.first, nullptr);
  expect(",");
  bound.step = integer("a step", -kMaxCoefficient, kMaxCoefficient);
  expect("of");
  bound.size = integer("a size", 0, kMaxCoefficient);
  expect(")");
  return bound;
}

Tile::RowBound Parser::row_bound() {
  Tile::RowBound bound;
  expect("(");
  bound.first = integer("an index", -kMaxCoefficient, kMaxCoefficient);
  expect(",");
  bound.step = integer("a step", -kMaxCoefficient, kMaxCoefficient);
  expect(",");
  bound.row = integer("a row's step", -kMaxCoefficient, kMaxCoefficient);
  expect("of");
  bound.size = integer("a size", 0, kMaxCoefficient);
  expect(")");
  return bound;
}

Instr Parser::tile() {
  constexpr std::int64_t kMaxTile = 1 << 16;
  Instr instr;
  instr.op = Opcode::tile;
  Tile t;
  t.dtype = instr.type = dtype();
  t.rows = static_cast<int>(integer("a tile's rows", 1, kMaxTile));
  expect("x");
  t.columns = static_cast<int>(integer("a tile's columns", 1, kMaxTile));
  t.c = buffer_reference();
  t.c_base = tile_base();
  expect("row");
  t.c_row = integer("a row's step");
  t.accumulate = accept("+=");
  if (!t.accumulate) expect("=");
  t.a = buffer_reference();
  t.a_base = tile_base();
  expect("row");
  t.a_row = integer("a row's step");
  expect("*");
  t.b = buffer_reference();
  t.b_base = tile_base();
  expect("over");
  do {
    Tile::Depth d;
    d.extent = count("a depth");
    expect("(");
    d.a_step = integer("a step");
    expect(",");
    d.b_step = integer("a step");
    expect(")");
    if (accept("within")) d.within = bound();
    if (accept("rows")) d.rows = row_bound();
    t.depth.push_back(d);
  } while (accept(","));
  instr.tile = std::make_shared<Tile>(std::move(t));
  return instr;
}

KernelProgram Parser::program() {
  program_ = {};
  buffers_.clear();
  kernels_.clear();
  expect("program");
  int number = -1;
  program_.name = reference(&number);
  expect("{");
  while (!accept("entry")) {
    if (accept("target")) {
      target(program_.target);
    } else if (accept("input")) {
      program_.inputs.push_back(parameter(false));
    } else if (accept("output")) {
      program_.outputs.push_back(parameter(false));
    } else if (accept("scalar")) {
      program_.scalars.push_back(parameter(true));
    } else if (accept("arena")) {
      program_.arena_bytes = count("the arena's bytes");
    } else if (accept("worker")) {
      program_.worker_bytes = count("a worker's bytes");
    } else if (accept("buffer")) {
      buffer();
    } else if (accept("kernel")) {
      kernel();
    } else {
      fail("expected target, input, output, scalar, arena, worker, buffer, kernel or entry instead of " + describe());
    }
  }
  program_.entry = statements();
  expect("}");
  return std::move(program_);
}

KernelModule Parser::module() {
  KernelModule m;
  expect("module");
  int number = -1;
  m.name = reference(&number);
  expect("{");
  while (accept("state")) {
    StateEntry entry;
    entry.name = name("a state's name");
    expect(":");
    entry.type = type();
    auto kind = named(StateEntry::Kind::key);
    if (!kind) fail("expected parameter, statistic, slot, counter or key instead of " + describe());
    entry.kind = *kind;
    expect("at");
    entry.offset = count("an offset");
    m.state.entries.push_back(std::move(entry));
  }
  expect("state_bytes");
  m.state.bytes = count("the state's bytes");
  expect("}");
  while (is("program")) m.programs.push_back(program());
  return m;
}

}  // namespace

std::unique_ptr<KernelProgram> parse_kernel_program(std::string_view text, const std::string& file,
                                                    Diagnostics& diagnostics) {
  diagnostics.add_source(file, std::string(text));
  try {
    Parser parser(text, file, diagnostics);
    auto program = std::make_unique<KernelProgram>(parser.program());
    parser.end();
    return program;
  } catch (const ParseFailure&) {
    return nullptr;
  }
}

std::unique_ptr<KernelModule> parse_kernel_module(std::string_view text, const std::string& file,
                                                  Diagnostics& diagnostics) {
  diagnostics.add_source(file, std::string(text));
  try {
    Parser parser(text, file, diagnostics);
    auto module = std::make_unique<KernelModule>(parser.module());
    parser.end();
    return module;
  } catch (const ParseFailure&) {
    return nullptr;
  }
}

}  // namespace gradc
