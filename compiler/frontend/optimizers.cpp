// The optimizers, a row each, with the formula that they compute.
#include "compiler/frontend/optimizers.h"

#include "compiler/frontend/json.h"

namespace gradc {

namespace {

const Hyperparameter kWeightDecay = {"weight_decay", "λ: adds λ w to the gradient", 0};
const std::pair<std::string, std::string> kDecoupled = {
    "decoupled", "weight_decay shrinks weights by learning_rate · weight_decay instead"};

Hyperparameter learning_rate(double preset) { return {"learning_rate", "step size η", preset}; }

bool decoupled(const Update& u) { return u.choice.uses("weight_decay") && u.choice.flag("decoupled"); }

// Gradient with its weight decay: g + λ w.
Term decayed(const Update& u) {
  if (!u.choice.uses("weight_decay") || decoupled(u)) return u.gradient;
  return u.gradient + u.number("weight_decay") * u.weight;
}

// w ← w (1 − η λ) before the step (Loshchilov and Hutter, 2019).
Term shrunk(const Update& u) { return u.weight - u.number("learning_rate") * (u.number("weight_decay") * u.weight); }
Term weight(const Update& u) { return decoupled(u) ? shrunk(u) : u.weight; }

// v ← μ v + g;  w ← w − η v, with Nesterov w ← w − η (g + μ v)   (Sutskever et al., 2013, in PyTorch's form)
std::vector<Term> update_sgd(const Update& u) {
  Term g = decayed(u);
  Term rate = u.number("learning_rate");
  if (u.slots.empty()) return {weight(u) - rate * g};
  Term momentum = u.number("momentum");
  Term v = momentum * u.slots[0] + g;
  Term direction = u.choice.flag("nesterov") ? g + momentum * v : v;
  return {weight(u) - rate * direction, v};
}

// s ← s + g²;  w ← w − η g / (sqrt(s) + ε)   (Duchi et al., 2011)
std::vector<Term> update_adagrad(const Update& u) {
  Term g = decayed(u);
  Term s = u.slots[0] + g * g;
  return {weight(u) - u.number("learning_rate") * (g / (apply("sqrt", {s}) + u.number("epsilon"))), s};
}

// s ← α s + (1 − α) g²;  d = g / (sqrt(s) + ε), centered: g / (sqrt(s − m²) + ε) with m ← α m + (1 − α) g
// w ← w − η d, with momentum v ← μ v + d;  w ← w − η v   (Hinton, 2012; Graves, 2013; in PyTorch's form)
std::vector<Term> update_rmsprop(const Update& u) {
  Term g = decayed(u), alpha = u.number("alpha");
  Term rest = cast(1 - u.hyperparameter("alpha"), u.weight.dtype());
  std::size_t next = 0;
  Term s = alpha * u.slots[next++] + rest * (g * g);
  std::vector<Term> slots = {s};
  Term square = s;
  if (u.choice.flag("centered")) {
    slots.push_back(alpha * u.slots[next++] + rest * g);
    // Rounding may leave the variance a little below 0.
    square = apply("maximum", {s - slots.back() * slots.back(), s.like(0)});
  }
  Term direction = g / (apply("sqrt", {square}) + u.number("epsilon"));
  if (u.choice.uses("momentum")) {
    slots.push_back(u.number("momentum") * u.slots[next] + direction);
    direction = slots.back();
  }
  slots.insert(slots.begin(), weight(u) - u.number("learning_rate") * direction);
  return slots;
}

// m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  w ← w − η (m / (1 − β₁ᵗ)) / (sqrt(v / (1 − β₂ᵗ)) + ε)
// (Kingma and Ba, 2015). The corrections are taken in f64: 1 − β₂ has lost five digits in f32.
std::vector<Term> adam(const Update& u, Term w, Term g) {
  DType dtype = u.weight.dtype();
  Term beta1 = u.hyperparameter("beta1"), beta2 = u.hyperparameter("beta2");
  Term m = cast(beta1, dtype) * u.slots[0] + cast(1 - beta1, dtype) * g;
  Term v = cast(beta2, dtype) * u.slots[1] + cast(1 - beta2, dtype) * (g * g);
  Term first = 1 - apply("power", {beta1, u.updates});
  Term second = 1 - apply("power", {beta2, u.updates});
  Term rate = cast(u.hyperparameter("learning_rate") / first, dtype);
  Term root = apply("sqrt", {v}) / cast(apply("sqrt", {second}), dtype) + u.number("epsilon");
  return {w - rate * (m / root), m, v};
}

std::vector<Hyperparameter> with_clipping(std::vector<Hyperparameter> numbers) {
  numbers.push_back({"clip_norm", "largest norm of all gradients together; 0: none", 0});
  numbers.push_back({"clip_value", "largest element of a gradient; 0: none", 0});
  return numbers;
}

std::vector<Hyperparameter> adam_numbers(Hyperparameter weight_decay) {
  return with_clipping({{"beta1", "decay of the first moment", 0.9, 0, 0.9999999},
                        {"beta2", "decay of the second moment", 0.999, 0, 0.9999999},
                        {"epsilon", "added to the root of the second moment", 1e-8},
                        learning_rate(0.001),
                        std::move(weight_decay)});
}

std::vector<std::string> adam_slots(const OptimizerChoice&) { return {"m", "v"}; }

std::vector<std::string> rmsprop_slots(const OptimizerChoice& choice) {
  std::vector<std::string> slots = {"square"};
  if (choice.flag("centered")) slots.emplace_back("average");
  if (choice.uses("momentum")) slots.emplace_back("momentum");
  return slots;
}

Hyperparameter momentum_number() {
  return {"momentum", "share of the last step that is kept; 0: none, without a slot", 0, 0, 0.9999999};
}

}  // namespace

const std::vector<OptimizerSpec>& optimizers() {
  static const std::vector<OptimizerSpec> table = {
      {"adagrad",
       "Adagrad: steps scaled by the sum of all squared gradients",
       with_clipping({{"epsilon", "added to the root of the sum", 1e-10}, learning_rate(0.01), kWeightDecay}),
       {kDecoupled},
       [](const OptimizerChoice&) { return std::vector<std::string>{"square"}; },
       update_adagrad},
      {"adam",
       "Adam: steps scaled by running moments of the gradient",
       adam_numbers(kWeightDecay),
       {kDecoupled},
       adam_slots,
       [](const Update& u) { return adam(u, weight(u), decayed(u)); }},
      {"adamw",
       "Adam with decoupled weight decay",
       adam_numbers({"weight_decay", "shrinks weights by learning_rate · weight_decay each step", 0.01}),
       {},
       adam_slots,
       [](const Update& u) { return adam(u, u.choice.uses("weight_decay") ? shrunk(u) : u.weight, u.gradient); }},
      {"rmsprop",
       "RMSProp: steps scaled by a running mean of squared gradients",
       with_clipping({{"alpha", "decay of the running means", 0.99, 0, 0.9999999},
                      {"epsilon", "added to the root", 1e-8},
                      learning_rate(0.01),
                      momentum_number(),
                      kWeightDecay}),
       {{"centered", "scale by the variance, without the mean's square"}, kDecoupled},
       rmsprop_slots,
       update_rmsprop},
      {"sgd",
       "stochastic gradient descent, with momentum where it is given",
       with_clipping({learning_rate(0.01), momentum_number(), kWeightDecay}),
       {{"nesterov", "look ahead along the momentum"}, kDecoupled},
       [](const OptimizerChoice& choice) {
         return choice.uses("momentum") ? std::vector<std::string>{"momentum"} : std::vector<std::string>{};
       },
       update_sgd},
  };
  return table;
}

std::vector<Term> clipped(const OptimizerChoice& choice, std::vector<Term> gradients,
                          const std::function<Term(std::string_view name)>& hyperparameter) {
  if (choice.uses("clip_value"))
    for (Term& gradient : gradients) {
      Term bound = cast(hyperparameter("clip_value"), gradient.dtype());
      gradient = apply("maximum", {apply("minimum", {gradient, bound}), -bound});
    }
  if (!choice.uses("clip_norm")) return gradients;
  Term square;
  for (const Term& gradient : gradients) square = add(square, cast(reduce_sum(gradient * gradient, {}), DType::f64));
  Term norm = apply("sqrt", {square});
  Term scale = apply("minimum", {hyperparameter("clip_norm") / (norm + 1e-6), norm.like(1)});
  for (Term& gradient : gradients) gradient = gradient * cast(scale, gradient.dtype());
  return gradients;
}

const OptimizerSpec* find_optimizer(std::string_view name) {
  for (const OptimizerSpec& spec : optimizers())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::string wrong_number(const OptimizerSpec& spec, const Hyperparameter& hyperparameter, double number) {
  if (number >= hyperparameter.low && number <= hyperparameter.high) return "";
  std::string wanted = hyperparameter.high >= 1e300
                           ? number_text(hyperparameter.low) + " or more"
                           : "at least " + number_text(hyperparameter.low) + " and less than 1";
  return spec.name + ": `" + hyperparameter.name + "` must be " + wanted + ", got " + number_text(number);
}

OptimizerChoice default_choice(const OptimizerSpec& spec) {
  OptimizerChoice choice;
  choice.spec = &spec;
  for (const Hyperparameter& number : spec.numbers) choice.numbers[number.name] = number.preset;
  for (const auto& [flag, doc] : spec.flags) choice.flags[flag] = false;
  return choice;
}

}  // namespace gradc
