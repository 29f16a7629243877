// Safetensors: round trip, known bytes, hostile headers, weights that don't fit, disks that refuse.
#include "gradc/safetensors.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include "tests/support/catch.h"
#include "tests/unit/runtime/files.h"

using namespace gradc::runtime;
using namespace gradc::test;

namespace {

std::string with_header(const std::string& header, const std::string& data) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 255);
  return text + header + data;
}

SafeTensors parse(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return SafeTensors::parse({bytes.begin(), bytes.end()}, "f");
}

std::string why(const std::string& text) {
  return message_of<DataError>([&] { parse(text); });
}

StateArray entry(std::string name, StateKind kind, gradc_dtype dtype, std::vector<std::int64_t> shape,
                 std::int64_t offset) {
  StateArray array;
  array.name = std::move(name);
  array.kind = kind;
  array.dtype = dtype;
  array.shape = std::move(shape);
  array.offset = offset;
  return array;
}

// w f32[2,3] and its momentum, a running mean, step, key.
StateTable table() {
  StateTable table;
  table.entries = {entry("w", StateKind::parameter, GRADC_F32, {2, 3}, 0),
                   entry("w.momentum", StateKind::slot, GRADC_F32, {2, 3}, 64),
                   entry("mean", StateKind::statistic, GRADC_F64, {2}, 128),
                   entry("step", StateKind::counter, GRADC_I64, {}, 192),
                   entry("key", StateKind::key, GRADC_U32, {2}, 256)};
  table.bytes = 320;
  return table;
}

void fill(Block& state) {
  for (std::int64_t i = 0; i < state.bytes(); ++i) state.data()[i] = std::byte(static_cast<unsigned char>(i * 37 + 5));
}

}  // namespace

TEST_CASE("safetensors: known bytes") {
  const SafeTensors file = parse(with_header(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   )",
      std::string("\0\0\x80\x3f\0\0\0\xc0\x05\0\0\0\0\0\0\0", 16)));
  REQUIRE(file.entries().size() == 2);
  CHECK(file.entries()[0].type() == "f32[2]");
  float a[2];
  std::memcpy(a, file.data(*file.find("a")), 8);
  CHECK(a[0] == 1);
  CHECK(a[1] == -2);
  CHECK(std::to_integer<int>(*file.data(*file.find("b"))) == 5);
  CHECK(file.find("c") == nullptr);
  CHECK(file.metadata().at("format") == "pt");
}

