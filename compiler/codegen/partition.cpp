// Which kernels are compiled together: parts of about the same work, so that a module compiles on all cores.
#include <algorithm>
#include <numeric>
#include <set>
#include <string>

#include "compiler/codegen/build.h"
#include "compiler/codegen/chains.h"
#include "compiler/codegen/unit.h"

namespace gradc::codegen {
namespace {

constexpr std::int64_t kLeastWork = 400;  // instructions that are worth a part: some milliseconds of compile time

struct Cost {
  std::int64_t instructions = 0;
  std::set<std::string> tiles;
};

std::int64_t tile_cost(const Target& target, const Tile& tile) {
  std::int64_t bodies = 1;
  for (const Tile::Depth& depth : tile.depth)
    if (depth.rows) bodies = std::max<std::int64_t>(1, depth.extent);
  return 4 * bodies * tile.rows * std::max(1, tile.columns / target.lanes(byte_size(tile.dtype)));
}

void add_cost(const std::vector<Instr>& block, std::int64_t copies, Cost& cost) {
  for (const Instr& in : block) {
    cost.instructions += copies;
    if (in.tile) cost.tiles.insert(tile_name(*in.tile));
    bool unrolled = in.loop && in.loop->mark == Loop::Mark::unroll;
    std::int64_t inside = in.loop && in.loop->mark == Loop::Mark::vector ? 2 : unrolled ? in.loop->extent : 1;
    add_cost(in.body, copies * inside, cost);
  }
}

void tile_costs(const Target& target, const std::vector<Instr>& block, std::map<std::string, std::int64_t>& costs) {
  for (const Instr& in : block) {
    if (in.tile) costs[tile_name(*in.tile)] = tile_cost(target, *in.tile);
    tile_costs(target, in.body, costs);
  }
}

}  // namespace

std::vector<std::vector<KernelPlace>> partition(const KernelModule& module, int parts) {
  std::vector<KernelPlace> places;
  std::vector<Cost> costs;
  std::map<std::string, std::int64_t> of_tile;
  std::int64_t total = 0;
  for (std::size_t p = 0; p < module.programs.size(); ++p)
    for (std::size_t k = 0; k < module.programs[p].kernels.size(); ++k) {
      places.push_back({p, k});
      add_cost(module.programs[p].kernels[k].body, 1, costs.emplace_back());
      for (const Chain& chain : repeated_chains(module.programs[p].kernels[k].body))
        costs.back().instructions -= static_cast<std::int64_t>(chain.length * (chain.calls.size() - 1));
      tile_costs(module.programs[p].target, module.programs[p].kernels[k].body, of_tile);
      total += costs.back().instructions;
    }
  for (const auto& [name, cost] : of_tile) total += cost;
  parts = static_cast<int>(std::clamp<std::int64_t>(total / kLeastWork, 1, std::max(parts, 1)));

  struct Part {
    std::vector<std::size_t> kernels;
    std::set<std::string> tiles;
    std::int64_t work = 0;
  };
  std::vector<Part> made(static_cast<std::size_t>(parts));
  std::vector<std::size_t> order(places.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return costs[a].instructions > costs[b].instructions; });
  for (std::size_t i : order) {
    auto after = [&](const Part& part) {
      std::int64_t work = part.work + costs[i].instructions;
      for (const std::string& tile : costs[i].tiles)
        if (!part.tiles.contains(tile)) work += of_tile.at(tile);
      return work;
    };
    auto best =
        std::min_element(made.begin(), made.end(), [&](const Part& a, const Part& b) { return after(a) < after(b); });
    best->work = after(*best);
    best->tiles.insert(costs[i].tiles.begin(), costs[i].tiles.end());
    best->kernels.push_back(i);
  }
  std::vector<std::vector<KernelPlace>> result;
  for (Part& part : made) {
    std::sort(part.kernels.begin(), part.kernels.end());
    result.emplace_back();
    for (std::size_t i : part.kernels) result.back().push_back(places[i]);
  }
  return result;
}

}  // namespace gradc::codegen
