// Vector loops with every remainder, accumulators and their lanes, nesting, and tiles.
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

std::string number(std::int64_t n) { return std::to_string(n); }

const std::int64_t kExtents[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15, 16,  17, 23,
                                 24, 31, 32, 33, 40, 47, 48, 63, 64, 65, 100, 129};

}  // namespace

TEST_CASE("vector loops do all rounds and no more", "[codegen]") {
  test::Text text;
  std::string x = text.input(DType::f32, 200), d = text.input(DType::f64, 200), b = text.input(DType::u8, 200);
  for (std::int64_t n : kExtents) {
    std::string at = "[i1 of " + number(n) + " by 1]\n";
    text.kernel("    loop i1 < " + number(n) + " vector 16 {\n      %0 = load f32 " + x + at +
                "      %1 = add f32 %0, %0\n" + "      store f32 %1 to " + text.output(DType::f32, n + 20) + at +
                "    }\n");
    text.kernel("    loop i1 < " + number(n) + " vector 8 {\n      %0 = load f64 " + d + at + "      %1 = load u8 " +
                b + at + "      %2 = convert f64 %1\n      %3 = mul f64 %0, %2\n      %4 = index i64 i1\n" +
                "      store f64 %3 to " + text.output(DType::f64, n + 20) + at + "      store i64 %4 to " +
                text.output(DType::i64, n + 20) + at + "    }\n");
  }
  test::check_native(text.str());
}

TEST_CASE("long rounds that count blocks of random bits do not touch what is behind the loop", "[codegen]") {
  test::Text text;
  const std::string key = text.input(DType::u32, 1), x = text.input(DType::f32, 200), b = text.input(DType::u8, 200);
  std::string round;  // a product of low halves, as of Philox
  for (int k = 4; k < 84; k += 4)
    round += "      %" + number(k) + " = bit_and i64 %" + number(k - 1) + ", %200\n      %" + number(k + 1) +
             " = mul i64 %" + number(k) + ", %201\n      %" + number(k + 2) + " = shift_right i64 %" + number(k + 1) +
             ", %202\n      %" + number(k + 3) + " = bit_xor i64 %" + number(k + 2) + ", %" + number(k + 1) + "\n";
  for (std::int64_t n : kExtents) {
    const std::string at = "[i1 of " + number(n) + " by 1]\n";
    text.kernel("    %200 = constant i64 4294967295\n    %201 = constant i64 3528531795\n    %202 = constant i64 32\n" +
                ("    %203 = constant i64 2\n    %204 = load u32 " + key) +
                "[0 of 1 by 1]\n    %205 = convert i64 %204\n    loop i1 < " + number(n) +
                " vector 16 {\n      %1 = index i64 i1\n      %2 = shift_right i64 %1, %203\n"
                "      %3 = bit_xor i64 %2, %205\n" +
                round + "      %84 = bit_xor i64 %83, %1\n      %85 = convert u32 %84\n      %86 = load f32 " + x + at +
                "      %87 = load u8 " + b + at + "      %88 = convert f32 %87\n      %89 = add f32 %86, %88\n" +
                "      store u32 %85 to " + text.output(DType::u32, n + 20) + at + "      store u8 %87 to " +
                text.output(DType::u8, n + 20) + at + "      store f32 %89 to " + text.output(DType::f32, n + 20) + at +
                "    }\n");
  }
  test::check_native(text.str());
}

