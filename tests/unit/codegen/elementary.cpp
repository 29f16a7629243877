// The elementary functions as native code: the interpreter's bits on a sample, and their bounds on all 2^32 inputs.
#include <cstdlib>
#include <functional>
#include <thread>

#include "tests/support/elementary_reference.h"
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

std::shared_ptr<const Access> at_variable(int buffer, std::int64_t elements, Affine index) {
  Access access;
  access.buffer = buffer;
  access.subscripts.push_back({std::move(index), -1, 1, elements, 1, Subscript::Check::proven});
  return std::make_shared<const Access>(std::move(access));
}

KernelBuffer array(const std::string& name, DType type, std::int64_t elements, Space space, int slot) {
  KernelBuffer buffer;
  buffer.name = name;
  buffer.dtype = type;
  buffer.elements = elements;
  buffer.space = space;
  buffer.slot = slot;
  return buffer;
}

struct Function {
  std::string name;
  std::function<Scalar(ScalarBuilder&, Scalar, Scalar)> build;
};
Function function_of(const test::Unary& f) {
  return {f.name, [&f](ScalarBuilder& b, Scalar x, Scalar) { return f.build(b, x); }};
}
std::vector<Function> all_functions() {
  std::vector<Function> all;
  for (const test::Unary& f : test::unary_functions()) all.push_back(function_of(f));
  for (const test::Binary& f : test::binary_functions()) all.push_back({f.name, f.build});
  return all;
}

// z[i] = function(x[i], y[i]) in a vector loop, y being x backwards; one input, an output and a kernel a function.
KernelProgram program_of(const Target& target, const std::vector<Function>& functions, DType type,
                         std::int64_t elements) {
  KernelProgram program;
  program.name = "p";
  program.target = target;
  program.inputs.push_back({"x", {type, {elements}}, 0, 0, 0, 0});
  program.buffers.push_back(array("x", type, elements, Space::input, 0));
  for (const Function& function : functions) {
    const int slot = static_cast<int>(program.outputs.size());
    program.outputs.push_back({function.name, {type, {elements}}, 0, 0, 0, 0});
    program.buffers.push_back(array(function.name, type, elements, Space::output, slot));
    Instr loop;
    loop.op = Opcode::loop;
    loop.loop = std::make_shared<const Loop>(Loop{1, elements, Loop::Mark::vector, 16, {}});
    Kernel kernel;
    kernel.name = "k_" + function.name;
    kernel.kind = "loop";
    kernel.variables = 2;
    kernel.work = elements;
    ScalarBuilder builder(loop.body, kernel.values);
    const Scalar x = builder.emit(Opcode::load, type, {});
    loop.body.back().access = at_variable(0, elements, affine_variable(1));
    const Scalar y = builder.emit(Opcode::load, type, {});
    loop.body.back().access = at_variable(0, elements, affine_variable(1, -1, elements - 1));
    const Scalar z = function.build(builder, x, y);
    Instr store;
    store.op = Opcode::store;
    store.type = type;
    store.args = {z.id};
    store.access = at_variable(slot + 1, elements, affine_variable(1));
    loop.body.push_back(std::move(store));
    kernel.body.push_back(std::move(loop));
    program.kernels.push_back(std::move(kernel));
    program.entry.push_back({Statement::Kind::launch, slot, -1, -1});
  }
  return program;
}

// Inputs of all magnitudes, and those of test::interesting.
Tensor sample(DType type, std::int64_t elements) {
  Tensor tensor = test::interesting_tensor({type, {elements}}, 5);
  for (std::int64_t i = 0; i < elements; i += 2) {
    const auto bits = static_cast<std::uint64_t>(i) * (type == DType::f32 ? 0x9e3779b1u : 0x9e3779b97f4a7c15u);
    std::memcpy(tensor.data() + i * byte_size(type), &bits, static_cast<std::size_t>(byte_size(type)));
  }
  return tensor;
}

}  // namespace

TEST_CASE("elementary functions give the interpreter's bits", "[codegen]") {
  constexpr std::int64_t kElements = 1021;
  for (DType type : {DType::f32, DType::f64}) {
    for (const Target& target : test::runnable_targets()) {
      const KernelProgram program = program_of(target, all_functions(), type, kElements);
      REQUIRE(verify(program) == std::vector<std::string>{});
      const Tensor x = sample(type, kElements);
      test::Memory expected(program), actual(program);
      expected.inputs[0] = actual.inputs[0] = x;
      interpret(program, {expected.input_pointers(), expected.output_pointers(), nullptr, nullptr, nullptr});
      const std::vector<runtime::Executable> code = load(test::module_of(program), 2);
      const std::vector<const void*> in = actual.input_pointers();
      const std::vector<void*> out = actual.output_pointers();
      REQUIRE(code.at(0).entry(in.data(), out.data(), nullptr, actual.workspace.data(), nullptr, nullptr) == 0);
      test::require_same(program, expected, actual);
    }
  }
}

// On two threads; with the host's fma and without. GRADC_FUNCTION=name restricts it to one function.
TEST_CASE("elementary f32 functions are within their bounds on all 2^32 inputs", "[codegen][slow]") {
  constexpr std::int64_t kElements = 4096;
  const char* only = std::getenv("GRADC_FUNCTION");
  for (const test::Unary& f : test::unary_functions()) {
    if (only != nullptr && std::string(only) != f.name) continue;
    for (bool fused : {true, false}) {
      Target target = host_target();
      if (fused && !target.fma) continue;
      target.fma = fused;
      const std::vector<runtime::Executable> code =
          load(test::module_of(program_of(target, {function_of(f)}, DType::f32, kElements)), 2);
      test::Worst worst[2];
      const auto half = [&](std::uint32_t first, test::Worst& seen) {
        runtime::Block workspace(4096);
        std::vector<float> x(kElements), y(kElements);
        const void* in[] = {x.data()};
        void* out[] = {y.data()};
        for (std::uint64_t done = 0; done < std::uint64_t{1} << 31; done += kElements) {
          for (std::int64_t i = 0; i < kElements; ++i)
            x[i] = std::bit_cast<float>(first + static_cast<std::uint32_t>(done + i));
          code[0].entry(in, out, nullptr, workspace.data(), nullptr, nullptr);
          test::see_f32(seen, f, x.data(), y.data(), kElements);
        }
      };
      std::thread negative([&] { half(0x80000000u, worst[1]); });
      half(0, worst[0]);
      negative.join();
      worst[0].see(worst[1].ulp, worst[1].x);
      INFO(f.name << (fused ? " fused: " : " unfused: ") << worst[0].str());
      CHECK(worst[0].ulp <= f.f32_ulp);
      CHECK(f.f32_ulp <= 2);
      if (only != nullptr) WARN(f.name << (fused ? " fused: " : " unfused: ") << worst[0].str());
    }
  }
}

}  // namespace gradc
