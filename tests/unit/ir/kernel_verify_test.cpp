// What the verifier accepts, and the sentence it has for each thing it doesn't.
#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

namespace {

// Header: inputs @x f32[8], @n i32[8], output @y f32[8], arena @t f32[8].
std::string around(const std::string& kernels, const std::string& entry = "launch @k") {
  return "program @p {\ntarget haswell vector_bytes 32 fma\ninput x: f32[8]\ninput n: i32[8]\noutput y: f32[8]\n"
         "arena 64\nbuffer @x: f32[8] input 0\nbuffer @n: i32[8] input 1\nbuffer @y: f32[8] output 0\n"
         "buffer @t: f32[8] arena at 0\n" +
         kernels + "\nentry { " + entry + " }\n}";
}

std::string kernel(const std::string& body, const std::string& parallel = "8") {
  return around("kernel @k loop parallel " + parallel + " work 0 {\n" + body + "\n}");
}

std::string all(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) text += (text.empty() ? "" : "\n") + sentence;
  return text;
}

// The sentences about a text, without the kernel that leads them.
std::string verdict(const std::string& text) {
  std::string sentences = all(verify(*parse(text)));
  const std::string lead = "kernel `k`: ";
  return sentences.compare(0, lead.size(), lead) == 0 ? sentences.substr(lead.size()) : sentences;
}

}  // namespace

TEST_CASE("the hand-written programs verify") {
  for (const std::string& text : {kSaxpy, kSoftmax, kWindow, kGather, kProduct, kClipped}) CHECK(verdict(text) == "");
}

TEST_CASE("proven subscripts stay inside by the loops' extents") {
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 8 by 1]")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[-i0 + 7 of 8 by 1]")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[7 of 8 by -1] at 7")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 + 1 of 8 by 1]")) == "%0 = load: dimension 0: index 1 to 8 leaves [0, 8)");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 - 1 of 8 by 1]")) == "%0 = load: dimension 0: index -1 to 6 leaves [0, 8)");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 9 by 2]")) == "%0 = load: elements 0 to 14 of `x` leave [0, 8)");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 8 by 1] at 1")) == "%0 = load: elements 1 to 8 of `x` leave [0, 8)");
  CHECK(verdict(kernel("loop i1 < 2 { %0 = load f32 @x[4*i1 + i0 of 12 by 1] }", "4")) == "");
  CHECK(verdict(kernel("loop i1 < 3 { %0 = load f32 @x[4*i1 + i0 of 12 by 1] }", "4")) ==
        "%0 = load: elements 0 to 11 of `x` leave [0, 8)");
  CHECK(verdict(kernel("%0 = load f32 @x[(2*i0) / 2 of 8 by 1]")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[(i0) / 2 of 8 by 1]")) ==
        "%0 = load: dimension 0: a division by 2 that may leave a remainder needs a guard");
  CHECK(verdict(kernel("%0 = load f32 @x[i1 of 8 by 1]\nloop i1 < 8 { %1 = load f32 @x[i1 of 8 by 1] }")) ==
        "%0 = load: i1 is not a loop around it");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 8 by 4611686018427387904]")) ==
        "%0 = load: elements 0 to 2^62 or more of `x` leave [0, 8)");
}

TEST_CASE("guarded and clamped subscripts stay inside by extent and stride") {
  CHECK(verdict(kernel("%0 = load f32 @x[100*i0 - 50 of 8 by 1 guarded] outside -inf")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 4 by 3 guarded]")) == "%0 = load: elements 0 to 9 of `x` leave [0, 8)");
  CHECK(verdict(kernel("%0 = load i32 @n[i0 of 8 by 1]\n%1 = load f32 @x[%0 of 8 by 1 clamped]")) == "");
  CHECK(verdict(kernel("%0 = load i32 @n[i0 of 8 by 1]\n%1 = load f32 @x[%0 of 9 by 1 clamped]")) ==
        "%1 = load: elements 0 to 8 of `x` leave [0, 8)");
  CHECK(verdict(kernel("%0 = load i32 @n[i0 of 8 by 1]\n%1 = load f32 @x[%0 of 8 by 1]")) ==
        "%1 = load: dimension 0: an index from a value needs a guard or a clamp");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 8 by 1]\n%1 = load f32 @x[%0 of 8 by 1 clamped]")) ==
        "%1 = load: dimension 0: index %0 is f32, not i32 or i64");
  CHECK(verdict(kernel("%0 = constant f32 0\nstore f32 %0 to @y[i0 of 8 by 1 clamped]")) ==
        "store: dimension 0: a store is never clamped");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 0 by 1 clamped]")) ==
        "%0 = load: dimension 0: a clamped index needs an extent above 0");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 of 0 by 1 guarded]")) == "");
}

