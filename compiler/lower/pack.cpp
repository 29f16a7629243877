// Operands of contractions in the order that register tiles read them.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "compiler/lower/contract.h"
#include "compiler/lower/nest.h"

namespace gradc {

namespace {

// `reversed` variables count from the other end.
void turn(Panel& panel, const std::vector<ContractionDim>& k) {
  for (const ContractionDim& dim : k) {
    if (!dim.reversed) continue;
    std::int64_t& c = panel.coefficients[dim.variable];
    panel.base += c * (dim.extent - 1);
    c = -c;
  }
}

Panel in_place(Lowering& lowering, const ContractionTask& task, int access) {
  const OperandFacts& facts = task.facts[access];
  Panel panel;
  panel.buffer = lowering.buffers().find(task.operand(access));
  panel.coefficients = facts.coefficients;
  std::vector<std::int64_t> strides = row_major_strides(facts.shape);
  for (std::size_t d = 0; d < facts.shape.size(); ++d) panel.base += strides[d] * facts.access->index[d].offset;
  turn(panel, task.dims.k);
  return panel;
}

void put(std::string& key, std::int64_t number) { key += std::to_string(number) + ","; }

std::string key_of(const char* what, const Value* value, const OperandAccess& access) {
  std::string key = what;
  put(key, static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(value)));
  put(key, access.guarded);
  return key;
}

// What a copy reads: the operand's shape, and where it begins in each dimension.
struct Source {
  std::vector<std::int64_t> shape;
  std::vector<Affine> first;
};

// A last dimension too short for lanes (the channels of an image) becomes one with the dimension around it: where the
// whole of it is copied, what lies outside of that one lies outside of both.
void join_short(const OperandFacts& facts, std::int64_t lanes, std::vector<CopyDim>& dims, Source& source) {
  if (!facts.in_memory || dims.size() < 2) return;
  CopyDim &around = dims[dims.size() - 2], &last = dims.back();
  const bool whole = source.first[last.dim] == Affine() && last.extent == source.shape[last.dim];
  if (around.of != CopyDim::Of::dim || last.of != CopyDim::Of::dim || around.dim + 1 != last.dim ||
      last.dim + 1 != source.shape.size() || !whole || last.stored != last.extent || around.stored != around.extent ||
      around.variable || last.variable || last.extent >= lanes)
    return;
  source.shape[around.dim] *= last.extent;
  source.first[around.dim] = source.first[around.dim] * last.extent;
  around.extent = around.stored *= last.extent;
  source.shape.pop_back();
  source.first.pop_back();
  dims.pop_back();
}

// What a copy with these dimensions reads, which may become fewer.
Source source_of(Lowering& lowering, const OperandFacts& facts, DType dtype, std::vector<CopyDim>& dims) {
  Source source{facts.shape, {}};
  for (const Range& reach : facts.reach) source.first.push_back(affine_constant(reach.low));
  for (const CopyDim& dim : dims)
    if (dim.variable) source.first[dim.dim] = affine_constant(facts.access->index[dim.dim].offset);
  if (lowering.vectorize()) join_short(facts, lowering.lanes(dtype), dims, source);
  return source;
}

// Code for such a copy.
void write_elements(Lowering& lowering, KernelWriter& writer, Engine& engine, const Value* value, bool in_memory,
                    int buffer, const std::vector<CopyDim>& dims, const Pieces& pieces, const Source& source) {
  std::vector<Affine> index = source.first;
  Coordinates to, from;
  std::vector<std::int64_t> stored;
  std::size_t last = dims.size();
  for (std::size_t i = 0; i < dims.size(); ++i)
    if (dims[i].extent > 1) last = i;
  int loops = 0;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    Affine a;
    if (dims[i].extent > 1) {
      bool vector = i == last && lowering.vectorize();
      a = affine_variable(writer.open(dims[i].extent, vector ? Loop::Mark::vector : Loop::Mark::serial,
                                      vector ? lowering.lanes(value->type.dtype) : 0));
      ++loops;
    }
    to.push_back(coordinate(a));
    stored.push_back(dims[i].stored);
    index[dims[i].dim] = index[dims[i].dim] + a * (dims[i].of == CopyDim::Of::block ? pieces.padded : dims[i].step);
    if (dims[i].of == CopyDim::Of::block) index[dims[i].dim].offset += pieces.start;
  }
  for (const Affine& at : index) from.push_back(coordinate(at));
  const Scalar element =
      in_memory ? writer.load(access_of(writer, lowering.buffers().find(value), source.shape, from, 0, false))
                : engine.read(value, from, true, 0);
  writer.store(access_of(writer, buffer, stored, to, 0, false), element);
  for (int i = 0; i < loops; ++i) writer.close();
}

