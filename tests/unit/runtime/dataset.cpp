// Fitting data to a model's inputs, choosing readers, generators.
#include "gradc/dataset.h"

#include <cmath>
#include <map>

#include "gradc/random.h"
#include "tests/support/catch.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::runtime;
using namespace gradc::test;

namespace {

Array input(std::string name, gradc_dtype dtype, std::vector<std::int64_t> shape, std::int64_t upper = 0) {
  Array array;
  array.name = std::move(name);
  array.dtype = dtype;
  array.shape = std::move(shape);
  array.upper = upper;
  return array;
}

template <class T>
DataSet data_of(std::string name, gradc_dtype dtype, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  Column column = make_column(std::move(name), dtype, std::move(shape), 0, "file");
  const std::int64_t examples = static_cast<std::int64_t>(values.size()) / column.row_elements();
  column = make_column(column.name, dtype, column.shape, examples, "file");
  std::copy(values.begin(), values.end(), column.values<T>().begin());
  DataSet data;
  data.add(std::move(column));
  return data;
}

template <class T>
std::vector<T> list(const Column& column) {
  const auto values = column.values<T>();
  return {values.begin(), values.end()};
}

DataSet fit_one(const DataSet& data, const Array& array, const Conform& options = {}) {
  return conform(data, std::span(&array, 1), options);
}

DataSource generator(std::string name, std::vector<std::pair<std::string, double>> options = {}) {
  DataSource source;
  source.generator = std::move(name);
  source.options = std::move(options);
  return source;
}

}  // namespace

TEST_CASE("images become floats divided by 255, in the model's shape") {
  const DataSet data = data_of<std::uint8_t>("x", GRADC_U8, {2, 2}, {0, 51, 255, 102, 1, 2, 3, 4});
  const DataSet fitted = fit_one(data, input("x", GRADC_F32, {64, 1, 2, 2}));
  CHECK(fitted.columns[0].type() == "f32[1,2,2]");
  CHECK(list<float>(fitted.columns[0]) ==
        std::vector{0.F, 51 / 255.F, 1.F, 102 / 255.F, 1 / 255.F, 2 / 255.F, 3 / 255.F, 4 / 255.F});
  CHECK(list<double>(fit_one(data, input("x", GRADC_F64, {1, 4})).columns[0])[1] == 51 / 255.0);
  CHECK(list<std::int32_t>(fit_one(data, input("x", GRADC_I32, {1, 4})).columns[0])[2] == 255);
}

TEST_CASE("numbers keep their value, or it is an error") {
  const DataSet labels = data_of<std::uint8_t>("y", GRADC_U8, {}, {3, 200});
  CHECK(list<float>(fit_one(labels, input("y", GRADC_F32, {8})).columns[0]) == std::vector{3.F, 200.F});
  CHECK(list<std::int32_t>(fit_one(labels, input("y", GRADC_I32, {8, 1})).columns[0]) == std::vector{3, 200});
  const DataSet wide = data_of<std::int64_t>("y", GRADC_I64, {}, {5, std::int64_t{1} << 40});
  CHECK(has(message_of<DataError>([&] { fit_one(wide, input("y", GRADC_I32, {8})); }),
            "file: example 1: 1099511627776 is no value of `y`, which is i32"));
  const DataSet real = data_of<double>("y", GRADC_F64, {}, {5, 1.5});
  CHECK(has(message_of<DataError>([&] { fit_one(real, input("y", GRADC_I32, {8})); }), "1.5 is no value"));
  CHECK(list<std::int64_t>(
            fit_one(data_of<double>("y", GRADC_F64, {}, {-5, 7}), input("y", GRADC_I64, {8})).columns[0]) ==
        std::vector<std::int64_t>{-5, 7});
  CHECK(has(message_of<DataError>([&] { fit_one(labels, input("y", GRADC_BOOL, {8})); }), "3 is no value"));
}

TEST_CASE("labels outside of their declared range, NaN and infinities name the example") {
  const DataSet labels = data_of<std::int32_t>("label", GRADC_I32, {}, {3, 9, 10});
  CHECK(fit_one(labels, input("label", GRADC_I32, {8}, 11)).examples == 3);
  CHECK(message_of<DataError>([&] { fit_one(labels, input("label", GRADC_I32, {8}, 10)); }) ==
        "file: example 2: `label` is 10, outside of its range 0 to 9");
  const DataSet nan = data_of<float>("x", GRADC_F32, {2}, {1, 2, 3, NAN});
  CHECK(message_of<DataError>([&] { fit_one(nan, input("x", GRADC_F32, {8, 2})); }) ==
        "file: example 1, element 1: `x` is NaN");
  CHECK(has(message_of<DataError>([&] { fit_one(nan, input("x", GRADC_I32, {8, 2})); }), "`x` is NaN"));
  const DataSet infinite = data_of<float>("x", GRADC_F32, {}, {1, -INFINITY});
  CHECK(fit_one(infinite, input("x", GRADC_F32, {8})).examples == 2);
  CHECK(has(message_of<DataError>([&] { fit_one(infinite, input("x", GRADC_F32, {8}), {.refuse_infinite = true}); }),
            "example 1: `x` is infinite"));
  const DataSet large = data_of<double>("x", GRADC_F64, {}, {1e300});
  CHECK(message_of<DataError>([&] { fit_one(large, input("x", GRADC_F32, {8})); }) ==
        "file: example 0: 1e+300 is no value of `x`, which is f32");
  const DataSet wide = data_of<double>("x", GRADC_F64, {}, {INFINITY, -3.4e38, 1e-300});
  CHECK(fit_one(wide, input("x", GRADC_F32, {8})).examples == 3);
}

