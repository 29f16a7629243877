// Contractions: sums of products by register tiles.
//
// 1. The plan (contract_plan.h) says which operand takes the lanes and cuts a row and a lane dimension into pieces.
// 2. Operands are read in place, copied with zeros around, or packed (pack.cpp).
// 3. One kernel for every kind of piece of the outermost loop, which is the one that threads share well and that reads
//    the operands again least often. The depth is cut where the panel of a block of lanes, or what the taps of a kernel
//    meet again and again, is larger than a share of the second-level cache: accumulators stay in the worker's scratch
//    over all cuts.
// 4. Tiles write the result in place, or scratch, from which the epilogue (the nodes of the group that follow the
//    contraction element by element) is stored, in the order of the result where that gives lanes neighbours.
#include "compiler/lower/contract.h"

#include <algorithm>
#include <utility>

#include "compiler/analysis/strides.h"
#include "compiler/lower/contract_loops.h"
#include "compiler/lower/nest.h"
#include "compiler/lower/walk.h"

namespace gradc {

std::int64_t ContractionTask::extent(std::size_t variable) const {
  return variable < form.domain.size() ? form.domain[variable] : form.reduction[variable - form.domain.size()];
}

const Value* ContractionTask::operand(int access) const {
  return node->operands[static_cast<std::size_t>(form.accesses[static_cast<std::size_t>(access)].operand)];
}

namespace {

// Of every dimension of the operand, its index over all variables.
std::vector<Range> reach_of(const ContractionTask& task, const OperandAccess& access) {
  std::vector<Range> reach;
  for (const IndexMap& map : access.index) {
    Range r{map.offset, map.offset};
    for (std::size_t v = 0; v < map.coefficients.size(); ++v) {
      std::int64_t far = map.coefficients[v] * (task.extent(v) - 1);
      (far < 0 ? r.low : r.high) += far;
    }
    reach.push_back(r);
  }
  return reach;
}

// What an element of the value that follows the contraction is, in the coordinates of the contraction's result.
std::optional<Coordinates> follow(Engine& engine, Buffers& buffers, const Value* value, const Value* from,
                                  const Coordinates& at) {
  value = buffers.resolve(value);
  if (value == from) return at;
  if (!value->node || buffers.find(value) >= 0) return std::nullopt;
  const Node& node = *value->node;
  if (node.op->irregular == Irregular::reshape) {
    auto inner = follow(engine, buffers, node.operands[0], from, at);
    if (!inner) return std::nullopt;
    return engine.reshape(*inner, sizes(node.operands[0]->type.shape), sizes(value->type.shape));
  }
  if (node.op->irregular != Irregular::none || buffers.is_reduction(node)) return std::nullopt;
  const IndexedForm& form = buffers.form(node);
  if (!form.result.empty()) return std::nullopt;
  for (const OperandAccess& access : form.accesses) {
    const Value* operand = node.operands[static_cast<std::size_t>(access.operand)];
    if (access.guarded || operand->type.elements() != value->type.elements()) continue;
    auto inner = follow(engine, buffers, operand, from, at);
    if (!inner) continue;
    Coordinates out(form.domain.size());
    bool plain = true;
    for (std::size_t d = 0; d < access.index.size(); ++d)
      for (std::size_t v = 0; v < form.domain.size(); ++v) {
        std::int64_t c = access.index[d].coefficients[v];
        if (c == 0 || form.domain[v] == 1) continue;
        plain = plain && c == 1 && access.index[d].offset == 0 && access.index[d].divisor == 1;
        out[v] = (*inner)[d];
      }
    if (plain) return out;
  }
  return std::nullopt;
}

class ContractionKernels {
 public:
  ContractionKernels(Lowering& lowering, const ContractionTask& task, std::vector<const Value*> results)
      : lowering_(lowering), task_(task), results_(std::move(results)) {}

