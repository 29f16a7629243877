// Finds runs of a block that repeat.
//
// 1. For each distance, the shortest first, the stretches are taken in which every instruction does the same work as
//    the one that far behind it, operands aside.
// 2. Within such a stretch each place may be where a run begins; of those whose operands agree, the last that makes the
//    most runs is taken: a value is then carried when it is complete.
// 3. An operand is made at the same place of its own run, or of the run before, or comes from before all runs: the same
//    for each, or from before the block.
#include "compiler/codegen/repeats.h"

#include <algorithm>
#include <optional>

#include "compiler/codegen/plain_code.h"

namespace gradc::codegen {
namespace {

constexpr std::size_t kShortest = 6, kLongest = 24;  // instructions of a run
constexpr std::size_t kLeast = 4;                    // runs

class RepeatFinder {
 public:
  RepeatFinder(const std::vector<Instr>& block, std::span<const int> results) : block_(block) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      note_uses(block[i], i, last_use_);
      if (block[i].result >= 0) made_[block[i].result] = i;
      if (block[i].loop)
        for (const Accumulator& a : block[i].loop->accumulators) made_[a.result] = i;
    }
    for (int value : results) last_use_[value] = block.size();
  }

  std::vector<Repeat> run() const {
    std::vector<Repeat> found;
    for (std::size_t at = 0; at < block_.size();) {
      std::optional<Repeat> next = first_from(at);
      if (!next) break;
      at = next->end();
      found.push_back(std::move(*next));
    }
    return found;
  }

 private:
  std::optional<Repeat> first_from(std::size_t at) const {
    for (std::size_t length = kShortest; length <= kLongest; ++length)
      for (std::size_t from = at; from + kLeast * length <= block_.size();) {
        std::size_t to = from;  // the end of the stretch, less a length
        while (to + length < block_.size() && is_plain(block_[to]) && same_work(block_[to], block_[to + length])) ++to;
        if (to - from >= (kLeast - 1) * length)
          if (std::optional<Repeat> found = within(from, to + length, length)) return found;
        from = to + 1;
      }
    return std::nullopt;
  }

  std::optional<Repeat> within(std::size_t from, std::size_t to, std::size_t length) const {
    std::optional<Repeat> most;
    for (std::size_t begin = from; begin + kLeast * length <= to && begin < from + 3 * length; ++begin) {
      std::optional<Repeat> found = repeat(begin, length, (to - begin) / length);
      if (found && (!most || found->times >= most->times)) most = std::move(found);
    }
    return most;
  }

  std::optional<Repeat> repeat(std::size_t begin, std::size_t length, std::size_t times) const {
    Repeat r{begin, length, times, {}, {}};
    for (std::size_t i = 0; i < length; ++i)
      for (std::size_t k = 0; k < block_[begin + i].args.size(); ++k)
        if (!add_operand(r, i, k)) return std::nullopt;
    for (std::size_t i = begin; i < r.place(times - 1, 0); ++i)
      if (const auto use = last_use_.find(block_[i].result); use != last_use_.end() && use->second >= r.end())
        return std::nullopt;
    return r;
  }

  // Where a value is made, counted from the first instruction of the run at `time`.
  std::ptrdiff_t place_in(const Repeat& r, std::size_t time, int value) const {
    const auto found = made_.find(value);
    const auto at = found == made_.end() ? std::ptrdiff_t{-1} : static_cast<std::ptrdiff_t>(found->second);
    return at - static_cast<std::ptrdiff_t>(r.place(time, 0));
  }

  bool add_operand(Repeat& r, std::size_t i, std::size_t k) const {
    const auto value = [&](std::size_t time) { return block_[r.place(time, i)].args[k]; };
    const auto length = static_cast<std::ptrdiff_t>(r.length);
    const std::ptrdiff_t second = place_in(r, 1, value(1));
    if (second >= -length) {
      for (std::size_t time = second >= 0 ? 0 : 1; time < r.times; ++time)
        if (place_in(r, time, value(time)) != second) return false;
      if (second >= 0) return true;
      r.carried.push_back({i, k, static_cast<std::size_t>(second + length)});
      return place_in(r, 0, value(0)) < 0;
    }
    bool same = true, before_block = true;
    for (std::size_t time = 0; time < r.times; ++time) {
      if (place_in(r, 0, value(time)) >= 0) return false;
      same = same && value(time) == value(0);
      before_block = before_block && !made_.contains(value(time));
    }
    if (!same) r.varying.push_back({i, k, 0});
    return same || before_block;
  }

  const std::vector<Instr>& block_;
  Places made_, last_use_;
};

}  // namespace

std::vector<Repeat> repeats(const std::vector<Instr>& block, std::span<const int> results) {
  return RepeatFinder(block, results).run();
}

}  // namespace gradc::codegen
