// What is printed parses to the same program; mistakes are told with their place.
#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

namespace {

// The one message of a text that must not parse.
std::string mistake(const std::string& text) {
  Diagnostics diagnostics;
  auto program = parse_kernel_program(text, "bad.gir", diagnostics);
  REQUIRE(!program);
  REQUIRE(diagnostics.all().size() == 1);
  const Diagnostic& d = diagnostics.all()[0];
  return d.location.str() + ": " + d.message;
}

// `text` inside a kernel of a program with f32 buffers @x (input) and @y (output) of 8 elements.
std::string in_kernel(const std::string& text) {
  return "program @p {\ninput x: f32[8]\noutput y: f32[8]\nbuffer @x: f32[8] input 0\nbuffer @y: f32[8] output 0\n"
         "kernel @k loop parallel 8 work 0 {\n" +
         text + "\n}\nentry { launch @k }\n}";
}

}  // namespace

TEST_CASE("kernel programs print as they were written") {
  for (const std::string& text : {kSaxpy, kSoftmax, kWindow, kGather}) CHECK(print(*parse(text)) == text);
}

TEST_CASE("parsing fills in every field") {
  auto p = parse(kSaxpy);
  CHECK(p->name == "saxpy");
  CHECK(p->target.cpu == "haswell");
  CHECK(p->target.vector_bytes == 32);
  CHECK(p->target.fma);
  CHECK(!p->target.masks);
  REQUIRE(p->buffers.size() == 4);
  CHECK(p->buffers[1].slot == 1);
  CHECK(p->buffers[3].space == Space::scalar);
  CHECK(p->scalars[0].preset == 0.5);
  REQUIRE(p->kernels.size() == 1);
  const Kernel& k = p->kernels[0];
  CHECK(k.parallel == 3);
  CHECK(k.values == 5);
  CHECK(k.variables == 2);
  REQUIRE(k.locations.size() == 2);
  CHECK(k.locations[0].str() == "saxpy.json:3:7");
  CHECK(k.locations[1].gradient);
  const Loop& loop = *k.body[1].loop;
  CHECK(loop.mark == Loop::Mark::vector);
  CHECK(loop.lanes == 8);
  const Access& y = *k.body[1].body[1].access;
  CHECK(y.buffer == 1);
  CHECK(y.subscripts[0].affine == affine_variable(0, 5) + affine_variable(1));
}

TEST_CASE("names that are no plain words, and names that are shared, survive") {
  KernelProgram p;
  p.name = "odd \"name\"\\";
  p.target.cpu = "x86-64-v3";
  for (int i = 0; i < 3; ++i) p.buffers.push_back({.name = i < 2 ? "t" : "0 t", .elements = 8, .space = Space::arena});
  p.entry.push_back({Statement::Kind::copy, -1, 0, 1});
  p.entry.push_back({Statement::Kind::copy, -1, 1, 2});
  std::string text = print(p);
  auto again = parse(text);
  CHECK(print(*again) == text);
  CHECK(again->name == p.name);
  CHECK(again->target.cpu == p.target.cpu);
  CHECK(again->buffers[0].name == "t");
  CHECK(again->buffers[2].name == "0 t");
  CHECK(again->entry[0].to == 1);
  CHECK(again->entry[1].to == 2);
  CHECK(mistake("program @p { buffer @t: f32[1] arena buffer @t: f32[1] arena entry { copy @t to @t } }") ==
        "bad.gir:1:75: several buffers are named `t`: write @t#0");
}

TEST_CASE("tables keep their bits") {
  for (DType type : kAllDTypes) {
    KernelProgram p;
    p.name = "p";
    p.target.cpu = "x86-64";
    KernelBuffer table{.name = "table", .dtype = type, .elements = 20, .space = Space::table};
    table.data = Tensor(Type{type, shape_of({4, 5})});
    for (int i = 0; i < 20; ++i) table.data.set(i, type == DType::boolean ? i % 3 == 0 : 7.0 / (i + 1));
    if (type == DType::f64) table.data.set(3, -0.0);
    if (type == DType::f32) table.data.set(4, -std::numeric_limits<double>::infinity());
    if (type == DType::i64) table.data.set_integer(5, std::numeric_limits<std::int64_t>::min());
    KernelBuffer splat{.name = "splat", .dtype = type, .elements = 1000, .space = Space::table};
    splat.data = Tensor::filled(Type{type, shape_of({1000})}, 1);
    p.buffers = {table, splat};
    std::string text = print(p);
    auto again = parse(text);
    CHECK(again->buffers[0].data == table.data);
    CHECK(again->buffers[1].data == splat.data);
    CHECK(text.size() < 800);
  }
}

TEST_CASE("constants keep their bits") {
  Kernel k{.name = "k", .kind = "loop"};
  for (double x : {0.1, -0.0, 1e300, 5e-324, 1.0 / 3, -HUGE_VAL})
    k.body.push_back({.op = Opcode::constant, .type = DType::f64, .result = k.values++, .number = x});
  for (float x : {0.1f, 1e-45f, 16777216.0f, 3.4028235e38f})
    k.body.push_back({.op = Opcode::constant, .type = DType::f32, .result = k.values++, .number = x});
  KernelProgram p;
  p.name = "p";
  p.target.cpu = "x86-64";
  p.kernels.push_back(k);
  auto again = parse(print(p));
  REQUIRE(again->kernels[0].body.size() == k.body.size());
  for (std::size_t i = 0; i < k.body.size(); ++i) {
    double a = again->kernels[0].body[i].number, b = k.body[i].number;
    CHECK(std::memcmp(&a, &b, sizeof a) == 0);
  }
}

