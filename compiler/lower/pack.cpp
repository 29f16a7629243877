// Operands of contractions in the order that register tiles read them.
#include <algorithm>

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

// Numerators of one dimension's index over all variables.
Range reach(const ContractionTask& task, const IndexMap& map) {
  Range r{map.offset, map.offset};
  for (std::size_t v = 0; v < map.coefficients.size(); ++v) {
    std::int64_t far = map.coefficients[v] * (task.extent(v) - 1);
    (far < 0 ? r.low : r.high) += far;
  }
  return r;
}

void write_copy(Lowering& lowering, const ContractionTask& task, int access, int buffer,
                const std::vector<Range>& ranges, const std::vector<std::int64_t>& shape,
                const std::vector<std::int64_t>& stored) {
  const OperandAccess& what = *task.facts[access].access;
  const Value* value = task.operand(access);
  lowering.attempt([&] {
    KernelWriter writer(lowering.program(), "pack");
    Engine engine(writer, lowering.buffers());
    Coordinates to, from;
    std::size_t last = shape.size();
    for (std::size_t d = 0; d < shape.size(); ++d)
      if (shape[d] > 1) last = d;
    int loops = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      Affine a;
      if (shape[d] > 1) {
        bool vector = d == last && lowering.vectorize();
        a = affine_variable(writer.open(shape[d], vector ? Loop::Mark::vector : Loop::Mark::serial,
                                        vector ? lowering.lanes(value->type.dtype) : 0));
        ++loops;
      }
      to.push_back(coordinate(a));
      Coordinate source = coordinate(a + affine_constant(ranges[d].low));
      std::pair<std::int64_t, Coordinate> term{1, source};
      from.push_back(writer.linear(std::span(&term, 1), 0, what.index[d].divisor));
    }
    Scalar element = engine.read(value, from, true, 0);
    writer.store(access_of(writer, buffer, stored, to, 0, false), element);
    for (int i = 0; i < loops; ++i) writer.close();
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    lowering.add(std::move(kernel), value);
  });
}

// Rows, or steps of the depth, at a distance of half a page fall into few sets of the first-level cache and push each
// other out: a copy with longer rows pays where its elements are met often.
constexpr std::int64_t kAliasBytes = 2048, kAliasPad = 64;

bool far(const ContractionTask& task, const OperandFacts& facts, std::size_t variable) {
  std::int64_t step = facts.coefficients[variable] * byte_size(task.node->result()->type.dtype);
  return step != 0 && step % kAliasBytes == 0;
}

bool depth_is_far(const ContractionTask& task, const OperandFacts& facts) {
  return product(task.dims.k) >= 64 &&
         std::any_of(task.dims.k.begin(), task.dims.k.end(),
                     [&](const ContractionDim& k) { return far(task, facts, k.variable); });
}

bool rows_alias(const ContractionTask& task, const OperandFacts& facts) {
  bool often = task.plan.lane.extent >= 64 && product(task.dims.k) >= 64 && task.plan.row.extent >= 8;
  return often && facts.shape.back() > 1 && (far(task, facts, task.plan.row.variable) || depth_is_far(task, facts));
}

bool lanes_alias(const ContractionTask& task, const OperandFacts& facts) {
  return task.plan.row.extent >= 64 && depth_is_far(task, facts);
}

// A dimension that the lane variable alone indexes, so that lanes behind its extent are outside the operand.
bool bounds_lanes(const ContractionTask& task, const OperandAccess& access, std::size_t lane) {
  const OperandFacts& facts = task.facts[task.plan.b];
  for (std::size_t d = 0; d < access.index.size(); ++d) {
    const IndexMap& map = access.index[d];
    bool alone = map.coefficients[lane] == 1 && map.offset == 0 && map.divisor == 1 &&
                 std::count(map.coefficients.begin(), map.coefficients.end(), 0) ==
                     static_cast<std::ptrdiff_t>(map.coefficients.size()) - 1;
    if (alone && facts.shape[d] == task.plan.lane.extent) return true;
  }
  return false;
}

