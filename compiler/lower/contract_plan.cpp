// How a contraction is tiled: see contract_plan.h.
#include "compiler/lower/contract_plan.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "compiler/analysis/reduction.h"

namespace gradc {

bool OperandFacts::direct() const { return in_memory && !access->guarded; }

double OperandFacts::elements_met() const {
  double n = 1;
  for (const Range& r : reach) n *= static_cast<double>(r.high - r.low + 1);
  return n;
}

bool OperandFacts::moves_alone(std::size_t variable) const {
  return std::any_of(access->index.begin(), access->index.end(),
                     [&](const IndexMap& map) { return is_alone(map, variable); });
}

bool OperandFacts::continues(const ContractionDim& around, const ContractionDim& inner) const {
  const std::optional<std::size_t> d = own_dimension(inner.variable, inner.extent);
  if (!d || *d == 0 || reach[*d].low != 0 || reach[*d].high != inner.extent - 1) return false;
  for (std::size_t i = 0; i < access->index.size(); ++i) {
    const IndexMap& map = access->index[i];
    if (map.divisor != 1 || map.coefficients[around.variable] != (i + 1 == *d ? 1 : 0)) return false;
  }
  return true;
}

std::optional<std::size_t> OperandFacts::only_dimension(std::size_t variable) const {
  std::optional<std::size_t> only;
  for (std::size_t d = 0; d < access->index.size(); ++d) {
    if (access->index[d].coefficients[variable] == 0) continue;
    if (only || access->index[d].divisor != 1) return std::nullopt;
    only = d;
  }
  return only;
}

std::optional<std::size_t> OperandFacts::unfolds(const ContractionDim& around, const ContractionDim& inner) const {
  const std::optional<std::size_t> outside = only_dimension(around.variable), own = only_dimension(inner.variable);
  if (!outside || !own || *outside == *own || access->index[*outside].coefficients[around.variable] != 1)
    return std::nullopt;
  for (std::size_t d = std::min(*outside, *own); d < shape.size(); ++d)
    if (d != *outside && d != *own && shape[d] != 1) return std::nullopt;
  std::optional<std::size_t> other;
  for (std::size_t v = 0; v < extents.size(); ++v) {
    if (v == inner.variable || access->index[*own].coefficients[v] == 0) continue;
    if (other || only_dimension(v) != own) return std::nullopt;
    other = v;
  }
  return other;
}

std::optional<std::size_t> OperandFacts::own_dimension(std::size_t variable, std::int64_t extent) const {
  for (std::size_t d = 0; d < access->index.size(); ++d) {
    const IndexMap& map = access->index[d];
    if (is_alone(map, variable) && map.coefficients[variable] == 1 && map.offset == 0 && shape[d] == extent) return d;
  }
  return std::nullopt;
}

std::optional<Clip> ContractionPlan::clip(const OperandFacts (&operands)[2], const ContractionDim& depth) const {
  for (std::size_t a = 0; a < 2; ++a)
    for (std::size_t d = 0; d < operands[a].shape.size(); ++d) {
      const IndexMap& map = operands[a].access->index[d];
      const std::int64_t size = operands[a].shape[d], step = map.coefficients[depth.variable];
      if (step == 0 || map.divisor != 1 || (operands[a].reach[d].low >= 0 && operands[a].reach[d].high < size))
        continue;
      constexpr std::size_t kMostFirsts = 1 << 14;      // next to nothing is left out of longer rows
      std::vector<std::int64_t> firsts = {map.offset};  // of all tiles
      bool same = true, few = true;
      for (std::size_t v = 0; v < map.coefficients.size() && same; ++v) {
        if (map.coefficients[v] == 0 || v == depth.variable) continue;
        same = contains(outer_m, v) || contains(outer_n, v);
        few = few && static_cast<std::size_t>(operands[a].extents[v]) <= kMostFirsts / firsts.size();
        if (!few) continue;
        const std::size_t known = firsts.size();
        for (std::int64_t i = 1; i < operands[a].extents[v]; ++i)
          for (std::size_t k = 0; k < known; ++k) firsts.push_back(firsts[k] + i * map.coefficients[v]);
      }
      if (!same) continue;
      if (!few) return Clip{a, d, 1};
      std::int64_t taken = 0;
      for (std::int64_t first : firsts) {
        const auto [begin, end] = Tile::Bound{{}, step, size}.steps(first, depth.extent);
        taken += end - begin;
      }
      return Clip{a, d,
                  static_cast<double>(taken) / static_cast<double>(depth.extent) / static_cast<double>(firsts.size())};
    }
  return std::nullopt;
}

double ContractionPlan::taken(Clips clips, const OperandFacts (&operands)[2],
                              const std::vector<ContractionDim>& depth) const {
  double all = 1;
  for (const ContractionDim& dim : depth)
    if (const auto clipped = (this->*clips)(operands, dim)) all *= clipped->taken;
  return all;
}

std::optional<Clip> ContractionPlan::clip_rows(const OperandFacts (&operands)[2], const ContractionDim& depth) const {
  constexpr std::int64_t kMostSteps = 7;  // each is code of its own
  const OperandFacts& facts = operands[a];
  if (row.around || depth.extent > kMostSteps) return std::nullopt;
  const std::optional<std::size_t> d = facts.only_dimension(row.variable);
  if (!d || facts.only_dimension(depth.variable) != d) return std::nullopt;
  const IndexMap& map = facts.access->index[*d];
  if (facts.reach[*d].low >= 0 && facts.reach[*d].high < facts.shape[*d]) return std::nullopt;
  for (std::size_t v = 0; v < map.coefficients.size(); ++v)
    if (map.coefficients[v] != 0 && v != depth.variable && v != row.variable) return std::nullopt;
  std::int64_t taken = 0;
  for (const Pieces& piece : rows) {
    if (piece.count > 1) return std::nullopt;
    const std::int64_t first = map.offset + piece.start * map.coefficients[row.variable];
    const Tile::RowBound bound{first, map.coefficients[depth.variable], map.coefficients[row.variable],
                               facts.shape[*d]};
    for (std::int64_t i = 0; i < depth.extent; ++i) {
      const auto [from, to] = bound.in_step(i, piece.size);
      taken += to - from;
    }
  }
  return Clip{static_cast<std::size_t>(a), *d,
              static_cast<double>(taken) / static_cast<double>(depth.extent * row.extent)};
}

namespace {

// Cycles, as measured on wide cores: two fused multiply-adds and two loads a cycle, four cycles of latency.
constexpr double kTileOverhead = 30;
constexpr double kCopy = 0.2, kTransposedCopy = 0.45, kStore = 0.15, kTransposedStore = 0.35;
constexpr double kScatteredStore = 5;  // each to a cache line of its own
constexpr double kFarLoad = 1;         // of a number of the rows operand with a cache line of its own

// Rows of a tile with this many vectors a row: beside the accumulators, the lanes operand and a number of the rows
// operand (of 32 registers: two, so that the next is on its way) stay in registers. A tile that spills loses half.
std::int64_t most_rows(int vectors, const Target& target) {
  int free = target.vector_registers - vectors - (target.vector_registers >= 32 ? 2 : 1);
  return std::min<std::int64_t>(free / vectors, 28);
}

// A step of the depth. Panels that do not stay in the first-level cache come from the second, kFromSecond bytes a
// cycle.
double cycles_of_step(std::int64_t rows, std::int64_t vectors, bool stays, const Target& target) {
  constexpr double kFromSecond = 20;
  double fma = 0.5 * static_cast<double>(rows * vectors), loads = 0.5 * static_cast<double>(rows + vectors);
  double stream = stays ? 0 : static_cast<double>(vectors * target.vector_bytes) / kFromSecond;
  return std::max({fma, loads, stream, 4.0});
}

// ⌈extent / most⌉ tiles as even as can be: two sizes that differ by one.
std::vector<Pieces> even_rows(std::int64_t extent, std::int64_t most) {
  std::int64_t tiles = (extent + most - 1) / most, size = (extent + tiles - 1) / tiles;
  std::int64_t shorter = tiles * size - extent, full = tiles - shorter;
  std::vector<Pieces> out;
  if (full > 0) out.push_back({0, full, size, size});
  if (shorter > 0) out.push_back({full * size, shorter, size - 1, size - 1});
  return out;
}

// Whole blocks of `vectors` registers, and the rest in as few registers as hold it.
std::vector<Pieces> lane_blocks(std::int64_t extent, std::int64_t vectors, std::int64_t lanes) {
  std::int64_t block = vectors * lanes, full = extent / block, rest = extent % block;
  std::vector<Pieces> out;
  if (full > 0) out.push_back({0, full, block, block});
  if (rest > 0) out.push_back({full * block, 1, rest, (rest + lanes - 1) / lanes * lanes});
  return out;
}

double tile_cycles(const ContractionPlan& plan, double depth, std::int64_t lanes, const Target& target) {
  double sum = 0;
  const auto half = static_cast<double>(target.l1_bytes) / 2;
  for (const Pieces& r : plan.rows)
    for (const Pieces& l : plan.lanes) {
      std::int64_t vectors = l.padded / lanes;
      const double panel = depth * static_cast<double>(vectors * target.vector_bytes);
      sum += static_cast<double>(r.count * l.count) * (depth * cycles_of_step(r.size, vectors, panel <= half, target) +
                                                       kTileOverhead + 2.0 * static_cast<double>(r.size * vectors));
    }
  return sum;
}

// Elements of a copy that this dimension of a tile walks.
double elements_copied(const OperandFacts& facts, const TileDim& dim) {
  double n = facts.elements_met();
  if (dim.unfolded) {
    const Range& met = facts.reach[*facts.only_dimension(dim.variable)];
    n *= static_cast<double>(facts.extents[*dim.unfolded] * dim.inner()) / static_cast<double>(met.high - met.low + 1);
  }
  return n;
}

// Adds what it costs to bring the lanes operand into the order of the tiles. What is fixed is packed before the loop.
void place_lanes(ContractionPlan& plan, const OperandFacts& facts, double elements) {
  const bool straight = facts.coefficients[plan.lane.variable] == 1;
  const bool whole = plan.lanes.size() == 1 && plan.lanes[0].size == plan.lanes[0].padded;
  const double each = straight ? kCopy : kTransposedCopy;
  if (facts.direct() && straight && whole && !plan.lane.unfolded) return;
  if (plan.lane.around) {
    plan.lanes_placing = Placing::copied;
    if (!facts.fixed) plan.cost += elements_copied(facts, plan.lane) * each;
    return;
  }
  double panels = elements * each, copy = std::numeric_limits<double>::infinity();
  if (facts.direct() && straight)  // whole blocks stay where they are
    panels *= static_cast<double>(plan.lanes.back().padded) / static_cast<double>(plan.lane.extent);
  if (facts.own_dimension(plan.lane.variable, plan.lane.extent)) copy = facts.elements_met() * each;
  plan.lanes_placing = copy < 0.75 * panels ? Placing::copied : Placing::panels;
  if (!facts.fixed) plan.cost += std::min(panels, copy);
}

void place_rows(ContractionPlan& plan, const OperandFacts& facts, const Contraction& contraction, double elements) {
  const std::int64_t row = std::abs(facts.coefficients[plan.row.variable]),
                     step = std::abs(facts.coefficients[contraction.k.back().variable]);
  const bool near = row == 1 || step == 1 || plan.row.unfolded;
  double times = static_cast<double>(product(plan.outer_n)), far = 0;
  for (const Pieces& p : plan.lanes) times *= static_cast<double>(p.count);
  if (!near) far = elements * times * kFarLoad;
  const bool straight = plan.row.unfolded ? row == 1 : near;
  const double copy = elements_copied(facts, plan.row) * (straight ? kCopy : kTransposedCopy);
  if (facts.direct() && far <= copy && !plan.row.unfolded) {
    plan.cost += far;
    return;
  }
  plan.rows_placing = Placing::copied;
  if (!facts.fixed) plan.cost += copy;
}

// Whether threads can share blocks of lanes or of rows.
bool has_rounds(const ContractionPlan& plan) {
  auto several = [](const TileDim& dim, const std::vector<Pieces>& pieces) {
    return !dim.around && pieces[0].count > 1;
  };
  return several(plan.lane, plan.lanes) || several(plan.row, plan.rows);
}

// Less work, or as good as the same with rounds for threads, or with the rows of a tile closer to each other:
// neighbouring pixels share cache lines and pages.
bool is_better(const ContractionPlan& plan, const ContractionPlan& than, const OperandFacts (&operands)[2]) {
  constexpr double kSame = 0.03;
  if (plan.cost < than.cost * (1 - kSame)) return true;
  if (plan.cost > than.cost * (1 + kSame)) return false;
  if (has_rounds(plan) != has_rounds(than)) return has_rounds(plan);
  auto distance = [&](const ContractionPlan& p) { return std::abs(operands[p.a].coefficients[p.row.variable]); };
  if (plan.a != than.a || distance(plan) == distance(than)) return plan.cost < than.cost;
  return distance(plan) < distance(than);
}

// Each dimension, and each two that the operand, or a copy, walks as one.
std::vector<TileDim> tile_dims(const std::vector<ContractionDim>& dims, const OperandFacts& facts) {
  std::vector<TileDim> out;
  for (const ContractionDim& dim : dims) out.push_back({dim.variable, dim.extent, {}, {}});
  for (const ContractionDim& around : dims)
    for (const ContractionDim& inner : dims) {
      const TileDim both{inner.variable, around.extent * inner.extent, around, facts.unfolds(around, inner)};
      if (both.unfolded || facts.continues(around, inner)) out.push_back(both);
    }
  return out;
}

std::vector<ContractionDim> others(const std::vector<ContractionDim>& dims, const TileDim& taken) {
  std::vector<ContractionDim> out;
  for (const ContractionDim& dim : dims)
    if (dim.variable != taken.variable && !(taken.around && taken.around->variable == dim.variable)) out.push_back(dim);
  return out;
}

// Dimensions walked as one are whole in scratch when the epilogue takes them apart, in the first-level cache; one other
// loop is outside.
bool has_room(const ContractionPlan& plan, DType dtype, const Target& target) {
  if (!plan.row.around && !plan.lane.around) return true;
  if (plan.row.around && plan.lane.around) return false;
  std::int64_t rows = plan.row.around ? plan.row.extent : plan.rows[0].padded, lanes = plan.lanes[0].padded;
  if (plan.lane.around) lanes = plan.lane.extent + target.lanes(byte_size(dtype));
  return rows * lanes * byte_size(dtype) <= target.l1_bytes;
}

}  // namespace

ContractionPlan plan_contraction(const Contraction& contraction, const OperandFacts (&operands)[2],
                                 const std::vector<std::int64_t>& result_coefficients, DType dtype,
                                 const Target& target) {
  ContractionPlan best;
  best.cost = std::numeric_limits<double>::infinity();
  const std::int64_t lanes = std::max<std::int64_t>(1, target.lanes(byte_size(dtype)));
  const double depth = static_cast<double>(product(contraction.k)),
               batch = static_cast<double>(product(contraction.batch));
  for (int a = 0; a < 2; ++a) {
    const int b = 1 - a;
    const auto& m = a == 0 ? contraction.m : contraction.n;
    const auto& n = a == 0 ? contraction.n : contraction.m;
    for (const TileDim& row : tile_dims(m, operands[a]))
      for (const TileDim& lane : tile_dims(n, operands[b])) {
        if (lane.around && !lane.unfolded && operands[b].coefficients[lane.variable] != 1) continue;
        ContractionPlan plan;
        plan.a = a;
        plan.b = b;
        plan.row = row;
        plan.lane = lane;
        plan.outer_m = others(m, row);
        plan.outer_n = others(n, lane);
        const double taken = plan.taken(&ContractionPlan::clip, operands, contraction.k);
        for (int vectors = 1; vectors <= 8; ++vectors) {
          if (most_rows(vectors, target) < 1) continue;
          plan.lanes = lane_blocks(lane.extent, vectors, lanes);
          std::int64_t widest = plan.lanes[0].padded / lanes;
          if (widest != vectors) continue;
          plan.rows = even_rows(row.extent, most_rows(vectors, target));
          if (!has_room(plan, dtype, target)) continue;
          double outer = batch * static_cast<double>(product(plan.outer_m) * product(plan.outer_n));
          double steps = depth * taken;
          if (steps * static_cast<double>(plan.lanes[0].padded * byte_size(dtype)) <=
              static_cast<double>(room_that_stays(target)))  // else the depth is cut
            steps *= plan.taken(&ContractionPlan::clip_rows, operands, contraction.k);
          plan.cost = outer * tile_cycles(plan, steps, lanes, target);
          place_lanes(plan, operands[b], batch * depth * static_cast<double>(product(n)));
          place_rows(plan, operands[a], contraction, batch * depth * static_cast<double>(product(m)));
          double results = batch * static_cast<double>(product(m) * product(n));
          const bool together = row.even(result_coefficients) && lane.even(result_coefficients);
          plan.cost += results * (!together                                      ? kScatteredStore
                                  : result_coefficients[plan.lane.variable] == 1 ? kStore
                                                                                 : kTransposedStore);
          if (is_better(plan, best, operands)) best = plan;
        }
      }
  }
  return best;
}

}  // namespace gradc
