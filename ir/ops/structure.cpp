// Ops that hold a graph together: literals, views, fusions, calls, and the pseudo ops that `grad` writes out.
#include "ir/interpret.h"
#include "ir/op.h"

namespace gradc {

namespace {

Types constant_types(const Call& call) { return {call.attributes.literal("value").type()}; }

// The asked-for shape with its one -1, if any, replaced by what the element count leaves.
Shape resolved_shape(const Call& call) {
  Shape shape = call.attributes.shape("shape");
  std::optional<Dim> count = element_count(call.operand(0).shape);
  Dim known(1);
  Dim* open = nullptr;
  for (Dim& dim : shape) {
    if (dim.is_static() && dim.factor == -1) {
      if (open) call.fail("only one dimension may be -1");
      open = &dim;
    } else if (dim.factor < 0) {
      call.fail("a dimension can't be " + dim.str());
    } else {
      std::optional<Dim> product = element_count({known, dim});
      if (!product) call.fail("the element count of " + str(shape) + " overflows");
      known = *product;
    }
  }
  if (open && count && known.factor > 0 && count->factor % known.factor == 0 &&
      (known.is_static() || known.symbol == count->symbol))
    *open = Dim(count->factor / known.factor, known.is_static() ? count->symbol : "");
  std::optional<Dim> now = (open && *open == Dim(-1)) ? std::nullopt : element_count(shape);
  if (!count || !now || *now != *count)
    call.fail("can't reshape " + call.operand(0).str() + " to " + str(call.attributes.shape("shape")) +
              ": the element counts differ");
  return shape;
}

std::vector<Tensor> evaluate_reshape(const Call& call, std::span<const Tensor> operands) {
  Tensor result({call.operand(0).dtype, resolved_shape(call)});
  std::copy(operands[0].data(), operands[0].data() + operands[0].bytes(), result.data());
  return {std::move(result)};
}

Types region_types(const Call& call) {
  if (!call.regions || call.regions->size() != 1) call.fail("takes one region");
  const Region& region = *(*call.regions)[0];
  if (region.parameters.size() != call.operands.size())
    call.fail("has " + std::to_string(call.operands.size()) + " operands and a region with " +
              std::to_string(region.parameters.size()) + " parameters");
  for (std::size_t i = 0; i < region.parameters.size(); ++i)
    if (region.parameters[i]->type != call.operands[i])
      call.fail("operand " + std::to_string(i + 1) + " is " + call.operands[i].str() + ", its parameter is " +
                region.parameters[i]->type.str());
  Types types;
  for (const Value* result : region.results) types.push_back(result->type);
  return types;
}

// ---- custom: a body with a gradient of its own ----

// The types of the gradient region: operands, results and cotangents of the results in, cotangents of the floats among
// the operands out.
Types custom_types(const Call& call) {
  if (!call.regions || call.regions->size() != 2) call.fail("takes two regions, the body and its gradient");
  const Region &body = *(*call.regions)[0], &gradient = *(*call.regions)[1];
  Types results, wanted = call.operands, cotangents;
  for (const Value* result : body.results) results.push_back(result->type);
  for (int twice = 0; twice < 2; ++twice) wanted.insert(wanted.end(), results.begin(), results.end());
  for (const Type& operand : call.operands)
    if (is_float(operand.dtype)) cotangents.push_back(operand);
  auto check = [&](const std::string& what, std::size_t count, const Types& expected, auto&& type_at) {
    bool fits = count == expected.size();
    for (std::size_t i = 0; fits && i < count; ++i) fits = type_at(i) == expected[i];
    if (fits) return;
    std::string found, asked;
    for (std::size_t i = 0; i < count; ++i) found += (i ? ", " : "") + type_at(i).str();
    for (std::size_t i = 0; i < expected.size(); ++i) asked += (i ? ", " : "") + expected[i].str();
    call.fail(what + " must be (" + asked + "), got (" + found + ")");
  };
  check("the body's parameters", body.parameters.size(), call.operands,
        [&](std::size_t i) { return body.parameters[i]->type; });
  check("the gradient's parameters", gradient.parameters.size(), wanted,
        [&](std::size_t i) { return gradient.parameters[i]->type; });
  check("the gradient's results", gradient.results.size(), cotangents,
        [&](std::size_t i) { return gradient.results[i]->type; });
  return results;
}

// The region's nodes on other values.
std::vector<Term> inlined(Builder& builder, const Region& region, const std::vector<Term>& arguments) {
  ValueMap map;
  for (std::size_t i = 0; i < arguments.size(); ++i) map[region.parameters[i].get()] = arguments[i].value();
  for (const auto& node : region.nodes) builder.clone(*node, map);
  std::vector<Term> results;
  for (Value* result : region.results) {
    auto found = map.find(result);
    results.push_back(builder.term(found == map.end() ? result : found->second));
  }
  return results;
}

std::vector<Term> custom_vjp(const Derivation& d, std::span<const Term> cotangents) {
  std::vector<Term> arguments = d.operands;
  arguments.insert(arguments.end(), d.results.begin(), d.results.end());
  for (std::size_t i = 0; i < cotangents.size(); ++i)
    arguments.push_back(cotangents[i] ? cotangents[i] : d.builder.term(d.builder.full(d.results[i].type(), 0)));
  std::vector<Term> found = inlined(d.builder, *(*d.call.regions)[1], arguments), all;
  std::size_t next = 0;
  for (const Term& operand : d.operands) all.push_back(is_float(operand.dtype()) ? found[next++] : Term{});
  return all;
}

// x² with its gradient 2 x u.
std::vector<std::unique_ptr<Region>> custom_sample() {
  std::vector<std::unique_ptr<Region>> regions;
  const Type type{DType::f64, {3}};
  regions.push_back(std::make_unique<Region>());
  Builder body(*regions[0]);
  Term x = body.term(regions[0]->add_parameter(type, "x"));
  regions[0]->results = {(x * x).value()};
  regions.push_back(std::make_unique<Region>());
  Builder gradient(*regions[1]);
  Term same = gradient.term(regions[1]->add_parameter(type, "x"));
  regions[1]->add_parameter(type, "result");
  Term cotangent = gradient.term(regions[1]->add_parameter(type, "cotangent"));
  regions[1]->results = {(cotangent * same * 2.0).value()};
  return regions;
}

// "f32[N,10]; i32[]"
Types parse_types(const Call& call, std::string_view text) {
  Types types;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(';'), text.size());
    std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    TypeParseError error;
    std::optional<Type> type = parse_type(item, &error);
    if (!type) call.fail("`types`: " + error.message);
    types.push_back(*type);
  }
  return types;
}

