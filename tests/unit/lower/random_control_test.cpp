// Random programs of nested loops and branches over small vectors, carried in every order, captured, emitted, sliced:
// lowered, they mean what the graph means, and say nothing under watch.
#include <cstdlib>
#include <random>
#include <sstream>

#include "tests/unit/lower/control_graphs.h"
#include "tests/unit/lower/harness.h"

using namespace gradc;
using namespace gradc::testing;

namespace {

// Writes one function. All values are f32[4], stacks of them, or bool[].
class Writer {
 public:
  explicit Writer(unsigned seed) : random_(seed) {}

  std::string run() {
    const int states = pick(3), inputs = 1 + pick(3);
    std::vector<std::string> vectors, stacks;
    std::string parameters;
    for (int i = 0; i < states + inputs; ++i) {
      std::string name = (i < states ? "%s" : "%x") + std::to_string(i);
      parameters += (i < states ? "state " : "data ") + name + ": f32[4], ";
      vectors.push_back(name);
    }
    parameters += "data %z: f32[3,4], data %p: bool[]";
    Scope scope{vectors, {{"%z", 3}}, {"%p"}};
    body(scope, 4 + pick(6), 0);
    std::string results, values;
    for (int i = 0; i < states + 2; ++i) {
      const bool state = i < states;
      std::string value = scope.vectors[static_cast<std::size_t>(pick(static_cast<int>(scope.vectors.size())))];
      results += std::string(i ? ", " : "") + (state ? "state %s" : "data %r") + std::to_string(i);
      values += (i ? ", " : "") + value;
    }
    for (const auto& [stack, length] : scope.stacks) {
      results += ", data " + stack + "_out";
      values += ", " + stack;
    }
    return "func @f(" + parameters + ") -> (" + results + ") {\n" + text_.str() + "  return " + values + "\n}\n";
  }

 private:
  struct Scope {
    std::vector<std::string> vectors;
    std::vector<std::pair<std::string, int>> stacks;  // f32[length,4]
    std::vector<std::string> flags;
  };

  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string fresh() { return "%v" + std::to_string(next_++); }
  std::string any(const Scope& scope) {
    // The latest values most often, so that chains grow.
    const int n = static_cast<int>(scope.vectors.size());
    return scope.vectors[static_cast<std::size_t>(pick(2) ? n - 1 - pick(std::min(n, 3)) : pick(n))];
  }
  std::string flag(const Scope& scope) {
    return scope.flags[static_cast<std::size_t>(pick(static_cast<int>(scope.flags.size())))];
  }

  void body(Scope& scope, int nodes, int depth) {
    for (int i = 0; i < nodes; ++i) {
      const int what = pick(depth < 3 ? 13 : 8);
      if (what < 3) {
        arithmetic(scope);
      } else if (what == 3) {
        unary(scope);
      } else if (what == 4) {
        reshaped(scope);
      } else if (what == 5) {
        mixed(scope);
      } else if (what == 6) {
        compared(scope);
      } else if (what == 7) {
        constant(scope);
      } else if (what < 11) {
        scan(scope, depth);
      } else if (what == 11) {
        branch(scope, depth);
      } else {
        repeat(scope, depth);
      }
    }
  }

  void arithmetic(Scope& scope) {
    static const char* const ops[] = {"add", "subtract", "multiply", "maximum"};
    std::string a = any(scope), b = any(scope), name = fresh();
    text_ << name << " = " << ops[pick(4)] << "(" << a << ", " << b << ")\n";
    bounded(scope, name);
  }
  // Keeps what grows near to one.
  void bounded(Scope& scope, const std::string& value) {
    std::string name = fresh();
    if (pick(3) == 0) {
      scope.vectors.push_back(value);
      return;
    }
    text_ << name << " = tanh(" << value << ")\n";
    scope.vectors.push_back(name);
  }
  void unary(Scope& scope) {
    static const char* const ops[] = {"negate", "tanh", "abs"};
    std::string a = any(scope), name = fresh();
    text_ << name << " = " << ops[pick(3)] << "(" << a << ")\n";
    scope.vectors.push_back(name);
  }
  void reshaped(Scope& scope) {
    std::string a = any(scope), square = fresh(), turned = fresh(), name = fresh();
    text_ << square << " = reshape(" << a << ") {shape = shape[2,2]}\n";
    if (pick(2)) {
      text_ << turned << " = transpose(" << square << ") {permutation = [1, 0]}\n";
      square = turned;
    }
    text_ << name << " = reshape(" << square << ") {shape = shape[4]}\n";
    scope.vectors.push_back(name);
  }
  // A largest element, or the elements turned round: what can't be done in place.
  void mixed(Scope& scope) {
    std::string a = any(scope), most = fresh(), name = fresh();
    if (pick(2)) {
      text_ << name << " = reverse(" << a << ") {axis = [0]}\n";
    } else {
      text_ << most << " = max(" << a << ") {axis = [0], keep = false}\n";
      text_ << name << " = broadcast(" << most << ") {shape = shape[4], dims = []}\n";
    }
    scope.vectors.push_back(name);
  }
  void compared(Scope& scope) {
    std::string a = any(scope), b = any(scope), x = fresh(), y = fresh(), name = fresh();
    text_ << x << " = max(" << a << ") {axis = [0], keep = false}\n";
    text_ << y << " = max(" << b << ") {axis = [0], keep = false}\n";
    text_ << name << " = less(" << x << ", " << y << ")\n";
    scope.flags.push_back(name);
  }
  void constant(Scope& scope) {
    std::string name = fresh();
    text_ << name << " = constant() {value = dense<f32[4]: " << (pick(2) ? "0.5, 0.5, 0.5, 0.5" : "1, -1, 0.25, 2")
          << ">}\n";
    scope.vectors.push_back(name);
  }

