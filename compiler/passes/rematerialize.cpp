// Makes anew, for the late part of a step, what would have to be kept from the early part (the backward's view of the
// forward), where that saves more memory than it costs time.
//
// 1. The nodes are put into an order that needs little memory, and the moment is found at which the most bytes wait
//    that a cut could save. What runs until then is early, the rest late.
// 2. Each early value costs its bytes to keep, and each early node its operations to run again, at the rung's price of
//    operations a byte; a node of a kind that the rung does not repeat costs more than anything. A minimum cut
//    (compiler/analysis/min_cut.h) says what is kept and what runs again.
// 3. A rung with segments first picks checkpoints: places of the early order, few bytes across each, such that what is
//    between two of them is at most a share of all that waits. What early nodes read across a checkpoint costs nothing
//    to keep. So what runs again at one time is one segment.
// 4. Nodes that run again are copied to where the late part first reads them. Late nodes and copies read early values
//    through a `barrier`, so that no later pass takes a copy for its original, or moves an early node to its late
//    reader.
//
//   %e = exp(%x)               %e = exp(%x)
//   %s = sin(%e)               %s = sin(%e)
//   …                    →     …
//   %g = multiply(%d, %s)      %b = barrier(%x)
//                              %e_1 = exp(%b)
//                              %s_1 = sin(%e_1)
//                              %g = multiply(%d, %s_1)
#include "compiler/passes/rematerialize.h"

#include <algorithm>
#include <map>
#include <set>

#include "compiler/analysis/liveness.h"
#include "compiler/analysis/min_cut.h"
#include "compiler/analysis/order.h"
#include "compiler/analysis/work.h"
#include "compiler/passes/pass.h"

namespace gradc {

namespace {

struct Rung {
  Effort most = Effort::none;  // what is repeated
  std::int64_t price = 1;      // operations that a byte is worth
  int segments = 1;            // what waits is cut into about so many
};

// A byte that is kept is written and read once; elementwise code does some 10 operations in that time, products more by
// the width of their tiles. Without segments, dearer products make chains that need more memory than they save.
constexpr Rung kRungs[] = {
    {},
    {Effort::elementwise, 16, 1},
    {Effort::reduction, 64, 1},
    {Effort::random, 256, 1},
    {Effort::product, 64, 1},
    {Effort::product, 128, 1},
    {Effort::product, 1024, 2},
    {Effort::product, 1024, 4},
    {Effort::product, 1024, 8},
    {Effort::product, 8192, 4},
    {Effort::product, 8192, 8},
};

using Positions = std::map<const Node*, std::size_t>;

// What moves elements about is read through; results and constants take no workspace.
Residences in_workspace(const Region& region) {
  auto base = [](const Value* value) {
    while (value->node && !value->node->operands.empty() && work_of(*value->node).effort == Effort::none)
      value = value->node->operands[0];
    return value;
  };
  std::set<const Value*> elsewhere;
  for (const Value* result : region.results) elsewhere.insert(base(result));
  std::map<const Value*, Residence> known;
  return [=](const Value* value) mutable -> Residence {
    auto [found, fresh] = known.emplace(value, Residence{});
    if (!fresh) return found->second;
    const Value* at = base(value);
    const bool free = !at->node || work_of(*at->node).effort == Effort::none || elsewhere.contains(at);
    return found->second = {at, free ? 0 : at->type.elements() * byte_size(at->type.dtype)};
  };
}

class Rematerializer {
 public:
  Rematerializer(Region& region, const Rung& rung)
      : region_(region), rung_(rung), residences_(in_workspace(region)), liveness_(region, residences_) {
    for (const auto& node : region.nodes) works_[node.get()] = work_of(*node);
    order_ = liveness_.settled(topological_order(region));
    for (std::size_t i = 0; i < order_.size(); ++i) position_[order_[i]] = i;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      for (const Value* operand : order_[i]->operands) use(operand, i);
      for (const auto& result : order_[i]->results) use(result.get(), i);
    }
  }

  bool run() {
    if (!find_turn()) return false;
    write();
    return true;
  }

 private:
  void use(const Value* value, std::size_t at) {
    std::vector<std::size_t>& uses = uses_[residences_(value).base];
    if (uses.empty() || uses.back() != at) uses.push_back(at);
  }

  std::int64_t bytes(const Value* value) const {
    const Residence residence = residences_(value);
    return residence.base == value ? residence.bytes : 0;
  }

  // ---- 1 and 2 ----

  std::int64_t cost_of_keeping(const Value* value) const {
    if (works_.at(value->node).effort == Effort::none) return kNever;  // what it reads is kept
    return checkpoints_.contains(value) ? 0 : std::max<std::int64_t>(bytes(value), 1);
  }

