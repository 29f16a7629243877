// The initialisers, a row each.
#include "compiler/frontend/initializers.h"

#include <algorithm>
#include <cmath>

#include "compiler/frontend/json.h"
#include "ir/diagnostic.h"
#include "ir/known_as.h"

namespace gradc {

Term Initialization::full(double value) { return builder.term(builder.full(type, value)); }

namespace {

Term random(Initialization& init, std::string_view op) {
  Tensor first({DType::i64, {}});
  first.set_integer(0, init.stream++);
  Value* offset = init.builder.constant(std::move(first));
  return init.builder.term(
      init.builder.one(op, {init.key, offset}, {{"shape", init.type.shape}, {"dtype", init.type.dtype}}));
}

Term between(Initialization& init, double low, double high) { return init.uniform() * (high - low) + low; }

// Redraws what lies beyond two deviations. After four redraws 2e-7 of the values are left there, and clipped.
Term truncated_normal(Initialization& init) {
  Term x = init.normal();
  for (int redraw = 0; redraw < 4; ++redraw) {
    Term inside = apply("less_equal", {apply("abs", {x}), x.like(2)});
    x = select(inside, x, init.normal());
  }
  return apply("clip", {x}, {{"low", -2.0}, {"high", 2.0}});
}

Term identity(Initialization& init) {
  if (init.type.rank() < 2) return init.full(1);
  auto index = [&](std::int64_t axis) {
    return init.builder.term(
        init.builder.one("iota", {}, {{"shape", init.type.shape}, {"dtype", DType::i32}, {"axis", axis}}));
  };
  return cast(apply("equal", {index(0), index(1)}), init.type.dtype);
}

// x (a + b xᵀx + c (xᵀx)²), or from the left where x is wide: x's singular values s become s (a + b s² + c s⁴).
Term polynomial(Term x, double a, double b, double c) {
  bool tall = x.shape()[0].factor >= x.shape()[1].factor;
  auto product = [](Term p, Term q, std::int64_t of_p, std::int64_t of_q) {
    return apply("dot", {p, q}, {{"contract_a", IntList{of_p}}, {"contract_b", IntList{of_q}}});
  };
  Term square = tall ? product(x, x, 0, 0) : product(x, x, 1, 1);
  Term inner = b * square + c * product(square, square, 1, 0);
  return a * x + (tall ? product(x, inner, 1, 0) : product(inner, x, 1, 0));
}

// The orthogonal factor of a normal matrix, which is uniformly distributed (Mezzadri, 2007), by polynomials that bring
// every singular value to 1: first one that lifts small ones by 3.4445 and keeps the others in [0.68, 1.21] (Jordan et
// al., 2024), then Newton and Schulz's, s (15 - 10 s² + 3 s⁴) / 8, whose error is the cube of the last.
Term orthogonal(Initialization& init) {
  const Type type = init.type;
  std::int64_t rows = type.shape[0].factor, columns = type.elements() / std::max<std::int64_t>(1, rows);
  if (type.elements() == 0) return init.full(0);
  double m = std::sqrt(static_cast<double>(std::max(rows, columns)));
  double n = std::sqrt(static_cast<double>(std::min(rows, columns)));
  double greatest = m + n + 6;                      // but for one matrix in 10⁷ (Davidson and Szarek, 2001)
  double smallest = std::max(m - n - 6, 1e-8 / n);  // but for one in 10⁷; rounding fills in what is smaller
  Term x = reshape(init.normal(), {rows, columns}) * (1 / greatest);
  for (double s = smallest / greatest; s < 0.68; s *= 3.4445) x = polynomial(x, 3.4445, -4.7750, 2.0315);
  for (int i = 0; i < 5; ++i) x = polynomial(x, 1.875, -1.25, 0.375);
  return reshape(x, type.shape) * init.arguments[0];
}

}  // namespace

Term Initialization::uniform() { return random(*this, "random_uniform"); }
Term Initialization::normal() { return random(*this, "random_normal"); }

double Initialization::fan_in() const {
  std::vector<std::int64_t> size = sizes(type.shape);
  double fan = 1;
  for (std::size_t i = size.size() > 1 ? 1 : 0; i < size.size(); ++i) fan *= static_cast<double>(size[i]);
  return fan;
}

double Initialization::fan_out() const {
  std::vector<std::int64_t> size = sizes(type.shape);
  double fan = 1;
  for (std::size_t i = 0; i < size.size(); ++i)
    if (i != 1) fan *= static_cast<double>(size[i]);
  return fan;
}

const std::vector<InitializerSpec>& initializers() {
  static const std::vector<InitializerSpec> table = {
      {"constant",
       "every element the same",
       {{"value", {}, "the element"}},
       true,
       [](Initialization& i) { return i.full(i.arguments[0]); }},
      {"glorot_normal",
       "normal with deviation sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)",
       {},
       false,
       [](Initialization& i) { return i.normal() * std::sqrt(2 / (i.fan_in() + i.fan_out())); }},
      {"glorot_uniform",
       "uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)",
       {},
       false,
       [](Initialization& i) {
         double bound = std::sqrt(6 / (i.fan_in() + i.fan_out()));
         return between(i, -bound, bound);
       }},
      {"he_normal",
       "normal with deviation sqrt(2 / fan_in) (He et al., 2015)",
       {},
       false,
       [](Initialization& i) { return i.normal() * std::sqrt(2 / i.fan_in()); }},
      {"he_uniform",
       "uniform in ±sqrt(6 / ((1 + slope²) fan_in)) (He et al., 2015)",
       {{"slope", 0.0, "of the rectifier for negative arguments; sqrt(5) gives ±1/sqrt(fan_in)"}},
       false,
       [](Initialization& i) {
         double bound = std::sqrt(6 / ((1 + i.arguments[0] * i.arguments[0]) * i.fan_in()));
         return between(i, -bound, bound);
       }},
      {"identity", "1 where the first two indices are equal, 0 elsewhere", {}, true, identity},
      {"normal",
       "normally distributed",
       {{"mean", 0.0, "mean"}, {"deviation", 1.0, "standard deviation"}},
       false,
       [](Initialization& i) { return i.normal() * i.arguments[1] + i.arguments[0]; }},
      {"ones", "every element 1", {}, true, [](Initialization& i) { return i.full(1); }},
      {"orthogonal",
       "orthonormal columns, or rows where there are fewer, of [out, all others], times gain (Saxe et al., 2014)",
       {{"gain", 1.0, "what it is multiplied by"}},
       false,
       orthogonal},
      {"truncated_normal",
       "normally distributed, redrawn beyond two deviations",
       {{"mean", 0.0, "mean"}, {"deviation", 1.0, "standard deviation before the cut"}},
       false,
       [](Initialization& i) { return truncated_normal(i) * i.arguments[1] + i.arguments[0]; }},
      {"uniform",
       "uniform in [low, high)",
       {{"low", 0.0, "lower end"}, {"high", 1.0, "upper end"}},
       false,
       [](Initialization& i) { return between(i, i.arguments[0], i.arguments[1]); }},
      {"zeros", "every element 0", {}, true, [](Initialization& i) { return i.full(0); }},
  };
  return table;
}

const InitializerSpec* find_initializer(std::string_view name) {
  for (const InitializerSpec& spec : initializers())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::string unknown_initializer(const std::string& name) {
  std::vector<std::string> names;
  for (const InitializerSpec& row : initializers()) names.push_back(row.name);
  return "unknown initialiser `" + name + "`" +
         (ours_for(name).empty() ? suggest_or_list(name, names) : suggest_op(name, names));
}

Initializer initializer(std::string kind, std::vector<double> arguments) {
  return {std::move(kind), std::move(arguments), nullptr, "", ""};
}

Initializer default_weight() { return initializer("he_uniform", {std::sqrt(5.0)}); }

std::string str(const Initializer& initializer) {
  std::string text;
  for (double argument : initializer.arguments) text += (text.empty() ? "" : ", ") + number_text(argument);
  return text.empty() ? initializer.kind : initializer.kind + "(" + text + ")";
}

std::string complete(Initializer& initializer, const Type& type) {
  if (initializer.literal) {
    const Tensor& given = *initializer.literal;
    if (given.type() == type) return "";
    if (given.type().shape == type.shape && is_float(given.type().dtype) && is_float(type.dtype)) {
      Tensor converted(type);
      for (std::int64_t i = 0; i < given.elements(); ++i) converted.set(i, given.get(i));
      initializer.literal = std::make_shared<const Tensor>(std::move(converted));
      return "";
    }
    return "the initial elements are " + given.type().str() + ", the parameter is " + type.str();
  }
  const InitializerSpec* spec = find_initializer(initializer.kind);
  if (!spec) return unknown_initializer(initializer.kind);
  if (initializer.arguments.size() > spec->arguments.size())
    return "initialiser `" + spec->name + "` takes " + std::to_string(spec->arguments.size()) + " arguments, got " +
           std::to_string(initializer.arguments.size());
  for (std::size_t i = initializer.arguments.size(); i < spec->arguments.size(); ++i) {
    const InitializerArgument& argument = spec->arguments[i];
    if (!argument.preset) return "initialiser `" + spec->name + "` lacks `" + argument.name + "`";
    initializer.arguments.push_back(*argument.preset);
  }
  if (!spec->any_dtype && !is_float(type.dtype))
    return "initialiser `" + spec->name + "` draws floats, the parameter is " + type.str();
  if (spec->name == "orthogonal" && type.rank() < 2)
    return "initialiser `orthogonal` needs two dimensions or more, the parameter is " + type.str();
  if (spec->name == "uniform" && initializer.arguments[0] > initializer.arguments[1])
    return "initialiser `uniform` has its lower end " + number_text(initializer.arguments[0]) +
           " above its upper end " + number_text(initializer.arguments[1]);
  for (std::size_t i = 0; i < spec->arguments.size(); ++i)
    if (spec->arguments[i].name == "deviation" && initializer.arguments[i] < 0)
      return "initialiser `" + spec->name + "` has the negative deviation " + number_text(initializer.arguments[i]);
  return "";
}

Value* draw(Builder& builder, const Initializer& initializer, const Type& type, Value* key, std::int64_t& stream) {
  if (initializer.literal) return builder.constant(*initializer.literal);
  const InitializerSpec* spec = find_initializer(initializer.kind);
  ensure(spec, "an initialiser was not checked");
  Initialization init{builder, type, initializer.arguments, key, stream};
  return spec->draw(init).value();
}

}  // namespace gradc