TEST_CASE("what no round reaches may index anything") {
  CHECK(verdict(kernel("loop i1 < 0 { %0 = load f32 @x[i1 + 100 of 8 by 1] }")) == "");
  CHECK(verdict(kernel("%0 = load f32 @x[i0 + 100 of 8 by 1]", "0")) == "");
}

TEST_CASE("values are defined once, before use, in a block around the use") {
  CHECK(verdict(kernel("%1 = neg f32 %0\n%0 = constant f32 1")) == "%1 = neg: value %0 is not defined here");
  CHECK(verdict(kernel("%0 = constant f32 1\n%0 = constant f32 2")) == "%0 = constant: value %0 is defined twice");
  CHECK(verdict(kernel("loop i1 < 8 { %0 = constant f32 1 }\n%1 = neg f32 %0")) ==
        "%1 = neg: value %0 is not defined here");
  CHECK(verdict(kernel("%0 = constant f32 0\nloop i1 < 8 { %1 = neg f32 %2 } giving %2 = sum f32 from %0 of %1")) ==
        "%1 = neg: value %2 is not defined here");
  CHECK(
      verdict(kernel("%0 = constant bool 0\n%1 = constant f32 0\n%2 = rarely f32 %0, %1 { %3 = neg f32 %1 yield %3 }\n"
                     "%4 = neg f32 %3")) == "%4 = neg: value %3 is not defined here");
}

TEST_CASE("values have the dtype that their use takes") {
  const std::string constants = "%0 = constant f32 1\n%1 = constant i32 1\n%2 = constant bool 1\n%3 = constant f64 1\n";
  auto said = [&](const std::string& line) { return verdict(kernel(constants + line)); };
  CHECK(said("%4 = add f32 %0, %1") == "%4 = add: value %1 is i32, not f32");
  CHECK(said("%4 = add f32 %0, %0, %0") == "%4 = add: takes 2 values, not 3");
  CHECK(said("%4 = bit_and f32 %0, %0") == "%4 = bit_and: does not compute on f32");
  CHECK(said("%4 = sqrt i32 %1") == "%4 = sqrt: does not compute on i32");
  CHECK(said("%4 = rem f32 %0, %0") == "%4 = rem: does not compute on f32");
  CHECK(said("%4 = less f32 %0, %0") == "%4 = less: gives bool, not f32");
  CHECK(said("%4 = less bool %0, %3") == "%4 = less: value %3 is f64, not f32");
  CHECK(said("%4 = select f32 %1, %0, %0") == "%4 = select: value %1 is i32, not bool");
  CHECK(said("%4 = bitcast f32 %3") == "%4 = bitcast: f64 and f32 differ in size");
  CHECK(said("%4 = index i32 i0") == "%4 = index: is i64, not i32");
  CHECK(said("%4 = load f64 @x[i0 of 8 by 1]") == "%4 = load: `x` is f32, not f64");
  CHECK(said("store f32 %1 to @y[i0 of 8 by 1]") == "store: value %1 is i32, not f32");
  CHECK(said("loop i1 < 8 { } giving %4 = sum f32 from %0 of %1") == "loop: value %1 is i32, not f32");
  CHECK(said("loop i1 < 8 { } giving %4 = any f32 from %0 of %0") == "loop: any does not combine f32");
  CHECK(said("%4 = rarely f32 %2, %0 { yield %3 }") == "%4 = rarely: value %3 is f64, not f32");
}

