// A model in C++: inputs, parameters, layers, objectives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gradc/expr.h"
#include "ir/tensor.h"

namespace gradc {

struct ModelGraph;
struct ReportRequest;

inline namespace api {

// "normal(0, 0.1)", "zeros", as in a spec; or explicit elements, row-major.
struct Init {
  std::string text;
  std::vector<double> elements;
  Init(const char* t) : text(t) {}             // NOLINT: a string is an initialiser
  Init(std::string t) : text(std::move(t)) {}  // NOLINT
  Init(std::initializer_list<double> e) : elements(e) {}
  Init(std::vector<double> e) : elements(std::move(e)) {}  // NOLINT: elements are an initialiser
};

// One size for all spatial dimensions, or one for each.
struct Sizes {
  IntList list;
  Sizes(std::int64_t size) : list{size} {}  // NOLINT: a number is a size
  Sizes(int size) : list{size} {}           // NOLINT
  Sizes(std::initializer_list<std::int64_t> sizes) : list(sizes) {}
};

// Sizes, or "same".
struct Padding {
  std::variant<IntList, std::string> value;
  Padding(std::int64_t size) : value(IntList{size}) {}  // NOLINT: a number is a padding
  Padding(int size) : value(IntList{size}) {}           // NOLINT
  Padding(std::initializer_list<std::int64_t> sizes) : value(IntList(sizes)) {}
  Padding(const char* text) : value(std::string(text)) {}  // NOLINT
};

// How a number of an optimizer follows the steps of its program: a schedule of SPEC.md with its numbers, and its length
// in epochs or steps. Schedule{.kind = "cosine", .numbers = {{"start", 0.1}}, .epochs = {20}}
struct Schedule {
  std::string kind;
  std::vector<std::pair<std::string, double>> numbers = {};
  std::vector<double> epochs = {}, steps = {};
  double warm_up_epochs = 0, warm_up_steps = 0;
};

// A number of an optimizer: fixed, or by a schedule.
struct Rate {
  double number = 0;
  std::optional<Schedule> schedule = {};
  Rate(double n) : number(n) {}                 // NOLINT: a number is a rate
  Rate(Schedule s) : schedule(std::move(s)) {}  // NOLINT: a schedule is a rate
};

// A row of the optimizer table with its numbers; made by sgd(…), adam(…) of <gradc/ops.h>.
struct Optimizer {
  std::string kind;
  std::vector<std::pair<std::string, Rate>> numbers;
  std::vector<std::pair<std::string, bool>> flags;
};

// A program of a model, by name.
class Program {
 public:
  Program(ModelBuilder& model, std::size_t index) : model_(&model), index_(index) {}
  const std::string& name() const;
  // A value per example that the program reports: averaged over examples, or `reduce`: sum, max, min, sqrt_mean,
  // exp_mean.
  Program& report(const std::string& name, const Expr& value, const std::string& reduce = "mean",
                  Place at = Place::current());
  // The mean of a value over all examples of a data set, each counted as often as its weight says: Σ weight · value /
  // Σ weight. The weight broadcasts to the value; what has weight 0 does not count.
  Program& report_weighted(const std::string& name, const Expr& value, const Expr& weight, Place at = Place::current());
  // Counts of (true class, predicted class); both are classes, or [N, classes] with the highest as the class.
  Program& report_confusion(const std::string& name, const Expr& value, const Expr& target, std::int64_t classes = 0,
                            Place at = Place::current());
  // What decides which epoch is best; training stops after `patience` epochs without a better one (0: never). Without
  // `highest`, reports of booleans are better higher, all others lower.
  Program& monitor(const std::string& metric, std::int64_t patience = 0, std::optional<bool> highest = {});
  // Trains only the parameters that match a glob.
  Program& only(std::vector<std::string> globs);
  Program& epochs(std::int64_t count);
  Program& batch(std::int64_t size);
  // One update for so many batches, with the mean of their gradients.
  Program& accumulate(std::int64_t batches);

 private:
  void add_report(ReportRequest report, const Location& at);

  ModelBuilder* model_;
  std::size_t index_;
};

// A stage of training: one program, or several that take turns of so many steps. 0 epochs or batch: the first one's.
struct TrainStage {
  std::string program = {};
  std::vector<std::pair<std::string, std::int64_t>> alternate = {};
  std::int64_t epochs = 0, batch = 0;
  std::string name = {};
};

class State;  // <gradc/run.h>

class Model {
 public:
  explicit Model(const std::string& name = "model");
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  Dim dim(const std::string& symbol) const { return {1, symbol}; }
  Expr input(const std::string& name, DType dtype, Shape shape, Place at = Place::current());
  Expr parameter(const std::string& name, DType dtype, Shape shape, const Init& init, Place at = Place::current());
  Expr constant(DType dtype, Shape shape, const std::vector<double>& elements, Place at = Place::current());

  // What the program `predict` hands out.
  void output(const std::string& name, const Expr& value, Place at = Place::current());
  Program minimize(const std::string& program, const Expr& objective, const Optimizer& optimizer,
                   Place at = Place::current());
  Program maximize(const std::string& program, const Expr& objective, const Optimizer& optimizer,
                   Place at = Place::current());
  // Runs in evaluation mode, and reports the objective of training too.
  Program evaluate(const std::string& program, const std::string& report, const Expr& value,
                   Place at = Place::current());
  // Adds l1 · Σ|w| + l2 · Σw² of the parameters that match to every objective.
  void regularize(const std::string& glob, double l1, double l2, Place at = Place::current());
  void freeze(const std::string& glob, Place at = Place::current());
  // Stages of training, one after the other, for `fit` over the model.
  void plan(const std::vector<TrainStage>& stages, Place at = Place::current());
  // Training reports norms, gradient norms, update ratios and shares of zeros of the parameters and named values that
  // match.
  void watch(const std::string& glob);

  // The initial state: parameters as their initialisers draw them from the seed, empty optimizer slots. Compiles `init`
  // for this machine. A state serves every program that the model has by now.
  State init(std::int64_t seed = 0) const;
  // The functions of all programs. UserError where a glob matches nothing or there is nothing to train.
  std::unique_ptr<ModelGraph> graph() const;
  ModelBuilder& builder() const { return *builder_; }

 private:
  Program add_program(const std::string& name, const Expr& objective, bool maximize, const Optimizer& optimizer,
                      Place at);

  std::unique_ptr<ModelBuilder> builder_;
  std::optional<std::size_t> predict_;
};

// An argument of a layer, by name.
using LayerArgument = std::variant<bool, std::int64_t, double, Sizes, Padding, Init, std::string>;
using LayerArguments = std::vector<std::pair<std::string, LayerArgument>>;

// A layer as an object: its parameters are made at the first call and used again at the others.
class Layer {
 public:
  Layer(Model& model, std::string_view layer, const std::string& name, LayerArguments arguments, Place at);
  Expr operator()(const Expr& x, Place at = Place::current()) { return (*this)(std::vector<Expr>{x}, at); }
  Expr operator()(const std::vector<Expr>& operands, Place at = Place::current());  // bilinear({a, b})

 private:
  struct Data;
  std::shared_ptr<Data> data_;
};

// The layer's own result, then those with names; operands that may be left out are nullopt.
std::vector<Expr> apply_layer_all(ModelBuilder& model, std::string_view layer, const std::string& name,
                                  const std::vector<std::optional<Expr>>& operands, const LayerArguments& arguments,
                                  Place at);
// A layer that is called once; the second, one that owns no parameters.
Expr apply_layer(ModelBuilder& model, std::string_view layer, const std::string& name,
                 const std::vector<Expr>& operands, const LayerArguments& arguments, Place at);
Expr apply_layer(const std::vector<Expr>& operands, std::string_view layer, const LayerArguments& arguments, Place at);

// x · weightᵀ + bias, shared between its calls. `in` is the length of x's last dimension.
class Linear {
 public:
  Linear(Model& model, const std::string& name, std::int64_t in, std::int64_t units, bool bias = true,
         Place at = Place::current())
      : layer_(model, "linear", name, {{"units", units}, {"bias", bias}}, at), in_(in) {}
  Expr operator()(const Expr& x, Place at = Place::current());

 private:
  Layer layer_;
  std::int64_t in_;
};

}  // namespace api
}  // namespace gradc
