// Kernel programs described in the runtime's words: arrays, scalars with their defaults, state tables.
#include "compiler/codegen/describe.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "compiler/codegen/codegen.h"

namespace gradc {
namespace codegen {

std::string identifier(const std::string& name) {
  std::string text;
  for (char c : name) text += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) text.insert(text.begin(), '_');
  return text;
}

std::string entry_symbol(const KernelModule& module, const KernelProgram& program) {
  return identifier(module.name) + "_" + identifier(program.name);
}

std::int64_t scalars_bytes(const KernelProgram& program) {
  std::int64_t end = 0;
  for (const KernelParameter& p : program.scalars) end = std::max(end, p.offset + byte_size(p.type.dtype));
  return (end + 7) / 8 * 8;
}

std::vector<std::byte> scalar_defaults(const KernelProgram& program) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(scalars_bytes(program)));
  for (const KernelParameter& p : program.scalars) {
    std::uint64_t bits = scalar_of(p.type.dtype, p.preset).bits;
    std::memcpy(bytes.data() + p.offset, &bits, static_cast<std::size_t>(byte_size(p.type.dtype)));
  }
  return bytes;
}

runtime::Array describe(const KernelParameter& p) {
  runtime::Array array;
  array.name = p.name;
  array.dtype = static_cast<gradc_dtype>(p.type.dtype);
  array.shape = sizes(p.type.shape);
  array.offset = p.offset;
  array.lower = p.lower;
  array.upper = p.upper;
  array.preset = p.preset;
  return array;
}

runtime::Executable describe(const KernelProgram& program) {
  runtime::Executable executable;
  executable.program = program.name;
  for (const KernelParameter& p : program.inputs) executable.inputs.push_back(describe(p));
  for (const KernelParameter& p : program.outputs) executable.outputs.push_back(describe(p));
  for (const KernelParameter& p : program.scalars) executable.scalars.push_back(describe(p));
  executable.scalars_bytes = scalars_bytes(program);
  executable.workspace_bytes = program.arena_bytes;
  executable.worker_bytes = program.worker_bytes;
  return executable;
}

runtime::StateKind kind_of(StateEntry::Kind kind) {
  switch (kind) {
    case StateEntry::Kind::parameter:
      return runtime::StateKind::parameter;
    case StateEntry::Kind::statistic:
      return runtime::StateKind::statistic;
    case StateEntry::Kind::slot:
      return runtime::StateKind::slot;
    case StateEntry::Kind::counter:
      return runtime::StateKind::counter;
    case StateEntry::Kind::key:
      return runtime::StateKind::key;
  }
  internal_error("codegen: unknown kind of state");
}

}  // namespace codegen

runtime::StateTable state_table(const StateLayout& layout) {
  runtime::StateTable table;
  for (const StateEntry& entry : layout.entries) {
    runtime::StateArray array;
    array.name = entry.name;
    array.dtype = static_cast<gradc_dtype>(entry.type.dtype);
    array.shape = sizes(entry.type.shape);
    array.offset = entry.offset;
    array.kind = codegen::kind_of(entry.kind);
    table.entries.push_back(std::move(array));
  }
  table.bytes = layout.bytes;
  return table;
}

}  // namespace gradc
