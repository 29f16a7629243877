// Reductions of all shapes, alone and several in a kernel.
#include "tests/unit/lower/harness.h"

using gradc::testing::check_everywhere;

namespace {

// Sums of f32 in another order than the interpreter's: a few units of the last place of the largest term.
constexpr double kSum = 1e-5;

std::string reduce(const std::string& op, const std::string& from, const std::string& axis, const std::string& to) {
  return "func @f(data %x: " + from + ") -> (data %y) {\n  %0 = " + op + "(%x) {axis = [" + axis + "]} : " + to +
         "\n  return %0\n}";
}

// How often loads of the first input run, and how many of them check where they are.
void count_loads(const gradc::KernelProgram& program, const std::vector<gradc::Instr>& block, std::int64_t rounds,
                 std::int64_t& loads, std::int64_t& guarded) {
  for (const gradc::Instr& instr : block) {
    count_loads(program, instr.body, instr.loop ? rounds * instr.loop->extent : rounds, loads, guarded);
    if (instr.op != gradc::Opcode::load || program.buffers[static_cast<std::size_t>(instr.access->buffer)].name != "x")
      continue;
    loads += rounds;
    for (const gradc::Subscript& s : instr.access->subscripts)
      if (s.check == gradc::Subscript::Check::guarded) {
        guarded += rounds;
        break;
      }
  }
}

}  // namespace

TEST_CASE("sums of all shapes") {
  check_everywhere(reduce("sum", "f32[1]", "0", "f32[]"), kSum);
  check_everywhere(reduce("sum", "f32[17]", "", "f32[]"), kSum);
  check_everywhere(reduce("sum", "f32[7,13]", "1", "f32[7]"), kSum);
  check_everywhere(reduce("sum", "f32[7,13]", "0", "f32[13]"), kSum);
  check_everywhere(reduce("sum", "f32[3,5,4]", "0, 2", "f32[5]"), kSum);
  check_everywhere(reduce("sum", "f32[3,5,40]", "1", "f32[3,40]"), kSum);
  check_everywhere(reduce("sum", "f32[3,5,2]", "2", "f32[3,5]"), kSum);
  check_everywhere(reduce("sum", "f32[0,3]", "1", "f32[0]"), kSum);
  check_everywhere(reduce("sum", "f32[3,0]", "1", "f32[3]"), 0);
  check_everywhere(reduce("sum", "f64[31,9]", "", "f64[]"), 1e-13);
  check_everywhere(reduce("sum", "i32[31,9]", "0", "i32[9]"), 0);
}

TEST_CASE("long sums are cut into parts") {
  check_everywhere(reduce("sum", "f32[70001]", "", "f32[]"), 1e-4);
  check_everywhere(reduce("sum", "f32[65536]", "", "f32[]"), 1e-4);
  check_everywhere(reduce("sum", "f32[9001,11]", "0", "f32[11]"), 1e-4);
  check_everywhere(reduce("sum", "f32[16,4,4,70,9]", "0, 1, 2, 3", "f32[9]"), 1e-4);
  check_everywhere(reduce("max", "f32[2,40009]", "1", "f32[2]"), 0);
}

TEST_CASE("other combiners") {
  check_everywhere(reduce("max", "f32[6,33]", "1", "f32[6]"), 0);
  check_everywhere(reduce("min", "f32[6,33]", "0", "f32[33]"), 0);
  check_everywhere(reduce("product", "f32[6,9]", "1", "f32[6]"), kSum);
  check_everywhere(reduce("max", "i32[5,7]", "", "i32[]"), 0);
  check_everywhere(reduce("any", "bool[5,7]", "0", "bool[7]"), 0);
  check_everywhere(reduce("all", "bool[5,70]", "1", "bool[5]"), 0);
}

TEST_CASE("producers are reduced without a buffer") {
  check_everywhere(R"(func @f(data %x: f32[9,6,5], data %m: f32[5]) -> (data %y, data %z) {
    %0 = broadcast(%m) {shape = shape[9,6,5], dims = [2]} : f32[9,6,5]
    %1 = subtract(%x, %0) : f32[9,6,5]
    %2 = multiply(%1, %1) : f32[9,6,5]
    %3 = sum(%2) {axis = [0, 1]} : f32[5]
    %4 = sum(%2) {axis = [1, 2]} : f32[9]
    return %3, %4
  })",
                   kSum);
}