  void run() {
    if (!task_.empty) {
      rows_ = place_rows_operand(lowering_, task_);
      for (const Pieces& pieces : task_.plan.lanes) lanes_.push_back(place_lanes_operand(lowering_, task_, pieces));
    }
    const bool alone = results_.size() == 1 && results_[0] == task_.node->result();
    loops_ = plan_loops(task_, alone, rows_.panel, lanes_, lowering_.target());
    const TileLoop& first = loops_.around[0];
    if (!rows_.copy.empty()) {
      by_rounds_ = first.of == TileLoop::Of::dim && is_copied_by_rounds(lowering_, task_, rows_, first.dim.variable);
      if (by_rounds_)
        reserve_round(lowering_, task_, rows_, first.dim.variable);
      else
        copy_rows(lowering_, task_, rows_);
    }
    if (first.of == TileLoop::Of::dim) {
      kernel(0);
    } else {
      for (std::size_t g = 0; g < first.pieces.size(); ++g) kernel(g);
    }
  }

 private:
  // Where one tile is: its pieces, the form's variables, and where its accumulators lie.
  struct Place {
    const Pieces* row = nullptr;
    const Pieces* lane = nullptr;
    std::size_t lane_kind = 0;
    Affine row_block, lane_block;
    Coordinates variables;

    Affine first_row() const { return row_block * row->padded + affine_constant(row->start); }
    Affine first_lane() const { return lane_block * lane->padded + affine_constant(lane->start); }
  };

  DType type() const { return task_.node->result()->type.dtype; }
  std::int64_t element_bytes() const { return byte_size(type()); }

  // One kernel; the outermost loop runs over one kind of pieces.
  void kernel(std::size_t kind) {
    KernelWriter writer(lowering_.program(), "contract");
    Engine engine(writer, lowering_.buffers());
    w_ = &writer;
    engine_ = &engine;
    accumulators_ = loops_.accumulators(task_.plan, kind);
    scratch_ = loops_.direct ? lowering_.reserve(task_.node->result()) : -1;
    if (!loops_.direct) scratch_ = lowering_.buffers().add_worker("tile", type(), accumulators_.elements);
    Place place;
    place.variables.assign(task_.form.variables(), Coordinate{});
    visit(0, loops_.inside, place, static_cast<int>(kind), [&](Place& outer) {
      if (task_.empty || loops_.blocked) clear(outer);
      if (loops_.blocked)
        depth_blocks(outer);
      else if (!task_.empty)
        inner_loops(outer, [&](Place& p) { tile(p, {}, {}, loops_.depth, false); });
      if (!loops_.direct) epilogue(outer);
    });
    Kernel done = writer.finish();
    shape_nest(done);
    lowering_.add(std::move(done), task_.node->result());
  }

  // Runs f inside the loops [from, to), for every kind of piece; the first loop takes one kind only.
  template <class F>
  void visit(std::size_t from, std::size_t to, Place place, int only, F f) {
    if (from == to) {
      f(place);
      return;
    }
    const TileLoop& loop = loops_.around[from];
    if (loop.of == TileLoop::Of::dim) {
      int v = w_->open(loop.dim.extent);
      place.variables[loop.dim.variable] = coordinate(affine_variable(v));
      if (from == 0 && by_rounds_) copy_round(lowering_, *w_, *engine_, task_, rows_, affine_variable(v));
      visit(from + 1, to, place, -1, f);
      w_->close();
      return;
    }
    for (std::size_t g = 0; g < loop.pieces.size(); ++g) {
      if (only >= 0 && static_cast<int>(g) != only) continue;
      const Pieces& pieces = loop.pieces[g];
      Place next = place;
      Affine block;
      if (pieces.count > 1) block = affine_variable(w_->open(pieces.count));
      if (loop.of == TileLoop::Of::row) {
        next.row = &pieces;
        next.row_block = block;
      } else {
        next.lane = &pieces;
        next.lane_kind = g;
        next.lane_block = block;
      }
      visit(from + 1, to, next, -1, f);
      if (pieces.count > 1) w_->close();
    }
  }

  template <class F>
  void inner_loops(const Place& outer, F f) {
    visit(loops_.inside, loops_.around.size(), outer, -1, f);
  }

