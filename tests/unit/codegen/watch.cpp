// Watched entries: what they tell, and that they compute the same.
#include "compiler/codegen/watch.h"

#include "compiler/codegen/cache.h"
#include "tests/unit/codegen/native.h"

using namespace gradc;

namespace {

// Three rounds of y = y + x, then y to z by a copy, and a kernel that is large enough to be shared.
const std::string kProgram = R"(
  input x: f32[64]
  output z: f32[64]
  output w: f32[4096]
  arena 256
  buffer @x: f32[64] input 0
  buffer @z: f32[64] output 0
  buffer @w: f32[4096] output 1
  buffer @y: f32[64] arena at 0
  kernel @start loop parallel 64 work 64 {
    %0 = constant f32 1
    store f32 %0 to @y[i0 of 64 by 1]
  }
  kernel @grow loop parallel 64 work 64 {
    %0 = load f32 @y[i0 of 64 by 1]
    %1 = load f32 @x[i0 of 64 by 1]
    %2 = add f32 %0, %1
    store f32 %2 to @y[i0 of 64 by 1]
  }
  kernel @shared loop parallel 64 work 10000000 {
    loop i1 < 64 {
      %0 = load f32 @x[i1 of 64 by 1]
      store f32 %0 to @w[i0 of 64 by 64, i1 of 64 by 1]
    }
  }
  entry {
    launch @start
    for t0 < 3 {
      launch @grow
    }
    copy @y to @z
    launch @shared
  }
)";

}  // namespace

TEST_CASE("a watched entry tells of every launch and copy in order, and computes the same", "[codegen]") {
  const KernelProgram program = test::parse_program(host_target(), kProgram);
  test::Memory expected = test::interpreted(program);
  const std::vector<runtime::Executable> executables = load_watched(test::module_of(program), 2);
  for (int workers : {1, 3}) {
    runtime::ThreadPool pool(workers);
    runtime::Recorder recorder(workers > 1 ? &pool : nullptr, true);
    for (int call = 0; call < 2; ++call) {
      recorder.clear();
      test::Memory actual = test::native(program, executables.at(0), recorder.context());
      test::require_same(program, expected, actual);
      std::vector<std::int64_t> kernels;
      std::int64_t last = 0;
      for (const runtime::Span& span : recorder.launches()) {
        kernels.push_back(span.kernel);
        CHECK(last <= span.start);
        CHECK(span.start <= span.end);
        last = span.end;
      }
      CHECK(kernels == std::vector<std::int64_t>{0, 1, 1, 1, runtime::kCopy, 2});
      std::size_t pieces = 0;
      for (const std::vector<runtime::Span>& of_worker : recorder.pieces())
        for (const runtime::Span& piece : of_worker) {
          ++pieces;
          CHECK(piece.kernel == 2);
          CHECK(recorder.launches().back().start <= piece.start);
          CHECK(piece.end <= recorder.launches().back().end);
        }
      CHECK((pieces > 1) == (workers > 1));
    }
  }
}

TEST_CASE("watched objects have a key of their own", "[codegen]") {
  const KernelModule module = test::module_of(test::parse_program(host_target(), kProgram));
  const std::string key = codegen::cache_key(module, 2), watched = codegen::cache_key(module, 2, true);
  CHECK((key.empty() || key != watched));
}
