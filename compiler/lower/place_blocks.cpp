// Placing blocks: dynamic storage allocation with all lifetimes known (NP-hard; Buchsbaum et al., "OPT versus LOAD in
// dynamic storage allocation", 2003).
//
// 1. Blocks are placed one after another, each at the lowest offset where no block placed before lives at the same
// time.
//    The order decides: by size, by size times lifetime, by lifetime, by first use, by how near to the fullest moment.
//    The best one is taken.
// 2. Where that is above the bound, single blocks of the order, mostly neighbours of those at the top, go to other
// places
//    of it; what is no worse, or at first a little worse, stays.
#include "compiler/lower/place_blocks.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>

namespace gradc {

namespace {

constexpr double kGoodEnough = 1.003;        // times the bound
constexpr std::size_t kMostSteps = 4000000;  // of step 2: looks at a neighbour
constexpr std::size_t kMostRounds = 4000;
constexpr double kWorse = 0.002;

using Order = std::vector<std::size_t>;

struct Load {
  std::int64_t bytes = 0;
  int statement = 0;
};

Load fullest(const std::vector<Block>& blocks) {
  std::map<int, std::int64_t> changes;  // by statement
  for (const Block& block : blocks) {
    if (!block.lifetime.any()) continue;
    changes[block.lifetime.first] += block.bytes;
    changes[block.lifetime.last + 1] -= block.bytes;
  }
  std::int64_t living = 0;
  Load most;
  for (const auto& [statement, change] : changes) {
    living += change;
    if (living > most.bytes) most = {living, statement};
  }
  return most;
}

class Placing {
 public:
  explicit Placing(std::vector<Block>& blocks)
      : blocks_(blocks),
        bound_(fullest(blocks).bytes),
        fullest_(fullest(blocks).statement),
        neighbours_(blocks.size()) {
    for (std::size_t b = 0; b < blocks.size(); ++b)
      if (blocks[b].lifetime.any()) alive_.push_back(b);
    for (std::size_t i : alive_)
      for (std::size_t j : alive_)
        if (i != j && blocks[i].lifetime.meets(blocks[j].lifetime)) neighbours_[i].push_back(j);
  }

  std::int64_t run() {
    auto span = [](const Block& b) { return static_cast<double>(b.lifetime.last - b.lifetime.first + 1); };
    auto size = [](const Block& b) { return static_cast<double>(b.bytes); };
    auto far = [this](const Block& b) {
      return static_cast<double>(std::max({0, b.lifetime.first - fullest_, fullest_ - b.lifetime.last}));
    };
    const std::function<double(const Block&)> keys[] = {
        size,
        [&](const Block& b) { return size(b) * span(b); },
        [&](const Block& b) { return span(b); },
        [&](const Block& b) { return -static_cast<double>(b.lifetime.first); },
        [&](const Block& b) { return far(b) > 0 ? -1 / size(b) : size(b); },
        [&](const Block& b) { return far(b) > 0 ? -1 / span(b) : span(b); },
    };
    for (const auto& key : keys) {
      Order order = alive_;
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return key(blocks_[a]) > key(blocks_[b]); });
      try_order(order);
    }
    improve();
    for (std::size_t b : alive_) blocks_[b].offset = best_offsets_[b];
    return std::max<std::int64_t>(best_, 0);
  }

 private:
  bool good() const { return static_cast<double>(best_) <= kGoodEnough * static_cast<double>(bound_); }

  // The bytes that the order takes.
  std::int64_t try_order(const Order& order) {
    if (best_ >= 0 && good()) return best_;
    const std::int64_t top = place_in(order);
    if (best_ >= 0 && top >= best_) return top;
    best_ = top;
    best_order_ = order;
    best_offsets_.assign(blocks_.size(), 0);
    for (std::size_t b : alive_) best_offsets_[b] = blocks_[b].offset;
    return top;
  }

  // Step 2. The numbers drawn are the same in every run.
  void improve() {
    if (alive_.empty() || good()) return;
    std::mt19937 random(1);
    std::size_t steps = 1;
    for (const Order& neighbours : neighbours_) steps += neighbours.size();
    const std::size_t rounds = std::min(kMostRounds, kMostSteps / steps);
    Order order = best_order_;
    std::int64_t top = place_in(order);
    for (std::size_t round = 0; round < rounds && !good(); ++round) {
      Order moved = order;
      const auto from = std::find(moved.begin(), moved.end(), pick(random, top));
      const std::size_t block = *from;
      moved.erase(from);
      moved.insert(moved.begin() + static_cast<std::ptrdiff_t>(random() % order.size()), block);
      const std::int64_t now = try_order(moved);
      const double warmth = kWorse * (1 - static_cast<double>(round) / static_cast<double>(rounds));
      if (static_cast<double>(now) > static_cast<double>(top) * (1 + warmth)) {
        place_in(order);
        continue;
      }
      order = std::move(moved);
      top = now;
    }
  }

  // Any block, or as often one at the top or a neighbour of it.
  std::size_t pick(std::mt19937& random, std::int64_t top) const {
    if (random() % 2 == 0) return alive_[random() % alive_.size()];
    Order highest;
    for (std::size_t b : alive_)
      if (blocks_[b].offset + blocks_[b].bytes == top) highest.push_back(b);
    const std::size_t block = highest[random() % highest.size()];
    const std::size_t which = random() % (neighbours_[block].size() + 1);
    return which == neighbours_[block].size() ? block : neighbours_[block][which];
  }

  std::int64_t place_in(const Order& order) {
    for (std::size_t b : order) blocks_[b].offset = -1;
    std::int64_t top = 0;
    std::vector<const Block*> around;
    for (std::size_t b : order) {
      around.clear();
      for (std::size_t other : neighbours_[b])
        if (blocks_[other].offset >= 0) around.push_back(&blocks_[other]);
      std::sort(around.begin(), around.end(), [](const Block* x, const Block* y) { return x->offset < y->offset; });
      std::int64_t at = 0;
      for (const Block* other : around) {
        if (other->offset - at >= blocks_[b].bytes) break;
        at = std::max(at, other->offset + other->bytes);
      }
      blocks_[b].offset = at;
      top = std::max(top, at + blocks_[b].bytes);
    }
    return top;
  }

  std::vector<Block>& blocks_;
  std::int64_t bound_;
  int fullest_;
  Order alive_;
  std::vector<Order> neighbours_;  // what lives at the same time
  std::int64_t best_ = -1;
  Order best_order_;
  std::vector<std::int64_t> best_offsets_;
};

}  // namespace

std::int64_t most_living(const std::vector<Block>& blocks) { return fullest(blocks).bytes; }

std::int64_t place(std::vector<Block>& blocks) { return Placing(blocks).run(); }

}  // namespace gradc