  // Where a tile's accumulators lie in scratch.
  Affine scratch_at(const Place& p) const {
    Affine at;
    for (const Held& h : accumulators_.held) {
      if (!h.inside) continue;
      const Affine first = h.of == TileLoop::Of::row    ? p.first_row()
                           : h.of == TileLoop::Of::lane ? p.first_lane()
                                                        : p.variables[h.variable].affine;
      at = at + first * h.stride;
    }
    return at;
  }

  Affine result_at(const Place& p) const {
    Affine at = affine_constant(loops_.result_base);
    for (std::size_t v = 0; v < task_.form.domain.size(); ++v)
      at = at + p.variables[v].affine * loops_.result_coefficients[v];
    return at + p.first_row() * loops_.result_coefficients[task_.plan.row.variable] + p.first_lane();
  }

  // `start`: of the first of these loops.
  void tile(const Place& p, const Affine (&at)[2], const Affine& start, const std::vector<DepthDim>& depth,
            bool accumulate) {
    const Panel &rows = rows_.panel, &lanes = lanes_[p.lane_kind];
    Tile t;
    t.dtype = type();
    t.rows = static_cast<int>(p.row->size);
    t.columns = static_cast<int>(p.lane->padded);
    t.accumulate = accumulate;
    t.a = rows.buffer;
    t.b = lanes.buffer;
    t.c = scratch_;
    std::int64_t row_step = rows.coefficients[task_.plan.row.variable];
    t.a_base = affine_constant(rows.base) + at[0];
    t.b_base = affine_constant(lanes.base) + at[1];
    for (std::size_t v = 0; v < task_.form.domain.size(); ++v) {
      t.a_base = t.a_base + p.variables[v].affine * rows.coefficients[v];
      t.b_base = t.b_base + p.variables[v].affine * lanes.coefficients[v];
    }
    t.a_base = t.a_base + p.first_row() * row_step;
    t.b_base = t.b_base + p.lane_block * lanes.block;
    t.a_row = row_step;
    t.c_base = loops_.direct ? result_at(p) : scratch_at(p);
    t.c_row = loops_.direct ? loops_.result_coefficients[task_.plan.row.variable]
                            : accumulators_.of(TileLoop::Of::row).stride;
    for (const DepthDim& d : depth) {
      // The lanes operand's step is that of its own kind of panel.
      std::size_t which = static_cast<std::size_t>(&d - depth.data()) + (loops_.blocked ? loops_.cut : 0);
      t.depth.push_back({d.extent, d.a, loops_.lane_step(lanes, which), {}, {}});
      if (d.clip)
        t.depth.back().within =
            bound(p, *d.clip, loops_.depth_variables[which], &d == &depth.front() ? start : Affine());
      if (d.rows) t.depth.back().rows = row_bound(p, *d.rows, loops_.depth_variables[which]);
    }
    w_->tile(std::move(t));
  }

  // The steps of the depth's loop over this variable, from `start` on, that lie inside of the operand.
  Tile::Bound bound(const Place& p, const Clip& clip, std::size_t variable, const Affine& start) const {
    const OperandFacts& facts = task_.facts[clip.access];
    const IndexMap& map = facts.access->index[clip.dim];
    const auto dim = std::find_if(task_.dims.k.begin(), task_.dims.k.end(),
                                  [&](const ContractionDim& k) { return k.variable == variable; });
    std::int64_t step = map.coefficients[variable];
    Tile::Bound bound{affine_constant(map.offset), step, facts.shape[clip.dim]};
    if (dim->reversed) {
      bound.first.offset += step * (dim->extent - 1);
      bound.step = -step;
    }
    for (std::size_t v = 0; v < task_.form.domain.size(); ++v)
      bound.first = bound.first + p.variables[v].affine * map.coefficients[v];
    bound.first = bound.first + start * bound.step;
    return bound;
  }

  // The rows that lie inside of the operand in each step of the depth's loop over this variable.
  Tile::RowBound row_bound(const Place& p, const Clip& clip, std::size_t variable) const {
    const Tile::Bound all = bound(p, clip, variable, {});
    const std::size_t row = task_.plan.row.variable;
    const std::int64_t step = task_.facts[clip.access].access->index[clip.dim].coefficients[row];
    return {all.first.offset + step * p.row->start, all.step, step, all.size};
  }