TEST_CASE("rounds that repeat with another key each are a loop of the same bits", "[codegen]") {
  test::Text text;
  const std::string key = text.input(DType::u32, 1);
  for (const int rounds : {6, 7, 8, 9})
    for (const std::int64_t n : {1, 3, 31, 64, 200, 512, 1000}) {
      std::string before =
          "    %900 = constant i64 4294967295\n    %901 = constant i64 3528531795\n    %902 = constant i64 3449720151\n"
          "    %903 = constant i64 32\n    %904 = constant i64 2\n    %905 = constant i64 3\n"
          "    %906 = constant i64 0\n    %907 = constant i64 1\n    %908 = constant i64 2654435769\n    %909 = load "
          "u32 " +
          key + "[0 of 1 by 1]\n    %700 = convert i64 %909\n";
      for (int r = 1; r < rounds; ++r)
        before += "    %" + number(700 + r) + " = add i64 %" + number(699 + r) + ", %908\n";
      std::string body =
          "      %1 = index i64 i1\n      %2 = shift_right i64 %1, %904\n      %3 = bit_and i64 %1, %905\n";
      std::string words[4] = {"%2", "%908", "%700", "%901"};  // the first is the block's, the others those of all
      int id = 10;
      const auto instruction = [&](const std::string& what) {
        body += "      %" + number(id) + " = " + what + "\n";
        return "%" + number(id++);
      };
      for (int r = 0; r < rounds; ++r) {
        const std::string k = ", %" + number(700 + r);
        const std::string first =
            instruction("mul i64 " + instruction("bit_and i64 " + words[0] + ", %900") + ", %901");
        const std::string second =
            instruction("mul i64 " + instruction("bit_and i64 " + words[2] + ", %900") + ", %902");
        const auto mixed = [&](const std::string& product, const std::string& word) {
          const std::string high = instruction("shift_right i64 " + product + ", %903");
          return instruction("bit_xor i64 " + instruction("bit_xor i64 " + high + ", " + word) + k);
        };
        const std::string x = mixed(second, words[1]), y = mixed(first, words[3]);
        words[0] = x, words[1] = second, words[2] = y, words[3] = first;
      }
      std::string bits[4];
      for (int i = 0; i < 4; ++i) bits[i] = instruction("convert u32 " + words[i]);
      std::string chosen = bits[3];
      for (const auto& [place, constant] : {std::pair(2, "%904"), std::pair(1, "%907"), std::pair(0, "%906")})
        chosen = instruction("select u32 " + instruction(std::string("equal bool %3, ") + constant) + ", " +
                             bits[place] + ", " + chosen);
      // A choice between two words, one of them in three places.
      const std::string three =
          instruction("select u32 " + instruction("equal bool %3, %907") + ", " + bits[0] + ", " + bits[2]);
      const std::string at = "[i1 of " + number(n) + " by 1]\n";
      text.kernel(before + "    loop i1 < " + number(n) + " vector 16 {\n" + body + "      store u32 " + chosen +
                  " to " + text.output(DType::u32, n + 20) + at + "      store u32 " + three + " to " +
                  text.output(DType::u32, n + 20) + at + "    } giving %990 = sum u32 from %909 of " + chosen +
                  "\n    store u32 %990 to " + text.output(DType::u32, 1) + "[0 of 1 by 1]\n");
      text.kernel(before + "    loop i1 < " + number(n) + " vector 16 {\n" + body + "      store u32 " + chosen +
                  " to " + text.output(DType::u32, n + 20) + at + "      store u32 " + three + " to " +
                  text.output(DType::u32, n + 20) + at + "    }\n");
    }
  test::check_native(text.str());
}

TEST_CASE("accumulators keep their lanes", "[codegen]") {
  struct Case {
    const char* combiner;
    DType type;
  };
  const Case cases[] = {{"sum", DType::f32},     {"sum", DType::f64},    {"sum", DType::i32}, {"product", DType::f32},
                        {"max", DType::f32},     {"min", DType::f64},    {"max", DType::i64}, {"min", DType::u8},
                        {"any", DType::boolean}, {"all", DType::boolean}};
  for (const Case& c : cases) {
    test::Text text;
    std::string d(name_of(c.type)), x = text.input(c.type, 300);
    bool thorough = c.type == DType::f32 && c.combiner == std::string("sum");
    for (std::int64_t n : thorough ? std::vector<std::int64_t>(std::begin(kExtents), std::end(kExtents))
                                   : std::vector<std::int64_t>{2, 7, 33, 100})
      for (const char* mark : {" vector 16", " vector 64", " vector 1", "", " unroll"}) {
        if (mark == std::string(" unroll") && n > 9) continue;
        std::string y = text.output(c.type, 1);
        text.kernel("    %0 = load " + d + " " + x + "[250 of 300 by 1]\n    loop i1 < " + number(n) + mark +
                    " {\n      %1 = load " + d + " " + x + "[i1 of 290 by 1] at " + number(n % 7) +
                    "\n    } giving %2 = " + c.combiner + " " + d + " from %0 of %1\n    store " + d + " %2 to " + y +
                    "[0 of 1 by 1]\n");
      }
    test::check_native(text.str());
  }
}

