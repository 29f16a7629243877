// The self-contained C header of a module: the ABI, and for each program its entry, sizes, indices, scalars and tables.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <set>

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/describe.h"

namespace gradc {
namespace {

const char kAbi[] =
#include "gradc_abi_text.inc"
    ;

const char* c_type(gradc_dtype dtype) {
  switch (dtype) {
    case GRADC_F32:
      return "float";
    case GRADC_F64:
      return "double";
    case GRADC_I32:
      return "int32_t";
    case GRADC_I64:
      return "int64_t";
    case GRADC_U32:
      return "uint32_t";
    case GRADC_U8:
    case GRADC_BOOL:
      return "uint8_t";
  }
  internal_error("header: unknown dtype");
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string dtype_constant(gradc_dtype dtype) { return "GRADC_" + upper(std::string(runtime::name_of(dtype))); }

// What would end a comment or a string of C, written so that it does not.
std::string in_string(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  }
  return out;
}

std::string in_comment(const std::string& text) {
  std::string out = in_string(text);
  for (std::size_t at; (at = out.find("*/")) != std::string::npos;) out.replace(at, 2, "* /");
  return out;
}

// Identifiers that are distinct and no keywords of C or C++.
class Names {
 public:
  std::string add(const std::string& name) {
    static const std::set<std::string> keywords = {
        "alignas",  "alignof",  "and",      "asm",       "auto",     "bool",     "break",     "case",     "catch",
        "char",     "class",    "concept",  "const",     "continue", "default",  "delete",    "do",       "double",
        "else",     "enum",     "explicit", "export",    "extern",   "false",    "float",     "for",      "friend",
        "goto",     "if",       "inline",   "int",       "long",     "mutable",  "namespace", "new",      "not",
        "operator", "or",       "private",  "protected", "public",   "register", "requires",  "restrict", "return",
        "short",    "signed",   "sizeof",   "static",    "struct",   "switch",   "template",  "this",     "throw",
        "true",     "try",      "typedef",  "typeid",    "typename", "union",    "unsigned",  "using",    "virtual",
        "void",     "volatile", "while",    "xor",       "nullptr",  "decltype", "noexcept",  "constexpr"};
    std::string base = codegen::identifier(name), text = keywords.contains(base) ? base + "_" : base;
    for (int i = 2; !take(upper(text)); ++i) text = base + "_" + std::to_string(i);
    return text;
  }

 private:
  // A name, and the macros that are made of it.
  bool take(const std::string& name) {
    const std::string all[] = {name, name + "_BYTES", name + "_OFFSET"};
    if (std::any_of(std::begin(all), std::end(all), [&](const std::string& n) { return used_.contains(n); }))
      return false;
    used_.insert(std::begin(all), std::end(all));
    return true;
  }

  std::set<std::string> used_ = {"BYTES", "COUNT", "ENTRIES"};
};

std::vector<std::string> identifiers(const std::vector<runtime::Array>& arrays) {
  Names names;
  std::vector<std::string> result;
  for (const runtime::Array& array : arrays) result.push_back(names.add(array.name));
  return result;
}

std::string shape_text(const runtime::Array& array) {
  std::string text = std::string(runtime::name_of(array.dtype)) + "[";
  for (std::size_t i = 0; i < array.shape.size(); ++i) text += (i ? "," : "") + std::to_string(array.shape[i]);
  return text + "]";
}

std::string literal(const runtime::Array& scalar) {
  char buffer[64];
  switch (scalar.dtype) {
    case GRADC_F32:
    case GRADC_F64: {
      bool single = scalar.dtype == GRADC_F32;
      double value = single ? static_cast<double>(static_cast<float>(scalar.preset)) : scalar.preset;
      std::snprintf(buffer, sizeof buffer, single ? "%.9g" : "%.17g", value);
      std::string text = buffer;
      if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
      return single ? text + "f" : text;
    }
    default:
      return std::to_string(
          integer_of(static_cast<DType>(scalar.dtype), scalar_of(static_cast<DType>(scalar.dtype), scalar.preset)));
  }
}

class HeaderWriter {
 public:
  explicit HeaderWriter(const KernelModule& module)
      : module_(module), lower_(codegen::identifier(module.name)), upper_(upper(lower_)) {}

