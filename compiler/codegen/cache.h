// Compiled objects on disk, so that a model compiles once: $XDG_CACHE_HOME/gradc, else ~/.cache/gradc. GRADC_CACHE=off
// does without. A damaged entry counts as none, and no failure to write is one of the compilation.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/kernel.h"

namespace gradc::codegen {

// Objects to be linked together, in memory that `held` keeps: their own, or a file that they lie in.
struct Objects {
  std::vector<std::span<const std::byte>> files;
  std::shared_ptr<const void> held;

  Objects() = default;
  explicit Objects(std::vector<std::vector<std::byte>> compiled);
};

// Of all that the objects follow from: kernel programs, target, level, LLVM, this build of gradc, and whether entries
// are watched.
std::string cache_key(const KernelModule& module, int optimize, bool watched = false);
std::optional<Objects> find_cached(const std::string& key);
void store_cached(const std::string& key, const Objects& objects);

}  // namespace gradc::codegen
