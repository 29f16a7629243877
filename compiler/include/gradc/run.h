// Compiled programs in C++: compile, call, train.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradc/fit.h"
#include "gradc/model.h"

namespace gradc {

class ModelCompiler;

inline namespace api {

template <class T>
struct ElementType;
template <>
struct ElementType<float> {
  static constexpr DType dtype = DType::f32;
};
template <>
struct ElementType<double> {
  static constexpr DType dtype = DType::f64;
};
template <>
struct ElementType<std::int32_t> {
  static constexpr DType dtype = DType::i32;
};
template <>
struct ElementType<std::int64_t> {
  static constexpr DType dtype = DType::i64;
};
template <>
struct ElementType<std::uint32_t> {
  static constexpr DType dtype = DType::u32;
};
template <>
struct ElementType<std::uint8_t> {
  static constexpr DType dtype = DType::u8;
};

// An input of one call: elements, row-major, borrowed until the call returns. Without a shape it is the input's, and a
// symbol in it (the batch) follows from the number of elements.
class Feed {
 public:
  template <class T>
  Feed(std::span<const T> elements, std::vector<std::int64_t> shape = {})  // NOLINT: elements are a feed
      : data_(elements.data()),
        elements_(static_cast<std::int64_t>(elements.size())),
        dtype_(ElementType<T>::dtype),
        shape_(std::move(shape)) {}
  template <class T>
  Feed(const std::vector<T>& elements, std::vector<std::int64_t> shape = {})  // NOLINT
      : Feed(std::span<const T>(elements), std::move(shape)) {}
  // {"x", {1.0, 2.0}}: elements written out in the call.
  template <class T>
    requires requires { ElementType<T>::dtype; }
  Feed(std::initializer_list<T> elements, std::vector<std::int64_t> shape = {})
      : Feed(std::span<const T>(elements.begin(), elements.size()), std::move(shape)) {}

  const void* data() const { return data_; }
  std::int64_t elements() const { return elements_; }
  DType dtype() const { return dtype_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }  // empty: not given

 private:
  const void* data_;
  std::int64_t elements_;
  DType dtype_;
  std::vector<std::int64_t> shape_;
};
using Feeds = std::initializer_list<std::pair<std::string_view, Feed>>;
using Scalars = std::initializer_list<std::pair<std::string_view, double>>;

// Parameters, optimizer slots, counters, key: one block, owned by the caller, with the workspace of its calls.
// One thread at a time may use a state.
class State {
 public:
  State(std::shared_ptr<ModelCompiler> compiler, std::int64_t seed);
  ~State();
  State(State&&) noexcept;
  State& operator=(State&&) noexcept;

  std::vector<std::string> names() const;
  Tensor get(std::string_view name) const;               // a copy; UserError for an unknown name
  void set(std::string_view name, const Tensor& value);  // UserError where the type differs
  // Safetensors files. load takes parameters and statistics by name and shape, all of them.
  void save(const std::string& path) const;
  void load(const std::string& path);

  runtime::Block& block();
  struct Data;
  Data& data() const { return *data_; }

 private:
  std::unique_ptr<Data> data_;
};

// What a call gave: its outputs by name, owned.
class Result {
 public:
  Result(std::string loss, std::map<std::string, Tensor, std::less<>> outputs)
      : loss_(std::move(loss)), outputs_(std::move(outputs)) {}
  float loss() const;                                     // the objective; UserError where the program has none
  const Tensor& operator[](std::string_view name) const;  // UserError for an unknown name
  const std::map<std::string, Tensor, std::less<>>& outputs() const { return outputs_; }

 private:
  std::string loss_;
  std::map<std::string, Tensor, std::less<>> outputs_;
};

struct CompileOptions {
  int optimize = 2;
  std::string cpu = "native";
  int threads = 1;  // the bits of a result do not depend on it
};

// A program, compiled for each shape it is called with, and kept. Const and free to share between threads that each
// have a state.
class Executable {
 public:
  Executable(std::shared_ptr<ModelCompiler> compiler, std::string program, int threads);
  const std::string& program() const { return program_; }
  // Runs once over the state. Unknown or missing inputs, other dtypes or shapes than declared, and integers outside of
  // an input's range are a UserError; the state is untouched then.
  Result operator()(State& state, Feeds feeds, Scalars scalars = {}, Place at = Place::current()) const;
  const std::shared_ptr<ModelCompiler>& compiler() const { return compiler_; }
  int threads() const { return threads_; }

 private:
  std::shared_ptr<ModelCompiler> compiler_;
  std::string program_;
  int threads_;
};

Executable compile(const Model& model, const Program& program, const CompileOptions& options = {});
Executable compile(const Model& model, const std::string& program, const CompileOptions& options = {});

// Examples in memory for `fit`, copied: the first axis of every feed counts examples.
runtime::DataSet examples(Feeds feeds, Place at = Place::current());

// The training loop of `gradc train` over a state: epochs, shuffling by seed, callbacks per step and epoch that see the
// metrics and may stop it (gradc/fit.h). `options.initialize` is off: the state is trained on from where it is.
// Statistics of inputs (`options.statistics` is the model's) are set from the training examples, unless the state has
// them already: of an earlier call, or of load() or set().
runtime::FitResult fit(const Executable& train, State& state, const runtime::FitData& data,
                       runtime::FitOptions options = {});

// The same over the model's plan; without one over its only program that trains. `options.train` and `options.plan` are
// the model's.
runtime::FitResult fit(const Model& model, State& state, const runtime::FitData& data, runtime::FitOptions options = {},
                       const CompileOptions& compile_options = {}, Place at = Place::current());

}  // namespace api
}  // namespace gradc
