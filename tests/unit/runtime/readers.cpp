// Readers: known bytes give known numbers, and damaged files say where and why.
#include "gradc/dataset.h"
#include "gradc/file.h"
#include "tests/golden/npy.inc"
#include "tests/support/catch.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::runtime;
using namespace gradc::test;

namespace {

std::string idx(int type, const std::vector<int>& sizes, const std::string& elements) {
  std::string text = {0, 0, static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const int size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift & 255);
  }
  return text + elements;
}

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

template <std::size_t N>
Column npy(const unsigned char (&file)[N]) {
  return parse_npy(std::as_bytes(std::span(file)), "file.npy", "a");
}
template <std::size_t N>
std::string_view text(const unsigned char (&file)[N]) {
  return {reinterpret_cast<const char*>(file), N};
}

template <class T>
std::vector<T> list(const Column& column) {
  const auto values = column.values<T>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("idx: bytes, plain and gzipped") {
  const TemporaryDirectory dir;
  const std::string file = idx(8, {2, 2, 3}, bytes({0, 1, 2, 3, 4, 255, 6, 7, 8, 9, 10, 11}));
  for (const std::string& path : {dir.write("a", file), dir.write("a.gz", gzip(file))}) {
    const Column column = read_idx(path, "image");
    CHECK(column.examples == 2);
    CHECK(column.type() == "u8[2,3]");
    CHECK(list<std::uint8_t>(column) == std::vector<std::uint8_t>{0, 1, 2, 3, 4, 255, 6, 7, 8, 9, 10, 11});
  }
  const std::string two = gzip(file.substr(0, 20)) + gzip(file.substr(20));
  CHECK(read_idx(dir.write("two.gz", two), "image").examples == 2);
}

TEST_CASE("idx: the other dtypes, big-endian") {
  const TemporaryDirectory dir;
  CHECK(list<std::int32_t>(read_idx(dir.write("i8", idx(9, {2}, bytes({255, 3}))), "a")) == std::vector{-1, 3});
  CHECK(list<std::int32_t>(read_idx(dir.write("i16", idx(11, {2}, bytes({255, 254, 1, 0}))), "a")) ==
        std::vector{-2, 256});
  CHECK(list<std::int32_t>(read_idx(dir.write("i32", idx(12, {1}, bytes({0, 1, 0, 2}))), "a")) == std::vector{65538});
  CHECK(list<float>(read_idx(dir.write("f32", idx(13, {1}, bytes({0xbf, 0xc0, 0, 0}))), "a")) == std::vector{-1.5F});
  CHECK(list<double>(read_idx(dir.write("f64", idx(14, {1}, bytes({0x40, 4, 0, 0, 0, 0, 0, 0}))), "a")) ==
        std::vector{2.5});
}

TEST_CASE("idx: damage") {
  const TemporaryDirectory dir;
  const auto why = [&](const std::string& contents) {
    const std::string path = dir.write("bad", contents);
    const std::string message = message_of<DataError>([&] { read_idx(path, "a"); });
    CHECK(has(message, path + ": byte "));
    return message;
  };
  const std::string good = idx(8, {2, 2}, "abcd");
  CHECK(has(why(good.substr(0, 3)), "truncated"));
  CHECK(has(why(good.substr(0, 9)), "byte 9: truncated within the IDX sizes"));
  CHECK(has(why(good.substr(0, 14)), "byte 14: truncated: u8[2,2] takes 4 bytes of elements, the file holds 2"));
  CHECK(has(why(good + "x"), "byte 16: too long"));
  CHECK(has(why("PK\x03\x04xxxx"), "byte 0: not an IDX file: magic 0x504b0304"));
  CHECK(has(why(idx(7, {1}, "a")), "not an IDX file"));
  CHECK(has(why(idx(8, {-1, -1, -1}, "")), "overflow"));
  const std::string packed = gzip(idx(8, {1000}, std::string(1000, 'q')));
  CHECK(has(why(packed.substr(0, packed.size() / 2)), "truncated: the file ends within its gzip data"));
  CHECK(has(why(packed.substr(0, packed.size() - 4)), "truncated"));
  std::string wrong_sum = packed;
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  CHECK(has(why(wrong_sum), "corrupt gzip data: incorrect data check"));
  CHECK(has(why(packed + "tail"), "4 bytes after the end of the gzip data"));
  CHECK(has(message_of<FileError>([&] { read_idx(dir.file("none"), "a"); }),
            "none: cannot open: No such file or directory"));
  CHECK(has(message_of<FileError>([&] { read_idx(dir.path(), "a"); }), "it is a directory"));
}

TEST_CASE("npy: files as NumPy writes them") {
  const Column f4 = npy(kF4);
  CHECK(f4.examples == 3);
  CHECK(f4.type() == "f32[2]");
  CHECK(list<float>(f4) == std::vector{1.5F, -2.F, 3.F, 4.25F, 0.F, 1e30F});
  CHECK(list<float>(npy(kF2)) == std::vector{1.5F, -2.F, 0x1.ff8p-15F, 0x1p-24F, INFINITY, 65504.F});
  CHECK(list<double>(npy(kF8Big)) == std::vector{1.1, -7.});
  CHECK(list<std::int32_t>(npy(kI2)) == std::vector{-3, 300});
  CHECK(list<std::int64_t>(npy(kI8)) == std::vector<std::int64_t>{std::int64_t{1} << 40, -1});
  CHECK(list<std::uint8_t>(npy(kBool)) == std::vector<std::uint8_t>{1, 0, 1});
  CHECK(npy(kBool).dtype == GRADC_BOOL);
  std::vector<std::int32_t> counting(24);
  for (int i = 0; i < 24; ++i) counting[static_cast<std::size_t>(i)] = i;
  CHECK(npy(kFortran).type() == "i32[3,4]");
  CHECK(list<std::int32_t>(npy(kFortran)) == counting);
}

TEST_CASE("npy: what can't be read") {
  CHECK(has(message_of<DataError>([] { npy(kScalar); }), "has no axes"));
  CHECK(has(message_of<DataError>([] { npy(kComplex); }), "`<c16` is not supported"));
  CHECK(has(message_of<DataError>([] { npy(kU8Huge); }), "9223372036854775808, too large for i64"));
  const auto why = [](std::string contents) {
    return message_of<DataError>([&] { parse_npy(std::as_bytes(std::span(contents)), "f", "a"); });
  };
  const std::string good(text(kF4));
  CHECK(why("") == "f: byte 0: truncated within the NPY magic");
  CHECK(has(why("hello world"), "not an NPY file"));
  CHECK(has(why(good.substr(0, 50)), "truncated within the NPY header"));
  CHECK(has(why(good.substr(0, good.size() - 1)), "truncated: f32[3,2] takes 24 bytes of elements, the file holds 23"));
  CHECK(has(why(good + "x"), "too long"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    return why(changed);
  };
  CHECK(has(with("(3, 2)", "(9999999999999999999,)"), "overflow"));
  CHECK(has(with("(3, 2), }" + std::string(18, ' '), "(4294967296, 4294967296), }"), "overflow"));
  CHECK(has(with("descr", "descx"), "unknown key `descx`"));
  CHECK(has(with("'shape'", "'shap\x01"), "f: byte "));
  for (std::size_t cut = 0; cut < good.size(); ++cut) CHECK(why(good.substr(0, cut)) != "nothing thrown");
}

TEST_CASE("npy: what is written is what NumPy writes") {
  const TemporaryDirectory dir;
  const Column column = npy(kF4);
  write_npy(dir.file("out.npy"), column);
  CHECK(contents_of(dir.file("out.npy")) == text(kF4));
  CHECK(list<float>(read_npy(dir.file("out.npy"), "a")) == list<float>(column));
}

TEST_CASE("npz: stored and deflated, with zip64 fields") {
  const TemporaryDirectory dir;
  for (const std::string_view file : {text(kNpzStored), text(kNpzDeflated)}) {
    const std::string path = dir.write("a.npz", file);
    CHECK(list<float>(read_npz(path, "x", "a")) == std::vector{0.F, 1.F, 2.F, 3.F, 4.F, 5.F});
    CHECK(list<std::int64_t>(read_npz(path, "y", "a")) == std::vector<std::int64_t>{2, 0, 1});
    CHECK(has(message_of<DataError>([&] { read_npz(path, "z", "a"); }), "no array `z` in it; it has `x`, `y`"));
    int wrong = 0;
    for (std::size_t cut = 0; cut < file.size(); ++cut) {
      const std::string part = dir.write("cut.npz", file.substr(0, cut));
      wrong += message_of<DataError>([&] { read_npz(part, "x", "a"); }) == "nothing thrown";
    }
    CHECK(wrong == 0);
    std::string damaged(file);
    for (std::size_t at = 0; at < file.size(); ++at) {  // every byte, one at a time: an error or the right numbers
      damaged[at] ^= 0x41;
      const std::string part = dir.write("damaged.npz", damaged);
      try {
        wrong += list<float>(read_npz(part, "x", "a")) != std::vector{0.F, 1.F, 2.F, 3.F, 4.F, 5.F};
      } catch (const DataError&) {
      }
      damaged[at] ^= 0x41;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("csv: numbers, names, and mistakes by line and column") {
  const TemporaryDirectory dir;
  const CsvTable plain = read_csv(dir.write("a.csv", "1,2.5,-3e2\n 4 ,5,+6\r\n\n"));
  CHECK(plain.names.empty());
  CHECK(plain.rows == 2);
  CHECK(plain.cells == std::vector<double>{1, 2.5, -300, 4, 5, 6});
  const CsvTable named = read_csv(dir.write("b.csv", "\xef\xbb\xbf\"x.0\",x.1,label\n1,2,3\n"));
  CHECK(named.names == std::vector<std::string>{"x.0", "x.1", "label"});
  CHECK(named.rows == 1);
  const auto why = [&](const std::string& contents) {
    return message_of<DataError>([&] { read_csv(dir.write("bad.csv", contents)); });
  };
  CHECK(has(why("1,2\n3,oops\n"), "bad.csv: line 2, column 2: `oops` is not a number"));
  CHECK(has(why("1,2\n3,\n"), "line 2, column 2: `` is not a number"));
  CHECK(has(why("1,2\n3\n"), "line 2: 1 columns, but the lines before have 2"));
  CHECK(has(why("1,nan\n"), "line 1, column 2: NaN"));
  CHECK(has(why("1e999,1\n2,1\n"), "line 1, column 1: `1e999` is not a number"));
  CHECK(has(why(""), "no numbers"));
  CHECK(has(why("a,b\n"), "no numbers"));
}

TEST_CASE("cifar: label, then three planes") {
  const TemporaryDirectory dir;
  std::string ten, hundred;
  for (int i = 0; i < 3; ++i) {
    const std::string pixels = std::string(1024, static_cast<char>(i)) + std::string(2048, static_cast<char>(10 + i));
    ten += static_cast<char>(7 - i) + pixels;
    hundred += std::string() + static_cast<char>(1) + static_cast<char>(90 + i) + pixels;
  }
  const auto [images, labels] = read_cifar({dir.write("a.bin", ten), dir.write("b.bin", ten)}, "image", "label");
  CHECK(images.examples == 6);
  CHECK(images.type() == "u8[3,32,32]");
  CHECK(images.values<std::uint8_t>()[5 * 3072 + 1024] == 12);
  CHECK(list<std::int32_t>(labels) == std::vector{7, 6, 5, 7, 6, 5});
  const auto [fine_images, fine] = read_cifar({dir.write("c.bin", hundred)}, "image", "label");
  CHECK(list<std::int32_t>(fine) == std::vector{90, 91, 92});
  CHECK(fine_images.values<std::uint8_t>()[2 * 3072] == 2);
  CHECK(has(message_of<DataError>([&] { read_cifar({dir.write("d.bin", ten.substr(1))}, "image", "label"); }),
            "truncated"));
}

TEST_CASE("text: characters by their place in the sorted set") {
  const TemporaryDirectory dir;
  std::string vocabulary;
  const Column column = read_text(dir.write("a.txt", "hello hell"), "text", 4, vocabulary);
  CHECK(vocabulary == " ehlo");
  CHECK(column.examples == 2);
  CHECK(list<std::int32_t>(column) == std::vector{2, 1, 3, 3, 4, 0, 2, 1});
  CHECK(has(message_of<DataError>([&] { read_text(dir.file("a.txt"), "text", 11, vocabulary); }),
            "10 characters are fewer"));
  CHECK(has(message_of<DataError>([&] { read_text(dir.write("b.txt", "ho\xffle"), "text", 5, vocabulary); }),
            "b.txt: byte 2: the byte 255 is not in the vocabulary, which is that of the training examples"));
}

TEST_CASE("lines: characters between the line's ends, padded") {
  const TemporaryDirectory dir;
  std::string vocabulary;
  const Column column = read_lines(dir.write("a.txt", "ab\r\n\nc"), "name", 5, vocabulary);
  CHECK(vocabulary == "\nabc");
  CHECK(column.examples == 2);
  CHECK(list<std::int32_t>(column) == std::vector{0, 1, 2, 0, 0, 0, 3, 0, 0, 0});
  CHECK(list<std::int32_t>(read_lines(dir.write("b.txt", "cab\n"), "name", 5, vocabulary)) ==
        std::vector{0, 3, 1, 2, 0});
  CHECK(has(message_of<DataError>([&] { read_lines(dir.write("c.txt", "a\nabcd\n"), "name", 5, vocabulary); }),
            "c.txt: line 2 has 4 characters, `name` holds 5 with a start and an end"));
  CHECK(has(message_of<DataError>([&] { read_lines(dir.write("d.txt", "a\nbd\n"), "name", 5, vocabulary); }),
            "d.txt: byte 3: the character `d` is not in the vocabulary"));
  CHECK(has(message_of<DataError>([&] { read_lines(dir.write("e.txt", "\n\n"), "name", 5, vocabulary); }),
            "there is no line with a character"));
}

// Real files: those of GRADC_DATA, else of ../shared/data beside the source; skipped where there are none.
TEST_CASE("mnist: the 10,000 digits of the shared data") {
  const char* given = std::getenv("GRADC_DATA");
  const std::string directory = given ? given : std::string(GRADC_SOURCE_DIR) + "/../shared/data/mnist-10k";
  if (!std::filesystem::exists(directory + "/train-images-idx3-ubyte.gz")) {
    WARN("skipped: no " << directory);
    return;
  }
  for (const auto& [part, count] : {std::pair("train", 8000), std::pair("t10k", 2000)}) {
    const Column images = read_idx(directory + "/" + part + "-images-idx3-ubyte.gz", "image");
    const Column labels = read_idx(directory + "/" + part + "-labels-idx1-ubyte.gz", "label");
    CHECK(images.examples == count);
    CHECK(images.type() == "u8[28,28]");
    CHECK(labels.examples == count);
    bool digits = true;
    for (const std::uint8_t label : labels.values<std::uint8_t>()) digits = digits && label < 10;
    CHECK(digits);
  }
}