TEST_CASE("a maximum or minimum is NaN wherever a NaN stands", "[codegen]") {
  for (const DType type : {DType::f32, DType::f64})
    for (const char* combiner : {"max", "min"}) {
      test::Text text;
      const std::string d(name_of(type)), x = text.input(type, 200);
      for (std::int64_t n : {16, 64, 100, 129})
        for (int lanes : {2, 16, 32, 64}) {
          // Row i0 has its NaN at i0, the last row has none.
          text.kernel(
              "    %0 = constant " + d + " " + (combiner[1] == 'a' ? "-inf" : "inf") + "\n    %1 = constant " + d +
                  " nan\n    %2 = index i64 i0\n    loop i1 < " + number(n) + " vector " + number(lanes) +
                  " {\n      %3 = load " + d + " " + x +
                  "[i1 of 200 by 1]\n      %4 = index i64 i1\n      %5 = equal bool %2, %4\n      %6 = select " + d +
                  " %5, %1, %3\n    } giving %7 = " + combiner + " " + d + " from %0 of %6\n    store " + d +
                  " %7 to " + text.output(type, n + 1) + "[i0 of " + number(n + 1) + " by 1]\n",
              static_cast<int>(n) + 1);
        }
      test::check_native(text.str());
    }
}

TEST_CASE("two accumulators in one loop, over parallel rounds", "[codegen]") {
  test::Text text;
  std::string x = text.input(DType::f32, 11 * 77), y = text.output(DType::f32, 22);
  text.kernel(
      "    %0 = constant f32 0\n    %1 = constant f32 -inf\n    loop i1 < 77 vector 32 {\n      %2 = load f32 " + x +
          "[i0 of 11 by 77, i1 of 77 by 1]\n      %3 = mul f32 %2, %2\n    } giving %4 = sum f32 from %0 of %3, "
          "%5 = max f32 from %1 of %2\n    store f32 %4 to " +
          y + "[i0 of 11 by 2]\n    store f32 %5 to " + y + "[i0 of 11 by 2] at 1\n",
      11);
  test::check_native(text.str());
}

TEST_CASE("sums of products are sums of fused multiply-adds", "[codegen]") {
  for (const DType type : {DType::f32, DType::f64}) {
    test::Text text;
    const std::string d(name_of(type)), x = text.input(type, 300), w = text.input(type, 300);
    for (std::int64_t n : {1, 2, 7, 16, 33, 100})
      for (const char* mark : {" vector 16", " vector 64", "", " unroll"}) {
        const std::string y = text.output(type, 2);
        text.kernel("    %0 = load " + d + " " + x + "[250 of 300 by 1]\n    loop i1 < " + number(n) + mark +
                    " {\n      %1 = load " + d + " " + x + "[i1 of 290 by 1]\n      %2 = load " + d + " " + w +
                    "[i1 of 290 by 1] at 3\n    } giving %3 = sum " + d + " from %0 of %1 * %2, %4 = sum " + d +
                    " from %0 of %2\n    store " + d + " %3 to " + y + "[0 of 1 by 1]\n    store " + d + " %4 to " + y +
                    "[1 of 2 by 1]\n");
      }
    // In the lanes of a loop around, where a factor is the same for all of them.
    const std::string y = text.output(type, 45);
    text.kernel("    %0 = constant " + d + " 0\n    loop i1 < 45 vector 16 {\n      loop i2 < 5 {\n        %1 = load " +
                d + " " + w + "[i2 of 5 by 1]\n        %2 = load " + d + " " + x +
                "[i1 + 3*i2 of 60 by 1]\n      } giving %3 = sum " + d + " from %0 of %1 * %2\n      store " + d +
                " %3 to " + y + "[i1 of 45 by 1]\n    }\n");
    test::check_native(text.str());
  }
}

int requests(const KernelProgram& program) {
  const std::vector<std::byte> bytes = emit(test::module_of(program), Emit::llvm, 0);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  int count = 0;
  for (std::size_t at = text.find("call void @llvm.prefetch"); at != std::string_view::npos;
       at = text.find("call void @llvm.prefetch", at + 1))
    ++count;
  return count;
}

