// Finds scalar code that a block repeats.
//
// 1. Each instruction is looked up by what it and the next ones do, operands aside; an earlier place of that kind is a
//    candidate.
// 2. From both places the runs are compared: an operand is either made at the same distance in both runs, or comes from
//    before both.
// 3. The runs are cut where what is used later is one value, the same in each.
#include "compiler/codegen/chains.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <unordered_map>

#include "compiler/codegen/plain_code.h"

namespace gradc::codegen {
namespace {

constexpr std::size_t kLeast = 100;     // instructions that are worth a function
constexpr std::size_t kWindow = 12;     // that two places must share to be compared
constexpr std::size_t kMostPlaces = 8;  // that are remembered of one kind

class ChainFinder {
 public:
  explicit ChainFinder(const std::vector<Instr>& block) : block_(block) {
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (block[i].result >= 0) made_[block[i].result] = i;
      note_uses(block[i], i, last_use_);
    }
  }

  std::vector<Chain> run() {
    std::unordered_map<std::size_t, std::vector<std::size_t>> places;  // by kind
    for (std::size_t at = 0; at + kLeast <= block_.size();) {
      const std::size_t kind = kind_of(at);
      std::vector<std::size_t>& known = places[kind];
      std::size_t taken = 0;
      for (std::size_t k = 0; k < known.size() && taken == 0; ++k) taken = add(known[k], at);
      if (taken == 0 && kind != 0 && known.size() < kMostPlaces) known.push_back(at);
      at += std::max<std::size_t>(taken, 1);
    }
    return std::move(chains_);
  }

 private:
  // 0: no chain begins here.
  std::size_t kind_of(std::size_t at) const {
    std::size_t hash = 1;
    for (std::size_t i = at; i < at + kWindow; ++i) {
      const Instr& in = block_[i];
      if (!is_plain(in)) return 0;
      for (std::uint64_t part : {static_cast<std::uint64_t>(in.op), static_cast<std::uint64_t>(in.type),
                                 static_cast<std::uint64_t>(in.integer), std::bit_cast<std::uint64_t>(in.number)})
        hash = (hash ^ part) * 0x9e3779b97f4a7c15 + (hash >> 29);
    }
    return hash == 0 ? 1 : hash;
  }

  // Where a run that begins at `begin` makes a value, from its begin; -1: before it.
  std::ptrdiff_t place_in(std::size_t begin, int value) const {
    const auto found = made_.find(value);
    return found == made_.end() || found->second < begin ? -1 : static_cast<std::ptrdiff_t>(found->second - begin);
  }

  // Operands from before the runs, each of the first with its counterpart. What loops leave behind is none, so that
  // every operand has the type of an instruction.
  class Counterparts {
   public:
    bool agree(int a, int b) {
      return to_.try_emplace(a, b).first->second == b && from_.try_emplace(b, a).first->second == a;
    }

   private:
    std::unordered_map<int, int> to_, from_;
  };
  bool same_operand(std::size_t first, std::size_t second, int a, int b, Counterparts& outside) const {
    const std::ptrdiff_t place = place_in(first, a);
    if (place != place_in(second, b)) return false;
    if (place >= 0) return true;
    const auto one = made_.find(a), other = made_.find(b);
    return one != made_.end() && other != made_.end() && block_[one->second].type == block_[other->second].type &&
           outside.agree(a, b);
  }

  std::size_t common_length(std::size_t first, std::size_t second) const {
    Counterparts outside;
    std::size_t length = 0;
    for (; first + length < second && second + length < block_.size(); ++length) {
      const Instr &a = block_[first + length], &b = block_[second + length];
      if (!is_plain(a) || !same_work(a, b)) break;
      bool same = true;
      for (std::size_t k = 0; k < a.args.size(); ++k)
        same = same && same_operand(first, second, a.args[k], b.args[k], outside);
      if (!same) break;
    }
    return length;
  }

  // The offset of the one value of a run that is read behind it; -1: none, or several.
  std::ptrdiff_t only_result(std::size_t begin, std::size_t length) const {
    std::ptrdiff_t only = -1;
    for (std::size_t i = begin; i < begin + length; ++i) {
      const auto use = last_use_.find(block_[i].result);
      if (use == last_use_.end() || use->second < begin + length) continue;
      if (only >= 0) return -1;
      only = static_cast<std::ptrdiff_t>(i - begin);
    }
    return only;
  }

  // Notes that the code at `first` comes again at `second`; how long it is, or 0: it does not.
  std::size_t add(std::size_t first, std::size_t second) {
    std::size_t length = common_length(first, second);
    for (Chain& c : chains_) {
      if (c.calls[0].begin == first) {
        if (length < c.length || only_result(second, c.length) != only_result(first, c.length)) return 0;
        c.calls.push_back(call(second, c.length));
        return c.length;
      }
      for (const Chain::Call& other : c.calls)
        if (first < other.begin + c.length && other.begin < first + length) return 0;
    }
    for (; length >= kLeast; --length) {
      const std::ptrdiff_t result = only_result(first, length);
      if (result < 0 || result != only_result(second, length)) continue;
      chains_.push_back({length, {call(first, length), call(second, length)}});
      return length;
    }
    return 0;
  }

  Chain::Call call(std::size_t begin, std::size_t length) const {
    Chain::Call made{begin, {}, block_[begin + static_cast<std::size_t>(only_result(begin, length))].result};
    for (std::size_t i = begin; i < begin + length; ++i)
      for (int arg : block_[i].args)
        if (place_in(begin, arg) < 0 &&
            std::find(made.operands.begin(), made.operands.end(), arg) == made.operands.end())
          made.operands.push_back(arg);
    return made;
  }

  const std::vector<Instr>& block_;
  Places made_, last_use_;
  std::vector<Chain> chains_;
};

}  // namespace

std::vector<Chain> repeated_chains(const std::vector<Instr>& block) {
  if (block.size() < 2 * kLeast) return {};  // most kernels
  return ChainFinder(block).run();
}

}  // namespace gradc::codegen