TEST_CASE("loops have their own variables and sound marks") {
  CHECK(verdict(kernel("loop i1 < 8 { }\nloop i1 < 8 { }")) == "loop: i1 is the variable of two loops");
  CHECK(verdict(kernel("loop i0 < 8 { }")) == "loop: i0 is not among the kernel's 1 variables");
  CHECK(verdict(kernel("loop i1 < 8 vector 6 { }")) == "loop: i1 has 6 lanes, which is no power of two");
  CHECK(verdict(kernel("loop i1 < 8 vector 8 { loop i2 < 2 { loop i3 < 8 vector 8 { } } }")) ==
        "loop: i3 is marked vector inside another vector loop");
  CHECK(verdict(kernel("%0 = constant f32 0\nloop i1 < 8 vector 8 { } giving %1 = none f32 from %0 of %0")) ==
        "loop: a vector loop has no last value to give");
  CHECK(verdict(
            kernel("%0 = constant bool 0\n%1 = constant f32 0\n%2 = rarely f32 %0, %1 { loop i1 < 2 { } yield %1 }")) ==
        "loop: stands in the body of rarely, which may be skipped");
}

TEST_CASE("stores go where one may write, each round to its own place") {
  const std::string zero = "%0 = constant f32 0\n";
  CHECK(verdict(kernel(zero + "store f32 %0 to @x[i0 of 8 by 1]")) == "store: writes to `x`, which is input");
  CHECK(verdict(kernel(zero + "store f32 %0 to @y[0 of 8 by 1]")) ==
        "store: every parallel round writes the same place");
  CHECK(verdict(kernel(zero + "store f32 %0 to @y[0 of 8 by 1]", "1")) == "");
  CHECK(verdict(kernel(zero + "loop i1 < 8 vector 8 { store f32 %0 to @y[i0 of 8 by 1] }")) ==
        "store: every round of the vector loop writes the same place");
  CHECK(verdict(kernel("%0 = constant bool 0\n%1 = constant f32 0\n"
                       "%2 = rarely f32 %0, %1 { store f32 %1 to @y[i0 of 8 by 1] yield %1 }")) ==
        "store: stands in the body of rarely, which may be skipped");
}

TEST_CASE("tiles stay inside, depth loops and all") {
  auto product = [](const std::string& line) {
    return "program @p {\ntarget haswell vector_bytes 32 fma\ninput a: f32[4,3]\ninput b: f32[3,8]\noutput c: "
           "f32[4,8]\n"
           "buffer @a: f32[12] input 0\nbuffer @b: f32[24] input 1\nbuffer @c: f32[32] output 0\n"
           "kernel @k contract parallel 2 work 0 {\n" +
           line + "\n}\nentry { launch @k }\n}";
  };
  auto said = [&](const std::string& line) { return verdict(product(line)); };
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") == "");
  CHECK(said("tile f32 3 x 8 @c[16*i0] row 4 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") ==
        "tile: elements 0 to 14 of `a` leave [0, 12)");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 9)") ==
        "tile: elements 0 to 25 of `b` leave [0, 24)");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 2 (1, 8), 3 (1, 8)") ==
        "tile: elements 0 to 12 of `a` leave [0, 12)\nkernel `k`: tile: elements 0 to 31 of `b` leave [0, 24)");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 9 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") ==
        "tile: elements 0 to 32 of `c` leave [0, 32)");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[100] row 3 * @b[100] over 0 (1, 8)") == "");
  CHECK(said("tile f32 2 x 6 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") ==
        "tile: 6 columns are no multiple of the target's 8 lanes");
  CHECK(said("tile f64 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)").find("`a` is f32, not f64") !=
        std::string::npos);
  CHECK(said("tile i32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") ==
        "tile: does not compute on i32");
  CHECK(said("tile f32 2 x 8 @c[0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)") ==
        "tile: every parallel round writes the same place");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 1 (0, 0), 1 (0, 0), 1 (0, 0), 1 (0, 0), 1 "
             "(0, 0)") == "tile: has 5 depth loops, not 1 to 4");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) within (i0 - 1, 0 of 3)") ==
        "tile: has a bound whose step is 0");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) rows (-1, 1, -1 of 3)") == "");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) rows (-1, 1, 0 of 3)") ==
        "tile: has a bound of rows whose step is 0");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) within (i0 - 1, 1 of 3) rows (0, "
             "1, 1 of 3)") == "tile: has two bounds on one loop");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 1 (0, 0) rows (0, 1, 1 of 3), 3 (1, 8) rows "
             "(0, 1, 1 of 3)") == "tile: has bounds of rows on two loops");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 17 (0, 0) rows (0, 1, 1 of 3), 3 (1, 8)") ==
        "tile: has a bound of rows on 17 steps, not up to 16");
  CHECK(said("tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) within (i1 - 1, 1 of 3)") ==
        "tile: i1 is not a loop around it");
  CHECK(said("loop i1 < 8 vector 8 { tile f32 2 x 8 @c[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8) }") ==
        "tile: stands in a vector loop");
}

