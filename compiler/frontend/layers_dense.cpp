// Layers of rows: linear, bilinear, embedding, parametric rectifier; flatten.
#include <algorithm>
#include <cmath>

#include "compiler/frontend/layer_pieces.h"

namespace gradc {

namespace {

Term linear(LayerCall& call) {
  const Type type = call.operands[0]->type;
  need_float(call);
  if (type.rank() < 1) call.fail("", "`x` must have at least one dimension, got " + type.str());
  std::int64_t last = static_cast<std::int64_t>(type.rank()) - 1;
  std::int64_t in = fixed(call, type.rank() - 1), units = call.size("units");
  Term weight = call.parameter("weight", {type.dtype, {units, in}}, call.init("init"));
  Term y = apply("dot", {call.x(), weight}, {{"contract_a", IntList{last}}, {"contract_b", IntList{1}}});
  return call.boolean("bias") ? y + bias_of(call, type.dtype, units, static_cast<double>(in)) : y;
}

// y[…, o] = Σ i, j  x1[…, i] · weight[o, i, j] · x2[…, j] + bias[o]
Term bilinear(LayerCall& call) {
  need_float(call);
  const Type one = call.operands[0]->type, two = call.operands[1]->type;
  bool alike = one.rank() >= 1 && one.rank() == two.rank() && one.dtype == two.dtype;
  for (std::size_t d = 0; alike && d + 1 < one.rank(); ++d) alike = one.shape[d] == two.shape[d];
  if (!alike)
    call.fail("", "`x1` and `x2` must differ in their last dimension only, got " + one.str() + " and " + two.str());
  if (!one.shape.back().is_static() || !two.shape.back().is_static())
    call.fail("", "the last dimensions must be numbers, got " + one.str() + " and " + two.str());
  std::int64_t in1 = one.shape.back().factor, in2 = two.shape.back().factor, units = call.size("units");
  double fan_in = static_cast<double>(in1);  // as PyTorch counts
  call.set_default("init", uniform_within(1 / std::sqrt(std::max(1.0, fan_in))));
  Term weight = call.parameter("weight", {one.dtype, {units, in1, in2}}, call.init("init"));
  std::int64_t last = static_cast<std::int64_t>(one.rank()) - 1;
  IntList rows;
  for (std::int64_t d = 0; d < last; ++d) rows.push_back(d);
  Term half = apply("dot", {call.x(), weight}, {{"contract_a", IntList{last}}, {"contract_b", IntList{1}}});
  Term y =
      apply("dot", {half, call.x(1)},
            {{"contract_a", IntList{last + 1}}, {"contract_b", IntList{last}}, {"batch_a", rows}, {"batch_b", rows}});
  return call.boolean("bias") ? y + bias_of(call, one.dtype, units, fan_in) : y;
}

Term flatten(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (type.rank() < 1) call.fail("", "`x` must have at least one dimension, got " + type.str());
  std::int64_t rest = 1;
  for (std::size_t d = 1; d < type.rank(); ++d) rest *= fixed(call, d);
  return reshape(call.x(), {type.shape[0], rest});
}

Term embedding(LayerCall& call) {
  const Type& type = call.operands[0]->type;
  if (!is_integer(type.dtype)) call.fail("", "`x` must hold integers, got " + type.str());
  std::int64_t count = call.size("count");
  const DType dtype = *dtype_named(std::get<std::string>(call.attributes.find("dtype")->second));
  Term weight = call.parameter("weight", {dtype, {count, call.size("units")}}, call.init("init"));
  call.model.declare_range(call.operands[0], count);
  return apply("gather", {weight, cast(call.x(), DType::i32)}, {{"axis", std::int64_t{0}}});
}

// x where it is positive, weight · x elsewhere (He et al., 2015).
Term prelu(LayerCall& call) {
  need_float(call);
  Term x = call.x();
  bool each = call.boolean("per_channel");
  if (each) need_image(call, 2);
  Term weight = call.parameter("weight", {x.dtype(), {each ? fixed(call, 1) : 1}}, call.init("init"));
  Term slope = each ? broadcast_in(weight, x.shape(), {1}) : broadcast(reshape(weight, {}), x.shape());
  return select(apply("greater", {x, x.like(0)}), x, slope * x);
}

using K = LayerAttributeKind;

}  // namespace

void add_dense_layers(std::vector<LayerSpec>& table) {
  table.push_back(
      {"bilinear",
       "Σ x1 · weight · x2 + bias over the last dimensions, weight [units, in1, in2]",
       {{"x1", "the first input", false}, {"x2", "the second input, with the other dimensions of the first", false}},
       {{"units", K::size, "length of the result", {}, ""},
        bias_switch(),
        {"init", K::initializer, "initialiser of the weight", {}, "uniform in ±1/sqrt(in1)"},
        {"bias_init", K::initializer, "initialiser of the bias", {}, "uniform in ±1/sqrt(in1)"}},
       true,
       bilinear});
  table.push_back({"embedding",
                   "rows of a table, by index",
                   {{"x", "indices", false}},
                   {{"count", K::size, "rows of the table", {}, ""},
                    {"units", K::size, "length of a row", {}, ""},
                    {"init", K::initializer, "initialiser of the table", initializer("normal", {0, 1}), ""},
                    {.name = "dtype",
                     .kind = K::choice,
                     .doc = "of the table",
                     .preset = std::string("f32"),
                     .choices = {"f32", "f64"}}},
                   true,
                   embedding});
  table.push_back({"flatten", "all dimensions but the first as one", one_input(), {}, false, flatten});
  table.push_back({"linear",
                   "x · weightᵀ + bias over the last dimension",
                   one_input(),
                   {{"units", K::size, "length of the result", {}, ""}, bias_switch(), weight_init(), bias_init()},
                   true,
                   linear});
  table.push_back(
      {"prelu",
       "x where it is positive, weight · x elsewhere (He et al. 2015)",
       one_input(),
       {{"per_channel", K::boolean, "a weight for each channel of [N, channels, …], not one for all", false, ""},
        {"init", K::initializer, "initialiser of the weight", initializer("constant", {0.25}), ""}},
       true,
       prelu});
}

}  // namespace gradc