  std::string run() {
    line("/* " + in_comment(module_.name) + ", compiled by gradc. The object that goes with this header needs memcpy,");
    line(" * memset and memmove, and nothing else. */");
    line("#ifndef GRADC_MODULE_" + upper_ + "_H");
    line("#define GRADC_MODULE_" + upper_ + "_H\n");
    out_ += kAbi;
    line("\n#include <stddef.h>\n");
    line("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    state();
    for (const KernelProgram& program : module_.programs) this->program(program);
    line("#ifdef __cplusplus\n}\n#endif");
    line("#endif");
    return std::move(out_);
  }

 private:
  void line(const std::string& text) { out_ += text + "\n"; }
  void define(const std::string& name, std::int64_t value) { line("#define " + name + " " + std::to_string(value)); }

  void state() {
    runtime::StateTable table = state_table(module_.state);
    std::vector<runtime::Array> arrays(table.entries.begin(), table.entries.end());
    line("/* The state block: parameters, slots of the optimizer, counters. 64-byte aligned, owned by the caller. */");
    define(upper_ + "_STATE_BYTES", table.bytes);
    std::vector<std::string> names = identifiers(arrays);
    for (std::size_t i = 0; i < arrays.size(); ++i)
      line("#define " + upper_ + "_STATE_" + upper(names[i]) + "_OFFSET " + std::to_string(arrays[i].offset) + " /* " +
           in_comment(shape_text(arrays[i]) + " " + arrays[i].name) + " */");
    indices(upper_ + "_STATE", lower_ + "_state", "ENTRIES", arrays, names, false);
    this->table(lower_ + "_state_table", arrays);
  }

  // enum of indices, and a macro of each array's bytes.
  void indices(const std::string& prefix, const std::string& name, const std::string& count,
               const std::vector<runtime::Array>& arrays, const std::vector<std::string>& names, bool bytes) {
    line("enum " + name + "_index {");
    for (std::size_t i = 0; i < arrays.size(); ++i)
      line("  " + prefix + "_" + upper(names[i]) + " = " + std::to_string(i) + ",");
    line("  " + prefix + "_" + count + " = " + std::to_string(arrays.size()) + "\n};");
    for (std::size_t i = 0; bytes && i < arrays.size(); ++i)
      line("#define " + prefix + "_" + upper(names[i]) + "_BYTES " + std::to_string(arrays[i].bytes()) + " /* " +
           in_comment(shape_text(arrays[i]) + " " + arrays[i].name) + " */");
  }

  void table(const std::string& name, const std::vector<runtime::Array>& arrays) {
    line("static inline const gradc_array* " + name + "(void) {");
    if (arrays.empty()) {
      line("  return NULL;\n}\n");
      return;
    }
    std::string shapes = "  static const int64_t shapes[] = {", rows;
    std::size_t at = 0;
    for (const runtime::Array& array : arrays) {
      rows += "    {\"" + in_string(array.name) + "\", " + dtype_constant(array.dtype) + ", " +
              std::to_string(array.shape.size()) + ", shapes + " + std::to_string(at) + ", " +
              std::to_string(array.offset) + ", " + std::to_string(array.bytes()) + "},\n";
      for (std::int64_t size : array.shape) shapes += std::to_string(size) + ", ";
      at += array.shape.size();
    }
    line(shapes + "0};");
    line("  static const gradc_array entries[] = {\n" + rows + "  };");
    line("  return entries;\n}\n");
  }

  void program(const KernelProgram& program) {
    runtime::Executable about = codegen::describe(program);
    std::string symbol = codegen::entry_symbol(module_, program), macro = upper(symbol);
    line("/* Program " + in_comment(program.name) + ". */");
    line("int32_t " + symbol + "(const void* const* inputs, void* const* outputs, void* state, void* workspace,");
    line("  const void* scalars, const gradc_context* context);");
    define(macro + "_WORKSPACE_BYTES", about.workspace_bytes);
    define(macro + "_WORKER_BYTES", about.worker_bytes);
    indices(macro + "_INPUT", symbol + "_input", "COUNT", about.inputs, identifiers(about.inputs), true);
    indices(macro + "_OUTPUT", symbol + "_output", "COUNT", about.outputs, identifiers(about.outputs), true);
    table(symbol + "_input_table", about.inputs);
    table(symbol + "_output_table", about.outputs);
    if (!about.scalars.empty()) scalars(symbol, about);
    if (program.name == "init" && about.inputs.empty() && about.outputs.empty()) initialize(symbol, about);
  }

  // A struct whose fields lie at the offsets of the program's scalars.
  void scalars(const std::string& symbol, const runtime::Executable& about) {
    std::vector<std::string> names = identifiers(about.scalars);
    std::vector<std::size_t> order(names.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return about.scalars[a].offset < about.scalars[b].offset; });
    std::string fields, presets;
    std::int64_t end = 0;
    int gaps = 0;
    auto pad = [&](std::int64_t to) {
      if (to <= end) return;
      fields += "  uint8_t padding" + std::to_string(gaps++) + "_[" + std::to_string(to - end) + "];\n";
      presets += presets.empty() ? "{0}" : ", {0}";
    };
    for (std::size_t i : order) {
      const runtime::Array& scalar = about.scalars[i];
      pad(scalar.offset);
      fields += std::string("  ") + c_type(scalar.dtype) + " " + names[i] + ";\n";
      presets += (presets.empty() ? "" : ", ") + literal(scalar);
      end = scalar.offset + scalar.bytes();
    }
    pad(about.scalars_bytes);
    line("typedef struct " + symbol + "_scalars {\n" + fields + "} " + symbol + "_scalars;");
    line("#define " + upper(symbol) + "_SCALARS_DEFAULT {" + presets + "}");
    table(symbol + "_scalar_table", about.scalars);
  }

  void initialize(const std::string& symbol, const runtime::Executable& about) {
    bool seeded = about.scalars.size() == 1 && about.scalars[0].name == "seed";
    line("/* Fills the state block from a seed. workspace: " + upper(symbol) + "_WORKSPACE_BYTES + " + upper(symbol) +
         "_WORKER_BYTES bytes. */");
    line("static inline int32_t " + lower_ + "_initialize(void* state, void* workspace, int64_t seed) {");
    if (seeded) {
      line("  " + symbol + "_scalars scalars = " + upper(symbol) + "_SCALARS_DEFAULT;");
      line(std::string("  scalars.seed = (") + c_type(about.scalars[0].dtype) + ")seed;");
    } else {
      line("  (void)seed;");
    }
    line("  return " + symbol + "(NULL, NULL, state, workspace, " + (seeded ? "&scalars" : "NULL") + ", NULL);\n}\n");
  }

  const KernelModule& module_;
  std::string lower_, upper_, out_;
};

}  // namespace

std::string emit_header(const KernelModule& module) { return HeaderWriter(module).run(); }

}  // namespace gradc
