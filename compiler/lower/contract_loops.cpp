// The loops around the tiles of a contraction: see contract_loops.h.
#include "compiler/lower/contract_loops.h"

#include <algorithm>
#include <utility>

namespace gradc {

const Held& Accumulators::of(TileLoop::Of of) const {
  return *std::find_if(held.begin(), held.end(), [&](const Held& h) { return h.of == of; });
}

std::int64_t Accumulators::neighbours() const {
  std::vector<Held> near = held;
  std::stable_sort(near.begin(), near.end(), [](const Held& a, const Held& b) { return a.result < b.result; });
  std::int64_t run = 1, stride = 0;
  for (const Held& h : near) {
    if (h.result != run || (run > 1 && h.stride != stride)) continue;
    run *= h.extent;
    stride = h.stride * h.extent;
  }
  return run;
}

Accumulators ContractionLoops::accumulators(const ContractionPlan& plan, std::size_t kind) const {
  Accumulators result;
  std::vector<Held>& held = result.held;
  for (std::size_t i = 0; i < around.size(); ++i) {
    const TileLoop& loop = around[i];
    const bool inside = i >= this->inside;
    if (loop.of == TileLoop::Of::dim) {
      if (inside)
        held.push_back({loop.of, loop.dim.variable, true, loop.dim.extent, loop.dim.extent, 0,
                        result_coefficients[loop.dim.variable]});
      continue;
    }
    Held one{
        loop.of, loop.dim.variable, inside, inside ? loop.dim.extent : 0, 0, 0, result_coefficients[loop.dim.variable]};
    for (std::size_t g = 0; g < loop.pieces.size(); ++g) {
      const Pieces& p = loop.pieces[g];
      if (i == 0 && g != kind) continue;
      one.stored = inside ? one.stored + p.count * p.padded : std::max(one.stored, p.padded);
      if (!inside) one.extent = std::max(one.extent, p.size);
    }
    held.push_back(one);
  }
  std::stable_sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    const bool column = a.of == TileLoop::Of::lane, other = b.of == TileLoop::Of::lane;
    return column != other ? other : a.result > b.result;
  });
  result.elements = 1;
  for (std::size_t i = held.size(); i-- > 0; result.elements *= held[i].stored) held[i].stride = result.elements;
  if (direct) return result;
  for (const TileDim* dim : {&plan.row, &plan.lane}) {
    if (!dim->around) continue;
    auto inner = std::find_if(held.begin(), held.end(), [&](const Held& h) { return h.variable == dim->variable; });
    inner->extent = inner->stored = dim->inner();
    const std::int64_t extent = dim->around->extent;
    held.insert(inner, {TileLoop::Of::dim, dim->around->variable, true, extent, extent, inner->stride * inner->extent,
                        result_coefficients[dim->around->variable]});
  }
  return result;
}

namespace {

class LoopPlanner : public ContractionLoops {
 public:
  LoopPlanner(const ContractionTask& task, const Panel& rows, const std::vector<Panel>& lanes, const Target& target)
      : task_(task), rows_(rows), lanes_(lanes), target_(target) {}

  // The result itself takes the tiles where it alone is wanted, its rows are whole and their elements neighbours.
  void plan_direct(bool alone) {
    const Value* value = task_.node->result();
    std::vector<std::int64_t> strides = row_major_strides(sizes(value->type.shape));
    result_coefficients.assign(task_.form.variables(), 0);
    for (std::size_t d = 0; d < strides.size(); ++d) {
      if (task_.form.result.empty())
        result_coefficients[d] += strides[d];
      else
        for (std::size_t v = 0; v < task_.form.domain.size(); ++v)
          result_coefficients[v] += strides[d] * task_.form.result[d].coefficients[v];
    }
    if (!task_.form.result.empty())
      for (std::size_t d = 0; d < strides.size(); ++d) result_base += strides[d] * task_.form.result[d].offset;
    direct = alone && result_coefficients[task_.plan.lane.variable] == 1 && task_.plan.row.even(result_coefficients) &&
             task_.plan.lane.even(result_coefficients) && task_.plan.lanes.size() == 1 &&
             task_.plan.lanes[0].size == task_.plan.lanes[0].padded;
  }