TEST_CASE("shapes that don't fit, missing columns, differing counts") {
  const DataSet last = data_of<float>("x", GRADC_F32, {2, 2, 3}, std::vector<float>(24));
  CHECK(has(message_of<DataError>([&] { fit_one(last, input("x", GRADC_F32, {8, 3, 2, 2})); }),
            "an example of `x` is f32[2,2,3], which does not fit the model's f32[3,2,2]"));
  CHECK(fit_one(last, input("x", GRADC_F32, {8, 4, 3})).examples == 2);
  CHECK(has(message_of<DataError>([&] { fit_one(last, input("x", GRADC_F32, {8, 13})); }), "does not fit"));
  CHECK(has(message_of<DataError>([&] { fit_one(last, input("image", GRADC_F32, {8, 12})); }),
            "the data has no `image`, an input of the model; it has `x`"));
  DataSet data = data_of<float>("x", GRADC_F32, {}, {1, 2, 3});
  CHECK(has(message_of<DataError>([&] { data.add(make_column("y", GRADC_I32, {}, 2, "labels")); }),
            "labels: `y` has 2 examples, but `x` has 3 (file)"));
}

TEST_CASE("csv columns go to inputs by name, or in order") {
  const TemporaryDirectory dir;
  dir.write("named.csv", "label,x.a,x.b\n1,2,3\n0,5,6\n");
  dir.write("plain.csv", "2,3,1\n5,6,0\n");
  const std::vector<Array> inputs = {input("x", GRADC_F32, {1, 2}), input("label", GRADC_I32, {1}, 2)};
  for (const char* file : {"named.csv", "plain.csv"}) {
    DataSource source;
    source.format = "csv";
    source.files = {{"x", file}, {"label", file}};
    const DataSet data = conform(read_data(source, dir.path(), inputs), inputs);
    CHECK(list<float>(data.columns[0]) == std::vector{2.F, 3.F, 5.F, 6.F});
    CHECK(list<std::int32_t>(data.columns[1]) == std::vector{1, 0});
  }
  // A program that predicts takes no labels.
  DataSource both;
  both.format = "csv";
  both.files = {{"label", "named.csv"}, {"x", "named.csv"}};
  CHECK(read_data(both, dir.path(), std::span(inputs).first(1)).columns.size() == 1);
  both.files = {{"label", "front.csv"}, {"x", "front.csv"}};
  dir.write("front.csv", "1,2,3\n0,5,6\n");
  CHECK(list<double>(read_data(both, dir.path(), std::span(inputs).first(1)).columns[0]) ==
        std::vector<double>{2, 3, 5, 6});
  DataSource wrong;
  wrong.format = "csv";
  wrong.files = {{"x", "plain.csv"}, {"label", "plain.csv"}};
  const std::vector<Array> wide = {input("x", GRADC_F32, {1, 3}), input("label", GRADC_I32, {1})};
  CHECK(has(message_of<DataError>([&] { read_data(wrong, dir.path(), wide); }),
            "`label` takes 1 columns, 0 of the file's 3 are left"));
}

TEST_CASE("files are found with and without .gz, and by pattern") {
  const TemporaryDirectory dir;
  const std::string labels = std::string("\0\0\x08\x01\0\0\0\x02", 8) + "\x03\x04";
  dir.write("labels-idx1-ubyte", labels);
  dir.write("other.gz", gzip(labels));
  const std::vector<Array> inputs = {input("label", GRADC_I32, {1})};
  DataSource source;
  source.format = "idx";
  source.files = {{"label", "labels-idx1-ubyte.gz"}};
  CHECK(read_data(source, dir.path(), inputs).examples == 2);
  source.files = {{"label", "other"}};
  CHECK(read_data(source, dir.path(), inputs).examples == 2);
  source.files = {{"label", "absent"}};
  CHECK(
      has(message_of<FileError>([&] { read_data(source, dir.path(), inputs); }), "absent: cannot open: No such file"));
  CHECK(has(message_of<FileError>([&] { read_data(source, dir.file("nowhere"), inputs); }),
            "there is no such data directory"));
  source.format = "hdf5";
  CHECK(has(message_of<DataError>([&] { read_data(source, dir.path(), inputs); }), "unknown data format `hdf5`"));
}

