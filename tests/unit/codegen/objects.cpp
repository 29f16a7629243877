// Objects and headers: no undefined symbols, a C program over them, parallel launches, code that is freed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "compiler/codegen/cache.h"
#include "tests/unit/codegen/native.h"

namespace gradc {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with the test.
struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "gradc-codegen-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()));
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

// An environment variable that has its old value again after the test.
struct Variable {
  Variable(const char* name, const char* value) : name(name) {
    if (const char* old = std::getenv(name)) before = old;
    setenv(name, value, 1);
  }
  ~Variable() { before ? setenv(name, before->c_str(), 1) : unsetenv(name); }
  const char* name;
  std::optional<std::string> before;
};

bool found(const std::string& command) {
  return std::system(("command -v " + command + " >/dev/null 2>&1").c_str()) == 0;
}

std::string run(const std::string& command, int* status = nullptr) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  char buffer[4096];
  for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  int code = pclose(pipe);
  if (status) *status = code;
  return out;
}

void write_bytes(const fs::path& path, const std::vector<std::byte>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Every opcode on every dtype, guarded and indirect accesses, tiles, accumulators.
std::string everything(const Target& target) {
  test::Text text;
  std::map<DType, std::string> in;
  for (DType type : kAllDTypes) in[type] = text.input(type, 100);
  std::string index = text.input(DType::i32, 100, "0 to 99");
  for (const char* mark : {" vector 16", ""}) {
    auto loop = [&](DType result, const std::string& body, int last) {
      std::string d(name_of(result));
      text.kernel("    loop i1 < 93" + std::string(mark) + " {\n" + body + "      store " + d + " %" +
                  std::to_string(last) + " to " + text.output(result, 100) + "[i1 of 93 by 1]\n    }\n");
    };
    auto load = [&](int number, DType type) {
      return "      %" + std::to_string(number) + " = load " + std::string(name_of(type)) + " " + in[type] +
             "[i1 - 3 of 80 by 1 guarded] outside 1\n";
    };
    for (DType from : kAllDTypes)
      for (DType to : kAllDTypes)
        if (from != to) loop(to, load(0, from) + "      %1 = convert " + std::string(name_of(to)) + " %0\n", 1);
    for (DType type : {DType::i32, DType::i64, DType::u32, DType::u8})
      for (const char* op : {"div", "rem", "mul", "shift_right_arithmetic"})
        loop(type, load(0, type) + load(1, type) + "      %2 = " + op + " " + std::string(name_of(type)) + " %0, %1\n",
             2);
    for (DType type : {DType::f32, DType::f64}) {
      std::string d(name_of(type));
      loop(type,
           load(0, type) + "      %1 = sqrt " + d + " %0\n      %2 = fma " + d + " %0, %1, %0\n      %3 = neg " + d +
               " %2\n      %4 = div " + d + " %3, %1\n",
           4);
      loop(type,
           "      %0 = load i32 " + index + "[i1 of 93 by 1]\n      %1 = load " + d + " " + in[type] +
               "[0 + %0 of 100 by 1 clamped]\n",
           1);
      text.kernel("    %0 = constant " + d + " 0\n    loop i1 < 93" + mark + " {\n" + load(1, type) +
                  "    } giving %2 = max " + d + " from %0 of %1\n    store " + d + " %2 to " + text.output(type, 1) +
                  "[0 of 1 by 1]\n");
    }
  }
  for (DType type : {DType::f32, DType::f64}) {
    std::string columns = std::to_string(target.lanes(byte_size(type)));
    text.kernel("    tile " + std::string(name_of(type)) + " 2 x " + columns + " " + text.output(type, 200) +
                "[0] row " + columns + " = " + in[type] + "[0] row 3 * " + in[type] + "[0] over 3 (1, " + columns +
                ")\n");
  }
  std::string from = text.input(DType::f32, 4000), to = text.output(DType::f32, 4000);
  text.kernel(test::copy_loop(DType::f32, from, to, 4000));
  return text.str();
}

const char* kModel = R"(
  input x: f32[2,8]
  output y: f32[2,8]
  scalar rate: f32[] = 0.5 at 0
  scalar steps: i64[] = 2 at 8
  arena 64
  buffer @x: f32[16] input 0
  buffer @y: f32[16] output 0
  buffer @w: f32[8] state at 0
  buffer @rate: f32[1] scalar at 0
  buffer @steps: i64[1] scalar at 8
  kernel @k0 loop parallel 2 work 0 {
    %0 = load f32 @rate[0 of 1 by 1]
    %1 = load i64 @steps[0 of 1 by 1]
    %2 = convert f32 %1
    loop i1 < 8 vector 16 {
      %3 = load f32 @x[i0 of 2 by 8, i1 of 8 by 1]
      %4 = load f32 @w[i1 of 8 by 1]
      %5 = mul f32 %3, %0
      %6 = fma f32 %4, %2, %5
      store f32 %6 to @y[i0 of 2 by 8, i1 of 8 by 1]
    }
  }
  entry {
    launch @k0
  }
)";

