// Hand-written kernel programs give the values of their closed forms, bit for bit.
#include <cmath>

#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

namespace {

// A kernel over f32 input @x of 10 elements and output @y of one.
std::string reduction(const std::string& body, const std::string& target = "fma") {
  return "program @p {\ntarget haswell vector_bytes 32 " + target +
         "\ninput x: f32[10]\noutput y: f32[1]\nbuffer @x: f32[10] input 0\nbuffer @y: f32[1] output 0\n"
         "kernel @k reduce parallel 1 work 0 {\n" +
         body + "\n}\nentry { launch @k }\n}";
}

float reduce(const std::string& text, const std::vector<float>& x) {
  auto program = parse(text);
  REQUIRE(x.size() == 10);
  float y = -99;
  interpret(*program, {.inputs = {x.data()}, .outputs = {&y}});
  return y;
}

}  // namespace

TEST_CASE("saxpy") {
  std::vector<float> x(15), y(15), z(15);
  for (int i = 0; i < 15; ++i) x[i] = static_cast<float>(i), y[i] = static_cast<float>(100 * i);
  auto program = parse(kSaxpy);
  KernelCall call{.inputs = {x.data(), y.data()}, .outputs = {z.data()}};
  interpret(*program, call);
  for (int i = 0; i < 15; ++i) CHECK(z[i] == 0.5f * static_cast<float>(i) + static_cast<float>(100 * i));
  const float a = -2;
  call.scalars = &a;
  interpret(*program, call);
  for (int i = 0; i < 15; ++i) CHECK(z[i] == static_cast<float>(98 * i));
}

TEST_CASE("row softmax to base two") {
  const std::vector<float> x = {0, 1, 2, 3, 4, 5, -7, -7, -7, -7, -6, -6};
  std::vector<float> z(12);
  alignas(64) float workspace[16];
  interpret(*parse(kSoftmax), {.inputs = {x.data()}, .outputs = {z.data()}, .workspace = workspace});
  for (int i = 0; i < 6; ++i) CHECK(z[i] == std::ldexp(1.0f, i - 5) / (63.0f / 32));
  for (int i = 6; i < 10; ++i) CHECK(z[i] == 0.5f / 4);
  for (int i = 10; i < 12; ++i) CHECK(z[i] == 1.0f / 4);
}

TEST_CASE("guarded window") {
  std::vector<std::int32_t> x(20, 1), y(20);
  interpret(*parse(kWindow), {.inputs = {x.data()}, .outputs = {y.data()}});
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 5; ++c) {
      int rows = r == 0 || r == 3 ? 2 : 3, columns = c == 0 || c == 4 ? 2 : 3;
      CHECK(y[5 * r + c] == rows * columns + 10 * (9 - rows * columns));
    }
}

TEST_CASE("clamped gather and a guard with a divisor") {
  const std::vector<double> x = {10, 20, 30, 40};
  const std::vector<std::int64_t> index = {2, -1, 3, 4, -9223372036854775807 - 1, 9223372036854775807};
  std::vector<double> y(6), half(3);
  interpret(*parse(kGather), {.inputs = {x.data(), index.data()}, .outputs = {y.data(), half.data()}});
  CHECK(y == std::vector<double>{30, 10, 40, 40, 10, 40});
  CHECK(half == std::vector<double>{30, 40, 10});
}

TEST_CASE("tile product") {
  std::vector<float> a(12), c(32);
  for (int i = 0; i < 12; ++i) a[i] = static_cast<float>(i);
  alignas(64) float workspace[64];
  interpret(*parse(kProduct), {.inputs = {a.data()}, .outputs = {c.data()}, .workspace = workspace});
  // b rows: n, 10 n, 0.5; c = 2 (a0 n + 10 a1 n + a2 / 2)
  for (int r = 0; r < 4; ++r)
    for (int n = 1; n <= 8; ++n) {
      int a0 = 3 * r, a1 = 3 * r + 1, a2 = 3 * r + 2;
      CHECK(c[8 * r + n - 1] == static_cast<float>(2 * a0 * n + 20 * a1 * n + a2));
    }
}

