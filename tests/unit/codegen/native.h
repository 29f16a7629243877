// Runs kernel programs natively and through the kernel interpreter, and compares every byte of what they leave behind.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "compiler/codegen/codegen.h"
#include "ir/kernel.h"
#include "tests/support/catch.h"

namespace gradc::test {

// The three vector widths; those that this machine can run.
inline std::vector<Target> runnable_targets() {
  std::vector<Target> targets;
  Target host = host_target();
  for (const char* cpu : {"x86-64", "haswell"}) {
    const Target& target = *find_target(cpu);
    if (target.vector_bytes < host.vector_bytes) targets.push_back(target);
  }
  targets.push_back(host);
  return targets;
}

inline std::string target_line(const Target& t) {
  return "  target \"" + t.cpu + "\"" + " vector_bytes " + std::to_string(t.vector_bytes) + " vector_registers " +
         std::to_string(t.vector_registers) + (t.fma ? " fma" : "") + (t.masks ? " masks" : "") + " l1 " +
         std::to_string(t.l1_bytes) + " l2 " + std::to_string(t.l2_bytes) + "\n";
}

// `body` is what stands in a program after its target.
inline KernelProgram parse_program(const Target& target, const std::string& body) {
  std::string text = "program @p {\n" + target_line(target) + body + "}\n";
  Diagnostics diagnostics;
  std::unique_ptr<KernelProgram> program = parse_kernel_program(text, "test", diagnostics);
  INFO(diagnostics.render());
  REQUIRE(program);
  std::vector<std::string> violations = verify(*program);
  INFO((violations.empty() ? std::string() : violations.front()));
  REQUIRE(violations.empty());
  return *program;
}

// Numbers that matter: ordinary ones, both zeros, infinities, NaN, denormals, extremes of integers.
inline double interesting(DType type, std::uint64_t& random) {
  random = random * 6364136223846793005u + 1442695040888963407u;
  auto bits = static_cast<std::uint32_t>(random >> 33);
  double uniform = static_cast<double>(bits % 20001) / 1000 - 10;
  if (is_float(type)) {
    static const double special[] = {0.0,   -0.0, INFINITY, -INFINITY,    NAN,           1e-40,        -1e-42, 5e-324,
                                     1e300, 3e38, -3e38,    2147483648.0, -2147483649.0, 4294967296.0, 9.3e18, 255.5};
    return bits % 5 == 0 ? special[(bits >> 8) % 16] : uniform;
  }
  static const double special[] = {0, 1, -1, 2147483647, -2147483648.0, 31, 32, 255};
  return bits % 4 == 0 ? special[(bits >> 8) % 8] : std::floor(uniform * 10);
}

inline Tensor interesting_tensor(Type type, std::uint64_t seed) {
  Tensor tensor(type);
  std::uint64_t random = seed * 2654435761u + 1;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    double value = interesting(type.dtype, random);
    if (type.dtype == DType::boolean)
      tensor.set_integer(i, (random >> 40) & 1);
    else if (is_float(type.dtype))
      tensor.set(i, value);
    else
      tensor.set_integer(i, static_cast<std::int64_t>(value));
  }
  return tensor;
}

// What a call reads and writes.
struct Memory {
  std::vector<Tensor> inputs, outputs;
  runtime::Block state{1 << 16}, workspace;
  std::vector<std::byte> scalars;

  explicit Memory(const KernelProgram& program, int workers = 1)
      : workspace(program.arena_bytes + workers * program.worker_bytes) {
    std::uint64_t seed = 1;
    for (const KernelParameter& p : program.inputs) {
      Tensor t = interesting_tensor(p.type, seed++);
      for (std::int64_t i = 0; p.lower != p.upper && i < t.elements(); ++i)
        t.set_integer(i, p.lower + (t.get_integer(i) & 0xffff) % (p.upper - p.lower + 1));
      inputs.push_back(std::move(t));
    }
    for (const KernelParameter& p : program.outputs) outputs.push_back(interesting_tensor(p.type, 77));
    for (std::int64_t i = 0; i < state.bytes() / 4; ++i) {
      float v = static_cast<float>(i % 37) - 18;
      std::memcpy(state.data() + 4 * i, &v, 4);
    }
  }
  std::vector<const void*> input_pointers() const {
    std::vector<const void*> all;
    for (const Tensor& t : inputs) all.push_back(t.data());
    return all;
  }
  std::vector<void*> output_pointers() {
    std::vector<void*> all;
    for (Tensor& t : outputs) all.push_back(t.data());
    return all;
  }
};

inline Memory interpreted(const KernelProgram& program) {
  Memory memory(program);
  KernelCall call{memory.input_pointers(), memory.output_pointers(), memory.state.data(), memory.workspace.data(),
                  nullptr};
  interpret(program, call);
  return memory;
}