  std::int64_t cost_of_repeating(const Node* node) const {
    const Work& work = works_.at(node);
    if (work.effort == Effort::none) return 0;
    return work.effort > rung_.most ? kNever : 1 + work.operations / rung_.price;
  }

  Cut cut_at(std::size_t turn) const {
    return cheapest_cut(region_, [&](const Node* node) { return position_.at(node) > turn; },
                        {[&](const Value* value) { return cost_of_keeping(value); },
                         [&](const Node* node) { return cost_of_repeating(node); }});
  }

  // Bytes that wait at a moment for later nodes.
  std::int64_t waiting(std::size_t turn) const {
    std::int64_t sum = 0;
    for (const auto& [base, uses] : uses_)
      if (uses.front() <= turn && uses.back() > turn) sum += bytes(base);
    return sum;
  }

  // False where no cut helps.
  bool find_turn() {
    constexpr std::size_t kMostTried = 16;
    const std::vector<std::int64_t> along = liveness_.along(order_);
    std::vector<std::size_t> full;
    for (std::size_t i = 0; i + 1 < along.size(); ++i)
      if ((i == 0 || along[i] >= along[i - 1]) && along[i] > along[i + 1]) full.push_back(i);
    std::stable_sort(full.begin(), full.end(), [&](auto a, auto b) { return along[a] > along[b]; });
    full.resize(std::min(full.size(), kMostTried));
    std::int64_t sum = 0, least = kNever;
    for (std::int64_t moment : along) sum += moment;
    std::size_t best_turn = 0;
    for (std::size_t turn : full) {
      turn_ = turn;
      checkpoints_.clear();
      if (rung_.segments > 1) pick_checkpoints();
      Cut cut = cut_at(turn);
      if (cut.recomputed.empty() || cut.cost >= waiting(turn)) continue;
      const Load load = load_with(cut);
      if (load.sum >= sum || load.most >= least) continue;
      least = load.most;
      best_turn = turn;
      cut_ = std::move(cut);
    }
    turn_ = best_turn;
    return least < kNever;
  }

  using LateUses = std::map<const Value*, std::set<std::size_t>>;

  // By base: where late nodes and copies read it. A copy runs where it is first read.
  LateUses late_uses(const std::set<const Node*>& repeated) const {
    LateUses late;
    for (const auto& [base, uses] : uses_)
      for (std::size_t use : uses)
        if (use > turn_) late[base].insert(use);
    for (auto node = order_.rbegin(); node != order_.rend(); ++node) {
      if (!repeated.contains(*node)) continue;
      std::size_t first = order_.size();
      for (const auto& result : (*node)->results)
        if (auto found = late.find(residences_(result.get()).base); found != late.end())
          first = std::min(first, *found->second.begin());
      if (first == order_.size()) continue;
      for (const Value* operand : (*node)->operands) late[residences_(operand).base].insert(first);
    }
    return late;
  }

  struct Load {
    std::int64_t most = 0, sum = 0;
  };

  // Bytes at the fullest moment, and those of all moments, after the cut. What is repeated lives until its last early
  // reader, and as a copy.
  Load load_with(const Cut& cut) const {
    const std::set<const Node*> repeated(cut.recomputed.begin(), cut.recomputed.end());
    const LateUses late = late_uses(repeated);
    std::vector<std::int64_t> change(order_.size() + 1);
    for (const auto& [base, uses] : uses_) {
      auto lives = [&](std::size_t first, std::size_t last) {
        change[first] += bytes(base);
        change[last + 1] -= bytes(base);
      };
      const auto found = late.find(base);
      if (bytes(base) == 0) continue;
      if (found == late.end() || uses.front() > turn_) {
        lives(uses.front(), uses.back());
      } else if (repeated.contains(base->node)) {
        lives(uses.front(), *std::prev(std::upper_bound(uses.begin(), uses.end(), turn_)));
        lives(*found->second.begin(), *found->second.rbegin());
      } else {
        lives(uses.front(), *found->second.rbegin());
      }
    }
    std::int64_t living = 0;
    Load load;
    for (std::int64_t by : change) {
      living += by;
      load.sum += living;
      load.most = std::max(load.most, living);
    }
    return load;
  }

  // ---- 3 ----

  // Places are between nodes: place p is before node p of the order. By dynamic programming over them: the fewest bytes
  // across all checkpoints from the start to p.
  void pick_checkpoints() {
    const std::size_t places = turn_ + 1;
    std::vector<std::int64_t> across(places + 1), until(places + 1);
    std::int64_t all = 0;
    count_bytes(across, until, all);
    const std::int64_t most = all / rung_.segments;
    std::vector<std::int64_t> fewest(places + 1, kNever);
    std::vector<std::size_t> before(places + 1);
    fewest[0] = 0;
    for (std::size_t p = 1; p <= places; ++p)
      for (std::size_t q = p; q-- > 0;) {
        if (until[p] - until[q] > most && q + 1 < p) break;
        const std::int64_t sum = fewest[q] + (p == places ? 0 : across[p]);
        if (sum < fewest[p]) fewest[p] = sum, before[p] = q;
      }
    for (std::size_t p = before[places]; p > 0; p = before[p])
      for (const Value* value : read_across(p)) checkpoints_.insert(value);
  }

