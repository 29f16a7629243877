// Loops, branches and views of the entry: text, meaning, and what the verifier and a watched run say of them.
#include <numeric>

#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

namespace {

// h = h + x_t over the 3 rows of x, y_t = h; rows of y stand in reverse.
const std::string kRunningSum = R"(program @running_sum {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[3,4]
  input h0: f32[4]
  output h: f32[4]
  output y: f32[3,4]
  buffer @x: f32[12] input 0
  buffer @h0: f32[4] input 1
  buffer @h: f32[4] output 0
  buffer @y: f32[12] output 1
  buffer @x_t: f32[4] view @x at 4*t0
  buffer @y_t: f32[4] view @y at -4*t0 + 8
  kernel @k0 loop parallel 4 work 4 {
    %0 = load f32 @h[i0 of 4 by 1]
    %1 = load f32 @x_t[i0 of 4 by 1]
    %2 = add f32 %0, %1
    store f32 %2 to @h[i0 of 4 by 1]
    store f32 %2 to @y_t[i0 of 4 by 1]
  }
  entry {
    copy @h0 to @h
    for t0 < 3 {
      launch @k0
    }
  }
}
)";

// y[t0, t1] = x[t1, t0] by views of one element, in nested loops.
const std::string kTranspose = R"(program @transposed {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[2,3]
  output y: f32[3,2]
  buffer @x: f32[6] input 0
  buffer @y: f32[6] output 0
  buffer @x_ij: f32[1] view @x at t0 + 3*t4
  buffer @y_ij: f32[1] view @y at 2*t0 + t4
  entry {
    for t0 < 3 {
      for t4 < 2 {
        copy @x_ij to @y_ij
      }
    }
  }
}
)";

// Doubles y while it is below the limit, then tells by `big` whether it is above 100: 1, else -1.
std::string doubled(const std::string& trips) {
  return R"(program @doubled {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[]
  input limit: f32[]
  output y: f32[]
  output big: f32[]
  arena 128
  buffer @x: f32[1] input 0
  buffer @limit: f32[1] input 1
  buffer @y: f32[1] output 0
  buffer @big: f32[1] output 1
  buffer @more: bool[1] arena at 0
  buffer @is_big: bool[1] arena at 64
  buffer @one: f32[1] table f32[1] {1}
  buffer @minus: f32[1] table f32[1] {-1}
  kernel @below loop parallel 1 work 1 {
    %0 = load f32 @y[]
    %1 = load f32 @limit[]
    %2 = less bool %0, %1
    store bool %2 to @more[]
  }
  kernel @double loop parallel 1 work 1 {
    %0 = load f32 @y[]
    %1 = add f32 %0, %0
    store f32 %1 to @y[]
  }
  kernel @above loop parallel 1 work 1 {
    %0 = constant f32 100
    %1 = load f32 @y[]
    %2 = less bool %0, %1
    store bool %2 to @is_big[]
  }
  entry {
    copy @x to @y
    while @more)" +
         trips + R"( {
      launch @below
    } do {
      launch @double
    }
    launch @above
    if @is_big {
      copy @one to @big
    } else {
      copy @minus to @big
    }
  }
}
)";
}

std::string all(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += (text.empty() ? "" : "\n") + sentence;
  return text;
}

// A program over @x f32[12] of the input, @y f32[12] of the output, @t f32[4] and @u f32[4] of the arena, @c bool[1].
std::string around(const std::string& entry, const std::string& buffers = "") {
  return "program @p {\ntarget haswell vector_bytes 32 fma\ninput x: f32[12]\ninput c: bool[]\noutput y: f32[12]\n"
         "arena 128\nbuffer @x: f32[12] input 0\nbuffer @c: bool[1] input 1\nbuffer @y: f32[12] output 0\n"
         "buffer @t: f32[4] arena at 0\nbuffer @u: f32[4] arena at 64\n"
         "buffer @x_t: f32[4] view @x at 4*t0\nbuffer @y_t: f32[4] view @y at 4*t0\n" +
         buffers + "entry { for t0 < 3 { " + entry + "} }\n}";
}

std::string verdict(const std::string& text) { return all(verify(*parse(text))); }

}  // namespace

TEST_CASE("programs with loops print as they are written") {
  for (const std::string& text : {kRunningSum, kTranspose, doubled(""), doubled(" trips 5")}) {
    CHECK(print(*parse(text)) == text);
    CHECK(verdict(text) == "");
  }
}

TEST_CASE("a loop reads and writes through views that move") {
  std::vector<float> x(12), h0 = {100, 200, 300, 400}, h(4), y(12);
  std::iota(x.begin(), x.end(), 0.0f);
  KernelCall call{.inputs = {x.data(), h0.data()}, .outputs = {h.data(), y.data()}};
  auto program = parse(kRunningSum);
  CHECK(all(check_run(*program, call)) == "");
  for (int i = 0; i < 4; ++i) {
    CHECK(y[8 + i] == h0[i] + x[i]);
    CHECK(y[4 + i] == h0[i] + x[i] + x[4 + i]);
    CHECK(y[i] == h0[i] + x[i] + x[4 + i] + x[8 + i]);
    CHECK(h[i] == y[i]);
  }
}

