// Whole training steps, from forward to update.
#include "tests/unit/lower/harness.h"

using namespace gradc;

namespace {

// The optimised step, compiled for each target, against the interpreter of the graph as it was written.
void check_step(const std::string& text, double tolerance) {
  for (const char* cpu : {"x86-64", "haswell", "znver5"})
    for (int optimize : {0, 2}) {
      INFO(cpu << " at level " << optimize);
      auto module = gradc::testing::parse(text);
      Options options;
      options.optimize = optimize;
      options.target = *find_target(cpu);
      options.verify_each = true;
      specialize(*module, {}, options);
      differentiate(*module, options);
      auto written = clone_module(*module);
      gradc::optimize(*module, options);
      gradc::testing::check_close(gradc::testing::run_both(*module, cpu, optimize, written->functions[0].get()),
                                  tolerance);
    }
}

std::string update(const std::string& name, const std::string& type) {
  std::string shape = type.substr(3);
  return "  %r_" + name + " = broadcast(%lr) {shape = shape" + shape + ", dims = []} : " + type + "\n" + "  %m_" +
         name + " = add(%" + name + ".momentum, %g_" + name + ") : " + type + "\n" + "  %s_" + name +
         " = multiply(%m_" + name + ", %r_" + name + ") : " + type + "\n" + "  %n_" + name + " = subtract(%" + name +
         ", %s_" + name + ") : " + type + "\n";
}

}  // namespace

// Sums of a few hundred terms in f32, through a handful of layers.
TEST_CASE("a step of a multilayer perceptron") {
  std::string text =
      R"(func @train(data %x: f32[6,9], data %label: i32[6], state %w: f32[11,9], state %b: f32[11], state %u: f32[4,11], state %w.momentum: f32[11,9], state %b.momentum: f32[11], state %u.momentum: f32[4,11], scalar %lr: f32[] = 0.1) -> (data %loss, state %w, state %b, state %u, state %w.momentum, state %b.momentum, state %u.momentum) {
  %0 = dot(%x, %w) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []} : f32[6,11]
  %1 = broadcast(%b) {shape = shape[6,11], dims = [1]} : f32[6,11]
  %2 = add(%0, %1) : f32[6,11]
  %3 = tanh(%2) : f32[6,11]
  %logits = dot(%3, %u) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []} : f32[6,4]
  %4 = softmax_cross_entropy(%logits, %label) : f32[6]
  %loss = mean(%4) {axis = [0]} : f32[]
  %g_w, %g_b, %g_u = gradient(%loss, %w, %b, %u) : f32[11,9], f32[11], f32[4,11]
)" + update("w", "f32[11,9]") +
      update("b", "f32[11]") + update("u", "f32[4,11]") + "  return %loss, %n_w, %n_b, %n_u, %m_w, %m_b, %m_u\n}";
  check_step(text, 1e-5);
}

TEST_CASE("a step of a small convolutional net") {
  std::string text =
      R"(func @train(data %x: f32[3,1,8,8], data %label: i32[3], state %w: f32[4,1,3,3], state %b: f32[4], state %v: f32[6,4,3,3], state %u: f32[5,24], state %w.momentum: f32[4,1,3,3], state %b.momentum: f32[4], state %v.momentum: f32[6,4,3,3], state %u.momentum: f32[5,24], scalar %lr: f32[] = 0.1) -> (data %loss, state %w, state %b, state %v, state %u, state %w.momentum, state %b.momentum, state %v.momentum, state %u.momentum) {
  %0 = convolution(%x, %w) {stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = false} : f32[3,4,8,8]
  %1 = broadcast(%b) {shape = shape[3,4,8,8], dims = [1]} : f32[3,4,8,8]
  %2 = add(%0, %1) : f32[3,4,8,8]
  %3 = relu(%2) : f32[3,4,8,8]
  %4 = max_pool(%3) {window = [2, 2], stride = [2, 2], low = [0, 0], high = [0, 0], channels_last = false} : f32[3,4,4,4]
  %5 = convolution(%4, %v) {stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 1, channels_last = false} : f32[3,6,4,4]
  %6 = sigmoid(%5) : f32[3,6,4,4]
  %7 = max_pool(%6) {window = [3, 3], stride = [2, 2], low = [1, 1], high = [0, 0], channels_last = false} : f32[3,6,2,2]
  %8 = reshape(%7) {shape = shape[3,24]} : f32[3,24]
  %logits = dot(%8, %u) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []} : f32[3,5]
  %9 = softmax_cross_entropy(%logits, %label) : f32[3]
  %loss = mean(%9) {axis = [0]} : f32[]
  %g_w, %g_b, %g_v, %g_u = gradient(%loss, %w, %b, %v, %u) : f32[4,1,3,3], f32[4], f32[6,4,3,3], f32[5,24]
)" + update("w", "f32[4,1,3,3]") +
      update("b", "f32[4]") + update("v", "f32[6,4,3,3]") + update("u", "f32[5,24]") +
      "  return %loss, %n_w, %n_b, %n_v, %n_u, %m_w, %m_b, %m_v, %m_u\n}";
  check_step(text, 1e-5);
}