TEST_CASE("a tile leaves out the steps that its bounds leave out") {
  const float nan = NAN;
  const std::vector<float> x = {nan, nan, 1, 2, 3, 4, 5, nan, nan};
  std::vector<float> w(24), up(40), down(40), together(40);
  for (std::size_t i = 0; i < 24; ++i) w[i] = static_cast<float>(i % 8 + 10 * (i / 8));
  interpret(*parse(kClipped), {.inputs = {x.data(), w.data()}, .outputs = {up.data(), down.data(), together.data()}});
  for (int row = 0; row < 5; ++row)
    for (int column = 0; column < 8; ++column) {
      int sum = 0;
      for (int k = 0; k < 3; ++k)
        if (row + k >= 1 && row + k <= 5) sum += (row + k) * (column + 10 * k);
      CHECK(up[8 * row + column] == static_cast<float>(sum));
      CHECK(down[8 * row + column] == static_cast<float>(sum));
      CHECK(together[8 * row + column] == static_cast<float>(sum));
    }
}

TEST_CASE("the steps inside a bound") {
  for (std::int64_t step : {-3, -2, -1, 1, 2, 3})
    for (std::int64_t size = 0; size < 7; ++size)
      for (std::int64_t extent = 0; extent < 6; ++extent)
        for (std::int64_t first = -12; first < 16; ++first) {
          std::vector<std::int64_t> expected, found;
          for (std::int64_t i = 0; i < extent; ++i)
            if (first + step * i >= 0 && first + step * i < size) expected.push_back(i);
          const auto [begin, end] = Tile::Bound{{}, step, size}.steps(first, extent);
          for (std::int64_t i = begin; i < end; ++i) found.push_back(i);
          REQUIRE(found == expected);
        }
}

TEST_CASE("a serial sum adds in order, from its start") {
  std::vector<float> x(10, 1);
  x[0] = 1e8f;
  // Each 1 is lost beside 1e8.
  CHECK(reduce(reduction("%0 = constant f32 0\nloop i1 < 10 { %1 = load f32 @x[i1 of 10 by 1] }\n"
                         "giving %2 = sum f32 from %0 of %1\nstore f32 %2 to @y[]"),
               x) == 1e8f);
}

TEST_CASE("a vector sum adds lanes by halves, then the start") {
  // 4 lanes over 10 rounds: lane 0 has x0 + x4 + x8, 1: x1 + x5 + x9, 2: x2 + x6, 3: x3 + x7;
  // total (lane 0 + lane 2) + (lane 1 + lane 3).
  const std::string text = reduction(
      "%0 = constant f32 1\nloop i1 < 10 vector 4 { %1 = load f32 @x[i1 of 10 by 1] }\n"
      "giving %2 = sum f32 from %0 of %1\nstore f32 %2 to @y[]");
  const float h = 16777216;                                   // 2^24: h + 1 is h
  CHECK(reduce(text, {h, 0, -h, 0, 1, 0, 0, 0, 1, 0}) == 1);  // (h + 1 + 1) - h = 0 in lane 0 and 2; start 1
  CHECK(reduce(text, {h, 0, 1, 0, -h, 0, 1, 0, 0, 0}) == 3);  // lane 0 cancels first
  CHECK(reduce(text, {h, -h, 0, 0, 0, 0, 0, 0, 0, 1}) == 2);  // lane 1: -h + 1 = -16777215 is exact
  CHECK(reduce(text, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) == 11);
}

TEST_CASE("max and min carry NaN, any and all are logical") {
  const std::string max = reduction(
      "%0 = constant f32 -inf\nloop i1 < 10 vector 8 { %1 = load f32 @x[i1 of 10 by 1] }\n"
      "giving %2 = max f32 from %0 of %1\nstore f32 %2 to @y[]");
  CHECK(reduce(max, {1, 2, 3, -4, 5, 9, 7, 8, 0, 1}) == 9);
  CHECK(std::isnan(reduce(max, {1, 2, 3, -4, NAN, 9, 7, 8, 0, 1})));
  const std::string any = reduction(
      "%0 = constant bool 0\n%9 = constant bool 1\n%4 = constant f32 7\n%5 = constant f32 0\n%6 = constant f32 1\n"
      "loop i1 < 10 { %1 = load f32 @x[i1 of 10 by 1]\n%2 = less bool %4, %1 }\n"
      "giving %3 = any bool from %0 of %2, %10 = all bool from %9 of %2\n%7 = select f32 %3, %6, %5\n"
      "%11 = select f32 %10, %6, %5\n%12 = add f32 %11, %11\n%13 = add f32 %7, %12\nstore f32 %13 to @y[]");
  CHECK(reduce(any, {1, 2, 3, 4, 5, 6, 7, 7, 7, 7}) == 0);
  CHECK(reduce(any, {1, 2, 3, 4, 5, 6, 7, 7, 7, 8}) == 1);
  CHECK(reduce(any, {8, 8, 8, 8, 8, 8, 8, 8, 8, 8}) == 3);
}

