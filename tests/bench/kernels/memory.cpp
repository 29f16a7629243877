// What is bound by memory: reductions, softmax, normalisation, losses, dropout, optimizers, elementwise chains; each in
// and out of the caches. `bytes` is what one pass over the data moves.
#include "tests/bench/kernels/peers.h"

namespace gradc::bench {

namespace {

std::string matrix(std::int64_t rows, std::int64_t columns) {
  return "f32[" + std::to_string(rows) + "," + std::to_string(columns) + "]";
}

std::string sizes_of(std::int64_t rows, std::int64_t columns) {
  return " " + std::to_string(rows) + "x" + std::to_string(columns);
}

// Forward of one operand, and the gradient by it for a cotangent that is given.
std::string forward(const std::string& type, const std::string& value) {
  return "func @f(data %x: " + type + ") -> (data y) {\n  %y = " + value + "\n  return %y\n}";
}
std::string gradient(const std::string& type, const std::string& value) {
  return "func @f(data %x: " + type + ", data %g: " + type + ") -> (data y) {\n  %y = " + value +
         "\n  %dx = gradient(%y, %g, %x) {cotangent = true}\n  return %dx\n}";
}

struct Rows {
  std::int64_t rows, columns;
  std::string type() const { return matrix(rows, columns); }
  std::string name() const { return sizes_of(rows, columns); }
  double passes(double count) const { return 4 * count * static_cast<double>(rows * columns); }
};

using Peers = std::function<std::vector<Peer>(Compiled&)>;

Case make(const std::string& group, const std::string& name, const std::string& graph, double bytes,
          const Peers& peers = {}) {
  Case c;
  c.group = group;
  c.name = name;
  c.graph = graph;
  c.bytes = bytes;
  c.peers = peers;
  return c;
}

// In the second-level cache, and far larger than all.
const Rows kSizes[] = {{256, 512}, {32768, 1000}};

}  // namespace

std::vector<Case> reductions() {
  std::vector<Case> cases;
  for (const Rows& s : kSizes) {
    for (bool along : {true, false})
      cases.push_back(make("reductions", (along ? "sum of rows" : "sum of columns") + s.name(),
                           forward(s.type(), std::string("sum(%x) {axis = [") + (along ? "1" : "0") + "]}"),
                           s.passes(1),
                           [=](Compiled& run) { return sum_peer(s.rows, s.columns, along, run.input(0).data()); }));
    cases.push_back(make("reductions", "sum of all" + s.name(), forward(s.type(), "sum(%x)"), s.passes(1)));
    cases.push_back(
        make("reductions", "maximum of rows" + s.name(), forward(s.type(), "max(%x) {axis = [1]}"), s.passes(1)));
    const std::string three = "func @f(data %a: " + s.type() + ", data %b: " + s.type() + ", data %c: " + s.type();
    cases.push_back(make("elementwise", "tanh(a b + c)" + s.name(),
                         three + ") -> (data y) {\n  %0 = multiply(%a, %b)\n  %1 = add(%0, %c)\n  %y = tanh(%1)\n  "
                                 "return %y\n}",
                         s.passes(4), [=](Compiled& run) {
                           return chain_peer(s.rows * s.columns, run.input(0).data(), run.input(1).data(),
                                             run.input(2).data());
                         }));
  }
  return cases;
}

namespace {

// w, m, v after a step of Adam without bias correction, whose factors are numbers of the step.
std::string adam(const std::string& type) {
  const auto constant = [&](const std::string& name, const std::string& number) {
    return "  %" + name + "_0 = constant() {value = dense<f32[]: " + number + ">}\n  %" + name + " = broadcast(%" +
           name + "_0) {shape = shape" + type.substr(3) + ", dims = []}\n";
  };
  return "func @f(data %g: " + type + ", state %w: " + type + ", state %m: " + type + ", state %v: " + type +
         ") -> (state w, state m, state v) {\n" + constant("b1", "0.9") + constant("c1", "0.1") +
         constant("b2", "0.999") + constant("c2", "0.001") + constant("rate", "0.001") + constant("epsilon", "1e-8") +
         "  %0 = multiply(%m, %b1)\n  %1 = multiply(%g, %c1)\n  %mm = add(%0, %1)\n"
         "  %2 = multiply(%v, %b2)\n  %3 = square(%g)\n  %4 = multiply(%3, %c2)\n  %vv = add(%2, %4)\n"
         "  %5 = sqrt(%vv)\n  %6 = add(%5, %epsilon)\n  %7 = divide(%mm, %6)\n  %8 = multiply(%7, %rate)\n"
         "  %ww = subtract(%w, %8)\n  return %ww, %mm, %vv\n}";
}

std::string dropout(const std::string& type) {
  const std::string shape = "shape" + type.substr(3);
  return "func @f(data %x: " + type +
         ", data %key: u32[2], data %step: i64[]) -> (data y) {\n"
         "  %u = random_uniform(%key, %step) {shape = " +
         shape +
         "}\n"
         "  %half_0 = constant() {value = dense<f32[]: 0.5>}\n  %half = broadcast(%half_0) {shape = " +
         shape +
         ", dims = []}\n  %zero_0 = constant() {value = dense<f32[]: 0>}\n  %zero = broadcast(%zero_0) {shape = " +
         shape +
         ", dims = []}\n  %kept = less(%half, %u)\n  %double = add(%x, %x)\n"
         "  %y = select(%kept, %double, %zero)\n  return %y\n}";
}

// Of the softmax's result y and its cotangent g, as oneDNN takes them: y (g - Σ y g).
std::string softmax_gradient(const std::string& type) {
  return "func @f(data %y: " + type + ", data %g: " + type +
         ") -> (data dx) {\n  %0 = multiply(%y, %g)\n"
         "  %1 = sum(%0) {axis = [1]}\n  %2 = broadcast(%1) {shape = shape" +
         type.substr(3) +
         ", dims = [0]}\n"
         "  %3 = subtract(%g, %2)\n  %dx = multiply(%y, %3)\n  return %dx\n}";
}

std::string cross_entropy(const Rows& s, bool back) {
  const std::string n = std::to_string(s.rows);
  return "func @f(data %x: " + s.type() + ", data %label: i32[" + n +
         "]) -> (data y) {\n  %l = softmax_cross_entropy(%x, %label)\n  %y = mean(%l)\n" +
         (back ? "  %dx = gradient(%y, %x)\n  return %dx\n}" : "  return %y\n}");
}

void add_rows(std::vector<Case>& cases, const Rows& s) {
  const std::string by_row = "standardize(%x) {axis = [-1]}", by_channel = "standardize(%x) {axis = [0]}";
  cases.push_back(make("softmax", "softmax" + s.name(), forward(s.type(), "softmax(%x)"), s.passes(2),
                       [=](Compiled& run) { return softmax_peer(s.rows, s.columns, run.input(0).data(), false); }));
  cases.push_back(
      make("softmax", "softmax gradient" + s.name(), softmax_gradient(s.type()), s.passes(3), [=](Compiled& run) {
        return softmax_gradient_peer(s.rows, s.columns, run.input(0).data(), run.input(1).data());
      }));
  cases.push_back(make("softmax", "cross entropy" + s.name(), cross_entropy(s, false), s.passes(1)));
  cases.push_back(make("softmax", "cross entropy gradient" + s.name(), cross_entropy(s, true), s.passes(2),
                       [=](Compiled& run) { return softmax_peer(s.rows, s.columns, run.input(0).data(), true); }));
  cases.push_back(make("normalisation", "layer" + s.name(), forward(s.type(), by_row), s.passes(2),
                       [=](Compiled& run) { return layer_norm_peer(s.rows, s.columns, run.input(0).data()); }));
  cases.push_back(make("normalisation", "layer gradient" + s.name(), gradient(s.type(), by_row), s.passes(3)));
  // Every channel's mean before its first difference, all squares of these before its first result: where the caches do
  // not hold the data, it passes once for each, and for the results. A gradient needs two more sums, of x and g.
  cases.push_back(make("normalisation", "batch" + s.name(), forward(s.type(), by_channel), s.passes(4),
                       [=](Compiled& run) { return batch_norm_peer(s.rows, s.columns, run.input(0).data()); }));
  cases.push_back(make("normalisation", "batch gradient" + s.name(), gradient(s.type(), by_channel), s.passes(7)));
  cases.push_back(make("training", "dropout" + s.name(), dropout(s.type()), s.passes(2)));
  Case optimizer = make("training", "Adam" + s.name(), adam(s.type()), s.passes(7));
  optimizer.low = 0;
  cases.push_back(std::move(optimizer));
}

}  // namespace

std::vector<Case> training() {
  std::vector<Case> cases;
  for (const Rows& s : kSizes) add_rows(cases, s);
  return cases;
}

}  // namespace gradc::bench
