// Guards, clamps, gathers, strides, divisors, and the spaces that buffers live in.
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

// in → out through subscripts, over a vector loop and a serial one.
void check_access(DType type, const std::string& from, const std::string& to, std::int64_t extent,
                  std::int64_t parallel, const std::string& before = "") {
  test::Text text;
  std::string d(name_of(type)), x = text.input(type, 900), index = text.input(DType::i32, 900, "-20 to 120");
  std::string wide = text.input(DType::i64, 900, "-20 to 120");
  for (const char* mark : {" vector 16", ""}) {
    std::string y = text.output(type, 5000);
    std::string body = "    loop i1 < " + std::to_string(extent) + mark + " {\n" + before + "      %9 = load " + d +
                       " " + x + from + "\n      store " + d + " %9 to " + y + to + "\n    }\n";
    for (std::size_t at; (at = body.find("@index")) != std::string::npos;) body.replace(at, 6, index);
    for (std::size_t at; (at = body.find("@wide")) != std::string::npos;) body.replace(at, 5, wide);
    text.kernel(body, parallel);
  }
  test::check_native(text.str());
}

const DType kTypes[] = {DType::f32, DType::f64, DType::u8, DType::boolean};

}  // namespace

TEST_CASE("strided accesses", "[codegen]") {
  for (DType type : kTypes) {
    check_access(type, "[i0 of 7 by 1, i1 of 61 by 7]", "[i0 of 7 by 61, i1 of 61 by 1]", 61, 7);
    check_access(type, "[2*i1 of 122 by 1, i0 of 7 by 122]", "[i1 of 61 by 1, i0 of 7 by 100]", 61, 7);
    check_access(type, "[3*i1 of 190 by 1] at 1", "[i1 of 64 by 1]", 64, 1);
    check_access(type, "[4*i1 of 253 by 1, i0 of 2 by 500]", "[i0 of 2 by 100, i1 of 64 by 1]", 64, 2);
    check_access(type, "[-i1 + 63 of 64 by 1, 2*i0 of 3 by 70]", "[i0 of 2 by 100, i1 of 64 by 1]", 64, 2);
    check_access(type, "[-i1 + 60 of 61 by 1]", "[3*i1 of 181 by 1] at 2", 61, 1);
    check_access(type, "[i0 of 7 by 3]", "[i0 of 7 by 70, i1 of 61 by 1]", 61, 7);
  }
}

TEST_CASE("guarded loads give the outside value, guarded stores are dropped", "[codegen]") {
  for (DType type : kTypes) {
    check_access(type, "[i1 - 3 of 50 by 1 guarded] outside 1", "[i1 of 61 by 1]", 61, 1);
    check_access(type, "[2*i1 - 5 of 50 by 1 guarded, i0 - 1 of 4 by 50 guarded] outside 1",
                 "[i0 of 7 by 61, i1 of 61 by 1]", 61, 7);
    check_access(type, "[i1 of 61 by 1]", "[i1 - 3 of 41 by 1 guarded]", 61, 1);
    check_access(type, "[i1 of 61 by 1]", "[i0 - 2 of 3 by 100 guarded, 2*i1 - 9 of 41 by 2 guarded]", 61, 6);
    check_access(type, "[i0 - 2 of 3 by 100 guarded, i1 of 61 by 1] outside 1", "[i0 of 7 by 61, i1 of 61 by 1]", 61,
                 7);
  }
}

TEST_CASE("a guarded division reads only where it leaves no remainder", "[codegen]") {
  for (DType type : kTypes) {
    check_access(type, "[(i1 - 4) / 3 of 15 by 2 guarded] outside 1", "[i1 of 61 by 1]", 61, 1);
    check_access(type, "[(i0 - 1) / 2 of 3 by 61 guarded, i1 of 61 by 1]", "[i0 of 9 by 61, i1 of 61 by 1]", 61, 9);
    check_access(type, "[i1 of 61 by 1]", "[(i1 + 1) / 2 of 22 by 1 guarded]", 61, 1);
    check_access(type, "[(4*i1) / 2 of 200 by 1]", "[i1 of 61 by 1]", 61, 1);
  }
}