// Gradients of loops are loops: the state is read in every trip of the first and updated after the second.
TEST_CASE("a step of a recurrent net") {
  std::string text =
      R"(func @train(data %x: f32[5,6,9], data %h0: f32[6,11], data %label: i32[6], state %w: f32[9,11], state %b: f32[11], state %u: f32[11,11], state %v: f32[4,11], state %w.momentum: f32[9,11], state %b.momentum: f32[11], state %u.momentum: f32[11,11], state %v.momentum: f32[4,11], scalar %lr: f32[] = 0.1) -> (data %loss, state %w, state %b, state %u, state %v, state %w.momentum, state %b.momentum, state %u.momentum, state %v.momentum) {
  %last = scan(%h0, %x) {carried = 1, sliced = 1} (%h: f32[6,11], %x_t: f32[6,9]) {
    %p = dot(%x_t, %w) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
    %q = dot(%h, %u) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
    %wide = broadcast(%b) {shape = shape[6,11], dims = [1]}
    %s = add(%p, %q)
    %a = add(%s, %wide)
    %n = tanh(%a)
    yield %n
  }
  %logits = dot(%last, %v) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []} : f32[6,4]
  %4 = softmax_cross_entropy(%logits, %label) : f32[6]
  %loss = mean(%4) {axis = [0]} : f32[]
  %g_w, %g_b, %g_u, %g_v = gradient(%loss, %w, %b, %u, %v) : f32[9,11], f32[11], f32[11,11], f32[4,11]
)" + update("w", "f32[9,11]") +
      update("b", "f32[11]") + update("u", "f32[11,11]") + update("v", "f32[4,11]") +
      "  return %loss, %n_w, %n_b, %n_u, %n_v, %m_w, %m_b, %m_u, %m_v\n}";
  check_step(text, 1e-5);
}

TEST_CASE("a step through branches and a bounded while") {
  std::string text =
      R"(func @train(data %x: f32[5,8], data %p: bool[5], state %w: f32[8], state %w.momentum: f32[8], scalar %lr: f32[] = 0.1) -> (data %loss, state %w, state %w.momentum) {
  %limit = constant() {value = dense<f32[]: 20>}
  %zero = constant() {value = dense<f32[]: 0>}
  %loss = scan(%zero, %x, %p) {carried = 1, sliced = 2} (%sum: f32[], %x_t: f32[8], %p_t: bool[]) {
    %y = cond(%p_t) () {
      %grown = while(%x_t) {carried = 1, max_trips = 4} (%a: f32[8]) {
        %square = multiply(%a, %a)
        %norm = sum(%square) {axis = [0], keep = false}
        %more = less(%norm, %limit)
        yield %more
      } (%a: f32[8]) {
        %f = multiply(%a, %w)
        %g = add(%f, %x_t)
        yield %g
      }
      yield %grown
    } () {
      %z = multiply(%x_t, %w)
      %t = tanh(%z)
      yield %t
    }
    %square = multiply(%y, %y)
    %norm = sum(%square) {axis = [0], keep = false}
    %next = add(%sum, %norm)
    yield %next
  }
  %g_w = gradient(%loss, %w) : f32[8]
)" + update("w", "f32[8]") +
      "  return %loss, %n_w, %m_w\n}";
  check_step(text, 1e-4);
}