  void plan_depth() {
    // Loops stay apart where a clip leaves out more steps than a loop of its own costs.
    constexpr double kLoop = 1.5, kRows = 0.5;  // in steps; code for each of the rows' bounds enters sooner
    double left_out = 0;                        // by the last loop's clip, of the steps of its body
    double inner = static_cast<double>(product(task_.dims.k));
    for (const ContractionDim& dim : task_.dims.k) {
      DepthDim next{dim.extent, rows_.coefficients[dim.variable], task_.plan.clip(task_.facts, dim),
                    task_.plan.clip_rows(task_.facts, dim)};
      inner /= static_cast<double>(dim.extent);
      const double of_next = next.clip ? (1 - next.clip->taken) * inner : 0;
      if (next.rows && (1 - next.rows->taken) * inner < kRows) next.rows.reset();
      bool merge = !depth.empty() && !depth.back().rows && !next.rows && depth.back().a == next.a * next.extent &&
                   std::max(left_out, of_next) < kLoop;
      left_out = of_next;
      for (const Panel& lanes : lanes_) {
        std::int64_t inner = lanes.coefficients[dim.variable];
        merge = merge && lane_step(lanes, depth.size() - 1) == inner * next.extent;
      }
      if (merge) {
        depth.back().extent *= next.extent;
        depth.back().a = next.a;
        depth.back().clip.reset();
        left_out = 0;
        depth_variables.back() = dim.variable;
      } else {
        depth.push_back(next);
        depth_variables.push_back(dim.variable);
      }
    }
    std::int64_t widest = 0;
    for (const Pieces& lane : task_.plan.lanes) widest = std::max(widest, lane.padded);
    std::int64_t most = std::max<std::int64_t>(64, target_.l2_bytes / 8 / (widest * element_bytes()));
    // Where both operands are met again by the taps of a kernel, by many tiles, a block of lanes stays in the
    // first-level cache.
    const std::size_t slowest = task_.dims.k.front().variable;
    const std::int64_t taps = task_.plan.taps();
    std::int64_t tiles = taps;
    for (const Pieces& p : task_.plan.rows) tiles += (p.count - 1) * taps;
    const bool by_taps =
        taps > 1 && tiles >= 8 && task_.facts[0].moves_alone(slowest) && task_.facts[1].moves_alone(slowest);
    if (by_taps)
      most = std::min(most, std::max<std::int64_t>(192, target_.l1_bytes * 2 / 3 / (widest * element_bytes())));
    std::int64_t whole = 1;
    for (const DepthDim& d : depth) whole *= d.extent;
    // Tiles that meet a block of lanes one after another find it whole in the second-level cache.
    const bool stays =
        !by_taps && !task_.plan.outer_m.empty() && whole * widest * element_bytes() <= room_that_stays(target_);
    if ((whole <= 2 * most || stays) && depth.size() <= 4) return;
    // The first dimension that is cut, and its cut: what stands behind it is walked whole.
    std::int64_t behind = 1;
    cut = depth.size();
    while (cut > 0 && behind * depth[cut - 1].extent <= most && depth.size() - cut < 3) behind *= depth[--cut].extent;
    if (cut == 0) cut = 1, behind /= depth[0].extent;
    --cut;
    chunk = std::clamp<std::int64_t>(most / behind, 1, depth[cut].extent);
    const std::int64_t cuts = (depth[cut].extent + chunk - 1) / chunk;
    chunk = (depth[cut].extent + cuts - 1) / cuts;
    blocked = true;
    for (std::size_t d = 0; d <= cut; ++d) depth[d].rows.reset();
  }

  void plan_around() {
    std::vector<TileLoop> all;
    auto add = [&](const std::vector<ContractionDim>& dims) {
      for (const ContractionDim& dim : dims) all.push_back({TileLoop::Of::dim, {dim.variable, dim.extent, {}, {}}, {}});
    };
    add(task_.dims.batch);
    add(task_.plan.outer_m);
    TileLoop row{TileLoop::Of::row, task_.plan.row, task_.plan.rows};
    TileLoop lane{TileLoop::Of::lane, task_.plan.lane, task_.plan.lanes};
    add(task_.plan.outer_n);
    const std::int64_t steps = product(task_.dims.k);
    // A block of lanes stays in the cache while all rows pass, where those are few, or where all blocks together would
    // not stay: a step of the depth moves more lanes than rows.
    std::int64_t cache = target_.l2_bytes;
    bool rows_stay = task_.plan.row.extent * steps * element_bytes() <= cache / 2 ||
                     task_.plan.lane.extent * steps * element_bytes() > cache * 3 / 4;
    all.push_back(rows_stay ? lane : row);
    all.push_back(rows_stay ? row : lane);
    auto apart = [&](const TileLoop& loop) { return loop.dim.around && !direct; };
    auto best = std::min_element(all.begin(), all.end(), [&](const TileLoop& x, const TileLoop& y) {
      return apart(x) == apart(y) ? cycles_outside(x) < cycles_outside(y) : apart(y);
    });
    std::rotate(all.begin(), best, best + 1);
    std::stable_partition(all.begin() + 1, all.end(), [&](const TileLoop& loop) { return !apart(loop); });
    put_lanes_outside(all);
    around = std::move(all);
    plan_inside();
    // What the epilogue takes apart is whole in scratch: the last loops.
    const auto whole = static_cast<std::size_t>(std::find_if(around.begin() + 1, around.end(), apart) - around.begin());
    inside = std::min(inside, whole);
    if (blocked || direct || task_.empty) return;
    // Accumulators of several tiles live at once where the epilogue then gives lanes neighbours.
    const std::size_t several = std::exchange(inside, whole);
    const std::int64_t alone = neighbours();
    if (alone >= std::max(1, target_.lanes(element_bytes()))) return;
    inside = several;
    if (neighbours() < 2 * alone) inside = whole;
  }