  // Values made before a place and read by early nodes behind it.
  std::vector<const Value*> read_across(std::size_t place) const {
    std::vector<const Value*> values;
    for (const auto& node : region_.nodes) {
      if (position_.at(node.get()) > turn_ || position_.at(node.get()) < place) continue;
      for (const Value* operand : node->operands) {
        const Value* base = residences_(operand).base;
        if (base->node && position_.at(base->node) < place) values.push_back(base);
      }
    }
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }

  // across[p]: bytes that early nodes read across place p. until[p]: bytes that wait at the turn and are made before p.
  void count_bytes(std::vector<std::int64_t>& across, std::vector<std::int64_t>& until, std::int64_t& all) const {
    const std::size_t places = turn_ + 1;
    std::map<const Value*, std::size_t> last_early;  // by base
    std::set<const Value*> waits;
    for (const auto& node : region_.nodes)
      for (const Value* operand : node->operands) {
        const Value* base = residences_(operand).base;
        if (!base->node || position_.at(base->node) > turn_) continue;
        const std::size_t at = position_.at(node.get());
        if (at > turn_) waits.insert(base);
        if (at <= turn_) last_early[base] = std::max(last_early[base], at);
      }
    for (const auto& [base, last] : last_early)
      for (std::size_t p = position_.at(base->node) + 1; p <= last; ++p) across[p] += bytes(base);
    std::vector<std::int64_t> made(places + 1);
    for (const Value* base : waits) made[position_.at(base->node) + 1] += bytes(base);
    for (std::size_t p = 1; p <= places; ++p) until[p] = until[p - 1] + made[p];
    all = until[places];
  }

  // ---- 4 ----

  void write() {
    std::vector<std::unique_ptr<Node>> old = std::move(region_.nodes);
    region_.nodes.clear();
    std::map<const Node*, std::unique_ptr<Node>*> owners;
    for (auto& node : old) owners[node.get()] = &node;
    repeated_.insert(cut_.recomputed.begin(), cut_.recomputed.end());
    Builder builder(region_);
    for (const Node* node : order_) {
      std::unique_ptr<Node>& owner = *owners.at(node);
      if (position_.at(node) > turn_)
        for (Value*& operand : owner->operands) operand = for_late(builder, operand);
      region_.nodes.push_back(std::move(owner));
    }
  }

  bool is_early(const Value* value) const { return value->node && position_.at(value->node) <= turn_; }

  bool is_constant(const Value* value) const {
    return value->node && value->node->operands.empty() && works_.at(value->node).effort == Effort::none;
  }

  // What a late node reads in the place of a value.
  Value* for_late(Builder& builder, Value* value) {
    if (!is_early(value) || is_constant(value)) return value;
    if (auto known = late_.find(value); known != late_.end()) return known->second;
    return late_[value] = repeated_.contains(value->node) ? repeat(builder, value) : behind_barrier(builder, value);
  }

  Value* behind_barrier(Builder& builder, Value* value) {
    if (auto known = late_.find(value); known != late_.end()) return known->second;
    if (value->node) builder.locations = value->node->locations;
    Value* barrier = builder.one("barrier", {value});
    barrier->name = value->name;
    return late_[value] = barrier;
  }

  Value* repeat(Builder& builder, Value* value) {
    const Node& node = *value->node;
    ValueMap map;
    for (Value* operand : node.operands)
      map[operand] = operand->node ? for_late(builder, operand) : behind_barrier(builder, operand);
    builder.clone(node, map);
    for (const auto& result : node.results) late_[result.get()] = map.at(result.get());
    return late_.at(value);
  }

  Region& region_;
  const Rung rung_;
  Residences residences_;
  Liveness liveness_;
  std::map<const Node*, Work> works_;
  std::vector<const Node*> order_;
  Positions position_;
  std::map<const Value*, std::vector<std::size_t>> uses_;  // of a base: where it is made and read, in order
  std::size_t turn_ = 0;
  Cut cut_;
  std::set<const Value*> checkpoints_;
  std::set<const Node*> repeated_;
  std::map<const Value*, Value*> late_;  // early value, or parameter, to what late nodes read
};

}  // namespace

const int kRematerializeRungs = static_cast<int>(std::size(kRungs)) - 1;

bool rematerialize(Function& function, const Options& options) {
  if (options.rematerialize <= 0) return false;
  const int rung = std::min(options.rematerialize, kRematerializeRungs);
  return Rematerializer(function.body, kRungs[rung]).run();
}

}  // namespace gradc
