// Data sets: named columns of examples, the readers that fill them, and their fitting to a model's inputs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradc/error.h"
#include "gradc/executable.h"

namespace gradc::runtime {

// One array whose first axis counts examples, row-major.
struct Column {
  std::string name;
  gradc_dtype dtype = GRADC_F32;
  std::vector<std::int64_t> shape;  // of one example
  std::int64_t examples = 0;
  std::string origin;  // file or generator, for messages
  Block data;

  std::int64_t row_elements() const;
  std::int64_t row_bytes() const { return row_elements() * byte_size(dtype); }
  std::int64_t elements() const { return examples * row_elements(); }
  // Elements as T, which must be as wide as the dtype.
  template <class T>
  std::span<T> values() {
    return {reinterpret_cast<T*>(data.data()), static_cast<std::size_t>(elements())};
  }
  template <class T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(data.data()), static_cast<std::size_t>(elements())};
  }
  std::string type() const { return str(dtype, shape); }  // of one example: "u8[28,28]"
};
// With room for its examples, all zero. DataError where the size overflows.
Column make_column(std::string name, gradc_dtype dtype, std::vector<std::int64_t> shape, std::int64_t examples,
                   std::string origin);

struct DataSet {
  std::int64_t examples = 0;
  std::vector<Column> columns;
  std::string vocabulary;  // of text: character i of it has number i

  const Column* find(std::string_view name) const;
  // Adds a column; DataError where its count of examples differs from the others'.
  void add(Column column);
};

// Where the examples of one split come from: files of a format, or a generator.
struct DataSource {
  std::string format;                                      // of data_formats(); "": the generator
  std::vector<std::pair<std::string, std::string>> files;  // input name → path, relative to the data directory
  std::string generator;                                   // of generator_names()
  std::vector<std::pair<std::string, double>> options;     // of the generator
  std::string vocabulary;                                  // of text: of the training examples; "": the file's own
};
std::vector<std::string> data_formats();
std::vector<std::string> generator_names();
// Options of a generator with their defaults, in order.
std::vector<std::pair<std::string, double>> generator_options(std::string_view generator);
// What is wrong with an option's value, as "examples is 2.5, not a whole number from 1 to 100000000"; "" for nothing.
std::string wrong_generator_option(std::string_view generator, std::string_view option, double value);

// Reads the files (relative paths begin at `directory`) or runs the generator. `inputs` are the model's data inputs,
// the batch first: CSV, CIFAR and text need to know which columns belong to which. Values are as the files have them.
DataSet read_data(const DataSource& source, const std::string& directory, std::span<const Array> inputs);

struct Conform {
  bool refuse_infinite = false;  // NaN is refused always
};
// The columns that the inputs name, each converted to its input's dtype and example shape:
// - u8 arrays (not scalars) become floats divided by 255; other numbers keep their value, and one that the dtype can't
//   hold (1.5 as i32) is a DataError;
// - shapes with equal counts of elements fit, unless only the order of the axes differs (28x28x3 for 3x28x28);
// - integers outside of an input's declared range, and NaN in floats, are a DataError with the example's number.
DataSet conform(const DataSet& data, std::span<const Array> inputs, const Conform& options = {});

// Single readers. `name` becomes the column's name.
Column read_idx(const std::string& path, std::string name);  // plain or .gz
Column read_npy(const std::string& path, std::string name);
Column read_npz(const std::string& path, const std::string& array, std::string name);  // stored or deflated
// CIFAR-10 or CIFAR-100 (its fine labels) in the binary version: u8[3,32,32] and i32[]. Several files are joined.
std::pair<Column, Column> read_cifar(const std::vector<std::string>& paths, std::string image, std::string label);
// Numbers separated by commas, one example a line; a first line that is no numbers names the columns.
struct CsvTable {
  std::string origin;
  std::vector<std::string> names;  // empty without a first line of names
  std::int64_t rows = 0, width = 0;
  std::vector<double> cells;
};
CsvTable read_csv(const std::string& path);
// Characters as i32 numbers of the vocabulary: of the given one, which must have them all, or where that is empty of
// the file's bytes, sorted; then it is handed back.
// Cut into runs of `length`; a shorter rest is dropped.
Column read_text(const std::string& path, std::string name, std::int64_t length, std::string& vocabulary);
// One example a line: 0, the line's characters, then 0 up to `length`: number 0 of the vocabulary is the line's end,
// and starts and ends every line. Empty lines are passed over; a line that does not fit is a DataError.
Column read_lines(const std::string& path, std::string name, std::int64_t length, std::string& vocabulary);

// NumPy's format, from and to memory or files.
Column parse_npy(std::span<const std::byte> bytes, const std::string& file, std::string name);
void write_npy(const std::string& path, const Column& column);

}  // namespace gradc::runtime