TEST_CASE("safetensors: hostile headers") {
  CHECK(has(why("1234567"), "byte 7: truncated"));
  CHECK(has(why("PK\x03\x04 some other file"), "not a safetensors file"));
  CHECK(has(why(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)), "not a safetensors file"));
  CHECK(has(why(std::string("\x40\0\0\0\0\0\0\0{}", 10)), "byte 10: truncated within the safetensors header"));
  CHECK(has(why(with_header("{\"a\":", "")), "no valid JSON"));
  CHECK(has(why(with_header("{\"a\":1e999}", "")), "a number is too large"));
  CHECK(has(why(with_header("{\"a\":\"\xff\"}", "")), "no valid JSON"));
  const auto one = [](const std::string& value, int bytes = 8) {
    return why(with_header("{\"a\":" + value + "}", std::string(static_cast<std::size_t>(bytes), 'x')));
  };
  const auto fields = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  CHECK(one(fields("\"F32\"", "[2]", "[0,8]")) == "nothing thrown");
  CHECK(has(one("3"), "`a`: no dtype, shape and data_offsets"));
  CHECK(has(one("{}"), "no dtype"));
  CHECK(has(one(fields("\"F31\"", "[2]", "[0,8]")), "unknown dtype \"F31\""));
  CHECK(has(one(fields("32", "[2]", "[0,8]")), "unknown dtype 32"));
  CHECK(has(one(fields("\"F32\"", "[-2]", "[0,8]")), "its shape has -2"));
  CHECK(has(one(fields("\"F32\"", "[2.5]", "[0,8]")), "its shape has 2.5"));
  CHECK(has(one(fields("\"F32\"", "[18446744073709551615]", "[0,8]")), "its shape has"));
  CHECK(has(one(fields("\"F32\"", "[4294967296,4294967296]", "[0,8]")), "overflows"));
  CHECK(has(one(fields("\"F32\"", "[4611686018427387904,4]", "[0,0]")), "overflows"));
  CHECK(has(one(fields("\"F32\"", "\"x\"", "[0,8]")), "its shape is no list"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[0,4]")), "takes 8 bytes, its data_offsets span 4"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[8,0]")), "its data_offsets are [8,0]"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[0]")), "not two numbers"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[8,16]")), "truncated: its data ends at byte 16 of 8"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[0,8]"), 9), "1 bytes after the last array"));
  CHECK(has(one(fields("\"F32\"", "[2]", "[1,9]"), 9), "belong to no array"));
  const std::string good = fields("\"F32\"", "[2]", "[0,8]");
  CHECK(has(why(with_header("{\"a\":" + good + ",\"b\":" + good + "}", "12345678")), "overlaps another"));
  CHECK(has(why(with_header("{\"a\":" + good + ",\"a\":" + good + "}", "12345678")), "`a` twice"));
  CHECK(has(why(with_header(R"({"__metadata__":{"a":3}})", "")), "metadata `a` is no string"));
  CHECK(has(why(with_header("{\"a\":" + std::string(100'000, '['), "")), "nested too deeply"));
}

TEST_CASE("safetensors: a state block comes back to the bit, after every cut an error") {
  const TemporaryDirectory dir;
  const StateTable layout = table();
  Block state(layout.bytes), other(layout.bytes);
  fill(state);
  const std::string path = dir.file("a.safetensors");
  save_state(path, layout, state.data(), {{"epoch", "3"}, {"note", "a \"quoted\" word"}});
  const SafeTensors file = SafeTensors::read(path);
  CHECK(file.metadata().at("epoch") == "3");
  CHECK(file.metadata().at("note") == "a \"quoted\" word");
  for (const auto& held : file.entries())
    CHECK(held.offset % (held.dtype == "F64" || held.dtype == "I64" ? 8 : 4) == 0);
  restore_state(file, layout, other.data());
  for (const StateArray& array : layout.entries) {
    CHECK(std::memcmp(state.data() + array.offset, other.data() + array.offset,
                      static_cast<std::size_t>(array.bytes())) == 0);
  }
  const std::string contents = contents_of(path);
  int silent = 0;
  for (std::size_t cut = 0; cut < contents.size(); ++cut) silent += why(contents.substr(0, cut)) == "nothing thrown";
  CHECK(silent == 0);
  CHECK_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST_CASE("weights: matched by name and shape, floats converted, slots passed over") {
  const TemporaryDirectory dir;
  const StateTable layout = table();
  Block state(layout.bytes);
  const double w[6] = {1, 2, 3, 4, 5, 0.1};
  const float mean[2] = {0.5F, -1};
  const float slot[6] = {};
  const std::int64_t step = 9;
  const std::vector<TensorToWrite> tensors = {{"w", GRADC_F64, {2, 3}, w},
                                              {"mean", GRADC_F32, {2}, mean},
                                              {"w.m", GRADC_F32, {2, 3}, slot},
                                              {"step", GRADC_I64, {}, &step}};
  write_safetensors(dir.file("w"), tensors, {});
  const LoadReport report = load_weights(SafeTensors::read(dir.file("w")), layout, state.data(), Match::strict);
  CHECK(report.loaded == std::vector<std::string>{"w", "mean"});
  float loaded[6];
  std::memcpy(loaded, state.data(), sizeof loaded);
  CHECK(loaded[5] == 0.1F);
  double loaded_mean[2];
  std::memcpy(loaded_mean, state.data() + 128, sizeof loaded_mean);
  CHECK(loaded_mean[1] == -1);
  std::int64_t loaded_step = 0;
  std::memcpy(&loaded_step, state.data() + 192, sizeof loaded_step);
  CHECK(loaded_step == 0);
}

TEST_CASE("weights: half and bfloat16") {
  StateTable layout;
  layout.entries = {entry("a", StateKind::parameter, GRADC_F32, {2}, 0),
                    entry("b", StateKind::parameter, GRADC_F32, {1}, 64)};
  layout.bytes = 128;
  Block state(layout.bytes);
  const SafeTensors file = parse(with_header(
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}})",
      std::string("\x00\x3e\x01\x80\xc0\xbf", 6)));
  load_weights(file, layout, state.data(), Match::strict);
  float a[2], b = 0;
  std::memcpy(a, state.data(), 8);
  std::memcpy(&b, state.data() + 64, 4);
  CHECK(a[0] == 1.5F);
  CHECK(a[1] == -0x1p-24F);
  CHECK(b == -1.5F);
}

TEST_CASE("weights of another model: what is missing, unexpected and different; the state stays") {
  const TemporaryDirectory dir;
  const StateTable layout = table();
  Block state(layout.bytes), before(layout.bytes);
  fill(state);
  fill(before);
  const float data[8] = {};
  const std::vector<TensorToWrite> tensors = {
      {"w", GRADC_F32, {3, 2}, data}, {"fc.bias", GRADC_F32, {4}, data}, {"fc.bias.m", GRADC_F32, {4}, data}};
  write_safetensors(dir.file("w"), tensors, {});
  const SafeTensors file = SafeTensors::read(dir.file("w"));
  try {
    load_weights(file, layout, state.data(), Match::strict);
    FAIL("accepted");
  } catch (const WeightsError& error) {
    CHECK(error.missing() == std::vector<std::string>{"mean"});
    CHECK(error.unexpected() == std::vector<std::string>{"fc.bias"});
    REQUIRE(error.different().size() == 1);
    CHECK(error.what() == dir.file("w") +
                              ": the weights don't fit the model: the file has no `mean`; the model has no `fc.bias`; "
                              "`w` is f32[3,2] in the file, f32[2,3] in the model");
  }
  CHECK(has(message_of<WeightsError>([&] { restore_state(file, layout, state.data()); }),
            "the file has no `w.momentum`; the file has no `mean`; the file has no `step`; the file has no `key`"));
  CHECK(std::memcmp(state.data(), before.data(), static_cast<std::size_t>(layout.bytes)) == 0);
  const LoadReport report = load_weights(file, layout, state.data(), Match::partial);
  CHECK(report.loaded.empty());
  CHECK(report.different.size() == 1);
}

TEST_CASE("a disk that is full, or a place that can't be written, leaves the old file") {
  const TemporaryDirectory dir;
  const StateTable layout = table();
  Block state(layout.bytes);
  const std::string path = dir.file("a.safetensors");
  save_state(path, layout, state.data(), {{"epoch", "1"}});
  const std::string before = contents_of(path);

  CHECK(has(message_of<FileError>([&] { save_state("/dev/full", layout, state.data(), {}); }),
            "/dev/full: cannot write: No space left on device"));

  // A limit on the size of files fails a write in its middle, as a full disk does.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 300;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of<FileError>([&] { save_state(path, layout, state.data(), {{"epoch", "2"}}); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(has(message, path + ": cannot write: "));
  CHECK(contents_of(path) == before);
  CHECK_FALSE(std::filesystem::exists(path + ".tmp"));

  CHECK(has(message_of<FileError>([&] { save_state(dir.file("no/where"), layout, state.data(), {}); }),
            "No such file or directory"));
  CHECK(has(message_of<FileError>([&] { save_state(dir.path(), layout, state.data(), {}); }), "it is a directory"));
}