TEST_CASE("nothing is read before something wrote it") {
  const std::string reads =
      "kernel @r loop parallel 8 work 0 { %0 = load f32 @t[i0 of 8 by 1]\n"
      "store f32 %0 to @y[i0 of 8 by 1] }\n";
  const std::string writes =
      "kernel @w loop parallel 8 work 0 { %0 = constant f32 0\nstore f32 %0 to @t[i0 of 8 by 1] }\n";
  CHECK(verdict(around(reads + writes, "launch @w launch @r")) == "");
  CHECK(verdict(around(reads + writes, "launch @r launch @w")) == "launch of `r`: reads `t` before anything writes it");
  CHECK(verdict(around(reads + writes, "launch @r")) == "launch of `r`: reads `t` before anything writes it");
  CHECK(verdict(around(reads, "copy @x to @t launch @r")) == "");
  CHECK(verdict(around("", "copy @t to @y")) == "copy of `t` to `y`: reads `t` before anything writes it");
  CHECK(verdict(around("", "copy @x to @n")) == "copy of `x` to `n`: `n` is input");
  CHECK(verdict(kernel("%0 = load f32 @y[i0 of 8 by 1]\nstore f32 %0 to @y[i0 of 8 by 1]")) ==
        "launch of `k`: reads `y` before anything writes it");
}

TEST_CASE("buffers agree with parameters and lie inside their block") {
  auto header = [](const std::string& lines) { return verdict("program @p {\n" + lines + "\nentry { }\n}"); };
  CHECK(header("arena 128\nbuffer @t: f32[16] arena at 64") == "");
  CHECK(header("buffer @t: f32[16] arena") == "");
  CHECK(header("arena 64\nbuffer @t: f32[17] arena at 0") == "buffer `t`: bytes 0 to 68 leave the arena's 64");
  CHECK(header("arena 128\nbuffer @t: f32[1] arena at 4") == "buffer `t`: offset 4 is no multiple of 64");
  CHECK(header("worker 64\nbuffer @t: f64[9] worker at 0") == "buffer `t`: bytes 0 to 72 leave the worker's 64");
  CHECK(header("arena 65") == "program `p`: arena of 65 bytes is no multiple of 64");
  CHECK(header("input x: f32[8]\nbuffer @x: f32[9] input 0") == "buffer `x`: is f32[9] and input `x` f32[8]");
  CHECK(header("buffer @x: f32[9] input 0") == "buffer `x`: input 0 does not exist");
  CHECK(header("scalar a: f32[] = 0 at 4\nbuffer @a: f32[1] scalar at 0") ==
        "buffer `a`: no scalar of f32 lies at byte 0");
  CHECK(header("buffer @e: f32[2] table f32[3] {1, 2, 3}") == "buffer `e`: is f32[2] and its table f32[3]");
  CHECK(header("kernel @k loop parallel 1 work 0 { }") == "");
}
