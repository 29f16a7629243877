// What a watched run says about stale memory and about rounds that touch one another's.
#include "tests/unit/ir/kernel_programs.h"

using namespace gradc;
using namespace gradc::kernel_tests;

namespace {

// Input @x f32[8], output @y f32[8], @t and @u f32[8] of the arena at the bytes given, @w of the worker's space.
std::vector<std::string> said(const std::string& kernels, const std::string& entry, int t = 0, int u = 64) {
  auto program = parse(
      "program @p {\ntarget haswell vector_bytes 32 fma\ninput x: f32[8]\noutput y: f32[8]\narena 128\n"
      "worker 64\nbuffer @x: f32[8] input 0\nbuffer @y: f32[8] output 0\nbuffer @t: f32[8] arena at " +
      std::to_string(t) + "\nbuffer @u: f32[8] arena at " + std::to_string(u) + "\nbuffer @w: f32[8] worker at 0\n" +
      kernels + "\nentry { " + entry + " }\n}");
  alignas(64) float workspace[48];
  float x[8] = {}, y[8];
  return check_run(*program, {.inputs = {x}, .outputs = {y}, .workspace = workspace});
}

using Sentences = std::vector<std::string>;

}  // namespace

TEST_CASE("a sound run has nothing to say") {
  const std::string in_place =
      "kernel @k loop parallel 8 work 0 { %0 = load f32 @t[i0 of 8 by 1]\nstore f32 %0 to @u[i0 of 8 by 1] }";
  CHECK(said(in_place, "copy @x to @t launch @k copy @u to @y") == Sentences{});
  CHECK(said(in_place, "copy @x to @t launch @k copy @u to @y", 0, 0) == Sentences{});
}

TEST_CASE("an element that nothing wrote") {
  CHECK(said("kernel @k loop parallel 7 work 0 { %0 = load f32 @x[i0 of 8 by 1]\nstore f32 %0 to @t[i0 of 8 by 1] }",
             "launch @k copy @t to @y") == Sentences{"copy: element 7 of `t` is read before anything writes it"});
}

TEST_CASE("an element that another buffer overwrote") {
  CHECK(said("", "copy @x to @t copy @x to @u copy @t to @y", 0, 0) ==
        Sentences{"copy: element 0 of `t` is read after `u` overwrote it"});
  // In place, but not element by element.
  CHECK(said("kernel @k loop parallel 1 work 0 { loop i1 < 8 { %0 = load f32 @t[-i1 + 7 of 8 by 1]\n"
             "store f32 %0 to @u[i1 of 8 by 1] } }",
             "copy @x to @t launch @k", 0,
             0) == Sentences{"kernel `k`: element 3 of `t` is read after `u` overwrote it"});
}

TEST_CASE("rounds that touch one another's memory") {
  CHECK(said("kernel @k loop parallel 4 work 0 { %0 = load f32 @x[i0 of 8 by 1]\nstore f32 %0 to @y[i0 of 8 by 1]\n"
             "store f32 %0 to @y[i0 + 1 of 8 by 1] }",
             "launch @k") == Sentences{"kernel `k`: round 1 writes element 1 of `y`, which round 0 writes"});
  CHECK(
      said("kernel @k loop parallel 4 work 0 { %0 = load f32 @t[i0 + 1 of 8 by 1]\nstore f32 %0 to @t[i0 of 8 by 1] }",
           "copy @x to @t launch @k") == Sentences{"kernel `k`: round 1 writes element 1 of `t`, which round 0 reads"});
}

TEST_CASE("a worker's space holds nothing from another round") {
  CHECK(said("kernel @k loop parallel 4 work 0 { %0 = load f32 @x[i0 of 8 by 1]\nstore f32 %0 to @w[i0 of 8 by 1]\n"
             "%1 = load f32 @w[0 of 8 by 1]\nstore f32 %1 to @y[i0 of 8 by 1] }",
             "launch @k") == Sentences{"kernel `k`: element 0 of `w` is read before anything writes it"});
}
