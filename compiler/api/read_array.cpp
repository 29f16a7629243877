// One array of a file, as a literal of a graph.
#include "compiler/api/read_array.h"

#include <cstring>

#include "gradc/dataset.h"
#include "gradc/safetensors.h"
#include "ir/diagnostic.h"

namespace gradc {

namespace {

bool ends_in(const std::string& path, std::string_view ending) {
  return path.size() >= ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
}

DType dtype_of(gradc_dtype dtype) {
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::i32, DType::i64, DType::u32, DType::u8, DType::boolean};
  return kTypes[dtype];
}

Tensor tensor_of(const runtime::Column& column) {
  Type type{dtype_of(column.dtype), {column.examples}};
  for (std::int64_t size : column.shape) type.shape.emplace_back(size);
  Tensor tensor(type);
  std::memcpy(tensor.data(), column.data.data(), static_cast<std::size_t>(tensor.bytes()));
  return tensor;
}

std::string names_in(const runtime::SafeTensors& file) {
  std::string text;
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(kShown, file.entries().size()); ++i)
    text += (i ? ", `" : "`") + file.entries()[i].name + "`";
  return text + (file.entries().size() > kShown ? ", …" : "");
}

Tensor from_safetensors(const std::string& path, const std::string& name) {
  const runtime::SafeTensors file = runtime::SafeTensors::read(path);
  const runtime::SafeTensors::Entry* entry = file.find(name);
  if (!entry) throw UserError(Location(), path + " has no array `" + name + "`; it holds " + names_in(file));
  Type type{entry->dtype == "F64" ? DType::f64 : DType::f32, {}};
  for (std::int64_t size : entry->shape) type.shape.emplace_back(size);
  Tensor tensor(type);
  runtime::StateTable table;
  runtime::StateArray array;
  array.name = name;
  array.dtype = type.dtype == DType::f64 ? GRADC_F64 : GRADC_F32;
  array.shape = entry->shape;
  array.kind = runtime::StateKind::parameter;
  table.entries.push_back(array);
  table.bytes = tensor.bytes();
  runtime::load_weights(file, table, tensor.data(), runtime::Match::partial);
  return tensor;
}

}  // namespace

Tensor read_array(const std::string& path, const std::string& name) {
  const bool npz = ends_in(path, ".npz"), safetensors = ends_in(path, ".safetensors");
  if (!npz && !safetensors && !ends_in(path, ".npy"))
    throw UserError(Location(), path + " is no .npy, .npz or .safetensors file");
  if ((npz || safetensors) && name.empty()) throw UserError(Location(), path + " holds several arrays; give `name`");
  try {
    if (safetensors) return from_safetensors(path, name);
    return tensor_of(npz ? runtime::read_npz(path, name, name) : runtime::read_npy(path, "array"));
  } catch (const runtime::Error& error) {
    throw UserError(Location(), error.what());
  }
}

}  // namespace gradc
