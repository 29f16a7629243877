// Hand-written kernel programs for the tests of text, verifier and interpreter.
#pragma once

#include <string>

#include "ir/kernel.h"
#include "tests/support/catch.h"

namespace gradc::kernel_tests {

inline std::unique_ptr<KernelProgram> parse(const std::string& text) {
  Diagnostics diagnostics;
  auto program = parse_kernel_program(text, "test.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program);
  return program;
}

// z = a * x + y, rows of a parallel loop.
inline const std::string kSaxpy = R"(program @saxpy {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[3,5]
  input y: f32[3,5]
  output z: f32[3,5]
  scalar a: f32[] = 0.5 at 0
  buffer @x: f32[15] input 0
  buffer @y: f32[15] input 1
  buffer @z: f32[15] output 0
  buffer @a: f32[1] scalar at 0
  kernel @k0_saxpy loop parallel 3 work 30 loc("saxpy.json":3:7, gradient of "saxpy.json":4:9) {
    %0 = load f32 @a[]
    loop i1 < 5 vector 8 {
      %1 = load f32 @x[i0 of 3 by 5, i1 of 5 by 1]
      %2 = load f32 @y[5*i0 + i1 of 15 by 1]
      %3 = mul f32 %0, %1
      %4 = add f32 %3, %2
      store f32 %4 to @z[i0 of 3 by 5, i1 of 5 by 1]
    }
  }
  entry {
    launch @k0_saxpy
  }
}
)";

// Rows of z = 2^(x - max x) / Σ 2^(x - max x), x integers: 2^n by way of the exponent's bits.
inline const std::string kSoftmax = R"(program @softmax {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[2,6]
  output z: f32[2,6]
  arena 64
  buffer @x: f32[12] input 0
  buffer @z: f32[12] output 0
  buffer @t: f32[12] arena at 0
  kernel @k0_softmax reduce parallel 2 work 100 {
    %0 = constant f32 -inf
    loop i1 < 6 vector 4 {
      %1 = load f32 @x[i0 of 2 by 6, i1 of 6 by 1]
    } giving %2 = max f32 from %0 of %1
    %3 = constant f32 0
    loop i2 < 6 {
      %4 = load f32 @x[i0 of 2 by 6, i2 of 6 by 1]
      %5 = sub f32 %4, %2
      %6 = convert i32 %5
      %7 = constant i32 127
      %8 = add i32 %6, %7
      %9 = constant i32 23
      %10 = shift_left i32 %8, %9
      %11 = bitcast f32 %10
      store f32 %11 to @t[i0 of 2 by 6, i2 of 6 by 1]
    } giving %12 = sum f32 from %3 of %11
    loop i3 < 6 unroll {
      %13 = load f32 @t[i0 of 2 by 6, i3 of 6 by 1]
      %14 = div f32 %13, %12
      store f32 %14 to @z[i0 of 2 by 6, i3 of 6 by 1]
    }
  }
  entry {
    launch @k0_softmax
  }
}
)";

// y[r, c] = Σ over a 3x3 window of x, a constant 10 outside.
inline const std::string kWindow = R"(program @window {
  target "x86-64" vector_bytes 16 vector_registers 16 l1 32768 l2 262144
  input x: i32[4,5]
  output y: i32[4,5]
  buffer @x: i32[20] input 0
  buffer @y: i32[20] output 0
  kernel @k0_window window parallel 4 work 180 {
    loop i1 < 5 vector 4 {
      %0 = constant i32 0
      loop i2 < 3 {
        loop i3 < 3 unroll {
          %1 = load i32 @x[i0 + i2 - 1 of 4 by 5 guarded, i1 + i3 - 1 of 5 by 1 guarded] outside 10
        } giving %2 = sum i32 from %0 of %1
      } giving %3 = sum i32 from %0 of %2
      store i32 %3 to @y[i0 of 4 by 5, i1 of 5 by 1]
    }
  }
  entry {
    launch @k0_window
  }
}
)";

// y[i] = x[clamp(index[i])]; then the rows with an even number are dropped by a guard with a divisor.
inline const std::string kGather = R"(program @gather {
  target "x86-64" vector_bytes 16 vector_registers 16 l1 32768 l2 262144
  input x: f64[4]
  input index: i64[6] range -100 to 100
  output y: f64[6]
  output half: f64[3]
  buffer @x: f64[4] input 0
  buffer @index: i64[6] input 1
  buffer @y: f64[6] output 0
  buffer @half: f64[3] output 1
  kernel @k0_gather loop parallel 6 work 6 {
    %0 = load i64 @index[i0 of 6 by 1]
    %1 = load f64 @x[%0 of 4 by 1 clamped]
    store f64 %1 to @y[i0 of 6 by 1]
    store f64 %1 to @half[(i0) / 2 of 3 by 1 guarded]
  }
  entry {
    launch @k0_gather
  }
}
)";

// c[4, 8] = a[4, 3] b[3, 8], then c += a b again, by tiles of 2 rows, from a table and through an arena.
inline const std::string kProduct = R"(program @product {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input a: f32[4,3]
  output c: f32[4,8]
  arena 256
  buffer @a: f32[12] input 0
  buffer @b: f32[24] table f32[3,8] {1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80,
    0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}
  buffer @t: f32[32] arena at 0
  buffer @c: f32[32] output 0
  kernel @k0_product contract parallel 2 work 96 {
    tile f32 2 x 8 @t[16*i0] row 8 = @a[6*i0] row 3 * @b[0] over 3 (1, 8)
  }
  kernel @k1_again contract parallel 2 work 96 {
    tile f32 2 x 8 @t[16*i0] row 8 += @a[6*i0] row 3 * @b[0] over 1 (0, 0), 3 (1, 8)
  }
  entry {
    launch @k0_product
    launch @k1_again
    copy @t to @c
  }
}
)";

// y[5, 8] = Σ over k < 3 of x[row + k - 1] w[k, 8]: x lies in `x` behind two numbers and before two more, which no step
// reads. Upwards over k, the same downwards, and all rows in one tile.
inline const std::string kClipped = R"(program @clipped {
  target "haswell" vector_bytes 32 vector_registers 16 fma l1 32768 l2 262144
  input x: f32[9]
  input w: f32[3,8]
  output up: f32[5,8]
  output down: f32[5,8]
  output together: f32[5,8]
  buffer @x: f32[9] input 0
  buffer @w: f32[24] input 1
  buffer @up: f32[40] output 0
  buffer @down: f32[40] output 1
  buffer @together: f32[40] output 2
  kernel @k0_up contract parallel 5 work 120 {
    tile f32 1 x 8 @up[8*i0] row 8 = @x[i0 + 1] row 1 * @w[0] over 3 (1, 8) within (i0 - 1, 1 of 5)
  }
  kernel @k1_down contract parallel 5 work 120 {
    tile f32 1 x 8 @down[8*i0] row 8 = @x[i0 + 3] row 1 * @w[16] over 3 (-1, -8) within (i0 + 1, -1 of 5)
  }
  kernel @k2_together contract parallel 1 work 120 {
    tile f32 5 x 8 @together[0] row 8 = @x[1] row 1 * @w[0] over 3 (1, 8) rows (-1, 1, 1 of 5)
  }
  entry {
    launch @k0_up
    launch @k1_down
    launch @k2_together
  }
}
)";

}  // namespace gradc::kernel_tests
