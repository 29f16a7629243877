// Batches: gathering rows, running, averaging; evaluation and prediction over whole data sets.
#include "batches.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace gradc::runtime {

namespace {

template <class T>
double load_as_double(const std::byte* data, std::int64_t index) {
  T value{};
  std::memcpy(&value, data + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return static_cast<double>(value);
}

template <class T>
double sum_of(const std::byte* data, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += load_as_double<T>(data, i);
  return sum;
}

}  // namespace

double sum_as_double(gradc_dtype dtype, const std::byte* data, std::int64_t count) {
  switch (dtype) {
    case GRADC_F32:
      return sum_of<float>(data, count);
    case GRADC_F64:
      return sum_of<double>(data, count);
    case GRADC_I32:
      return sum_of<std::int32_t>(data, count);
    case GRADC_I64:
      return sum_of<std::int64_t>(data, count);
    case GRADC_U32:
      return sum_of<std::uint32_t>(data, count);
    case GRADC_U8:
    case GRADC_BOOL:
      return sum_of<std::uint8_t>(data, count);
  }
  return 0;
}

namespace {

void check_batch(const Executable& executable, std::int64_t batch) {
  for (const Array& input : executable.inputs) {
    if (!input.shape.empty() && input.shape[0] == batch) continue;
    const std::string type = str(input.dtype, input.shape);
    if (input.shape.empty()) {
      throw DataError("input `" + input.name + "` of program `" + executable.program + "` is " + type +
                      ": it has no batch axis, so no data set can feed it");
    }
    throw DataError("input `" + input.name + "` of program `" + executable.program + "` is " + type +
                    ": its first axis is fixed, so it can't take a batch of " + std::to_string(batch) + " examples");
  }
}

}  // namespace

double element_as_double(gradc_dtype dtype, const std::byte* data, std::int64_t index) {
  return sum_as_double(dtype, data + index * byte_size(dtype), 1);
}

Prepared::Prepared(const Executable& executable, ThreadPool* pool)
    : executable_(&executable), runner_(executable, pool) {
  input_pointers_.resize(executable.inputs.size());
  for (const Array& output : executable.outputs) {
    outputs_.emplace_back(output.bytes());
    output_pointers_.push_back(outputs_.back().data());
  }
}

void Prepared::run_gathered(std::span<const Column* const> columns, std::span<const std::int64_t> examples,
                            void* state) {
  if (inputs_.empty()) {
    for (const Array& input : executable_->inputs) inputs_.emplace_back(input.bytes());
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::int64_t row = columns[i]->row_bytes();
    const std::byte* from = columns[i]->data.data();
    std::byte* to = inputs_[i].data();
    for (const std::int64_t example : examples) {
      std::memcpy(to, from + example * row, static_cast<std::size_t>(row));
      to += row;
    }
    input_pointers_[i] = inputs_[i].data();
  }
  runner_.run(input_pointers_, output_pointers_, state);
}

void Prepared::run_in_place(std::span<const Column* const> columns, std::int64_t first, void* state) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    input_pointers_[i] = columns[i]->data.data() + first * columns[i]->row_bytes();
  }
  runner_.run(input_pointers_, output_pointers_, state);
}

DataSet Program::fit(const DataSet& data, std::int64_t batch, const Conform& options) {
  return conform(data, at(batch).executable().inputs, options);
}

std::vector<const Column*> Program::columns(const DataSet& fitted, std::int64_t batch) {
  std::vector<const Column*> columns;
  for (const Array& input : at(batch).executable().inputs) columns.push_back(fitted.find(input.name));
  return columns;
}

Prepared& Program::at(std::int64_t batch) {
  std::unique_ptr<Prepared>& prepared = prepared_[batch];
  if (prepared) return *prepared;
  const Executable& executable = provide_(name_, batch);
  check_batch(executable, batch);
  auto made = std::make_unique<Prepared>(executable, pool_);
  for (const auto& [name, value] : scalars_) {
    const int index = executable.scalar(name);
    if (index < 0) throw Error("program `" + name_ + "` has no scalar `" + name + "`");
    made->runner().set_scalar(index, value);
  }
  for (const auto& [name, value] : known_)
    if (const int index = executable.scalar(name); index >= 0) made->runner().set_scalar(index, value);
  prepared = std::move(made);
  return *prepared;
}

void Program::set_where_known(const std::string& name, double value) {
  known_[name] = value;
  for (auto& [batch, prepared] : prepared_)
    if (const int index = prepared->executable().scalar(name); index >= 0) prepared->runner().set_scalar(index, value);
}

bool over_batches(Program& program, const DataSet& fitted, std::int64_t batch, void* state,
                  const std::function<bool(const Prepared&, std::int64_t, std::int64_t)>& each) {
  const std::vector<const Column*> columns = program.columns(fitted, std::min(batch, fitted.examples));
  for (std::int64_t first = 0; first < fitted.examples; first += batch) {
    const std::int64_t count = std::min(batch, fitted.examples - first);
    Prepared& prepared = program.at(count);
    prepared.run_in_place(columns, first, state);
    if (!each(prepared, first, count)) return false;
  }
  return true;
}

Metrics evaluate(const Provide& provide, const ProgramUse& use, void* state, const DataSet& data, std::int64_t batch,
                 ThreadPool* pool) {
  if (data.examples == 0) throw DataError("the data set has no examples");
  Program program(provide, use.name, pool);
  const DataSet fitted = program.fit(data, std::min(batch, data.examples), {});
  Averages averages(use);
  over_batches(program, fitted, batch, state, [&](const Prepared& prepared, std::int64_t, std::int64_t count) {
    averages.add(prepared, count);
    return true;
  });
  return averages.metrics();
}

DataSet predict(const Provide& provide, std::string_view name, void* state, const DataSet& data,
                std::span<const std::string> outputs, std::int64_t batch, ThreadPool* pool) {
  if (data.examples == 0) throw DataError("the data set has no examples");
  Program program(provide, std::string(name), pool);
  batch = std::min(batch, data.examples);
  const DataSet fitted = program.fit(data, batch, {});
  const Executable& executable = program.at(batch).executable();
  std::vector<std::string> wanted(outputs.begin(), outputs.end());
  const auto is_batched = [&](const Array& output) { return !output.shape.empty() && output.shape[0] == batch; };
  if (wanted.empty()) {
    for (const Array& output : executable.outputs) {
      if (is_batched(output)) wanted.push_back(output.name);
    }
  }
  DataSet result;
  for (const std::string& output_name : wanted) {
    const int index = executable.output(output_name);
    if (index < 0) throw Error("program `" + executable.program + "` has no output `" + output_name + "`");
    const Array& output = executable.outputs[static_cast<std::size_t>(index)];
    if (!is_batched(output)) {
      throw Error("output `" + output_name + "` is " + str(output.dtype, output.shape) +
                  ", not a value for each example");
    }
    result.add(make_column(output_name, output.dtype, {output.shape.begin() + 1, output.shape.end()}, data.examples,
                           "program " + executable.program));
  }
  over_batches(program, fitted, batch, state, [&](const Prepared& prepared, std::int64_t first, std::int64_t count) {
    for (Column& column : result.columns) {
      const auto index = static_cast<std::size_t>(prepared.executable().output(column.name));
      std::memcpy(column.data.data() + first * column.row_bytes(), prepared.output(index),
                  static_cast<std::size_t>(count * column.row_bytes()));
    }
    return true;
  });
  return result;
}

}  // namespace gradc::runtime