  // The cuts of the depth in the order of the sum, all loops inside at each.
  void depth_blocks(const Place& outer) {
    Affine a_at;
    std::vector<std::pair<std::size_t, Affine>> steps;
    for (std::size_t d = 0; d < loops_.cut; ++d) {
      Affine v = affine_variable(w_->open(loops_.depth[d].extent));
      a_at = a_at + v * loops_.depth[d].a;
      steps.emplace_back(d, v);
    }
    std::int64_t whole = loops_.depth[loops_.cut].extent / loops_.chunk,
                 rest = loops_.depth[loops_.cut].extent % loops_.chunk;
    auto block = [&](Affine start, std::int64_t extent) {
      std::vector<DepthDim> depth(loops_.depth.begin() + static_cast<std::ptrdiff_t>(loops_.cut), loops_.depth.end());
      depth[0].extent = extent;
      inner_loops(outer, [&](Place& p) {
        Affine at[2] = {a_at + start * loops_.depth[loops_.cut].a,
                        start * loops_.lane_step(lanes_[p.lane_kind], loops_.cut)};
        for (auto& [d, v] : steps) at[1] = at[1] + v * loops_.lane_step(lanes_[p.lane_kind], d);
        tile(p, at, start, depth, true);
      });
    };
    if (whole > 1) {
      Affine v = affine_variable(w_->open(whole));
      block(v * loops_.chunk, loops_.chunk);
      w_->close();
    } else {
      block(affine_constant(0), loops_.chunk);
    }
    if (rest > 0) block(affine_constant(whole * loops_.chunk), rest);
    for (std::size_t d = 0; d < loops_.cut; ++d) w_->close();
  }

  int open(std::int64_t extent, bool vector) {
    vector = vector && lowering_.vectorize();
    return w_->open(extent, vector ? Loop::Mark::vector : Loop::Mark::serial, vector ? lowering_.lanes(type()) : 0);
  }

  Access accumulator(const Affine& at) const {
    Subscript s;
    s.affine = at;
    s.extent = w_->range(at).high + 1;
    Access access;
    access.buffer = scratch_;
    access.subscripts.push_back(s);
    return access;
  }

  void clear(const Place& outer) {
    auto zero = [&](const Affine& at) { w_->store(accumulator(at), w_->number(type(), 0)); };
    if (!loops_.direct) {
      zero(affine_variable(open(accumulators_.elements, true)));
      w_->close();
      return;
    }
    inner_loops(outer, [&](Place& p) {
      const Affine row = affine_variable(open(p.row->size, false)), column = affine_variable(open(p.lane->size, true));
      zero(result_at(p) + row * loops_.result_coefficients[task_.plan.row.variable] + column);
      w_->close();
      w_->close();
    });
  }

  // A loop of the epilogue: over a held dimension, or over blocks of it or within them.
  struct EpilogueLoop {
    const Held* held;
    std::int64_t extent, step = 1;
  };

  // As the result lies in memory, where that gives neighbours to lanes, else by columns of tiles. In the first case
  // lanes fetch from rows of scratch: in blocks that stay in the first-level cache.
  std::vector<EpilogueLoop> epilogue_loops(const Place& outer) const {
    std::vector<EpilogueLoop> loops;
    const bool by_result = accumulators_.neighbours() * 2 >= lowering_.lanes(type());
    for (const Held& h : accumulators_.held) {
      std::int64_t extent = h.extent;
      if (!h.inside) extent = h.of == TileLoop::Of::row ? outer.row->size : outer.lane->size;
      loops.push_back({&h, extent});
    }
    if (!by_result || loops.back().held->result == 1) return loops;
    const Held& first = *loops.front().held;
    const std::int64_t room = lowering_.target().l1_bytes / 2 / element_bytes();
    std::int64_t block = std::clamp<std::int64_t>(room / first.stride, 1, loops.front().extent);
    while (loops.front().extent % block != 0) --block;
    std::stable_sort(loops.begin(), loops.end(),
                     [](const EpilogueLoop& a, const EpilogueLoop& b) { return a.held->result > b.held->result; });
    for (EpilogueLoop& loop : loops) {
      if (loop.held != &first || block == loop.extent) continue;
      const EpilogueLoop blocks{&first, loop.extent / block, block};
      loop.extent = block;
      loops.insert(loops.begin(), blocks);
      break;
    }
    return loops;
  }

