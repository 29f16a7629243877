// Loops and branches of the graph: the kernel interpreter gives what the graph interpreter gives at every level, a
// watched run finds nothing stale, native code gives the same bits on one thread and on three.
#include "tests/unit/lower/control_graphs.h"

#include "tests/unit/lower/harness.h"

using namespace gradc;
using namespace gradc::testing;

namespace {

KernelProgram lowered(const Module& module, const Target& target, int optimize) {
  Options options;
  options.optimize = optimize;
  options.target = target;
  auto fused = clone_module(module);
  fuse(*fused, options);
  KernelProgram program = lower_function(*fused->functions[0], state_of(*module.functions[0]), options);
  plan_memory(program);
  return program;
}

int count(const std::vector<Statement>& list, Statement::Kind kind) {
  int found = 0;
  for_each_statement(list, [&](const Statement& s) { found += s.kind == kind; });
  return found;
}

}  // namespace

TEST_CASE("loops and branches lower to what the graph means") {
  for (const ControlGraph& graph : control_graphs()) {
    auto module = parse(graph.text);
    verify_or_die(*module, graph.name);
    for (const char* cpu : {"x86-64", "haswell", "znver5"}) {
      std::vector<Tensor> first;
      for (int optimize : {0, 1, 2}) {
        INFO(graph.name << ", " << cpu << " at level " << optimize);
        Run run = run_both(*module, cpu, optimize);
        check_close(run, graph.tolerance);
        if (first.empty()) first = run.got;
        for (std::size_t r = 0; r < first.size(); ++r) CHECK(first[r] == run.got[r]);
        INFO(print(run.program));
        CHECK(watched(run.program) == "");
      }
    }
  }
}

TEST_CASE("native loops and branches give the interpreter's bits") {
  runtime::ThreadPool pool(3);
  for (const ControlGraph& graph : control_graphs()) {
    auto module = parse(graph.text);
    for (const Target& target : test::runnable_targets())
      for (int optimize : {0, 2}) {
        INFO(graph.name << ", " << target.cpu << " at level " << optimize);
        KernelProgram program = lowered(*module, target, optimize);
        test::Memory expected = test::interpreted(program);
        std::vector<runtime::Executable> executables = load(test::module_of(program), optimize);
        test::Memory one = test::native(program, executables.at(0));
        test::require_same(program, expected, one);
        test::Memory three = test::native(program, executables.at(0), pool.context());
        test::require_same(program, expected, three);
      }
  }
}

TEST_CASE("a long scan compiles to the program of a short one") {
  auto shape_of = [](int steps) {
    KernelProgram program = lowered(*parse(recurrent(steps, 3, 8, false)), *find_target("haswell"), 2);
    CHECK(count(program.entry, Statement::Kind::repeat) == 1);
    return std::pair(program.kernels.size(), count(program.entry, Statement::Kind::launch));
  };
  CHECK(shape_of(10) == shape_of(10000));
}

TEST_CASE("what is packed and the same in every trip is packed before the loop") {
  KernelProgram program = lowered(*parse(recurrent(5, 20, 70, false)), *find_target("haswell"), 2);
  INFO(print(program));
  const Statement& loop = program.entry.back();
  REQUIRE(loop.kind == Statement::Kind::repeat);
  int packs = 0;
  for_each_statement(loop.body, [&](const Statement& s) {
    if (s.kind == Statement::Kind::launch) packs += program.kernels[static_cast<std::size_t>(s.kernel)].kind == "pack";
  });
  CHECK(packs == 0);
}
