// Liveness over orders of nodes, and local improvements of them: see liveness.h.
#include "compiler/analysis/liveness.h"

#include <algorithm>

#include "ir/diagnostic.h"

namespace gradc {

Liveness::Liveness(const Region& region, const Residences& residences) {
  for (const auto& node : region.nodes) {
    number_[node.get()] = nodes_.size();
    nodes_.push_back(node.get());
  }
  uses_.resize(nodes_.size());
  producers_.resize(nodes_.size());
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    for (const Value* value : nodes_[n]->operands) {
      add_use(n, residences(value), uses_[n].read);
      if (auto producer = number_.find(value->node); producer != number_.end())
        producers_[n].push_back(producer->second);
    }
    for (const auto& result : nodes_[n]->results) add_use(n, residences(result.get()), uses_[n].made);
    std::erase_if(uses_[n].made, [&](std::size_t base) {
      return std::find(uses_[n].read.begin(), uses_[n].read.end(), base) != uses_[n].read.end();
    });
  }
  for (const Value* result : region.results)
    if (const Residence residence = residences(result); residence.bytes > 0) bases_[base_of(residence)].lasts = true;
}

std::size_t Liveness::base_of(const Residence& residence) {
  const auto [found, fresh] = base_number_.emplace(residence.base, bases_.size());
  if (fresh) bases_.push_back({residence.bytes, {}, false});
  return found->second;
}

void Liveness::add_use(std::size_t node, const Residence& residence, std::vector<std::size_t>& of) {
  if (residence.bytes == 0) return;
  const std::size_t base = base_of(residence);
  if (std::find(of.begin(), of.end(), base) != of.end()) return;
  of.push_back(base);
  std::vector<std::size_t>& users = bases_[base].users;
  if (users.empty() || users.back() != node) users.push_back(node);
}

std::vector<std::size_t> Liveness::numbers(std::span<const Node* const> order) const {
  std::vector<std::size_t> result;
  for (const Node* node : order) result.push_back(number_.at(node));
  return result;
}

std::vector<std::int64_t> Liveness::along(std::span<const Node* const> order) const {
  ensure(order.size() == nodes_.size(), "an order holds every node of its region");
  std::vector<std::size_t> position(nodes_.size());
  for (std::size_t i = 0; i < order.size(); ++i) position[number_.at(order[i])] = i;
  return along(position);
}

std::vector<std::int64_t> Liveness::along(const std::vector<std::size_t>& position) const {
  std::vector<std::int64_t> bytes(position.size() + 1);  // first what is added at each place
  for (const Base& base : bases_) {
    if (base.users.empty()) continue;
    std::size_t first = position.size(), last = 0;
    for (std::size_t user : base.users) {
      first = std::min(first, position[user]);
      last = std::max(last, position[user]);
    }
    bytes[first] += base.bytes;
    bytes[base.lasts ? position.size() : last + 1] -= base.bytes;
  }
  for (std::size_t i = 1; i < bytes.size(); ++i) bytes[i] += bytes[i - 1];
  bytes.pop_back();
  return bytes;
}

std::int64_t Liveness::peak(std::span<const Node* const> order) const {
  const std::vector<std::int64_t> bytes = along(order);
  return bytes.empty() ? 0 : *std::max_element(bytes.begin(), bytes.end());
}

// An order whose nodes move past each other one by one.
class Settling {
 public:
  Settling(const Liveness& liveness, std::vector<std::size_t> order, std::span<const Wish> wishes)
      : liveness_(liveness),
        order_(std::move(order)),
        position_(order_.size()),
        before_(liveness.producers_),
        after_(order_.size()) {
    for (std::size_t i = 0; i < order_.size(); ++i) position_[order_[i]] = i;
    for (const Wish& wish : wishes) {
      const std::size_t before = liveness.number_.at(wish.before), after = liveness.number_.at(wish.after);
      if (position_[before] < position_[after]) before_[after].push_back(before);
    }
    for (std::size_t n = 0; n < before_.size(); ++n)
      for (std::size_t before : before_[n]) after_[before].push_back(n);
    along_ = liveness_.along(position_);
  }

