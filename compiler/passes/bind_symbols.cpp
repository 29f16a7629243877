// Gives every symbol of every dimension its size; from here on all shapes are static.
//
//   func @f(data %x: f32[N,784]) …  with N = 64   →   func @f(data %x: f32[64,784]) …
//
// Types of values and attributes that hold shapes are all that can name a symbol.
#include <limits>

#include "compiler/passes/pass.h"
#include "ir/diagnostic.h"
#include "ir/op.h"

namespace gradc {

namespace {

class Binder {
 public:
  explicit Binder(const Binding& binding) : binding_(binding) {}

  bool changed() const { return changed_; }

  void bind(Function& function) {
    for (std::size_t i = 0; i < function.parameters.size(); ++i) {
      at_ = function.parameters[i].location;
      what_ = "`" + function.parameters[i].name + "`";
      bind(function.body.parameters[i]->type);
    }
    bind(function.body);
  }

 private:
  void bind(Region& region) {
    for (const auto& parameter : region.parameters) bind(parameter->type);
    for (const auto& node : region.nodes) {
      at_ = node->locations.empty() ? Location{} : node->locations.front();
      what_ = "a result";
      for (const auto& result : node->results) bind(result->type);
      bind(node->attributes);
      if (node->op->name == "call") restate_types(*node);
      for (const auto& inner : node->regions) bind(*inner);
      check(*node);
    }
  }

  // What only a size can tell: whether an index, or so many elements, are inside.
  static void check(const Node& node) {
    try {
      infer_types(*node.op, node.operands, node.attributes, node.regions);
    } catch (const CallError& error) {
      throw UserError(node.locations.empty() ? Location{} : node.locations.front(),
                      node.op->name + ": " + error.message);
    }
  }

  // A call names its result types, since its callee may not be known yet.
  static void restate_types(Node& call) {
    std::string types;
    for (const auto& result : call.results) types += (types.empty() ? "" : "; ") + result->type.str();
    call.attributes.set("types", types);
  }

  void bind(Attributes& attributes) {
    Attributes bound = attributes;
    bool any = false;
    for (const auto& [name, attribute] : attributes) {
      const auto* shape = std::get_if<Shape>(&attribute);
      if (!shape || is_static(*shape)) continue;
      Shape sizes = *shape;
      bind(sizes);
      bound.set(name, std::move(sizes));
      any = true;
    }
    if (any) attributes = std::move(bound);
  }

  void bind(Type& type) {
    const std::string before = is_static(type.shape) ? "" : type.str();
    bind(type.shape);
    const std::optional<Dim> count = element_count(type.shape);
    if (!count) throw UserError(at_, what_ + ": " + (before.empty() ? type.str() : before) + " has too many elements");
    if (count->factor > std::numeric_limits<std::int64_t>::max() / byte_size(type.dtype))
      throw UserError(at_, what_ + ": " + type.str() + " has more bytes than 64 bits can count");
  }

  void bind(Shape& shape) {
    for (Dim& dim : shape) {
      if (dim.is_static()) continue;
      dim = size_of(dim);
      changed_ = true;
    }
  }

  std::int64_t size_of(const Dim& dim) const {
    const auto found = binding_.find(dim.symbol);
    if (found == binding_.end()) {
      std::vector<std::string> names;
      for (const auto& [name, size] : binding_) names.push_back(name);
      throw UserError(
          at_, what_ + ": the symbol `" + dim.symbol + "` has no size; give it one" + suggest(dim.symbol, names));
    }
    const std::int64_t size = found->second;
    if (size < 0) {
      throw UserError(at_, what_ + ": the symbol `" + dim.symbol + "` has the size " + std::to_string(size) +
                               "; a size is not negative");
    }
    if (dim.factor != 0 && size > std::numeric_limits<std::int64_t>::max() / dim.factor) {
      throw UserError(at_, what_ + ": " + dim.str() + " overflows with " + dim.symbol + " = " + std::to_string(size));
    }
    return dim.factor * size;
  }

  const Binding& binding_;
  Location at_;
  std::string what_;
  bool changed_ = false;
};

}  // namespace

bool bind_symbols(Module& module, const Binding& binding) {
  Binder binder(binding);
  for (const auto& function : module.functions) binder.bind(*function);
  return binder.changed();
}

}  // namespace gradc
