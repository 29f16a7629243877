// Runs a function both ways: the graph interpreter, and fused, lowered and planned through the kernel interpreter.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "compiler/lower/lower.h"
#include "compiler/passes/pass.h"
#include "compiler/pipeline.h"
#include "ir/interpret.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

namespace gradc::testing {

inline std::unique_ptr<Module> parse(const std::string& text) {
  Diagnostics diagnostics;
  auto module = parse_module(text, "test.gir", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(module);
  return module;
}

// Small numbers that are exact in f32, so that products of a few are; integers below `limit`.
inline Tensor random_tensor(const Type& type, std::mt19937& random, std::int64_t limit = 5) {
  Tensor tensor(type);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    if (is_float(type.dtype))
      tensor.set(i, std::uniform_real_distribution<double>(-2, 2)(random));
    else if (type.dtype == DType::boolean)
      tensor.set_integer(i, static_cast<std::int64_t>(random() % 2));
    else
      tensor.set_integer(i, static_cast<std::int64_t>(random() % static_cast<unsigned>(limit)));
  }
  return tensor;
}

struct Run {
  std::vector<Tensor> expected, got;
  KernelProgram program;
};

inline StateLayout state_of(const Function& function) {
  StateLayout layout;
  auto add = [&](const std::string& name, const Type& type) {
    if (!layout.find(name)) layout.entries.push_back({name, type, StateEntry::Kind::parameter, 0});
  };
  for (std::size_t i = 0; i < function.parameters.size(); ++i)
    if (function.parameters[i].role == Role::state) add(function.parameters[i].name, function.body.parameters[i]->type);
  for (std::size_t i = 0; i < function.results.size(); ++i)
    if (function.results[i].role == Role::state) add(function.results[i].name, function.body.results[i]->type);
  layout.place();
  return layout;
}

// Compiles from the optimised graph on; runs on random arguments. Expected is what the interpreter makes of
// `reference`, or of the graph itself.
inline Run run_both(const Module& module, const std::string& cpu, int optimize, const Function* reference = nullptr,
                    unsigned seed = 1) {
  Options options;
  options.optimize = optimize;
  options.target = *find_target(cpu);
  options.verify_each = true;
  auto fused = clone_module(module);
  fuse(*fused, options);
  const Function& function = *module.functions[0];
  const StateLayout layout = state_of(function);
  Run run;
  run.program = lower_function(*fused->functions[0], layout, options);
  plan_memory(run.program);
  std::vector<std::string> mistakes = verify(run.program);
  INFO(print(*fused));
  INFO(print(run.program));
  CHECK(mistakes == std::vector<std::string>{});

  std::mt19937 random(seed);
  std::vector<Tensor> arguments;
  std::vector<std::byte> block(static_cast<std::size_t>(layout.bytes) + 64);
  auto aligned = [](std::vector<std::byte>& bytes) {
    return reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(bytes.data()) + 63) / 64 * 64);
  };
  std::byte* state = aligned(block);
  std::vector<std::byte> scalars(16 * function.parameters.size() + 64);
  KernelCall call;
  std::size_t scalar = 0;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    arguments.push_back(random_tensor(function.body.parameters[i]->type, random));
    const Tensor& a = arguments.back();
    auto size = static_cast<std::size_t>(a.bytes());
    if (function.parameters[i].role == Role::state)
      std::memcpy(state + layout.find(function.parameters[i].name)->offset, a.data(), size);
    if (function.parameters[i].role == Role::scalar)
      std::memcpy(scalars.data() + run.program.scalars[scalar++].offset, a.data(), size);
  }
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (function.parameters[i].role == Role::data) call.inputs.push_back(arguments[i].data());
  run.expected = interpret(reference ? *reference : function, arguments);
  for (const Value* result : function.body.results) run.got.emplace_back(result->type);
  for (std::size_t i = 0; i < run.got.size(); ++i)
    if (function.results[i].role != Role::state) call.outputs.push_back(run.got[i].data());
  std::vector<std::byte> workspace(static_cast<std::size_t>(run.program.arena_bytes + run.program.worker_bytes) + 128,
                                   std::byte{0xff});
  call.state = state;
  call.workspace = aligned(workspace);
  call.scalars = scalars.data();
  CHECK(check_run(run.program, call) == std::vector<std::string>{});
  for (std::size_t i = 0; i < run.got.size(); ++i)
    if (function.results[i].role == Role::state)
      std::memcpy(run.got[i].data(), state + layout.find(function.results[i].name)->offset,
                  static_cast<std::size_t>(run.got[i].bytes()));
  return run;
}

// `tolerance`, relative to the largest element: what sums in another order may differ by. 0: the same bits, any NaN
// alike.
inline void check_close(const Run& run, double tolerance) {
  for (std::size_t r = 0; r < run.expected.size(); ++r) {
    const Tensor &want = run.expected[r], &got = run.got[r];
    double scale = 1;
    for (std::int64_t i = 0; i < want.elements(); ++i)
      if (std::isfinite(want.get(i))) scale = std::max(scale, std::abs(want.get(i)));
    for (std::int64_t i = 0; i < want.elements(); ++i) {
      double a = want.get(i), b = got.get(i);
      if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * scale) continue;
      FAIL_CHECK("result " << r << " element " << i << ": expected " << a << ", got " << b << "\n"
                           << print(run.program));
      break;
    }
  }
}

inline void check_everywhere(const std::string& text, double tolerance) {
  auto module = parse(text);
  verify_or_die(*module, "the test");
  for (const char* cpu : {"x86-64", "haswell", "znver5"})
    for (int optimize : {0, 2}) {
      INFO(cpu << " at level " << optimize << "\n" << text);
      check_close(run_both(*module, cpu, optimize), tolerance);
    }
}

}  // namespace gradc::testing
