// The registry, and what follows from an entry for every op alike: defaults, type inference, indexed form.
#include "ir/op.h"

#include <algorithm>

namespace gradc {

std::string_view name_of(Kind kind) {
  constexpr std::string_view names[] = {"elementwise", "linear", "composite", "general"};
  return names[static_cast<int>(kind)];
}

void Call::fail(const std::string& message) const { throw CallError{message}; }

const AttributeSpec* Op::attribute(std::string_view wanted) const {
  for (const AttributeSpec& spec : attributes)
    if (spec.name == wanted) return &spec;
  return nullptr;
}

#define GRADC_FAMILY(family) void register_##family(Registry& registry);
#include "ir/ops/families.def"
#undef GRADC_FAMILY

Registry::Registry() {
#define GRADC_FAMILY(family) \
  family_ = #family;         \
  register_##family(*this);
#include "ir/ops/families.def"
#undef GRADC_FAMILY
  for (const auto& op : ops_) sorted_.push_back(op.get());
  std::sort(sorted_.begin(), sorted_.end(), [](const Op* a, const Op* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < sorted_.size(); ++i)
    ensure(sorted_[i - 1]->name != sorted_[i]->name, "two ops have one name");
}

const Registry& Registry::get() {
  static const Registry registry;
  return registry;
}

void Registry::add(Op op) {
  op.family = family_;
  ops_.push_back(std::make_unique<Op>(std::move(op)));
}

const Op* Registry::find(std::string_view name) const {
  auto at = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                             [](const Op* op, std::string_view wanted) { return op->name < wanted; });
  return at != sorted_.end() && (*at)->name == name ? *at : nullptr;
}

std::vector<std::string> Registry::names(bool with_internal) const {
  std::vector<std::string> result;
  for (const Op* op : sorted_)
    if (with_internal || !op->internal) result.push_back(op->name);
  return result;
}

namespace {

// An attribute of the kind asked for; an integer serves as a number and as a list of one.
std::optional<Attribute> coerced(const Attribute& value, AttributeKind kind) {
  if (static_cast<AttributeKind>(value.index()) == kind) return value;
  if (const std::int64_t* integer = std::get_if<std::int64_t>(&value)) {
    if (kind == AttributeKind::number) return static_cast<double>(*integer);
    if (kind == AttributeKind::int_list) return IntList{*integer};
  }
  if (const IntList* list = std::get_if<IntList>(&value))
    if (kind == AttributeKind::shape) return shape_of(*list);
  return std::nullopt;
}

std::vector<std::string> attribute_names(const Op& op) {
  std::vector<std::string> names;
  for (const AttributeSpec& spec : op.attributes) names.push_back(spec.name);
  return names;
}

void check_operand_count(const Op& op, std::size_t given) {
  std::size_t fixed = op.operands.size() - (op.variadic() ? 1 : 0);
  bool fits = op.variadic() ? given >= fixed : given == fixed;
  if (!fits)
    throw CallError{"takes " + std::string(op.variadic() ? "at least " : "") + std::to_string(fixed) +
                    (fixed == 1 ? " operand" : " operands") + ", got " + std::to_string(given)};
}

}  // namespace

Attributes with_defaults(const Op& op, const Attributes& attributes) {
  Attributes result;
  for (const auto& [name, value] : attributes) {
    const AttributeSpec* spec = op.attribute(name);
    if (!spec) throw CallError{"unknown attribute `" + name + "`" + suggest(name, attribute_names(op))};
    std::optional<Attribute> fitting = coerced(value, spec->kind);
    if (!fitting)
      throw CallError{"attribute `" + name + "` must be " + (spec->kind == AttributeKind::integer ? "an " : "a ") +
                      std::string(name_of(spec->kind)) + ", got " + str(value)};
    result.set(name, *fitting);
  }
  for (const AttributeSpec& spec : op.attributes) {
    if (result.has(spec.name)) continue;
    if (!spec.preset) throw CallError{"attribute `" + spec.name + "` is missing: " + spec.doc};
    result.set(spec.name, *spec.preset);
  }
  return result;
}

std::vector<Type> infer_types(const Op& op, const std::vector<Value*>& operands, const Attributes& attributes,
                              const std::vector<std::unique_ptr<Region>>& regions) {
  check_operand_count(op, operands.size());
  Call call{op, {}, attributes, &regions};
  call.operands.reserve(operands.size());
  for (const Value* operand : operands) call.operands.push_back(operand->type);
  std::vector<Type> types = op.infer ? op.infer(call) : same_type(Accepts::all)(call);
  for (const Type& type : types) {
    std::int64_t bytes = byte_size(type.dtype);
    for (const Dim& dim : type.shape)
      if (__builtin_mul_overflow(bytes, dim.factor, &bytes))
        call.fail("the result " + type.str() + " has more elements than 64 bits can count");
  }
  return types;
}

Call call_of(const Node& node) {
  Call call{*node.op, {}, node.attributes, &node.regions};
  call.operands.reserve(node.operands.size());
  for (const Value* operand : node.operands) call.operands.push_back(operand->type);
  return call;
}

ScalarBody scalar_body(const Node& node) {
  ensure(node.op->kind == Kind::elementwise, "only an elementwise node has a scalar body");
  Call call = call_of(node);
  std::vector<DType> dtypes;
  for (const Type& type : call.operands) dtypes.push_back(type.dtype);
  return make_body(std::move(dtypes), [&](ScalarBuilder& builder, std::span<const Scalar> arguments) {
    return node.op->body(builder, call, arguments);
  });
}

std::optional<Dim> most_rounds(const Node& node) {
  return node.op->rounds ? node.op->rounds(call_of(node)) : std::optional(Dim(1));
}

IndexedForm indexed_form(const Node& node) {
  if (node.op->kind != Kind::elementwise) {
    if (!node.op->indexed) internal_error(node.op->name + " has no indexed form");
    return node.op->indexed(call_of(node));
  }
  IndexedForm form;
  form.domain = sizes(node.result()->type.shape);
  for (std::size_t i = 0; i < node.operands.size(); ++i)
    form.accesses.push_back({static_cast<int>(i), identity_maps(form.domain.size(), form.domain.size()), false, 0});
  form.body = scalar_body(node);
  return form;
}

// ---- pieces of entries ----

std::int64_t normal_axis(const Call& call, std::int64_t axis, std::size_t rank) {
  std::int64_t r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r)
    call.fail("axis " + std::to_string(axis) + " is outside a value of " + std::to_string(rank) + " dimensions");
  return axis < 0 ? axis + r : axis;
}