namespace {

std::string softmax(const std::string& type, const std::string& axis, const std::string& kept,
                    const std::string& dims) {
  std::string shape = type.substr(3);
  return "func @f(data %x: " + type + ") -> (data %y) {\n" + "  %0 = max(%x) {axis = [" + axis + "]} : " + kept + "\n" +
         "  %1 = broadcast(%0) {shape = shape" + shape + ", dims = [" + dims + "]} : " + type + "\n" +
         "  %2 = subtract(%x, %1) : " + type + "\n  %3 = exp(%2) : " + type + "\n" + "  %4 = sum(%3) {axis = [" + axis +
         "]} : " + kept + "\n" + "  %5 = broadcast(%4) {shape = shape" + shape + ", dims = [" + dims + "]} : " + type +
         "\n" + "  %6 = divide(%3, %5) : " + type + "\n  return %6\n}";
}

}  // namespace

TEST_CASE("softmax") {
  check_everywhere(softmax("f32[9,10]", "1", "f32[9]", "0"), 1e-6);
  check_everywhere(softmax("f32[4,67]", "1", "f32[4]", "0"), 1e-6);
  check_everywhere(softmax("f32[2,7,5]", "1", "f32[2,5]", "0, 2"), 1e-6);
  check_everywhere(softmax("f32[3]", "0", "f32[]", ""), 1e-6);
}

TEST_CASE("softmax is one kernel") {
  auto module = gradc::testing::parse(softmax("f32[9,10]", "1", "f32[9]", "0"));
  CHECK(gradc::testing::run_both(*module, "znver5", 2).program.kernels.size() == 1);
}

TEST_CASE("windows check their guards at the rim alone") {
  const std::string attributes =
      "stride = [1, 1], low = [1, 1], high = [1, 1], dilation = [1, 1], groups = 16, channels_last = true";
  for (const std::string& text :
       {"func @f(data %x: f32[2,20,20,16], data %w: f32[16,1,3,3]) -> (data %y) {\n  %0 = convolution(%x, %w) {" +
            attributes + "} : f32[2,20,20,16]\n  return %0\n}",
        "func @f(data %x: f32[16,20,20,16], data %g: f32[16,20,20,16]) -> (data %y) {\n  %0 = "
        "convolution_weight_gradient(%x, %g) {" +
            attributes + ", shape = shape[16,1,3,3]} : f32[16,1,3,3]\n  return %0\n}"}) {
    auto module = gradc::testing::parse(text);
    const gradc::testing::Run run = gradc::testing::run_both(*module, "znver5", 2);
    gradc::testing::check_close(run, kSum);
    for (int optimize : {0, 1}) CHECK(gradc::testing::run_both(*module, "znver5", optimize).got == run.got);
    std::int64_t loads = 0, guarded = 0;
    for (const gradc::Kernel& kernel : run.program.kernels)
      count_loads(run.program, kernel.body, kernel.parallel, loads, guarded);
    CHECK(loads > 0);
    CHECK(guarded * 4 < loads);  // 2 of 20 rows and columns: 19 % of the points
  }
}

TEST_CASE("pooling") {
  for (const char* attributes :
       {"window = [2, 2], stride = [2, 2], low = [0, 0], high = [0, 0], channels_last = false",
        "window = [3, 3], stride = [2, 2], low = [1, 1], high = [1, 1], channels_last = false"})
    check_everywhere(std::string("func @f(data %x: f32[2,3,8,8]) -> (data %y, data %i) {\n  %y = max_pool(%x) {") +
                         attributes + "} : f32[2,3,4,4]\n  %i = max_pool_index(%x, %y) {" + attributes +
                         "} : i32[2,3,4,4]\n  return %y, %i\n}",
                     0);
  check_everywhere(R"(func @f(data %g: f32[2,4,4,3], data %i: i32[2,4,4,3]) -> (data %y, data %s) {
    %0 = max_pool_gradient(%g, %i) {window = [3, 3], stride = [2, 2], low = [1, 1], high = [1, 1], channels_last = true, shape = shape[2,8,8,3]} : f32[2,8,8,3]
    %1 = sum_pool_gradient(%g) {window = [2, 2], stride = [2, 2], low = [0, 0], high = [0, 0], channels_last = true, shape = shape[2,8,8,3]} : f32[2,8,8,3]
    return %0, %1
  })",
                   1e-6);
}
