// Loop kernels: elementwise chains, movement, views, state.
#include "tests/unit/lower/harness.h"

using gradc::testing::check_everywhere;

// Elementwise results have the same bits however they are compiled.
TEST_CASE("elementwise chains") {
  check_everywhere(R"(func @f(data %x: f32[3,5], data %y: f32[3,5]) -> (data %a, data %b) {
    %0 = add(%x, %y) : f32[3,5]
    %1 = square(%0) : f32[3,5]
    %2 = sqrt(%1) : f32[3,5]
    %3 = multiply(%2, %x) : f32[3,5]
    return %3, %1
  })",
                   0);
}

// The same of a function made of many, where fma is fused as in the interpreter; elsewhere both keep to the bounds
// of ir/README.md: 1.4 ulp, 1.1 ulp.
TEST_CASE("an elementary function in a chain") {
  struct Case {
    std::string function;
    double tolerance;  // two bounds, of an ulp of 1 or less for tanh, of the largest element for exp
  };
  for (const auto& [function, tolerance] : {Case{"tanh", 2.8 * 0x1p-24}, Case{"exp", 2.2 * 0x1p-23}}) {
    const auto module = gradc::testing::parse("func @f(data %x: f32[3,5], data %y: f32[3,5]) -> (data %b) {\n" +
                                              ("  %0 = add(%x, %y) : f32[3,5]\n  %1 = " + function) +
                                              "(%0) : f32[3,5]\n  return %1\n}");
    for (const char* cpu : {"haswell", "znver5"})
      for (int optimize : {0, 2}) gradc::testing::check_close(gradc::testing::run_both(*module, cpu, optimize), 0);
    for (int optimize : {0, 2})
      gradc::testing::check_close(gradc::testing::run_both(*module, "x86-64", optimize), tolerance);
  }
}

TEST_CASE("movements compose") {
  check_everywhere(R"(func @f(data %x: f32[3,4], data %b: f32[4]) -> (data %a, data %c) {
    %0 = broadcast(%b) {shape = shape[3,4], dims = [1]} : f32[3,4]
    %1 = add(%x, %0) : f32[3,4]
    %2 = transpose(%1) {permutation = [1, 0]} : f32[4,3]
    %3 = pad(%2) {low = [1, 0], high = [2, 1], interior = [1, 0], value = 3.0} : f32[10,4]
    %4 = slice(%3) {start = [1, 0], limit = [9, 2], stride = [2, 1]} : f32[4,2]
    %5 = reverse(%4) {axis = [0]} : f32[4,2]
    return %5, %2
  })",
                   0);
}

TEST_CASE("views and reshapes") {
  check_everywhere(R"(func @f(data %x: f32[6,4]) -> (data %a, data %b) {
    %0 = reshape(%x) {shape = shape[2,12]} : f32[2,12]
    %1 = exp(%0) : f32[2,12]
    %2 = reshape(%1) {shape = shape[3,8]} : f32[3,8]
    %3 = negate(%2) : f32[3,8]
    %4 = transpose(%3) {permutation = [1, 0]} : f32[8,3]
    return %4, %0
  })",
                   0);
}

TEST_CASE("state is updated in place and in turn") {
  check_everywhere(
      R"(func @f(data %g: f32[7], state %w: f32[7], state %v: f32[7], scalar %lr: f32[] = 0.1) -> (state %w, state %v, data %old) {
    %l = broadcast(%lr) {shape = shape[7], dims = []} : f32[7]
    %0 = add(%v, %g) : f32[7]
    %1 = multiply(%0, %l) : f32[7]
    %2 = subtract(%w, %1) : f32[7]
    %3 = negate(%w) : f32[7]
    return %2, %0, %3
  })",
      0);
  check_everywhere(R"(func @swap(state %w: f32[7], state %v: f32[7]) -> (state %w, state %v) {
    return %v, %w
  })",
                   0);
  check_everywhere(R"(func @turn(state %w: f32[5]) -> (state %w) {
    %0 = reverse(%w) {axis = [0]} : f32[5]
    return %0
  })",
                   0);
}

TEST_CASE("indices, gather and scatter") {
  check_everywhere(R"(func @f(data %x: f32[6,3], data %i: i32[4], data %u: f32[4,3]) -> (data %a, data %b, data %c) {
    %0 = gather(%x, %i) {axis = 0} : f32[4,3]
    %1 = multiply(%0, %u) : f32[4,3]
    %2 = scatter_add(%i, %1) {axis = 0, size = 5} : f32[5,3]
    %3 = iota() {shape = shape[4,3], dtype = f32, axis = 1} : f32[4,3]
    %4 = add(%3, %u) : f32[4,3]
    return %1, %2, %4
  })",
                   1e-6);
}

TEST_CASE("empty and single elements") {
  check_everywhere(R"(func @f(data %x: f32[0,3], data %y: f32[1,1]) -> (data %a, data %b, data %s) {
    %0 = exp(%x) : f32[0,3]
    %1 = exp(%y) : f32[1,1]
    %2 = sum(%x) {axis = [0]} : f32[3]
    return %0, %1, %2
  })",
                   0);
}
