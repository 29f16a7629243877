// Arrays, aligned blocks, and the runner: what an entry receives.
#include "gradc/executable.h"

#include <cstring>
#include <new>
#include <stdexcept>

#include "tests/support/catch.h"

using namespace gradc::runtime;

namespace {

struct Seen {
  bool aligned = false, has_context = false;
  std::int64_t workers = 0;
  float rate = 0;
  std::int64_t seed = 0;
} seen;

std::int32_t entry(const void* const* inputs, void* const* outputs, void* state, void* workspace, const void* scalars,
                   const gradc_context* context) {
  seen.aligned = reinterpret_cast<std::uintptr_t>(workspace) % 64 == 0;
  seen.has_context = context != nullptr;
  seen.workers = context ? context->workers : 1;
  std::memset(workspace, 1, static_cast<std::size_t>(128 + 64 * seen.workers));
  std::memcpy(&seen.rate, scalars, sizeof seen.rate);
  std::memcpy(&seen.seed, static_cast<const char*>(scalars) + 8, sizeof seen.seed);
  *static_cast<float*>(outputs[0]) = *static_cast<const float*>(inputs[0]) + *static_cast<float*>(state);
  return 0;
}

Executable fake() {
  Executable e;
  e.program = "fake";
  e.inputs.resize(1);
  e.inputs[0].name = "x";
  e.outputs.resize(1);
  e.outputs[0].name = "y";
  e.scalars.resize(2);
  e.scalars[0].name = "learning_rate";
  e.scalars[0].preset = 0.25;
  e.scalars[1].name = "seed";
  e.scalars[1].dtype = GRADC_I64;
  e.scalars[1].offset = 8;
  e.scalars_bytes = 16;
  e.workspace_bytes = 128;
  e.worker_bytes = 64;
  e.entry = entry;
  return e;
}

}  // namespace

TEST_CASE("sizes and names of arrays") {
  Array a;
  a.dtype = GRADC_F64;
  a.shape = {3, 0, 5};
  CHECK(a.elements() == 0);
  a.shape = {3, 4};
  CHECK(a.bytes() == 96);
  CHECK(str(a.dtype, a.shape) == "f64[3,4]");
  CHECK(str(GRADC_BOOL, {}) == "bool[]");
}

TEST_CASE("a block is aligned and zero, and too much memory is bad_alloc") {
  const Block block(100);
  CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % 64 == 0);
  bool zero = true;
  for (int i = 0; i < 100; ++i) zero = zero && block.data()[i] == std::byte{0};
  CHECK(zero);
  CHECK_THROWS_AS(Block(std::int64_t{1} << 60), std::bad_alloc);
  CHECK_THROWS_AS(Block(-1), std::bad_alloc);
}

TEST_CASE("a runner passes presets, scalars, workspace and pool") {
  const Executable e = fake();
  const float x = 1.5F;
  float y = 0, state = 2;
  const void* inputs[] = {&x};
  void* outputs[] = {&y};

  Runner serial(e, nullptr);
  serial.run(inputs, outputs, &state);
  CHECK(y == 3.5F);
  CHECK(seen.aligned);
  CHECK_FALSE(seen.has_context);
  CHECK(seen.rate == 0.25F);
  CHECK(seen.seed == 0);

  ThreadPool pool(3);
  Runner runner(e, &pool);
  runner.set_scalar(e.scalar("learning_rate"), 0.5);
  runner.set_integer_scalar(e.scalar("seed"), (std::int64_t{1} << 53) + 1);
  runner.run(inputs, outputs, &state);
  CHECK(seen.workers == 3);
  CHECK(seen.rate == 0.5F);
  CHECK(seen.seed == 9007199254740993);
  runner.set_scalar(e.scalar("seed"), 1e300);
  runner.run(inputs, outputs, &state);
  CHECK(seen.seed == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("a runner refuses a wrong number of buffers") {
  const Executable e = fake();
  Runner runner(e, nullptr);
  CHECK_THROWS_AS(runner.run({}, {}, nullptr), std::logic_error);
}
