// Blocks in as little memory as possible, no two that live at one time over each other.
#include "compiler/lower/place_blocks.h"

#include <random>

#include "tests/support/catch.h"

using namespace gradc;

namespace {

void check_apart(const std::vector<Block>& blocks, std::int64_t top) {
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!blocks[i].lifetime.any()) continue;
    CHECK(blocks[i].offset >= 0);
    CHECK(blocks[i].offset % kAlignment == 0);
    CHECK(blocks[i].offset + blocks[i].bytes <= top);
    for (std::size_t j = 0; j < i; ++j) {
      if (!blocks[j].lifetime.any() || !blocks[i].lifetime.meets(blocks[j].lifetime)) continue;
      const bool apart = blocks[i].offset + blocks[i].bytes <= blocks[j].offset ||
                         blocks[j].offset + blocks[j].bytes <= blocks[i].offset;
      CHECK(apart);
    }
  }
}

}  // namespace

TEST_CASE("The bound is what lives at the fullest moment") {
  CHECK(most_living({}) == 0);
  CHECK(most_living({{64, {0, 2}, -1}, {128, {2, 3}, -1}, {64, {3, 9}, -1}, {512, {}, -1}}) == 192);
}

// The largest first, each as low as it can be, take 640 bytes.
TEST_CASE("Where one order leaves holes another one is taken") {
  std::vector<Block> blocks{{192, {0, 3}, -1}, {128, {2, 3}, -1}, {256, {4, 5}, -1}, {256, {3, 5}, -1}};
  CHECK(place(blocks) == 576);
  check_apart(blocks, 576);
}

TEST_CASE("Blocks that nobody uses have no place") {
  std::vector<Block> blocks{{64, {}, -1}, {64, {3, 3}, -1}};
  CHECK(place(blocks) == 64);
  CHECK(blocks[0].offset == -1);
}

TEST_CASE("Random blocks lie apart and near the bound") {
  std::mt19937 random(1);
  double worst = 1;
  for (int round = 0; round < 60; ++round) {
    std::vector<Block> blocks;
    const int count = 2 + static_cast<int>(random() % 60);
    for (int i = 0; i < count; ++i) {
      const int first = static_cast<int>(random() % 40);
      const int length = static_cast<int>(random() % (random() % 4 == 0 ? 40 : 5));
      blocks.push_back({aligned(1 + static_cast<std::int64_t>(random() % 5000)), {first, first + length}, -1});
    }
    const std::int64_t top = place(blocks);
    check_apart(blocks, top);
    CHECK(top >= most_living(blocks));
    worst = std::max(worst, static_cast<double>(top) / static_cast<double>(most_living(blocks)));
  }
  CHECK(worst < 1.12);  // random sizes are harder to place than those of a network
}