  // What follows the contraction, element by element, over the accumulators of a round.
  void epilogue(const Place& outer) {
    Coordinates domain(outer.variables.begin(),
                       outer.variables.begin() + static_cast<std::ptrdiff_t>(task_.form.domain.size()));
    domain[task_.plan.row.variable] =
        coordinate(accumulators_.of(TileLoop::Of::row).inside ? Affine() : outer.first_row());
    domain[task_.plan.lane.variable] =
        coordinate(accumulators_.of(TileLoop::Of::lane).inside ? Affine() : outer.first_lane());
    const std::vector<EpilogueLoop> loops = epilogue_loops(outer);
    Affine scratch;
    for (const EpilogueLoop& loop : loops) {
      const Affine i = affine_variable(open(loop.extent, &loop == &loops.back()), loop.step);
      Affine& index = domain[loop.held->variable].affine;
      index = index + i;
      scratch = scratch + i * loop.held->stride;
    }
    Coordinates at = result_coordinates(*engine_, task_.form, domain);
    const Value* value = task_.node->result();
    engine_->know(value, at, w_->load(accumulator(scratch), true));
    std::vector<std::pair<Access, Scalar>> stores;
    for (const Value* result : results_) {
      auto where = follow(*engine_, lowering_.buffers(), result, value, at);
      if (!where) throw NeedsBuffer{value};
      Scalar element = engine_->at(result, *where);
      stores.emplace_back(access_of(*w_, lowering_.reserve(result), sizes(result->type.shape), *where, 0, false),
                          element);
    }
    for (auto& [to, element] : stores) w_->store(std::move(to), element);
    for (std::size_t i = 0; i < loops.size(); ++i) w_->close();
  }

  Lowering& lowering_;
  const ContractionTask& task_;
  std::vector<const Value*> results_;
  RowsOperand rows_;
  bool by_rounds_ = false;    // rows are copied in each round of the outermost loop
  std::vector<Panel> lanes_;  // one for each kind of blocks
  ContractionLoops loops_;
  Accumulators accumulators_;  // of the kernel at hand
  int scratch_ = -1;
  KernelWriter* w_ = nullptr;
  Engine* engine_ = nullptr;
};

// A variable that moves nothing, for the side of a product with a vector.
void add_unit_variable(ContractionTask& task) {
  const std::size_t at = task.form.domain.size(), variables = task.form.variables();
  if (task.form.result.empty()) task.form.result = identity_maps(variables, at);
  auto widen = [&](IndexMap& map) {
    map.coefficients.insert(map.coefficients.begin() + static_cast<std::ptrdiff_t>(at), 0);
  };
  for (OperandAccess& access : task.form.accesses)
    for (IndexMap& map : access.index) widen(map);
  for (IndexMap& map : task.form.result) widen(map);
  task.form.domain.push_back(1);
  for (ContractionDim& k : task.dims.k) ++k.variable;
  (task.dims.m.empty() ? task.dims.m : task.dims.n).push_back({at, 1, false});
}

// One for every part of the node's form, which share what they copy; none where the node, or a part, is no contraction.
std::vector<ContractionTask> tasks_of(const Node& node, const IndexedForm& form) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const Value* operand : node.operands) shapes.push_back(sizes(operand->type.shape));
  std::vector<ContractionTask> tasks;
  for (StridedPart& part : split_strides(form)) {
    ContractionTask task;
    task.node = &node;
    task.form = std::move(part.form);
    task.empty = part.empty;
    auto dims = find_contraction(task.form, shapes, node.result()->type.dtype);
    if (!dims) return {};
    task.dims = std::move(*dims);
    for (OperandAccess& access : task.form.accesses)
      for (IndexMap& map : access.index)
        for (std::size_t v = 0; v < task.form.variables(); ++v)
          if (task.extent(v) == 1) map.coefficients[v] = 0;  // it moves nothing
    if (task.dims.m.empty() || task.dims.n.empty()) add_unit_variable(task);
    tasks.push_back(std::move(task));
  }
  for (ContractionTask& task : tasks) task.shares = tasks.size() > 1;
  for (std::size_t a = 0; a < 2; ++a) {
    std::vector<Range> reach;
    for (const ContractionTask& task : tasks) {
      if (task.empty) continue;
      const std::vector<Range> met = reach_of(task, task.form.accesses[a]);
      if (reach.empty()) reach = met;
      for (std::size_t d = 0; d < met.size(); ++d)
        reach[d] = {std::min(reach[d].low, met[d].low), std::max(reach[d].high, met[d].high)};
    }
    for (ContractionTask& task : tasks) {
      OperandAccess& access = task.form.accesses[a];
      OperandFacts& facts = task.facts[a];
      facts.shape = shapes[static_cast<std::size_t>(access.operand)];
      facts.reach = task.empty ? reach_of(task, access) : reach;
      bool inside = true;
      for (std::size_t d = 0; d < facts.shape.size(); ++d)
        inside = inside && facts.reach[d].low >= 0 && facts.reach[d].high < facts.shape[d];
      if (inside) access.guarded = false;
    }
  }
  return tasks;
}