void write_copy(Lowering& lowering, const ContractionTask& task, int access, int buffer, std::vector<CopyDim> dims,
                const Pieces& pieces) {
  const OperandFacts& facts = task.facts[access];
  const Value* value = task.operand(access);
  const Source source = source_of(lowering, facts, value->type.dtype, dims);
  lowering.attempt([&] {
    KernelWriter writer(lowering.program(), "pack");
    Engine engine(writer, lowering.buffers());
    write_elements(lowering, writer, engine, value, facts.in_memory, buffer, dims, pieces, source);
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    lowering.add(std::move(kernel), value);
  });
}

// Rows, or steps of the depth, at a distance of half a page fall into few sets of the first-level cache and push each
// other out: a copy with longer rows pays where its elements are met often.
constexpr std::int64_t kAliasBytes = 2048, kAliasPad = 64;

bool is_far(const ContractionTask& task, std::int64_t elements) {
  return elements != 0 && elements * byte_size(task.node->result()->type.dtype) % kAliasBytes == 0;
}

// The nearest steps are; those of the dimensions around begin anew among the sets.
bool depth_is_far(const ContractionTask& task, const OperandFacts& facts) {
  std::int64_t nearest = 0;
  for (const ContractionDim& k : task.dims.k) {
    const std::int64_t step = std::abs(facts.coefficients[k.variable]);
    if (step != 0 && (nearest == 0 || step < nearest)) nearest = step;
  }
  return product(task.dims.k) >= 64 && is_far(task, nearest);
}

bool rows_are_met_often(const ContractionTask& task) {
  return task.plan.lane.extent >= 64 && product(task.dims.k) >= 64 && task.plan.row.extent >= 8;
}

bool rows_alias(const ContractionTask& task, const OperandFacts& facts) {
  return rows_are_met_often(task) && facts.shape.back() > 1 &&
         (is_far(task, facts.coefficients[task.plan.row.variable]) || depth_is_far(task, facts));
}

// A block of lanes that very many rows meet is spread over the second-level cache by any far step.
bool lanes_alias(const ContractionTask& task, const OperandFacts& facts) {
  if (task.plan.row.extent >= 64 && depth_is_far(task, facts)) return true;
  return task.plan.taps() == 1 && task.plan.row.extent >= 256 && product(task.dims.k) >= 64 &&
         std::any_of(task.dims.k.begin(), task.dims.k.end(),
                     [&](const ContractionDim& k) { return is_far(task, facts.coefficients[k.variable]); });
}

bool moves(const IndexMap& map, std::size_t variable) { return map.coefficients[variable] != 0; }

// Dimensions that rows or steps of the depth walk get a distance of their own where it would be a far one.
void spread(const ContractionTask& task, const OperandFacts& facts, std::vector<CopyDim>& dims) {
  std::int64_t stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    const IndexMap& map = facts.access->index[dims[i].dim];
    bool walked = moves(map, task.plan.row.variable);
    for (const ContractionDim& k : task.dims.k) walked = walked || moves(map, k.variable);
    if (i + 1 < dims.size() && dims[i].of == CopyDim::Of::dim && dims[i].extent > 1 && walked && is_far(task, stride)) {
      std::int64_t inner = stride / dims[i + 1].stored;
      dims[i + 1].stored += i + 2 == dims.size() ? kAliasPad / byte_size(task.node->result()->type.dtype) : 1;
      stride = inner * dims[i + 1].stored;
    }
    stride *= dims[i].stored;
  }
}

