// Graphs with loops and branches, and a watched run of what they become, for the tests of their lowering.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/codegen/native.h"

namespace gradc::testing {

struct ControlGraph {
  const char* name;
  std::string text;
  double tolerance;  // to the graph interpreter, whose sums run in another order; 0: the same bits
};

inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// h = tanh(x_t + h·U + b) over N rows and H units, h emitted; U packed or not as the target likes.
inline std::string recurrent(int steps, int rows, int units, bool reverse) {
  std::string text = R"(func @f(data %x: f32[T,N,H], data %h0: f32[N,H], data %u: f32[H,H], data %b: f32[H])
    -> (data %last, data %all) {
  %last, %all = scan(%h0, %x) {carried = 1, sliced = 1, reverse = R} (%h: f32[N,H], %x_t: f32[N,H]) {
    %p = dot(%h, %u) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
    %bias = broadcast(%b) {shape = shape[N,H], dims = [1]}
    %s = add(%x_t, %p)
    %a = add(%s, %bias)
    %n = tanh(%a)
    yield %n, %n
  }
  return %last, %all
})";
  text = replaced(text, "T,", std::to_string(steps) + ",");
  text = replaced(text, "N,", std::to_string(rows) + ",");
  text = replaced(text, "H,", std::to_string(units) + ",");
  text = replaced(text, "H]", std::to_string(units) + "]");
  return replaced(text, "reverse = R", reverse ? "reverse = true" : "reverse = false");
}

// What a watched run of the program has to say, on numbers that matter.
inline std::string watched(const KernelProgram& program) {
  test::Memory memory(program);
  std::string said;
  for (const std::string& sentence : check_run(program, {memory.input_pointers(), memory.output_pointers(),
                                                         memory.state.data(), memory.workspace.data(), nullptr}))
    said += sentence + "\n";
  return said;
}