TEST_CASE("indices from values are clamped or guarded", "[codegen]") {
  std::string narrow = "      %0 = load i32 @index[i1 of 61 by 1]\n",
              wide = "      %0 = load i64 @wide[i1 of 61 by 1]\n";
  std::string same = "      %0 = load i32 @index[i0 of 7 by 1]\n";
  for (const std::string& load : {narrow, wide})
    for (DType type : kTypes) {
      check_access(type, "[0 + %0 of 100 by 7 clamped]", "[i1 of 61 by 1]", 61, 1, load);
      check_access(type, "[i1 - 10 + %0 of 80 by 2 clamped, i0 of 7 by 1]", "[i0 of 7 by 61, i1 of 61 by 1]", 61, 7,
                   load);
      check_access(type, "[0 + %0 of 100 by 1 guarded, i0 - 1 of 7 by 100 guarded] outside 1",
                   "[i0 of 7 by 61, i1 of 61 by 1]", 61, 7, load);
    }
  check_access(DType::f32, "[0 + %0 of 9 by 61 clamped, i1 of 61 by 1]", "[i0 of 7 by 61, i1 of 61 by 1]", 61, 7, same);
  check_access(DType::f32, "[0 + %0 of 9 by 61 guarded, i1 of 61 by 1] outside 2", "[i0 of 7 by 61, i1 of 61 by 1]", 61,
               7, same);
}

TEST_CASE("a scatter drops what falls outside", "[codegen]") {
  test::Text text;
  std::string index = text.input(DType::i32, 40, "-20 to 120"), x = text.input(DType::f32, 40);
  std::string y = text.output(DType::f32, 100), start = text.input(DType::f32, 100);
  text.kernel(test::copy_loop(DType::f32, start, y, 100));
  text.kernel("    loop i1 < 40 {\n      %0 = load i32 " + index + "[i1 of 40 by 1]\n      %1 = load f32 " + x +
              "[i1 of 40 by 1]\n      %2 = load f32 " + y +
              "[0 + %0 of 100 by 1 guarded]\n      %3 = add f32 %1, %2\n" + "      store f32 %3 to " + y +
              "[0 + %0 of 100 by 1 guarded]\n    }\n");
  test::check_native(text.str());
}

TEST_CASE("buffers of every space, copies and default scalars", "[codegen]") {
  std::string program = R"(
  input x: f32[70]
  output y: f32[70]
  output z: f32[70]
  scalar rate: f32[] = 0.25 at 0
  scalar count: i64[] = -3 at 8
  arena 512
  worker 320
  buffer @x: f32[70] input 0
  buffer @y: f32[70] output 0
  buffer @z: f32[70] output 1
  buffer @s: f32[70] state at 128
  buffer @rate: f32[1] scalar at 0
  buffer @count: i64[1] scalar at 8
  buffer @a: f32[70] arena at 64
  buffer @w: f32[70] worker at 0
  buffer @t: f32[3] table f32[3] {0.5, -1, 1e10}
  kernel @k0 loop parallel 1 work 0 {
    %0 = load f32 @rate[0 of 1 by 1]
    %1 = load i64 @count[0 of 1 by 1]
    %2 = convert f32 %1
    loop i1 < 70 vector 16 {
      %3 = load f32 @x[i1 of 70 by 1]
      %4 = mul f32 %3, %0
      %5 = add f32 %4, %2
      store f32 %5 to @w[i1 of 70 by 1]
    }
    loop i2 < 70 vector 16 {
      %6 = load f32 @w[i2 of 70 by 1]
      %7 = load f32 @s[i2 of 70 by 1]
      %8 = load f32 @t[1 of 3 by 1]
      %9 = mul f32 %8, %7
      %10 = add f32 %6, %9
      store f32 %10 to @a[i2 of 70 by 1]
      store f32 %9 to @s[i2 of 70 by 1]
    }
  }
  entry {
    launch @k0
    copy @a to @y
    copy @s to @z
  }
)";
  test::check_native(program);
}

}  // namespace gradc
