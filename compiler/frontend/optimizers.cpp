// The optimizers, a row each, with the formula that they compute.
#include "compiler/frontend/optimizers.h"

#include "compiler/frontend/json.h"

namespace gradc {

namespace {

const Hyperparameter kWeightDecay = {"weight_decay", "adds weight_decay · w to the gradient", 0};

// Gradient with its weight decay: g + λ w.
Term decayed(const Update& u) {
  if (u.choice.number("weight_decay") == 0) return u.gradient;
  return u.gradient + u.number("weight_decay") * u.weight;
}

// v ← μ v + g;  w ← w − η v, with Nesterov w ← w − η (g + μ v)   (Sutskever et al., 2013, in PyTorch's form)
std::vector<Term> update_sgd(const Update& u) {
  Term g = decayed(u);
  Term rate = u.number("learning_rate");
  if (u.slots.empty()) return {u.weight - rate * g};
  Term momentum = u.number("momentum");
  Term v = momentum * u.slots[0] + g;
  Term direction = u.choice.flag("nesterov") ? g + momentum * v : v;
  return {u.weight - rate * direction, v};
}

// m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  w ← w − η (m / (1 − β₁ᵗ)) / (sqrt(v / (1 − β₂ᵗ)) + ε)
// (Kingma and Ba, 2015). The corrections are taken in f64: 1 − β₂ has lost five digits in f32.
std::vector<Term> adam(const Update& u, Term weight, Term g) {
  DType dtype = u.weight.dtype();
  Term beta1 = u.hyperparameter("beta1"), beta2 = u.hyperparameter("beta2");
  Term m = cast(beta1, dtype) * u.slots[0] + cast(1 - beta1, dtype) * g;
  Term v = cast(beta2, dtype) * u.slots[1] + cast(1 - beta2, dtype) * (g * g);
  Term step = cast(u.step, DType::f64);
  Term first = 1 - apply("power", {beta1, step});
  Term second = 1 - apply("power", {beta2, step});
  Term rate = cast(u.hyperparameter("learning_rate") / first, dtype);
  Term root = apply("sqrt", {v}) / cast(apply("sqrt", {second}), dtype) + u.number("epsilon");
  return {weight - rate * (m / root), m, v};
}

// w ← w (1 − η λ) before Adam's step (Loshchilov and Hutter, 2019).
std::vector<Term> update_adamw(const Update& u) {
  Term weight = u.weight;
  if (u.choice.number("weight_decay") != 0)
    weight = weight - u.number("learning_rate") * (u.number("weight_decay") * weight);
  return adam(u, weight, u.gradient);
}

std::vector<Hyperparameter> adam_numbers(Hyperparameter weight_decay) {
  return {{"beta1", "decay of the first moment", 0.9, 0, 0.9999999},
          {"beta2", "decay of the second moment", 0.999, 0, 0.9999999},
          {"epsilon", "added to the root of the second moment", 1e-8},
          {"learning_rate", "step size η", 0.001},
          std::move(weight_decay)};
}

std::vector<std::string> adam_slots(const OptimizerChoice&) { return {"m", "v"}; }

}  // namespace

const std::vector<OptimizerSpec>& optimizers() {
  static const std::vector<OptimizerSpec> table = {
      {"adam",
       "Adam: steps scaled by running moments of the gradient",
       adam_numbers(kWeightDecay),
       {},
       adam_slots,
       [](const Update& u) { return adam(u, u.weight, decayed(u)); }},
      {"adamw",
       "Adam with decoupled weight decay",
       adam_numbers({"weight_decay", "shrinks weights by learning_rate · weight_decay each step", 0.01}),
       {},
       adam_slots,
       update_adamw},
      {"sgd",
       "stochastic gradient descent, with momentum where it is given",
       {{"learning_rate", "step size η", 0.01},
        {"momentum", "share of the last step that is kept; 0: none, without a slot", 0, 0, 0.9999999},
        kWeightDecay},
       {{"nesterov", "look ahead along the momentum"}},
       [](const OptimizerChoice& choice) {
         return choice.number("momentum") == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"};
       },
       update_sgd},
  };
  return table;
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