TEST_CASE("fma rounds once only where the target has it") {
  const std::string body =
      "%0 = load f32 @x[0 of 10 by 1]\n%1 = load f32 @x[1 of 10 by 1]\n%2 = fma f32 %0, %0, %1\nstore f32 %2 to @y[]";
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24; the last term needs 25 bits.
  const float e = 0x1p-12f;
  std::vector<float> x(10);
  x[0] = 1 + e;
  x[1] = -(1 + 2 * e);
  CHECK(reduce(reduction(body, "fma"), x) == 0x1p-24f);
  CHECK(reduce(reduction(body, ""), x) == 0.0f);
}

TEST_CASE("a tile's steps are fma where the target has it") {
  for (bool fma : {true, false}) {
    auto program = parse(std::string("program @p { target haswell vector_bytes 16 ") + (fma ? "fma" : "") +
                         " input a: f32[2] input b: f32[2,4] output c: f32[1,4]\n"
                         "buffer @a: f32[2] input 0 buffer @b: f32[8] input 1 buffer @c: f32[4] output 0\n"
                         "kernel @k contract parallel 1 work 0 { tile f32 1 x 4 @c[0] row 4 = @a[0] row 2 * @b[0] "
                         "over 2 (1, 4) } entry { launch @k } }");
    const float e = 0x1p-12f;
    const float a[2] = {1, 1 + e}, b[8] = {-(1 + 2 * e), 0, 0, 1, 1 + e, 1, 2, 3};
    float c[4];
    interpret(*program, {.inputs = {a, b}, .outputs = {c}});
    CHECK(c[0] == (fma ? 0x1p-24f : 0.0f));
    CHECK(c[1] == 1 + e);
    CHECK(c[3] == 1 + 3 * (1 + e));
  }
}

TEST_CASE("rarely runs its body where the condition holds") {
  const std::string text = reduction(
      "%0 = load f32 @x[0 of 10 by 1]\n%1 = constant f32 100\n%2 = less bool %1, %0\n"
      "%3 = rarely f32 %2, %0 {\n%4 = add f32 %0, %0\nyield %4\n}\nstore f32 %3 to @y[]");
  std::vector<float> x(10, 7);
  CHECK(reduce(text, x) == 7);
  x[0] = 101;
  CHECK(reduce(text, x) == 202);
}

TEST_CASE("loops of no rounds give what they start from") {
  for (const char* mark : {"", "vector 4", "unroll"})
    CHECK(reduce(reduction(std::string("%0 = constant f32 3\nloop i1 < 0 ") + mark +
                           " { %1 = load f32 @x[i1 of 10 by 1] }\ngiving %2 = sum f32 from %0 of %1\n"
                           "store f32 %2 to @y[]"),
                 std::vector<float>(10)) == 3);
}

TEST_CASE("state, worker and scalar presets") {
  auto program = parse(R"(program @p {
    target haswell vector_bytes 32 fma
    scalar rate: f64[] = 0.25 at 8
    arena 64
    worker 64
    buffer @w: f64[2] state at 64
    buffer @rate: f64[1] scalar at 8
    buffer @t: f64[1] worker at 0
    kernel @update loop parallel 2 work 2 {
      %0 = load f64 @w[i0 of 2 by 1]
      store f64 %0 to @t[0 of 1 by 1]
      %1 = load f64 @t[0 of 1 by 1]
      %2 = load f64 @rate[]
      %3 = mul f64 %1, %2
      store f64 %3 to @w[i0 of 2 by 1]
    }
    entry { launch @update }
  })");
  alignas(64) double state[16] = {}, workspace[16] = {};
  state[8] = 12, state[9] = 20;
  interpret(*program, {.state = state, .workspace = workspace});
  CHECK(state[8] == 3);
  CHECK(state[9] == 5);
  CHECK(workspace[8] == 20);  // the worker's block lies behind the arena
}

TEST_CASE("a program that doesn't verify isn't run") {
  std::string text = kSaxpy;
  text.replace(text.find("vector 8"), 8, "vector 6");
  auto program = parse(text);
  CHECK_THROWS_AS(interpret(*program, {}), InternalError);
}