TEST_CASE("every generator: shapes, balance, the same numbers again, others for another seed") {
  for (const std::string& name : generator_names()) {
    CAPTURE(name);
    if (name == "sine" || name == "discs") continue;  // no classes
    const bool glyphs = name == "glyphs";
    const int classes = glyphs ? 10 : name == "spiral" || name == "blobs" ? 3 : 2;
    const std::vector<Array> inputs = {
        input("x", GRADC_F32, glyphs ? std::vector<std::int64_t>{1, 1, 28, 28} : std::vector<std::int64_t>{1, 2}),
        input("y", GRADC_I32, {1}, classes)};
    const auto run = [&](double seed, double examples) {
      return conform(read_data(generator(name, {{"examples", examples}, {"seed", seed}}), "", inputs), inputs);
    };
    const DataSet data = run(1, 60);
    CHECK(data.examples == 60);
    std::map<int, int> counts;
    for (const int label : list<std::int32_t>(data.columns[1])) ++counts[label];
    CHECK(counts.size() == static_cast<std::size_t>(classes));
    for (const auto& [label, count] : counts) CHECK(count == 60 / classes);
    CHECK(list<float>(data.columns[0]) == list<float>(run(1, 60).columns[0]));
    CHECK(list<float>(data.columns[0]) != list<float>(run(2, 60).columns[0]));
    if (name != "spiral") {  // whose radius follows from the count
      const std::vector<float> more = list<float>(run(1, 90).columns[0]);
      CHECK(std::equal(more.begin(), more.begin() + 60, list<float>(data.columns[0]).begin()));
    }
  }
}

TEST_CASE("generators: geometry") {
  const std::vector<Array> inputs = {input("x", GRADC_F64, {1, 2}), input("y", GRADC_I32, {1})};
  const DataSet quadrants = read_data(generator("xor", {{"examples", 200}}), "", inputs);
  const DataSet rings = read_data(generator("rings", {{"examples", 300}, {"noise", 0}, {"classes", 3}}), "", inputs);
  int wrong = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const auto x = quadrants.columns[0].values<double>().subspan(2 * i, 2);
    wrong += (x[0] > 0) != (x[1] > 0) ? quadrants.columns[1].values<std::int32_t>()[i] != 1
                                      : quadrants.columns[1].values<std::int32_t>()[i] != 0;
  }
  for (std::size_t i = 0; i < 300; ++i) {
    const auto x = rings.columns[0].values<double>().subspan(2 * i, 2);
    const double radius = (rings.columns[1].values<std::int32_t>()[i] + 1) / 3.0;
    wrong += std::abs(std::hypot(x[0], x[1]) - radius) > 1e-12;
  }
  CHECK(wrong == 0);
}

TEST_CASE("generators: one-hot labels, and options that are wrong") {
  const std::vector<Array> inputs = {input("y", GRADC_F32, {1, 3}), input("x", GRADC_F32, {1, 2})};
  const DataSet data = conform(read_data(generator("spiral", {{"examples", 4}}), "", inputs), inputs);
  CHECK(list<float>(data.columns[0]) == std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0});
  const auto why = [&](const DataSource& source) {
    return message_of<DataError>([&] { read_data(source, "", inputs); });
  };
  CHECK(has(why(generator("spirall")),
            "unknown generator `spirall`; known are blobs, discs, glyphs, rings, sine, spiral, "
            "three_modes, xor"));
  CHECK(has(why(generator("spiral", {{"exmples", 3}})),
            "unknown option `exmples`; known are examples, classes, noise, seed"));
  CHECK(has(why(generator("spiral", {{"examples", 2.5}})), "examples is 2.5, not a whole number from 1 to 100000000"));
  CHECK(has(why(generator("glyphs")), "takes neither its points nor a label of 10 classes"));
}

TEST_CASE("the generators' functions agree with libm") {
  for (const double x : {1e-12, 0.1, 0.7, 1.0, 1.5, 3.0, 1e10})
    CHECK(portable_log(x) == Approx(std::log(x)).epsilon(1e-15));
  for (double turns = -1.3; turns < 1.3; turns += 0.01) {
    double sine = 0, cosine = 0;
    portable_sin_cos(turns, &sine, &cosine);
    CHECK(std::abs(sine - std::sin(turns * 6.283185307179586)) < 1e-14);
    CHECK(std::abs(cosine - std::cos(turns * 6.283185307179586)) < 1e-14);
  }
}