// Rows of x, each less its maximum; rows end inside a vector, and the last has none after it.
std::string rows_less_their_maximum(int rows, int columns) {
  test::Text text;
  const std::string all = number(rows * columns);
  const std::string at = "[" + number(columns) + "*i0 + ";
  std::string x = text.input(DType::f32, rows * columns), y = text.output(DType::f32, rows * columns);
  text.kernel("    %0 = constant f32 -inf\n    loop i1 < " + number(columns) + " vector 64 {\n      %1 = load f32 " +
                  x + at + "i1 of " + all + " by 1]\n    } giving %2 = max f32 from %0 of %1\n    loop i2 < " +
                  number(columns) + " vector 16 {\n      %3 = load f32 " + x + at + "i2 of " + all +
                  " by 1]\n      %4 = sub f32 %3, %2\n      store f32 %4 to " + y + at + "i2 of " + all +
                  " by 1]\n    }\n",
              rows);
  return text.str();
}

TEST_CASE("a row's loops ask for the next row where the L2 cache does not hold the data", "[codegen]") {
  for (Target target : test::runnable_targets()) {
    INFO(target.cpu);
    target.l2_bytes = 16 << 10;
    const KernelProgram large = test::parse_program(target, rows_less_their_maximum(20, 205));
    CHECK(requests(large) > 0);
    test::Memory expected = test::interpreted(large);
    test::Memory actual = test::native(large, load(test::module_of(large), 2).at(0));
    test::require_same(large, expected, actual);
    // In the cache, one row alone, short rows, rows of which L1 does not hold two.
    CHECK(requests(test::parse_program(target, rows_less_their_maximum(5, 205))) == 0);
    CHECK(requests(test::parse_program(target, rows_less_their_maximum(1, 6000))) == 0);
    CHECK(requests(test::parse_program(target, rows_less_their_maximum(300, 100))) == 0);
    CHECK(requests(test::parse_program(target, rows_less_their_maximum(20, 6200))) == 0);
  }
}

// Sums of three rows times weights, in the channels of an image of 5 channels more than two vectors of f32.
std::string sliding_window(int columns, int row_step) {
  constexpr int kRows = 21, kChannels = 37;
  const int rows = (kRows - 3) / row_step + 1, row = columns * kChannels;
  test::Text text;
  const std::string x = text.input(DType::f32, kRows * row), w = text.input(DType::f32, rows * row);
  std::string loads, sums;
  for (int tap = 0; tap < 3; ++tap) {
    loads += "          %" + number(tap + 2) + " = load f32 " + x + "[i1 + " + number(row_step * row) + "*i2 + " +
             number(kChannels) + "*i3 + " + number(tap * row) + " of " + number(kRows * row) + " by 1]\n";
    sums += (tap ? ", %" : "%") + number(tap + 5) + " = sum f32 from %0 of %" + number(tap + 2) + " * %1";
  }
  loads += "          %1 = load f32 " + w + "[i1 + " + number(row) + "*i2 + " + number(kChannels) + "*i3 of " +
           number(rows * row) + " by 1]\n";
  std::string stores;
  for (int tap = 0; tap < 3; ++tap)
    stores += "      store f32 %" + number(tap + 8) + " to " + text.output(DType::f32, kChannels) + "[i1 of " +
              number(kChannels) + " by 1]\n";
  text.kernel("    %0 = constant f32 0\n    loop i1 < " + number(kChannels) + " vector 16 {\n      loop i2 < " +
              number(rows) + " {\n        loop i3 < " + number(columns) + " {\n" + loads + "        } giving " + sums +
              "\n      } giving %8 = sum f32 from %0 of %5, %9 = sum f32 from %0 of %6, %10 = sum f32 from %0 of %7\n" +
              stores + "    }\n");
  return text.str();
}

TEST_CASE("a sliding window asks for the rows that the next one does not share with it", "[codegen]") {
  for (Target target : test::runnable_targets()) {
    INFO(target.cpu);
    target.l2_bytes = 16 << 10;
    const auto large = [&](int step) { return test::parse_program(target, sliding_window(40, step)); };
    // One row of x and one of the weights, or two and one; three of x that no other row reads are not asked for.
    const int one = requests(large(1)), two = requests(large(2));
    CHECK(one > 0);
    CHECK(2 * two == 3 * one);
    CHECK(requests(large(3)) == 0);
    for (const int step : {1, 2}) {
      const KernelProgram program = large(step);
      test::Memory expected = test::interpreted(program);
      test::Memory actual = test::native(program, load(test::module_of(program), 2).at(0));
      test::require_same(program, expected, actual);
    }
    CHECK(requests(test::parse_program(target, sliding_window(20, 1))) == 0);  // rows shorter than a page
    target.l2_bytes = 1 << 20;
    CHECK(requests(test::parse_program(target, sliding_window(40, 1))) == 0);
  }
}

