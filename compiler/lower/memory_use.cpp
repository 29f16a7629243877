// The peak of a planned program: bytes that live at each statement, buffers that share a place counted once.
#include "compiler/lower/memory_use.h"

#include <algorithm>
#include <map>
#include <set>

#include "compiler/lower/lifetimes.h"
#include "compiler/lower/place_blocks.h"

namespace gradc {

namespace {

// Buffers that packing kernels write.
std::set<int> copies_for_contractions(const KernelProgram& program, const Lifetimes& lifetimes) {
  std::set<int> copies;
  for (std::size_t s = 0; s < lifetimes.statements().size(); ++s) {
    const Statement& statement = *lifetimes.statements()[s];
    if (statement.kernel < 0 || program.kernels[static_cast<std::size_t>(statement.kernel)].kind != "pack") continue;
    for (const auto& [b, touch] : lifetimes.touched(static_cast<int>(s)))
      if (touch.writes) copies.insert(b);
  }
  return copies;
}

// Bytes that live, buffers at one place counted once.
class Meter {
 public:
  std::int64_t bytes() const { return bytes_; }
  void add(const KernelBuffer& buffer) { count(buffer, 1); }
  void remove(const KernelBuffer& buffer) { count(buffer, -1); }

 private:
  struct Place {
    std::int64_t bytes = 0;
    int buffers = 0;
  };

  void count(const KernelBuffer& buffer, int change) {
    Place& place = places_[buffer.offset];
    bytes_ -= place.bytes;
    place.buffers += change;
    place.bytes = place.buffers == 0 ? 0 : std::max(place.bytes, aligned(buffer.bytes()));
    bytes_ += place.bytes;
  }

  std::map<std::int64_t, Place> places_;  // by offset
  std::int64_t bytes_ = 0;
};

std::vector<int> living_at(const KernelProgram& program, const Lifetimes& lifetimes, int statement) {
  auto buffer = [&](int b) -> const KernelBuffer& { return program.buffers[static_cast<std::size_t>(b)]; };
  std::vector<int> living;
  for (int b = 0; b < static_cast<int>(program.buffers.size()); ++b)
    if (buffer(b).space == Space::arena && lifetimes.of(b).first <= statement && statement <= lifetimes.of(b).last)
      living.push_back(b);
  std::stable_sort(living.begin(), living.end(), [&](int a, int b) { return buffer(a).bytes() > buffer(b).bytes(); });
  return living;
}

}  // namespace

MemoryUse memory_use(const KernelProgram& program) {
  const Lifetimes lifetimes(program);
  const std::set<int> copies = copies_for_contractions(program, lifetimes);
  std::multimap<int, int> starts, ends;  // statement → buffers
  for (int b = 0; b < static_cast<int>(program.buffers.size()); ++b) {
    const Lifetime& lifetime = lifetimes.of(b);
    if (program.buffers[static_cast<std::size_t>(b)].space != Space::arena || !lifetime.any()) continue;
    starts.emplace(lifetime.first, b);
    ends.emplace(lifetime.last, b);
  }
  MemoryUse use;
  use.statements = static_cast<int>(lifetimes.statements().size());
  Meter all, values;
  for (int s = 0; s < use.statements; ++s) {
    const auto each = [&](const std::multimap<int, int>& buffers, void (Meter::*change)(const KernelBuffer&)) {
      for (auto [at, end] = buffers.equal_range(s); at != end; ++at) {
        const KernelBuffer& buffer = program.buffers[static_cast<std::size_t>(at->second)];
        (all.*change)(buffer);
        if (!copies.contains(at->second)) (values.*change)(buffer);
      }
    };
    each(starts, &Meter::add);
    if (all.bytes() > use.most) use.most = all.bytes(), use.peak = s;
    if (values.bytes() > use.most_values) use.most_values = values.bytes(), use.values_peak = s;
    each(ends, &Meter::remove);
  }
  if (use.peak < 0) return use;
  use.kernel = lifetimes.statements()[static_cast<std::size_t>(use.peak)]->kernel;
  use.living = living_at(program, lifetimes, use.peak);
  return use;
}

std::int64_t step_bytes(const KernelProgram& program, std::int64_t state) {
  std::int64_t bytes = 0;
  if (__builtin_add_overflow(program.arena_bytes, program.worker_bytes, &bytes) ||
      __builtin_add_overflow(bytes, state, &bytes))
    throw UserError(Location(), "the program `" + program.name + "` needs more memory than 64 bits can address");
  return bytes;
}

}  // namespace gradc
