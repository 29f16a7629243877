// Nests that move data across: neighbours along the outer loop, far apart along the vector loop inside.
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

std::string number(std::int64_t n) { return std::to_string(n); }

}  // namespace

TEST_CASE("loads across two loops, at every remainder of both", "[codegen]") {
  test::Text text;
  for (DType type : {DType::f32, DType::f64, DType::i32, DType::u8}) {
    const std::string d(name_of(type)), x = text.input(type, 70 * 70);
    for (std::int64_t i : {2, 7, 16, 33})
      for (std::int64_t j : {2, 5, 13, 16, 31, 64})
        text.kernel("    loop i1 < " + number(i) + " {\n      loop i2 < " + number(j) +
                    " vector 16 {\n        %0 = load " + d + " " + x + "[i1 + 70*i2 of 4900 by 1]\n        store " + d +
                    " %0 to " + text.output(type, i * j) + "[" + number(j) + "*i1 + i2 of " + number(i * j) +
                    " by 1]\n      }\n    }\n");
  }
  test::check_native(text.str());
}

TEST_CASE("stores across two loops, and values of the outer one", "[codegen]") {
  test::Text text;
  const std::string x = text.input(DType::f32, 40 * 40), w = text.input(DType::f32, 40);
  for (std::int64_t i : {3, 16, 37})
    for (std::int64_t j : {4, 16, 35})
      text.kernel("    loop i1 < " + number(i) + " {\n      %0 = load f32 " + w + "[i1 of 40 by 1]\n      loop i2 < " +
                  number(j) + " vector 16 {\n        %1 = load f32 " + x +
                  "[40*i1 + i2 of 1600 by 1]\n        %2 = mul f32 %0, %1\n        store f32 %2 to " +
                  text.output(DType::f32, 40 * 40) + "[i1 + 40*i2 of 1600 by 1]\n      }\n    }\n");
  test::check_native(text.str());
}

TEST_CASE("what is updated across two loops is read before it is written", "[codegen]") {
  test::Text text;
  const std::string g = text.input(DType::f32, 33 * 48), m = text.output(DType::f32, 33 * 48);
  const std::string at = "[i1 + 33*i2 of 1584 by 1]\n";
  text.kernel("    %0 = constant f32 0.5\n    loop i1 < 33 {\n      loop i2 < 48 vector 16 {\n        %1 = load f32 " +
              g + "[48*i1 + i2 of 1584 by 1]\n        store f32 %1 to " + m + at + "      }\n    }\n");
  text.kernel("    %0 = constant f32 0.5\n    loop i1 < 33 {\n      loop i2 < 48 vector 16 {\n        %1 = load f32 " +
              m + at + "        %2 = mul f32 %0, %1\n        %3 = load f32 " + g +
              "[48*i1 + i2 of 1584 by 1]\n        %4 = add f32 %2, %3\n        store f32 %4 to " + m + at +
              "      }\n    }\n");
  test::check_native(text.str());
}

TEST_CASE("a guard that is the same for both loops", "[codegen]") {
  test::Text text;
  const std::string x = text.input(DType::f32, 5 * 20 * 24);
  // An image with zeros around, rows to columns: what is outside is read as 7.
  text.kernel("    loop i1 < 7 {\n      loop i2 < 20 {\n        loop i3 < 24 vector 16 {\n          %0 = load f32 " +
              x + "[i1 - 1 of 5 by 480 guarded, i2 + 20*i3 of 480 by 1] outside 7\n          store f32 %0 to " +
              text.output(DType::f32, 7 * 480) + "[480*i1 + 24*i2 + i3 of 3360 by 1]\n        }\n      }\n    }\n");
  test::check_native(text.str());
}

}  // namespace gradc