inline std::vector<ControlGraph> control_graphs() {
  return {
      {"running sum", R"(func @f(data %h0: f32[37], data %x: f32[5,37]) -> (data %last, data %all) {
  %last, %all = scan(%h0, %x) {carried = 1, sliced = 1} (%h: f32[37], %x_t: f32[37]) {
    %n = add(%h, %x_t)
    yield %n, %n
  }
  return %last, %all
})",
       0},
      {"recurrent net", recurrent(4, 3, 5, false), 1e-5},
      {"recurrent net, backwards and wide", recurrent(3, 20, 70, true), 1e-4},
      {"the old value emitted, and the new one twice",
       R"(func @f(state %h: f32[6], data %x: f32[4,6]) -> (state %h, data %before, data %a, data %b, data %slices) {
  %last, %before, %a, %b, %c = scan(%h, %x) {carried = 1, sliced = 1, reverse = true} (%c: f32[6], %x_t: f32[6]) {
    %n = multiply(%c, %x_t)
    yield %n, %c, %n, %n, %x_t
  }
  return %last, %before, %a, %b, %c
})",
       0},
      {"carried values that change places",
       R"(func @f(state %a: f32[3], state %b: f32[3], state %c: f32[3], data %x: f32[5,3]) -> (state %a, state %b, state %c) {
  %1, %2, %3 = scan(%a, %b, %c, %x) {carried = 3, sliced = 1} (%p: f32[3], %q: f32[3], %r: f32[3], %x_t: f32[3]) {
    %s = add(%r, %x_t)
    yield %q, %s, %p
  }
  return %2, %3, %1
})",
       0},
      {"all from one value, and what is not carried on",
       R"(func @f(data %h: f32[3], data %x: f32[5,3]) -> (data %a, data %b, data %c, data %h2) {
  %k = constant() {value = dense<f32[3]: 1, 2, 3>}
  %1, %2, %3 = scan(%h, %h, %k, %x) {carried = 3, sliced = 1} (%p: f32[3], %q: f32[3], %r: f32[3], %x_t: f32[3]) {
    %s = add(%q, %x_t)
    yield %k, %p, %r
  }
  return %1, %2, %3, %h
})",
       0},
      {"carried integers and a captured table",
       R"(func @f(data %x: f32[7,4], data %t: f32[9]) -> (data %n, data %y, data %odd) {
  %none = constant() {value = dense<i64[]: 0>}
  %one = constant() {value = dense<i64[]: 1>}
  %two = constant() {value = dense<i64[]: 2>}
  %n, %y, %odd = scan(%none, %x) {carried = 1, sliced = 1} (%i: i64[], %x_t: f32[4]) {
    %at = reshape(%i) {shape = shape[1]}
    %v = gather(%t, %at) {axis = 0}
    %w = broadcast(%v) {shape = shape[4], dims = [0]}
    %y_t = multiply(%x_t, %w)
    %m = add(%i, %one)
    %r = remainder(%i, %two)
    %o = equal(%r, %one)
    yield %m, %y_t, %o
  }
  return %n, %y, %odd
})",
       0},
      {"no rounds", R"(func @f(state %h: f32[6], data %x: f32[0,6]) -> (state %h, data %all) {
  %last, %all = scan(%h, %x) {carried = 1, sliced = 1} (%c: f32[6], %x_t: f32[6]) {
    %n = add(%c, %x_t)
    yield %n, %n
  }
  return %last, %all
})",
       0},
      {"a length without slices, one round",
       R"(func @f(data %h: f64[6]) -> (data %last, data %all) {
  %last, %all = scan(%h) {carried = 1, sliced = 0, length = shape[1]} (%c: f64[6]) {
    %n = multiply(%c, %c)
    yield %n, %c
  }
  return %last, %all
})",
       0},
      {"scans nest; the inner one's results are sliced, stacked and carried",
       R"(func @f(data %x: f32[3,4,5], data %w: f32[5], data %g: f32[5]) -> (data %last, data %all, data %sums) {
  %last, %all, %sums = scan(%g, %x) {carried = 1, sliced = 1} (%h: f32[5], %x_t: f32[4,5]) {
    %q = multiply(%h, %w)
    %s, %inner = scan(%q, %x_t) {carried = 1, sliced = 1, reverse = true} (%c: f32[5], %v: f32[5]) {
      %m = multiply(%v, %w)
      %d = add(%c, %m)
      %e = add(%d, %h)
      yield %e, %d
    }
    %z, %again = scan(%s, %inner) {carried = 1, sliced = 1} (%c: f32[5], %v: f32[5]) {
      %d = subtract(%c, %v)
      yield %d, %v
    }
    yield %z, %again, %s
  }
  return %last, %all, %sums
})",
       0},
      {"a state carried through nested scans",
       R"(func @f(state %w: f32[8], data %x: f32[3,2,8]) -> (state %w, data %seen) {
  %last, %seen = scan(%w, %x) {carried = 1, sliced = 1} (%h: f32[8], %x_t: f32[2,8]) {
    %s = scan(%h, %x_t) {carried = 1, sliced = 1} (%c: f32[8], %v: f32[8]) {
      %d = add(%c, %v)
      yield %d
    }
    yield %s, %s
  }
  return %last, %seen
})",
       0},
      {"the old value read inside the loop that makes the new one",
       R"(func @f(state %w: f32[8], data %x: f32[3,8]) -> (state %w) {
  %last = scan(%w, %x) {carried = 1, sliced = 1} (%c: f32[8], %v: f32[8]) {
    %d = add(%c, %v)
    %e = multiply(%d, %w)
    yield %e
  }
  return %last
})",
       0},
      {"a loop that goes back to the old value",
       R"(func @f(state %w: f32[8], data %x: f32[8]) -> (state %w) {
  %last = scan(%x) {carried = 1, sliced = 0, length = shape[2]} (%c: f32[8]) { yield %w }
  return %last
})",
       0},
      {"packed in the outer loop for the inner one, and before both",
       R"(func @f(data %h: f32[20,70], data %u: f32[2,70,70], data %w: f32[70,70], data %p: bool[2]) -> (data %y) {
  %tenth = constant() {value = dense<f32[]: 0.1>}
  %y = scan(%h, %u, %p) {carried = 1, sliced = 2} (%a: f32[20,70], %u_t: f32[70,70], %p_t: bool[]) {
    %b = scan(%a) {carried = 1, sliced = 0, length = shape[2]} (%c: f32[20,70]) {
      %d = dot(%c, %u_t) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
      %few = broadcast(%tenth) {shape = shape[20,70], dims = []}
      %small = multiply(%d, %few)
      %e = tanh(%small)
      %f = cond(%p_t) () {
        %g = dot(%e, %w) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
        %i = multiply(%g, %few)
        yield %i
      } () {
        %g = dot(%w, %e) {contract_a = [1], contract_b = [1], batch_a = [], batch_b = []}
        %j = transpose(%g) {permutation = [1, 0]}
        %i = multiply(%j, %few)
        yield %i
      }
      yield %f
    }
    yield %b
  }
  return %y
})",
       1e-3},
      {"a scan over a scan's output, reshaped",
       R"(func @f(data %h: f32[6], data %x: f32[4,6]) -> (data %a, data %b) {
  %a, %all = scan(%h, %x) {carried = 1, sliced = 1} (%c: f32[6], %v: f32[6]) {
    %d = add(%c, %v)
    yield %d, %d
  }
  %flat = reshape(%all) {shape = shape[8,3]}
  %twice = add(%flat, %flat)
  %none = constant() {value = dense<f32[]: 0.5>}
  %b = scan(%none, %twice, %flat) {carried = 1, sliced = 2} (%c: f32[], %v: f32[3], %u: f32[3]) {
    %p = multiply(%v, %u)
    %s = sum(%p) {axis = [0], keep = false}
    %n = add(%c, %s)
    yield %n
  }
  return %a, %b
})",
       1e-5},
      {"while, with a bound and without",
       R"(func @f(data %x: f64[2], data %limit: f64[]) -> (data %y, data %n, data %z, data %m) {
  %none = constant() {value = dense<i32[]: 0>}
  %one = constant() {value = dense<i32[]: 1>}
  %few = constant() {value = dense<i32[]: 9>}
  %y, %n = while(%x, %none) {carried = 2, max_trips = 3} (%a: f64[2], %k: i32[]) {
    %s = max(%a) {axis = [0], keep = false}
    %more = greater(%s, %limit)
    yield %more
  } (%a: f64[2], %k: i32[]) {
    %b = multiply(%a, %a)
    %c = subtract(%b, %x)
    %j = add(%k, %one)
    yield %c, %j
  }
  %z, %m = while(%x, %none) {carried = 2} (%a: f64[2], %k: i32[]) {
    %more = less(%k, %few)
    yield %more
  } (%a: f64[2], %k: i32[]) {
    %b = add(%a, %x)
    %j = add(%k, %one)
    yield %b, %j
  }
  return %y, %n, %z, %m
})",
       0},
      {"a carried flag as the condition",
       R"(func @f(data %x: f32[3], data %p: bool[]) -> (data %y, data %q) {
  %no = constant() {value = dense<bool[]: 0>}
  %y, %q = while(%x, %p) {carried = 2} (%a: f32[3], %more: bool[]) {
    yield %more
  } (%a: f32[3], %more: bool[]) {
    %b = add(%a, %x)
    yield %b, %no
  }
  return %y, %q
})",
       0},
      {"branches: operands as they are, constants, products",
       R"(func @f(data %p: bool[], data %x: f32[20,20], data %y: f32[20,20], state %w: f32[20,20])
    -> (data %a, data %b, data %c, state %w) {
  %k = constant() {value = dense<f32[]: 2>}
  %a, %b, %c, %n = cond(%p) () {
    %s = dot(%x, %y) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
    %g = multiply(%w, %y)
    yield %s, %s, %x, %g
  } () {
    %d = broadcast(%k) {shape = shape[20,20], dims = []}
    yield %d, %y, %w, %w
  }
  return %a, %b, %c, %n
})",
       1e-5},
      {"branches in a loop, a loop in a branch",
       R"(func @f(data %x: f32[6,4], data %f: bool[6], data %h: f32[4]) -> (data %last, data %all) {
  %last, %all = scan(%h, %x, %f) {carried = 1, sliced = 2} (%c: f32[4], %v: f32[4], %p: bool[]) {
    %n, %e = cond(%p) () {
      %m = multiply(%c, %v)
      yield %m, %c
    } () {
      %s = scan(%c) {carried = 1, sliced = 0, length = shape[3]} (%d: f32[4]) {
        %q = add(%d, %v)
        yield %q
      }
      yield %s, %v
    }
    yield %n, %e
  }
  return %last, %all
})",
       0},
      {"swapped by a branch, from state to state",
       R"(func @f(data %p: bool[], state %a: f32[5], state %b: f32[5]) -> (state %a, state %b) {
  %1, %2 = cond(%p) () { yield %b, %a } () { %s = add(%a, %b) yield %s, %b }
  return %1, %2
})",
       0},
      {"sums and normalisation of rows, a statistic carried",
       R"(func @f(data %x: f32[4,6,33], data %m: f32[33]) -> (data %mean, data %y) {
  %mean, %y = scan(%m, %x) {carried = 1, sliced = 1} (%c: f32[33], %v: f32[6,33]) {
    %big = max(%v) {axis = [1], keep = false}
    %wide = broadcast(%big) {shape = shape[6,33], dims = [0]}
    %d = subtract(%v, %wide)
    %e = exp(%d)
    %s = sum(%e) {axis = [1], keep = false}
    %t = broadcast(%s) {shape = shape[6,33], dims = [0]}
    %q = divide(%e, %t)
    %r = sum(%q) {axis = [0], keep = false}
    %n = add(%c, %r)
    yield %n, %q
  }
  return %mean, %y
})",
       1e-5},
      {"weights trained in a loop, transposed products",
       R"(func @f(state %w: f32[9,17], data %x: f32[3,8,9], data %y: f32[3,8,17], scalar %rate: f32[] = 0.1)
    -> (state %w, data %loss) {
  %last, %loss = scan(%w, %x, %y) {carried = 1, sliced = 2} (%v: f32[9,17], %x_t: f32[8,9], %y_t: f32[8,17]) {
    %p = dot(%x_t, %v) {contract_a = [1], contract_b = [0], batch_a = [], batch_b = []}
    %e = subtract(%p, %y_t)
    %q = multiply(%e, %e)
    %l = sum(%q) {axis = [0, 1], keep = false}
    %g = dot(%x_t, %e) {contract_a = [0], contract_b = [0], batch_a = [], batch_b = []}
    %r = broadcast(%rate) {shape = shape[9,17], dims = []}
    %s = multiply(%g, %r)
    %n = subtract(%v, %s)
    yield %n, %l
  }
  return %last, %loss
})",
       1e-3},
  };
}

}  // namespace gradc::testing