// The order of the dimensions of a copy, outer to inner: the operand's own, or, where neither rows nor steps of the
// depth would be neighbours in it, that of the depth.
std::vector<std::size_t> order_of_copy(const ContractionTask& task, const OperandFacts& facts) {
  std::vector<std::size_t> order(facts.shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto step = [&](std::size_t variable) { return std::abs(facts.coefficients[variable]); };
  if (step(task.plan.row.variable) == 1 || step(task.dims.k.back().variable) == 1) return order;
  auto depth = [&](std::size_t d) {
    std::size_t at = 0;
    for (std::size_t k = 0; k < task.dims.k.size(); ++k)
      if (moves(facts.access->index[d], task.dims.k[k].variable)) at = k + 1;
    return at;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return depth(a) < depth(b); });
  return order;
}

// The dimensions of a copy in this order.
std::vector<CopyDim> dims_of_copy(const OperandFacts& facts, const std::vector<std::size_t>& order) {
  std::vector<CopyDim> dims;
  for (std::size_t d : order) {
    const std::int64_t extent = facts.reach[d].high - facts.reach[d].low + 1;
    dims.push_back({CopyDim::Of::dim, d, extent, extent});
  }
  return dims;
}

// Of a copy that walks the two variables of a dimension of the tile as one.
std::vector<CopyDim> dims_of_copy(const OperandFacts& facts, const TileDim& tile) {
  std::vector<std::size_t> order(facts.shape.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!tile.unfolded) return dims_of_copy(facts, order);
  const std::size_t own = *facts.only_dimension(tile.variable);
  auto rank = [&](std::size_t d) { return d == own ? 1 : d == *facts.only_dimension(tile.around->variable) ? 2 : 0; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  std::vector<CopyDim> dims = dims_of_copy(facts, order);
  auto walk = [&](std::size_t variable) {
    const std::int64_t extent = facts.extents[variable], step = facts.access->index[own].coefficients[variable];
    return CopyDim{CopyDim::Of::dim, own, extent, extent, variable, step};
  };
  *std::find_if(dims.begin(), dims.end(), [&](const CopyDim& dim) { return dim.dim == own; }) = walk(*tile.unfolded);
  dims.push_back(walk(tile.variable));
  return dims;
}

// Zeros behind a copy, where the last block of lanes reads on.
void write_slack(Lowering& lowering, const Value* value, int buffer, std::int64_t elements, std::int64_t slack) {
  const DType dtype = value->type.dtype;
  KernelWriter writer(lowering.program(), "pack");
  const Affine i =
      affine_variable(writer.open(slack, lowering.innermost_mark(), lowering.vectorize() ? lowering.lanes(dtype) : 0));
  writer.store(access_of(writer, buffer, {elements + slack}, {coordinate(i + affine_constant(elements))}, 0, false),
               writer.number(dtype, 0));
  writer.close();
  Kernel kernel = writer.finish();
  shape_nest(kernel);
  lowering.add(std::move(kernel), value);
}

// Names a copy with these dimensions and `slack` zeros behind it.
std::string key_of_copy(Lowering& lowering, const ContractionTask& task, int access, const std::vector<CopyDim>& dims,
                        const Pieces& pieces, std::int64_t slack) {
  const OperandFacts& facts = task.facts[access];
  std::string key = key_of("copy ", lowering.buffers().resolve(task.operand(access)), *facts.access);
  for (const CopyDim& dim : dims)
    for (std::int64_t n : {static_cast<std::int64_t>(dim.of), static_cast<std::int64_t>(dim.dim), dim.extent,
                           dim.stored, dim.step, dim.variable ? facts.access->index[dim.dim].offset : 0})
      put(key, n);
  for (const Range& reach : facts.reach) put(key, reach.low);
  put(key, pieces.start);
  put(key, slack);
  return key;
}

std::int64_t elements_of(const std::vector<CopyDim>& dims) {
  std::int64_t elements = 1;
  for (const CopyDim& dim : dims) elements *= dim.stored;
  return elements;
}

// The buffer of such a copy, made where there is none yet.
int buffer_of_copy(Lowering& lowering, const ContractionTask& task, int access, const std::vector<CopyDim>& dims,
                   const Pieces& pieces, std::int64_t slack) {
  const Value* value = lowering.buffers().resolve(task.operand(access));
  auto [known, fresh] = lowering.packed().emplace(key_of_copy(lowering, task, access, dims, pieces, slack), -1);
  if (fresh) {
    const std::int64_t elements = elements_of(dims);
    known->second = lowering.buffers().add_arena("padded", value->type.dtype, elements + slack);
    write_copy(lowering, task, access, known->second, dims, pieces);
    if (slack > 0) write_slack(lowering, value, known->second, elements, slack);
  }
  return known->second;
}

// How tiles read a copy.
Panel panel_of_copy(const ContractionTask& task, int access, const std::vector<CopyDim>& dims) {
  const OperandFacts& facts = task.facts[access];
  Panel panel;
  panel.coefficients.assign(task.form.variables(), 0);
  std::vector<std::int64_t> stored;
  for (const CopyDim& dim : dims) stored.push_back(dim.stored);
  const std::vector<std::int64_t> strides = row_major_strides(stored);
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].of == CopyDim::Of::block) {
      panel.block = strides[i];
      continue;
    }
    if (dims[i].variable) {
      panel.coefficients[*dims[i].variable] += strides[i];
      continue;
    }
    const IndexMap& map = facts.access->index[dims[i].dim];
    panel.base += strides[i] * (map.offset - facts.reach[dims[i].dim].low);
    for (std::size_t v = 0; v < map.coefficients.size(); ++v) panel.coefficients[v] += strides[i] * map.coefficients[v];
  }
  turn(panel, task.dims.k);
  return panel;
}

