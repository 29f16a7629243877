// The names of other systems, as a table.
#include "ir/known_as.h"

#include <algorithm>

#include "ir/diagnostic.h"

namespace gradc {

namespace {

constexpr KnownAs kNames[] = {
    {"amax", "max"},
    {"amin", "min"},
    {"arctan2", "atan2"},
    {"astype", "cast"},
    {"batch_matmul", "matmul"},
    {"batch_normalization", "batch_norm"},
    {"bce_with_logits", "binary_cross_entropy_with_logits"},
    {"bmm", "matmul"},
    {"cat", "concatenate"},
    {"clamp", "clip"},
    {"concat", "concatenate"},
    {"conv_general_dilated", "convolution"},
    {"cross_entropy", "softmax_cross_entropy"},
    {"cummax", "cumulative_max"},
    {"cummin", "cumulative_min"},
    {"cumprod", "cumulative_product"},
    {"cumsum", "cumulative_sum"},
    {"dense", "linear"},
    {"detach", "stop_gradient"},
    {"div", "divide"},
    {"eq", "equal"},
    {"flip", "reverse"},
    {"fully_connected", "linear"},
    {"ge", "greater_equal"},
    {"gt", "greater"},
    {"hardsigmoid", "hard_sigmoid"},
    {"hardtanh", "hard_tanh"},
    {"huber_loss", "huber"},
    {"isfinite", "is_finite"},
    {"isnan", "is_nan"},
    {"kaiming_normal", "he_normal"},
    {"kaiming_uniform", "he_uniform"},
    {"l1_loss", "absolute_error"},
    {"le", "less_equal"},
    {"leakyrelu", "leaky_relu"},
    {"linalg_norm", "norm"},
    {"logsoftmax", "log_softmax"},
    {"logsumexp", "log_sum_exp"},
    {"lrn", "local_response_norm"},
    {"lt", "less"},
    {"mae", "absolute_error"},
    {"mean_absolute_error", "absolute_error"},
    {"mean_squared_error", "squared_error"},
    {"mm", "matmul"},
    {"mse", "squared_error"},
    {"mse_loss", "squared_error"},
    {"mul", "multiply"},
    {"ne", "not_equal"},
    {"neg", "negate"},
    {"permute", "transpose"},
    {"pow", "power"},
    {"prod", "product"},
    {"rand", "random_uniform"},
    {"randn", "random_normal"},
    {"reduce_max", "max"},
    {"reduce_mean", "mean"},
    {"reduce_min", "min"},
    {"reduce_sum", "sum"},
    {"sigmoid_cross_entropy_with_logits", "binary_cross_entropy_with_logits"},
    {"smooth_l1_loss", "huber"},
    {"softmax_cross_entropy_with_logits", "softmax_cross_entropy_soft"},
    {"sub", "subtract"},
    {"swapaxes", "transpose"},
    {"swish", "silu"},
    {"take", "gather"},
    {"topk", "top_k"},
    {"true_divide", "divide"},
    {"unsqueeze", "expand_dims"},
    {"var", "variance"},
    {"view", "reshape"},
    {"where", "select"},
    {"xavier_normal", "glorot_normal"},
    {"xavier_uniform", "glorot_uniform"},
};

}  // namespace

std::span<const KnownAs> known_as() { return kNames; }

std::string_view ours_for(std::string_view name) {
  const auto* found =
      std::lower_bound(std::begin(kNames), std::end(kNames), name,
                       [](const KnownAs& known, std::string_view wanted) { return known.other < wanted; });
  return found != std::end(kNames) && found->other == name ? found->ours : std::string_view();
}

std::string other_names(std::string_view ours) {
  std::string names;
  for (const KnownAs& known : kNames)
    if (known.ours == ours) names += (names.empty() ? "" : ", ") + std::string(known.other);
  return names;
}

std::string suggest_op(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string_view ours = ours_for(name);
  if (std::find(candidates.begin(), candidates.end(), ours) == candidates.end()) return suggest(name, candidates);
  return "; here it is `" + std::string(ours) + "`";
}

}  // namespace gradc
