// What other systems call the ops, layers and initialisers: unknown names lead to ours.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradc {

struct KnownAs {
  std::string_view other;  // as NumPy, PyTorch, JAX or TensorFlow spell it
  std::string_view ours;   // an op, a layer or an initialiser
};
std::span<const KnownAs> known_as();  // sorted by `other`

// What `name` is called here; "" where it is no name that another system gives.
std::string_view ours_for(std::string_view name);

// "cat, concat": what others call ours.
std::string other_names(std::string_view ours);

// suggest() of ir/diagnostic.h, before it the name that is ours where it is among the candidates.
std::string suggest_op(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace gradc
