// Scatter-add kernels: zeros, then every update in order; the dimensions beside the scattered one are independent.
#include "compiler/lower/lowering.h"
#include "compiler/lower/nest.h"

namespace gradc {

// result[pre…, index[j…], post…] += updates[pre…, j…, post…], for j in row-major order. An index outside is dropped.
void lower_scatter(Lowering& lowering, const Node& node) {
  const Value* result = node.result();
  const Value* index = node.operands[0];
  const Value* updates = node.operands[1];
  const std::vector<std::int64_t> shape = sizes(result->type.shape);
  if (result->type.elements() == 0) {
    lowering.written(result);
    return;
  }
  const std::size_t axis =
      static_cast<std::size_t>(normal_axis(call_of(node), node.attributes.integer("axis"), shape.size()));
  const DType type = result->type.dtype;
  const int lanes = lowering.vectorize() ? lowering.lanes(type) : 0;
  lowering.attempt([&] {
    int buffer = lowering.reserve(result);
    KernelWriter writer(lowering.program(), "scatter");
    Engine engine(writer, lowering.buffers());
    Coordinates at(shape.size());
    auto open = [&](std::size_t d, bool lane) {
      bool vector = lane && lowering.vectorize();
      at[d] = coordinate(
          affine_variable(writer.open(shape[d], vector ? Loop::Mark::vector : Loop::Mark::serial, vector ? lanes : 0)));
    };
    auto open_post = [&] {
      for (std::size_t d = axis + 1; d < shape.size(); ++d) open(d, d + 1 == shape.size());
    };
    auto close_post = [&] {
      for (std::size_t d = axis + 1; d < shape.size(); ++d) writer.close();
    };
    for (std::size_t d = 0; d < axis; ++d) open(d, false);
    open(axis, false);
    open_post();
    writer.store(access_of(writer, buffer, shape, at, 0, false), writer.number(type, 0));
    close_post();
    writer.close();
    if (updates->type.elements() > 0) {
      Coordinates j;
      for (std::int64_t extent : sizes(index->type.shape))
        j.push_back(coordinate(affine_variable(writer.open(extent))));
      Scalar i = writer.convert(engine.at(index, j), DType::i64);
      at[axis] = Coordinate{};
      at[axis].value = i.id;
      open_post();
      Coordinates from(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(axis));
      from.insert(from.end(), j.begin(), j.end());
      from.insert(from.end(), at.begin() + static_cast<std::ptrdiff_t>(axis) + 1, at.end());
      Access place = access_of(writer, buffer, shape, at, 0, false);
      Scalar sum[] = {writer.load(place, true), engine.at(updates, from)};
      writer.store(place, writer.emit(Opcode::add, type, sum));
      close_post();
      for (std::size_t d = 0; d < j.size(); ++d) writer.close();
    }
    for (std::size_t d = 0; d < axis; ++d) writer.close();
    Kernel kernel = writer.finish();
    shape_nest(kernel);
    lowering.add(std::move(kernel), result);
  });
  lowering.written(result);
}

}  // namespace gradc