  // Everything around is captured now and then; carried parameters come first, so that they are used.
  static Scope inside(const Scope& around, const std::vector<std::string>& carried) {
    Scope scope = around;
    scope.vectors.insert(scope.vectors.end(), carried.begin(), carried.end());
    return scope;
  }

  void scan(Scope& scope, int depth) {
    const int carried = pick(4), emitted = 1 + pick(2);
    const bool slices = pick(2);
    const auto [stack, length] =
        slices ? scope.stacks[static_cast<std::size_t>(pick(static_cast<int>(scope.stacks.size())))]
               : std::pair<std::string, int>("", pick(4));
    std::string operands, parameters, results;
    std::vector<std::string> names;
    for (int k = 0; k < carried; ++k) operands += (k ? ", " : "") + any(scope);
    if (slices) operands += (carried ? ", " : "") + stack;
    for (int k = 0; k < carried + slices; ++k) {
      names.push_back(fresh());
      parameters += (k ? ", " : "") + names.back() + ": f32[4]";
    }
    std::vector<std::string> given;
    for (int k = 0; k < carried + emitted; ++k) {
      given.push_back(fresh());
      results += (k ? ", " : "") + given.back();
    }
    text_ << results << " = scan(" << operands << ") {carried = " << carried << ", sliced = " << slices
          << ", reverse = " << (pick(2) ? "true" : "false");
    if (!slices) text_ << ", length = shape[" << length << "]";
    text_ << "} (" << parameters << ") {\n";
    Scope in = inside(scope, names);
    body(in, 1 + pick(4), depth + 1);
    yield(in, carried + emitted);
    for (int k = 0; k < carried; ++k) scope.vectors.push_back(given[static_cast<std::size_t>(k)]);
    for (int k = carried; k < carried + emitted; ++k)
      scope.stacks.emplace_back(given[static_cast<std::size_t>(k)], length);
  }

  void yield(const Scope& scope, int count) {
    text_ << "yield ";
    for (int k = 0; k < count; ++k) text_ << (k ? ", " : "") << any(scope);
    text_ << "\n}\n";
  }

  void branch(Scope& scope, int depth) {
    const int results = 1 + pick(3);
    std::string predicate = flag(scope);
    std::vector<std::string> given;
    for (int k = 0; k < results; ++k) {
      given.push_back(fresh());
      text_ << (k ? ", " : "") << given.back();
    }
    text_ << " = cond(" << predicate << ")";
    for (int side = 0; side < 2; ++side) {
      text_ << " () {\n";
      Scope in = scope;
      body(in, pick(4), depth + 1);
      yield(in, results);
    }
    scope.vectors.insert(scope.vectors.end(), given.begin(), given.end());
  }

  void repeat(Scope& scope, int depth) {
    const int carried = 1 + pick(3);
    std::string operands;
    std::vector<std::string> given, names[2];
    for (int k = 0; k < carried; ++k) {
      operands += (k ? ", " : "") + any(scope);
      given.push_back(fresh());
      text_ << (k ? ", " : "") << given.back();
    }
    text_ << " = while(" << operands << ") {carried = " << carried << ", max_trips = " << 1 + pick(4) << "}";
    for (auto& side : names) {
      text_ << " (";
      for (int k = 0; k < carried; ++k) {
        side.push_back(fresh());
        text_ << (k ? ", " : "") << side.back() << ": f32[4]";
      }
      text_ << ") {\n";
      Scope in = inside(scope, side);
      body(in, 1 + pick(2), depth + 1);
      if (&side == names) {
        compared(in);
        text_ << "yield " << in.flags.back() << "\n}";
      } else {
        yield(in, carried);
      }
    }
    scope.vectors.insert(scope.vectors.end(), given.begin(), given.end());
  }

  std::mt19937 random_;
  std::ostringstream text_;
  int next_ = 0;
};

}  // namespace

TEST_CASE("random loops and branches") {
  const char* given = std::getenv("GRADC_SEEDS");
  const unsigned count = given ? static_cast<unsigned>(std::atoi(given)) : 150;
  runtime::ThreadPool pool(3);
  for (unsigned seed = 1; seed <= count; ++seed) {
    const std::string text = Writer(seed).run();
    INFO("seed " << seed << "\n" << text);
    auto module = parse(text);
    verify_or_die(*module, "the writer");
    for (int optimize : {0, 2}) {
      Run run = run_both(*module, "haswell", optimize, nullptr, seed);
      check_close(run, 0);
      INFO("level " << optimize << "\n" << print(run.program));
      CHECK(watched(run.program) == "");
      if (seed % 10 != 0) continue;
      test::Memory expected = test::interpreted(run.program);
      std::vector<runtime::Executable> executables = load(test::module_of(run.program), optimize);
      test::Memory native = test::native(run.program, executables.at(0), pool.context());
      test::require_same(run.program, expected, native);
    }
  }
}
