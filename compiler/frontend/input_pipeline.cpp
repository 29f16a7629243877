// Steps of the input pipeline as compositions of ops. Random ones draw from the model's key by the step counter.
#include "compiler/frontend/input_pipeline.h"

#include <algorithm>

namespace gradc {

namespace {

using K = InputStepKind;

[[noreturn]] void fail(const ModelBuilder& model, const InputStep& step, const std::string& message, Value* input) {
  std::vector<Value*> operands = {input};
  throw UserError(Diagnostic{Severity::error, step.location, step.spec->name + ": " + message,
                             model.notes_on(operands, step.location)});
}

// Uniform numbers of a stream of their own, one for each example; a batch of any size.
Term draw(ModelBuilder& model, Builder& builder, const Shape& shape) {
  return builder.term(
      builder.one("random_uniform", {model.next_key(), model.step()}, {{"shape", shape}, {"dtype", DType::f32}}));
}

// Whole numbers in [0, count), one for each example.
Term draw_below(ModelBuilder& model, Builder& builder, const Dim& batch, std::int64_t count) {
  Term real = apply("floor", {draw(model, builder, {batch}) * static_cast<double>(count)});
  return cast(apply("minimum", {real, real.like(static_cast<double>(count - 1))}), DType::i32);
}

Term index_along(Builder& builder, const Shape& shape, std::size_t axis) {
  return builder.term(
      builder.one("iota", {}, {{"shape", shape}, {"dtype", DType::i32}, {"axis", static_cast<std::int64_t>(axis)}}));
}

// [N, channels, spatial…] with numbers for all dimensions but the batch.
void need_image(const ModelBuilder& model, const InputStep& step, Value* value) {
  const Type& type = value->type;
  bool fixed = type.rank() >= 3;
  for (std::size_t d = 1; d < type.rank(); ++d) fixed = fixed && type.shape[d].is_static();
  if (!fixed)
    fail(model, step, "needs an input [N, channels, spatial…], got " + type.str() + "; flatten it later, in the graph",
         value);
}

void need_float(const ModelBuilder& model, const InputStep& step, Value* value) {
  if (!is_float(value->type.dtype)) fail(model, step, "needs a float, got " + value->type.str(), value);
}

// x − mean, or (x − mean) / deviation: statistics of the training examples, set before the first step and kept in the
// state; deviation is 1 where the examples do not differ.
Term normalise(ModelBuilder& model, Value* input, const InputStep& step, Term x) {
  need_float(model, step, input);
  if (x.value() != input)
    fail(model, step, "must be the first step of `" + input->name + "`: its statistics are those of the data", input);
  const Type& type = input->type;
  if (type.rank() < 1) fail(model, step, "needs a batch of examples, got " + type.str(), input);
  Shape shape;
  IntList dims;
  if (step.word == "channel") {
    if (type.rank() < 2) fail(model, step, "per channel needs [N, channels, …], got " + type.str(), input);
    shape = {type.shape[1]};
    dims = {1};
  } else if (step.word == "element") {
    for (std::size_t d = 1; d < type.rank(); ++d) {
      shape.push_back(type.shape[d]);
      dims.push_back(static_cast<std::int64_t>(d));
    }
  }
  if (!is_static(shape)) fail(model, step, "needs an example of fixed shape, got " + type.str(), input);
  InputStatistics statistics{input->name, input->name + ".mean", ""};
  const Type entry{type.dtype, shape};
  auto spread = [&](const std::string& name, const char* start) {
    Value* value = model.add_statistic(name, entry, initializer(start), step.location);
    return broadcast_in(x.builder().term(value), x.shape(), dims);
  };
  Term y = x - spread(statistics.mean, "zeros");
  if (step.spec->name == "standardize") {
    statistics.deviation = input->name + ".deviation";
    y = y / spread(statistics.deviation, "ones");
  }
  model.add_input_statistics(std::move(statistics));
  return y;
}

Term one_hot(ModelBuilder& model, Value* input, const InputStep& step, Term x) {
  if (!is_integer(x.dtype())) fail(model, step, "needs integers, got " + x.type().str(), x.value());
  if (x.value() == input) model.declare_range(input, step.size);
  return apply("one_hot", {cast(x, DType::i32)}, {{"classes", step.size}, {"dtype", DType::f32}});
}

// Moves each example by whole pixels, up to so many in each direction and dimension; zeros come in.
Term shift(ModelBuilder& model, const InputStep& step, Term x) {
  need_image(model, step, x.value());
  const std::size_t spatial = x.rank() - 2;
  if (step.pixels.size() != 1 && step.pixels.size() != spatial)
    fail(model, step,
         std::to_string(step.pixels.size()) + " numbers for the " + std::to_string(spatial) +
             " spatial dimensions of " + x.type().str(),
         x.value());
  Builder& builder = x.builder();
  const Shape shape = x.shape();
  for (std::size_t d = 0; d < spatial; ++d) {
    const std::int64_t most = step.pixels.size() == 1 ? step.pixels[0] : step.pixels[d], size = shape[d + 2].factor;
    if (most >= size)
      fail(model, step, "by up to " + std::to_string(most) + " leaves nothing of " + std::to_string(size) + " pixels",
           x.value());
    if (most == 0) continue;
    Term offset = draw_below(model, builder, shape[0], 2 * most + 1) - static_cast<double>(most);
    Term source = index_along(builder, shape, d + 2) + broadcast_in(offset, shape, {0});
    Term inside = apply("logical_and", {apply("greater_equal", {source, source.like(0)}),
                                        apply("less", {source, source.like(static_cast<double>(size))})});
    Term moved = apply("take_along_axis", {x, source}, {{"axis", static_cast<std::int64_t>(d + 2)}});
    x = select(inside, moved, x.like(0));
  }
  return x;
}

// Mirrors each example with probability 1/2.
Term flip(ModelBuilder& model, const InputStep& step, Term x) {
  need_image(model, step, x.value());
  const bool vertical = step.word == "vertical";
  if (vertical && x.rank() < 4)
    fail(model, step, "vertical needs [N, channels, height, width], got " + x.type().str(), x.value());
  Term draws = draw(model, x.builder(), {x.shape()[0]});
  Term mirrored = apply("reverse", {x}, {{"axis", IntList{static_cast<std::int64_t>(x.rank()) - (vertical ? 2 : 1)}}});
  return select(broadcast_in(apply("less", {draws, draws.like(0.5)}), x.shape(), {0}), mirrored, x);
}

// Zeros in a square around a random pixel of each example, cut at the border (DeVries and Taylor, Cutout, 2017).
Term cutout(ModelBuilder& model, const InputStep& step, Term x) {
  need_image(model, step, x.value());
  Builder& builder = x.builder();
  const Shape& shape = x.shape();
  const std::int64_t before = step.size / 2;  // how many pixels of the square stand before its middle
  Term inside;
  for (std::size_t d = 2; d < shape.size(); ++d) {
    Term start = draw_below(model, builder, shape[0], shape[d].factor) - static_cast<double>(before);
    Term along = index_along(builder, shape, d) - broadcast_in(start, shape, {0});
    Term within = apply("logical_and", {apply("greater_equal", {along, along.like(0)}),
                                        apply("less", {along, along.like(static_cast<double>(step.size))})});
    inside = inside ? apply("logical_and", {inside, within}) : within;
  }
  return select(inside, x.like(0), x);
}

Term noise(ModelBuilder& model, const InputStep& step, Term x) {
  need_float(model, step, x.value());
  Builder& builder = x.builder();
  Term drawn = builder.term(
      builder.one("random_normal", {model.next_key(), model.step()}, {{"shape", x.shape()}, {"dtype", x.dtype()}}));
  return x + drawn * step.number;
}

}  // namespace

const std::vector<InputStepSpec>& input_steps() {
  const std::vector<std::string> extents = {"all", "channel", "element"};
  static const std::vector<InputStepSpec> steps = {
      {"center", "subtracts the training examples' mean: of all numbers, of each channel, or of each element",
       K::extent, extents, false},
      {"cutout", "in training: zeros in a square of this side around a random pixel", K::side, {}, true},
      {"flip",
       "in training: mirrors every second example, drawn at random",
       K::direction,
       {"horizontal", "vertical"},
       true},
      {"mixup",
       "in training: mixes each example with another; `with` names inputs that are mixed alike",
       K::number,
       {},
       true},
      {"noise", "in training: adds normal noise of this deviation", K::number, {}, true},
      {"one_hot", "an integer as so many numbers, 1 at its place and 0 elsewhere", K::classes, {}, false},
      {"shift", "in training: moves by up to so many pixels; zeros come in", K::pixels, {}, true},
      {"standardize", "as center, and divides by the training examples' standard deviation", K::extent, extents, false},
  };
  return steps;
}

const InputStepSpec* find_input_step(std::string_view name) {
  for (const InputStepSpec& step : input_steps())
    if (step.name == name) return &step;
  return nullptr;
}

Value* apply_step(ModelBuilder& model, Value* input, const InputStep& step, Value* value) {
  Term x = model.at(step.location).term(value), y;
  const std::string& name = step.spec->name;
  if (name == "center" || name == "standardize") y = normalise(model, input, step, x);
  if (name == "one_hot") y = one_hot(model, input, step, x);
  if (name == "shift") y = shift(model, step, x);
  if (name == "flip") y = flip(model, step, x);
  if (name == "cutout") y = cutout(model, step, x);
  if (name == "noise") y = noise(model, step, x);
  ensure(y.value() != nullptr, "a step of the input pipeline has no meaning");
  if (step.spec->random && y.value() != value) model.in_evaluation(y.value(), value);
  return y.value();
}

// λ ~ Beta(α, α), one for the batch, from two uniform numbers (Devroye, Random variate generation in one line of code,
// 1996): λ = ½ + t / (2 sqrt(1 + t²)), t = sqrt(U^(−1/α) − 1) cos(2πV). The partner of example i is N − 1 − i: batches
// are shuffled.
std::vector<Value*> mix(ModelBuilder& model, const InputStep& step, std::span<Value* const> values) {
  for (Value* value : values) {
    need_float(model, step, value);
    if (value->type.rank() < 1) fail(model, step, "needs a batch of examples, got " + value->type.str(), value);
  }
  Builder& builder = model.at(step.location);
  Term u = draw(model, builder, {}), v = draw(model, builder, {});
  Term radius = apply("power", {u, u.like(-1 / step.number)}) - 1;
  radius = apply("sqrt", {apply("clip", {radius}, {{"low", 0.0}, {"high", 1e12}})});  // λ is 0 or 1 beyond
  Term t = radius * apply("cos", {v * 6.283185307179586});
  Term share = t / apply("sqrt", {t * t + 1}) * 0.5 + 0.5;
  std::vector<Value*> mixed;
  for (Value* value : values) {
    Term x = builder.term(value);
    Term part = broadcast_in(cast(share, x.dtype()), x.shape(), {});
    Term partner = apply("reverse", {x}, {{"axis", IntList{0}}});
    Term y = partner + (x - partner) * part;
    model.in_evaluation(y.value(), value);
    mixed.push_back(y.value());
  }
  return mixed;
}

}  // namespace gradc