Types gradient_types(const Call& call) {
  const bool seeded = call.attributes.boolean("cotangent");
  const std::size_t first = seeded ? 2 : 1;
  if (call.operands.size() <= first) call.fail("names nothing to differentiate by");
  const Type& output = call.operand(0);
  if (!is_float(output.dtype)) call.fail("the output must be a float, got " + output.str());
  if (seeded && call.operand(1) != output)
    call.fail("output and cotangent differ: " + output.str() + " and " + call.operand(1).str());
  if (!seeded && output.rank() != 0) call.fail("without a cotangent the output must be a scalar, got " + output.str());
  Types types(call.operands.begin() + static_cast<std::ptrdiff_t>(first), call.operands.end());
  for (const Type& type : types)
    if (!is_float(type.dtype)) call.fail("can't differentiate by " + type.str() + ", which is no float");
  return types;
}

Types tangent_types(const Call& call) {
  std::size_t wrt = static_cast<std::size_t>(std::max<std::int64_t>(0, call.attributes.integer("wrt")));
  if (call.operands.size() != 1 + 2 * wrt)
    call.fail("takes the output, " + std::to_string(wrt) + " values and their tangents, got " +
              std::to_string(call.operands.size()) + " operands");
  for (std::size_t i = 0; i < wrt; ++i)
    if (call.operand(1 + i) != call.operand(1 + wrt + i))
      call.fail("value and tangent differ: " + call.operand(1 + i).str() + " and " + call.operand(1 + wrt + i).str());
  return {call.operand(0)};
}

}  // namespace