const char* kInit = R"(
  scalar seed: i64[] = 0 at 0
  buffer @w: f32[8] state at 0
  buffer @seed: i64[1] scalar at 0
  kernel @k0 loop parallel 1 work 0 {
    %0 = load i64 @seed[0 of 1 by 1]
    loop i1 < 8 vector 16 {
      %1 = index i64 i1
      %2 = add i64 %0, %1
      %3 = convert f32 %2
      store f32 %3 to @w[i1 of 8 by 1]
    }
  }
  entry {
    launch @k0
  }
)";

KernelModule small_model(const Target& target) {
  KernelModule module;
  module.name = "toy-net";
  module.state.entries.push_back({"layer.weight", {DType::f32, {8}}, StateEntry::Kind::parameter, 0});
  module.state.entries.push_back({"step", {DType::i64, {}}, StateEntry::Kind::counter, 0});
  module.state.place();
  module.programs.push_back(test::parse_program(target, kModel));
  module.programs.back().name = "predict";
  module.programs.push_back(test::parse_program(target, kInit));
  module.programs.back().name = "init";
  return module;
}

const char* kCaller = R"(
#include "toy.h"
#include <stdio.h>
#include <string.h>
union block { unsigned char bytes[TOY_NET_STATE_BYTES]; long long align[8]; };
static union block state;
static _Alignas(64) unsigned char workspace[TOY_NET_PREDICT_WORKSPACE_BYTES + TOY_NET_PREDICT_WORKER_BYTES + 64];
int main(void) {
  float x[16], y[16];
  for (int i = 0; i < 16; ++i) x[i] = (float)i;
  if (toy_net_initialize(&state, workspace, 7)) return 1;
  const void* inputs[TOY_NET_PREDICT_INPUT_COUNT];
  void* outputs[TOY_NET_PREDICT_OUTPUT_COUNT];
  inputs[TOY_NET_PREDICT_INPUT_X] = x;
  outputs[TOY_NET_PREDICT_OUTPUT_Y] = y;
  if (sizeof x != TOY_NET_PREDICT_INPUT_X_BYTES) return 2;
  const gradc_array* entries = toy_net_state_table();
  if (strcmp(entries[TOY_NET_STATE_LAYER_WEIGHT].name, "layer.weight") || entries[0].shape[0] != 8) return 3;
  if (entries[TOY_NET_STATE_STEP].dtype != GRADC_I64 || entries[1].offset != TOY_NET_STATE_STEP_OFFSET) return 4;
  if (toy_net_predict(inputs, outputs, &state, workspace, NULL, NULL)) return 5;
  for (int i = 0; i < 16; ++i) if (y[i] != 2 * (7.0f + (float)(i % 8)) + 0.5f * x[i]) return 6;
  toy_net_predict_scalars scalars = TOY_NET_PREDICT_SCALARS_DEFAULT;
  if (scalars.rate != 0.5f || scalars.steps != 2) return 7;
  scalars.steps = 3;
  if (toy_net_predict(inputs, outputs, &state, workspace, &scalars, NULL)) return 8;
  for (int i = 0; i < 16; ++i) if (y[i] != 3 * (7.0f + (float)(i % 8)) + 0.5f * x[i]) return 9;
  return 0;
}
)";

}  // namespace

