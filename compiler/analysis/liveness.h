// How much memory a region's values take while its nodes run in an order, and orders that take less.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "compiler/analysis/order.h"
#include "ir/graph.h"

namespace gradc {

// Where a value lies: `bytes` of its own, for as long as it or another value with this base is read. No bytes: nowhere,
// or where it costs nothing (a parameter, a result that is written to its destination).
struct Residence {
  const Value* base = nullptr;
  std::int64_t bytes = 0;
};
// The base of a base is itself, and its bytes are the same for all its values.
using Residences = std::function<Residence(const Value*)>;

class Liveness {
 public:
  Liveness(const Region& region, const Residences& residences);

  // Bytes that live while each node of the order runs, its operands and results included.
  std::vector<std::int64_t> along(std::span<const Node* const> order) const;
  std::int64_t peak(std::span<const Node* const> order) const;  // the most of them

  // The order with nodes moved: one that makes more than it frees comes down towards its first reader, one that frees
  // as much as it makes, or more, goes up towards its producers. No node that it moves past has more around it than
  // before, and the peak is no higher. Wishes that the order keeps are kept.
  std::vector<const Node*> settled(std::span<const Node* const> order, std::span<const Wish> wishes = {}) const;

 private:
  friend class Settling;

  struct Base {
    std::int64_t bytes = 0;
    std::vector<std::size_t> users;  // its producers and readers
    bool lasts = false;              // a result of the region
  };
  struct Uses {
    std::vector<std::size_t> made, read;  // bases with bytes
  };

  std::size_t base_of(const Residence& residence);
  void add_use(std::size_t node, const Residence& residence, std::vector<std::size_t>& of);
  std::vector<std::size_t> numbers(std::span<const Node* const> order) const;
  std::vector<std::int64_t> along(const std::vector<std::size_t>& position) const;

  // Nodes are numbered in the region's order.
  std::vector<const Node*> nodes_;
  std::unordered_map<const Node*, std::size_t> number_;
  std::unordered_map<const Value*, std::size_t> base_number_;
  std::vector<Base> bases_;
  std::vector<Uses> uses_;
  std::vector<std::vector<std::size_t>> producers_;
};

}  // namespace gradc
