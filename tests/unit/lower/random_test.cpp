// Random graphs: whatever is fused with whatever, the numbers are the interpreter's.
#include "tests/unit/lower/harness.h"

using namespace gradc;

namespace {

// Draws nodes over small shapes; values stay within a few units, so that sums compare well.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed) {
    module_.name = "m";
    Function& function = module_.add_function("f");
    function_ = &function;
    for (int i = 0; i < 3; ++i)
      values_.push_back(
          function.add_parameter({"x" + std::to_string(i), Role::data, 0, 0, 0, {}}, Type{DType::f32, draw_shape()}));
    values_.push_back(function.add_parameter({"w", Role::state, 0, 0, 0, {}}, Type{DType::f32, draw_shape()}));
    Value* state = values_.back();
    Builder builder(function.body);
    int nodes = 3 + static_cast<int>(random_() % 12);
    for (int i = 0; i < nodes; ++i) values_.push_back(draw_node(builder));
    std::vector<Value*> picked;
    for (int i = 0; i < 3; ++i) function.add_result({"y" + std::to_string(i), Role::data}, pick());
    for (Value* v : values_)
      if (v != state && v->node && v->type == state->type) picked.push_back(v);
    if (!picked.empty()) function.add_result({"w", Role::state}, picked[random_() % picked.size()]);
    function.add_result({"last", Role::data}, values_.back());
  }

  const Module& module() const { return module_; }

 private:
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(random_() % static_cast<unsigned>(n)); }
  Value* pick() { return values_[static_cast<std::size_t>(below(static_cast<std::int64_t>(values_.size())))]; }

  Shape draw_shape() {
    static const std::vector<Shape> shapes = {{4, 6}, {6, 4}, {4}, {6}, {2, 3, 4}, {24}, {1, 6}, {4, 1}, {2, 2, 6}, {}};
    return shapes[static_cast<std::size_t>(below(static_cast<std::int64_t>(shapes.size())))];
  }

  Value* draw_node(Builder& b) {
    Value* x = pick();
    std::int64_t rank = static_cast<std::int64_t>(x->type.rank());
    switch (below(13)) {
      case 0:
        return b.one("tanh", {x});
      case 1:
        return b.one("negate", {x});
      case 2:
        return b.one("relu", {x});
      case 3:
      case 4: {
        for (int i = 0; i < 20; ++i) {
          Value* y = pick();
          if (y->type.shape == x->type.shape) return b.one("tanh", {b.one(below(2) ? "add" : "multiply", {x, y})});
        }
        return b.one("sigmoid", {x});
      }
      case 5: {
        IntList order;
        for (std::int64_t d = 0; d < rank; ++d) order.push_back(d);
        std::shuffle(order.begin(), order.end(), random_);
        return b.one("transpose", {x}, {{"permutation", order}});
      }
      case 6: {
        for (int i = 0; i < 20; ++i) {
          Shape shape = draw_shape();
          if (*element_count(shape) == *element_count(x->type.shape)) return b.one("reshape", {x}, {{"shape", shape}});
        }
        return b.one("tanh", {x});
      }
      case 7: {
        if (rank == 0) return b.one("square", {x});
        return b.one(below(2) ? "sum" : "max", {x}, {{"axis", IntList{below(rank)}}, {"keep", below(2) == 1}});
      }
      case 8: {
        IntList low, high, zero;
        for (std::int64_t d = 0; d < rank; ++d)
          low.push_back(below(3)), high.push_back(below(2)), zero.push_back(below(2));
        Value* padded = b.one("pad", {x}, {{"low", low}, {"high", high}, {"interior", zero}, {"value", 0.5}});
        IntList limit;
        for (std::int64_t d = 0; d < rank; ++d)
          limit.push_back(low[static_cast<std::size_t>(d)] + x->type.shape[static_cast<std::size_t>(d)].factor);
        IntList start(limit);
        for (std::int64_t d = 0; d < rank; ++d)
          start[static_cast<std::size_t>(d)] -= x->type.shape[static_cast<std::size_t>(d)].factor;
        return b.one("slice", {padded},
                     {{"start", start}, {"limit", limit}, {"stride", IntList(static_cast<std::size_t>(rank), 1)}});
      }
      case 9: {
        if (rank == 0) return b.one("tanh", {x});
        return b.one("reverse", {x}, {{"axis", IntList{below(rank)}}});
      }
      case 10: {
        for (int i = 0; i < 40; ++i) {
          Value* y = pick();
          if (rank == 2 && y->type.rank() == 2 && x->type.shape[1] == y->type.shape[0])
            return b.one("tanh", {b.one("dot", {x, y},
                                        {{"contract_a", IntList{1}},
                                         {"contract_b", IntList{0}},
                                         {"batch_a", IntList{}},
                                         {"batch_b", IntList{}}})});
        }
        return b.one("tanh", {x});
      }
      case 11: {
        Shape shape = draw_shape();
        if (static_cast<std::int64_t>(shape.size()) <= rank) return b.one("tanh", {x});
        for (std::int64_t d = 0; d < rank; ++d)
          shape[shape.size() - 1 - static_cast<std::size_t>(d)] = x->type.shape[static_cast<std::size_t>(rank - 1 - d)];
        return b.broadcast_to(x, shape);
      }
      default: {
        if (rank == 0) return b.one("tanh", {x});
        Value* s = b.one("max", {x}, {{"axis", IntList{rank - 1}}, {"keep", true}});
        Value* e = b.one("exp", {b.one("subtract", {x, s})});
        return b.one("divide", {e, b.one("sum", {e}, {{"axis", IntList{rank - 1}}, {"keep", true}})});
      }
    }
  }

  std::mt19937 random_;
  Module module_;
  Function* function_ = nullptr;
  std::vector<Value*> values_;
};

// Sums of a few dozen numbers below ten, a dozen operations deep.
constexpr double kSum = 1e-4;

void check_graph(unsigned seed) {
  RandomGraph graph(seed);
  INFO("seed " << seed << "\n" << print(graph.module()));
  static const char* cpus[] = {"x86-64", "haswell", "znver5"};
  const char* cpu = cpus[seed % 3];
  testing::Run fused = testing::run_both(graph.module(), cpu, 2);
  testing::check_close(fused, kSum);
  // The same bits with and without fusion.
  testing::Run plain = testing::run_both(graph.module(), cpu, 0);
  for (std::size_t i = 0; i < plain.got.size(); ++i) CHECK(plain.got[i] == fused.got[i]);
}

}  // namespace

TEST_CASE("random graphs") {
  for (unsigned seed = 0; seed < 150; ++seed) check_graph(seed);
}

TEST_CASE("many random graphs", "[slow]") {
  for (unsigned seed = 1000; seed < 6000; ++seed) check_graph(seed);
}
