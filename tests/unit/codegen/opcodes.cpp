// Every scalar opcode on every dtype it takes, in vector loops with remainders and in serial ones.
#include <array>

#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

constexpr int kElements = 83;  // full vectors of every width, and remainders

std::string name(DType type) { return std::string(name_of(type)); }

// out[i] = op(in0[i], in1[i], …) over a loop with the given mark
std::string elementwise(const std::string& op, DType result, const std::vector<std::string>& inputs,
                        const std::vector<DType>& types, const std::string& output, const std::string& mark) {
  std::string at = "[i1 of " + std::to_string(kElements) + " by 1]\n", body, args;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    body += "      %" + std::to_string(i) + " = load " + name(types[i]) + " " + inputs[i] + at;
    args += (i ? ", %" : " %") + std::to_string(i);
  }
  std::string v = "%" + std::to_string(inputs.size());
  body += "      " + v + " = " + op + " " + name(result) + args + "\n";
  body += "      store " + name(result) + " " + v + " to " + output + at;
  return "    loop i1 < " + std::to_string(kElements) + mark + " {\n" + body + "    }\n";
}

void check_operator(const std::string& op, DType result, const std::vector<DType>& types, test::Text& text) {
  std::vector<std::string> inputs;
  for (DType type : types) inputs.push_back(text.input(type, kElements));
  for (const char* mark : {" vector 16", ""})
    text.kernel(elementwise(op, result, inputs, types, text.output(result, kElements), mark));
}

}  // namespace

TEST_CASE("arithmetic gives the interpreter's bits", "[codegen]") {
  test::Text text;
  for (DType type : {DType::f32, DType::f64}) {
    for (const char* op : {"add", "sub", "mul", "div"}) check_operator(op, type, {type, type}, text);
    for (const char* op : {"neg", "sqrt"}) check_operator(op, type, {type}, text);
    check_operator("fma", type, {type, type, type}, text);
  }
  test::check_native(text.str());
}

TEST_CASE("integer arithmetic wraps and never traps", "[codegen]") {
  test::Text text;
  for (DType type : {DType::i32, DType::i64, DType::u32, DType::u8}) {
    for (const char* op : {"add", "sub", "mul", "div", "rem", "bit_and", "bit_or", "bit_xor", "shift_left",
                           "shift_right", "shift_right_arithmetic"})
      check_operator(op, type, {type, type}, text);
    for (const char* op : {"neg", "bit_not"}) check_operator(op, type, {type}, text);
  }
  for (const char* op : {"bit_and", "bit_or", "bit_xor"})
    check_operator(op, DType::boolean, {DType::boolean, DType::boolean}, text);
  check_operator("bit_not", DType::boolean, {DType::boolean}, text);
  test::check_native(text.str());
}

TEST_CASE("comparisons and select give the interpreter's bits", "[codegen]") {
  test::Text text;
  for (DType type : kAllDTypes) {
    for (const char* op : {"equal", "not_equal", "less", "less_equal"})
      check_operator(op, DType::boolean, {type, type}, text);
    check_operator("select", type, {DType::boolean, type, type}, text);
  }
  test::check_native(text.str());
}

TEST_CASE("conversions saturate and take nan to zero", "[codegen]") {
  test::Text text;
  for (DType from : kAllDTypes)
    for (DType to : kAllDTypes)
      if (from != to) check_operator("convert", to, {from}, text);
  test::check_native(text.str());
}

TEST_CASE("bitcasts keep the bits", "[codegen]") {
  test::Text text;
  for (auto [a, b] : {std::array{DType::f32, DType::i32}, std::array{DType::f32, DType::u32},
                      std::array{DType::i32, DType::u32}, std::array{DType::f64, DType::i64}}) {
    check_operator("bitcast", b, {a}, text);
    check_operator("bitcast", a, {b}, text);
  }
  test::check_native(text.str());
}

TEST_CASE("a rare branch is taken by the lanes that need it", "[codegen]") {
  test::Text text;
  std::string c = text.input(DType::boolean, 83), x = text.input(DType::f32, 83);
  std::string table = text.table(DType::f32, "1, 2, 4, 8", 4);
  for (const char* mark : {" vector 16", ""})
    text.kernel("    loop i1 < 83" + std::string(mark) + " {\n      %0 = load bool " + c +
                "[i1 of 83 by 1]\n      %1 = load f32 " + x + "[i1 of 83 by 1]\n      %2 = convert i32 %1\n" +
                "      %6 = rarely f32 %0, %1 {\n        %3 = load f32 " + table + "[0 + %2 of 4 by 1 clamped]\n" +
                "        %4 = mul f32 %3, %1\n        yield %4\n      }\n      store f32 %6 to " +
                text.output(DType::f32, 83) + "[i1 of 83 by 1]\n    }\n");
  // A condition that all lanes share, and a fast value that they share.
  text.kernel("    %0 = load bool " + c + "[1 of 83 by 1]\n    %7 = constant f32 3\n    loop i1 < 83 vector 16 {\n" +
              "      %1 = load f32 " + x + "[i1 of 83 by 1]\n      %5 = rarely f32 %0, %7 {\n" +
              "        %4 = mul f32 %1, %1\n        yield %4\n      }\n      store f32 %5 to " +
              text.output(DType::f32, 83) + "[i1 of 83 by 1]\n    }\n");
  test::check_native(text.str());
}

}  // namespace gradc
