// Arrays, state tables, aligned memory, and the runner that calls an executable's entry.
#include "gradc/executable.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

namespace gradc::runtime {

namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::size_t kHugePage = 2 << 20;

// A fault for 2 MB instead of for 4 KB, where the system has such pages: a large model begins sooner. Only a request.
void ask_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}

int index_of(const std::vector<Array>& arrays, std::string_view name) {
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    if (arrays[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

// Integers saturate, NaN becomes 0: no conversion here is undefined.
template <class T>
T to_integer(double value) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

void put_as(gradc_dtype dtype, std::byte* at, double value) {
  switch (dtype) {
    case GRADC_F32:
      return put(at, static_cast<float>(value));
    case GRADC_F64:
      return put(at, value);
    case GRADC_I32:
      return put(at, to_integer<std::int32_t>(value));
    case GRADC_I64:
      return put(at, to_integer<std::int64_t>(value));
    case GRADC_U32:
      return put(at, to_integer<std::uint32_t>(value));
    case GRADC_U8:
      return put(at, to_integer<std::uint8_t>(value));
    case GRADC_BOOL:
      return put(at, static_cast<std::uint8_t>(value != 0));
  }
}

}  // namespace

std::int64_t byte_size(gradc_dtype dtype) {
  switch (dtype) {
    case GRADC_F64:
    case GRADC_I64:
      return 8;
    case GRADC_F32:
    case GRADC_I32:
    case GRADC_U32:
      return 4;
    case GRADC_U8:
    case GRADC_BOOL:
      return 1;
  }
  return 0;
}

std::string_view name_of(gradc_dtype dtype) {
  switch (dtype) {
    case GRADC_F32:
      return "f32";
    case GRADC_F64:
      return "f64";
    case GRADC_I32:
      return "i32";
    case GRADC_I64:
      return "i64";
    case GRADC_U32:
      return "u32";
    case GRADC_U8:
      return "u8";
    case GRADC_BOOL:
      return "bool";
  }
  return "?";
}

std::string str(gradc_dtype dtype, std::span<const std::int64_t> shape) {
  std::string text{name_of(dtype)};
  text += '[';
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + ']';
}

std::int64_t Array::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::int64_t Array::bytes() const { return elements() * byte_size(dtype); }

const StateArray* StateTable::find(std::string_view name) const {
  for (const StateArray& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

int Executable::input(std::string_view name) const { return index_of(inputs, name); }
int Executable::output(std::string_view name) const { return index_of(outputs, name); }
int Executable::scalar(std::string_view name) const { return index_of(scalars, name); }

Block::Block(std::int64_t bytes) : bytes_(bytes) {
  if (bytes < 0 || bytes > std::numeric_limits<std::int64_t>::max() - kAlignment) throw std::bad_alloc();
  const std::size_t alignment = static_cast<std::size_t>(bytes) < kHugePage ? kAlignment : kHugePage;
  const std::int64_t whole = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, static_cast<std::size_t>(whole)) != 0) throw std::bad_alloc();
  if (alignment == kHugePage) ask_for_huge_pages(memory, static_cast<std::size_t>(whole));
  std::memset(memory, 0, static_cast<std::size_t>(whole));
  data_.reset(static_cast<std::byte*>(memory));
}

void Block::Free::operator()(std::byte* p) const { std::free(p); }

Runner::Runner(const Executable& executable, ThreadPool* pool)
    : executable_(&executable),
      pool_(pool),
      workspace_(executable.workspace_bytes + executable.worker_bytes * (pool ? pool->workers() : 1)),
      scalars_(executable.scalars_bytes) {
  for (const Array& scalar : executable.scalars) {
    if (scalar.offset < 0 || scalar.offset + byte_size(scalar.dtype) > executable.scalars_bytes) {
      throw std::logic_error("scalar `" + scalar.name + "` lies outside its struct");
    }
    put_as(scalar.dtype, scalars_.data() + scalar.offset, scalar.preset);
  }
}

void Runner::set_scalar(int index, double value) {
  const Array& scalar = executable_->scalars.at(static_cast<std::size_t>(index));
  put_as(scalar.dtype, scalars_.data() + scalar.offset, value);
}

void Runner::set_integer_scalar(int index, std::int64_t value) {
  const Array& scalar = executable_->scalars.at(static_cast<std::size_t>(index));
  if (scalar.dtype == GRADC_I64) return put(scalars_.data() + scalar.offset, value);
  put_as(scalar.dtype, scalars_.data() + scalar.offset, static_cast<double>(value));
}

void Runner::run(std::span<const void* const> inputs, std::span<void* const> outputs, void* state) {
  if (inputs.size() != executable_->inputs.size() || outputs.size() != executable_->outputs.size()) {
    throw std::logic_error("program `" + executable_->program + "`: " + std::to_string(inputs.size()) + " inputs and " +
                           std::to_string(outputs.size()) + " outputs given, " +
                           std::to_string(executable_->inputs.size()) + " and " +
                           std::to_string(executable_->outputs.size()) + " expected");
  }
  const std::int32_t status = executable_->entry(inputs.data(), outputs.data(), state, workspace_.data(),
                                                 scalars_.data(), pool_ ? pool_->context() : nullptr);
  if (status != 0) {
    throw std::logic_error("program `" + executable_->program + "` returned status " + std::to_string(status));
  }
}

}  // namespace gradc::runtime
