// Which buffer holds which graph value: see buffers.h.
#include "compiler/lower/buffers.h"

#include <cstring>

namespace gradc {

int Buffers::add(KernelBuffer buffer) {
  program_.buffers.push_back(std::move(buffer));
  return static_cast<int>(program_.buffers.size()) - 1;
}

namespace {

KernelBuffer make_buffer(std::string name, DType dtype, std::int64_t elements, Space space) {
  KernelBuffer buffer;
  buffer.name = std::move(name);
  buffer.dtype = dtype;
  buffer.elements = elements;
  buffer.space = space;
  return buffer;
}

}  // namespace

int Buffers::add_arena(std::string name, DType dtype, std::int64_t elements) {
  return add(make_buffer(std::move(name), dtype, elements, Space::arena));
}

int Buffers::add_worker(std::string name, DType dtype, std::int64_t elements) {
  return add(make_buffer(std::move(name), dtype, elements, Space::worker));
}

const Value* Buffers::resolve(const Value* value) const {
  for (auto found = alias_.find(value); found != alias_.end(); found = alias_.find(value)) value = found->second;
  return value;
}

int Buffers::find(const Value* value) const {
  auto found = of_.find(resolve(value));
  return found == of_.end() ? -1 : found->second;
}

int Buffers::table(const Value* constant) {
  constant = resolve(constant);
  if (int known = find(constant); known >= 0) return known;
  const Tensor& data = constant->node->attributes.literal("value");
  KernelBuffer buffer =
      make_buffer("table" + std::to_string(program_.buffers.size()), data.type().dtype, data.elements(), Space::table);
  buffer.data = data;
  of_[constant] = add(std::move(buffer));
  return of_[constant];
}

bool is_splat(const Tensor& tensor) {
  std::int64_t size = byte_size(tensor.type().dtype);
  for (std::int64_t i = 1; i < tensor.elements(); ++i)
    if (std::memcmp(tensor.data(), tensor.data() + i * size, static_cast<std::size_t>(size)) != 0) return false;
  return tensor.elements() > 0;
}

}  // namespace gradc
