// The entry's loops, branches and views: native code leaves the bytes that the interpreter leaves.
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

// h = c·h + x_t·w over t, with h copied to row t of y; x read backwards. A tile, vector loops, many rounds in parallel.
std::string recurrence(int trips) {
  const std::string n = std::to_string(trips);
  const std::string all = std::to_string(trips * 64);
  return "  input x: f32[" + n + ",64]\n  input w: f32[64,64]\n  output y: f32[" + n +
         ",64]\n  output last: f32[64]\n" + "  arena 512\n  buffer @x: f32[" + all +
         "] input 0\n  buffer @w: f32[4096] input 1\n  buffer @y: f32[" + all +
         "] output 0\n  buffer @last: f32[64] output 1\n  buffer @h: f32[64] arena at 0\n" +
         "  buffer @p: f32[64] arena at 256\n  buffer @x_t: f32[64] view @x at -64*t3 + " +
         std::to_string(64 * (trips - 1)) + "\n  buffer @y_t: f32[64] view @y at 64*t3\n" + R"(
  kernel @clear loop parallel 1 work 64 {
    loop i1 < 64 vector 16 {
      %0 = constant f32 0.25
      store f32 %0 to @h[i1 of 64 by 1]
    }
  }
  kernel @product contract parallel 2 work 4096 {
    tile f32 1 x 32 @p[32*i0] row 64 = @x_t[0] row 64 * @w[32*i0] over 64 (1, 64)
  }
  kernel @add loop parallel 64 work 100000 {
    %0 = load f32 @h[i0 of 64 by 1]
    %1 = load f32 @p[i0 of 64 by 1]
    %2 = constant f32 0.5
    %3 = mul f32 %0, %2
    %4 = add f32 %3, %1
    store f32 %4 to @h[i0 of 64 by 1]
  }
  entry {
    launch @clear
    for t3 < )" +
         n + R"( {
      launch @product
      launch @add
      copy @h to @y_t
    }
    copy @h to @last
  }
)";
}

// Collatz steps of each of 5 numbers, at most `trips` of them: a while in a for, an if in the while.
std::string collatz(const std::string& trips) {
  return R"(  input n: i64[5]
  output steps: i64[5]
  arena 256
  buffer @n: i64[5] input 0
  buffer @steps: i64[5] output 0
  buffer @n_t: i64[1] view @n at t0
  buffer @steps_t: i64[1] view @steps at t0
  buffer @k: i64[1] arena at 0
  buffer @more: bool[1] arena at 64
  buffer @odd: bool[1] arena at 128
  kernel @start loop parallel 1 work 1 {
    %0 = load i64 @n_t[]
    %1 = constant i64 1023
    %2 = bit_and i64 %0, %1
    %3 = constant i64 1
    %4 = bit_or i64 %2, %3
    store i64 %4 to @k[]
    %5 = constant i64 0
    store i64 %5 to @steps_t[]
  }
  kernel @check loop parallel 1 work 1 {
    %0 = load i64 @k[]
    %1 = constant i64 1
    %2 = not_equal bool %0, %1
    store bool %2 to @more[]
    %3 = bit_and i64 %0, %1
    %4 = equal bool %3, %1
    store bool %4 to @odd[]
  }
  kernel @half loop parallel 1 work 1 {
    %0 = load i64 @k[]
    %1 = constant i64 1
    %2 = shift_right i64 %0, %1
    store i64 %2 to @k[]
  }
  kernel @grow loop parallel 1 work 1 {
    %0 = load i64 @k[]
    %1 = constant i64 3
    %2 = mul i64 %0, %1
    %3 = constant i64 1
    %4 = add i64 %2, %3
    store i64 %4 to @k[]
  }
  kernel @count loop parallel 1 work 1 {
    %0 = load i64 @steps_t[]
    %1 = constant i64 1
    %2 = add i64 %0, %1
    store i64 %2 to @steps_t[]
  }
  entry {
    for t0 < 5 {
      launch @start
      while @more)" +
         trips + R"( {
        launch @check
      } do {
        if @odd {
          launch @grow
        } else {
          launch @half
        }
        launch @count
      }
    }
  }
)";
}

}  // namespace

TEST_CASE("loops with views that move", "[codegen]") {
  for (int trips : {1, 2, 7}) test::check_native(recurrence(trips));
}

TEST_CASE("while and if", "[codegen]") {
  test::check_native(collatz(""));
  test::check_native(collatz(" trips 4"));
}

TEST_CASE("nested loops with views of one element", "[codegen]") {
  test::check_native(R"(  input x: f64[4,6]
  output y: f64[6,4]
  buffer @x: f64[24] input 0
  buffer @y: f64[24] output 0
  buffer @x_ij: f64[1] view @x at t0 + 6*t1
  buffer @y_ij: f64[1] view @y at 4*t0 - t1 + 3
  kernel @twice loop parallel 1 work 1 {
    %0 = load f64 @x_ij[]
    %1 = add f64 %0, %0
    store f64 %1 to @y_ij[]
  }
  entry {
    for t0 < 6 {
      for t1 < 4 {
        launch @twice
      }
    }
  }
)");
}

TEST_CASE("the code of a long loop is as small as that of a short one", "[codegen]") {
  auto size = [](int trips) {
    KernelModule module;
    module.name = "m";
    module.programs.push_back(test::parse_program(host_target(), recurrence(trips)));
    return emit(module, Emit::object, 2).size();
  };
  const auto small = static_cast<double>(size(10)), large = static_cast<double>(size(10000));
  CHECK(large <= 1.02 * small);
}

}  // namespace gradc