void write_panels(Lowering& lowering, const ContractionTask& task, const Pieces& pieces, int buffer,
                  const std::vector<ContractionDim>& around) {
  const Value* value = task.operand(task.plan.b);
  OperandAccess access = *task.facts[task.plan.b].access;
  bool padded = pieces.size != pieces.padded;
  bool bounded = padded && bounds_lanes(task, access, task.plan.lane.variable);
  if (bounded) access.guarded = true;
  lowering.attempt([&] {
    KernelWriter writer(lowering.program(), "pack");
    Engine engine(writer, lowering.buffers());
    Coordinates variables(task.form.variables());
    Coordinates to;
    std::vector<std::int64_t> shape;
    int loops = 0;
    auto open = [&](std::int64_t extent, bool lane) {
      Affine a;
      bool vector = lane && lowering.vectorize();
      if (extent > 1) {
        a = affine_variable(writer.open(extent, vector ? Loop::Mark::vector : Loop::Mark::serial,
                                        vector ? lowering.lanes(value->type.dtype) : 0));
        ++loops;
      }
      to.push_back(coordinate(a));
      shape.push_back(extent);
      return a;
    };
    for (const ContractionDim& dim : around) variables[dim.variable] = coordinate(open(dim.extent, false));
    Affine block = open(pieces.count, false);
    for (const ContractionDim& dim : task.dims.k) {
      Affine k = open(dim.extent, false);
      variables[dim.variable] = coordinate(dim.reversed ? k * -1 + affine_constant(dim.extent - 1) : k);
    }
    Affine column = open(pieces.padded, true);
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

Panel place_rows_operand(Lowering& lowering, const ContractionTask& task) {
  const int access = task.plan.a;
  const OperandFacts& facts = task.facts[access];
  const bool spread = rows_alias(task, facts);
  if (facts.direct() && !spread) return in_place(lowering, task, access);
  const Value* value = lowering.buffers().resolve(task.operand(access));
  std::vector<Range> ranges;
  std::vector<std::int64_t> shape;
  std::string key = key_of("copy ", value, *facts.access);
  for (const IndexMap& map : facts.access->index) {
    ranges.push_back(reach(task, map));
    shape.push_back(ranges.back().high - ranges.back().low + 1);
    put(key, ranges.back().low);
    put(key, ranges.back().high);
    put(key, map.divisor);
  }
  std::vector<std::int64_t> stored = shape;
  if (spread) stored.back() += kAliasPad / byte_size(value->type.dtype);
  put(key, spread);
  auto [known, fresh] = lowering.packed().emplace(key, -1);
  if (fresh) {
    std::int64_t elements = 1;
    for (std::int64_t s : stored) elements *= s;
    known->second = lowering.buffers().add_arena("padded", value->type.dtype, elements);
    write_copy(lowering, task, access, known->second, ranges, shape, stored);
  }
  Panel panel;
  panel.buffer = known->second;
  panel.coefficients.assign(task.form.variables(), 0);
  std::vector<std::int64_t> strides = row_major_strides(stored);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const IndexMap& map = facts.access->index[d];
    panel.base += strides[d] * (map.offset - ranges[d].low);
    for (std::size_t v = 0; v < map.coefficients.size(); ++v) panel.coefficients[v] += strides[d] * map.coefficients[v];
  }
  turn(panel, task.dims.k);
  return panel;
}

Panel place_lanes_operand(Lowering& lowering, const ContractionTask& task, const Pieces& pieces) {
  const OperandFacts& facts = task.facts[task.plan.b];
  if (facts.direct() && facts.coefficients[task.plan.lane.variable] == 1 && pieces.size == pieces.padded &&
      !lanes_alias(task, facts)) {
    Panel panel = in_place(lowering, task, task.plan.b);
    panel.base += pieces.start;
    panel.block = pieces.padded;
    return panel;
  }
  std::vector<ContractionDim> around = task.dims.batch;
  around.insert(around.end(), task.plan.outer_n.begin(), task.plan.outer_n.end());
  const Value* value = lowering.buffers().resolve(task.operand(task.plan.b));
  std::string key = key_of("pack ", value, *facts.access);
  for (const IndexMap& map : facts.access->index) {
    put(key, map.offset);
    put(key, map.divisor);
  }
  for (std::int64_t n : {pieces.start, pieces.count, pieces.size, pieces.padded}) put(key, n);
  auto describe = [&](const ContractionDim& dim) {
    for (const IndexMap& map : facts.access->index) put(key, map.coefficients[dim.variable]);
    put(key, dim.reversed ? -dim.extent : dim.extent);
    key += ";";
  };
  for (const ContractionDim& dim : around) describe(dim);
  for (const ContractionDim& dim : task.dims.k) describe(dim);
  describe(task.plan.lane);
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
