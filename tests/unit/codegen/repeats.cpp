// Runs of a block that repeat are found where a loop can stand for them, and nowhere else.
#include "compiler/codegen/repeats.h"

#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

constexpr int kKey = 1000, kFactor = 900;  // values from before the block; a key for each run

// Runs of six instructions on two numbers that the run before has left.
std::vector<Instr> runs(int times) {
  std::vector<Instr> block;
  const auto add = [&](Opcode op, std::vector<int> args) {
    Instr in;
    in.op = op;
    in.type = DType::i64;
    in.args = std::move(args);
    in.result = static_cast<int>(block.size());
    block.push_back(in);
    return in.result;
  };
  int a = 901, b = 902;
  for (int time = 0; time < times; ++time) {
    const int x = add(Opcode::mul, {a, kFactor}), y = add(Opcode::add, {b, kKey + time});
    const int z = add(Opcode::sub, {x, b}), u = add(Opcode::bit_and, {z, y});
    a = add(Opcode::bit_xor, {u, x});
    b = add(Opcode::bit_or, {u, a});
  }
  return block;
}

}  // namespace

TEST_CASE("runs that repeat are found with what they carry and what varies", "[codegen]") {
  const std::vector<int> results = {28, 29};
  const std::vector<codegen::Repeat> found = codegen::repeats(runs(5), results);
  REQUIRE(found.size() == 1);
  CHECK(found[0].begin == 0);
  CHECK(found[0].length == 6);
  CHECK(found[0].times == 5);
  CHECK(found[0].carried.size() == 3);  // a once, b twice
  REQUIRE(found[0].varying.size() == 1);
  CHECK(found[0].varying[0].instruction == 1);
  CHECK(found[0].varying[0].argument == 1);
}

TEST_CASE("a few runs, or runs whose values are read behind them, are no loop", "[codegen]") {
  CHECK(codegen::repeats(runs(3), {}).empty());
  const std::vector<int> of_each = {4, 10, 16, 22, 28};
  CHECK(codegen::repeats(runs(5), of_each).empty());
}

TEST_CASE("runs of which one reads from further back than the run before are no loop", "[codegen]") {
  std::vector<Instr> block = runs(10);
  block[5 * 6 + 2].args[1] = 5;  // the sixth run reads what the first has left
  CHECK(codegen::repeats(block, {}).empty());
}

}  // namespace gradc