Panel copied(Lowering& lowering, const ContractionTask& task, int access, const std::vector<CopyDim>& dims,
             const Pieces& pieces, std::int64_t slack = 0) {
  Panel panel = panel_of_copy(task, access, dims);
  panel.buffer = buffer_of_copy(lowering, task, access, dims, pieces, slack);
  return panel;
}

void write_panels(Lowering& lowering, const ContractionTask& task, const Pieces& pieces, int buffer,
                  const std::vector<ContractionDim>& around) {
  const Value* value = task.operand(task.plan.b);
  OperandAccess access = *task.facts[task.plan.b].access;
  bool padded = pieces.size != pieces.padded;
  const TileDim& lanes = task.plan.lane;
  bool bounded = padded && task.facts[task.plan.b].own_dimension(lanes.variable, lanes.extent).has_value();
  if (bounded) access.guarded = true;
  lowering.attempt([&] {
    KernelWriter writer(lowering.program(), "pack");
    Engine engine(writer, lowering.buffers());
    Coordinates variables(task.form.variables());
    // Dimensions as they are stored; loops are opened so that the operand's nearest are innermost.
    std::vector<const ContractionDim*> dims;
    for (const ContractionDim& dim : around) dims.push_back(&dim);
    const std::size_t block_at = dims.size();
    for (const ContractionDim& dim : task.dims.k) dims.push_back(&dim);
    std::vector<std::size_t> order(dims.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    auto step = [&](std::size_t i) { return std::abs(task.facts[task.plan.b].coefficients[dims[i]->variable]); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return step(x) > step(y); });
    int loops = 0;
    auto open = [&](std::int64_t extent, bool lane) {
      bool vector = lane && lowering.vectorize();
      if (extent <= 1) return Affine();
      ++loops;
      return affine_variable(writer.open(extent, vector ? Loop::Mark::vector : Loop::Mark::serial,
                                         vector ? lowering.lanes(value->type.dtype) : 0));
    };
    Affine block = open(pieces.count, false);
    std::vector<Affine> at(dims.size());
    for (std::size_t i : order) {
      const Affine upwards = open(dims[i]->extent, false);
      const bool turned = i >= block_at && dims[i]->reversed;
      variables[dims[i]->variable] = coordinate(upwards);
      at[i] = turned ? upwards * -1 + affine_constant(dims[i]->extent - 1) : upwards;
    }
    Affine column = open(pieces.padded, true);
    Coordinates to;
    std::vector<std::int64_t> shape;
    auto put_dim = [&](const Affine& a, std::int64_t extent) {
      to.push_back(coordinate(a));
      shape.push_back(extent);
    };
    for (std::size_t i = 0; i < block_at; ++i) put_dim(at[i], dims[i]->extent);
    put_dim(block, pieces.count);
    for (std::size_t i = block_at; i < dims.size(); ++i) put_dim(at[i], dims[i]->extent);
    put_dim(column, pieces.padded);
    Coordinate& lane = variables[task.plan.lane.variable];
    lane = coordinate(block * pieces.padded + column + affine_constant(pieces.start));
    if (padded && !bounded) access.guarded = true;  // lanes behind the extent may be outside the buffer
    Scalar element = engine.access(*task.node, access, variables);
    if (padded && !bounded) {
      Scalar args[] = {writer.inside(coordinate(column), pieces.size), element, writer.number(value->type.dtype, 0)};
      element = writer.emit(Opcode::select, value->type.dtype, args);
    }
    writer.store(access_of(writer, buffer, shape, to, 0, false), element);
    for (int i = 0; i < loops; ++i) writer.close();
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    lowering.add(std::move(kernel), value);
  });
}

}  // namespace