TEST_CASE("objects need nothing but memcpy, memset and memmove", "[codegen]") {
  if (!found("nm")) {
    WARN("skipped: no nm on PATH");
    return;
  }
  Folder folder;
  for (const char* cpu : {"x86-64", "haswell", "znver5"})
    for (int optimize : {0, 2}) {
      const Target& target = *find_target(cpu);
      KernelModule module = test::module_of(test::parse_program(target, everything(target)));
      fs::path object = folder.path / "all.o";
      write_bytes(object, emit(module, Emit::object, optimize));
      std::istringstream symbols(run("nm -u " + object.string()));
      INFO(cpu << " at level " << optimize);
      for (std::string word; symbols >> word;) {
        INFO("undefined: " << word);
        REQUIRE((word == "U" || word == "memcpy" || word == "memset" || word == "memmove"));
      }
    }
}

TEST_CASE("a C program runs an object through its header", "[codegen]") {
  if (!found("cc")) {
    WARN("skipped: no cc on PATH");
    return;
  }
  Folder folder;
  KernelModule module = small_model(host_target());
  write_bytes(folder.path / "toy.o", emit(module, Emit::object, 2));
  std::ofstream(folder.path / "toy.h") << emit_header(module);
  std::ofstream(folder.path / "main.c") << kCaller;
  std::string at = "cd " + folder.path.string() + " && ", flags = " -Wall -Wextra -Wpedantic -Werror ";
  int status = 0;
  std::string said = run(at + "cc -std=c11" + flags + "main.c toy.o -o main", &status);
  INFO(said);
  REQUIRE(status == 0);
  run(at + "./main", &status);
  REQUIRE(status == 0);
  if (found("c++")) {
    std::ofstream(folder.path / "main.cpp")
        << "#include \"toy.h\"\nint main() { return toy_net_state_table() == nullptr; }\n";
    said = run(at + "c++ -std=c++11" + flags + "-fsyntax-only main.cpp", &status);
    INFO(said);
    REQUIRE(status == 0);
  }
}

TEST_CASE("a shared object exports its entries", "[codegen]") {
  if (!found("nm") || !(found("ld") || found("ld.lld") || found("cc"))) {
    WARN("skipped: no nm or no linker on PATH");
    return;
  }
  Folder folder;
  write_bytes(folder.path / "toy.so", emit(small_model(host_target()), Emit::shared_object, 1));
  std::string symbols = run("nm -D --defined-only " + (folder.path / "toy.so").string());
  REQUIRE(symbols.find(" T toy_net_predict") != std::string::npos);
  REQUIRE(symbols.find(" T toy_net_init") != std::string::npos);
}