TEST_CASE("modules print and parse with their state") {
  KernelModule m;
  m.name = "lenet5";
  m.state.entries = {{"conv1.weight", {DType::f32, shape_of({20, 1, 5, 5})}, StateEntry::Kind::parameter, 0},
                     {"step", {DType::i64, {}}, StateEntry::Kind::counter, 0},
                     {"key", {DType::u32, shape_of({2})}, StateEntry::Kind::key, 0}};
  m.state.place();
  CHECK(m.state.entries[1].offset == 2048);  // 2000 bytes, rounded up to 64
  CHECK(m.state.entries[2].offset == 2112);
  CHECK(m.state.bytes == 2176);
  CHECK(m.state.find("step")->offset == 2112 - 64);
  CHECK(m.state.find("stop") == nullptr);
  m.programs.push_back(*parse(kSaxpy));
  m.programs.push_back(*parse(kWindow));
  std::string text = print(m);
  Diagnostics diagnostics;
  auto again = parse_kernel_module(text, "m.gir", diagnostics);
  REQUIRE(again);
  CHECK(print(*again) == text);
  CHECK(again->programs.size() == 2);
  CHECK(again->state.entries[2].kind == StateEntry::Kind::key);
}

TEST_CASE("mistakes are told with file, line and column") {
  CHECK(mistake("") == "bad.gir:1:1: expected `program` instead of the end of the text");
  CHECK(mistake("program @p {\n  kernle @k\n}").find("bad.gir:2:3: expected target, input") == 0);
  CHECK(mistake("program @p { entry { launch @k } }") == "bad.gir:1:29: unknown kernel `k`");
  CHECK(mistake(in_kernel("%0 = lod f32 @x[i0 of 8 by 1]")) ==
        "bad.gir:7:6: unknown opcode `lod`; did you mean `load`?");
  CHECK(mistake(in_kernel("%0 = load f16 @x[i0 of 8 by 1]")).find("bad.gir:7:11: expected a dtype") == 0);
  CHECK(mistake(in_kernel("%0 = load f32 @z[i0 of 8 by 1]")).find("bad.gir:7:15: unknown buffer `z`") == 0);
  CHECK(mistake(in_kernel("%0 = load f32 @x[j of 8 by 1]")) ==
        "bad.gir:7:18: expected a loop variable (i0, i1, …) instead of `j`");
  CHECK(mistake(in_kernel("%0 = constant f32 1e99")) == "bad.gir:7:19: number 1e99 does not fit f32");
  CHECK(mistake(in_kernel("%0 = constant i64 9223372036854775808")).find("bad.gir:7:19: a constant 92233") == 0);
  CHECK(mistake(in_kernel("%0 = constant i64 1.5")) == "bad.gir:7:19: expected an integer instead of `1.5`");
  CHECK(mistake(in_kernel("%999999999 = constant i64 1")).find("bad.gir:7:2: a value's number") == 0);
  CHECK(mistake(in_kernel("%0 = constant i64 1; ")) == "bad.gir:7:20: unexpected character `;`");
  CHECK(mistake(in_kernel("%0 = load f32 @\"x")) == "bad.gir:7:16: a string has no closing quote");
  CHECK(mistake("program @p { buffer @t: f32[3] table f32[3] {1, 2} entry {} }") ==
        "bad.gir:1:50: expected `,` instead of `}`");
  CHECK(mistake("program @p { input x: f32[4294967296,4294967296] entry {} }").find("more elements") !=
        std::string::npos);
  CHECK(mistake("program @p { entry { } } x") == "bad.gir:1:26: expected the end of the text instead of `x`");
}

TEST_CASE("text that nests without end is refused") {
  std::string loops;
  for (int i = 1; i < 100000; ++i) loops += "loop i1 < 2 {";
  CHECK(mistake(in_kernel(loops)).find("blocks nest deeper than 64") != std::string::npos);
}

TEST_CASE("every prefix of a program is refused without a crash") {
  for (const std::string& text : {kSaxpy, kSoftmax, kGather, kProduct, kClipped})
    for (std::size_t length = 0; length + 2 < text.size(); ++length) {
      Diagnostics diagnostics;
      if (parse_kernel_program(text.substr(0, length), "bad.gir", diagnostics))
        FAIL("parsed " << text.substr(0, length));
      if (!diagnostics.has_errors()) FAIL("no message for " << text.substr(0, length));
    }
}

TEST_CASE("mutated programs are refused, or print to a fixed point and can be verified") {
  std::uint64_t state = 1;
  auto random = [&](std::size_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 33) % bound;
  };
  const std::string alphabet = "0189-+*/%@#{}[]()<>=,: \n\"ix.e_\x80";
  int parsed = 0;
  for (const std::string& text : {kSaxpy, kSoftmax, kWindow, kGather, kProduct, kClipped})
    for (int trial = 0; trial < 400; ++trial) {
      std::string mutant = text;
      for (std::size_t edits = 1 + random(3); edits > 0; --edits) {
        std::size_t at = random(mutant.size());
        switch (random(3)) {
          case 0:
            mutant[at] = alphabet[random(alphabet.size())];
            break;
          case 1:
            mutant.erase(at, 1 + random(8));
            break;
          default:
            mutant.insert(at, mutant.substr(random(mutant.size()), 1 + random(12)));
            break;
        }
      }
      Diagnostics diagnostics;
      auto program = parse_kernel_program(mutant, "mutant.gir", diagnostics);
      if (!program) {
        if (!diagnostics.has_errors()) FAIL("no message for " << mutant);
        continue;
      }
      ++parsed;
      verify(*program);
      std::string printed = print(*program);
      if (print(*parse(printed)) != printed) FAIL("no fixed point: " << printed);
    }
  CHECK(parsed > 30);
}