  std::vector<std::size_t> run() {
    for (int round = 0; round < kRounds; ++round) {
      bool moved = false;
      for (std::size_t i = 0; i < order_.size(); ++i) moved |= raise(order_[i]);
      for (std::size_t i = order_.size(); i-- > 0;) moved |= sink(order_[i]);
      if (!moved) break;
    }
    return std::move(order_);
  }

 private:
  static constexpr int kRounds = 6;

  std::int64_t made(std::size_t node) const {
    std::int64_t bytes = 0;
    for (std::size_t base : liveness_.uses_[node].made) bytes += liveness_.bases_[base].bytes;
    return bytes;
  }

  // Bytes that the node reads and nobody else needs at `at` or behind.
  std::int64_t dying(std::size_t node, std::size_t at) const {
    std::int64_t bytes = 0;
    for (std::size_t b : liveness_.uses_[node].read) {
      const Liveness::Base& base = liveness_.bases_[b];
      const bool needed = base.lasts || std::any_of(base.users.begin(), base.users.end(), [&](std::size_t user) {
                            return user != node && position_[user] >= at;
                          });
      if (!needed) bytes += base.bytes;
    }
    return bytes;
  }

  // While the node waits, what it makes is not there, and what it alone still reads is.
  bool sink(std::size_t node) {
    const std::int64_t makes = made(node);
    if (makes == 0) return false;
    std::size_t end = order_.size();
    for (std::size_t reader : after_[node]) end = std::min(end, position_[reader]);
    if (end == order_.size()) return false;  // nobody waits for it: its results last
    const std::size_t start = position_[node];
    std::size_t to = start;
    while (to + 1 < end && dying(node, to + 1) < makes) ++to;
    return try_move(start, to);
  }

  // Where the node has run, what it makes is there, and what it alone would still read is not. It goes up where that is
  // the same, too, so that what follows from it can.
  bool raise(std::size_t node) {
    if (before_[node].empty()) return false;
    const std::int64_t makes = made(node);
    const std::size_t start = position_[node];
    std::size_t begin = 0;
    for (std::size_t producer : before_[node]) begin = std::max(begin, position_[producer] + 1);
    std::size_t to = start;
    while (to > begin && dying(node, to - 1) >= makes) --to;
    return try_move(start, to);
  }

  // The node's own moment may be fuller in its new place: then it stays.
  bool try_move(std::size_t from, std::size_t to) {
    if (from == to) return false;
    const auto fullest = [&](const std::vector<std::int64_t>& along) {
      const auto at = [&](std::size_t i) { return along.begin() + static_cast<std::ptrdiff_t>(i); };
      return *std::max_element(at(std::min(from, to)), at(std::max(from, to) + 1));
    };
    move(from, to);
    std::vector<std::int64_t> moved = liveness_.along(position_);
    if (fullest(moved) <= fullest(along_)) {
      along_ = std::move(moved);
      return true;
    }
    move(to, from);
    return false;
  }

  void move(std::size_t from, std::size_t to) {
    const auto at = [&](std::size_t i) { return order_.begin() + static_cast<std::ptrdiff_t>(i); };
    if (from < to) std::rotate(at(from), at(from) + 1, at(to) + 1);
    if (to < from) std::rotate(at(to), at(from), at(from) + 1);
    for (std::size_t i = std::min(from, to); i <= std::max(from, to); ++i) position_[order_[i]] = i;
  }

  const Liveness& liveness_;
  std::vector<std::size_t> order_;
  std::vector<std::size_t> position_;
  std::vector<std::int64_t> along_;  // bytes that live at each place
  std::vector<std::vector<std::size_t>> before_, after_;
};

std::vector<const Node*> Liveness::settled(std::span<const Node* const> order, std::span<const Wish> wishes) const {
  std::vector<const Node*> settled;
  for (std::size_t n : Settling(*this, numbers(order), wishes).run()) settled.push_back(nodes_[n]);
  return settled;
}

}  // namespace gradc