inline Memory native(const KernelProgram& program, const runtime::Executable& executable,
                     const gradc_context* context = nullptr) {
  Memory memory(program, context ? static_cast<int>(context->workers) : 1);
  std::vector<const void*> in = memory.input_pointers();
  std::vector<void*> out = memory.output_pointers();
  REQUIRE(executable.entry(in.data(), out.data(), memory.state.data(), memory.workspace.data(), nullptr, context) == 0);
  return memory;
}

inline std::uint64_t element_bits(const Tensor& t, std::int64_t i) {
  std::uint64_t bits = 0;
  std::int64_t size = byte_size(t.type().dtype);
  std::memcpy(&bits, t.data() + i * size, static_cast<std::size_t>(size));
  return bits;
}

// Bit for bit; a NaN equals any NaN, as its payload is no part of the contract.
inline void require_same(const KernelProgram& program, Memory& expected, Memory& actual) {
  for (std::size_t o = 0; o < expected.outputs.size(); ++o) {
    const Tensor &want = expected.outputs[o], &have = actual.outputs[o];
    for (std::int64_t i = 0; i < want.elements(); ++i) {
      if (element_bits(want, i) == element_bits(have, i)) continue;
      if (is_float(want.type().dtype) && std::isnan(want.get(i)) && std::isnan(have.get(i))) continue;
      INFO("target " << program.target.cpu << ", output " << program.outputs[o].name << "[" << i << "]: interpreter "
                     << want.get(i) << ", native " << have.get(i));
      REQUIRE(element_bits(want, i) == element_bits(have, i));
    }
  }
  REQUIRE(std::memcmp(expected.state.data(), actual.state.data(), static_cast<std::size_t>(expected.state.bytes())) ==
          0);
}

inline KernelModule module_of(KernelProgram program) {
  KernelModule module;
  module.name = "m";
  module.programs.push_back(std::move(program));
  return module;
}

// The body on every vector width and at every optimisation level.
inline void check_native(const std::string& body) {
  for (const Target& target : runnable_targets()) {
    KernelProgram program = parse_program(target, body);
    Memory expected = interpreted(program);
    for (int optimize : {0, 2}) {
      std::vector<runtime::Executable> executables = load(module_of(program), optimize);
      Memory actual = native(program, executables.at(0));
      require_same(program, expected, actual);
    }
  }
}

inline std::string copy_loop(DType type, const std::string& from, const std::string& to, std::int64_t elements) {
  std::string d(name_of(type)), at = "[i1 of " + std::to_string(elements) + " by 1]\n";
  return "    loop i1 < " + std::to_string(elements) + " vector 16 {\n      %0 = load " + d + " " + from + at +
         "      store " + d + " %0 to " + to + at + "    }\n";
}

// Writes programs of many kernels over named inputs and outputs.
class Text {
 public:
  std::string input(DType type, std::int64_t elements, const std::string& range = "") {
    return parameter("input", inputs_, type, elements, range);
  }
  std::string output(DType type, std::int64_t elements) { return parameter("output", outputs_, type, elements, ""); }
  std::string table(DType type, const std::string& values, std::int64_t elements) {
    std::string name = "@t" + std::to_string(tables_++);
    std::string d(name_of(type));
    buffers_ += "  buffer " + name + ": " + d + "[" + std::to_string(elements) + "] table " + d + "[" +
                std::to_string(elements) + "] {" + values + "}\n";
    return name;
  }
  void kernel(const std::string& body, std::int64_t parallel = 1, std::int64_t work = 0) {
    std::string name = "@k" + std::to_string(kernels_++);
    code_ += "  kernel " + name + " loop parallel " + std::to_string(parallel) + " work " + std::to_string(work) +
             " {\n" + body + "  }\n";
    entry_ += "    launch " + name + "\n";
  }
  void buffer(const std::string& line) { buffers_ += "  buffer " + line + "\n"; }
  void space(const std::string& line) { spaces_ += "  " + line + "\n"; }
  std::string str() const { return parameters_ + spaces_ + buffers_ + code_ + "  entry {\n" + entry_ + "  }\n"; }

 private:
  std::string parameter(const char* kind, int& count, DType type, std::int64_t elements, const std::string& range) {
    std::string name = std::string(1, kind[0]) + std::to_string(count), d(name_of(type));
    std::string shape = d + "[" + std::to_string(elements) + "]";
    std::string line =
        std::string("  ") + kind + " " + name + ": " + shape + (range.empty() ? "" : " range " + range) + "\n";
    if (kind == std::string("input"))
      parameters_ += line;
    else
      late_parameters_ += line, parameters_ += line;
    buffers_ += "  buffer @" + name + ": " + shape + " " + kind + " " + std::to_string(count++) + "\n";
    return "@" + name;
  }
  std::string parameters_, late_parameters_, spaces_, buffers_, code_, entry_;
  int inputs_ = 0, outputs_ = 0, tables_ = 0, kernels_ = 0;
};

}  // namespace gradc::test