void plan(Lowering& lowering, ContractionTask& task) {
  const Value* value = task.node->result();
  for (int a = 0; a < 2; ++a) {
    OperandFacts& facts = task.facts[a];
    facts.access = &task.form.accesses[static_cast<std::size_t>(a)];
    const int buffer = lowering.buffers().find(task.operand(a));
    facts.in_memory = buffer >= 0;
    facts.fixed = lowering.is_fixed(buffer);
    facts.extents.clear();
    for (std::size_t v = 0; v < task.form.variables(); ++v) facts.extents.push_back(task.extent(v));
    facts.coefficients = linear_coefficients(*facts.access, facts.shape, task.form.variables());
  }
  std::vector<std::int64_t> strides = row_major_strides(sizes(value->type.shape)), moves(task.form.variables(), 0);
  for (std::size_t d = 0; d < strides.size(); ++d)
    for (std::size_t v = 0; v < task.form.domain.size(); ++v)
      moves[v] += strides[d] * (task.form.result.empty() ? v == d : task.form.result[d].coefficients[v]);
  task.plan = plan_contraction(task.dims, task.facts, moves, value->type.dtype, lowering.target());
}

// The results of the group that follow the contraction element by element; itself where there is none.
std::vector<const Value*> followers(Lowering& lowering, const Group& group, const Value* value) {
  std::vector<const Value*> results;
  for (const Value* result : group.results) {
    bool whole = result->type.elements() == value->type.elements();
    if (whole && computed_from(lowering.buffers(), result).contains(value)) results.push_back(result);
  }
  if (results.empty()) results = {value};
  return results;
}

}  // namespace

bool lower_contraction(Lowering& lowering, const Node& node, const Group& group) {
  if (!lowering.buffers().is_reduction(node)) return false;
  const Value* value = node.result();
  if (lowering.buffers().find(value) >= 0) return true;
  std::vector<ContractionTask> tasks = tasks_of(node, lowering.buffers().form(node));
  if (tasks.empty()) return false;
  std::vector<const Value*> results = followers(lowering, group, value);
  for (int round = 0;; ++round) {
    ensure(round < 1000, "a contraction's epilogue could not be lowered");
    try {
      for (ContractionTask& task : tasks) {
        plan(lowering, task);
        ContractionKernels(lowering, task, results).run();
      }
      break;
    } catch (const NeedsBuffer& needs) {
      if (needs.value == value)
        results = {value};
      else
        lowering.materialize(needs.value);
    }
  }
  for (const Value* result : results) lowering.written(result);
  return true;
}

}  // namespace gradc
