// Scalar code that a kernel repeats: found where it is the same, and one function natively.
#include "compiler/codegen/chains.h"

#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

constexpr int kSteps = 60, kLast = 2 * kSteps;  // of two instructions each

std::string number(int n) { return std::to_string(n); }

// x ← x * y + 1.5, again and again, on values from `first` on up to first + kLast. Halfway a constant is added instead,
// and the factor is `half`; so neither half is long enough to be a chain of its own.
std::string run_of(int first, int x, int y, int half, const char* constant = "0.5") {
  std::string text = "    %" + number(first) + " = constant f64 1.5\n";
  for (int k = 1; k < kLast; k += 2) {
    const int made = first + k, other = first + kLast + 1;
    const bool halfway = k == kSteps + 1;
    if (halfway) text += "    %" + number(other) + " = constant f64 " + constant + "\n";
    text += "    %" + number(made) + " = mul f64 %" + number(k == 1 ? x : made - 1) + ", %" +
            number(halfway ? half : y) + "\n    %" + number(made + 1) + " = add f64 %" + number(made) + ", %" +
            number(halfway ? other : first) + "\n";
  }
  return text;
}

// Four loads, the runs, and one store for each of the results.
std::string kernel_of(test::Text& text, const std::string& runs, const std::vector<int>& results) {
  const std::string x = text.input(DType::f64, 4),
                    y = text.output(DType::f64, static_cast<std::int64_t>(results.size()));
  std::string body;
  for (int i = 0; i < 4; ++i) body += "    %" + number(i) + " = load f64 " + x + "[" + number(i) + " of 4 by 1]\n";
  body += runs;
  for (std::size_t i = 0; i < results.size(); ++i)
    body += "    store f64 %" + number(results[i]) + " to " + y + "[" + std::to_string(i) + " of " +
            std::to_string(results.size()) + " by 1]\n";
  text.kernel(body);
  return text.str();
}

constexpr int kA = 10, kB = 200, kC = 400;  // where runs begin

std::vector<codegen::Chain> chains_of(const std::string& body) {
  return codegen::repeated_chains(test::parse_program(host_target(), body).kernels[0].body);
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a run on other operands is a chain with a call for each place", "[codegen]") {
  test::Text text;
  const std::string body = kernel_of(text, run_of(kA, 0, 1, 1) + run_of(kB, 2, 3, 3) + run_of(kC, 3, 0, 0),
                                     {kA + kLast, kB + kLast, kC + kLast});
  const std::vector<codegen::Chain> chains = chains_of(body);
  REQUIRE(chains.size() == 1);
  REQUIRE(chains[0].length == kLast + 2);
  REQUIRE(chains[0].calls.size() == 3);
  CHECK(chains[0].calls[0].operands == std::vector<int>{0, 1});
  CHECK(chains[0].calls[1].operands == std::vector<int>{2, 3});
  CHECK(chains[0].calls[2].operands == std::vector<int>{3, 0});
  CHECK(chains[0].calls[1].result == kB + kLast);

  const std::vector<std::byte> bytes = emit(test::module_of(test::parse_program(host_target(), body)), Emit::llvm, 2);
  const std::string ir(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(count(ir, "define internal double") == 1);
  CHECK(count(ir, "call double") == 3);
  test::check_native(body);
}

TEST_CASE("no chain is what differs in a constant, in who reads it, or in how its operands meet", "[codegen]") {
  const auto chains = [](const std::string& runs, const std::vector<int>& results) {
    test::Text text;
    const std::string body = kernel_of(text, runs, results);
    test::check_native(body);
    return chains_of(body).size();
  };
  const std::string first = run_of(kA, 0, 1, 1);
  CHECK(chains(first + run_of(kB, 2, 3, 3), {kA + kLast, kB + kLast}) == 1);
  CHECK(chains(first + run_of(kB, kA + kLast, 3, 3), {kB + kLast}) == 1);  // from what the first leaves
  CHECK(chains(first + run_of(kB, 2, 3, 3, "0.25"), {kA + kLast, kB + kLast}) == 0);
  CHECK(chains(first + run_of(kB, 2, 3, 2), {kA + kLast, kB + kLast}) == 0);
  CHECK(chains(first + run_of(kB, 2, 3, 3), {kA + kLast, kB + kLast, kA + kSteps, kB + kSteps}) == 0);
}

}  // namespace gradc
