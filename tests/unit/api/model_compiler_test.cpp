// Programs compiled when they are asked for, by several threads at once, and ahead.
#include "compiler/api/model_compiler.h"

#include <algorithm>
#include <thread>

#include "compiler/frontend/spec.h"
#include "gradc/executable.h"
#include "ir/diagnostic.h"
#include "tests/support/catch.h"

using namespace gradc;

namespace {

std::unique_ptr<ModelCompiler> line_fit() {
  Diagnostics diagnostics;
  std::shared_ptr<const ModelGraph> model = load_spec(
      R"j({"gradc": 1, "inputs": {"x": "f32[N]", "y": "f32[N]"},
        "parameters": {"w": {"type": "f32[]", "init": 0.5}},
        "programs": {"train": {"minimize": "mean(square(w * x - y))", "optimizer": {"kind": "sgd", "learning_rate": 0.1}}}})j",
      "line.json", {}, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(model);
  Options options;
  options.target = host_target();
  return std::make_unique<ModelCompiler>(std::move(model), std::move(options));
}

std::string message_of(ModelCompiler& compiler, std::string_view program) {
  try {
    compiler.executable(program, 4);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an executable is one for all threads that ask for it, compiled ahead or not") {
  for (bool ahead : {false, true}) {
    const std::unique_ptr<ModelCompiler> compiler = line_fit();
    if (ahead)
      for (std::int64_t batch : {1, 2, 3, 4}) compiler->ahead("train", batch);
    std::vector<std::vector<const runtime::Executable*>> found(4);
    std::vector<std::thread> threads;
    for (auto& mine : found)
      threads.emplace_back([&] {
        for (std::int64_t batch : {4, 2, 3}) mine.push_back(&compiler->executable("train", batch));
      });
    for (std::thread& thread : threads) thread.join();
    for (const auto& mine : found) CHECK(mine == found[0]);
    CHECK(found[0][0] != found[0][1]);
    CHECK(found[0][0]->inputs[0].shape == std::vector<std::int64_t>{4});
    CHECK(&compiler->executable("init", 4) == &compiler->executable("init", 2));
  }
}

TEST_CASE("what can't be compiled ahead is the error of who asks for it, each time") {
  const std::unique_ptr<ModelCompiler> compiler = line_fit();
  compiler->ahead("tarin", 4);
  compiler->ahead("train", 4);
  CHECK(compiler->executable("train", 4).entry != nullptr);
  CHECK(message_of(*compiler, "tarin") == "internal error: no function is named @tarin");
  CHECK(message_of(*compiler, "tarin") == "internal error: no function is named @tarin");
}

TEST_CASE("a compiler that goes leaves what it has not begun") {
  const std::unique_ptr<ModelCompiler> compiler = line_fit();
  for (std::int64_t batch = 1; batch <= 100'000; ++batch) compiler->ahead("train", batch);
}