TEST_CASE("random numbers: known values, moments, permutations") {
  Random known(0);
  CHECK(known.bits() == 0xe220a8397b1dcdafU);  // first output of SplitMix64 seeded with 0 (Vigna's reference code)
  CHECK(known.bits() == 0x6e789e6aa1b965f4U);
  Random random(7, 1, 2);
  double sum = 0, squares = 0;
  constexpr int kCount = 20000;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  CHECK(std::abs(sum / kCount) < 0.03);  // four deviations of a mean of 20,000
  CHECK(std::abs(squares / kCount - 1) < 0.04);
  const auto order = permutation(100, Random(3));
  std::vector<int> seen(100);
  for (const std::int64_t i : order) ++seen[static_cast<std::size_t>(i)];
  CHECK(seen == std::vector<int>(100, 1));
  CHECK(order != permutation(100, Random(4)));
  CHECK(order == permutation(100, Random(3)));
}

TEST_CASE("glyphs of a digit resemble each other more than those of others") {
  const std::vector<Array> inputs = {input("x", GRADC_F32, {1, 784}), input("y", GRADC_I32, {1})};
  const DataSet data = conform(read_data(generator("glyphs", {{"examples", 3000}}), "", inputs), inputs);
  const auto pixels = data.columns[0].values<float>();
  // The nearest mean image of the first 2,000 names most of the others: far above chance, far from all.
  std::vector<double> means(7840);
  for (std::size_t i = 0; i < 2000 * 784; ++i) means[i / 784 % 10 * 784 + i % 784] += pixels[i] / 200.0;
  int right = 0;
  for (std::size_t i = 2000; i < 3000; ++i) {
    std::size_t best = 0;
    double least = 1e30;
    for (std::size_t digit = 0; digit < 10; ++digit) {
      double distance = 0;
      for (std::size_t p = 0; p < 784; ++p) distance += std::pow(pixels[i * 784 + p] - means[digit * 784 + p], 2);
      if (distance < least) least = distance, best = digit;
    }
    right += best == i % 10;
  }
  CHECK(right > 500);
  CHECK(right < 950);
}

TEST_CASE("sine: targets on the curve, noise around it") {
  const std::vector<Array> inputs = {input("x", GRADC_F32, {8, 1}), input("y", GRADC_F32, {8})};
  const DataSet data = read_data(generator("sine", {{"examples", 500}}), "", inputs);
  const auto x = data.find("x")->values<double>(), y = data.find("y")->values<double>();
  double low = 0, high = 0, worst = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    worst = std::max(worst, std::abs(y[i] - std::sin(x[i])));
  }
  CHECK(low < -3);
  CHECK(high > 3);
  CHECK(std::max(-low, high) < 3.1416);
  CHECK(worst < 1e-15);
  const DataSet noisy = read_data(generator("sine", {{"examples", 2000}, {"noise", 0.1}}), "", inputs);
  double squares = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    const double off = noisy.find("y")->values<double>()[i] - std::sin(noisy.find("x")->values<double>()[i]);
    squares += off * off / 2000;
  }
  CHECK(std::abs(std::sqrt(squares) - 0.1) < 0.01);  // its own deviation is 0.1 / sqrt(4000)
}

TEST_CASE("discs: a label for each disc a point is in") {
  const std::vector<Array> inputs = {input("x", GRADC_F32, {8, 2}), input("y", GRADC_F32, {8, 3})};
  const DataSet data = read_data(generator("discs"), "", inputs);
  const auto x = data.find("x")->values<double>(), y = data.find("y")->values<double>();
  int several = 0, none = 0, wrong = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    int labels = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double angle = 2 * 3.141592653589793 * static_cast<double>(k) / 3;
      const bool inside = std::hypot(x[2 * i] - 0.4 * std::sin(angle), x[2 * i + 1] - 0.4 * std::cos(angle)) < 0.6;
      wrong += inside != (y[3 * i + k] == 1);
      labels += inside;
    }
    several += labels > 1;
    none += labels == 0;
  }
  CHECK(wrong == 0);
  CHECK(several > 100);
  CHECK(none > 100);
}

TEST_CASE("blobs: clouds around the corners of a polygon") {
  const std::vector<Array> inputs = {input("x", GRADC_F32, {8, 2}), input("label", GRADC_I32, {8}, 4)};
  const DataSet data = read_data(generator("blobs", {{"classes", 4}, {"examples", 2000}, {"noise", 0.2}}), "", inputs);
  const double centres[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  double means[4][2] = {};
  for (std::size_t i = 0; i < 2000; ++i) {
    for (std::size_t d = 0; d < 2; ++d) means[i % 4][d] += data.find("x")->values<double>()[2 * i + d] / 500;
  }
  for (int k = 0; k < 4; ++k) {
    for (int d = 0; d < 2; ++d) CHECK(std::abs(means[k][d] - centres[k][d]) < 0.045);  // five of its deviations
  }
}