  // A block of lanes passes all tiles of a round before the next one does, where the blocks would not stay in the
  // second-level cache together, and would be fetched more often than the rows are then.
  void put_lanes_outside(std::vector<TileLoop>& all) const {
    auto is_outer_row = [&](const TileLoop& loop) {
      return loop.of == TileLoop::Of::dim && contains(task_.plan.outer_m, loop.dim.variable);
    };
    const auto first = std::find_if(all.begin() + 1, all.end(), is_outer_row);
    const auto lane =
        std::find_if(first, all.end(), [](const TileLoop& loop) { return loop.of == TileLoop::Of::lane; });
    if (lane == all.end() || (lane->dim.around && !direct)) return;
    std::int64_t steps = blocked ? chunk : 1, blocks = 0, tiles = 1;
    for (std::size_t d = blocked ? cut + 1 : 0; d < depth.size(); ++d) steps *= depth[d].extent;
    for (const Pieces& p : lane->pieces) blocks += p.count;
    for (auto loop = first; loop != all.end(); ++loop)
      if (is_outer_row(*loop)) tiles *= loop->dim.extent;
    const std::int64_t lanes = task_.plan.lane.extent * steps * element_bytes();
    const OperandFacts& facts = task_.facts[task_.plan.a];
    double rows = facts.elements_met() * static_cast<double>(element_bytes());
    if (all[0].of == TileLoop::Of::dim && facts.moves_alone(all[0].dim.variable))
      rows /= static_cast<double>(all[0].dim.extent);
    if (lanes <= target_.l2_bytes * 3 / 4) return;
    if (rows > static_cast<double>(target_.l2_bytes) / 2 &&
        rows * static_cast<double>(blocks) > static_cast<double>(lanes * tiles))
      return;
    std::rotate(first, lane, lane + 1);
  }

  // Cycles of the whole contraction with this loop outside, for 1, 2, 4 and 8 threads, the more of them the less it
  // counts. They share its rounds; kinds of pieces are kernels of their own, one after another. Each round fetches
  // every operand again from behind the second-level cache unless it is small, or the round has its own part of it:
  // while tiles run, but not for nothing.
  double cycles_outside(const TileLoop& loop) const {
    constexpr double kBytesFromBehind = 16, kBytesInPassing = 64;  // a cycle
    std::vector<Pieces> pieces = loop.pieces;
    if (loop.of == TileLoop::Of::dim) pieces = {{0, loop.dim.extent, 1, 1}};
    double rounds = 0, size = 0, cycles = 0, bytes = 0;
    for (const Pieces& p : pieces) {
      rounds += static_cast<double>(p.count);
      size += static_cast<double>(p.count * p.padded);
    }
    for (const OperandFacts& facts : task_.facts) {
      const double all = facts.elements_met() * static_cast<double>(element_bytes());
      const bool stays = all <= static_cast<double>(target_.l2_bytes) / 2;
      bytes += stays || facts.moves_alone(loop.dim.variable) ? all : all * rounds;
    }
    const double one = std::max(task_.plan.cost, bytes / kBytesFromBehind) + bytes / kBytesInPassing;
    for (auto [threads, weight] : {std::pair(1, 1.0), std::pair(2, 1.0), std::pair(4, 0.5), std::pair(8, 0.25)}) {
      double share = 0;
      for (const Pieces& p : pieces) {
        const std::int64_t turns = (p.count + threads - 1) / threads;
        share += static_cast<double>(turns * p.padded) / size;
      }
      cycles += weight * share * one;
    }
    return cycles;
  }

  // As many loops as scratch has room for run inside the cuts of the depth.
  void plan_inside() {
    inside = around.size();
    if (direct && !blocked) return;
    std::int64_t room = room_that_stays(target_) / element_bytes(), held = 1;
    auto span = [&](const TileLoop& loop) {
      if (loop.of == TileLoop::Of::dim) return loop.dim.extent;
      std::int64_t sum = 0;
      for (const Pieces& p : loop.pieces) sum += p.count * p.padded;
      return sum;
    };
    if (!direct) held = task_.plan.rows[0].padded * task_.plan.lanes[0].padded;
    while (inside > 1) {
      const TileLoop& loop = around[inside - 1];
      std::int64_t grown =
          held * (loop.of == TileLoop::Of::dim ? loop.dim.extent
                                               : (span(loop) + loop.pieces[0].padded - 1) / loop.pieces[0].padded);
      if (!direct && grown > room) break;
      held = grown;
      --inside;
    }
  }

 private:
  std::int64_t element_bytes() const { return byte_size(task_.node->result()->type.dtype); }
  std::int64_t neighbours() const { return accumulators(task_.plan, 0).neighbours(); }

  const ContractionTask& task_;
  const Panel& rows_;
  const std::vector<Panel>& lanes_;
  const Target& target_;
};

}  // namespace

ContractionLoops plan_loops(const ContractionTask& task, bool alone, const Panel& rows, const std::vector<Panel>& lanes,
                            const Target& target) {
  LoopPlanner planner(task, rows, lanes, target);
  planner.plan_direct(alone);
  if (!task.empty) planner.plan_depth();
  planner.plan_around();
  return planner;
}

}  // namespace gradc