TEST_CASE("LLVM IR and assembly are text", "[codegen]") {
  auto text_of = [](Emit what) {
    std::vector<std::byte> bytes = emit(small_model(*find_target("haswell")), what, 2);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  REQUIRE(text_of(Emit::llvm).find("define i32 @toy_net_predict(") != std::string::npos);
  REQUIRE(text_of(Emit::assembly).find("vfmadd") != std::string::npos);
}

TEST_CASE("the bits do not depend on the number of workers", "[codegen]") {
  test::Text text;
  std::string x = text.input(DType::f32, 101 * 77), y = text.output(DType::f32, 101 * 77),
              z = text.output(DType::f32, 101);
  text.space("worker 320");
  text.buffer("@w: f32[77] worker at 0");
  text.kernel("    %0 = constant f32 0\n    loop i1 < 77 vector 16 {\n      %1 = load f32 " + x +
                  "[i0 of 101 by 77, i1 of 77 by 1]\n      %2 = add f32 %1, %1\n      store f32 %2 to @w[i1 of 77 by "
                  "1]\n    }\n" +
                  "    loop i2 < 77 vector 32 {\n      %3 = load f32 @w[-i2 + 76 of 77 by 1]\n      store f32 %3 to " +
                  y +
                  "[i0 of 101 by 77, i2 of 77 by 1]\n    } giving %4 = sum f32 from %0 of %3\n    store f32 %4 to " +
                  z + "[i0 of 101 by 1]\n",
              101, 100000000);
  KernelProgram program = test::parse_program(host_target(), text.str());
  test::Memory expected = test::interpreted(program);
  std::vector<runtime::Executable> executables = load(test::module_of(program), 2);
  for (int workers = 1; workers <= 7; ++workers) {
    runtime::ThreadPool pool(workers);
    test::Memory actual = test::native(program, executables.at(0), pool.context());
    test::require_same(program, expected, actual);
  }
}

TEST_CASE("objects are found again on disk, and not where they are damaged", "[codegen]") {
  Folder folder;
  Variable cache("XDG_CACHE_HOME", folder.path.c_str()), on("GRADC_CACHE", "on");
  KernelModule module = small_model(host_target());
  std::string key = codegen::cache_key(module, 2);
  REQUIRE(key.size() == 64);
  REQUIRE(codegen::cache_key(module, 1) != key);
  REQUIRE_FALSE(codegen::find_cached(key));
  const std::vector<std::vector<std::byte>> objects = {{std::byte{1}, std::byte{2}}, {}, {std::byte{3}}};
  codegen::store_cached(key, codegen::Objects(objects));
  {
    const std::optional<codegen::Objects> found = codegen::find_cached(key);
    REQUIRE(found.has_value());
    REQUIRE(found->files.size() == objects.size());
    for (std::size_t i = 0; i < objects.size(); ++i)
      REQUIRE(std::equal(found->files[i].begin(), found->files[i].end(), objects[i].begin(), objects[i].end()));
  }
  module.programs[0].kernels[0].work += 1;
  REQUIRE(codegen::cache_key(module, 2) != key);
  fs::path entry = folder.path / "gradc" / key;
  auto size = fs::file_size(entry);
  {
    std::fstream file(entry, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(size - 1));
    file.put('x');
  }
  REQUIRE_FALSE(codegen::find_cached(key));
  for (std::uintmax_t shorter : {size - 1, std::uintmax_t{20}, std::uintmax_t{0}}) {
    fs::resize_file(entry, shorter);
    REQUIRE_FALSE(codegen::find_cached(key));
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what is freed for a while
TEST_CASE("a process that compiles and drops models does not grow", "[codegen]") {
  Variable off("GRADC_CACHE", "off");
  auto resident = [] {
    std::int64_t all = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> all >> pages;
    return pages * 4096;
  };
  KernelModule module = small_model(host_target());
  std::int64_t after_first = 0;
  for (int i = 0; i < 60; ++i) {
    module.name = "model" + std::to_string(i);
    REQUIRE(load(module, 2).size() == 2);
    if (i == 19) after_first = resident();
  }
  REQUIRE(resident() - after_first < (1 << 20));
}
#endif

TEST_CASE("an executable keeps its code alive after its siblings", "[codegen]") {
  KernelModule module = small_model(host_target());
  std::vector<runtime::Executable> executables = load(module, 1);
  runtime::Executable predict = executables.at(0);
  executables.clear();
  std::weak_ptr<const void> code = predict.code;
  test::Memory memory = test::native(module.programs[0], predict);
  REQUIRE(memory.outputs[0].get(0) == static_cast<float>(2.0 * -18 + 0.5 * memory.inputs[0].get(0)));
  REQUIRE(predict.input("x") == 0);
  REQUIRE(predict.scalars_bytes == 16);
  REQUIRE(predict.scalars.at(0).preset == 0.5);
  REQUIRE(predict.workspace_bytes == 64);
  predict = {};
  REQUIRE(code.expired());
}

}  // namespace gradc