RowsOperand place_rows_operand(Lowering& lowering, const ContractionTask& task) {
  const int access = task.plan.a;
  const OperandFacts& facts = task.facts[access];
  if (task.plan.rows_placing == Placing::in_place && !rows_alias(task, facts))
    return {in_place(lowering, task, access), {}};
  const TileDim& row = task.plan.row;
  std::vector<CopyDim> dims = row.around ? dims_of_copy(facts, row) : dims_of_copy(facts, order_of_copy(task, facts));
  if (rows_are_met_often(task) && !row.around) spread(task, facts, dims);
  return {panel_of_copy(task, access, dims), dims};
}

void copy_rows(Lowering& lowering, const ContractionTask& task, RowsOperand& rows) {
  rows.panel.buffer = buffer_of_copy(lowering, task, task.plan.a, rows.copy, {}, 0);
}

bool is_copied_by_rounds(Lowering& lowering, const ContractionTask& task, const RowsOperand& rows, std::size_t loop) {
  const OperandFacts& facts = task.facts[task.plan.a];
  const std::int64_t rounds = task.extent(loop), bytes = byte_size(task.node->result()->type.dtype);
  if (rows.copy.size() < 2 || task.shares || facts.fixed || rounds < 2) return false;
  const std::size_t first = rows.copy[0].dim;
  if (facts.own_dimension(loop, rounds) != first || rows.copy[0].stored != rounds) return false;
  for (std::size_t d = 0; d < facts.shape.size(); ++d)
    if (d != first && moves(facts.access->index[d], loop)) return false;
  const std::int64_t all = elements_of(rows.copy) * bytes, cache = lowering.target().l2_bytes / 2;
  return all > cache && all / rounds <= cache &&
         !lowering.packed().contains(key_of_copy(lowering, task, task.plan.a, rows.copy, {}, 0));
}

void reserve_round(Lowering& lowering, const ContractionTask& task, RowsOperand& rows, std::size_t loop) {
  const std::int64_t elements = elements_of(rows.copy) / rows.copy[0].stored;
  rows.panel.buffer = lowering.buffers().add_worker("padded", task.node->result()->type.dtype, elements);
  rows.panel.coefficients[loop] = 0;
}