IntList normal_axes(const Call& call, const IntList& axes, std::size_t rank) {
  IntList result;
  for (std::int64_t axis : axes) result.push_back(normal_axis(call, axis, rank));
  if (axes.empty())
    for (std::size_t i = 0; i < rank; ++i) result.push_back(static_cast<std::int64_t>(i));
  std::sort(result.begin(), result.end());
  auto twice = std::adjacent_find(result.begin(), result.end());
  if (twice != result.end()) call.fail("axis " + std::to_string(*twice) + " is named twice");
  return result;
}

namespace {

bool accepted(Accepts accepts, DType dtype) {
  switch (accepts) {
    case Accepts::floats:
      return is_float(dtype);
    case Accepts::numbers:
      return dtype != DType::boolean;
    case Accepts::integers:
      return is_integer(dtype);
    case Accepts::booleans:
      return dtype == DType::boolean;
    case Accepts::bits:
      return !is_float(dtype);
    case Accepts::all:
      return true;
  }
  return false;
}

std::string_view name_of(Accepts accepts) {
  constexpr std::string_view names[] = {"a float", "a number",           "an integer",
                                        "a bool",  "an integer or bool", "any dtype"};
  return names[static_cast<int>(accepts)];
}

void check_elementwise(const Call& call, Accepts accepts) {
  for (std::size_t i = 0; i < call.operands.size(); ++i) {
    const Type& type = call.operands[i];
    if (!accepted(accepts, type.dtype))
      call.fail("`" + call.op.operands[std::min(i, call.op.operands.size() - 1)].name + "` must be " +
                std::string(name_of(accepts)) + ", got " + type.str());
    if (type.dtype != call.operands[0].dtype)
      call.fail("dtypes differ: " + call.operands[0].str() + " and " + type.str() + "; cast one of them");
    if (type.shape != call.operands[0].shape)
      call.fail("shapes differ: " + call.operands[0].str() + " and " + type.str());
  }
}

}  // namespace

std::function<Types(const Call&)> same_type(Accepts accepts) {
  return [accepts](const Call& call) {
    check_elementwise(call, accepts);
    return Types{call.operands.at(0)};
  };
}

std::function<Types(const Call&)> comparison(Accepts accepts) {
  return [accepts](const Call& call) {
    check_elementwise(call, accepts);
    return Types{{DType::boolean, call.operands.at(0).shape}};
  };
}

}  // namespace gradc