void register_structure(Registry& registry) {
  registry.add({
      .name = "constant",
      .doc = "A literal tensor.",
      .attributes = {{"value", AttributeKind::literal, "the elements", {}}},
      .infer = constant_types,
      .evaluate = [](const Call& call,
                     std::span<const Tensor>) { return std::vector{call.attributes.literal("value")}; },
      .irregular = Irregular::constant,
      .constant_gradient = true,
      .internal = true,
  });
  registry.add({
      .name = "reshape",
      .doc = "The same elements in row-major order under another shape; one dimension may be -1.",
      .kind = Kind::linear,
      .operands = {{"x", "any value"}},
      .attributes = {{"shape", AttributeKind::shape, "the new shape", {}}},
      .infer = [](const Call& call) { return Types{{call.operand(0).dtype, resolved_shape(call)}}; },
      .linear_in = {{0}},
      .transpose = [](const Derivation& d, std::size_t, Term cotangent) { return reshape(cotangent, d.x().shape()); },
      .evaluate = evaluate_reshape,
      .irregular = Irregular::reshape,
      .samples = {{.operands = {{DType::f64, {2, 3, 4}}}, .attributes = {{"shape", Shape{6, 4}}}},
                  {.operands = {{DType::f64, {2, 3}}}, .attributes = {{"shape", Shape{3, -1, 1}}}},
                  {.operands = {{DType::f64, {}}}, .attributes = {{"shape", Shape{1, 1}}}}},
  });
  registry.add({
      .name = "barrier",
      .doc = "x itself. No kernel spans it and no pass sees through it: x is in memory where it is read behind a "
             "barrier, and what is computed from a barrier is not taken for what is computed from x.",
      .kind = Kind::linear,
      .operands = {{"x", "any value"}},
      .infer = [](const Call& call) { return Types{call.operand(0)}; },
      .linear_in = {{0}},
      .transpose = [](const Derivation&, std::size_t, Term cotangent) { return cotangent; },
      .evaluate = [](const Call&, std::span<const Tensor> operands) { return std::vector{operands[0]}; },
      .irregular = Irregular::reshape,
      .internal = true,
      .samples = {{.operands = {{DType::f64, {2, 3}}}},
                  {.operands = {{DType::f64, {}}}},
                  {.operands = {{DType::i32, {4}}}, .differentiable = false}},
  });
  registry.add({
      .name = "fusion",
      .doc = "A region that becomes one kernel, or the few of one contraction. The region reads its parameters only.",
      .operands = {{"inputs", "bound to the region's parameters", true}},
      .attributes = {{"kind", AttributeKind::string, "loop, reduce, contract, window or scatter", {}}},
      .infer = region_types,
      .evaluate = [](const Call& call,
                     std::span<const Tensor> operands) { return interpret(*(*call.regions)[0], operands); },
      .irregular = Irregular::region,
      .no_derivative = "fusions are made after differentiation",
      .internal = true,
  });
  registry.add({
      .name = "custom",
      .doc = "A body with a gradient of its own. The first region takes the operands; the second, the operands, the "
             "results and their cotangents, and yields the cotangents of the floats among the operands. Forward mode "
             "differentiates the body.",
      .kind = Kind::composite,
      .operands = {{"operands", "of the body", true}},
      .infer = custom_types,
      .compose = [](Builder& builder, const Call& call,
                    std::span<const Term> x) { return inlined(builder, *(*call.regions)[0], {x.begin(), x.end()}); },
      .vjp = custom_vjp,
      .evaluate = [](const Call& call,
                     std::span<const Tensor> operands) { return interpret(*(*call.regions)[0], operands); },
      .irregular = Irregular::region,
      .internal = true,
      .samples = {{.operands = {{DType::f64, {3}}}, .regions = custom_sample}},
  });
  registry.add({
      .name = "call",
      .doc = "A function of the module applied to the operands; `inline_calls` replaces it by the body.",
      .operands = {{"arguments", "one for each parameter of the callee", true}},
      .attributes = {{"callee", AttributeKind::string, "the function's name", {}},
                     {"types", AttributeKind::string, "result types, separated by `;`", {}}},
      .infer = [](const Call& call) { return parse_types(call, call.attributes.string("types")); },
      .irregular = Irregular::pseudo,
      .no_derivative = "calls are inlined before differentiation",
      .internal = true,
  });
  registry.add({
      .name = "gradient",
      .doc =
          "Jᵀ·cotangent of the output with respect to each value, through the graph between them; with a scalar output "
          "and no cotangent, its gradient. The `grad` pass writes it out.",
      .operands = {{"output", "what is differentiated"},
                   {"wrt", "the cotangent where there is one, then the values to differentiate by", true}},
      .attributes = {{"cotangent", AttributeKind::boolean, "the second operand is the output's cotangent", false}},
      .infer = gradient_types,
      .irregular = Irregular::pseudo,
      .no_derivative = "inner gradients are written out before outer ones",
      .internal = true,
  });
  registry.add({
      .name = "tangent",
      .doc = "J·tangent of the output, given values and their tangents. The `grad` pass writes it out.",
      .operands = {{"output", "what is differentiated"}, {"wrt", "the values, then their tangents", true}},
      .attributes = {{"wrt", AttributeKind::integer, "how many values", {}}},
      .infer = tangent_types,
      .irregular = Irregular::pseudo,
      .no_derivative = "inner tangents are written out before outer ones",
      .internal = true,
  });
}

}  // namespace gradc