TEST_CASE("serial loops inside vector loops run for every lane", "[codegen]") {
  test::Text text;
  std::string x = text.input(DType::f32, 9 * 45), w = text.input(DType::f32, 9);
  // Column sums, weighted, with a total that is the same for all lanes beside it.
  text.kernel(
      "    %0 = constant f32 0\n    loop i1 < 45 vector 16 {\n      loop i2 < 9 {\n        %1 = load f32 " + x +
      "[i2 of 9 by 45, i1 of 45 by 1]\n        %2 = load f32 " + w +
      "[i2 of 9 by 1]\n        %3 = mul f32 %1, %2\n      } giving %4 = sum f32 from %0 of %3, %5 = sum f32 from %0 "
      "of %2\n      %6 = div f32 %4, %5\n      store f32 %6 to " +
      text.output(DType::f32, 45) + "[i1 of 45 by 1]\n    }\n");
  // Lane accumulators around a serial loop.
  text.kernel(
      "    %0 = constant f32 0\n    loop i1 < 45 vector 32 {\n      loop i2 < 9 unroll {\n        %1 = load f32 " + x +
      "[i2 of 9 by 45, i1 of 45 by 1]\n      } giving %4 = max f32 from %0 of %1\n" +
      "    } giving %5 = sum f32 from %0 of %4\n    store f32 %5 to " + text.output(DType::f32, 1) + "[0 of 1 by 1]\n");
  test::check_native(text.str());
}

TEST_CASE("tiles multiply and add in the order of their depth", "[codegen]") {
  for (const Target& target : test::runnable_targets()) {
    for (DType type : {DType::f32, DType::f64}) {
      test::Text text;
      std::string d(name_of(type));
      int lanes = target.lanes(byte_size(type));
      std::string a = text.input(type, 20000), b = text.input(type, 40000);
      for (int rows : {1, 3, 6, 14})
        for (int vectors : {1, 2})
          for (bool add : {false, true}) {
            int columns = vectors * lanes;
            std::string c = text.output(type, rows * (columns + 3)),
                        head = "    tile " + d + " " + number(rows) + " x " + number(columns) + " " + c + "[0] row " +
                               number(columns + 3) + (add ? " += " : " = ") + a;
            std::string panel = number(columns);
            if (add) text.kernel(test::copy_loop(type, a, c, rows * (columns + 3)));
            text.kernel(head + "[7] row 37 * " + b + "[5] over 37 (1, " + panel + ")\n");
            text.kernel(head + "[0] row 1 * " + b + "[1] over 3 (200, 700), 5 (" + number(rows) + ", " + panel + ")\n");
            for (const char* within :
                 {"(i0 - 2, 1 of 7)", "(4*i0 - 3, 2 of 6)", "(8 - i0, -1 of 7)", "(11 - 3*i0, -3 of 5)"})
              text.kernel("    tile " + d + " " + number(rows) + " x " + number(columns) + " " +
                              text.output(type, 5 * rows * columns) + "[" + number(rows * columns) + "*i0] row " +
                              panel + " = " + a + "[0] row 1 * " + b + "[1] over 3 (200, 700), 5 (" + number(rows) +
                              ", " + panel + ") within " + within + "\n",
                          5);
            for (const char* bound : {"(-1, 1, 1 of 4)", "(2, -1, 2 of 9)", "(3, 2, -1 of 5)", "(90, 1, 1 of 7)"}) {
              const std::string some = std::string(") rows ") + bound;
              text.kernel(head + "[0] row 5 * " + b + "[1] over 3 (200, 700), 4 (9, 90" + some + ", 5 (1, " + panel +
                          ")\n");
              text.kernel(head + "[0] row 5 * " + b + "[1] over 3 (200, 700), 4 (9, 90" + some + "\n");
            }
            text.kernel(head + "[0] row 11 * " + b + "[1] over 2 (9, 9000), 2 (200, 1700), 3 (20, 77), 6 (3, 50)\n");
          }
      KernelProgram program = test::parse_program(target, text.str());
      test::Memory expected = test::interpreted(program);
      for (int optimize : {0, 2}) {
        std::vector<runtime::Executable> executables = load(test::module_of(program), optimize);
        test::Memory actual = test::native(program, executables.at(0));
        test::require_same(program, expected, actual);
      }
    }
  }
}

}  // namespace gradc