void copy_round(Lowering& lowering, KernelWriter& writer, Engine& engine, const ContractionTask& task,
                const RowsOperand& rows, const Affine& round) {
  const OperandFacts& facts = task.facts[task.plan.a];
  const Value* value = task.operand(task.plan.a);
  std::vector<CopyDim> dims(rows.copy.begin() + 1, rows.copy.end());
  Source source = source_of(lowering, facts, value->type.dtype, dims);
  source.first[rows.copy[0].dim] = round;
  write_elements(lowering, writer, engine, value, facts.in_memory, rows.panel.buffer, dims, {}, source);
}

Panel place_lanes_operand(Lowering& lowering, const ContractionTask& task, const Pieces& pieces) {
  const OperandFacts& facts = task.facts[task.plan.b];
  const TileDim& lane = task.plan.lane;
  if (task.plan.lanes_placing == Placing::copied) {
    if (lane.around) {
      const Pieces& last = task.plan.lanes.back();
      Panel panel = copied(lowering, task, task.plan.b, dims_of_copy(facts, lane), {}, last.padded - last.size);
      panel.base += pieces.start;
      panel.block = pieces.padded;
      return panel;
    }
    std::vector<CopyDim> dims;
    const std::size_t own = *facts.own_dimension(lane.variable, lane.extent);
    dims.push_back({CopyDim::Of::block, own, pieces.count, pieces.count});
    for (std::size_t d = 0; d < facts.shape.size(); ++d) {
      const std::int64_t extent = facts.reach[d].high - facts.reach[d].low + 1;
      if (d != own) dims.push_back({CopyDim::Of::dim, d, extent, extent});
    }
    dims.push_back({CopyDim::Of::column, own, pieces.padded, pieces.padded});
    if (task.plan.row.extent >= 64) spread(task, facts, dims);
    return copied(lowering, task, task.plan.b, dims, pieces);
  }
  if (facts.direct() && facts.coefficients[task.plan.lane.variable] == 1 && pieces.size == pieces.padded &&
      (lane.around || !lanes_alias(task, facts))) {
    Panel panel = in_place(lowering, task, task.plan.b);
    panel.base += pieces.start;
    panel.block = pieces.padded;
    return panel;
  }
  std::vector<ContractionDim> around = task.dims.batch;
  around.insert(around.end(), task.plan.outer_n.begin(), task.plan.outer_n.end());
  const Value* value = lowering.buffers().resolve(task.operand(task.plan.b));
  std::string key = key_of("pack ", value, *facts.access);
  for (const IndexMap& map : facts.access->index) put(key, map.offset);
  for (std::int64_t n : {pieces.start, pieces.count, pieces.size, pieces.padded}) put(key, n);
  auto describe = [&](const ContractionDim& dim) {
    for (const IndexMap& map : facts.access->index) put(key, map.coefficients[dim.variable]);
    put(key, dim.reversed ? -dim.extent : dim.extent);
    key += ";";
  };
  for (const ContractionDim& dim : around) describe(dim);
  for (const ContractionDim& dim : task.dims.k) describe(dim);
  describe({lane.variable, lane.extent, false});
  Panel panel;
  panel.coefficients.assign(task.form.variables(), 0);
  std::int64_t stride = pieces.padded;
  for (std::size_t i = task.dims.k.size(); i-- > 0;) {
    panel.coefficients[task.dims.k[i].variable] = stride;
    stride *= task.dims.k[i].extent;
  }
  panel.block = stride;
  stride *= pieces.count;
  for (std::size_t i = around.size(); i-- > 0;) {
    panel.coefficients[around[i].variable] = stride;
    stride *= around[i].extent;
  }
  auto [known, fresh] = lowering.packed().emplace(key, -1);
  if (fresh) {
    known->second = lowering.buffers().add_arena("packed", value->type.dtype, stride);
    write_panels(lowering, task, pieces, known->second, around);
  }
  panel.buffer = known->second;
  return panel;
}

}  // namespace gradc