TEST_CASE("nested loops") {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  std::vector<float> y(6);
  interpret(*parse(kTranspose), {.inputs = {x.data()}, .outputs = {y.data()}});
  CHECK(y == std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("while and if") {
  auto run = [](const std::string& text, float x, float limit) {
    float y = -99, big = -99;
    alignas(64) std::byte workspace[128];
    KernelCall call{.inputs = {&x, &limit}, .outputs = {&y, &big}, .workspace = workspace};
    auto program = parse(text);
    CHECK(all(check_run(*program, call)) == "");
    return std::pair(y, big);
  };
  CHECK(run(doubled(""), 1, 100) == std::pair(128.0f, 1.0f));
  CHECK(run(doubled(""), 3, 50) == std::pair(96.0f, -1.0f));
  CHECK(run(doubled(""), 60, 50) == std::pair(60.0f, -1.0f));
  CHECK(run(doubled(" trips 3"), 1, 100) == std::pair(8.0f, -1.0f));
}

TEST_CASE("a loop without rounds leaves what is there") {
  std::string text = kRunningSum;
  for (auto [from, to] :
       {std::pair("t0 < 3", "t0 < 0"), std::pair("x: f32[3,4]", "x: f32[0,4]"), std::pair("y: f32[3,4]", "y: f32[0,4]"),
        std::pair("@x: f32[12]", "@x: f32[0]"), std::pair("@y: f32[12]", "@y: f32[0]")})
    text.replace(text.find(from), std::string(from).size(), to);
  const std::vector<float> h0 = {1, 2, 3, 4};
  std::vector<float> h(4);
  interpret(*parse(text), {.inputs = {nullptr, h0.data()}, .outputs = {h.data(), nullptr}});
  CHECK(h == h0);
}

TEST_CASE("views stay inside their base and their loops") {
  CHECK(verdict(around("copy @x_t to @y_t")) == "");
  CHECK(verdict(around("", "buffer @v: f32[4] view @x at 4*t0 + 1\n")) ==
        "buffer `v`: elements 1 to 12 of `x` leave [0, 12)");
  CHECK(verdict(around("", "buffer @v: f32[4] view @x at -4*t0 + 8\n")) == "");
  CHECK(verdict(around("", "buffer @v: f32[4] view @x at -4*t0\n")) ==
        "buffer `v`: elements -8 to 3 of `x` leave [0, 12)");
  CHECK(verdict(around("", "buffer @v: i32[4] view @x at 0\n")) == "buffer `v`: is i32 and its base f32");
  CHECK(verdict(around("", "buffer @v: f32[2] view @x_t at 0\n")) == "buffer `v`: `x_t` is view and has no views");
  CHECK(verdict(around("", "buffer @v: f32[2] view @x at 4*t7\n")) == "buffer `v`: there is no loop t7");
  CHECK(verdict(around("} copy @x to @y copy @x_t to @t if @c { ")) ==
        "copy of `x_t` to `t`: `x_t` is used outside loop t0");
  CHECK(verdict(around("copy @y_t to @x_t")) ==
        "copy of `y_t` to `x_t`: `x_t` is input\ncopy of `y_t` to `x_t`: reads `y_t` before anything writes it");
}

TEST_CASE("nothing is read before it is written, in whatever way the program takes") {
  CHECK(verdict(around("copy @x_t to @t copy @t to @y_t")) == "");
  CHECK(verdict(around("copy @t to @y_t copy @x_t to @t")) ==
        "copy of `t` to `y_t`: reads `t` before anything writes it");
  // A loop with rounds counts as run, so does what comes before a while's condition.
  CHECK(verdict(around("for t1 < 1 { copy @x_t to @t } copy @t to @y_t")) == "");
  CHECK(verdict(around("for t1 < 0 { copy @x_t to @t } copy @t to @y_t")) ==
        "copy of `t` to `y_t`: reads `t` before anything writes it");
  CHECK(verdict(around("while @c { copy @x_t to @t } do { copy @t to @u } copy @t to @y_t")) == "");
  CHECK(verdict(around("while @c { } do { copy @x_t to @t } copy @t to @y_t")) ==
        "copy of `t` to `y_t`: reads `t` before anything writes it");
  CHECK(verdict(around("if @c { copy @x_t to @t } else { copy @x_t to @t } copy @t to @y_t")) == "");
  CHECK(verdict(around("if @c { copy @x_t to @t } copy @t to @y_t")) ==
        "copy of `t` to `y_t`: reads `t` before anything writes it");
}

TEST_CASE("loops have numbers of their own, flags are one bool") {
  CHECK(verdict(around("for t0 < 2 { }")) == "for t0: another loop has its number");
  CHECK(verdict(around("if @t { }")) ==
        "if: its flag `t` is f32[4], not bool[1]\nif: reads `t` before anything writes it");
}

TEST_CASE("a watched run sees through views") {
  // The second round of the loop reads what the arena's other buffer has left.
  const std::string text = around("copy @x_t to @t copy @x_t to @v copy @t to @y_t",
                                  "buffer @w: f32[12] arena at 0\nbuffer @v: f32[4] view @w at 4*t0\n");
  auto program = parse(text);
  std::vector<float> x(12), y(12);
  bool c = true;
  alignas(64) std::byte workspace[128];
  CHECK(all(check_run(*program, {.inputs = {x.data(), &c}, .outputs = {y.data()}, .workspace = workspace})) ==
        "copy: element 0 of `t` is read after `w` overwrote it");
}

TEST_CASE("mistakes in statements name what is expected") {
  auto mistake = [](const std::string& text) {
    Diagnostics diagnostics;
    CHECK(parse_kernel_program(text, "test.gir", diagnostics) == nullptr);
    return diagnostics.render();
  };
  CHECK(mistake(around("jump")).find("expected launch, copy, for, while or if instead of `jump`") != std::string::npos);
  CHECK(mistake(around("for i1 < 3 { }")).find("expected a loop variable (t0, t1, …) instead of `i1`") !=
        std::string::npos);
  CHECK(mistake(around("while @c { }")).find("expected `do`") != std::string::npos);
}
